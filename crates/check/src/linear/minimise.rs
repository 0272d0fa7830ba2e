//! Making a refusal small: first the earliest instant by which it is one, then as few operations as possible.
//!
//! What is left must be a refusal *for the same reason*; `sight` says what may be left out together.

use super::Budget;
use super::depth::{Exhausted, Found, Quota, search};
use super::machine::{Machine, Source};
use super::partition::only_key;
use super::portfolio::{AT_ONCE, within};
use super::prepare::{prepare, seen_at};
use super::sight::Sights;
use crate::history::Operation;
use crate::model::Model;

/// What the engine that refused a part knew of it.
#[derive(Default)]
pub(super) struct Refusal {
    /// By every return before this one there was an order.
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
    let mut probe = Probe::new(source, ids, budget);
    let witnessed = probe.confirms(ids, known)?;
    let ids = if witnessed { &known.witness } else { ids };
    let cut = if witnessed { probe.earliest(ids, 0) } else { probe.first_refused(ids, known.at) };
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

/// Whether the refusal of `ids` stands: the search's does, a monitor's if the search agrees.
pub(super) fn is_confirmed<M: Model>(source: Source<'_, M>, ids: &[u32], known: &Refusal, budget: Budget) -> bool {
    known.witness.is_empty() || Probe::new(source, ids, budget).confirms(ids, known).is_some()
}

/// What the search finds of `ids` as seen at the instant `cut`. `one_key` says that all of them are on one key, so that the model may
/// say them better.
pub(super) fn searched<M: Model>(
    source: Source<'_, M>,
    machine: &mut Machine<M>,
    ids: &[u32],
    cut: Option<u64>,
    one_key: bool,
    quota: &mut Quota,
) -> Found {
    let problem = prepare(source, machine, ids, cut);
    // Most is decided at once, and sooner than it is rewritten.
    let at_once = if one_key { AT_ONCE * ids.len() as u64 } else { quota.steps };
    let (found, whole) = within(quota, at_once, |quota| search(&problem, machine, None, quota));
    if whole || !matches!(found, Found::Exhausted(Exhausted::Steps)) {
        return found;
    }
    let Some(rewritten) = source.model.rewritten(source.ops, ids, cut.unwrap_or(u64::MAX)) else {
        return search(&problem, machine, None, quota);
    };
    let (names, ops): (Vec<u32>, Vec<_>) = ids.iter().zip(rewritten).filter_map(|(id, one)| Some((*id, one?))).unzip();
    let ids: Vec<u32> = (0u32..).take(ops.len()).collect();
    let source = Source { model: source.model, ops: &ops };
    let mut machine = Machine::new(source.model);
    search(&prepare(source, &mut machine, &ids, None), &mut machine, None, quota).renamed(&names)
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
    one_key: bool,
}

impl<'a, M: Model> Probe<'a, M> {
    fn new(source: Source<'a, M>, ids: &[u32], budget: Budget) -> Self {
        let steps = budget.steps.min(STEPS_MAX);
        let one_key = only_key(source.model, ids.iter().map(|id| &source.ops[*id as usize].op)).is_some();
        Probe { source, machine: Machine::new(source.model), steps, bytes: budget.bytes, exhausted: false, one_key }
    }

    /// Whether a monitor's witness is refused, which is small and stands for itself; `None` if neither it nor the whole is.
    fn confirms(&mut self, ids: &[u32], known: &Refusal) -> Option<bool> {
        let witnessed = !known.witness.is_empty() && self.refused(&known.witness, None);
        (witnessed || known.witness.is_empty() || self.refused(ids, None)).then_some(witnessed)
    }

    /// True only if these operations are shown to have no order.
    fn refused(&mut self, ids: &[u32], cut: Option<u64>) -> bool {
        let mut quota = Quota { steps: self.steps, bytes: self.bytes };
        let found = searched(self.source, &mut self.machine, ids, cut, self.one_key, &mut quota);
        self.steps = quota.steps;
        self.exhausted |= matches!(found, Found::Exhausted(Exhausted::Steps));
        matches!(found, Found::Impossible { .. })
    }

    /// The earliest return by which there is no order. The engines see on their way how far there is one; but what happens
    /// later may have told more of what was of unknown outcome then, so that is looked at again.
    fn first_refused(&mut self, ids: &[u32], known: Option<u64>) -> Option<u64> {
        match known {
            Some(at) if self.refused(ids, Some(at)) => Some(at),
            known => self.earliest(ids, known.unwrap_or(0)),
        }
    }

    /// The earliest return by which there is no order, by bisection. There is one by all that come before `from`.
    fn earliest(&mut self, ids: &[u32], from: u64) -> Option<u64> {
        let ops = self.source.ops;
        let mut returns: Vec<u64> =
            ids.iter().filter_map(|id| seen_at(&ops[*id as usize], None)?.0.and(ops[*id as usize].returned)).collect();
        returns.sort_unstable();
        returns.dedup();
        let (mut low, mut high) = (returns.partition_point(|at| *at < from), returns.len().checked_sub(1)?);
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
