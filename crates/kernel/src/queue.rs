//! The event queue: by virtual time, then by a tie-break that is local to the node where the event takes place.
//!
//! Runs and timers of nodes are known by their key alone and stand in a small heap of their own, one or two per node;
//! events of worlds, which carry something, stand in another. The earliest of both is next.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::heap::{Entry, Heap};
use crate::ids::NodeId;
use crate::subsystem::WorldEvent;
use crate::time::VirtualTime;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A node's processor is free: release what the last poll did, then run the next ready task.
    Run,
    /// The earliest timer of a node is due.
    Timer,
    /// An event of a world.
    World(WorldEvent),
}

/// When and where an event is due. No two events of a run have the same key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key(u128);

/// 14 bits for each node, 35 for the number and one for what is due; the kernel refuses more nodes, and a run ends long
/// before the numbers do.
const SEQUENCE_BITS: u32 = 36;
const NODE_BITS: u32 = 14;
const TIMER: u128 = 1;

impl Key {
    /// Of nothing: later than every event.
    pub(crate) const NONE: Self = Self(u128::MAX);
    /// Of a node whose timers are being fired: whoever they wake need not schedule it.
    pub(crate) const FIRING: Self = Self(u128::MAX - 1);

    /// Node of the event, node that made it, its number there: equal times never depend on a third node.
    #[inline]
    pub(crate) fn new(at: VirtualTime, node: NodeId, source: NodeId, sequence: u64) -> Self {
        let number = sequence << 1 & ((1 << SEQUENCE_BITS) - 1);
        let tie = u64::from(node.0) << (SEQUENCE_BITS + NODE_BITS) | u64::from(source.0) << SEQUENCE_BITS | number;
        Self(u128::from(at.as_nanos()) << 64 | u128::from(tie))
    }

    /// The same, of a node's timer.
    #[inline]
    pub(crate) fn of_timer(self) -> Self {
        Self(self.0 | TIMER)
    }

    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }

    #[inline]
    pub(crate) fn at(self) -> VirtualTime {
        VirtualTime::from_nanos((self.0 >> 64) as u64)
    }

    #[inline]
    pub(crate) fn node(self) -> NodeId {
        NodeId((self.0 as u64 >> (SEQUENCE_BITS + NODE_BITS)) as u16)
    }

    #[inline]
    fn what(self) -> What {
        if self.0 & TIMER == 0 { What::Run } else { What::Timer }
    }
}

impl Entry for Key {
    type Rank = Self;

    #[inline]
    fn rank(self) -> Self {
        self
    }
}

/// An event of a world. The halves of its key are apart so that it needs no more than 40 bytes.
#[derive(Clone, Copy, Debug)]
struct OfWorld {
    at: u64,
    tie: u64,
    event: WorldEvent,
}

impl OfWorld {
    #[inline]
    fn key(&self) -> Key {
        Key(u128::from(self.at) << 64 | u128::from(self.tie))
    }
}

impl PartialEq for OfWorld {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for OfWorld {}
impl PartialOrd for OfWorld {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for OfWorld {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The greatest number of nodes, the driver included.
pub const NODES_MAX: usize = 1 << NODE_BITS;

#[derive(Debug)]
pub(crate) struct Queue {
    /// Runs and timers.
    own: Heap<Key>,
    worlds: BinaryHeap<Reverse<OfWorld>>,
    /// When the earliest event is due, kept beside the heaps since it is asked for after every poll. The greatest of times
    /// if there is none.
    next_at: VirtualTime,
}

impl Default for Queue {
    fn default() -> Self {
        Self { own: Heap::default(), worlds: BinaryHeap::new(), next_at: VirtualTime::MAX }
    }
}

impl Queue {
    #[inline]
    pub(crate) fn push(&mut self, key: Key) {
        self.next_at = self.next_at.min(key.at());
        self.own.push(key);
    }

