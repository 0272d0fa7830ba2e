//! The last bytes of an output without a bound.

/// Keeps the last bytes that were pushed.
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

    pub(super) fn push(&mut self, new: &[u8]) {
        self.total += new.len() as u64;
        self.bytes.extend_from_slice(new);
        // Cutting only what has grown to twice the size costs a constant per byte.
        if self.bytes.len() > self.kept_max.saturating_mul(2) {
            self.cut();
        }
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
        for chunk in [&b"ab"[..], b"cdefghijkl", b"", b"mno"] {
            tail.push(chunk);
        }
        assert_eq!(tail.into_parts(), (b"lmno".to_vec(), 15));
    }

    #[test]
    fn may_keep_nothing() {
        let mut tail = Tail::new(0);
        tail.push(b"abc");
        assert_eq!(tail.into_parts(), (Vec::new(), 3));
    }
}
