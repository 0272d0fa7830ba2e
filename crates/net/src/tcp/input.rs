//! What a connection does with a segment that reaches it.

use stormglass_kernel::Kind;

use super::connection::{Connection, Io, OPENED, Phase};
use super::options::Silence;
use super::output::SEGMENT_MAX;
use super::receive::Arrival;
use crate::error::Cause;
use crate::packet::{Flags, Segment};

/// Linux's least delay of an acknowledgement that might travel with data.
const DELAYED_ACK_NS: u64 = 40_000_000;
/// RFC 5681: so many duplicate acknowledgements tell of a loss.
const DUPLICATES_OF_A_LOSS: u32 = 3;

impl Connection {
    /// Takes a segment. Afterwards the phase tells what became of the connection.
    #[inline]
    pub(crate) fn on_segment(&mut self, io: &mut Io<'_>, segment: &Segment, payload: &[u8]) {
        match self.phase {
            Phase::SynSent => self.on_answer_to_syn(io, segment),
            Phase::Closed => self.on_segment_after_the_end(io, segment, payload),
            Phase::SynReceived | Phase::Open => {
                if self.options.keepalive.is_some() {
                    self.silence = Silence { heard_ns: io.kernel.now().as_nanos(), probes: 0 };
                }
                self.on_segment_of_stream(io, segment, payload);
            }
        }
        self.arm(io.kernel);
    }

    fn on_answer_to_syn(&mut self, io: &mut Io<'_>, segment: &Segment) {
        let flags = segment.flags;
        let acceptable = self.tx.in_flight() && segment.ack == self.tx.next;
        if flags.has(Flags::ACK) && !acceptable {
            // The peer still believes in an older connection between these addresses: end that one.
            if !flags.has(Flags::RST) {
                self.send_empty(io, Flags::RST, segment.ack);
            }
            return;
        }
        if flags.has(Flags::RST) {
            if flags.has(Flags::ACK) {
                self.end(io, Some(Cause::Refused));
            }
            return;
        }
        if !flags.has(Flags::SYN) {
            return;
        }
        self.peer = segment.sender;
        self.rx.begin(segment.seq);
        if flags.has(Flags::ACK) {
            self.open(io, segment);
            self.ack_due = true;
            self.output(io);
        } else {
            // Both ends opened at once.
            self.phase = Phase::SynReceived;
            self.resend_syn(io, Flags::SYN.and(Flags::ACK));
        }
    }

    /// The handshake is over: `segment` acknowledges this end's SYN.
    fn open(&mut self, io: &mut Io<'_>, segment: &Segment) {
        self.phase = Phase::Open;
        self.measure(io, segment.ack);
        self.tx.acknowledge(segment.ack);
        self.tx.window_end = segment.ack + u64::from(segment.window);
        self.tx.retries = 0;
        self.tx.rtt.reset_doublings();
        self.stop_retransmit();
        self.watch_silence(io.kernel.now().as_nanos());
        io.kernel.trace(Kind::SOCKET, self.flow.site.as_u64(), OPENED);
        self.writers.wake(io.kernel);
    }

    /// Both directions are done; the program still holds its end.
    fn on_segment_after_the_end(&mut self, io: &mut Io<'_>, segment: &Segment, payload: &[u8]) {
        let occupies = !payload.is_empty() || segment.flags.has(Flags::FIN.and(Flags::SYN));
        if occupies && !segment.flags.has(Flags::RST) && self.is_finished() {
            self.send_empty(io, Flags::ACK, self.tx.next);
        }
    }

    #[inline]
    fn on_segment_of_stream(&mut self, io: &mut Io<'_>, segment: &Segment, payload: &[u8]) {
        let flags = segment.flags;
        if flags.has(Flags::RST.and(Flags::SYN).and(Flags::PROBE)) || !flags.has(Flags::ACK) {
            return self.on_unusual_segment(io, segment);
        }
        if segment.ack > self.tx.next {
            self.ack_due = true;
            return self.output(io);
        }
        if self.phase == Phase::SynReceived {
            if segment.ack != self.tx.next {
                return;
            }
            self.open(io, segment);
        }
        self.peer = segment.sender;
        let finishing = flags.has(Flags::FIN);
        let recovering = self.on_acknowledgement(io, segment, payload.is_empty() && !finishing);
        if !payload.is_empty() || finishing {
            self.on_data(io, segment, payload);
        }
        if self.phase == Phase::Open {
            if recovering {
                self.go_on_recovering(io);
            }
            // An orphan with everything said waits for its FIN in silence.
            self.output(io);
            self.settle(io);
        }
    }

