//! What libraries keep in thread-locals and statics of the simulation, and each node is to have for itself: the keys of
//! `std`'s hash maps, the state of `fastrand`, and that of the libraries that [`LibraryState`] finds. With its own a node sees what its own
//! past gives it, whatever the others did.

use std::cell::RefCell;

use stormglass_kernel::{self as kernel, Incarnation, NodeId};
use stormglass_sys::seal::{Image, LibraryState, MapKeys};

/// What one process has for itself, while another's is in place.
struct Own {
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
    current: Option<usize>,
    /// By node: its boot, and where its own is parked while another node's is in place.
    nodes: Vec<(Incarnation, usize)>,
    /// What is parked. A node's own changes places with the one that it displaces.
    parked: Vec<Own>,
}

/// A node whose own is in place, or that never ran.
const NOT_PARKED: usize = usize::MAX;

thread_local! {
    static LOCALS: RefCell<Option<NodeLocals>> = const { RefCell::new(None) };
}

/// Finds the thread-locals of this thread. What is not found all nodes go on sharing.
pub(crate) fn begin(seed: u64) {
    let (keys, libraries) = (MapKeys::find(), LibraryState::find());
    LOCALS.set(Some(NodeLocals { seed, keys, libraries, current: None, nodes: Vec::new(), parked: Vec::new() }));
}

/// Puts the thread-locals of a node's boot in place of those of the node that ran last.
pub fn switch(node: NodeId, boot: Incarnation) {
    LOCALS.with_borrow_mut(|locals| {
        if let Some(locals) = locals {
            locals.switch(node.index(), boot);
        }
    });
}

/// The libraries that this run used and whose state its nodes share: what is deterministic and not causally stable.
#[must_use]
pub fn shared_and_used() -> Vec<&'static str> {
    LOCALS.with_borrow(|locals| locals.as_ref().map_or_else(Vec::new, |locals| locals.libraries.shared_and_used()))
}

impl NodeLocals {
    /// `boot` is not the one that is in place already.
    fn switch(&mut self, node: usize, boot: Incarnation) {
        let place = match self.nodes.get(node) {
            Some(&(of, place)) if of == boot && place != NOT_PARKED => place,
            _ => self.make(node, boot),
        };
        let own = &mut self.parked[place];
        self.libraries.swap(&mut own.libraries);
        if let Some(keys) = &self.keys {
            let displaced = keys.get();
            keys.set(own.keys);
            own.keys = displaced;
        }
        let displaced = fastrand::get_seed();
        fastrand::seed(own.fastrand);
        own.fastrand = displaced;
        self.nodes[node].1 = NOT_PARKED;
        // Of an earlier boot nobody will ask again.
        if let Some(last) = self.current.replace(node).filter(|&last| last != node) {
            self.nodes[last].1 = place;
        }
    }

    /// Parks what a node's new process begins with.
    #[cold]
    fn make(&mut self, node: usize, boot: Incarnation) -> usize {
        if self.nodes.len() <= node {
            self.nodes.resize(node + 1, (Incarnation::default(), NOT_PARKED));
        }
        let process = (node as u64) << 32 | u64::from(boot.number());
        let word = |n| kernel::mix(kernel::mix(self.seed ^ DOMAIN, n), process);
        let libraries = self.libraries.pristine(word(3));
        self.nodes[node].0 = boot;
        self.parked.push(Own { keys: (word(0), word(1)), fastrand: word(2), libraries });
        self.parked.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId::from_index(1);
    const TWO: NodeId = NodeId::from_index(2);

    /// What a program draws: from a hash map's keys and from `fastrand`.
    fn draw() -> (u64, u64) {
        use std::hash::BuildHasher;
        (std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::new().hash_one(keys()), fastrand::u64(..))
    }

    fn keys() -> (u64, u64) {
        let keys = LOCALS.with_borrow(|locals| locals.as_ref().and_then(|l| l.keys.as_ref().map(MapKeys::get)));
        let _map: std::collections::HashSet<u8> = std::collections::HashSet::default();
        keys.expect("this std keeps its keys where we look")
    }

    fn on_a_fresh_thread(seed: u64, f: impl FnOnce() -> Vec<(u64, u64)> + Send + 'static) -> Vec<(u64, u64)> {
        let thread = std::thread::spawn(move || {
            begin(seed);
            f()
        });
        thread.join().expect("no panic")
    }

    #[test]
    fn a_node_goes_on_where_it_was_whatever_others_drew() {
        let boot = Incarnation::default();
        let alone = on_a_fresh_thread(1, move || {
            switch(ONE, boot);
            (0..4).map(|_| draw()).collect()
        });
        let beside = on_a_fresh_thread(1, move || {
            let mut drawn = Vec::new();
            for _ in 0..4 {
                switch(TWO, boot);
                let _ = (draw(), draw());
                switch(ONE, boot);
                drawn.push(draw());
            }
            drawn
        });
        assert_eq!(alone, beside);
        let other_seed = on_a_fresh_thread(2, move || {
            switch(ONE, boot);
            (0..4).map(|_| draw()).collect()
        });
        assert!(alone.iter().zip(&other_seed).all(|(a, b)| a.0 != b.0 && a.1 != b.1), "{alone:?} {other_seed:?}");
    }
}
