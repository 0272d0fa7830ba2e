//! What libraries keep in thread-locals of the simulation's thread, and each node is to have for itself: the keys of
//! `std`'s hash maps. With them a node's maps have the order that the node's own past gives them, whatever the others did.

use std::cell::RefCell;

use stormglass_kernel::{self as kernel, Incarnation, NodeId};
use stormglass_sys::seal::MapKeys;

/// The keys of the next map, as [`MapKeys`] has them.
type Keys = (u64, u64);

/// Tells the keys of nodes from everything else that is drawn from a seed.
const DOMAIN: u64 = 0x6d61_702d_6b65_7973;

struct NodeLocals {
    seed: u64,
    place: MapKeys,
    /// Whose keys are in place.
    current: usize,
    /// By node: the boot they belong to, and the keys as they were when another node came.
    parked: Vec<Option<(Incarnation, Keys)>>,
}

thread_local! {
    static LOCALS: RefCell<Option<NodeLocals>> = const { RefCell::new(None) };
}

/// Finds the thread-locals of this thread. Where they are not found, all nodes go on sharing them.
pub(crate) fn begin(seed: u64) {
    let locals = MapKeys::find().map(|place| NodeLocals { seed, place, current: 0, parked: Vec::new() });
    LOCALS.set(locals);
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
    fn switch(&mut self, node: usize, incarnation: Incarnation) {
        if let Some(Some((_, keys))) = self.parked.get_mut(self.current) {
            *keys = self.place.get();
        }
        if self.parked.len() <= node {
            self.parked.resize(node + 1, None);
        }
        let keys = match self.parked[node] {
            Some((boot, keys)) if boot == incarnation => keys,
            _ => self.first(node, incarnation),
        };
        self.parked[node] = Some((incarnation, keys));
        self.place.set(keys);
        self.current = node;
    }

    /// The keys of a node's new process.
    fn first(&self, node: usize, incarnation: Incarnation) -> Keys {
        let thing = (node as u64) << 32 | u64::from(incarnation.number());
        let word = |n| kernel::mix(kernel::mix(self.seed ^ DOMAIN, n), thing);
        (word(0), word(1))
    }
}
