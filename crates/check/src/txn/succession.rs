//! Registers, seen in time: of two versions the one that somebody saw, and was over with before somebody began who saw the
//! other, is the older one, whenever they were written.
//!
//! So whoever wrote or read the older version comes before whoever wrote the newer one. This is the rest of what Elle infers from
//! its options `sequential-keys?` and `linearizable-keys?`; of writers that began after a version had been seen
//! [`timed`](super::timed) speaks.

use super::graph::{Graph, Kind};
use super::index::{Index, Writer};
use super::timed::{Touch, Version};
use crate::history::Process;
use crate::linear::FixedState;
use crate::model::Bytes;
use std::collections::HashMap;

/// So many dependencies are inferred for each access at most, on average. There are more only where hundreds of
/// transactions are open on one register at a time; then some are left out, and what is found is sound all the same.
const EDGES: usize = 64;

/// A version that was written by a transaction that counts.
struct Seen {
    writer: u32,
    readers: Vec<u32>,
    /// When the first one was over that saw it.
    over: u64,
    /// When the last one began that saw it.
    began: u64,
}

/// The versions of registers, in order of their first mention.
struct Versions<'a> {
    all: Vec<Seen>,
    numbers: HashMap<Version<'a>, usize, FixedState>,
    /// Of each register.
    of: Vec<Vec<usize>>,
}

impl<'a> Versions<'a> {
    fn new(index: &Index<'a>, touches: &[Touch<'a>]) -> Self {
        let mut versions = Versions { all: Vec::new(), numbers: HashMap::default(), of: Vec::new() };
        let mut keys: HashMap<&Bytes, usize, FixedState> = HashMap::default();
        for touch in touches {
            let transaction = &index.transactions[touch.at as usize];
            let found = touch.found.flatten();
            for (value, reads) in [(found, true), (touch.left, false)] {
                let Some(value) = value else { continue };
                let Some(Writer::Committed(writer)) = index.set.get(&(touch.key, value)).map(|written| written.by)
                else {
                    continue;
                };
                let fresh = versions.all.len();
                let number = *versions.numbers.entry((touch.key, Some(value))).or_insert(fresh);
                if number == fresh {
                    versions.all.push(Seen { writer, readers: Vec::new(), over: u64::MAX, began: 0 });
                    let key = *keys.entry(touch.key).or_insert(versions.of.len());
                    if key == versions.of.len() {
                        versions.of.push(Vec::new());
                    }
                    versions.of[key].push(number);
                }
                let seen = &mut versions.all[number];
                seen.over = seen.over.min(transaction.returned.unwrap_or(u64::MAX));
                seen.began = seen.began.max(transaction.call);
                if reads {
                    seen.readers.push(touch.at);
                }
            }
        }
        versions
    }

    fn number(&self, key: &'a Bytes, value: Option<&'a Bytes>) -> Option<usize> {
        self.numbers.get(&(key, Some(value?))).copied()
    }

    /// Adds what follows from `older` being older than `newer`; `false` if there is no room for it.
    fn add(&self, (older, newer): (usize, usize), order: Kind, graph: &mut Graph, room: &mut usize) -> bool {
        let (older, newer) = (&self.all[older], &self.all[newer]);
        let Some(left) = room.checked_sub(older.readers.len() + 1) else { return false };
        *room = left;
        graph.add_succeeding(older.writer, newer.writer, Kind::WriteWrite, order);
        for reader in &older.readers {
            graph.add_succeeding(*reader, newer.writer, Kind::ReadWrite, order);
        }
        true
    }
}

/// Adds the dependencies that follow from versions being seen one after the other, within a process and in real time.
pub(super) fn dependencies<'a>(index: &Index<'a>, graph: &mut Graph, touches: &[Touch<'a>]) {
    let versions = Versions::new(index, touches);
    let room = EDGES * touches.len();
    in_real_time(index, graph, &versions, room);
    in_processes(index, graph, &versions, touches, room);
}

/// Of the versions that somebody saw who began after one had been seen, only those matter that follow upon no other of them: as
/// soon as one of these is over, too, what comes later follows from it. So they are no more than are open at a time.
fn in_real_time(index: &Index<'_>, graph: &mut Graph, versions: &Versions<'_>, mut room: usize) {
    for of_register in &versions.of {
        let mut sorted = of_register.clone();
        sorted.sort_unstable_by_key(|number| (versions.all[*number].began, *number));
        for older in of_register {
            let done = versions.all[*older].over;
            let after = sorted.partition_point(|number| versions.all[*number].began <= done);
            let mut over = u64::MAX;
            for newer in sorted[after..].iter().filter(|newer| *newer != older) {
                let Seen { writer, over: next, began, .. } = versions.all[*newer];
                if began > over {
                    break;
                }
                over = over.min(next);
                room = room.saturating_sub(1);
                // A writer that began later comes after it anyway.
                let open = index.transactions[writer as usize].call <= done;
                if room == 0 || (open && !versions.add((*older, *newer), Kind::RealTime, graph, &mut room)) {
                    return;
                }
            }
        }
    }
}

/// Each version that a process saw of a register after the one that it saw before.
fn in_processes<'a>(
    index: &Index<'a>,
    graph: &mut Graph,
    versions: &Versions<'a>,
    touches: &[Touch<'a>],
    mut room: usize,
) {
    let mut order: Vec<&Touch<'_>> = touches.iter().collect();
    order.sort_by_key(|touch| (index.transactions[touch.at as usize].call, touch.at));
    let mut latest: HashMap<(&Process, &Bytes), usize, FixedState> = HashMap::default();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for touch in order {
        let transaction = &index.transactions[touch.at as usize];
        let here = (transaction.process, touch.key);
        for value in [touch.found.flatten(), touch.left] {
            let Some(number) = versions.number(touch.key, value) else { continue };
            // What a transaction found and then overwrote is older in any case.
            let known = value == touch.left && versions.number(touch.key, touch.found.flatten()).is_some();
            if let Some(before) = latest.get(&here).filter(|before| **before != number && !known) {
                pairs.push((*before, number));
            }
            // What has no answer may take effect after all that its process did since.
            if transaction.returned.is_some() {
                latest.insert(here, number);
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    for pair in pairs {
        if !versions.add(pair, Kind::Process, graph, &mut room) {
            return;
        }
    }
}
