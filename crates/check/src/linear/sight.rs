//! Who may have seen whose effect, so that evidence is made small without changing what it is evidence of.
//!
//! Leaving out a write but not its readers would invent a new failure ("nobody wrote this"), so an update is only ever
//! left out together with everything that may have seen its effect. That is sound: were the whole in order, so would be
//! the rest, for what stands between the update and the next one on its key saw nothing of it.

use super::prepare::seen_at;
use crate::history::Operation;
use crate::model::{Flow, Model};
use std::collections::BTreeMap;
use std::ops::Range;

/// What each operation did and saw.
pub(super) struct Sights<'a, M: Model> {
    model: &'a M,
    list: Vec<Sight<M::Value>>,
    /// Appends make values out of parts, so that equality no longer says who saw what.
    appends: bool,
}

struct Sight<V> {
    id: u32,
    /// What it did to each of its keys.
    touches: Vec<Touch<V>>,
    pure: bool,
    call: u64,
    /// Return of its answer; `u64::MAX` if it has none.
    returned: u64,
}

struct Touch<V> {
    key: u32,
    flow: Flow<V>,
    /// Whatever is called later than this cannot see it: another write of the key was called after it returned, and
    /// was over by then.
    covered_from: u64,
}

impl<'a, M: Model> Sights<'a, M> {
    /// The operations `ids`, in order of call, as seen at the instant `cut`.
    pub(super) fn new(model: &'a M, ops: &[Operation<M::Op, M::Ret>], ids: &[u32], cut: Option<u64>) -> Self {
        let mut numbers: BTreeMap<M::Key, u32> = BTreeMap::new();
        let mut list: Vec<Sight<M::Value>> = ids
            .iter()
            .map(|&id| {
                let operation = &ops[id as usize];
                let (ret, returned) = seen_at(operation, cut).unwrap_or((None, u64::MAX));
                let mut touches = Vec::new();
                model.each_flow(&operation.op, ret, &mut |key, flow| {
                    let fresh = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                    let key = *numbers.entry(key.clone()).or_insert(fresh);
                    touches.push(Touch { key, flow, covered_from: u64::MAX });
                });
                // An operation that names no key touches everything.
                let mut keys = 0;
                model.each_key(&operation.op, &mut |_| keys += 1);
                if keys == 0 {
                    touches.push(Touch { key: EVERY_KEY, flow: Flow::Opaque, covered_from: u64::MAX });
                }
                let pure = model.observes_only(&operation.op, ret);
                Sight { id, touches, pure, call: operation.call, returned }
            })
            .collect();
        cover(&mut list);
        let appends = list.iter().flat_map(|sight| &sight.touches).any(|touch| matches!(touch.flow, Flow::Append(_)));
        Sights { model, list, appends }
    }

    /// The id of the operation at `index`.
    pub(super) fn id(&self, index: usize) -> u32 {
        self.list[index].id
    }

