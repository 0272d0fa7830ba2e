//! The frontier: every configuration that explains what has returned so far, kept from return to return (just-in-time
//! linearization, Lowe 2017). It sees each return once, so its memory follows what is open and not how long the history
//! is, and it can be fed while a run goes on.
//!
//! A configuration is a state, the open operations that have taken effect, those that *lapsed*, and how many operations
//! of unknown outcome were used, by class. What keeps the frontier small:
//!
//! 1. What changes nothing and fits takes effect at once.
//! 2. Where an operation overwrites a cell, every other open overwriting of that cell lapses: it may have taken effect
//!    just before, unseen; it may also still take effect.
//! 3. Of equal open operations in equal condition only the one due first is tried.
//! 4. Operations of unknown outcome are counted by class, and the fewer are used the better.
//! 5. A configuration that can do all that another can makes that one superfluous. Having done more that changes nothing
//!    is no hindrance.
//! 6. Before the operation that returns, nothing overwrites a cell, and nothing of unknown outcome happens, unless
//!    something can follow that is not itself such an overwriting: it would hide it unseen.
//!
//! A frontier may have a *width*: the least strained configurations are kept, and dropping one is remembered. What a
//! narrow frontier passes is passed for good, and what it refuses is refused only if nothing was dropped.

mod chain;
mod closure;
mod seen;
mod used;

use super::depth::{Exhausted, Quota};
use super::machine::{Machine, Source};
use super::prepare::NO_CELL;
use crate::model::Model;
use chain::{Chain, LAPSED, ROOT};
use closure::Closure;
use used::Used;

/// A set of open operations, by slot.
type Slots = u128;

/// At most so many answered operations may be open at once.
pub(super) const SLOTS: usize = 128;

#[derive(Clone, Copy, Debug)]
struct Config {
    state: u32,
    /// How many operations of unknown outcome were used.
    cost: u32,
    /// Which, as a number of [`Used`].
    used: u32,
    /// The last move of the order that led here, held.
    tail: u32,
    done: Slots,
    lapsed: Slots,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    id: u32,
    class: u32,
    deadline: u64,
    /// Open operations of the same class that are due earlier.
    twins: Slots,
}

/// Operations of unknown outcome that ask the same.
struct Optional {
    class: u32,
    ids: Vec<u32>,
}

/// More operations are open at once than there are slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyOpen;

pub(super) struct Frontier {
    configs: Vec<Config>,
    slots: Vec<Slot>,
    open: Slots,
    pure: Slots,
    blind: Slots,
    optional: Vec<Optional>,
    chain: Chain,
    used: Used,
    closure: Closure,
    width: usize,
    /// Whether the part is a single cell, so that overwriting it leaves nothing of what was there.
    one_cell: bool,
    /// Whether a configuration was dropped for want of width.
    pub(super) narrowed: bool,
}

impl Frontier {
    /// The frontier of a history in which nothing has happened, at most `width` configurations wide.
    pub(super) fn new(width: usize, one_cell: bool) -> Self {
        let first = Config { state: 0, cost: 0, used: 0, tail: ROOT, done: 0, lapsed: 0 };
        Frontier {
            configs: vec![first],
            slots: Vec::new(),
            open: 0,
            pure: 0,
            blind: 0,
            optional: Vec::new(),
            chain: Chain::default(),
            used: Used::new(),
            closure: Closure::default(),
            width,
            one_cell,
            narrowed: false,
        }
    }

    /// Operation `id` is called; its answer is known to come by `deadline`. Gives its slot.
    pub(super) fn call<M: Model>(
        &mut self,
        machine: &Machine<M>,
        id: u32,
        class: u32,
        deadline: u64,
    ) -> Result<u8, TooManyOpen> {
        let at = (!self.open).trailing_zeros() as usize;
        if at >= SLOTS {
            return Err(TooManyOpen);
        }
        if self.slots.len() <= at {
            self.slots.resize(at + 1, Slot::default());
        }
        let bit = 1 << at;
        self.slots[at] = Slot { id, class, deadline, twins: 0 };
        self.open |= bit;
        let kind = &machine.classes[class as usize];
        if kind.pure {
            self.pure |= bit;
        }
        if kind.blind != NO_CELL {
            self.blind |= bit;
        }
        self.count_twins(class);
        Ok(u8::try_from(at).unwrap_or(u8::MAX))
    }

