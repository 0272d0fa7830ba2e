//! From raw operations to a search problem. Operations of unknown outcome are what makes the search explode, because
//! they stay open to the end; here they are dropped or given a deadline wherever the values prove that this changes
//! no verdict.

use super::memo::FixedState;
use crate::history::{Operation, Outcome};
use crate::model::{Flow, Model, Step};
use std::collections::{BTreeMap, HashMap};

/// One operation as the search sees it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its id in the history.
    pub(super) id: u32,
    pub(super) call: u64,
    /// It takes effect at this instant or before; `u64::MAX` if it may take effect at any time.
    pub(super) deadline: u64,
    /// Whether its answer is known.
    pub(super) answered: bool,
    /// Whether it changes no state.
    pub(super) pure: bool,
    /// Equal for operations that ask and answer the same.
    pub(super) class: u32,
    /// The number of the one cell it touches; `NO_CELL` if it touches several.
    pub(super) cell: u32,
    /// What its answer may rest on.
    pub(super) sees: Sees,
    /// The value it leaves behind, by number; `NO_VALUE` if it is not known.
    pub(super) makes: u32,
}

/// What an answer may rest on, with values by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sees {
    /// Whatever was done to the cells it touches.
    Anything,
    /// This value in its cell.
    Value(u32),
    /// Any other value in its cell.
    AnyBut(u32),
    /// Nothing: it comes out the same whatever was there, and hides what was done to its cell just before.
    Nothing,
}

/// The value of an operation that makes none that is known.
pub(super) const NO_VALUE: u32 = u32::MAX;

/// The cell of an operation that touches several.
pub(super) const NO_CELL: u32 = u32::MAX;

/// What the search is to order: all of `required`, and any of `optional`. Both are sorted by call.
pub(super) struct Problem<'a, M: Model> {
    pub(super) model: &'a M,
    pub(super) ops: &'a [Operation<M::Op, M::Ret>],
    pub(super) required: Vec<Entry>,
    pub(super) optional: Vec<Entry>,
    /// How many classes there are.
    pub(super) classes: u32,
}

impl<M: Model> Problem<'_, M> {
    /// Puts one question to the model.
    pub(super) fn step(&self, state: &M::State, entry: &Entry) -> Step<M::State> {
        let operation = &self.ops[entry.id as usize];
        let ret = if entry.answered { operation.outcome.answer() } else { None };
        self.model.step(state, &operation.op, ret)
    }
}

/// An operation as seen at the instant `cut`: later returns have not happened yet. `None` if it plays no part.
pub(super) fn seen_at<O, R>(operation: &Operation<O, R>, cut: Option<u64>) -> Option<(Option<&R>, u64)> {
    let cut = cut.unwrap_or(u64::MAX);
    match (&operation.outcome, operation.returned) {
        (Outcome::Fail, _) => None,
        _ if operation.call > cut => None,
        (Outcome::Ok(ret), Some(at)) if at <= cut => Some((Some(ret), at)),
        (Outcome::Ok(_) | Outcome::Indeterminate, _) => Some((None, u64::MAX)),
    }
}

/// Operations and answers by number, so that equal ones are told by a glance.
type Classes<'a, M> = HashMap<(&'a <M as Model>::Op, Option<&'a <M as Model>::Ret>), u32, FixedState>;

/// The problem that `ids` pose, as seen at the instant `cut`, or at the end.
pub(super) fn prepare<'a, M: Model>(
    model: &'a M,
    ops: &'a [Operation<M::Op, M::Ret>],
    ids: &[u32],
    cut: Option<u64>,
) -> Problem<'a, M> {
    let mut classes: Classes<'_, M> = HashMap::default();
    let mut cells = Cells { model, keys: BTreeMap::new(), values: BTreeMap::new() };
    let (mut required, mut optional) = (Vec::with_capacity(ids.len()), Vec::new());
    for &id in ids {
        let operation = &ops[id as usize];
        let Some((ret, deadline)) = seen_at(operation, cut) else { continue };
        let pure = model.observes_only(&operation.op, ret);
        if ret.is_none() && pure {
            continue;
        }
        let fresh = u32::try_from(classes.len()).unwrap_or(u32::MAX);
        let class = *classes.entry((&operation.op, ret)).or_insert(fresh);
        let answered = ret.is_some();
        let cell = cells.cell(&operation.op);
        let (sees, makes) =
            if cell == NO_CELL { (Sees::Anything, NO_VALUE) } else { cells.flow(model.flow(&operation.op, ret)) };
        let entry = Entry { id, call: operation.call, deadline, answered, pure, class, cell, sees, makes };
        if entry.answered { required.push(entry) } else { optional.push(entry) }
    }
    let classes = u32::try_from(classes.len()).unwrap_or(u32::MAX);
    if !optional.is_empty() {
        settle(model, ops, &mut required, &mut optional);
    }
    required.sort_by_key(|entry| (entry.call, entry.id));
    optional.sort_by_key(|entry| (entry.call, entry.id));
    Problem { model, ops, required, optional, classes }
}

/// Keys and values by number.
struct Cells<'a, M: Model> {
    model: &'a M,
    keys: BTreeMap<M::Key, u32>,
    values: BTreeMap<M::Value, u32>,
}

