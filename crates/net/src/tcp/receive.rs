//! The receiving half of a connection: bytes in order for the program, and those that came too early.

use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
pub(crate) struct Receiver {
    /// Bytes in order that the program has not read.
    buffer: VecDeque<u8>,
    /// The next place expected.
    pub(crate) next: u64,
    /// Segments beyond a hole, by their place. They may overlap.
    early: BTreeMap<u64, Vec<u8>>,
    /// Where FIN is, once it has been seen.
    fin: Option<u64>,
    /// The end of the room told to the peer. It never moves back.
    pub(crate) advertised: u64,
    /// Bytes that may wait here.
    pub(crate) limit: usize,
    /// Bytes that came since the last acknowledgement.
    pub(crate) unacknowledged: usize,
}

/// What a segment brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// The next bytes.
    InOrder,
    /// The next bytes, and with them early ones.
    FilledHole,
    /// Bytes beyond a hole.
    Early,
    /// Nothing new.
    Duplicate,
}

impl Receiver {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            buffer: VecDeque::new(),
            next: 0,
            early: BTreeMap::new(),
            fin: None,
            advertised: 0,
            limit,
            unacknowledged: 0,
        }
    }

    /// Begins a stream whose SYN is at `initial`.
    pub(crate) fn begin(&mut self, initial: u64) {
        self.next = initial + 1;
        self.advertised = self.next + self.limit as u64;
    }

    /// Bytes that wait for the program.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the peer's FIN has come, and all bytes before it.
    #[inline]
    pub(crate) fn is_finished(&self) -> bool {
        self.fin.is_some_and(|fin| self.next > fin)
    }

    /// Room to tell to the peer, in bytes from `next`. Telling it is a promise.
    #[inline]
    pub(crate) fn advertise(&mut self) -> u32 {
        let room = self.limit.saturating_sub(self.buffer.len()) as u64;
        self.advertised = self.advertised.max(self.next + room);
        (self.advertised - self.next).min(u64::from(u32::MAX)) as u32
    }

    /// How far the end of the room has moved since the peer was told.
    #[inline]
    pub(crate) fn window_growth(&self) -> u64 {
        let room = self.limit.saturating_sub(self.buffer.len()) as u64;
        (self.next + room).saturating_sub(self.advertised)
    }

    /// Takes the payload of a segment at `seq`. What exceeds the promised room is left for the peer to send again.
    #[inline]
    pub(crate) fn data(&mut self, seq: u64, payload: &[u8]) -> Arrival {
        let end = (seq + payload.len() as u64).min(self.advertised);
        if end <= self.next || end <= seq {
            return Arrival::Duplicate;
        }
        let payload = &payload[..(end - seq) as usize];
        if seq > self.next {
            let held = self.early.get(&seq).map_or(0, Vec::len);
            if held < payload.len() {
                self.early.insert(seq, payload.to_vec());
            }
            return Arrival::Early;
        }
        self.append(seq, payload);
        if self.early.is_empty() {
            return Arrival::InOrder;
        }
        while let Some(entry) = self.early.first_entry()
            && *entry.key() <= self.next
        {
            let (seq, payload) = entry.remove_entry();
            self.append(seq, &payload);
        }
        Arrival::FilledHole
    }

    #[inline]
    fn append(&mut self, seq: u64, payload: &[u8]) {
        let known = (self.next - seq) as usize;
        if let Some(fresh) = payload.get(known..) {
            self.buffer.extend(fresh);
            self.next += fresh.len() as u64;
            self.unacknowledged += fresh.len();
        }
    }

    /// Notes that FIN is at `seq`.
    pub(crate) fn fin_at(&mut self, seq: u64) {
        self.fin.get_or_insert(seq);
    }

    /// Steps over FIN if everything before it has come. Says whether it did.
    #[inline]
    pub(crate) fn pass_fin(&mut self) -> bool {
        let pass = self.fin == Some(self.next);
        self.next += u64::from(pass);
        pass
    }

    /// Hands up to `max` bytes to `sink`, in order and once. Gives their number.
    #[inline]
    pub(crate) fn read(&mut self, max: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let n = self.peek(max, &mut sink);
        if n == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..n);
        }
        n
    }

    /// As [`Receiver::read`], but the bytes stay.
    #[inline]
    pub(crate) fn peek(&self, max: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let n = max.min(self.buffer.len());
        let (front, back) = self.buffer.as_slices();
        let first = n.min(front.len());
        sink(&front[..first]);
        if n > first {
            sink(&back[..n - first]);
        }
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(receiver: &mut Receiver) -> Vec<u8> {
        let mut out = Vec::new();
        receiver.read(usize::MAX, |bytes| out.extend_from_slice(bytes));
        out
    }

    #[test]
    fn early_bytes_wait_for_the_hole_to_be_filled() {
        let mut receiver = Receiver::new(100);
        receiver.begin(9);
        assert_eq!(receiver.data(13, b"def"), Arrival::Early);
        assert_eq!(read_all(&mut receiver), b"");
        assert_eq!(receiver.data(10, b"abc"), Arrival::FilledHole);
        assert_eq!(receiver.data(10, b"abc"), Arrival::Duplicate);
        assert_eq!(receiver.data(14, b"efgh"), Arrival::InOrder);
        assert_eq!(read_all(&mut receiver), b"abcdefgh");
    }

    #[test]
    fn room_that_was_promised_is_kept_and_what_exceeds_it_is_refused() {
        let mut receiver = Receiver::new(4);
        receiver.begin(0);
        assert_eq!(receiver.data(1, b"abcdef"), Arrival::InOrder);
        assert_eq!((receiver.waiting(), receiver.advertise()), (4, 0));
        assert_eq!(receiver.data(5, b"ef"), Arrival::Duplicate);
        assert_eq!(read_all(&mut receiver), b"abcd");
        assert_eq!(receiver.window_growth(), 4);
        assert_eq!(receiver.advertise(), 4);
    }

    proptest! {
        #[test]
        fn any_order_of_any_overlapping_segments_gives_the_stream(
            cuts in prop::collection::vec((0_usize..200, 1_usize..60), 0..40),
        ) {
            let stream: Vec<u8> = (0..200).map(|i| i as u8).collect();
            let mut receiver = Receiver::new(1_000);
            receiver.begin(0);
            let mut seen = Vec::new();
            for (at, len) in cuts.into_iter().chain((0..200).step_by(7).map(|at| (at, 7))) {
                let end = (at + len).min(stream.len());
                receiver.data(1 + at as u64, &stream[at..end]);
                receiver.read(11, |bytes| seen.extend_from_slice(bytes));
            }
            receiver.read(usize::MAX, |bytes| seen.extend_from_slice(bytes));
            prop_assert_eq!(seen, stream);
            prop_assert!(receiver.early.is_empty());
        }
    }
}
