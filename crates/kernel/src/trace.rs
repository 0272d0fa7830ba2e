//! The trace: every event as a fixed 24-byte record, folded into a rolling digest and kept in a ring.
//!
//! Nothing is formatted here. A sink, when one is set, receives each full chunk and the last partial one, so that the
//! whole trace can go to a file; the layout of a record is little-endian on every machine.

use std::fmt;

use twox_hash::XxHash3_128;

use crate::ids::NodeId;
use crate::time::VirtualTime;

/// Bytes of one record in a trace.
pub const RECORD_BYTES: usize = 24;
const CHUNK_RECORDS: usize = 2048;
/// A chunk begins with the digest of all chunks before it, in the place of a record.
const CHUNK_PLACES: usize = 1 + CHUNK_RECORDS;
/// Enough for a very short run.
const FIRST_PLACES: usize = 81;

/// What happened. The meaning of `a` and `b` of a record depends on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind(pub u8);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// The word for this kind in a rendered trace.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 { $($number => $text,)* _ => "unknown" }
            }
        }
    };
}

kinds! {
    /// A task was created: a = its key, b = its parent's key (low bits).
    SPAWN = 1, "spawn";
    /// A task was polled: a = its key, b = its poll number.
    POLL = 2, "poll";
    /// A task ended: a = its key, b = 0 finished, 1 cancelled, 2 panicked.
    TASK_END = 3, "task-end";
    /// A task of one node woke a task of another through shared memory: a = the woken task, b = the waker's node.
    EDGE = 4, "edge";
    /// A timer fired: a = its deadline on the node's clock, b = its number.
    TIMER = 5, "timer";
    /// A node booted: b = incarnation.
    BOOT = 6, "boot";
    /// A node went down: a = how, b = incarnation.
    DOWN = 7, "down";
    /// A node was paused or resumed: a = 1 paused, 0 resumed.
    PAUSE = 8, "pause";
    /// A signal reached a node: a = its number.
    SIGNAL = 9, "signal";
    /// A program asked for entropy: a = task key, b = draw.
    ENTROPY = 10, "entropy";
    /// A service or oracle reported something: a, b as it says.
    PROBE = 11, "probe";
    /// A fault began, ended or was refused: a = fault, b = 1 began, 0 ended.
    FAULT = 12, "fault";
    /// A client operation was invoked or completed: a = operation, b = phase.
    OPERATION = 13, "operation";
    /// A thread that a program started panicked: a = which of the program's threads, from 1.
    THREAD_PANIC = 14, "thread-panic";
    /// A process did not get the memory that it asked for: a = bytes, b = 0 the allocation failed, 1 it is killed for it.
    MEMORY = 15, "memory";
    /// A segment or datagram left its node: a = flow, b = ordinal.
    PACKET_SENT = 20, "packet-sent";
    /// A segment or datagram arrived: a = flow, b = ordinal.
    PACKET_DELIVERED = 21, "packet-delivered";
    /// A segment or datagram was lost: a = flow, b = reason.
    PACKET_DROPPED = 22, "packet-dropped";
    /// A connection or socket changed state: a = flow, b = state.
    SOCKET = 23, "socket";
    /// A disk operation took effect: a = file, b = operation.
    DISK = 30, "disk";
    /// Power loss resolved a pending write: a = file, b = outcome.
    DISK_RESOLVED = 31, "disk-resolved";
}

/// One event of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it happened.
    pub at: VirtualTime,
    /// On which node.
    pub node: NodeId,
    /// What happened.
    pub kind: Kind,
    /// First operand.
    pub a: u64,
    /// Second operand; 40 bits are kept.
    pub b: u64,
}

impl Record {
    const B_MASK: u64 = (1 << 40) - 1;

    /// The record's bytes in a trace.
    #[must_use]
    #[inline]
    pub fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let head = u64::from(self.kind.0) << 56 | u64::from(self.node.0) << 40 | self.b & Self::B_MASK;
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&self.at.as_nanos().to_le_bytes());
        bytes[8..16].copy_from_slice(&head.to_le_bytes());
        bytes[16..].copy_from_slice(&self.a.to_le_bytes());
        bytes
    }

    /// The record that these bytes hold.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Self {
        let word = |i: usize| {
            let mut w = [0; 8];
            w.copy_from_slice(&bytes[i..i + 8]);
            u64::from_le_bytes(w)
        };
        let head = word(8);
        Self {
            at: VirtualTime::from_nanos(word(0)),
            node: NodeId((head >> 40) as u16),
            kind: Kind((head >> 56) as u8),
            a: word(16),
            b: head & Self::B_MASK,
        }
    }
}

/// The digest of a trace: equal traces, equal digests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Receives the bytes of a trace, a whole number of records at a time.
pub trait TraceSink: Send {
    /// Takes the next records.
    fn records(&mut self, bytes: &[u8]);
}

impl<F: FnMut(&[u8]) + Send> TraceSink for F {
    fn records(&mut self, bytes: &[u8]) {
        self(bytes);
    }
}

/// Records as bytes, one after the other.
pub(crate) type Chunk = Vec<[u8; RECORD_BYTES]>;

/// The last records of a trace, oldest first. They are read out of their bytes when somebody asks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recent(Chunk);

