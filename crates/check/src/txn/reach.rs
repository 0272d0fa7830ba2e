//! What comes before what, as far as it is known: it is learnt one step at a time, and can be taken back.

use super::graph::Followed;

/// What reaches what, as a square of bits.
pub(super) struct Reach {
    words: usize,
    bits: Vec<u64>,
    /// What words held before something was learnt, so that it can be taken back.
    before: Vec<(u32, u64)>,
}

impl Reach {
    /// What follows from the edges, which close no cycle.
    pub(super) fn new(nodes: usize, edges: &Followed) -> Reach {
        let words = nodes.div_ceil(64);
        let mut reach = Reach { words, bits: vec![0; nodes * words], before: Vec::new() };
        // Depth first: what a node reaches is whole before what comes before it is.
        let mut state = vec![0usize; nodes];
        let mut path: Vec<u32> = Vec::new();
        for root in (0u32..).take(nodes) {
            if state[root as usize] > 0 {
                continue;
            }
            state[root as usize] = 1;
            path.push(root);
            while let Some(node) = path.last().copied() {
                let at = node as usize;
                match edges.from(node).get(state[at] - 1) {
                    Some(edge) => {
                        state[at] += 1;
                        if state[edge.to as usize] == 0 {
                            state[edge.to as usize] = 1;
                            path.push(edge.to);
                        }
                    }
                    None => {
                        path.pop();
                        for edge in edges.from(node) {
                            reach.take_in(at, edge.to as usize);
                        }
                    }
                }
            }
        }
        reach.before.clear();
        reach
    }

    pub(super) fn nodes(&self) -> u32 {
        u32::try_from(self.bits.len() / self.words.max(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn has(&self, from: u32, to: u32) -> bool {
        self.bits[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }

    /// `from` reaches `to`, and all that it reaches.
    fn take_in(&mut self, from: usize, to: usize) {
        let (from, of) = (from * self.words, to * self.words);
        for word in 0..self.words {
            self.set(from + word, self.bits[of + word]);
        }
        self.set(from + to / 64, 1 << (to % 64));
    }

    /// How many words there are to take back.
    pub(super) fn learnt(&self) -> usize {
        self.before.len()
    }

    fn set(&mut self, at: usize, bits: u64) {
        let known = self.bits[at];
        if known | bits != known {
            self.before.push((u32::try_from(at).unwrap_or(u32::MAX), known));
            self.bits[at] = known | bits;
        }
    }

    /// Takes back all that was learnt since there were `kept` words to take back.
    pub(super) fn take_back(&mut self, kept: usize) {
        for (at, bits) in self.before.drain(kept..).rev() {
            self.bits[at as usize] = bits;
        }
    }

    /// `from` comes before `to`, and so does what comes before it.
    pub(super) fn add(&mut self, from: u32, to: u32) {
        for node in (0..self.nodes()).filter(|node| *node == from || self.has(*node, from)).collect::<Vec<_>>() {
            self.take_in(node as usize, to as usize);
        }
    }
}