    fn count_twins(&mut self, class: u32) {
        let same = bits(self.open).filter(|at| self.slots[*at].class == class).fold(0, |set, at| set | 1 << at);
        for at in bits(same) {
            let due = (self.slots[at].deadline, self.slots[at].id);
            let earlier = bits(same).filter(|other| (self.slots[*other].deadline, self.slots[*other].id) < due);
            self.slots[at].twins = earlier.fold(0, |set, other| set | 1 << other);
        }
    }

    /// Operation `id` is called, and whether it happens nobody knows.
    pub(super) fn call_optional(&mut self, id: u32, class: u32) {
        match self.optional.iter_mut().find(|known| known.class == class) {
            Some(known) => known.ids.push(id),
            None => self.optional.push(Optional { class, ids: vec![id] }),
        }
    }

    /// How many kinds of unknown outcome there are.
    pub(super) fn kinds(&self) -> usize {
        self.optional.len()
    }

    /// The operation in `slot` returns. False if no configuration explains that.
    pub(super) fn returns<M: Model>(
        &mut self,
        source: Source<'_, M>,
        machine: &mut Machine<M>,
        slot: u8,
        quota: &mut Quota,
    ) -> Result<bool, Exhausted> {
        self.close(source, machine, slot, quota)?;
        let bit = 1 << slot;
        self.open &= !bit;
        self.pure &= !bit;
        self.blind &= !bit;
        self.count_twins(self.slots[slot as usize].class);
        self.thin();
        if self.used.len() > 4 * self.configs.len() + 1_024 {
            self.used.keep(self.configs.iter_mut().map(|config| &mut config.used));
        }
        let held = self.chain.bytes() + self.used.bytes() + self.closure.bytes() + machine.bytes();
        if held > quota.bytes {
            return Err(Exhausted::Bytes);
        }
        Ok(!self.configs.is_empty())
    }

    /// Drops what another configuration makes superfluous (rule 5), then what is too much for the width.
    fn thin(&mut self) {
        /// So many of a state are compared with; more would cost more than it saves.
        const COMPARED: usize = 64;
        if self.configs.len() < 2 {
            return;
        }
        let pure = self.pure;
        self.configs.sort_by_key(|config| {
            let able = config.lapsed.count_ones() + (config.done & pure).count_ones();
            (config.state, config.cost, Slots::MAX.count_ones() - able)
        });
        let mut kept: Vec<Config> = Vec::with_capacity(self.configs.len());
        let mut of_state = 0;
        for config in std::mem::take(&mut self.configs) {
            if kept.last().is_none_or(|last| last.state != config.state) {
                of_state = kept.len();
            }
            let rivals = &kept[of_state..];
            let superfluous = rivals.iter().take(COMPARED).any(|rival| {
                (rival.done ^ config.done) & !rival.lapsed & !(rival.done & pure) == 0
                    && config.lapsed & !rival.lapsed == 0
                    && self.used.within(rival.used, config.used)
            });
            if superfluous {
                self.chain.release(config.tail);
            } else {
                kept.push(config);
            }
        }
        if kept.len() > self.width {
            self.narrowed = true;
            kept.sort_by_cached_key(|config| self.strain(config));
            for config in kept.drain(self.width..) {
                self.chain.release(config.tail);
            }
        }
        self.configs = kept;
    }

    /// How hard a configuration will find it to go on: what must still find its moment, what it has written and cannot write
    /// again, and what of unknown outcome it used and later ones may want. A narrow frontier keeps the least strained.
    fn strain(&self, config: &Config) -> u32 {
        /// What is of unknown outcome may be used at any time, and is worth more than what is open for a while.
        const WORTH: u32 = 4;
        let unmet = (self.open & !self.blind & !config.done).count_ones();
        let spent = (self.blind & config.done).count_ones();
        config.cost.saturating_mul(WORTH) + unmet + spent
    }

    /// An order of all that returned, with what of unknown outcome it needs; `None` if there is none.
    pub(super) fn order<M: Model>(&self, machine: &Machine<M>, class_of: impl Fn(u32) -> u32) -> Option<Vec<u32>> {
        let blind = |id| machine.classes[class_of(id) as usize].blind;
        let config = self.configs.iter().min_by_key(|config| config.cost)?;
        Some(self.chain.order(config.tail, |earlier, lapsed| blind(earlier) == blind(lapsed)))
    }
}

/// The members of a set, in ascending order.
fn bits(mut set: Slots) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = set.trailing_zeros() as usize;
        (set != 0).then(|| {
            set &= set - 1;
            at
        })
    })
}
