//! Stores of lists and registers that keep a level of isolation, and no more.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use stormglass_check::model::Bytes;
use stormglass_check::{Access, Operation, Outcome, Transactions};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    StrictSerializable,
    Serializable,
    Snapshots,
    ReadCommitted,
}

/// What a key held, by the instants at which that changed.
#[derive(Default)]
struct Versions {
    lists: BTreeMap<Bytes, Vec<(u64, Bytes)>>,
    registers: BTreeMap<Bytes, Vec<(u64, Bytes)>>,
}

impl Versions {
    fn list(&self, key: &Bytes, at: u64) -> Vec<Bytes> {
        let all = self.lists.get(key).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|(since, _)| *since <= at).map(|(_, value)| value.clone()).collect()
    }

    fn register(&self, key: &Bytes, at: u64) -> Option<Bytes> {
        let all = self.registers.get(key)?;
        all.iter().rev().find(|(since, _)| *since <= at).map(|(_, value)| value.clone())
    }

    fn changed_within(&self, key: &Bytes, from: u64, to: u64) -> bool {
        let within = |list: Option<&Vec<(u64, Bytes)>>| {
            list.is_some_and(|list| list.iter().any(|(since, _)| *since > from && *since <= to))
        };
        within(self.lists.get(key)) || within(self.registers.get(key))
    }

    fn commit(&mut self, writes: &[Access], at: u64) {
        for write in writes {
            match write {
                Access::Append { key, value } => self.lists.entry(key.clone()).or_default().push((at, value.clone())),
                Access::Write { key, value } => {
                    self.registers.entry(key.clone()).or_default().push((at, value.clone()))
                }
                Access::List { .. } | Access::Read { .. } => {}
            }
        }
    }
}

struct Planned {
    process: u32,
    call: u64,
    returned: u64,
    /// When it reads and when it commits; each instant is one transaction's alone.
    begin: u64,
    commit: u64,
    asked: Vec<Access>,
}

fn draw(rng: &mut ChaCha8Rng, unique: &mut u32) -> Vec<Access> {
    (0..rng.random_range(1..4u32))
        .map(|_| {
            *unique += 1;
            let value = Bytes::from(unique.to_string());
            let number = rng.random_range(0..3u32);
            let (list, register) = (Bytes::from(format!("l{number}")), Bytes::from(format!("r{number}")));
            match rng.random_range(0..6u32) {
                0 | 1 => Access::Append { key: list, value },
                2 | 3 => Access::List { key: list, values: None },
                4 => Access::Write { key: register, value },
                _ => Access::Read { key: register, value: None },
            }
        })
        .collect()
}

/// A history of `count` transactions against a store that keeps `keeps`.
pub fn run(rng: &mut ChaCha8Rng, keeps: Keeps, count: usize) -> Transactions {
    let clients = rng.random_range(2..5u32);
    let mut free_at = vec![0u64; clients as usize];
    let mut unique = 0;
    let mut planned: Vec<Planned> = Vec::new();
    for number in 0..count as u64 {
        let process = rng.random_range(0..clients);
        // Instants end in the transaction's number, so that no two commit at once.
        let call = free_at[process as usize] + rng.random_range(0..4u64) * 1_000;
        let begin = call + 1_000 * rng.random_range(0..4u64) + 2 * number;
        let mut commit = begin + 1_000 * rng.random_range(0..5u64) + 1;
        if keeps == Keeps::StrictSerializable {
            commit = begin;
        }
        let returned = commit + rng.random_range(1..4u64) * 1_000;
        free_at[process as usize] = returned + 10;
        let (begin, commit) = match keeps {
            // Serial, but in an order of its own: some act as if they had come much earlier or later.
            Keeps::Serializable => {
                let serial = (begin + 3_000 * rng.random_range(0..4u64)).saturating_sub(3_000);
                let serial = serial - serial % 1_000 + 2 * number;
                (serial, serial)
            }
            _ => (begin, commit),
        };
        planned.push(Planned { process, call, returned, begin, commit, asked: draw(rng, &mut unique) });
    }
    planned.sort_by_key(|planned| planned.commit);
    let mut versions = Versions::default();
    let mut operations = Vec::new();
    for Planned { process, call, returned, begin, commit, asked } in planned {
        // Where reads are of what is committed, what one has appended oneself has no place in the list yet.
        let asked: Vec<Access> = (0..asked.len())
            .filter(|at| keeps != Keeps::ReadCommitted || !reads_own(&asked, *at))
            .map(|at| asked[at].clone())
            .collect();
        let told = answers(rng, keeps, &versions, &asked, begin, commit);
        let conflict = keeps == Keeps::Snapshots
            && asked.iter().any(|access| match access {
                Access::Append { key, .. } | Access::Write { key, .. } => versions.changed_within(key, begin, commit),
                _ => false,
            });
        let aborts = conflict || rng.random_ratio(1, 20);
        let unknown = rng.random_ratio(1, 15);
        if !aborts {
            versions.commit(&asked, commit);
        }
        let outcome = match (aborts, unknown) {
            (_, true) => Outcome::Indeterminate,
            (true, false) => Outcome::Fail,
            (false, false) => Outcome::Ok(told),
        };
        operations.push(Operation { process: process.into(), call, returned: Some(returned), op: asked, outcome });
    }
    operations.sort_by_key(|operation| operation.call);
    let mut history = Transactions::new();
    for operation in operations {
        history.push(operation).expect("a history that was run is well-formed");
    }
    history
}

fn reads_own(asked: &[Access], at: usize) -> bool {
    let Access::List { key, .. } = &asked[at] else { return false };
    asked[..at].iter().any(|access| matches!(access, Access::Append { key: other, .. } if other == key))
}

fn answers(
    rng: &mut ChaCha8Rng,
    keeps: Keeps,
    versions: &Versions,
    asked: &[Access],
    begin: u64,
    commit: u64,
) -> Vec<Access> {
    let mut told: Vec<Access> = Vec::new();
    let mut at = begin;
    for access in asked {
        if keeps == Keeps::ReadCommitted {
            at = rng.random_range(at..=commit);
        }
        // A serial transaction sees what is before it, and what it did itself.
        let before = if keeps == Keeps::ReadCommitted || keeps == Keeps::Snapshots { at } else { commit };
        told.push(match access {
            Access::List { key, .. } => {
                let mut values = versions.list(key, before);
                values.extend(told.iter().filter_map(|done| match done {
                    Access::Append { key: other, value } if other == key => Some(value.clone()),
                    _ => None,
                }));
                Access::List { key: key.clone(), values: Some(values) }
            }
            Access::Read { key, .. } => {
                let own = told.iter().rev().find_map(|done| match done {
                    Access::Write { key: other, value } if other == key => Some(value.clone()),
                    _ => None,
                });
                Access::Read { key: key.clone(), value: Some(own.or_else(|| versions.register(key, before))) }
            }
            write => write.clone(),
        });
    }
    told
}