    /// `alive` without the operations at `range` and all that may have seen them; and how many pairs were looked at.
    pub(super) fn without(&self, alive: &[usize], range: Range<usize>) -> (Vec<usize>, u64) {
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
                if !gone[other] && self.would_miss(alive, &gone, &self.list[alive[other]], update) {
                    gone[other] = true;
                    open.push(other);
                }
            }
        }
        (alive.iter().zip(gone).filter(|(_, gone)| !gone).map(|(index, _)| *index).collect(), looked)
    }

    /// Whether the operation at `index` changes anything.
    pub(super) fn updates(&self, index: usize) -> bool {
        !self.list[index].pure
    }

    /// The operation at `index` with all whose effect it may have seen, and theirs: the least that can stand alone.
    /// `None` if that is more than `most`.
    pub(super) fn with_sources(&self, index: usize, most: usize) -> Option<Vec<usize>> {
        let mut kept = vec![index];
        let mut next = 0;
        while let Some(&observer) = kept.get(next) {
            next += 1;
            let saw =
                |touch: &&Touch<M::Value>| !matches!(touch.flow, Flow::Write(_) | Flow::Append(_) | Flow::Nothing);
            let saws: Vec<&Touch<M::Value>> = self.list[observer].touches.iter().filter(saw).collect();
            if saws.is_empty() {
                continue;
            }
            for (other, update) in self.list.iter().enumerate().filter(|(_, update)| !update.pure) {
                let seen = saws.iter().any(|saw| {
                    let made = update.touches.iter().filter(|made| same_key(saw.key, made.key));
                    made.into_iter().any(|made| self.may_see(&saw.flow, &made.flow))
                });
                if seen && !kept.contains(&other) {
                    kept.push(other);
                    if kept.len() > most {
                        return None;
                    }
                }
            }
        }
        Some(kept)
    }

    /// Whether `observer` must go with `update`.
    fn would_miss(&self, alive: &[usize], gone: &[bool], observer: &Sight<M::Value>, update: &Sight<M::Value>) -> bool {
        observer.touches.iter().any(|saw| {
            update.touches.iter().filter(|made| same_key(saw.key, made.key)).any(|made| {
                // What is covered cannot have been seen; but an observer that is left with nobody who made what it
                // saw would read as if nobody ever had.
                let covered = !self.appends && observer.call > made.covered_from;
                self.may_see(&saw.flow, &made.flow) && !(covered && self.another_made(alive, gone, saw))
            })
        })
    }

    /// Whether an operation that is not gone made the value that was seen, or none had to.
    fn another_made(&self, alive: &[usize], gone: &[bool], saw: &Touch<M::Value>) -> bool {
        let (Flow::Read(seen) | Flow::Swap { from: seen, .. }) = &saw.flow else {
            return matches!(saw.flow, Flow::NotEqual(_));
        };
        let makes = |touch: &Touch<M::Value>| {
            touch.key == saw.key
                && matches!(&touch.flow, Flow::Write(made) | Flow::Swap { to: made, .. } if made == seen)
        };
        alive.iter().zip(gone).any(|(index, gone)| !gone && self.list[*index].touches.iter().any(makes))
    }

    /// Whether the answer of one operation may rest on the effect of another on the same key.
    fn may_see(&self, saw: &Flow<M::Value>, made: &Flow<M::Value>) -> bool {
        let made = match made {
            Flow::Write(value) | Flow::Swap { to: value, .. } | Flow::Append(value) => value,
            Flow::Read(_) | Flow::NotEqual(_) | Flow::Nothing => return false,
            Flow::Opaque => return true,
        };
        match saw {
            Flow::Read(seen) | Flow::Swap { from: seen, .. } if self.appends => self.model.may_contain(seen, made),
            Flow::Read(seen) | Flow::Swap { from: seen, .. } => seen == made,
            // Any other value explains it; this one never does.
            Flow::NotEqual(value) => self.appends || value != made,
            Flow::Write(_) | Flow::Append(_) | Flow::Nothing => false,
            Flow::Opaque => true,
        }
    }
}

/// The key of operations that touch all of them.
const EVERY_KEY: u32 = u32::MAX;

fn same_key(one: u32, other: u32) -> bool {
    one == other || one == EVERY_KEY || other == EVERY_KEY
}

/// Finds for each touch by when it is surely overwritten. `list` is in order of call.
fn cover<V>(list: &mut [Sight<V>]) {
    // Per key, the writes from the latest call to the earliest, each with the earliest return from there on.
    let mut writes: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    for sight in list.iter().rev() {
        for touch in sight.touches.iter().filter(|touch| matches!(touch.flow, Flow::Write(_))) {
            let later = writes.entry(touch.key).or_default();
            let earliest = later.last().map_or(u64::MAX, |(_, returned)| *returned);
            later.push((sight.call, sight.returned.min(earliest)));
        }
    }
    for sight in list {
        for touch in &mut sight.touches {
            if let Some(writes) = writes.get(&touch.key) {
                let after = writes.partition_point(|(call, _)| *call > sight.returned);
                touch.covered_from = after.checked_sub(1).map_or(u64::MAX, |last| writes[last].1);
            }
        }
    }
}