    /// Measures the round trip, if `ack` ends one.
    #[inline]
    fn measure(&mut self, io: &Io<'_>, ack: u64) {
        if let Some((place, sent_ns)) = self.tx.timed
            && ack >= place
        {
            self.tx.timed = None;
            self.tx.rtt.measured(io.kernel.now().as_nanos().saturating_sub(sent_ns));
        }
    }

    /// Takes the acknowledgement and the window of a segment. Says whether a recovery advanced.
    #[inline]
    fn on_acknowledgement(&mut self, io: &mut Io<'_>, segment: &Segment, pure: bool) -> bool {
        let (ack, edge) = (segment.ack, segment.ack + u64::from(segment.window));
        let moved = edge > self.tx.window_end;
        self.tx.window_end = self.tx.window_end.max(edge);
        if ack > self.tx.una {
            self.measure(io, ack);
            self.tx.acknowledge(ack);
            self.tx.duplicates = 0;
            self.tx.retries = 0;
            self.tx.rtt.reset_doublings();
            if self.tx.in_flight() {
                self.set_retransmit(io);
            } else {
                self.stop_retransmit();
            }
            if (!self.writers.is_empty() || self.writers.is_cleared()) && self.tx.is_writable() {
                self.writers.wake(io.kernel);
            }
            return self.tx.recovery.is_some();
        }
        if !self.tx.in_flight() {
            // The answer to a probe: the peer lives, and may have made room.
            self.tx.retries = 0;
            if moved {
                self.tx.rtt.reset_doublings();
                self.stop_retransmit();
            }
        } else if ack == self.tx.una && pure && !moved {
            self.tx.duplicates += 1;
            if self.tx.duplicates == DUPLICATES_OF_A_LOSS && self.tx.recovery.is_none() {
                self.resend_hole(io);
            }
        }
        false
    }

    #[inline]
    fn on_data(&mut self, io: &mut Io<'_>, segment: &Segment, payload: &[u8]) {
        let end = segment.seq + payload.len() as u64;
        if !self.held && self.rx.next < end {
            // Nobody will ever read this: the peer must know.
            return self.abort(io);
        }
        let arrival = if payload.is_empty() { Arrival::Duplicate } else { self.rx.data(segment.seq, payload) };
        if segment.flags.has(Flags::FIN) {
            self.rx.fin_at(end);
        }
        let finished = self.rx.pass_fin();
        if finished || matches!(arrival, Arrival::InOrder | Arrival::FilledHole) {
            self.readers.wake(io.kernel);
        }
        if finished || arrival != Arrival::InOrder || self.rx.unacknowledged as u64 >= 2 * SEGMENT_MAX {
            self.ack_due = true;
        } else if self.deadlines.acknowledge == u64::MAX {
            self.deadlines.acknowledge = io.kernel.now().as_nanos().saturating_add(DELAYED_ACK_NS);
        }
    }

    /// Resets, stray SYNs and probes.
    #[cold]
    fn on_unusual_segment(&mut self, io: &mut Io<'_>, segment: &Segment) {
        let flags = segment.flags;
        if flags.has(Flags::RST) {
            if segment.seq == self.rx.next {
                self.on_reset(io);
            } else if segment.seq > self.rx.next && segment.seq < self.rx.advertised {
                // RFC 5961, 3.2: ask whether it is meant; who meant it answers with the right place.
                self.send_empty(io, Flags::ACK, self.tx.next);
            }
        } else if flags.has(Flags::SYN) && self.phase == Phase::SynReceived {
            if flags.has(Flags::ACK) && segment.ack == self.tx.next {
                self.peer = segment.sender;
                self.open(io, segment);
                self.ack_due = true;
                self.output(io);
            } else {
                self.resend_syn(io, Flags::SYN.and(Flags::ACK));
            }
        } else if flags.has(Flags::SYN) {
            // RFC 5961, 4.2.
            self.send_empty(io, Flags::ACK, self.tx.next);
        } else if flags.has(Flags::PROBE) && self.phase == Phase::Open {
            self.ack_due = true;
            self.output(io);
        }
    }

    fn on_reset(&mut self, io: &mut Io<'_>) {
        if self.phase == Phase::SynReceived {
            self.held = false;
        }
        // Linux: after the peer's FIN a reset is a broken pipe.
        let cause = if self.rx.is_finished() { Cause::BrokenPipe } else { Cause::Reset };
        self.end(io, Some(cause));
    }
}
