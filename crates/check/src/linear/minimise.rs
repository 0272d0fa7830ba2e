//! Making a refusal small: first the earliest instant by which it is one, then as few operations as possible.
//!
//! What is left must be a refusal *for the same reason*; `sight` says what may be left out together.

use super::Budget;
use super::depth::{Exhausted, Found, Quota, search};
use super::machine::{Machine, Source};
use super::prepare::{prepare, seen_at};
use super::sight::Sights;
use super::sweep::sweep;
use crate::history::Operation;
use crate::model::Model;

/// What the engine that refused a part knew of it.
#[derive(Default)]
pub(super) struct Refusal {
    /// The return that nothing explains.
    pub(super) at: Option<u64>,
    /// A few operations that have no order by themselves, by a monitor's word.
    pub(super) witness: Vec<u32>,
}

/// A set of operations that has no order, as seen at the instant `cut`.
pub(super) struct Minimal {
    /// Ids in the history, in order of call.
    pub(super) ids: Vec<u32>,
    /// The earliest instant by which there is no order. Nothing that happens later can help: prefixes of linearizable
    /// histories are linearizable.
    pub(super) cut: Option<u64>,
    /// False if the budget ended first, so that a smaller set may exist.
    pub(super) smallest: bool,
}

/// At most so many steps are spent on making evidence small, whatever the budget of the verdict.
const STEPS_MAX: u64 = 1_000_000;

/// A guess at the evidence holds at most so many operations on either side.
const GUESS_MAX: usize = 48;

/// At most so many guesses are tried.
const GUESSES_MAX: usize = 4_000;

/// The least of `ids`, which are known to have no order.
pub(super) fn minimise<M: Model>(
    source: Source<'_, M>,
    ids: &[u32],
    known: &Refusal,
    budget: Budget,
) -> Option<Minimal> {
    let Source { model, ops } = source;
    let machine = Machine::new(model);
    let steps = budget.steps.min(STEPS_MAX);
    let mut probe = Probe { source, machine, steps, bytes: budget.bytes, exhausted: false };
    // A monitor's witness is small and stands for itself.
    let witnessed = !known.witness.is_empty() && probe.refused(&known.witness, None);
    if !witnessed && !known.witness.is_empty() && !probe.refused(ids, None) {
        return None;
    }
    let ids = if witnessed { &known.witness } else { ids };
    let cut = if witnessed { probe.earliest(ids) } else { probe.first_refused(ids, known.at) };
    let mut alive: Vec<u32> = ids.iter().copied().filter(|id| plays_a_part(model, &ops[*id as usize], cut)).collect();
    alive.sort_by_key(|id| (ops[*id as usize].call, *id));
    let sights = Sights::new(model, ops, &alive, cut);
    let mut alive = probe.guess(&sights, ops, &alive, cut).unwrap_or_else(|| (0..alive.len()).collect());
    let mut chunk = alive.len().div_ceil(2).max(1);
    loop {
        let removed = probe.remove_chunks(&sights, &mut alive, chunk, cut);
        if probe.exhausted || (chunk == 1 && !removed) {
            break;
        }
        chunk = if chunk == 1 { 1 } else { chunk / 2 };
    }
    let ids = alive.into_iter().map(|index| sights.id(index)).collect();
    Some(Minimal { ids, cut, smallest: !probe.exhausted })
}

fn plays_a_part<M: Model>(model: &M, operation: &Operation<M::Op, M::Ret>, cut: Option<u64>) -> bool {
    seen_at(operation, cut).is_some_and(|(ret, _)| ret.is_some() || !model.observes_only(&operation.op, None))
}

struct Probe<'a, M: Model> {
    source: Source<'a, M>,
    machine: Machine<M>,
    steps: u64,
    bytes: u64,
    exhausted: bool,
}

