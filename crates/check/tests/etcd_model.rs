//! The gate of the etcd model: a store as plain as can be is run, its answers are then perhaps changed, and every engine judges
//! as an exhaustive search over the plain store does.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;
#[path = "oracle/objects.rs"]
mod plain;

use plain::{Plain, gate, text};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use stormglass_check::model::{
    Bytes, Etcd, EtcdCompare, EtcdEntry, EtcdExpect, EtcdFound, EtcdOp, EtcdRange, EtcdRet, EtcdStep,
};

/// A key that is there.
#[derive(Clone)]
struct Held {
    key: Bytes,
    value: Bytes,
    set_at: u64,
    times_set: u64,
    lease: i64,
}

/// A store as a list.
#[derive(Clone)]
struct Store {
    revision: u64,
    held: Vec<Held>,
    leases: Vec<i64>,
}

impl Store {
    fn find(&self, key: &Bytes) -> Option<&Held> {
        self.held.iter().find(|held| held.key == *key)
    }

    fn read(&self, range: &EtcdRange) -> EtcdFound {
        let asked = |held: &&Held| match &range.end {
            None => held.key == range.start,
            Some(end) => held.key >= range.start && held.key < *end,
        };
        let mut found: Vec<&Held> = self.held.iter().filter(asked).collect();
        found.sort_by(|one, other| one.key.cmp(&other.key));
        let count = found.len() as u64;
        if range.limit > 0 && range.end.is_some() {
            found.truncate(range.limit);
        }
        // Every third revision is told without versions.
        let version = |held: &Held| (!self.revision.is_multiple_of(3)).then_some(held.times_set);
        let entry = |held: &Held| EtcdEntry {
            key: held.key.clone(),
            value: held.value.clone(),
            revision: held.set_at,
            version: version(held),
        };
        EtcdFound { entries: found.into_iter().map(entry).collect(), count, deleted: 0 }
    }

    fn make(&mut self, step: &EtcdStep, at: u64, changed: &mut bool) -> EtcdFound {
        match step {
            EtcdStep::Range(range) => self.read(range),
            EtcdStep::Put { key, value, lease } => {
                if *lease == 0 || self.leases.contains(lease) {
                    let times_set = self.find(key).map_or(1, |held| held.times_set + 1);
                    self.held.retain(|held| held.key != *key);
                    self.held.push(Held {
                        key: key.clone(),
                        value: value.clone(),
                        set_at: at,
                        times_set,
                        lease: *lease,
                    });
                    *changed = true;
                }
                EtcdFound::default()
            }
            EtcdStep::Delete(key) => {
                let before = self.held.len();
                self.held.retain(|held| held.key != *key);
                let deleted = (before - self.held.len()) as u64;
                *changed |= deleted > 0;
                EtcdFound { deleted, ..EtcdFound::default() }
            }
        }
    }
}

/// What the store answers; a put of many is told without a revision.
fn run(store: &mut Store, op: &EtcdOp) -> EtcdRet {
    match op {
        EtcdOp::Range { range, .. } => EtcdRet::Found { found: store.read(range), revision: Some(store.revision) },
        EtcdOp::Compact(_) => EtcdRet::Done { revision: None },
        EtcdOp::LeaseGrant(lease) => {
            if !store.leases.contains(lease) {
                store.leases.push(*lease);
            }
            EtcdRet::Done { revision: Some(store.revision) }
        }
        EtcdOp::LeaseRevoke(lease) => {
            store.leases.retain(|known| known != lease);
            let before = store.held.len();
            store.held.retain(|held| held.lease != *lease);
            if store.held.len() < before {
                store.revision += 1;
            }
            EtcdRet::Done { revision: Some(store.revision) }
        }
        EtcdOp::Txn { compare, success, failure } => {
            let holds = |one: &EtcdCompare| {
                let held = store.find(&one.key);
                match one.expect {
                    EtcdExpect::Revision(revision) => held.map_or(0, |held| held.set_at) == revision,
                    EtcdExpect::Version(version) => held.map_or(0, |held| held.times_set) == version,
                }
            };
            let failed = compare.iter().any(|one| !holds(one));
            let steps = if failed { failure } else { success };
            let (at, mut changed) = (store.revision + 1, false);
            let results = steps.iter().map(|step| store.make(step, at, &mut changed)).collect();
            store.revision += u64::from(changed);
            EtcdRet::Txn { failed, results, revision: (steps.len() < 2).then_some(store.revision) }
        }
    }
}

fn same_found(told: &EtcdFound, truth: &EtcdFound) -> bool {
    let alike = told.entries.iter().zip(&truth.entries).all(|(told, truth)| {
        let known = EtcdEntry { version: truth.version, ..told.clone() };
        known == *truth && (told.version.is_none() || truth.version.is_none() || told.version == truth.version)
    });
    alike && told.entries.len() == truth.entries.len() && (told.count, told.deleted) == (truth.count, truth.deleted)
}

