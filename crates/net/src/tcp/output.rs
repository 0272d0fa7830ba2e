//! What a connection sends: data as far as the window lets it, acknowledgements, retransmissions, resets.

use super::connection::{Connection, Io, Phase};
use super::send::Recovery;
use crate::address::Form;
use crate::packet::{Body, Flags, Segment};

/// Bytes in one segment. Not an Ethernet frame's 1,460: like a segment before the network card cuts it up (GSO).
pub(crate) const SEGMENT_MAX: u64 = 16 * 1024;

/// Bytes of the headers of IP and TCP.
const HEADERS: u32 = 40;

impl Connection {
    /// Sends what may be sent, and an acknowledgement if one is due and no data carried it.
    #[inline]
    pub(crate) fn output(&mut self, io: &mut Io<'_>) {
        let first = self.tx.next;
        let segment_max = self.segment_max(io);
        loop {
            let start = self.tx.next;
            let end = self.tx.released.min(self.tx.window_end).min(start + segment_max).max(start);
            // FIN needs no room and travels with the last bytes if it can.
            let fin = self.tx.fin == Some(end);
            if end == start && !fin {
                break;
            }
            self.send_data(io, start, end, fin);
            self.tx.next = end + u64::from(fin);
        }
        if self.tx.next > first {
            if self.tx.fin_sent() && !self.rx.is_finished() {
                self.closed_first = true;
            }
            if self.tx.timed.is_none() && self.tx.recovery.is_none() {
                self.tx.timed = Some((self.tx.next, io.kernel.now().as_nanos()));
            }
            if first == self.tx.una {
                self.set_retransmit(io);
            }
        } else if self.ack_due || self.window_update_due() {
            self.send_empty(io, Flags::ACK, self.tx.next);
        }
        if self.tx.is_blocked() && !self.tx.in_flight() && self.deadlines.retransmit == u64::MAX {
            self.set_retransmit(io);
        }
    }

    /// Bytes in one segment on the present path: the link's MTU less the headers. It is asked for each time, as if path MTU
    /// discovery (RFC 1191) took no time.
    #[inline]
    fn segment_max(&self, io: &Io<'_>) -> u64 {
        let mtu = io.wire.links.mtu((self.flow.from, self.flow.to));
        SEGMENT_MAX.min(u64::from(mtu.saturating_sub(HEADERS)))
    }

    /// Whether the peer should learn at once that the program made room: it may be waiting for it.
    #[inline]
    pub(crate) fn window_update_due(&self) -> bool {
        let step = (2 * SEGMENT_MAX).min(self.rx.limit as u64 / 2);
        self.rx.window_growth() >= step.max(1) && !self.rx.is_finished()
    }

    #[inline]
    fn send_data(&mut self, io: &mut Io<'_>, start: u64, end: u64, fin: bool) {
        let mut payload = io.wire.packets.buffer();
        if end > start {
            self.tx.copy(start, end, &mut payload);
        }
        let flags = if fin { Flags::ACK.and(Flags::FIN) } else { Flags::ACK };
        self.send_segment(io, flags, start, payload);
    }

    pub(crate) fn send_empty(&mut self, io: &mut Io<'_>, flags: Flags, seq: u64) {
        self.send_segment(io, flags, seq, Vec::new());
    }

    #[inline]
    fn send_segment(&mut self, io: &mut Io<'_>, flags: Flags, seq: u64, payload: Vec<u8>) {
        let ack = if flags.has(Flags::ACK) { self.rx.next } else { 0 };
        let window = if flags.has(Flags::ACK) { self.rx.advertise() } else { self.rx.limit as u32 };
        let segment = Segment { flags, seq, ack, window, number: self.number, sender: self.me, receiver: self.peer };
        self.ack_due = false;
        self.rx.unacknowledged = 0;
        self.deadlines.acknowledge = u64::MAX;
        let (source, destination) = (self.key.local, self.key.remote);
        io.wire.send(io.kernel, &mut self.flow, source, destination, Body::Segment(segment), payload);
    }

    // ---- opening ------------------------------------------------------------------------------------------------

    pub(crate) fn send_syn(&mut self, io: &mut Io<'_>, flags: Flags) {
        let seq = self.tx.una;
        let flags = self.marked(flags);
        self.tx.next = seq + 1;
        self.tx.timed = Some((self.tx.next, io.kernel.now().as_nanos()));
        self.send_empty(io, flags, seq);
    }

    /// The flags of a SYN, with the family of its addresses.
    fn marked(&self, flags: Flags) -> Flags {
        if self.form == Form::V6 { flags.and(Flags::V6) } else { flags }
    }

    pub(crate) fn resend_syn(&mut self, io: &mut Io<'_>, flags: Flags) {
        io.wire.counters.segments_retransmitted += 1;
        self.tx.timed = None;
        self.send_empty(io, self.marked(flags), self.tx.una);
    }

    // ---- closing at once ----------------------------------------------------------------------------------------

    pub(crate) fn send_reset(&mut self, io: &mut Io<'_>) {
        if self.phase != Phase::Closed {
            self.send_empty(io, Flags::RST.and(Flags::ACK), self.tx.next);
        }
    }

    // ---- again --------------------------------------------------------------------------------------------------

    /// Sends one segment again, from `start`. Gives the place after it.
    fn resend(&mut self, io: &mut Io<'_>, start: u64) -> u64 {
        let (fin_place, next) = (self.tx.fin.unwrap_or(u64::MAX), self.tx.next);
        let end = (start + self.segment_max(io)).min(next).min(fin_place);
        let fin = fin_place == end && next > fin_place;
        io.wire.counters.segments_retransmitted += 1;
        // Karn's rule: an acknowledgement would not tell which of the two it answers.
        self.tx.timed = None;
        self.send_data(io, start, end, fin);
        end + u64::from(fin)
    }

    pub(crate) fn resend_after_timeout(&mut self, io: &mut Io<'_>) {
        let next = self.resend(io, self.tx.una);
        self.tx.duplicates = 0;
        self.tx.recovery = Some(Recovery { until: self.tx.next, next, all: true });
    }

    /// The third duplicate acknowledgement tells of one lost segment (RFC 5681, 3.2).
    pub(crate) fn resend_hole(&mut self, io: &mut Io<'_>) {
        let next = self.resend(io, self.tx.una);
        self.tx.recovery = Some(Recovery { until: self.tx.next, next, all: false });
        self.set_retransmit(io);
    }

    /// An acknowledgement advanced while segments are being sent again: on with it. After a timeout two segments per
    /// acknowledgement, as slow start does; after duplicates the next hole (RFC 6582).
    pub(crate) fn go_on_recovering(&mut self, io: &mut Io<'_>) {
        let Some(recovery) = self.tx.recovery else { return };
        if self.tx.una >= recovery.until {
            self.tx.recovery = None;
            return;
        }
        let (mut next, count) = if recovery.all { (recovery.next.max(self.tx.una), 2) } else { (self.tx.una, 1) };
        for _ in 0..count {
            if next < recovery.until {
                next = self.resend(io, next);
            }
        }
        self.tx.recovery = Some(Recovery { next, ..recovery });
    }

    /// Asks a peer whose window is closed how it is. The answer is an acknowledgement.
    pub(crate) fn send_probe(&mut self, io: &mut Io<'_>) {
        self.send_empty(io, Flags::ACK.and(Flags::PROBE), self.tx.next - 1);
    }
}
