//! What is due next: by virtual time, then by a tie-break that is local to the node where it takes place.
//!
//! Each node has one instant of its own, at which it goes on by itself: it runs or its earliest timer goes off. These
//! stand [by node](Due), so that nothing void is ever among them and moving a node costs a few steps without a branch.
//! Events of worlds, which carry something, stand in a heap. The earliest of both is next; at one instant a node sees to what
//! worlds bring it first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::due::{Due, NEVER, Passing};
use crate::ids::NodeId;
use crate::subsystem::WorldEvent;
use crate::time::VirtualTime;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A node goes on by itself. Its instant stays in the queue until it is set anew.
    Own,
    /// An event of a world.
    World(WorldEvent),
}

/// When and where an event of a world is due. No two events of a run have the same key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key(u128);

/// 14 bits for each node, 36 for the number; the kernel refuses more nodes, and a run ends long before the numbers do.
const SEQUENCE_BITS: u32 = 36;
const NODE_BITS: u32 = 14;

impl Key {
    /// Node of the event, node that made it, its number there: equal times never depend on a third node.
    #[inline]
    pub(crate) fn new(at: VirtualTime, node: NodeId, source: NodeId, sequence: u64) -> Self {
        let number = sequence & ((1 << SEQUENCE_BITS) - 1);
        let tie = u64::from(node.0) << (SEQUENCE_BITS + NODE_BITS) | u64::from(source.0) << SEQUENCE_BITS | number;
        // The last instant stands for never.
        Self(u128::from(at.as_nanos().min(NEVER - 1)) << 64 | u128::from(tie))
    }

    #[inline]
    fn at(self) -> VirtualTime {
        VirtualTime::from_nanos((self.0 >> 64) as u64)
    }

    #[inline]
    fn node(self) -> NodeId {
        NodeId((self.0 as u64 >> (SEQUENCE_BITS + NODE_BITS)) as u16)
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

/// More than any node's number.
const NO_NODE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Queue {
    /// Of all nodes but the one that goes on now.
    own: Due,
    worlds: BinaryHeap<Reverse<OfWorld>>,
    /// When the earliest event of a world is due.
    world_at: u64,
    /// When the earliest of all is due, kept beside the others since it is asked for after every poll. The greatest of times
    /// if there is none.
    next_at: u64,
    /// The number of the node that goes on now, and its instant, which is past; see [`Queue::run_first`].
    past: u32,
    past_at: u64,
}

impl Default for Queue {
    fn default() -> Self {
        let own = Due::default();
        Self { own, worlds: BinaryHeap::new(), world_at: NEVER, next_at: NEVER, past: NO_NODE, past_at: NEVER }
    }
}

impl Queue {
    /// Sets when `node` goes on by itself; the greatest of times if never. That of the node that goes on now is noted when
    /// it has [settled](Queue::settle).
    #[inline]
    pub(crate) fn set_own(&mut self, node: NodeId, when: VirtualTime) {
        if self.past == u32::from(node.0) {
            self.next_at = self.next_at.min(when.as_nanos());
            return;
        }
        self.own.set(node.index(), when.as_nanos());
        // While a node goes on, that another one's instant was moved is itself something to look after.
        self.next_at = self.own.earliest().0.min(self.world_at).min(self.past_at);
    }

    /// The turn of another of a few nodes, if it comes next when the one that goes on now, `id`, settles at `when`.
    #[inline(always)]
    pub(crate) fn turn(&mut self, id: NodeId, when: VirtualTime) -> Option<Turn<'_>> {
        let Self { own: Due::Few(few), world_at, next_at, past, past_at, .. } = self else { return None };
        let passing = few.pass(id.index(), when.as_nanos()).filter(|_| *past == u32::from(id.0))?;
        let at = passing.at();
        (at < *world_at).then_some(Turn { passing, at, world_at: *world_at, next_at, past, past_at })
    }

    /// The first node goes on: it begins a poll or fires its timers, and what else it has to do is due at `other`. Its instant
    /// is past until the node has settled: till then nothing else is asked than whether something is due.
    #[inline(always)]
    pub(crate) fn run_first(&mut self, id: NodeId, other: VirtualTime) {
        self.past = u32::from(id.0);
        self.past_at = self.own.take(id.index());
        self.next_at = self.own.earliest().0.min(other.as_nanos()).min(self.world_at);
    }

    /// Whether the node that goes on now, and began to at `when`, is still the first of all at that instant. Of events of worlds
    /// at the same instant none is taken for a later one.
    #[inline]
    pub(crate) fn is_still_first(&self, id: NodeId, when: VirtualTime) -> bool {
        let when = when.as_nanos();
        let began = self.past == u32::from(id.0) && self.past_at == when;
        began && (when, id) < self.own.earliest() && self.world_at > when
    }

    /// What [`Queue::run_first`] began has ended: the node's instant is `when` from now on.
    #[inline]
    pub(crate) fn settle(&mut self, id: NodeId, when: VirtualTime) {
        if self.past == u32::from(id.0) {
            (self.past, self.past_at) = (NO_NODE, NEVER);
            self.set_own(id, when);
        }
    }

    /// As [`Queue::settle`], also of a node that is not the one that goes on now. Gives the node that goes on by itself next, and
    /// when; `None` where the earliest event may be a world's.
    #[inline]
    pub(crate) fn put_off(&mut self, id: NodeId, when: VirtualTime) -> Option<(VirtualTime, NodeId)> {
        debug_assert!(self.past == u32::from(id.0) || self.past == NO_NODE, "no other node goes on");
        (self.past, self.past_at) = (NO_NODE, NEVER);
        self.set_own(id, when);
        let (at, node) = self.own.earliest();
        (at < self.world_at).then(|| (VirtualTime::from_nanos(at), node))
    }

    #[inline]
    pub(crate) fn push_world(&mut self, key: Key, event: WorldEvent) {
        let when = key.at().as_nanos();
        self.world_at = self.world_at.min(when);
        self.next_at = self.next_at.min(when);
        self.worlds.push(Reverse(OfWorld { at: when, tie: key.0 as u64, event }));
    }

    /// What is due next. An event of a world leaves the queue; a node's own instant stays until it is set anew.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(VirtualTime, NodeId, What)> {
        debug_assert_eq!(self.past, NO_NODE, "every node has settled before the next goes on");
        let (at, node) = self.own.earliest();
        if at >= self.world_at {
            let world = self.worlds.peek()?.0.key();
            if at > self.world_at || node >= world.node() {
                let Reverse(first) = self.worlds.pop()?;
                self.world_at = self.worlds.peek().map_or(NEVER, |top| top.0.at);
                self.next_at = at.min(self.world_at);
                return Some((world.at(), world.node(), What::World(first.event)));
            }
        }
        Some((VirtualTime::from_nanos(at), node, What::Own))
    }

