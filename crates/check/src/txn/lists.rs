//! Lists: the longest read of a key is the order of its versions, and every other read must be a beginning of it.

use super::Access;
use super::graph::{Graph, Kind};
use super::index::{Index, Writer};
use super::level::{Anomaly, AnomalyKind};
use crate::linear::FixedState;
use crate::model::Bytes;
use std::collections::HashMap;

/// What is known of one list.
struct List<'a> {
    longest: &'a [Bytes],
    by: u32,
}

/// Adds the dependencies that lists show, and says which of their reads contradict each other.
pub(super) fn dependencies(index: &mut Index<'_>, graph: &mut Graph) -> Vec<Anomaly> {
    let mut numbers: HashMap<&Bytes, usize, FixedState> = HashMap::default();
    let mut lists: Vec<List<'_>> = Vec::new();
    // Reads by transactions that committed: the list, who, what, and whether the transaction had appended before.
    let mut reads: Vec<(usize, u32, &[Bytes], bool)> = Vec::new();
    for (at, transaction) in (0u32..).zip(&index.transactions) {
        if transaction.returned.is_none() {
            continue;
        }
        for (place, access) in transaction.accesses.iter().enumerate() {
            let Access::List { key, values: Some(values) } = access else { continue };
            let fresh = lists.len();
            let number = *numbers.entry(key).or_insert(fresh);
            if number == fresh {
                lists.push(List { longest: values, by: at });
            } else if values.len() > lists[number].longest.len() {
                lists[number] = List { longest: values, by: at };
            }
            let own = transaction.accesses[..place]
                .iter()
                .any(|before| matches!(before, Access::Append { key: other, .. } if other == key));
            reads.push((number, at, values, own));
        }
    }
    let mut found = Vec::new();
    let mut keys: Vec<Option<&Bytes>> = vec![None; lists.len()];
    for (key, number) in &numbers {
        keys[*number] = Some(key);
    }
    // Who wrote each version, and which one it is.
    let mut writers: Vec<Vec<Option<u32>>> = Vec::with_capacity(lists.len());
    for (number, list) in lists.iter().enumerate() {
        let Some(key) = keys[number] else { continue };
        let writer = |value: &Bytes| match index.appended.get(&(key, value)).map(|written| written.by) {
            Some(Writer::Committed(by)) => Some(by),
            _ => None,
        };
        let mut versions: Vec<Option<u32>> = list.longest.iter().map(writer).collect();
        let mut sorted: Vec<&Bytes> = list.longest.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let id = index.id(list.by);
            let cause = format!("duplicate-elements: T{id} reads {} of {key} twice in one list", pair[0]);
            found.push(Anomaly {
                kind: AnomalyKind::DuplicateElements,
                transactions: vec![id],
                cause,
                details: vec![],
            });
            // In what order they came is not told by this list, only that they were written.
            versions.into_iter().flatten().for_each(|writer| graph.add(writer, list.by, Kind::WriteRead));
            versions = Vec::new();
        }
        for pair in versions.windows(2) {
            if let [Some(first), Some(then)] = pair {
                graph.add(*first, *then, Kind::WriteWrite);
            }
        }
        writers.push(versions);
    }
    let unread = never_read(index, &numbers, &lists);
    for (versions, unread) in writers.iter().zip(&unread) {
        if let Some(Some(last)) = versions.last() {
            unread.iter().for_each(|then| graph.add(*last, *then, Kind::WriteWrite));
        }
    }
    // Who read which version of a list before appending to it, so that two that did are found.
    let mut updates: HashMap<(usize, usize), u32, FixedState> = HashMap::default();
    for (number, reader, values, own) in reads {
        let Some(key) = keys[number] else { continue };
        let List { longest, by } = &lists[number];
        if !longest.starts_with(values) {
            let (id, other) = (index.id(reader), index.id(*by));
            let cause =
                format!("incompatible-order: T{id} and T{other} read {key} as lists of which neither begins the other");
            let transactions = vec![id, other];
            found.push(Anomaly { kind: AnomalyKind::IncompatibleOrder, transactions, cause, details: vec![] });
            continue;
        }
        if own {
            continue;
        }
        let versions = &writers[number];
        if versions.len() < longest.len() {
            continue;
        }
        if let Some(Some(writer)) = values.len().checked_sub(1).map(|last| versions[last]) {
            graph.add(writer, reader, Kind::WriteRead);
        }
        if let Some(Some(writer)) = versions.get(values.len()) {
            graph.add(reader, *writer, Kind::ReadWrite);
        }
        if values.len() == longest.len() {
            unread[number].iter().for_each(|writer| graph.add(reader, *writer, Kind::ReadWrite));
        }
        let accesses = index.transactions[reader as usize].accesses;
        let appends = accesses.iter().any(|access| matches!(access, Access::Append { key: other, .. } if other == key));
        if appends && let Some(other) = updates.insert((number, values.len()), reader).filter(|other| *other != reader)
        {
            let (first, then) = (index.id(other), index.id(reader));
            let cause =
                format!("lost-update: T{first} and T{then} read the same version of {key}, and both appended to it");
            let transactions = vec![first, then];
            found.push(Anomaly { kind: AnomalyKind::LostUpdate, transactions, cause, details: vec![] });
        }
    }
    found
}

/// Who appended to each list what nobody read: that came after the longest that anyone did read. Of many only the first few,
/// for they are written down once for each reader.
fn never_read(index: &Index<'_>, numbers: &HashMap<&Bytes, usize, FixedState>, lists: &[List<'_>]) -> Vec<Vec<u32>> {
    const MOST: usize = 16;
    let read: HashMap<(usize, &Bytes), (), FixedState> = lists
        .iter()
        .enumerate()
        .flat_map(|(at, list)| list.longest.iter().map(move |value| ((at, value), ())))
        .collect();
    let mut unread = vec![Vec::new(); lists.len()];
    for (at, transaction) in (0u32..).zip(&index.transactions) {
        for access in transaction.accesses {
            if let Access::Append { key, value } = access
                && let Some(number) = numbers.get(key)
                && !read.contains_key(&(*number, value))
                && unread[*number].len() < MOST
                && unread[*number].last() != Some(&at)
            {
                unread[*number].push(at);
            }
        }
    }
    unread
}
