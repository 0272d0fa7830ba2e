//! The event queue: by virtual time, then by a tie-break that is local to the node where the event takes place.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::ids::{Incarnation, NodeId};
use crate::subsystem::WorldEvent;
use crate::time::VirtualTime;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A node's processor is free: release what the last poll did, then run the next ready task.
    Run(Incarnation),
    /// The earliest timer of a node is due.
    Timer,
    /// An event of a world.
    World(WorldEvent),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) at: VirtualTime,
    /// Node of the event, node that made it, its number there: equal times never depend on a third node.
    tie: u64,
    pub(crate) what: What,
}

const SEQUENCE_BITS: u32 = 36;

impl Event {
    pub(crate) fn new(at: VirtualTime, node: NodeId, source: NodeId, sequence: u64, what: What) -> Self {
        // 14 bits for each node and 36 for the number; the kernel refuses more nodes, and a run ends long before.
        let tie = u64::from(node.0) << (SEQUENCE_BITS + 14)
            | u64::from(source.0 & 0x3fff) << SEQUENCE_BITS
            | sequence & ((1 << SEQUENCE_BITS) - 1);
        Self { at, tie, what }
    }

    pub(crate) fn node(&self) -> NodeId {
        NodeId((self.tie >> (SEQUENCE_BITS + 14)) as u16)
    }

    #[inline]
    fn key(&self) -> u128 {
        u128::from(self.at.as_nanos()) << 64 | u128::from(self.tie)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    /// Reversed, so that the heap's greatest is the earliest event.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// The greatest number of nodes, the driver included.
pub const NODES_MAX: usize = 1 << 14;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Event>,
}

impl Queue {
    #[inline]
    pub(crate) fn push(&mut self, event: Event) {
        self.heap.push(event);
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.heap.pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    #[inline]
    pub(crate) fn next_at(&self) -> Option<VirtualTime> {
        self.heap.peek().map(|e| e.at)
    }
}
