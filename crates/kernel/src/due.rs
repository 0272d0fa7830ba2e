//! When each node goes on by itself, and which of them is the first to.
//!
//! Most simulations are of a few nodes, and with several of them busy it is another one's turn after nearly every poll. So a
//! few are kept as one word each, of which the least is found by looking at all, eight at a time: that takes fewer
//! instructions than a way through a tree, and no branch. Of many there is a tree of minima.

use crate::ids::NodeId;
use crate::time::VirtualTime;

/// The instant of a node that has nothing to do by itself.
pub(crate) const NEVER: u64 = VirtualTime::MAX.as_nanos();

/// How many nodes are a few.
const FEW: usize = EIGHTS * 8;
const EIGHTS: usize = 4;

/// The instants of all nodes, and the earliest of them; of several at one instant that of the first node.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a simulation has one, and it is to be reached without a pointer")]
pub(crate) enum Due {
    Few(Few),
    Many(Many),
}

impl Default for Due {
    fn default() -> Self {
        Self::Few(Few { narrow: [[narrow(0, NEVER); 8]; EIGHTS], eights: 1, least: narrow(0, NEVER) })
    }
}

impl Due {
    /// The earliest instant, and whose it is; [`NEVER`] if nobody has anything to do.
    #[inline(always)]
    pub(crate) fn earliest(&self) -> (u64, NodeId) {
        match self {
            Self::Few(few) => (instant(few.least), NodeId((few.least % FEW as u64) as u16)),
            Self::Many(many) => (wide_instant(many.least), NodeId(many.least as u16)),
        }
    }

    /// Sets one of them.
    #[inline(always)]
    pub(crate) fn set(&mut self, node: usize, at: u64) {
        match self {
            // Of two comparisons one: what follows the last of all instants is the first.
            Self::Few(few) if node < FEW && at.wrapping_add(1) <= FAR => few.set(node, at),
            _ => self.set_wide(node, at),
        }
    }

    /// Takes the instant of a node away, and gives it. The next that is set of this node comes before another one is taken.
    #[inline(always)]
    pub(crate) fn take(&mut self, node: usize) -> u64 {
        match self {
            Self::Few(few) => few.take(node),
            Self::Many(many) => many.take(node),
        }
    }

    #[inline(never)]
    fn set_wide(&mut self, node: usize, at: u64) {
        let leaves = match self {
            Self::Few(_) => 0,
            Self::Many(many) => many.minima.len() / 2,
        };
        if node >= leaves {
            if at == NEVER {
                return;
            }
            self.widen(node);
        }
        if let Self::Many(many) = self {
            many.set(node, at);
        }
    }

    /// Makes room for `node`, and for any instant.
    #[cold]
    fn widen(&mut self, node: usize) {
        let leaves = (node + 1).next_power_of_two().max(FEW);
        let mut minima = vec![wide(0, NEVER); 2 * leaves];
        let mut taken = NOBODY;
        match self {
            Self::Few(few) => {
                let known =
                    few.narrow.as_flattened().iter().enumerate().map(|(node, &narrow)| wide(node, instant(narrow)));
                minima[leaves..].iter_mut().zip(known).for_each(|(place, known)| *place = known);
            }
            Self::Many(old) => {
                taken = old.taken;
                let old = &old.minima[old.minima.len() / 2..];
                minima[leaves..leaves + old.len()].copy_from_slice(old);
            }
        }
        for place in (1..leaves).rev() {
            minima[place] = minima[2 * place].min(minima[2 * place + 1]);
        }
        *self = Self::Many(Many { minima, least: wide(0, NEVER), taken });
    }

    /// How many nodes have something to do.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.narrow.as_flattened().iter().filter(|&&narrow| instant(narrow) != NEVER).count(),
            Self::Many(Many { minima, taken, .. }) => {
                let leaves = &minima[minima.len() / 2..];
                let has = |&(node, &wide): &(usize, &Wide)| node != *taken && wide_instant(wide) != NEVER;
                leaves.iter().enumerate().filter(has).count()
            }
        }
    }

    /// Forgets all. The memory stays.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Few(_) => *self = Self::default(),
            Self::Many(many) => {
                many.minima.fill(wide(0, NEVER));
                (many.least, many.taken) = (wide(0, NEVER), NOBODY);
            }
        }
    }
}

/// An instant and its node in one word, compared as one. The first bit is set where there is no instant.
type Narrow = u64;

const NODE_BITS: u32 = FEW.ilog2();

/// What comes this late, after nine years, has no room in a narrow one.
const FAR: u64 = 1 << (Narrow::BITS - 1 - NODE_BITS);

/// `at` is not [`FAR`], or [`NEVER`].
#[inline]
const fn narrow(node: usize, at: u64) -> Narrow {
    at << NODE_BITS | node as u64
}

/// The first bit is copied into those that make way, so that [`NEVER`] stays what it is.
#[inline]
fn instant(narrow: Narrow) -> u64 {
    (narrow.cast_signed() >> NODE_BITS).cast_unsigned()
}

