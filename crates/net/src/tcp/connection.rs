//! One end of a TCP connection: its state, how it opens and closes, and its timers.

use std::net::SocketAddrV4;
use std::time::Duration;

use stormglass_kernel::{Kernel, Kind, VirtualTime, WorldEvent, WorldId, saturating_nanos};

use super::options::{Due, Silence, SocketOptions};
use super::receive::Receiver;
use super::send::Sender;
use crate::address::Form;
use crate::error::Cause;
use crate::flow::Flow;
use crate::lost::{Loss, Lost};
use crate::packet::{Flags, SocketRef};
use crate::waiters::Waiters;
use crate::wire::{OUTPUT, TIMER, Wire};

/// `tcp_syn_retries`: the connect fails 127 s after it began.
const SYN_RETRIES: u32 = 6;
/// `tcp_synack_retries`.
const SYN_ACK_RETRIES: u32 = 5;
/// `tcp_retries2`: with the least timeout, 924 s.
const DATA_RETRIES: u32 = 15;
/// `tcp_orphan_retries`, as Linux reads its default of 0: a connection that no program holds any more.
const ORPHAN_RETRIES: u32 = 8;
/// `tcp_fin_timeout`: how long an orphan waits for the peer's FIN.
const FIN_TIMEOUT_NS: u64 = 60_000_000_000;

const NEVER: u64 = u64::MAX;

/// The addresses of a connection, as its host sees them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) local: SocketAddrV4,
    pub(crate) remote: SocketAddrV4,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// SYN is due or sent.
    SynSent,
    /// SYN came, SYN-ACK is sent.
    SynReceived,
    /// Bytes may flow, in the directions that have no FIN yet.
    Open,
    /// Over, in good order or not.
    Closed,
}

/// What a connection needs of the world to act.
pub(crate) struct Io<'a> {
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) wire: &'a mut Wire,
}

/// Deadlines, in nanoseconds of virtual time. A machine's kernel counts them, not the node's skewed clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// When the queue holds an event for this connection.
    armed: u64,
    pub(crate) retransmit: u64,
    pub(crate) acknowledge: u64,
    pub(crate) orphan: u64,
    pub(crate) keepalive: u64,
}

impl Deadlines {
    const NONE: Self = Self { armed: NEVER, retransmit: NEVER, acknowledge: NEVER, orphan: NEVER, keepalive: NEVER };
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) me: SocketRef,
    pub(crate) key: Key,
    pub(crate) peer: SocketRef,
    pub(crate) flow: Flow,
    /// Its number at the node that opened it.
    pub(crate) number: u32,
    pub(crate) phase: Phase,
    /// The listener to which a new connection goes.
    pub(crate) listener: Option<SocketRef>,
    /// Whether a program holds it, or will by accepting it.
    pub(crate) held: bool,
    pub(crate) tx: Sender,
    pub(crate) rx: Receiver,
    pub(crate) deadlines: Deadlines,
    pub(crate) readers: Waiters,
    pub(crate) writers: Waiters,
    /// Told to the program once.
    pub(crate) error: Option<Cause>,
    /// The program has shut down its writing half.
    pub(crate) write_shut: bool,
    /// An acknowledgement must go out, with or without data.
    pub(crate) ack_due: bool,
    /// What the current poll did has not left yet.
    pub(crate) output_due: bool,
    /// FIN was sent before the peer's came: this end keeps TIME_WAIT.
    pub(crate) closed_first: bool,
    pub(crate) options: SocketOptions,
    pub(crate) silence: Silence,
    pub(crate) form: Form,
    /// `SO_REUSEADDR`.
    pub(crate) reuse: bool,
}

impl Connection {
    pub(crate) fn new(me: SocketRef, key: Key, flow: Flow, number: u32, initial: u64, buffers: (usize, usize)) -> Self {
        Self {
            me,
            key,
            peer: SocketRef::NONE,
            flow,
            number,
            phase: Phase::SynSent,
            listener: None,
            held: true,
            tx: Sender::new(initial, buffers.0),
            rx: Receiver::new(buffers.1),
            deadlines: Deadlines { armed: NEVER, ..Deadlines::NONE },
            readers: Waiters::default(),
            writers: Waiters::default(),
            error: None,
            write_shut: false,
            ack_due: false,
            output_due: false,
            closed_first: false,
            options: SocketOptions::default(),
            silence: Silence::default(),
            form: Form::V4,
            reuse: false,
        }
    }

