//! What libraries keep in thread-locals and statics of the simulation, and each node is to have for itself: the keys of
//! `std`'s hash maps, the state of `fastrand`, and that of the libraries that [`LibraryState`] finds. With its own a node sees what its own
//! past gives it, whatever the others did.

use std::cell::RefCell;

use stormglass_kernel::{self as kernel, Incarnation, NodeId};
use stormglass_sys::seal::{Image, LibraryState, MapKeys};

/// What one boot of a node has for itself, while another node's is in place.
struct Own {
    boot: Incarnation,
    /// The keys of the next map, as [`MapKeys`] has them.
    keys: (u64, u64),
    /// The state of `fastrand`: what it seeds itself from is the same in every seed.
    fastrand: u64,
    libraries: Image,
}

/// Tells these words from everything else that is drawn from a seed.
const DOMAIN: u64 = 0x6d61_702d_6b65_7973;

struct NodeLocals {
    seed: u64,
    /// `None` where this `std` keeps its keys elsewhere.
    keys: Option<MapKeys>,
    libraries: LibraryState,
    /// Whose own is in place; none before the first node runs.
    current: Option<(usize, Incarnation)>,
    /// By node, as it was when another node came.
    parked: Vec<Option<Own>>,
}

thread_local! {
    static LOCALS: RefCell<Option<NodeLocals>> = const { RefCell::new(None) };
}

/// Finds the thread-locals of this thread. What is not found all nodes go on sharing.
pub(crate) fn begin(seed: u64) {
    let (keys, libraries) = (MapKeys::find(), LibraryState::find());
    LOCALS.set(Some(NodeLocals { seed, keys, libraries, current: None, parked: Vec::new() }));
}

/// Puts the thread-locals of a node's boot in place of those of the node that ran last.
pub fn switch(node: NodeId, boot: Incarnation) {
    LOCALS.with_borrow_mut(|locals| {
        if let Some(locals) = locals {
            locals.switch(node.index(), boot);
        }
    });
}

impl NodeLocals {
    fn switch(&mut self, node: usize, boot: Incarnation) {
        if self.parked.len() <= node {
            self.parked.resize_with(node + 1, || None);
        }
        let mut own = match self.parked[node].take() {
            Some(own) if own.boot == boot => own,
            _ => self.first(node, boot),
        };
        self.libraries.swap(&mut own.libraries);
        if let Some(place) = &self.keys {
            let keys = place.get();
            place.set(own.keys);
            own.keys = keys;
        }
        let fastrand = fastrand::get_seed();
        fastrand::seed(own.fastrand);
        own.fastrand = fastrand;
        // What was in place before; of a boot that is over nobody will ask.
        if let Some((last, boot)) = self.current.replace((node, boot)) {
            self.parked[last] = Some(Own { boot, ..own });
        }
    }

    /// What a node's new process begins with.
    fn first(&self, node: usize, boot: Incarnation) -> Own {
        let process = (node as u64) << 32 | u64::from(boot.number());
        let word = |n| kernel::mix(kernel::mix(self.seed ^ DOMAIN, n), process);
        Own { boot, keys: (word(0), word(1)), fastrand: word(2), libraries: self.libraries.pristine(word(3)) }
    }
}
