//! Making a refusal small: first the earliest instant by which it is one, then as few operations as possible.
//!
//! What is left must be a refusal *for the same reason*. Leaving out a write but not its readers would invent a new
//! one ("nobody wrote this"), so an update is only ever left out together with everything that may have seen its
//! effect. The rule is sound: were the whole in order, so would be the rest, for the operations between the update and
//! the next one saw nothing of it.

use super::prepare::{flow_of, prepare, seen_at};
use super::search::{Found, Quota, search};
use super::{Budget, Exhausted};
use crate::history::Operation;
use crate::model::{Flow, Model};
use std::collections::BTreeMap;

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
const STEPS_MAX: u64 = 4_000_000;

/// The least of `ids`, which are known to have no order.
pub(super) fn minimise<M: Model>(model: &M, ops: &[Operation<M::Op, M::Ret>], ids: &[u32], budget: Budget) -> Minimal {
    let mut probe = Probe { model, ops, steps: budget.steps.min(STEPS_MAX), bytes: budget.bytes, exhausted: false };
    let cut = probe.earliest(ids);
    let mut alive: Vec<u32> = ids.iter().copied().filter(|id| plays_a_part(model, &ops[*id as usize], cut)).collect();
    alive.sort_by_key(|id| (ops[*id as usize].call, *id));
    let sights = Sights::new(model, ops, &alive, cut);
    let mut alive: Vec<usize> = (0..alive.len()).collect();
    let mut chunk = alive.len().div_ceil(2).max(1);
    loop {
        let removed = probe.remove_chunks(&sights, &mut alive, chunk, cut);
        if probe.exhausted || (chunk == 1 && !removed) {
            break;
        }
        chunk = if chunk == 1 { 1 } else { chunk / 2 };
    }
    let ids = alive.into_iter().map(|index| sights.list[index].id).collect();
    Minimal { ids, cut, smallest: !probe.exhausted }
}

fn plays_a_part<M: Model>(model: &M, operation: &Operation<M::Op, M::Ret>, cut: Option<u64>) -> bool {
    seen_at(operation, cut).is_some_and(|(ret, _)| ret.is_some() || !model.observes_only(&operation.op, None))
}

struct Probe<'a, M: Model> {
    model: &'a M,
    ops: &'a [Operation<M::Op, M::Ret>],
    steps: u64,
    bytes: u64,
    exhausted: bool,
}

impl<M: Model> Probe<'_, M> {
    /// True only if these operations are shown to have no order.
    fn refused(&mut self, ids: &[u32], cut: Option<u64>) -> bool {
        let mut quota = Quota { steps: self.steps, bytes: self.bytes };
        let found = search(&prepare(self.model, self.ops, ids, cut), &mut quota);
        self.steps = quota.steps;
        self.exhausted |= matches!(found, Found::Exhausted(Exhausted::Steps));
        matches!(found, Found::Impossible { .. })
    }

    /// The earliest return by which there is no order, by bisection.
    fn earliest(&mut self, ids: &[u32]) -> Option<u64> {
        let mut returns: Vec<u64> = ids
            .iter()
            .filter_map(|id| seen_at(&self.ops[*id as usize], None)?.0.and(self.ops[*id as usize].returned))
            .collect();
        returns.sort_unstable();
        returns.dedup();
        let (mut low, mut high) = (0, returns.len().checked_sub(1)?);
        while low < high && !self.exhausted {
            let middle = low + (high - low) / 2;
            if self.refused(ids, Some(returns[middle])) { high = middle } else { low = middle + 1 }
        }
        returns.get(high).copied()
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
            let ids: Vec<u32> = rest.iter().map(|index| sights.list[*index].id).collect();
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

/// What each operation did and saw, with values as numbers.
struct Sights<'a, M: Model> {
    model: &'a M,
    list: Vec<Sight<M::Value>>,
    /// Appends make values out of parts, so that equality no longer says who saw what.
    appends: bool,
    one_key: bool,
}

struct Sight<V> {
    id: u32,
    keys: Vec<u32>,
    flow: Flow<V>,
    pure: bool,
    call: u64,
    /// Return of its answer; `u64::MAX` if it has none.
    returned: u64,
    /// Whatever is called later than this cannot see it: another write was called after it returned, and was over by
    /// then.
    covered_from: u64,
}

