//! The universe of the last simulation of this thread, emptied and used again by the next: whoever runs thousands of short
//! simulations in a row should not pay the allocator for each.
//!
//! Everything in it is made as it was before the first one, field by field, so that nothing of one simulation can be seen in
//! another; what stays is memory, no more of it than a small simulation needs, and the names of nodes, which the next
//! simulation's nodes nearly always have too.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::blocked::Waiters;
use crate::decide::Decisions;
use crate::ids::NodeId;
use crate::kernel::{Chores, Kernel};
use crate::limits::Limits;
use crate::node::Node;
use crate::policy::Random;
use crate::queue::Queue;
use crate::scarce::Scarce;
use crate::task::Tasks;
use crate::time::VirtualTime;
use crate::trace::Trace;
use crate::universe::{Universe, Worlds, next_generation};

/// What had more than this many entries goes back to the allocator.
pub(crate) const ENTRIES_KEPT: usize = 1024;

/// Most simulations are of a few nodes.
const NODES_AT_FIRST: usize = 8;

thread_local! {
    static SPARE: Cell<Option<Box<Universe>>> = const { Cell::new(None) };
}

/// A universe in which nothing has happened yet, and which has a number of its own.
pub(crate) fn take() -> Box<Universe> {
    let left = SPARE.try_with(Cell::take).ok().flatten();
    let mut universe = left.unwrap_or_else(|| Box::new(Universe::blank()));
    universe.generation = next_generation();
    universe
}

/// Takes back the universe of a simulation that is over, for the next one.
pub(crate) fn keep(mut universe: Box<Universe>) {
    if universe.kernel.is_small() {
        universe.reset();
        // Where thread-locals are already gone there is no next simulation.
        let _ = SPARE.try_with(|place| place.set(Some(universe)));
    }
}

impl Universe {
    fn blank() -> Self {
        Self {
            kernel: Kernel::blank(),
            generation: 0,
            worlds: Worlds::default(),
            told: None,
            spawn_thread: crate::baton::plain_thread,
            on_hand_back: None,
            waiters: Waiters::default(),
            std_zero: None,
            incoming: Vec::new(),
            wanted: Vec::new(),
            exported: BTreeMap::new(),
            idle_chores: Chores::default(),
            relief: None,
        }
    }

    fn reset(&mut self) {
        let Self {
            kernel,
            generation: _,
            worlds,
            told: _, // Of nothing while no simulation runs.
            spawn_thread,
            on_hand_back,
            waiters,
            std_zero,
            incoming,
            wanted,
            exported,
            idle_chores,
            relief,
        } = self;
        kernel.reset();
        *worlds = Worlds::default();
        *spawn_thread = crate::baton::plain_thread;
        *on_hand_back = None;
        *waiters = Waiters::default();
        *std_zero = None;
        incoming.clear();
        wanted.clear();
        if !exported.is_empty() {
            exported.clear();
        }
        idle_chores.clear();
        *relief = None;
    }
}

impl Kernel {
    fn blank() -> Self {
        Self {
            now: VirtualTime::ZERO,
            queue: Queue::default(),
            nodes: Vec::with_capacity(NODES_AT_FIRST),
            sites: Vec::with_capacity(NODES_AT_FIRST),
            tasks: Tasks::default(),
            current: None,
            actor: NodeId::DRIVER,
            outbox: Vec::new(),
            decisions: Decisions::new(0, Vec::new()),
            policy: Box::new(Random),
            by_draw: true,
            trace: Trace::blank(),
            chores: Chores::default(),
            attention: 0,
            transitions: Vec::new(),
            failure: None,
            limits: Limits::default(),
            events: 0,
            polls: 0,
            internal_entropy: 0,
            panicked_threads: Vec::new(),
            polls_at_progress: 0,
            scarce: Scarce::default(),
            next_check: 0,
        }
    }

    /// Whether it is worth keeping.
    fn is_small(&self) -> bool {
        self.nodes.len().max(self.tasks.slots()).max(self.queue.room()) <= ENTRIES_KEPT
    }

    fn reset(&mut self) {
        let Self {
            now,
            queue,
            nodes,
            sites,
            tasks,
            current,
            actor,
            outbox,
            decisions: _, // The seed's: set by every simulation.
            policy,
            by_draw,
            trace,
            chores,
            attention,
            transitions,
            failure,
            limits,
            events,
            polls,
            internal_entropy,
            panicked_threads,
            polls_at_progress,
            scarce,
            next_check,
        } = self;
        *now = VirtualTime::ZERO;
        queue.clear();
        nodes.iter_mut().for_each(Node::reset);
        sites.clear();
        tasks.clear();
        *current = None;
        *actor = NodeId::DRIVER;
        outbox.clear();
        *policy = Box::new(Random);
        *by_draw = true;
        trace.reset();
        chores.clear();
        *attention = 0;
        transitions.clear();
        *failure = None;
        *limits = Limits::default();
        *scarce = Scarce::default();
        panicked_threads.clear();
        (*events, *polls, *internal_entropy, *polls_at_progress, *next_check) = (0, 0, 0, 0, 0);
    }
}
