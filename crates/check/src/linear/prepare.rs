//! From raw operations to a search problem. Operations of unknown outcome are what makes the search explode, because
//! they stay open to the end; here they are dropped or given a deadline wherever the values prove that this changes
//! no verdict.

use super::machine::{Machine, Source, blind};
use super::memo::Numbers;
use crate::history::{Operation, Outcome};
use crate::model::{Flow, Model};

/// One operation as the search sees it.
#[derive(Clone, Copy, Debug)]
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
    /// Its class in the machine.
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
    pub(super) source: Source<'a, M>,
    pub(super) required: Vec<Entry>,
    pub(super) optional: Vec<Entry>,
    /// Whether all operations are on one and the same cell.
    pub(super) one_cell: bool,
    /// Where every operation is a plain move of values on one cell: the number of the initial value, and of all values.
    pub(super) plain: Option<(u32, u32)>,
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

/// The problem that `ids` pose, as seen at the instant `cut`, or at the end.
pub(super) fn prepare<'a, M: Model>(
    source: Source<'a, M>,
    machine: &mut Machine<M>,
    ids: &[u32],
    cut: Option<u64>,
) -> Problem<'a, M> {
    let model = source.model;
    let keys = std::mem::replace(&mut machine.keys, Numbers::new());
    let mut cells: Cells<'_, M> = Cells { model, keys, values: Numbers::new(), plain: true };
    let (mut required, mut optional) = (Vec::with_capacity(ids.len()), Vec::new());
    let (mut several, mut first) = (false, NO_CELL);
    for &id in ids {
        let operation = &source.ops[id as usize];
        let Some((ret, deadline)) = seen_at(operation, cut) else { continue };
        let pure = model.observes_only(&operation.op, ret);
        if ret.is_none() && pure {
            continue;
        }
        let answered = ret.is_some();
        let cell = cells.cell(&operation.op);
        first = if first == NO_CELL { cell } else { first };
        several |= cell == NO_CELL || cell != first;
        let (sees, makes) =
            if cell == NO_CELL { (Sees::Anything, NO_VALUE) } else { cells.flow(model.flow(&operation.op, ret)) };
        let class = machine.class(source, id, answered, || (pure, blind(source, id, answered, cell)));
        let entry = Entry { id, call: operation.call, deadline, answered, pure, class, cell, sees, makes };
        if entry.answered { required.push(entry) } else { optional.push(entry) }
    }
    let one_cell = !several;
    let initial = model.initial_value().map(|value| cells.values.of(value));
    machine.keys = cells.keys;
    let values = u32::try_from(cells.values.len()).unwrap_or(u32::MAX);
    let plain = initial.filter(|_| cells.plain && one_cell).map(|initial| (initial, values));
    if let (Some((initial, values)), false) = (plain, optional.is_empty()) {
        settle(initial, values, &mut required, &mut optional);
    }
    // Histories are recorded in order of call, so that this is nearly always done already.
    required.sort_by_key(|entry| (entry.call, entry.id));
    optional.sort_by_key(|entry| (entry.call, entry.id));
    Problem { source, required, optional, one_cell, plain }
}

/// Keys and values by number.
struct Cells<'a, M: Model> {
    model: &'a M,
    keys: Numbers<M::Key>,
    values: Numbers<M::Value>,
    /// No flow was more than a plain move of values.
    plain: bool,
}

impl<M: Model> Cells<'_, M> {
    fn cell(&mut self, op: &M::Op) -> u32 {
        let (mut only, mut count) = (NO_CELL, 0);
        self.model.each_key(op, &mut |key| {
            count += 1;
            // Most parts have one key, which is sooner compared than hashed.
            let same = self.keys.len() == 1 && self.keys.get(0) == key;
            only = if same { 0 } else { self.keys.of(key.clone()) };
        });
        if count == 1 { only } else { NO_CELL }
    }

    fn flow(&mut self, flow: Flow<M::Value>) -> (Sees, u32) {
        self.plain &= !matches!(flow, Flow::Append(_) | Flow::Opaque);
        match flow {
            Flow::Read(value) => (Sees::Value(self.values.of(value)), NO_VALUE),
            Flow::Write(value) => (Sees::Nothing, self.values.of(value)),
            Flow::Swap { from, to } => (Sees::Value(self.values.of(from)), self.values.of(to)),
            Flow::NotEqual(value) => (Sees::AnyBut(self.values.of(value)), NO_VALUE),
            Flow::Append(_) | Flow::Nothing | Flow::Opaque => (Sees::Anything, NO_VALUE),
        }
    }
}

/// What is known of one value.
#[derive(Clone, Copy)]
struct Value {
    producers: u32,
    /// The earliest deadline among operations that must have seen it.
    seen: Option<u64>,
    /// How many operations of unknown outcome may have seen it.
    may_see: u32,
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
fn settle(initial: u32, values: u32, required: &mut Vec<Entry>, optional: &mut Vec<Entry>) {
    let mut known = vec![Value { producers: 0, seen: None, may_see: 0 }; values as usize];
    known[initial as usize].producers = 1;
    let mut not_equal = false;
    let see = |known: &mut Vec<Value>, value: u32, deadline: u64| {
        let seen = &mut known[value as usize].seen;
        *seen = Some(seen.map_or(deadline, |earliest| earliest.min(deadline)));
    };
    for entry in required.iter().chain(optional.iter()) {
        not_equal |= matches!(entry.sees, Sees::AnyBut(_));
        if entry.makes != NO_VALUE {
            known[entry.makes as usize].producers += 1;
        }
        if let Sees::Value(from) = entry.sees {
            if entry.answered { see(&mut known, from, entry.deadline) } else { known[from as usize].may_see += 1 }
        }
    }
    loop {
        let before = optional.len();
        optional.retain_mut(|entry| {
            let from = if let Sees::Value(from) = entry.sees { Some(from) } else { None };
            if entry.makes == NO_VALUE {
                return true;
            }
            let Value { producers, seen, may_see } = known[entry.makes as usize];
            let own = from == Some(entry.makes);
            if let Some(deadline) = seen.filter(|_| producers == 1 && !own) {
                entry.deadline = deadline.max(entry.call);
                if let Some(from) = from {
                    known[from as usize].may_see -= 1;
                    see(&mut known, from, entry.deadline);
                }
                required.push(*entry);
                return false;
            }
            let unseen = !not_equal && seen.is_none() && may_see == 0;
            if unseen {
                known[entry.makes as usize].producers -= 1;
                if let Some(from) = from {
                    known[from as usize].may_see -= 1;
                }
            }
            !unseen
        });
        if optional.len() == before {
            return;
        }
    }
}
