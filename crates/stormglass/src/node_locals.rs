//! What libraries keep in thread-locals of the simulation's thread, and each node is to have for itself: the keys of
//! `std`'s hash maps, and the state of `fastrand`'s generator. With its own a node sees what its own past gives it, whatever
//! the others did.

use std::cell::RefCell;

use stormglass_kernel::{self as kernel, Incarnation, NodeId};
use stormglass_sys::seal::MapKeys;

/// What one boot of a node has for itself.
#[derive(Clone, Copy)]
struct Own {
    boot: Incarnation,
    /// The keys of the next map, as [`MapKeys`] has them.
    keys: (u64, u64),
    /// The state of `fastrand`.
    fastrand: u64,
}

/// Tells these words from everything else that is drawn from a seed.
const DOMAIN: u64 = 0x6d61_702d_6b65_7973;

struct NodeLocals {
    seed: u64,
    /// `None` where this `std` keeps its keys elsewhere.
    keys: Option<MapKeys>,
    /// Whose own is in place.
    current: usize,
    /// By node, as it was when another node came.
    parked: Vec<Option<Own>>,
}

thread_local! {
    static LOCALS: RefCell<Option<NodeLocals>> = const { RefCell::new(None) };
}

/// Finds the thread-locals of this thread. What is not found all nodes go on sharing.
pub(crate) fn begin(seed: u64) {
    LOCALS.set(Some(NodeLocals { seed, keys: MapKeys::find(), current: 0, parked: Vec::new() }));
}

/// Puts the thread-locals of a node's boot in place of those of the node that ran last.
pub(crate) fn switch(node: NodeId, incarnation: Incarnation) {
    LOCALS.with_borrow_mut(|locals| {
        if let Some(locals) = locals {
            locals.switch(node.index(), incarnation);
        }
    });
}

impl NodeLocals {
    fn switch(&mut self, node: usize, boot: Incarnation) {
        if let Some(Some(own)) = self.parked.get_mut(self.current) {
            own.keys = self.keys.as_ref().map_or((0, 0), MapKeys::get);
            own.fastrand = fastrand::get_seed();
        }
        if self.parked.len() <= node {
            self.parked.resize(node + 1, None);
        }
        let own = match self.parked[node] {
            Some(own) if own.boot == boot => own,
            _ => self.first(node, boot),
        };
        self.parked[node] = Some(own);
        if let Some(keys) = &self.keys {
            keys.set(own.keys);
        }
        fastrand::seed(own.fastrand);
        self.current = node;
    }

    /// What a node's new process begins with.
    fn first(&self, node: usize, boot: Incarnation) -> Own {
        let process = (node as u64) << 32 | u64::from(boot.number());
        let word = |n| kernel::mix(kernel::mix(self.seed ^ DOMAIN, n), process);
        Own { boot, keys: (word(0), word(1)), fastrand: word(2) }
    }
}
