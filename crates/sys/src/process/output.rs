//! The last bytes of an output without a bound.

use std::io::{self, Read};

/// How much is read at a time.
pub(super) const CHUNK_BYTES: usize = 16 << 10;

/// Keeps the last bytes that were read.
#[derive(Debug)]
pub(super) struct Tail {
    kept_max: usize,
    bytes: Vec<u8>,
    total: u64,
}

impl Tail {
    pub(super) fn new(kept_max: usize) -> Tail {
        Tail { kept_max, bytes: Vec::new(), total: 0 }
    }

    /// Memory for one that never allocates.
    pub(super) fn with_room(kept_max: usize) -> Vec<u8> {
        Vec::with_capacity(kept_max * 2 + CHUNK_BYTES)
    }

    /// One in the memory of another.
    pub(super) fn again(mut bytes: Vec<u8>, kept_max: usize) -> Tail {
        bytes.clear();
        Tail { kept_max, bytes, total: 0 }
    }

    /// Reads once, up to a chunk. The error is that of the last attempt; what came before it is kept.
    pub(super) fn read_from(&mut self, source: &mut impl Read) -> io::Result<usize> {
        let before = self.bytes.len();
        let read = source.take(CHUNK_BYTES as u64).read_to_end(&mut self.bytes);
        self.total += (self.bytes.len() - before) as u64;
        // Cutting only what has grown to twice the size costs a constant per byte.
        if self.bytes.len() > self.kept_max.saturating_mul(2) {
            self.cut();
        }
        read
    }

    /// The bytes kept, and how many there were.
    pub(super) fn into_parts(mut self) -> (Vec<u8>, u64) {
        self.cut();
        (self.bytes, self.total)
    }

    fn cut(&mut self) {
        let excess = self.bytes.len().saturating_sub(self.kept_max);
        self.bytes.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    #[test]
    fn keeps_the_end_and_counts_the_whole() {
        let mut tail = Tail::new(4);
        for mut chunk in [&b"ab"[..], b"cdefghijkl", b"", b"mno"] {
            tail.read_from(&mut chunk).unwrap();
        }
        assert_eq!(tail.into_parts(), (b"lmno".to_vec(), 15));
    }

    #[test]
    fn may_keep_nothing() {
        let mut tail = Tail::new(0);
        tail.read_from(&mut &b"abc"[..]).unwrap();
        assert_eq!(tail.into_parts(), (Vec::new(), 3));
    }
}
