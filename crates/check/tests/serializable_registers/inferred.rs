//! What the dependencies between transactions on registers show, by the definitions and over all pairs: the order of versions
//! from who read one and wrote another, and from who was before whom; from that and from who read what was written by whom the order
//! of transactions.

#![allow(unreachable_pub, reason = "a part of a test")]

use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::model::Bytes;
use stormglass_check::{Access, Operation, Outcome, Transactions};

type Transaction = Operation<Vec<Access>, Vec<Access>>;

/// What a transaction found in a register, and what it left there.
#[derive(Clone, Default)]
struct Touch {
    found: Option<Option<Bytes>>,
    left: Option<Bytes>,
}

impl Touch {
    /// The versions that it saw.
    fn versions(&self) -> Vec<Option<Bytes>> {
        self.found.iter().cloned().chain(self.left.clone().map(Some)).collect()
    }
}

fn touches(operation: &Transaction) -> BTreeMap<Bytes, Touch> {
    let mut touches: BTreeMap<Bytes, Touch> = BTreeMap::new();
    for access in operation.outcome.answer().unwrap_or(&operation.op) {
        match access {
            Access::Read { key, value: Some(value) } => {
                let touch = touches.entry(key.clone()).or_default();
                if touch.left.is_none() && touch.found.is_none() {
                    touch.found = Some(value.clone());
                }
            }
            Access::Write { key, value } => touches.entry(key.clone()).or_default().left = Some(value.clone()),
            _ => {}
        }
    }
    touches
}

/// What follows from the pairs, whether anything comes before itself included.
fn closed<T: Ord + Clone>(mut pairs: BTreeSet<(T, T)>) -> BTreeSet<(T, T)> {
    let nodes: BTreeSet<T> = pairs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    for middle in &nodes {
        let before: Vec<T> =
            nodes.iter().filter(|node| pairs.contains(&((*node).clone(), middle.clone()))).cloned().collect();
        let after: Vec<T> =
            nodes.iter().filter(|node| pairs.contains(&(middle.clone(), (*node).clone()))).cloned().collect();
        for a in before {
            pairs.extend(after.iter().map(|b| (a.clone(), b.clone())));
        }
    }
    pairs
}

/// Whether the dependencies close a cycle, where one transaction comes before another if `before` says so.
pub fn refused(history: &Transactions, before: fn(&Transaction, &Transaction) -> bool) -> bool {
    let all: Vec<(&Transaction, BTreeMap<Bytes, Touch>)> =
        history.operations().iter().map(|operation| (operation, touches(operation))).collect();
    let answered = |at: usize| matches!(all[at].0.outcome, Outcome::Ok(_));
    let read = |touch: &BTreeMap<Bytes, Touch>, by: &BTreeMap<Bytes, Touch>| {
        by.iter().any(|(key, by)| {
            by.left.is_some() && touch.get(key).is_some_and(|touch| touch.found == Some(by.left.clone()))
        })
    };
    let counts = |at: usize| answered(at) || (0..all.len()).any(|by| answered(by) && read(&all[by].1, &all[at].1));
    let nodes: Vec<usize> = (0..all.len()).filter(|at| counts(*at)).collect();
    let mut order: BTreeSet<(usize, usize)> = BTreeSet::new();
    for one in nodes.iter().filter(|one| answered(**one)) {
        for other in nodes.iter().filter(|other| before(all[*one].0, all[**other].0)) {
            // Of two at one instant the one that was recorded first.
            if one < other || (one > other && !before(all[*other].0, all[*one].0)) {
                order.insert((*one, *other));
            }
        }
    }
    let keys: BTreeSet<&Bytes> = all.iter().flat_map(|(_, touches)| touches.keys()).collect();
    let mut edges = order.clone();
    for key in keys {
        let touch = |at: usize| all[at].1.get(key).cloned().unwrap_or_default();
        let mut versions: BTreeSet<(Option<Bytes>, Option<Bytes>)> = BTreeSet::new();
        for at in &nodes {
            if let Some(left) = touch(*at).left {
                versions.insert((None, Some(left.clone())));
                versions.extend(
                    touch(*at).found.filter(|found| *found != Some(left.clone())).map(|found| (found, Some(left))),
                );
            }
        }
        for (one, other) in &order {
            for older in touch(*one).versions() {
                versions.extend(
                    touch(*other)
                        .versions()
                        .into_iter()
                        .filter(|newer| *newer != older)
                        .map(|newer| (older.clone(), newer)),
                );
            }
        }
        let versions = closed(versions);
        if versions.iter().any(|(older, newer)| older == newer) {
            return true;
        }
        for by in &nodes {
            let Some(newer) = touch(*by).left.map(Some) else { continue };
            for at in nodes.iter().filter(|at| *at != by) {
                let Touch { found, left } = touch(*at);
                if found.as_ref() == Some(&newer) {
                    edges.insert((*by, *at));
                }
                let mut older = found.into_iter().chain(left.map(Some));
                if older.any(|older| versions.contains(&(older, newer.clone()))) {
                    edges.insert((*at, *by));
                }
            }
        }
    }
    closed(edges).iter().any(|(one, other)| one == other)
}
