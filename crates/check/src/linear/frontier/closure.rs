//! What may happen before a return: from each configuration, every sequence of open operations that ends with the one
//! that returns.

use super::chain::ROOT;
use super::seen::Seen;
use super::{Config, Frontier, LAPSED, Slots, bits};
use crate::linear::depth::{Exhausted, Quota};
use crate::linear::machine::{Machine, REFUSED, Source};
use crate::linear::prepare::NO_CELL;
use crate::model::Model;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a state allows, as long as the same operations are open.
#[derive(Clone, Copy, Default)]
struct View {
    /// The round in which it was looked at.
    round: u64,
    /// Open operations that fit and change nothing.
    pure: Slots,
    /// Open operations that fit and may change something.
    moves: Slots,
    /// Of those, the ones that look before they write.
    seers: Slots,
    /// Kinds of unknown outcome that would change something: where in the list, and how many. Not looked for unless asked.
    optional: Option<(u32, u32)>,
}

/// Room that is used again at every return.
#[derive(Default)]
pub(super) struct Closure {
    round: u64,
    pool: Vec<Config>,
    /// Configurations still to be looked at, the least strained first, and of those the latest.
    work: BinaryHeap<(Reverse<u32>, u32)>,
    finished: Vec<u32>,
    seen: Seen,
    views: Vec<View>,
    /// Kinds of unknown outcome and where they lead, in the order of views.
    leads: Vec<(u32, u32)>,
}

impl Closure {
    pub(super) fn bytes(&self) -> u64 {
        (self.pool.capacity() * size_of::<Config>() + self.views.capacity() * size_of::<View>()) as u64
            + self.seen.bytes()
    }
}

impl Frontier {
    /// Replaces every configuration by those in which the operation in `slot` has taken effect.
    pub(super) fn close<M: Model>(
        &mut self,
        source: Source<'_, M>,
        machine: &mut Machine<M>,
        slot: u8,
        quota: &mut Quota,
    ) -> Result<(), Exhausted> {
        let mut closure = std::mem::take(&mut self.closure);
        let result = Closing { frontier: self, closure: &mut closure, source, machine, target: slot }.run(quota);
        self.closure = closure;
        result
    }
}

struct Closing<'a, 's, M: Model> {
    frontier: &'a mut Frontier,
    closure: &'a mut Closure,
    source: Source<'s, M>,
    machine: &'a mut Machine<M>,
    target: u8,
}

impl<M: Model> Closing<'_, '_, M> {
    fn run(mut self, quota: &mut Quota) -> Result<(), Exhausted> {
        let target: Slots = 1 << self.target;
        self.closure.round += 1;
        self.closure.leads.clear();
        self.closure.seen.clear();
        self.closure.finished.clear();
        self.closure.work.clear();
        let before = std::mem::take(&mut self.frontier.configs);
        before.into_iter().for_each(|config| self.enter(config));
        let room = self.frontier.width.saturating_mul(4).max(64);
        let tries = self.frontier.width.saturating_mul(64).max(4_096);
        let mut tried = 0usize;
        while let Some((_, index)) = self.closure.work.pop() {
            let config = self.closure.pool[index as usize];
            if (config.done | config.lapsed) & target != 0 {
                self.closure.finished.push(index);
            }
            if config.done & target != 0 {
                continue;
            }
            let narrow = self.frontier.width != usize::MAX;
            if narrow && (self.closure.finished.len() >= room || tried >= tries) {
                self.frontier.narrowed = true;
                break;
            }
            tried += 1;
            self.expand(&config, quota)?;
            if self.closure.pool.len() as u64 * (size_of::<Config>() as u64 + 40) > quota.bytes {
                return Err(Exhausted::Bytes);
            }
        }
        self.leave(target);
        Ok(())
    }

    /// The finished configurations, without the slot that is free now, become the frontier.
    fn leave(&mut self, target: Slots) {
        let closure = &mut *self.closure;
        let frontier = &mut *self.frontier;
        closure.seen.clear();
        for index in &closure.finished {
            let mut config = closure.pool[*index as usize];
            let lapsed = config.done & target == 0;
            config.done &= !target;
            config.lapsed &= !target;
            if !closure.seen.insert(&config, &frontier.configs) {
                continue;
            }
            frontier.chain.hold(config.tail);
            if lapsed {
                config.tail = frontier.chain.extend(config.tail, frontier.slots[self.target as usize].id | LAPSED);
            }
            frontier.configs.push(config);
        }
        for config in closure.pool.drain(..) {
            frontier.chain.release(config.tail);
        }
    }

    /// Settles `config`, whose tail is held, and puts it on the list unless it is there.
    fn enter(&mut self, mut config: Config) {
        let view = self.view(config.state);
        let fits = view.pure & !config.done;
        config.done |= fits;
        config.lapsed &= !fits;
        if !self.closure.seen.insert(&config, &self.closure.pool) {
            self.frontier.chain.release(config.tail);
            return;
        }
        for at in bits(fits) {
            config.tail = self.frontier.chain.extend(config.tail, self.frontier.slots[at].id);
        }
        let index = u32::try_from(self.closure.pool.len()).unwrap_or(u32::MAX);
        self.closure.pool.push(config);
        self.closure.work.push((Reverse(self.frontier.strain(&config)), index));
    }