    /// Lets what the program did take place at the end of the poll.
    #[inline]
    pub(crate) fn output_at_end_of_poll(&mut self, kernel: &mut Kernel) {
        if !self.output_due {
            self.output_due = true;
            kernel.effect(WorldId::NET, OUTPUT, self.me.to_bits(), self.flow.from.index() as u64);
        }
    }

    /// What the program did takes place.
    #[inline]
    pub(crate) fn on_output(&mut self, io: &mut Io<'_>) {
        self.output_due = false;
        self.tx.released = self.tx.written();
        match self.phase {
            Phase::SynSent => {
                if !self.held {
                    self.end(io, None);
                } else if !self.tx.in_flight() {
                    self.send_syn(io, Flags::SYN);
                    self.set_retransmit(io);
                }
            }
            Phase::SynReceived | Phase::Open => {
                if !self.held {
                    return self.release(io);
                }
                if self.write_shut {
                    self.tx.fin.get_or_insert(self.tx.written());
                }
                self.output(io);
            }
            Phase::Closed => {}
        }
        self.arm(io.kernel);
    }

    /// No program holds the connection any more: it ends in good order, unless the peer must learn that bytes were
    /// thrown away (RFC 2525, 2.17).
    pub(crate) fn release(&mut self, io: &mut Io<'_>) {
        self.held = false;
        match self.phase {
            Phase::SynSent => self.end(io, None),
            Phase::SynReceived => self.abort(io),
            Phase::Open if self.rx.waiting() > 0 || self.options.linger == Some(Duration::ZERO) => self.abort(io),
            Phase::Open => {
                self.tx.fin.get_or_insert(self.tx.written());
                if self.tx.is_finished() {
                    self.deadlines.orphan = io.kernel.now().as_nanos().saturating_add(FIN_TIMEOUT_NS);
                }
                self.output(io);
                self.arm(io.kernel);
            }
            Phase::Closed => {}
        }
    }

    /// Ends the connection at once and tells the peer by RST.
    pub(crate) fn abort(&mut self, io: &mut Io<'_>) {
        self.send_reset(io);
        self.closed_first = false;
        self.end(io, Some(Cause::Reset));
    }

    /// The connection is over.
    pub(crate) fn end(&mut self, io: &mut Io<'_>, error: Option<Cause>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.error = error;
        self.note_losses(io);
        self.tx.clear();
        self.deadlines = Deadlines { armed: self.deadlines.armed, ..Deadlines::NONE };
        let state = error.map_or(CLOSED, |_| ENDED);
        io.kernel.trace(Kind::SOCKET, self.flow.site.as_u64(), state);
        self.readers.wake(io.kernel);
        self.writers.wake(io.kernel);
    }

    /// Remembers what is lost with the connection.
    fn note_losses(&self, io: &mut Io<'_>) {
        let (here, there) = ((self.flow.from, self.key.local.port()), (self.flow.to, self.key.remote.port()));
        let at = io.kernel.now();
        let unacknowledged = self.tx.unacknowledged();
        if unacknowledged > 0 {
            io.wire.losses.note(Loss { at, from: here, to: there, what: Lost::Unacknowledged(unacknowledged) });
        }
        let unread = self.rx.waiting() as u64;
        if unread > 0 && !self.held {
            io.wire.losses.note(Loss { at, from: there, to: here, what: Lost::Unread(unread) });
        }
    }

    /// Whether both directions ended in good order.
    pub(crate) fn is_finished(&self) -> bool {
        self.tx.is_finished() && self.rx.is_finished()
    }

    /// Ends the connection if both directions have: called after anything that may have finished one.
    #[inline]
    pub(crate) fn settle(&mut self, io: &mut Io<'_>) {
        if self.tx.is_finished() {
            if self.rx.is_finished() {
                self.end(io, None);
            } else if !self.held && self.deadlines.orphan == NEVER {
                self.deadlines.orphan = io.kernel.now().as_nanos().saturating_add(FIN_TIMEOUT_NS);
            }
        }
    }

    // ---- timers -------------------------------------------------------------------------------------------------

    /// Starts the retransmission timer afresh.
    #[inline]
    pub(crate) fn set_retransmit(&mut self, io: &Io<'_>) {
        self.deadlines.retransmit = io.kernel.now().as_nanos().saturating_add(self.tx.rtt.timeout_ns());
    }

    #[inline]
    pub(crate) fn stop_retransmit(&mut self) {
        self.deadlines.retransmit = NEVER;
    }

