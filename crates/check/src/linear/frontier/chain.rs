//! The orders that lead to the configurations of a frontier, as one tree of moves that share their beginnings. A move
//! that no configuration rests on any more is given back, so memory follows what is alive and not what was tried.

/// No move: the root of the tree.
pub(super) const ROOT: u32 = u32::MAX;

/// Set in a move's operation if it had lapsed: it took effect unseen, just before an operation that overwrote it.
pub(super) const LAPSED: u32 = 1 << 31;

#[derive(Clone, Copy)]
struct Node {
    op: u32,
    parent: u32,
    refs: u32,
}

/// Moves by number, counted by those that rest on them.
#[derive(Default)]
pub(super) struct Chain {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

impl Chain {
    /// `op` after `parent`. The caller holds the new move; its hold on `parent` is its own affair.
    pub(super) fn push(&mut self, parent: u32, op: u32) -> u32 {
        self.hold(parent);
        let node = Node { op, parent, refs: 1 };
        if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            return at;
        }
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).unwrap_or(ROOT - 1)
    }

    /// `op` after `tail`, which the caller held and holds no longer.
    pub(super) fn extend(&mut self, tail: u32, op: u32) -> u32 {
        let next = self.push(tail, op);
        self.release(tail);
        next
    }

    pub(super) fn hold(&mut self, at: u32) {
        if at != ROOT {
            self.nodes[at as usize].refs += 1;
        }
    }

    pub(super) fn release(&mut self, mut at: u32) {
        while at != ROOT {
            let node = &mut self.nodes[at as usize];
            node.refs -= 1;
            if node.refs > 0 {
                return;
            }
            self.free.push(at);
            at = node.parent;
        }
    }

    /// The operations from the first to `tail`. `hides(earlier, lapsed)` says whether `earlier` overwrote what the
    /// lapsed operation did: that one is put just before the latest that did.
    pub(super) fn order(&self, mut tail: u32, hides: impl Fn(u32, u32) -> bool) -> Vec<u32> {
        let mut moves = Vec::new();
        while tail != ROOT {
            let node = &self.nodes[tail as usize];
            moves.push(node.op);
            tail = node.parent;
        }
        let mut order = Vec::with_capacity(moves.len());
        for made in moves.into_iter().rev() {
            if made & LAPSED == 0 {
                order.push(made);
                continue;
            }
            let op = made & !LAPSED;
            let at = order.iter().rposition(|earlier| hides(*earlier, op)).unwrap_or(order.len());
            order.insert(at, op);
        }
        order
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * 4) as u64
    }
}
