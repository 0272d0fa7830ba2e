//! What the library is held against: the search of Wing and Gong (1993) as Lowe (2017) made it, with a list of calls and
//! returns and a memo of every set of operations with its state, and nothing else. Keys are judged one by one.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};
use stormglass_check::model::{Model, Step};
use stormglass_check::{History, Operation, Outcome};

/// Sets are given up beyond so many bytes.
const BYTES_MAX: usize = 2 << 30;

/// Calls and returns in order of time, of which one lifted is passed over. Number 0 is before the first.
struct Line {
    next: Vec<usize>,
    before: Vec<usize>,
    /// Whose, and whether it is the call.
    what: Vec<(usize, bool)>,
    ends: Vec<usize>,
}

impl Line {
    fn new<O, R>(ops: &[&Operation<O, R>]) -> Self {
        let mut events: Vec<(u64, bool, usize)> = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            let end = op.returned.filter(|_| op.outcome.answer().is_some()).unwrap_or(u64::MAX);
            events.extend([(op.call, false, at), (end, true, at)]);
        }
        events.sort_unstable();
        let count = events.len();
        let mut ends = vec![0; ops.len()];
        let mut what = vec![(usize::MAX, false)];
        for (place, (_, ended, at)) in events.into_iter().enumerate() {
            what.push((at, !ended));
            if ended {
                ends[at] = place + 1;
            }
        }
        let next = (1..=count).chain([0]).collect();
        let before = [0].into_iter().chain(0..count).collect();
        Line { next, before, what, ends }
    }

    fn take(&mut self, at: usize) {
        let (before, next) = (self.before[at], self.next[at]);
        self.next[before] = next;
        if next != 0 {
            self.before[next] = before;
        }
    }

    fn put_back(&mut self, at: usize) {
        let (before, next) = (self.before[at], self.next[at]);
        self.next[before] = at;
        if next != 0 {
            self.before[next] = at;
        }
    }
}

/// The operations on one key.
type Part<'a, M> = Vec<&'a Operation<<M as Model>::Op, <M as Model>::Ret>>;

/// What was tried: which operations were done, and the state.
type Seen<S> = HashSet<(Vec<u64>, S), BuildHasherDefault<DefaultHasher>>;

/// Whether the history is linearizable; `None` if it took too much.
pub(crate) fn plain<M: Model>(model: &M, history: &History<M::Op, M::Ret>, steps_max: u64) -> Option<bool> {
    let mut parts: BTreeMap<M::Key, Part<'_, M>> = BTreeMap::new();
    for operation in history.operations().iter().filter(|operation| operation.outcome != Outcome::Fail) {
        model.each_key(&operation.op, &mut |key| parts.entry(key.clone()).or_default().push(operation));
    }
    let mut steps = steps_max;
    for ops in parts.values() {
        if !part(model, ops, &mut steps)? {
            return Some(false);
        }
    }
    Some(true)
}

fn part<M: Model>(model: &M, ops: &[&Operation<M::Op, M::Ret>], steps: &mut u64) -> Option<bool> {
    let mut line = Line::new(ops);
    let mut done = vec![0u64; ops.len().div_ceil(64)];
    let mut seen: Seen<M::State> = HashSet::default();
    let mut path: Vec<(usize, M::State)> = Vec::new();
    let mut state = model.initial();
    let mut at = line.next[0];
    while line.next[0] != 0 {
        let (index, call) = line.what[at];
        if call {
            *steps = steps.checked_sub(1)?;
            let next = match model.step(&state, &ops[index].op, ops[index].outcome.answer()) {
                Step::Refused => None,
                Step::Same => Some(state.clone()),
                Step::Next(next) => Some(next),
            };
            done[index / 64] ^= 1 << (index % 64);
            if let Some(next) = next
                && seen.insert((done.clone(), next.clone()))
            {
                if seen.len() * (done.len() * 8 + 64) > BYTES_MAX {
                    return None;
                }
                path.push((at, std::mem::replace(&mut state, next)));
                line.take(at);
                line.take(line.ends[index]);
                at = line.next[0];
                continue;
            }
            done[index / 64] ^= 1 << (index % 64);
        } else {
            let Some((last, earlier)) = path.pop() else { return Some(false) };
            let (index, _) = line.what[last];
            done[index / 64] ^= 1 << (index % 64);
            state = earlier;
            line.put_back(line.ends[index]);
            line.put_back(last);
            at = last;
        }
        at = line.next[at];
    }
    Some(true)
}