    fn view(&mut self, state: u32) -> View {
        let (at, round) = (state as usize, self.closure.round);
        if let Some(view) = self.closure.views.get(at)
            && view.round == round
        {
            return *view;
        }
        let mut view = View { round, ..View::default() };
        let frontier = &*self.frontier;
        for slot in bits(frontier.open) {
            let (bit, class) = (1 << slot, frontier.slots[slot].class);
            let to = self.machine.step(self.source, state, class);
            if to == REFUSED {
                continue;
            }
            if frontier.pure & bit != 0 && to == state {
                view.pure |= bit;
            } else {
                view.moves |= bit;
                view.seers |= bit & !frontier.blind;
            }
        }
        if self.closure.views.len() <= at {
            self.closure.views.resize(at + 1, View::default());
        }
        self.closure.views[at] = view;
        view
    }

    /// Where kinds of unknown outcome lead from `state`, which was viewed.
    fn optional(&mut self, state: u32) -> (u32, u32) {
        if let Some(known) = self.closure.views[state as usize].optional {
            return known;
        }
        let first = self.closure.leads.len();
        for (kind, optional) in self.frontier.optional.iter().enumerate() {
            let to = self.machine.step(self.source, state, optional.class);
            if to != REFUSED && to != state {
                self.closure.leads.push((u32::try_from(kind).unwrap_or(u32::MAX), to));
            }
        }
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let found = (narrow(first), narrow(self.closure.leads.len() - first));
        self.closure.views[state as usize].optional = Some(found);
        found
    }

    fn expand(&mut self, config: &Config, quota: &mut Quota) -> Result<(), Exhausted> {
        let view = self.view(config.state);
        let target: Slots = 1 << self.target;
        let pending = self.frontier.open & !config.done & !config.lapsed;
        let open = view.moves & !config.done;
        for slot in bits(open) {
            let bit = 1 << slot;
            let Some(steps) = quota.steps.checked_sub(1) else { return Err(Exhausted::Steps) };
            quota.steps = steps;
            let super::Slot { id, class, twins, .. } = self.frontier.slots[slot];
            let alike = if config.lapsed & bit != 0 { config.lapsed } else { pending };
            // Of several that are due at one instant the caller chose one.
            if twins & alike != 0 && bit != target {
                continue;
            }
            let to = self.machine.step(self.source, config.state, class);
            let mut next = Config { state: to, done: config.done | bit, lapsed: config.lapsed & !bit, ..*config };
            let cell = self.machine.classes[class as usize].blind;
            self.lapse(&mut next, cell);
            let hidden = self.frontier.one_cell && cell != NO_CELL && bit != target;
            if hidden && !self.is_seen(&next) {
                continue;
            }
            next.tail = self.frontier.chain.push(config.tail, id);
            self.enter(next);
        }
        let (first, count) = self.optional(config.state);
        for at in first..first + count {
            let Some(steps) = quota.steps.checked_sub(1) else { return Err(Exhausted::Steps) };
            quota.steps = steps;
            let (kind, to) = self.closure.leads[at as usize];
            let known = &self.frontier.optional[kind as usize];
            let class = known.class;
            let used = self.frontier.used.count(config.used, kind) as usize;
            let Some(id) = known.ids.get(used).copied() else { continue };
            let mut next = Config { state: to, cost: config.cost + 1, ..*config };
            self.lapse(&mut next, self.machine.classes[class as usize].blind);
            if !self.is_seen(&next) {
                continue;
            }
            next.used = self.frontier.used.more(config.used, kind);
            next.tail = self.frontier.chain.push(config.tail, id);
            self.enter(next);
        }
        Ok(())
    }

    /// Every open operation that overwrites `cell` and did not take effect may have done so just before.
    fn lapse(&self, config: &mut Config, cell: u32) {
        if cell == NO_CELL {
            return;
        }
        let frontier = &*self.frontier;
        for slot in bits(frontier.blind & frontier.open & !config.done & !config.lapsed) {
            if self.machine.classes[frontier.slots[slot].class as usize].blind == cell {
                config.lapsed |= 1 << slot;
            }
        }
    }

    /// Whether something can follow in `config` that does not hide what led there.
    fn is_seen(&mut self, config: &Config) -> bool {
        let view = self.view(config.state);
        if (view.pure | view.seers) & !config.done != 0 || !self.frontier.one_cell {
            return true;
        }
        let (first, count) = self.optional(config.state);
        (first..first + count).any(|at| {
            let (kind, _) = self.closure.leads[at as usize];
            let known = &self.frontier.optional[kind as usize];
            self.machine.classes[known.class as usize].blind == NO_CELL
                && (self.frontier.used.count(config.used, kind) as usize) < known.ids.len()
        })
    }
}

const _: () = assert!(ROOT == u32::MAX, "no operation is numbered so");
