//! What is due next: by virtual time, then by a tie-break that is local to the node where it takes place.
//!
//! Each node has one instant of its own, at which it goes on by itself: it runs or its earliest timer goes off. These
//! stand in a [tree of minima](Due), one leaf per node, so that nothing void is ever in it and moving a node costs a few
//! steps without a branch. Events of worlds, which carry something, stand in a heap. The earliest of both is next; at one
//! instant a node sees to what worlds bring it first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

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

/// Of a node that has nothing to do by itself.
const NEVER: u64 = VirtualTime::MAX.as_nanos();

/// When a node goes on by itself, and which: ordered by both.
type Own = u128;

#[inline]
fn own(node: usize, at: u64) -> Own {
    u128::from(at) << 64 | node as u128
}

#[inline]
fn at(own: Own) -> u64 {
    (own >> 64) as u64
}

#[inline]
fn node(own: Own) -> NodeId {
    NodeId(own as u16)
}

/// The own instants of all nodes, and the earliest of them: a complete binary tree in which each place has the smaller of
/// the two below it. The root is in place 1, the leaves follow in the order of the nodes.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a simulation has one, and it is to be reached without a pointer")]
enum Due {
    /// Most simulations are of a few nodes: nothing is allocated for them, and no place is looked for.
    Few([Own; 2 * FEW]),
    Many(Vec<Own>),
}

const FEW: usize = 8;
/// More than any node's number.
const NO_NODE: u32 = u32::MAX;
const NOBODY: Own = Own::MAX;

impl Default for Due {
    fn default() -> Self {
        Self::Few([NOBODY; 2 * FEW])
    }
}

impl Due {
    fn minima(&self) -> &[Own] {
        match self {
            Self::Few(minima) => minima,
            Self::Many(minima) => minima,
        }
    }

    /// The earliest; of several at one instant that of the first node.
    #[inline]
    fn earliest(&self) -> Own {
        match self {
            Self::Few(minima) => minima[1],
            Self::Many(minima) => minima[1],
        }
    }

    /// Sets one of them, and gives the earliest.
    #[inline]
    fn set(&mut self, node: usize, at: u64) -> Own {
        let Self::Few(minima) = self else { return self.set_of_many(node, at) };
        if node >= FEW {
            return self.set_of_many(node, at);
        }
        let mut place = FEW + node;
        let mut least = own(node, at);
        minima[place] = least;
        for _ in 0..FEW.ilog2() {
            least = least.min(minima[(place ^ 1) % (2 * FEW)]);
            place /= 2;
            minima[place % (2 * FEW)] = least;
        }
        least
    }

    #[inline(never)]
    fn set_of_many(&mut self, node: usize, at: u64) -> Own {
        if node >= self.minima().len() / 2 {
            if at == NEVER {
                return self.earliest();
            }
            self.grow(node);
        }
        let Self::Many(minima) = self else { return self.earliest() };
        let mut place = minima.len() / 2 + node;
        let mut least = own(node, at);
        minima[place] = least;
        while place > 1 {
            least = least.min(minima[place ^ 1]);
            place /= 2;
            if minima[place] == least {
                // Above, nothing changes.
                break;
            }
            minima[place] = least;
        }
        minima[1]
    }

    /// When the earliest of all others than `node` goes on.
    #[inline]
    fn earliest_beside(&self, node: usize) -> u64 {
        let Self::Few(minima) = self else { return self.earliest_beside_of_many(node) };
        let mut place = FEW + node;
        let mut least = NEVER;
        for _ in 0..FEW.ilog2() {
            least = least.min(at(minima[(place ^ 1) % (2 * FEW)]));
            place /= 2;
        }
        least
    }

    #[inline(never)]
    fn earliest_beside_of_many(&self, node: usize) -> u64 {
        let minima = self.minima();
        let mut place = minima.len() / 2 + node;
        let mut least = NEVER;
        while place > 1 {
            least = least.min(at(minima[place ^ 1]));
            place /= 2;
        }
        least
    }

    #[cold]
    fn grow(&mut self, node: usize) {
        let leaves = (node + 1).next_power_of_two();
        let old = &self.minima()[self.minima().len() / 2..];
        let mut minima = vec![NOBODY; 2 * leaves];
        minima[leaves..leaves + old.len()].copy_from_slice(old);
        for place in (1..leaves).rev() {
            minima[place] = minima[2 * place].min(minima[2 * place + 1]);
        }
        *self = Self::Many(minima);
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    own: Due,
    worlds: BinaryHeap<Reverse<OfWorld>>,
    /// When the earliest event of a world is due.
    world_at: u64,
    /// When the earliest of all is due, kept beside the others since it is asked for after every poll. The greatest of times
    /// if there is none.
    next_at: u64,
    /// The number of the node that goes on now and whose instant is past; see [`Queue::run_first`].
    past: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { own: Due::default(), worlds: BinaryHeap::new(), world_at: NEVER, next_at: NEVER, past: NO_NODE }
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
        let earliest = self.own.set(node.index(), when.as_nanos());
        self.next_at = at(earliest).min(self.world_at);
    }