impl<M: Model> Probe<'_, M> {
    /// True only if these operations are shown to have no order.
    fn refused(&mut self, ids: &[u32], cut: Option<u64>) -> bool {
        let mut quota = Quota { steps: self.steps, bytes: self.bytes };
        let problem = prepare(self.source, &mut self.machine, ids, cut);
        let found = search(&problem, &mut self.machine, &mut quota);
        self.steps = quota.steps;
        self.exhausted |= matches!(found, Found::Exhausted(Exhausted::Steps));
        matches!(found, Found::Impossible { .. })
    }

    /// The earliest return by which there is no order. The frontier sees on its way where it ends; but what happens later
    /// may have told more of what was of unknown outcome then, so that is looked at again.
    fn first_refused(&mut self, ids: &[u32], known: Option<u64>) -> Option<u64> {
        // Bisecting takes a dozen searches; over a short history they cost less than a frontier of any width.
        const SHORT: usize = 2_000;
        if known.is_none() && ids.len() < SHORT {
            return self.earliest(ids);
        }
        let at = known.or_else(|| {
            let problem = prepare(self.source, &mut self.machine, ids, None);
            let mut quota = Quota { steps: self.steps / 2, bytes: self.bytes };
            let swept = sweep(&problem, &mut self.machine, usize::MAX, &mut quota);
            self.steps = self.steps - self.steps / 2 + quota.steps;
            if let Some(Found::Impossible { at, .. }) = swept { at } else { None }
        });
        match at {
            Some(at) if self.refused(ids, Some(at)) && !self.refused(ids, at.checked_sub(1)) => Some(at),
            _ => self.earliest(ids),
        }
    }

    /// The earliest return by which there is no order, by bisection.
    fn earliest(&mut self, ids: &[u32]) -> Option<u64> {
        let ops = self.source.ops;
        let mut returns: Vec<u64> =
            ids.iter().filter_map(|id| seen_at(&ops[*id as usize], None)?.0.and(ops[*id as usize].returned)).collect();
        returns.sort_unstable();
        returns.dedup();
        let (mut low, mut high) = (0, returns.len().checked_sub(1)?);
        while low < high && !self.exhausted {
            let middle = low + (high - low) / 2;
            if self.refused(ids, Some(returns[middle])) { high = middle } else { low = middle + 1 }
        }
        returns.get(high).copied()
    }

    /// Most refusals are one answer against one other operation. Whoever returned when the history broke is paired with
    /// each of the others, the latest first: that is much cheaper than taking a long history down bit by bit.
    fn guess(
        &mut self,
        sights: &Sights<M>,
        ops: &[Operation<M::Op, M::Ret>],
        ids: &[u32],
        cut: Option<u64>,
    ) -> Option<Vec<usize>> {
        let last = ids.iter().position(|id| {
            let operation = &ops[*id as usize];
            operation.outcome.answer().is_some() && operation.returned == cut
        })?;
        let alone = sights.with_sources(last, GUESS_MAX)?;
        let (updates, reads): (Vec<usize>, Vec<usize>) = (0..ids.len()).rev().partition(|index| sights.updates(*index));
        let others = updates.into_iter().chain(reads).take(GUESSES_MAX);
        for other in std::iter::once(last).chain(others) {
            let Some(mut pair) = sights.with_sources(other, GUESS_MAX) else { continue };
            pair.extend(&alone);
            pair.sort_unstable();
            pair.dedup();
            let pair_ids: Vec<u32> = pair.iter().map(|index| sights.id(*index)).collect();
            if self.refused(&pair_ids, cut) {
                return Some(pair);
            }
            if self.exhausted {
                break;
            }
        }
        None
    }

    /// Tries to leave out each chunk of neighbours, with what has seen them. Later operations first: they are the ones
    /// most often beside the point. True if anything went.
    fn remove_chunks(&mut self, sights: &Sights<M>, alive: &mut Vec<usize>, chunk: usize, cut: Option<u64>) -> bool {
        let mut any = false;
        let mut end = alive.len();
        while end > 0 && !self.exhausted {
            let start = end.saturating_sub(chunk);
            let (rest, looked) = sights.without(alive, start..end);
            self.steps = self.steps.saturating_sub(looked / 16);
            let ids: Vec<u32> = rest.iter().map(|index| sights.id(*index)).collect();
            if !rest.is_empty() && self.refused(&ids, cut) {
                // What went may have stood before `start` too.
                end = start.min(rest.len());
                *alive = rest;
                any = true;
            } else {
                end = start;
            }
        }
        any
    }
}