fn admits(store: &mut Store, op: &EtcdOp, told: Option<&EtcdRet>) -> bool {
    let Some(told) = told else {
        run(store, op);
        return true;
    };
    let now = |told: &Option<u64>, truth: u64| told.is_none() || *told == Some(truth);
    if let EtcdOp::Range { at, .. } = op
        && *at != 0
        && *at != store.revision
    {
        // Of what was, only that it was.
        let (EtcdRet::Found { revision, .. } | EtcdRet::Txn { revision, .. } | EtcdRet::Done { revision }) = told;
        return *at < store.revision && now(revision, store.revision);
    }
    // The plain store tells versions by its revision; what is looked at is what was told, so that it is asked with all.
    let mut all = store.clone();
    let truth = run(store, op);
    let whole = |range: &EtcdRange, all: &Store| EtcdFound {
        entries: all
            .read(range)
            .entries
            .into_iter()
            .map(|entry| {
                let version = all.find(&entry.key).map(|held| held.times_set);
                EtcdEntry { version, ..entry }
            })
            .collect(),
        ..all.read(range)
    };
    match (truth, told) {
        (_, EtcdRet::Done { revision }) => now(revision, store.revision),
        (EtcdRet::Found { .. }, EtcdRet::Found { found, revision }) => {
            let EtcdOp::Range { range, .. } = op else { return false };
            now(revision, store.revision) && same_found(found, &whole(range, &all))
        }
        (EtcdRet::Txn { failed, .. }, EtcdRet::Txn { failed: told_failed, results, revision }) => {
            let EtcdOp::Txn { success, failure, .. } = op else { return false };
            let steps = if failed { failure } else { success };
            let (at, mut changed) = (all.revision + 1, false);
            failed == *told_failed
                && now(revision, store.revision)
                && results.len() == steps.len()
                && steps.iter().zip(results).all(|(step, told)| {
                    let truth = match step {
                        EtcdStep::Range(range) => whole(range, &all),
                        step => all.make(step, at, &mut changed),
                    };
                    same_found(told, &truth)
                })
        }
        _ => false,
    }
}

fn key(rng: &mut ChaCha8Rng) -> Bytes {
    Bytes::from(["a", "b", "c"][rng.random_range(0..3usize)])
}

fn range(rng: &mut ChaCha8Rng) -> EtcdRange {
    let end = rng.random_ratio(1, 2).then(|| Bytes::from(["b", "c", "d"][rng.random_range(0..3usize)]));
    EtcdRange { start: key(rng), end, limit: rng.random_range(0..2) }
}

fn step(rng: &mut ChaCha8Rng, number: u32) -> EtcdStep {
    match rng.random_range(0..6u32) {
        0 => EtcdStep::Range(range(rng)),
        1 => EtcdStep::Delete(key(rng)),
        _ => EtcdStep::Put { key: key(rng), value: text(number % 3), lease: [0, 0, 0, 7][rng.random_range(0..4usize)] },
    }
}

fn draw(rng: &mut ChaCha8Rng, number: u32) -> EtcdOp {
    match rng.random_range(0..12u32) {
        0..=3 => EtcdOp::Range { range: range(rng), at: [0, 0, 0, 0, 0, 1, 2, 3][rng.random_range(0..8usize)] },
        4 => EtcdOp::LeaseGrant(7),
        5 => EtcdOp::LeaseRevoke(7),
        6 if rng.random_ratio(1, 4) => EtcdOp::Compact(1),
        _ => {
            let expect = |rng: &mut ChaCha8Rng| match rng.random_range(0..2u32) {
                0 => EtcdExpect::Revision([0, 2, 3, 4][rng.random_range(0..4usize)]),
                _ => EtcdExpect::Version(rng.random_range(0..3)),
            };
            let compare =
                (0..rng.random_range(0..3u32)).map(|_| EtcdCompare { key: key(rng), expect: expect(rng) }).collect();
            let success = (0..rng.random_range(1..3u32)).map(|_| step(rng, number)).collect();
            let failure = (0..rng.random_range(0..3u32)).map(|_| step(rng, number)).collect();
            EtcdOp::Txn { compare, success, failure }
        }
    }
}

fn lie_of(rng: &mut ChaCha8Rng, found: &mut EtcdFound) {
    match (rng.random_range(0..5u32), found.entries.first_mut()) {
        (0, Some(first)) => first.value = text(rng.random_range(0..3)),
        (1, Some(first)) => first.revision = rng.random_range(2..5),
        (2, Some(first)) => first.version = Some(rng.random_range(1..3)),
        (3, Some(_)) => drop(found.entries.pop()),
        (0, None) => found.deleted = 1 - found.deleted.min(1),
        _ => found.count = rng.random_range(0..3),
    }
}

fn lie(rng: &mut ChaCha8Rng, _: &EtcdOp, ret: &EtcdRet) -> EtcdRet {
    let mut ret = ret.clone();
    let other = |rng: &mut ChaCha8Rng| rng.random_ratio(3, 4).then(|| rng.random_range(1..6u64));
    match &mut ret {
        EtcdRet::Found { revision, .. } | EtcdRet::Txn { revision, .. } if rng.random_ratio(1, 3) => {
            *revision = other(rng);
        }
        EtcdRet::Found { found, .. } => lie_of(rng, found),
        EtcdRet::Txn { failed, results, .. } => match rng.random_range(0..6u32) {
            0 => *failed = !*failed,
            1 => results.push(EtcdFound::default()),
            _ => results.iter_mut().for_each(|found| lie_of(rng, found)),
        },
        EtcdRet::Done { revision } => *revision = other(rng),
    }
    ret
}

#[test]
fn etcd_is_judged_as_by_brute_force() {
    let start = Store { revision: 1, held: Vec::new(), leases: Vec::new() };
    gate("etcd", &Etcd, &Plain { start, draw, run, admits, lie }, false);
}
