//! Registers: a transaction that reads a version and then writes another has put one after the other, and nothing comes
//! before the first state. What follows from time, where a level promises its order, is in [`timed`](super::timed). More of the
//! order of versions is not told, so more may be wrong than is found.

use super::Access;
use super::graph::{Graph, Kind};
use super::index::{Index, Writer};
use super::level::{Anomaly, AnomalyKind};
use crate::linear::FixedState;
use crate::model::Bytes;
use std::collections::HashMap;

/// A version of a register; `None` is the state before any write.
type Version<'a> = (&'a Bytes, Option<&'a Bytes>);

/// Adds the dependencies that registers show.
pub(super) fn dependencies(index: &mut Index<'_>, graph: &mut Graph) -> Vec<Anomaly> {
    let mut found = Vec::new();
    // Of each version: who read it first thing, and which versions were made from it, by whom.
    let mut readers: HashMap<Version<'_>, Vec<u32>, FixedState> = HashMap::default();
    let mut successors: HashMap<Version<'_>, Vec<u32>, FixedState> = HashMap::default();
    let mut order: Vec<Version<'_>> = Vec::new();
    // Who wrote a register without having read it, for those whose first state somebody read.
    let mut blind: HashMap<&Bytes, Vec<u32>, FixedState> = HashMap::default();
    for (at, transaction) in (0u32..).zip(&index.transactions) {
        let mut first: HashMap<&Bytes, Option<Option<&Bytes>>, FixedState> = HashMap::default();
        let mut wrote: Vec<&Bytes> = Vec::new();
        for access in transaction.accesses {
            match access {
                Access::Read { key, value: Some(value) }
                    if transaction.returned.is_some() && !first.contains_key(key) =>
                {
                    first.insert(key, Some(value.as_ref()));
                    let version = (key, value.as_ref());
                    let known = readers.entry(version).or_insert_with(|| {
                        order.push(version);
                        Vec::new()
                    });
                    known.push(at);
                }
                Access::Write { key, .. } if !wrote.contains(&key) => {
                    wrote.push(key);
                    match first.entry(key).or_insert(None) {
                        Some(seen) => successors.entry((key, *seen)).or_default().push(at),
                        None => blind.entry(key).or_default().push(at),
                    }
                }
                _ => {}
            }
        }
    }
    let writer = |version: &Version<'_>| match index.set.get(&(version.0, version.1?)).map(|written| written.by) {
        Some(Writer::Committed(by)) => Some(by),
        _ => None,
    };
    for version in &order {
        let (key, value) = version;
        let made_by = writer(version);
        let next = successors.get(version).map_or(&[][..], Vec::as_slice);
        if let [first, then, ..] = next {
            let (first, then) = (index.id(*first), index.id(*then));
            let cause = format!("lost-update: T{first} and T{then} read the same version of {key}, and both wrote it");
            let transactions = vec![first, then];
            found.push(Anomaly { kind: AnomalyKind::LostUpdate, transactions, cause, details: vec![] });
        }
        for then in next {
            if let Some(by) = made_by {
                graph.add(by, *then, Kind::WriteWrite);
            }
        }
        let fresh: &[u32] = if value.is_none() { blind.get(key).map_or(&[][..], Vec::as_slice) } else { &[] };
        for reader in &readers[version] {
            if let Some(by) = made_by {
                graph.add(by, *reader, Kind::WriteRead);
            }
            for then in next.iter().chain(fresh) {
                graph.add(*reader, *then, Kind::ReadWrite);
            }
        }
    }
    found
}
