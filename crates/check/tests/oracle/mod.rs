//! The oracle's oracle: an exhaustive search for an order, as plain as it can be. It shares nothing with the library but
//! the raw history: it has its own model of a key-value map, over all keys at once, and tries every subset of the
//! operations of unknown outcome in every order. It is exponential and meant to be.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::model::{Bytes, Expect, KvOp, KvRet, RegisterOp, RegisterRet};
use stormglass_check::{History, Outcome};

pub type Map = BTreeMap<Bytes, Bytes>;

/// What a map answers to `op`; compare-and-swap by revision is not known here.
pub fn answer(map: &mut Map, op: &KvOp) -> KvRet {
    match op {
        KvOp::Get { key } => KvRet::Value { value: map.get(key).cloned(), revision: None },
        KvOp::Put { key, value } => {
            map.insert(key.clone(), value.clone());
            KvRet::done()
        }
        KvOp::Append { key, value } => {
            let mut whole = map.get(key).map(|head| head.as_slice().to_vec()).unwrap_or_default();
            whole.extend_from_slice(value.as_slice());
            map.insert(key.clone(), Bytes::from(whole));
            KvRet::done()
        }
        KvOp::Delete { key } => {
            let existed = map.remove(key).is_some();
            KvRet::Deleted { existed: Some(existed), revision: None }
        }
        KvOp::Cas { key, expect, value } => {
            let swapped = match expect {
                Expect::Absent => !map.contains_key(key),
                Expect::Value(wanted) => map.get(key) == Some(wanted),
                Expect::Revision(_) | Expect::Both { .. } => panic!("the plain oracle knows no revisions"),
            };
            if swapped {
                map.insert(key.clone(), value.clone());
            }
            KvRet::swapped(swapped)
        }
        KvOp::Txn { compare, success, failure } => {
            let succeeded = compare.iter().all(|compare| map.get(&compare.key) == compare.value.as_ref());
            let ops = if succeeded { success } else { failure };
            let results = ops.iter().map(|op| answer(map, op)).collect();
            KvRet::Txn { succeeded, results, revision: None }
        }
    }
}

/// Whether a client that was told `told` was told the truth, where a delete may keep quiet about what it found.
pub fn kv_agrees(told: &KvRet, truth: &KvRet) -> bool {
    match (told, truth) {
        (KvRet::Deleted { existed: None, .. }, KvRet::Deleted { .. }) => true,
        (KvRet::Txn { succeeded, results, .. }, KvRet::Txn { succeeded: truly, results: true_results, .. }) => {
            succeeded == truly
                && (results.is_empty()
                    || (results.len() == true_results.len()
                        && results.iter().zip(true_results).all(|(told, truth)| kv_agrees(told, truth))))
        }
        _ => told == truth,
    }
}

struct Exhaustive<'a, O, R, S> {
    history: &'a History<O, R>,
    apply: fn(&mut S, &O, Option<&R>) -> bool,
    left: BTreeSet<usize>,
}

impl<O, R, S: Clone> Exhaustive<'_, O, R, S> {
    fn ordered(&mut self, state: &S) -> bool {
        let operations = self.history.operations();
        let must = |index: &usize| matches!(operations[*index].outcome, Outcome::Ok(_));
        if !self.left.iter().any(must) {
            return true;
        }
        let candidates: Vec<usize> = self.left.iter().copied().collect();
        for index in candidates {
            let operation = &operations[index];
            let overtaken =
                self.left.iter().filter(|other| must(other)).any(|other| {
                    operations[*other].returned.expect("answered operations have returned") < operation.call
                });
            if overtaken {
                continue;
            }
            let mut next = state.clone();
            if (self.apply)(&mut next, &operation.op, operation.outcome.answer()) {
                self.left.remove(&index);
                let found = self.ordered(&next);
                self.left.insert(index);
                if found {
                    return true;
                }
            }
        }
        false
    }
}

/// Whether there is an order of the history that `apply` admits from `start` on.
pub fn exhaustive<O, R, S: Clone>(
    history: &History<O, R>,
    start: &S,
    apply: fn(&mut S, &O, Option<&R>) -> bool,
) -> bool {
    let happened = |(_, op): &(usize, &stormglass_check::Operation<O, R>)| !matches!(op.outcome, Outcome::Fail);
    let left = history.operations().iter().enumerate().filter(happened).map(|(index, _)| index).collect();
    Exhaustive { history, apply, left }.ordered(start)
}

/// Whether the history of a key-value map is linearizable.
pub fn kv_is_linearizable(history: &History<KvOp, KvRet>) -> bool {
    exhaustive(history, &Map::new(), |map, op, told| {
        let truth = answer(map, op);
        told.is_none_or(|told| kv_agrees(told, &truth))
    })
}

/// Whether the history of a register is linearizable.
pub fn register_is_linearizable(history: &History<RegisterOp, RegisterRet>) -> bool {
    exhaustive(history, &None, |held: &mut Option<Bytes>, op, told| {
        let truth = match op {
            RegisterOp::Read => RegisterRet::Value(held.clone()),
            RegisterOp::Write(value) => {
                *held = value.clone();
                RegisterRet::Written
            }
            RegisterOp::Cas { from, to } => {
                let swapped = from == held;
                if swapped {
                    *held = to.clone();
                }
                RegisterRet::Swapped(swapped)
            }
        };
        told.is_none_or(|told| *told == truth)
    })
}