    /// Sees to it that the queue holds an event for the earliest deadline. A deadline that moves back leaves its event
    /// where it is: it finds nothing due and is armed anew. So a busy connection costs an event per timeout, not per
    /// segment.
    #[inline]
    pub(crate) fn arm(&mut self, kernel: &mut Kernel) {
        let d = &mut self.deadlines;
        let next = d.retransmit.min(d.acknowledge).min(d.orphan).min(d.keepalive);
        if next < d.armed {
            let next = next.max(kernel.now().as_nanos());
            d.armed = next;
            let event = WorldEvent { world: WorldId::NET, kind: TIMER, a: self.me.to_bits(), b: 0 };
            kernel.schedule(VirtualTime::from_nanos(next), self.flow.from, event);
        }
    }

    pub(crate) fn on_timer(&mut self, io: &mut Io<'_>) {
        let now = io.kernel.now().as_nanos();
        if self.deadlines.armed != now {
            return;
        }
        self.deadlines.armed = NEVER;
        if self.deadlines.acknowledge <= now {
            self.ack_due = true;
            self.output(io);
        }
        if self.deadlines.retransmit <= now {
            self.on_timeout(io);
        }
        if self.deadlines.orphan <= now {
            self.end(io, None);
        }
        if self.deadlines.keepalive <= now {
            self.on_silence(io);
        }
        self.arm(io.kernel);
    }

    /// Begins or ends to watch an idle connection.
    pub(crate) fn watch_silence(&mut self, now: u64) {
        self.deadlines.keepalive = match self.options.keepalive {
            Some(keepalive) if self.phase == Phase::Open => {
                self.silence = Silence { heard_ns: now, probes: 0 };
                now.saturating_add(saturating_nanos(keepalive.idle))
            }
            _ => NEVER,
        };
    }

    /// The peer may have been silent for too long.
    fn on_silence(&mut self, io: &mut Io<'_>) {
        let Some(keepalive) = self.options.keepalive else { return };
        let now = io.kernel.now().as_nanos();
        let busy = self.tx.in_flight() || self.tx.next < self.tx.released;
        match self.silence.due(now, &keepalive, self.options.user_timeout, busy) {
            Due::Later(at) => self.deadlines.keepalive = at,
            Due::Probe(next) => {
                self.silence.probes += 1;
                io.wire.counters.keepalives_sent += 1;
                self.send_probe(io);
                self.deadlines.keepalive = next;
            }
            Due::GiveUp => {
                self.send_reset(io);
                self.end(io, Some(Cause::TimedOut));
            }
        }
    }

    /// Whether what was sent has been unacknowledged for longer than the program lets it (`TCP_USER_TIMEOUT`, RFC 5482).
    fn is_past_user_timeout(&mut self, now: u64) -> bool {
        let Some(limit) = self.options.user_timeout.filter(|_| self.phase == Phase::Open) else { return false };
        let stalled_at = *self.tx.stalled_at.get_or_insert(now.saturating_sub(self.tx.rtt.timeout_ns()));
        now.saturating_sub(stalled_at) >= saturating_nanos(limit)
    }

    /// No acknowledgement came in time.
    fn on_timeout(&mut self, io: &mut Io<'_>) {
        self.stop_retransmit();
        let retries_max = match self.phase {
            Phase::SynSent => SYN_RETRIES,
            Phase::SynReceived => SYN_ACK_RETRIES,
            Phase::Open if self.held => DATA_RETRIES,
            Phase::Open => ORPHAN_RETRIES,
            Phase::Closed => return,
        };
        let past = self.is_past_user_timeout(io.kernel.now().as_nanos());
        let counts = self.options.user_timeout.is_none() || self.phase != Phase::Open;
        if past || counts && self.tx.retries >= retries_max {
            if self.phase == Phase::SynReceived {
                self.held = false;
            }
            return self.end(io, Some(Cause::TimedOut));
        }
        self.tx.retries += 1;
        self.tx.rtt.double();
        match self.phase {
            Phase::SynSent => self.resend_syn(io, Flags::SYN),
            Phase::SynReceived => self.resend_syn(io, Flags::SYN.and(Flags::ACK)),
            _ if self.tx.in_flight() => self.resend_after_timeout(io),
            _ if self.tx.is_blocked() => self.send_probe(io),
            _ => return,
        }
        self.set_retransmit(io);
        if let (Some(limit), Some(stalled_at)) = (self.options.user_timeout, self.tx.stalled_at) {
            let last = stalled_at.saturating_add(saturating_nanos(limit));
            self.deadlines.retransmit = self.deadlines.retransmit.min(last);
        }
    }
}

/// Operand b of a `socket` record: the connection ended in good order.
const CLOSED: u64 = 1;
/// Operand b of a `socket` record: it ended by reset or timeout.
const ENDED: u64 = 2;
/// Operand b of a `socket` record: it is open.
pub(crate) const OPENED: u64 = 3;