impl Recent {
    /// The records, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Record> + ExactSizeIterator {
        self.0.iter().map(Record::from_bytes)
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The trace of one run.
pub struct Trace {
    /// The digest so far, then records, then places for more. It grows to a whole chunk, so that a short run costs little
    /// memory.
    chunk: Chunk,
    /// How many places have something in them.
    filled: usize,
    previous: Chunk,
    /// Records in the chunks before.
    before: u64,
    sink: Option<Box<dyn TraceSink>>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl Trace {
    /// A trace that is yet to begin.
    pub(crate) fn blank() -> Self {
        Self { chunk: Vec::new(), filled: 0, previous: Vec::new(), before: 0, sink: None }
    }

    /// Begins a blank trace.
    pub(crate) fn begin(&mut self, sink: Option<Box<dyn TraceSink>>) {
        self.make_room(FIRST_PLACES);
        self.chunk[0] = [0; RECORD_BYTES];
        self.filled = 1;
        self.sink = sink;
    }

    /// Makes it blank again. Its memory stays.
    pub(crate) fn reset(&mut self) {
        let Self { chunk: _, filled, previous, before, sink } = self;
        *filled = 0;
        previous.clear();
        *before = 0;
        *sink = None;
    }

    fn make_room(&mut self, places: usize) {
        if self.chunk.len() < places {
            self.chunk.resize(places, [0; RECORD_BYTES]);
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, record: Record) {
        // The record is put together where it stays.
        if self.filled >= self.chunk.len() {
            self.make_place();
        }
        if let Some(place) = self.chunk.get_mut(self.filled) {
            *place = record.to_bytes();
            self.filled += 1;
        }
    }

    #[cold]
    fn make_place(&mut self) {
        if self.filled < CHUNK_PLACES {
            self.make_room((2 * self.filled).min(CHUNK_PLACES));
        } else {
            self.turn();
        }
    }

    fn turn(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.records(self.chunk[1..].as_flattened());
        }
        self.before += CHUNK_RECORDS as u64;
        let mut head = [0; RECORD_BYTES];
        head[..16].copy_from_slice(&self.digest().0.to_le_bytes());
        std::mem::swap(&mut self.chunk, &mut self.previous);
        self.make_room(CHUNK_PLACES);
        self.chunk[0] = head;
        self.filled = 1;
    }

    /// How many records the run has made.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.before + self.filled as u64 - 1
    }

    /// The digest of everything so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(XxHash3_128::oneshot(self.chunk[..self.filled].as_flattened()))
    }

    /// The last records, oldest first; at least 2,048 of them if the run made as many.
    #[must_use]
    pub fn recent(&self) -> Recent {
        let [older, newer] =
            [&self.previous[..], &self.chunk[..self.filled]].map(|chunk| chunk.get(1..).unwrap_or_default());
        let mut recent = Vec::with_capacity(older.len() + newer.len());
        recent.extend_from_slice(older);
        recent.extend_from_slice(newer);
        Recent(recent)
    }

    /// Hands what is left to the sink.
    pub(crate) fn flush(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.records(self.chunk[1..self.filled].as_flattened());
        }
        self.sink = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn record(i: u64) -> Record {
        Record { at: VirtualTime::from_nanos(i * 7), node: NodeId(3), kind: Kind::POLL, a: i << 40, b: i }
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let full =
            Record { at: VirtualTime::MAX, node: NodeId(u16::MAX), kind: Kind(255), a: u64::MAX, b: (1 << 40) - 1 };
        for r in [record(0), record(12_345), full] {
            assert_eq!(Record::from_bytes(&r.to_bytes()), r);
        }
    }

    #[test]
    fn the_sink_sees_every_record_once_and_the_ring_keeps_the_last() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&seen);
        let mut trace = Trace::blank();
        trace.begin(Some(Box::new(move |bytes: &[u8]| {
            copy.lock().expect("no test panics while holding it").extend_from_slice(bytes);
        })));
        let total = 3 * CHUNK_RECORDS as u64 + 17;
        (0..total).for_each(|i| trace.push(record(i)));
        trace.flush();
        let bytes = seen.lock().expect("no test panics while holding it");
        let all: Vec<Record> = bytes.as_chunks::<RECORD_BYTES>().0.iter().map(Record::from_bytes).collect();
        assert_eq!(all, (0..total).map(record).collect::<Vec<_>>());
        let recent: Vec<Record> = trace.recent().iter().collect();
        assert!(recent.len() >= CHUNK_RECORDS);
        assert_eq!(recent.last(), Some(&record(total - 1)));
        assert_eq!(recent.as_slice(), &all[all.len() - recent.len()..]);
    }

    #[test]
    fn the_digest_depends_on_every_record_and_their_order() {
        let digest = |order: &[u64]| {
            let mut trace = Trace::blank();
            trace.begin(None);
            order.iter().for_each(|&i| trace.push(record(i)));
            trace.digest()
        };
        assert_eq!(digest(&[1, 2, 3]), digest(&[1, 2, 3]));
        assert_ne!(digest(&[1, 2, 3]), digest(&[1, 3, 2]));
        assert_ne!(digest(&[1, 2, 3]), digest(&[1, 2]));
    }
}
