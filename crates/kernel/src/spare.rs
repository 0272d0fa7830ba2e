//! Memory of the last simulation of this thread, used again by the next: whoever runs thousands of short simulations in a
//! row should not pay the allocator for each.
//!
//! Only emptied vectors are kept, so that nothing of one simulation can be seen in another, and no more of them than a
//! small simulation needs.

use std::cell::Cell;

use crate::kernel::{Chores, Kernel};
use crate::node::Node;
use crate::queue::Queue;
use crate::task::Tasks;
use crate::timers::Timers;

/// The emptied vectors of one simulation.
#[derive(Default)]
pub(crate) struct Spare {
    pub(crate) queue: Queue,
    pub(crate) tasks: Tasks,
    pub(crate) nodes: Vec<Node>,
    pub(crate) parts: Vec<NodeParts>,
    pub(crate) chunk: Vec<u8>,
    pub(crate) chores: Chores,
}

/// The emptied vectors of one node.
#[derive(Debug, Default)]
pub(crate) struct NodeParts {
    pub(crate) ready: crate::heap::Heap<crate::node::Ready>,
    pub(crate) timers: Timers,
    pub(crate) outbox: Vec<crate::subsystem::Effect>,
}

/// What had more than this many entries goes back to the allocator.
const ENTRIES_KEPT: usize = 1024;

thread_local! {
    static SPARE: Cell<Option<Box<Spare>>> = const { Cell::new(None) };
}

/// What the last simulation of this thread left.
pub(crate) fn take() -> Box<Spare> {
    SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

/// Takes a kernel apart. Nothing in it may belong to a user any more.
pub(crate) fn keep(kernel: Kernel) {
    let Kernel { mut queue, mut tasks, mut nodes, trace, chores, mut spare, .. } = kernel;
    let small = nodes.len() <= ENTRIES_KEPT && tasks.slots() <= ENTRIES_KEPT && queue.len() <= ENTRIES_KEPT;
    if !small || !chores.is_empty() {
        return;
    }
    queue.clear();
    tasks.clear();
    spare
        .parts
        .extend(nodes.drain(..).map(Node::into_parts).filter(|parts| parts.timers.footprint().1 <= ENTRIES_KEPT));
    spare.parts.truncate(ENTRIES_KEPT);
    let chunk = trace.into_chunk();
    *spare = Spare { queue, tasks, nodes, parts: std::mem::take(&mut spare.parts), chunk, chores };
    // Where thread-locals are already gone there is no next simulation.
    let _ = SPARE.try_with(|place| place.set(Some(spare)));
}
