//! Registers in the order of time: where every process, or everybody, sees transactions in the order in which they were, a
//! version that one saw is older than those that are written after that one was over.
//!
//! So whoever reads the older version comes before whoever writes the newer one. What a version says that was *seen* later, whenever it
//! was written, is in [`succession`](super::succession). Elle infers the same from its options
//! `sequential-keys?` and `linearizable-keys?`; here it belongs to the levels that promise it.

use super::Access;
use super::graph::{Graph, Kind};
use super::index::Index;
use crate::history::Process;
use crate::linear::FixedState;
use crate::model::Bytes;
use std::collections::HashMap;

/// A version of a register; `None` is the state before any write.
pub(super) type Version<'a> = (&'a Bytes, Option<&'a Bytes>);

/// A transaction that writes a register.
#[derive(Clone, Copy)]
struct Writer<'a> {
    at: u32,
    call: u64,
    returned: u64,
    /// What the register holds after it.
    value: &'a Bytes,
}

/// What a transaction has to do with one register.
pub(super) struct Touch<'a> {
    pub(super) at: u32,
    pub(super) key: &'a Bytes,
    /// The version that it found; `None` where it did not look.
    pub(super) found: Option<Option<&'a Bytes>>,
    /// The one that it left, if it wrote any.
    pub(super) left: Option<&'a Bytes>,
}

/// Adds the anti-dependencies that follow from the order within processes, and from real time.
pub(super) fn dependencies(index: &Index<'_>, graph: &mut Graph, touches: &[Touch<'_>]) {
    in_real_time(index, graph, touches);
    in_processes(index, graph, touches);
}

/// What transactions have to do with registers, each with each that it has to do with.
pub(super) fn touches<'a>(index: &Index<'a>) -> Vec<Touch<'a>> {
    let mut touches: Vec<Touch<'a>> = Vec::new();
    for (at, transaction) in (0u32..).zip(&index.transactions) {
        let begin = touches.len();
        for access in transaction.accesses {
            let (key, read, written) = match access {
                Access::Read { key, value: Some(value) } => (key, Some(value.as_ref()), None),
                Access::Write { key, value } => (key, None, Some(value)),
                _ => continue,
            };
            let place = touches[begin..].iter().position(|touch| touch.key == key).map(|place| begin + place);
            match place.map(|place| &mut touches[place]) {
                Some(touch) => touch.left = written.or(touch.left),
                // What a transaction of unknown outcome read nobody knows.
                None => {
                    let found = read.filter(|_| transaction.returned.is_some());
                    touches.push(Touch { at, key, found, left: written });
                }
            }
        }
    }
    touches
}

/// Of the writers that began after a version had been seen, only those matter that no other one of them was over before: the others
/// come after these in real time.
fn in_real_time(index: &Index<'_>, graph: &mut Graph, touches: &[Touch<'_>]) {
    // When somebody who saw a version was over, the first of all.
    let mut seen: HashMap<Version<'_>, u64, FixedState> = HashMap::default();
    let mut writers: HashMap<&Bytes, Vec<Writer<'_>>, FixedState> = HashMap::default();
    for touch in touches {
        let transaction = &index.transactions[touch.at as usize];
        if let Some(returned) = transaction.returned {
            for version in [touch.found, touch.left.map(Some)].into_iter().flatten() {
                let first = seen.entry((touch.key, version)).or_insert(returned);
                *first = returned.min(*first);
            }
        }
        if let Some(value) = touch.left {
            let returned = transaction.returned.unwrap_or(u64::MAX);
            writers.entry(touch.key).or_default().push(Writer {
                at: touch.at,
                call: transaction.call,
                returned,
                value,
            });
        }
    }
    for of_key in writers.values_mut() {
        of_key.sort_unstable_by_key(|writer| (writer.call, writer.at));
    }
    for touch in touches {
        let Some(found) = touch.found else { continue };
        let (Some(seen), Some(writers)) = (seen.get(&(touch.key, found)), writers.get(touch.key)) else { continue };
        let after = writers.partition_point(|writer| writer.call <= *seen);
        let mut over = u64::MAX;
        for writer in &writers[after..] {
            if writer.call > over {
                break;
            }
            if Some(writer.value) != found {
                graph.add_timed(touch.at, writer.at, Kind::RealTime);
                over = over.min(writer.returned);
            }
        }
    }
}

/// A process that saw a version, has written another one since and reads the old one again.
fn in_processes(index: &Index<'_>, graph: &mut Graph, touches: &[Touch<'_>]) {
    let mut order: Vec<&Touch<'_>> = touches.iter().collect();
    order.sort_by_key(|touch| (index.transactions[touch.at as usize].call, touch.at));
    // By process and register: who wrote it first after a version had been seen there.
    let mut overwritten: HashMap<(&Process, Version<'_>), u32, FixedState> = HashMap::default();
    let mut latest: HashMap<(&Process, &Bytes), Option<&Bytes>, FixedState> = HashMap::default();
    for touch in order {
        let transaction = &index.transactions[touch.at as usize];
        let process = transaction.process;
        if let Some(found) = touch.found {
            if let Some(writer) = overwritten.get(&(process, (touch.key, found))) {
                graph.add_timed(touch.at, *writer, Kind::Process);
            }
            latest.insert((process, touch.key), found);
        }
        if let Some(left) = touch.left {
            if let Some(before) = latest.get(&(process, touch.key)) {
                overwritten.entry((process, (touch.key, *before))).or_insert(touch.at);
            }
            // What has no answer may take effect after all that its process did since.
            if transaction.returned.is_some() {
                latest.insert((process, touch.key), Some(left));
            }
        }
    }
}