    #[inline]
    pub(crate) fn push_world(&mut self, key: Key, event: WorldEvent) {
        self.next_at = self.next_at.min(key.at());
        self.worlds.push(Reverse(OfWorld { at: (key.0 >> 64) as u64, tie: key.0 as u64, event }));
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Key, What)> {
        let own = self.own.peek().unwrap_or(Key::NONE);
        let world = self.first_world();
        let popped = if world < own { self.pop_world() } else { self.own.pop().map(|key| (key, key.what())) };
        self.look_ahead();
        popped
    }

    /// Puts `key` in and takes the earliest event out, which may be the same: a push and a pop in one.
    #[inline]
    pub(crate) fn exchange(&mut self, key: Key) -> Option<(Key, What)> {
        let own = self.own.peek().unwrap_or(Key::NONE);
        let world = self.first_world();
        let popped = if world < own.min(key) {
            self.own.push(key);
            self.pop_world()
        } else {
            let first = if key < own { key } else { self.own.replace_top(key) };
            Some((first, first.what()))
        };
        self.look_ahead();
        popped
    }

    #[inline]
    fn look_ahead(&mut self) {
        let own = self.own.peek().unwrap_or(Key::NONE);
        self.next_at = own.min(self.first_world()).at();
    }

    #[inline]
    fn first_world(&self) -> Key {
        self.worlds.peek().map_or(Key::NONE, |top| top.0.key())
    }

    #[inline]
    fn pop_world(&mut self) -> Option<(Key, What)> {
        let Reverse(first) = self.worlds.pop()?;
        Some((first.key(), What::World(first.event)))
    }

    pub(crate) fn clear(&mut self) {
        self.own.clear();
        self.worlds.clear();
        self.next_at = VirtualTime::MAX;
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len() + self.worlds.len()
    }

    /// Whether nothing is due at `at` or before.
    #[inline]
    pub(crate) fn is_quiet_until(&self, at: VirtualTime) -> bool {
        self.next_at > at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subsystem::WorldId;
    use proptest::prelude::*;

    fn key(at: u64, sequence: u64) -> Key {
        Key::new(VirtualTime::from_nanos(at), NodeId(at as u16 % 3), NodeId(1), sequence)
    }

    proptest! {
        #[test]
        fn events_leave_in_the_order_of_their_keys(steps in prop::collection::vec((0_u64..50, 0_u8..4), 1..200)) {
            let mut queue = Queue::default();
            let mut sorted = std::collections::BTreeSet::new();
            for (sequence, (at, what)) in steps.into_iter().enumerate() {
                let key = key(at, sequence as u64);
                let key = if what == 1 { key.of_timer() } else { key };
                sorted.insert(key);
                match what {
                    0 | 1 => queue.push(key),
                    2 => queue.push_world(key, WorldEvent { world: WorldId::NET, kind: 0, a: at, b: 0 }),
                    _ => {
                        let first = sorted.pop_first();
                        prop_assert_eq!(queue.exchange(key).map(|(key, _)| key), first);
                    }
                }
                let next = sorted.first().map_or(VirtualTime::MAX, |key| key.at());
                prop_assert_eq!(queue.next_at, next);
                prop_assert_eq!(queue.is_quiet_until(VirtualTime::from_nanos(25)), next > VirtualTime::from_nanos(25));
            }
            while let Some(first) = sorted.pop_first() {
                prop_assert_eq!(queue.pop().map(|(key, _)| key), Some(first));
            }
            prop_assert_eq!(queue.pop(), None);
        }
    }

    #[test]
    fn a_key_tells_its_node_time_and_kind() {
        let at = VirtualTime::from_nanos(u64::MAX - 1);
        let key = Key::new(at, NodeId(NODES_MAX as u16 - 1), NodeId(7), 3);
        assert_eq!((key.at(), key.node().index(), key.what()), (at, NODES_MAX - 1, What::Run));
        assert_eq!((key.of_timer().node(), key.of_timer().what()), (key.node(), What::Timer));
    }
}