    pub(crate) fn clear(&mut self) {
        self.own.clear();
        self.worlds.clear();
        (self.world_at, self.next_at) = (NEVER, NEVER);
        (self.past, self.past_at) = (NO_NODE, NEVER);
    }

    /// How many events of worlds there is memory for.
    pub(crate) fn room(&self) -> usize {
        self.worlds.capacity()
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len() + usize::from(self.past_at != NEVER) + self.worlds.len()
    }

    /// Whether nothing is due at `at` or before.
    #[inline]
    pub(crate) fn is_quiet_until(&self, at: VirtualTime) -> bool {
        self.next_at > at.as_nanos()
    }
}

/// The turn that a node would pass on to another one.
pub(crate) struct Turn<'q> {
    passing: Passing<'q>,
    at: u64,
    world_at: u64,
    next_at: &'q mut u64,
    past: &'q mut u32,
    past_at: &'q mut u64,
}

impl Turn<'_> {
    #[inline]
    pub(crate) fn at(&self) -> VirtualTime {
        VirtualTime::from_nanos(self.at)
    }

    #[inline]
    pub(crate) fn node(&self) -> NodeId {
        self.passing.node()
    }

    /// The one node settles, and the other goes on as by [`Queue::run_first`].
    #[inline(always)]
    pub(crate) fn pass_on(self, other: VirtualTime) {
        *self.past = u32::from(self.passing.node().0);
        *self.past_at = self.at;
        *self.next_at = self.passing.pass_on().min(other.as_nanos()).min(self.world_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subsystem::WorldId;
    use proptest::prelude::*;

    const NODES: u16 = 60;

    /// What is due, in an order of its own: time, node, worlds first, number.
    type Sorted = std::collections::BTreeSet<(u64, u16, u8, u64)>;

    proptest! {
        #[test]
        fn what_is_due_leaves_by_time_and_node_and_worlds_come_first(
            few in 1..NODES,
            steps in prop::collection::vec((0_u64..50, 0..NODES, 0_u8..4), 1..300),
            far_from in 0_usize..600,
        ) {
            let mut queue = Queue::default();
            let mut sorted = Sorted::new();
            for (sequence, (at, node, what)) in steps.into_iter().enumerate() {
                // Now and then there is a node more than a few.
                let node = if sequence % 50 == 49 { node } else { node % few };
                // After so many steps nothing comes before nine years have passed, and before the end of time.
                let at = if sequence < far_from { at } else { u64::MAX - 100 + at };
                let (sequence, time) = (sequence as u64, VirtualTime::from_nanos(at));
                match what {
                    0 => {
                        sorted.retain(|&(_, n, own, _)| (n, own) != (node, 1));
                        sorted.insert((at, node, 1, 0));
                        let next = queue.put_off(NodeId(node), time);
                        let first = sorted.first().filter(|first| first.2 == 1);
                        if let Some((at, node)) = next {
                            prop_assert_eq!(first, Some(&(at.as_nanos(), node.0, 1, 0)));
                        }
                    }
                    1 => {
                        sorted.insert((at, node, 0, sequence));
                        let event = WorldEvent { world: WorldId::NET, kind: 0, a: sequence, b: 0 };
                        queue.push_world(Key::new(time, NodeId(node), NodeId(1), sequence), event);
                    }
                    2 => {
                        sorted.retain(|&(_, n, own, _)| (n, own) != (node, 1));
                        queue.set_own(NodeId(node), VirtualTime::MAX);
                    }
                    _ => take_one(&mut queue, &mut sorted)?,
                }
                prop_assert_eq!(queue.len(), sorted.len());
                let next = sorted.first().map_or(NEVER, |first| first.0);
                prop_assert_eq!(queue.next_at, next);
                prop_assert_eq!(queue.is_quiet_until(VirtualTime::from_nanos(25)), next > 25);
                if let Some(&(_, first, 1, _)) = sorted.first() {
                    queue.run_first(NodeId(first), time);
                    let beside = sorted.iter().filter(|other| (other.1, other.2) != (first, 1)).map(|other| other.0);
                    prop_assert_eq!(queue.next_at, beside.min().unwrap_or(NEVER).min(at));
                    // What the node sets meanwhile is heard of, and counts when it has settled.
                    queue.set_own(NodeId(first), VirtualTime::from_nanos(at / 2));
                    prop_assert!(queue.next_at <= at / 2);
                    let worlds = sorted.iter().any(|other| (other.0, other.2) == (next, 0));
                    prop_assert_eq!(queue.is_still_first(NodeId(first), VirtualTime::from_nanos(next)), !worlds);
                    queue.settle(NodeId(first), VirtualTime::from_nanos(next));
                    prop_assert_eq!(queue.next_at, next);
                    pass_on(&mut queue, &mut sorted, NodeId(first), time)?;
                }
            }
            while !sorted.is_empty() {
                take_one(&mut queue, &mut sorted)?;
            }
            prop_assert_eq!(queue.next(), None);
        }
    }

    /// The first node goes on, settles at `when`, and passes its turn on if another one comes next.
    fn pass_on(queue: &mut Queue, sorted: &mut Sorted, id: NodeId, when: VirtualTime) -> Result<(), TestCaseError> {
        queue.run_first(id, VirtualTime::MAX);
        sorted.retain(|&(_, node, own, _)| (node, own) != (id.0, 1));
        let next = sorted.iter().find(|next| next.2 == 1).copied();
        let own = (when.as_nanos(), id.0, 1, 0);
        let worlds = sorted.iter().find(|next| next.2 == 0).map_or(NEVER, |next| next.0);
        let others = next.filter(|&next| next < own && next.0 < worlds);
        let few = queue.is_of_few() && when < VirtualTime::from_nanos(1 << 50);
        let Some(turn) = queue.turn(id, when) else {
            // Of many nodes and of far instants nobody is told; that is no more than slower.
            prop_assert!(others.is_none() || !few);
            queue.settle(id, when);
            sorted.insert(own);
            return Ok(());
        };
        prop_assert_eq!(others, Some((turn.at().as_nanos(), turn.node().0, 1, 0)));
        let (at, other) = (turn.at(), turn.node());
        turn.pass_on(VirtualTime::MAX);
        sorted.retain(|&taken| Some(taken) != next);
        sorted.insert(own);
        prop_assert_eq!(queue.next_at, sorted.first().map_or(NEVER, |first| first.0));
        prop_assert!(queue.is_still_first(other, at) || worlds <= at.as_nanos());
        queue.settle(other, at);
        sorted.extend(next);
        prop_assert_eq!(queue.next_at, sorted.first().map_or(NEVER, |first| first.0));
        Ok(())
    }

    impl Queue {
        fn is_of_few(&self) -> bool {
            matches!(self.own, Due::Few(_))
        }
    }

    fn take_one(queue: &mut Queue, sorted: &mut Sorted) -> Result<(), TestCaseError> {
        let first = sorted.pop_first();
        let taken = queue.next().map(|(at, node, what)| match what {
            What::Own => {
                queue.set_own(node, VirtualTime::MAX);
                (at.as_nanos(), node.0, 1, 0)
            }
            What::World(event) => (at.as_nanos(), node.0, 0, event.a),
        });
        prop_assert_eq!(taken, first);
        Ok(())
    }

    #[test]
    fn a_key_tells_its_node_and_time() {
        let at = VirtualTime::from_nanos(u64::MAX - 1);
        let key = Key::new(at, NodeId(NODES_MAX as u16 - 1), NodeId(7), 3);
        assert_eq!((key.at(), key.node().index()), (at, NODES_MAX - 1));
    }
}