impl<M: Model> Cells<'_, M> {
    fn cell(&mut self, op: &M::Op) -> u32 {
        let (mut only, mut count) = (NO_CELL, 0);
        self.model.each_key(op, &mut |key| {
            count += 1;
            only = number(&mut self.keys, key);
        });
        if count == 1 { only } else { NO_CELL }
    }

    fn flow(&mut self, flow: Flow<M::Value>) -> (Sees, u32) {
        match flow {
            Flow::Read(value) => (Sees::Value(number(&mut self.values, &value)), NO_VALUE),
            Flow::Write(value) => (Sees::Nothing, number(&mut self.values, &value)),
            Flow::Swap { from, to } => (Sees::Value(number(&mut self.values, &from)), number(&mut self.values, &to)),
            Flow::NotEqual(value) => (Sees::AnyBut(number(&mut self.values, &value)), NO_VALUE),
            Flow::Append(_) | Flow::Nothing | Flow::Opaque => (Sees::Anything, NO_VALUE),
        }
    }
}

fn number<K: Ord + Clone>(numbers: &mut BTreeMap<K, u32>, of: &K) -> u32 {
    if let Some(number) = numbers.get(of) {
        return *number;
    }
    let fresh = u32::try_from(numbers.len()).unwrap_or(u32::MAX - 1);
    numbers.insert(of.clone(), fresh);
    fresh
}

/// What an entry does to its cell.
pub(super) fn flow_of<M: Model>(
    model: &M,
    ops: &[Operation<M::Op, M::Ret>],
    id: u32,
    answered: bool,
) -> Flow<M::Value> {
    let operation = &ops[id as usize];
    model.flow(&operation.op, if answered { operation.outcome.answer() } else { None })
}

/// Two rules, applied until neither changes anything. Both need a part whose operations are all plain moves of values
/// on one cell.
///
/// *Seen*: if only one operation can have produced a value, which is not the initial one, and an operation that must
/// have happened saw it, then the producer happened too, and before the observer returned.
///
/// *Unseen*: an operation of unknown outcome that produces a value which nobody can have seen may be left out: in any
/// order that holds it, the operations between it and the next write saw nothing of the value. That needs that no
/// operation saw "anything but v", for which an unseen value is as good an explanation as any.
fn settle<M: Model>(model: &M, ops: &[Operation<M::Op, M::Ret>], required: &mut Vec<Entry>, optional: &mut Vec<Entry>) {
    let Some(initial) = model.initial_value() else { return };
    let mut producers: BTreeMap<M::Value, usize> = BTreeMap::from([(initial, 1)]);
    // Per value: the earliest deadline among operations that must have seen it, and how many optional ones may have.
    let mut seen: BTreeMap<M::Value, u64> = BTreeMap::new();
    let mut may_see: BTreeMap<M::Value, usize> = BTreeMap::new();
    let mut not_equal = false;
    for entry in required.iter().chain(optional.iter()) {
        let (from, to) = match flow_of(model, ops, entry.id, entry.answered) {
            Flow::Opaque | Flow::Append(_) => return,
            Flow::Nothing => (None, None),
            Flow::NotEqual(_) => {
                not_equal = true;
                (None, None)
            }
            Flow::Read(value) => (Some(value), None),
            Flow::Write(value) => (None, Some(value)),
            Flow::Swap { from, to } => (Some(from), Some(to)),
        };
        if let Some(to) = to {
            *producers.entry(to).or_insert(0) += 1;
        }
        if let Some(from) = from {
            if entry.deadline == u64::MAX && !entry.answered {
                *may_see.entry(from).or_insert(0) += 1;
            } else {
                let earliest = seen.entry(from).or_insert(u64::MAX);
                *earliest = entry.deadline.min(*earliest);
            }
        }
    }
    loop {
        let before = optional.len();
        let mut kept = Vec::with_capacity(before);
        for mut entry in optional.drain(..) {
            let (from, to) = match flow_of(model, ops, entry.id, false) {
                Flow::Write(to) => (None, to),
                Flow::Swap { from, to } => (Some(from), to),
                _ => {
                    kept.push(entry);
                    continue;
                }
            };
            let own = from.as_ref() == Some(&to);
            let must = seen.get(&to).copied().filter(|_| producers.get(&to) == Some(&1) && !own);
            if let Some(deadline) = must {
                entry.deadline = deadline.max(entry.call);
                if let Some(from) = from {
                    forget(&mut may_see, &from);
                    let earliest = seen.entry(from).or_insert(u64::MAX);
                    *earliest = entry.deadline.min(*earliest);
                }
                required.push(entry);
            } else if !not_equal && !seen.contains_key(&to) && may_see.get(&to).is_none_or(|count| *count == 0) {
                forget(&mut producers, &to);
                if let Some(from) = from {
                    forget(&mut may_see, &from);
                }
            } else {
                kept.push(entry);
            }
        }
        *optional = kept;
        if optional.len() == before {
            return;
        }
    }
}

fn forget<V: Ord>(counts: &mut BTreeMap<V, usize>, value: &V) {
    if let Some(count) = counts.get_mut(value) {
        *count = count.saturating_sub(1);
    }
}
