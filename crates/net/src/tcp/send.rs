//! The sending half of a connection: bytes that the program wrote, until the peer has acknowledged them.
//!
//! Places in the stream count from the connection's initial sequence number: SYN takes one, then come the bytes, then
//! FIN takes one.

use std::collections::VecDeque;

use super::rtt::Rtt;

/// Lost segments are being sent again: everything before `until` was out when the loss was noticed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    pub(crate) until: u64,
    /// What to send again next.
    pub(crate) next: u64,
    /// After a timeout everything is presumed lost; after duplicate acknowledgements only the first hole.
    pub(crate) all: bool,
}

#[derive(Debug)]
pub(crate) struct Sender {
    /// Bytes from `data_at` on.
    buffer: VecDeque<u8>,
    data_at: u64,
    /// The oldest place that is not acknowledged.
    pub(crate) una: u64,
    /// The next place to send for the first time.
    pub(crate) next: u64,
    /// Bytes before this have left the polls that wrote them.
    pub(crate) released: u64,
    /// The receiver has room up to here.
    pub(crate) window_end: u64,
    /// Where FIN is, once the stream has an end.
    pub(crate) fin: Option<u64>,
    /// Bytes that the program may have waiting here.
    pub(crate) limit: usize,
    pub(crate) duplicates: u32,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) rtt: Rtt,
    /// A place whose acknowledgement measures the round trip, and when it was sent (Karn: never one sent twice).
    pub(crate) timed: Option<(u64, u64)>,
    /// Timeouts since the peer was last heard to advance.
    pub(crate) retries: u32,
    /// Since when nothing has been acknowledged, once a timeout has shown it; in nanoseconds.
    pub(crate) stalled_at: Option<u64>,
}

impl Sender {
    pub(crate) fn new(initial: u64, limit: usize) -> Self {
        Self {
            buffer: VecDeque::new(),
            data_at: initial + 1,
            una: initial,
            next: initial,
            released: initial + 1,
            window_end: initial + 1,
            fin: None,
            limit,
            duplicates: 0,
            recovery: None,
            rtt: Rtt::default(),
            timed: None,
            retries: 0,
            stalled_at: None,
        }
    }

    /// The place after the last byte written.
    #[inline]
    pub(crate) fn written(&self) -> u64 {
        self.data_at + self.buffer.len() as u64
    }

    /// Room for more of the program's bytes.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.buffer.len())
    }

    /// Whether a writer that had to wait should go on: a third of the buffer is free, as Linux decides it.
    pub(crate) fn is_writable(&self) -> bool {
        self.room() * 3 >= self.limit
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room());
        self.buffer.extend(&bytes[..n]);
        n
    }

    /// Forgets bytes that a voided poll wrote.
    pub(crate) fn truncate_unreleased(&mut self) {
        let keep = self.released.saturating_sub(self.data_at) as usize;
        self.buffer.truncate(keep);
    }

    /// Copies the bytes of `start..end` into `out`.
    #[inline]
    pub(crate) fn copy(&self, start: u64, end: u64, out: &mut Vec<u8>) {
        let (from, to) = ((start - self.data_at) as usize, (end - self.data_at) as usize);
        let (front, back) = self.buffer.as_slices();
        if from < front.len() {
            out.extend_from_slice(&front[from..to.min(front.len())]);
        }
        if to > front.len() {
            out.extend_from_slice(&back[from.saturating_sub(front.len())..to - front.len()]);
        }
    }

    /// Takes an acknowledgement of everything before `ack`.
    #[inline]
    pub(crate) fn acknowledge(&mut self, ack: u64) {
        self.una = ack;
        self.stalled_at = None;
        let bytes = ack.min(self.written()).saturating_sub(self.data_at) as usize;
        if bytes == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..bytes);
        }
        self.data_at += bytes as u64;
    }

    /// Whether anything sent is not acknowledged yet.
    #[inline]
    pub(crate) fn in_flight(&self) -> bool {
        self.una < self.next
    }

    /// Whether something may be sent that the window does not let out.
    pub(crate) fn is_blocked(&self) -> bool {
        self.next < self.released && self.next >= self.window_end
    }

    /// Whether FIN was sent and acknowledged.
    #[inline]
    pub(crate) fn is_finished(&self) -> bool {
        self.fin.is_some_and(|fin| self.una > fin)
    }

    /// Whether FIN was sent.
    #[inline]
    pub(crate) fn fin_sent(&self) -> bool {
        self.fin.is_some_and(|fin| self.next > fin)
    }

    /// Bytes that were written and not acknowledged.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.written().saturating_sub(self.una.max(self.data_at))
    }

    /// Frees what no longer can be sent.
    pub(crate) fn clear(&mut self) {
        self.data_at = self.written();
        self.buffer = VecDeque::new();
        self.recovery = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_until_acknowledged_and_can_be_copied_from_any_place() {
        let mut sender = Sender::new(100, 10);
        assert_eq!(sender.write(b"abcdefghijkl"), 10);
        sender.released = sender.written();
        sender.acknowledge(105);
        assert_eq!((sender.room(), sender.written()), (4, 111));
        assert_eq!(sender.write(b"kl"), 2);
        let mut out = Vec::new();
        sender.copy(106, 113, &mut out);
        assert_eq!(out, b"fghijkl");
        sender.truncate_unreleased();
        assert_eq!(sender.written(), 111);
    }

    #[test]
    fn a_copy_crosses_the_seam_of_the_ring() {
        let mut sender = Sender::new(0, 64);
        let mut place = 1;
        for round in 0..200_u64 {
            let bytes: Vec<u8> = (0..37).map(|i| (round * 37 + i) as u8).collect();
            assert_eq!(sender.write(&bytes), 37);
            let mut out = Vec::new();
            sender.copy(place + 3, place + 37, &mut out);
            assert_eq!(out, bytes[3..]);
            place += 37;
            sender.acknowledge(place);
        }
    }
}