#[derive(Debug)]
pub(crate) struct Few {
    narrow: [[Narrow; 8]; EIGHTS],
    /// In how many of the eights there ever was one.
    eights: usize,
    least: Narrow,
}

impl Few {
    #[inline(always)]
    fn place(&mut self, node: usize) -> &mut Narrow {
        &mut self.narrow.as_flattened_mut()[node % FEW]
    }

    #[inline(always)]
    fn set(&mut self, node: usize, at: u64) {
        let new = narrow(node, at);
        self.eights = self.eights.max(node / 8 + 1);
        let old = std::mem::replace(self.place(node), new);
        // Nearly always it was taken before.
        self.least = if instant(old) == NEVER { self.least.min(new) } else { self.least_after(Narrow::MAX) };
    }

    #[inline(always)]
    fn take(&mut self, node: usize) -> u64 {
        if node >= FEW {
            return NEVER;
        }
        let taken = std::mem::replace(self.place(node), narrow(node, NEVER));
        self.least = self.least_after(Narrow::MAX);
        instant(taken)
    }

    /// The least of those after `bound`, as numbers that go round.
    #[inline(always)]
    fn least_after(&self, bound: Narrow) -> Narrow {
        // Counted from what follows the bound, that itself is the last of all.
        let after = bound.wrapping_add(1);
        let mut least = least_from(after, &self.narrow[0]);
        if self.eights > 1 {
            least = self.least_of_others(after, least);
        }
        least.wrapping_add(after)
    }

    #[inline(never)]
    fn least_of_others(&self, after: Narrow, least: Narrow) -> Narrow {
        self.narrow.iter().take(self.eights).skip(1).map(|eight| least_from(after, eight)).fold(least, Narrow::min)
    }

    /// What it is to set `node`, whose instant was taken, to `at`, and to take the earliest, if that is another one's.
    #[inline(always)]
    pub(crate) fn pass(&mut self, node: usize, at: u64) -> Option<Passing<'_>> {
        let new = narrow(node, at);
        let other_is_first = node < FEW && at.wrapping_add(1) <= FAR && self.least < new;
        other_is_first.then_some(Passing { earliest: self.least, few: self, node, new })
    }
}

#[inline(always)]
fn least_from(after: Narrow, eight: &[Narrow; 8]) -> Narrow {
    let [a, b, c, d, e, f, g, h] = eight.map(|narrow| narrow.wrapping_sub(after));
    a.min(b).min(c.min(d)).min(e.min(f).min(g.min(h)))
}

/// See [`Few::pass`].
pub(crate) struct Passing<'d> {
    few: &'d mut Few,
    earliest: Narrow,
    node: usize,
    new: Narrow,
}

impl Passing<'_> {
    /// The earliest instant, which is to be taken.
    #[inline(always)]
    pub(crate) fn at(&self) -> u64 {
        instant(self.earliest)
    }

    /// Whose it is.
    #[inline(always)]
    pub(crate) fn node(&self) -> NodeId {
        NodeId((self.earliest % FEW as u64) as u16)
    }

    /// Does it. Gives the earliest instant of those that are left. All are read before one is written: what was just written to
    /// a place that was just found out is slow to be read.
    #[inline(always)]
    pub(crate) fn pass_on(self) -> u64 {
        let Self { few, earliest, node, new } = self;
        let least = few.least_after(earliest).min(new);
        few.least = least;
        let taken = earliest as usize % FEW;
        *few.place(taken) = narrow(taken, NEVER);
        *few.place(node) = new;
        instant(least)
    }
}

/// The same with room for any node and any instant.
type Wide = u128;

#[inline]
fn wide(node: usize, at: u64) -> Wide {
    u128::from(at) << 64 | node as u128
}

#[inline]
fn wide_instant(wide: Wide) -> u64 {
    (wide >> 64) as u64
}

/// No node's number.
const NOBODY: usize = usize::MAX;

#[derive(Debug)]
pub(crate) struct Many {
    /// A complete binary tree in which each place has the smaller of the two below it. The root is in place 1, the leaves follow
    /// in the order of the nodes.
    minima: Vec<Wide>,
    /// The earliest of all but the one that is taken.
    least: Wide,
    /// Its instant stands there still: it is to be written once, when it is set.
    taken: usize,
}

impl Many {
    fn set(&mut self, node: usize, at: u64) {
        let minima = &mut self.minima[..];
        let mut place = minima.len() / 2 + node;
        let mut least = wide(node, at);
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
        if self.taken == node {
            self.taken = NOBODY;
        }
        self.look();
    }

    #[inline(never)]
    fn take(&mut self, node: usize) -> u64 {
        let leaves = self.minima.len() / 2;
        if node >= leaves {
            return NEVER;
        }
        self.taken = node;
        self.look();
        wide_instant(self.minima[leaves + node])
    }

    #[inline]
    fn look(&mut self) {
        let minima = &self.minima[..];
        if self.taken == NOBODY {
            self.least = minima[1];
            return;
        }
        let mut place = minima.len() / 2 + self.taken;
        let mut least = wide(0, NEVER);
        while place > 1 {
            least = least.min(minima[place ^ 1]);
            place /= 2;
        }
        self.least = least;
    }
}