impl<'a, M: Model> Sights<'a, M> {
    fn new(model: &'a M, ops: &[Operation<M::Op, M::Ret>], ids: &[u32], cut: Option<u64>) -> Self {
        let mut numbers: BTreeMap<M::Key, u32> = BTreeMap::new();
        let mut list: Vec<Sight<M::Value>> = ids
            .iter()
            .map(|&id| {
                let operation = &ops[id as usize];
                let (ret, returned) = seen_at(operation, cut).unwrap_or((None, u64::MAX));
                let mut keys = Vec::new();
                model.each_key(&operation.op, &mut |key| {
                    let fresh = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                    keys.push(*numbers.entry(key.clone()).or_insert(fresh));
                });
                let flow = flow_of(model, ops, id, ret.is_some());
                let pure = model.observes_only(&operation.op, ret);
                Sight { id, keys, flow, pure, call: operation.call, returned, covered_from: u64::MAX }
            })
            .collect();
        cover(&mut list);
        let appends = list.iter().any(|sight| matches!(sight.flow, Flow::Append(_)));
        Sights { model, list, appends, one_key: numbers.len() <= 1 }
    }

    /// `alive` without the operations at `range` and all that may have seen them; and how many pairs were looked at.
    fn without(&self, alive: &[usize], range: std::ops::Range<usize>) -> (Vec<usize>, u64) {
        let mut gone = vec![false; alive.len()];
        let mut open: Vec<usize> = range.collect();
        open.iter().for_each(|at| gone[*at] = true);
        let mut looked = 0;
        while let Some(at) = open.pop() {
            let update = &self.list[alive[at]];
            if update.pure {
                continue;
            }
            looked += alive.len() as u64;
            for other in 0..alive.len() {
                let observer = &self.list[alive[other]];
                if gone[other] || !self.may_see(observer, update) {
                    continue;
                }
                // It cannot have seen this very update; but if it is left with nobody who made what it saw, it would
                // read as if nobody ever had.
                let covered = !self.appends && observer.call > update.covered_from;
                if covered && self.another_made(alive, &gone, observer) {
                    continue;
                }
                gone[other] = true;
                open.push(other);
            }
        }
        (alive.iter().zip(gone).filter(|(_, gone)| !gone).map(|(index, _)| *index).collect(), looked)
    }

    /// Whether an operation that is not gone made the value that `observer` saw, or none had to.
    fn another_made(&self, alive: &[usize], gone: &[bool], observer: &Sight<M::Value>) -> bool {
        let (Flow::Read(seen) | Flow::Swap { from: seen, .. }) = &observer.flow else {
            return matches!(observer.flow, Flow::NotEqual(_));
        };
        alive.iter().zip(gone).any(|(index, gone)| {
            let sight = &self.list[*index];
            let makes = matches!(&sight.flow, Flow::Write(made) | Flow::Swap { to: made, .. } if made == seen);
            !gone && makes && sight.keys == observer.keys
        })
    }

    /// Whether what `observer` answered may rest on the effect of `update`.
    fn may_see(&self, observer: &Sight<M::Value>, update: &Sight<M::Value>) -> bool {
        if !self.one_key && !observer.keys.iter().any(|key| update.keys.contains(key)) {
            return false;
        }
        let made = match &update.flow {
            Flow::Write(value) | Flow::Swap { to: value, .. } | Flow::Append(value) => value,
            Flow::Read(_) | Flow::NotEqual(_) | Flow::Nothing => return false,
            Flow::Opaque => return true,
        };
        match &observer.flow {
            Flow::Read(seen) | Flow::Swap { from: seen, .. } if self.appends => self.model.may_contain(seen, made),
            Flow::Read(seen) | Flow::Swap { from: seen, .. } => seen == made,
            // Any other value explains it; this one never does.
            Flow::NotEqual(value) => self.appends || value != made,
            Flow::Write(_) | Flow::Append(_) | Flow::Nothing => false,
            Flow::Opaque => true,
        }
    }
}

/// Finds for each update of a single key by when it is surely overwritten. `list` is in order of call.
fn cover<V>(list: &mut [Sight<V>]) {
    // Per key, the writes from the latest call to the earliest, each with the earliest return from there on.
    let mut writes: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    for sight in list.iter().rev() {
        if let (Flow::Write(_), [key]) = (&sight.flow, sight.keys.as_slice()) {
            let later = writes.entry(*key).or_default();
            let earliest = later.last().map_or(u64::MAX, |(_, returned)| *returned);
            later.push((sight.call, sight.returned.min(earliest)));
        }
    }
    for sight in list {
        if let [key] = sight.keys.as_slice()
            && let Some(writes) = writes.get(key)
        {
            let after = writes.partition_point(|(call, _)| *call > sight.returned);
            sight.covered_from = after.checked_sub(1).map_or(u64::MAX, |last| writes[last].1);
        }
    }
}
