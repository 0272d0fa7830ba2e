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
    /// What follows from the edges. If they close a cycle, somebody on it comes before himself, and no more is sure.
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

    /// Whether somebody comes before himself.
    pub(super) fn closes_a_cycle(&self) -> bool {
        (0..self.nodes()).any(|node| self.has(node, node))
    }

    pub(super) fn nodes(&self) -> u32 {
        u32::try_from(self.bits.len() / self.words.max(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn has(&self, from: u32, to: u32) -> bool {
        self.bits[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }

    /// How many `node` comes before.
    pub(super) fn count(&self, node: u32) -> u32 {
        let begin = node as usize * self.words;
        self.bits[begin..begin + self.words].iter().map(|word| word.count_ones()).sum()
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

#[cfg(test)]
mod tests {
    use super::super::graph::{DATA, Graph, Kind};
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// What reaches what, one step after the other.
    fn plain(nodes: u32, edges: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let mut reached: Vec<(u32, u32)> = Vec::new();
        for from in 0..nodes {
            let mut open = vec![from];
            while let Some(node) = open.pop() {
                for (_, to) in edges.iter().filter(|(of, _)| *of == node) {
                    if !reached.contains(&(from, *to)) {
                        reached.push((from, *to));
                        open.push(*to);
                    }
                }
            }
        }
        reached.sort_unstable();
        reached
    }

    fn all(reach: &Reach) -> Vec<(u32, u32)> {
        let pairs = (0..reach.nodes()).flat_map(|from| (0..reach.nodes()).map(move |to| (from, to)));
        pairs.filter(|(from, to)| reach.has(*from, *to)).collect()
    }

    fn draw(rng: &mut ChaCha8Rng, nodes: u32) -> (u32, u32) {
        let (one, other) = (rng.random_range(0..nodes), rng.random_range(0..nodes - 1));
        if other < one { (other, one) } else { (one, other + 1) }
    }

    #[test]
    fn what_is_learnt_is_what_follows_and_can_be_taken_back() {
        for seed in 0..300 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let nodes = rng.random_range(2..80);
            let mut edges: Vec<(u32, u32)> = (0..rng.random_range(0..nodes)).map(|_| draw(&mut rng, nodes)).collect();
            let mut graph = Graph::new(nodes as usize);
            edges.iter().for_each(|(from, to)| graph.add(*from, *to, Kind::WriteWrite));
            let mut reach = Reach::new(nodes as usize, &graph.followed(DATA));
            assert!(all(&reach) == plain(nodes, &edges) && !reach.closes_a_cycle(), "seed {seed}: {edges:?}");
            let mut known = Vec::new();
            for _ in 0..30 {
                if rng.random_ratio(1, 3)
                    && let Some((learnt, kept)) = known.pop()
                {
                    reach.take_back(learnt);
                    edges.truncate(kept);
                } else {
                    known.push((reach.learnt(), edges.len()));
                    for (from, to) in [draw(&mut rng, nodes), draw(&mut rng, nodes)] {
                        reach.add(from, to);
                        edges.push((from, to));
                    }
                }
                assert_eq!(all(&reach), plain(nodes, &edges), "seed {seed}: {edges:?}");
            }
        }
    }

    #[test]
    fn a_cycle_is_seen_wherever_it_is_entered() {
        for turn in 0..4 {
            let mut graph = Graph::new(6);
            for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
                graph.add((from + turn) % 4 + 1, (to + turn) % 4 + 1, Kind::WriteRead);
            }
            graph.add(0, 3, Kind::WriteRead);
            graph.add(3, 5, Kind::WriteRead);
            assert!(Reach::new(6, &graph.followed(DATA)).closes_a_cycle(), "from {turn}");
        }
    }
}