    /// As [`Queue::set_own`]. Gives the node that goes on by itself next, and when; `None` where the earliest event may be a
    /// world's.
    #[inline]
    pub(crate) fn set_own_and_look(&mut self, id: NodeId, when: VirtualTime) -> Option<(VirtualTime, NodeId)> {
        let earliest = self.own.set(id.index(), when.as_nanos());
        self.next_at = at(earliest).min(self.world_at);
        self.past = NO_NODE;
        (at(earliest) < self.world_at).then(|| (VirtualTime::from_nanos(at(earliest)), node(earliest)))
    }

    /// The first node goes on: it begins a poll or fires its timers, and what else it has to do is due at `other`. Its instant
    /// stays where it is, past, until the node has settled: till then nothing else is asked than whether something is due.
    #[inline]
    pub(crate) fn run_first(&mut self, id: NodeId, other: VirtualTime) {
        let beside = self.own.earliest_beside(id.index());
        self.next_at = beside.min(other.as_nanos()).min(self.world_at);
        self.past = u32::from(id.0);
    }

    /// Whether the node that goes on now, and began to at `when`, is still the first of all at that instant. Of events of worlds
    /// at the same instant none is taken for a later one.
    #[inline]
    pub(crate) fn is_still_first(&self, id: NodeId, when: VirtualTime) -> bool {
        let earliest = self.past == u32::from(id.0) && self.own.earliest() == own(id.index(), when.as_nanos());
        earliest && self.world_at > when.as_nanos()
    }

    /// What [`Queue::run_first`] began has ended: the node's instant is `when` from now on.
    #[inline]
    pub(crate) fn settle(&mut self, id: NodeId, when: VirtualTime) {
        if self.past == u32::from(id.0) {
            self.past = NO_NODE;
            self.set_own(id, when);
        }
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
        let earliest = self.own.earliest();
        if at(earliest) >= self.world_at {
            let world = self.worlds.peek()?.0.key();
            if at(earliest) > self.world_at || node(earliest) >= world.node() {
                let Reverse(first) = self.worlds.pop()?;
                self.world_at = self.worlds.peek().map_or(NEVER, |top| top.0.at);
                self.next_at = at(earliest).min(self.world_at);
                return Some((world.at(), world.node(), What::World(first.event)));
            }
        }
        Some((VirtualTime::from_nanos(at(earliest)), node(earliest), What::Own))
    }

    pub(crate) fn clear(&mut self) {
        match &mut self.own {
            Due::Few(minima) => minima.fill(NOBODY),
            Due::Many(minima) => minima.fill(NOBODY),
        }
        self.worlds.clear();
        self.world_at = NEVER;
        self.next_at = NEVER;
        self.past = NO_NODE;
    }

    /// How many events of worlds there is memory for.
    pub(crate) fn room(&self) -> usize {
        self.worlds.capacity()
    }

    pub(crate) fn len(&self) -> usize {
        let minima = self.own.minima();
        minima[minima.len() / 2..].iter().filter(|&&own| at(own) != NEVER).count() + self.worlds.len()
    }

    /// Whether nothing is due at `at` or before.
    #[inline]
    pub(crate) fn is_quiet_until(&self, at: VirtualTime) -> bool {
        self.next_at > at.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subsystem::WorldId;
    use proptest::prelude::*;

    const NODES: u16 = 30;

    /// What is due, in an order of its own: time, node, worlds first, number.
    type Sorted = std::collections::BTreeSet<(u64, u16, u8, u64)>;

    proptest! {
        #[test]
        fn what_is_due_leaves_by_time_and_node_and_worlds_come_first(
            few in 1..NODES,
            steps in prop::collection::vec((0_u64..50, 0..NODES, 0_u8..4), 1..300),
        ) {
            let mut queue = Queue::default();
            let mut sorted = Sorted::new();
            for (sequence, (at, node, what)) in steps.into_iter().enumerate() {
                // Now and then there is a node more than a few.
                let node = if sequence % 50 == 49 { node } else { node % few };
                let (sequence, time) = (sequence as u64, VirtualTime::from_nanos(at));
                match what {
                    0 => {
                        sorted.retain(|&(_, n, own, _)| (n, own) != (node, 1));
                        sorted.insert((at, node, 1, 0));
                        let next = queue.set_own_and_look(NodeId(node), time);
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
                }
            }
            while !sorted.is_empty() {
                take_one(&mut queue, &mut sorted)?;
            }
            prop_assert_eq!(queue.next(), None);
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
