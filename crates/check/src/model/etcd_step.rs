//! How an etcd store answers, and what it becomes.

use super::etcd::{EtcdCompare, EtcdEntry, EtcdExpect, EtcdFound, EtcdOp, EtcdRange, EtcdRet, EtcdStep};
use super::{Bytes, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// What an etcd store holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EtcdState {
    revision: u64,
    /// Shared by all states between two changes.
    keys: Arc<BTreeMap<Bytes, Held>>,
    leases: BTreeSet<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    value: Bytes,
    revision: u64,
    version: u64,
    lease: i64,
}

impl Default for EtcdState {
    /// An empty store is of revision 1.
    fn default() -> Self {
        EtcdState { revision: 1, keys: Arc::default(), leases: BTreeSet::new() }
    }
}

/// A change of a key: its value from then on, or that it was removed.
pub(crate) type Change = (Bytes, Option<Bytes>);

impl EtcdState {
    /// The store's revision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What a range finds.
    #[must_use]
    pub fn range(&self, range: &EtcdRange) -> EtcdFound {
        let entry = |(key, held): (&Bytes, &Held)| EtcdEntry {
            key: key.clone(),
            value: held.value.clone(),
            revision: held.revision,
            version: Some(held.version),
        };
        let Some(end) = &range.end else {
            let entries: Vec<EtcdEntry> = self.keys.get_key_value(&range.start).map(entry).into_iter().collect();
            return EtcdFound { count: entries.len() as u64, entries, deleted: 0 };
        };
        if *end <= range.start {
            return EtcdFound::default();
        }
        let found = || self.keys.range::<Bytes, _>((Bound::Included(&range.start), Bound::Excluded(end)));
        let limit = if range.limit == 0 { usize::MAX } else { range.limit };
        EtcdFound { entries: found().take(limit).map(entry).collect(), count: found().count() as u64, deleted: 0 }
    }

    /// The store after `op`, what it answers, and the changes that this made, in order.
    pub(crate) fn apply(&self, op: &EtcdOp) -> (EtcdState, EtcdRet, Vec<Change>) {
        let mut next = self.clone();
        let mut changes = Vec::new();
        let ret = match op {
            EtcdOp::Range { range, .. } => EtcdRet::Found { found: self.range(range), revision: Some(self.revision) },
            EtcdOp::Compact(_) => EtcdRet::Done { revision: None },
            EtcdOp::LeaseGrant(lease) => {
                next.leases.insert(*lease);
                EtcdRet::Done { revision: Some(self.revision) }
            }
            EtcdOp::LeaseRevoke(lease) => {
                next.leases.remove(lease);
                let gone = self.keys.iter().filter(|(_, held)| *lease != 0 && held.lease == *lease);
                changes.extend(gone.map(|(key, _)| (key.clone(), None)));
                for (key, _) in &changes {
                    Arc::make_mut(&mut next.keys).remove(key);
                }
                next.revision += u64::from(!changes.is_empty());
                EtcdRet::Done { revision: Some(next.revision) }
            }
            EtcdOp::Txn { compare, success, failure } => {
                let failed = !compare.iter().all(|one| self.holds(one));
                let steps = if failed { failure } else { success };
                let results = steps.iter().map(|step| next.step(step, self.revision + 1, &mut changes)).collect();
                next.revision += u64::from(!changes.is_empty());
                EtcdRet::Txn { failed, results, revision: Some(next.revision) }
            }
        };
        (next, ret, changes)
    }

    fn holds(&self, EtcdCompare { key, expect }: &EtcdCompare) -> bool {
        let held = self.keys.get(key);
        match expect {
            EtcdExpect::Revision(revision) => held.map_or(0, |held| held.revision) == *revision,
            EtcdExpect::Version(version) => held.map_or(0, |held| held.version) == *version,
        }
    }

    /// A step of a transaction whose changes are of `revision`.
    fn step(&mut self, step: &EtcdStep, revision: u64, changes: &mut Vec<Change>) -> EtcdFound {
        match step {
            EtcdStep::Range(range) => return self.range(range),
            EtcdStep::Put { lease, .. } if *lease != 0 && !self.leases.contains(lease) => {}
            EtcdStep::Put { key, value, lease } => {
                let version = self.keys.get(key).map_or(0, |held| held.version) + 1;
                let held = Held { value: value.clone(), revision, version, lease: *lease };
                Arc::make_mut(&mut self.keys).insert(key.clone(), held);
                changes.push((key.clone(), Some(value.clone())));
            }
            EtcdStep::Delete(key) => {
                if self.keys.contains_key(key) {
                    Arc::make_mut(&mut self.keys).remove(key);
                    changes.push((key.clone(), None));
                    return EtcdFound { deleted: 1, ..EtcdFound::default() };
                }
            }
        }
        EtcdFound::default()
    }

    /// In words, as far as `op` looks at it.
    pub(super) fn describe(&self, op: &EtcdOp) -> String {
        let mut ranges: Vec<EtcdRange> = Vec::new();
        let alone = |key: &Bytes| EtcdRange { start: key.clone(), end: None, limit: 0 };
        match op {
            EtcdOp::Range { range, .. } => ranges.push(range.clone()),
            EtcdOp::Txn { compare, success, failure } => {
                ranges.extend(compare.iter().map(|one| alone(&one.key)));
                ranges.extend(success.iter().chain(failure).map(|step| match step {
                    EtcdStep::Range(range) => range.clone(),
                    EtcdStep::Put { key, .. } | EtcdStep::Delete(key) => alone(key),
                }));
            }
            EtcdOp::LeaseGrant(_) | EtcdOp::LeaseRevoke(_) | EtcdOp::Compact(_) => {}
        }
        let mut parts = vec![format!("the store is of revision {}", self.revision)];
        for range in ranges {
            let part = format!("{range} finds {}", self.range(&range));
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts.join(", ")
    }
}

/// Whether what was told is what `found` says; versions that were not told are not looked at.
pub(crate) fn agrees(told: &EtcdFound, found: &EtcdFound) -> bool {
    let same = |(told, found): (&EtcdEntry, &EtcdEntry)| {
        let version = told.version.is_none() || told.version == found.version;
        version && (&told.key, &told.value, told.revision) == (&found.key, &found.value, found.revision)
    };
    (told.count, told.deleted, told.entries.len()) == (found.count, found.deleted, found.entries.len())
        && told.entries.iter().zip(&found.entries).all(same)
}

/// See [`Model::step`](super::Model::step).
pub(super) fn step(state: &EtcdState, op: &EtcdOp, told: Option<&EtcdRet>) -> Step<EtcdState> {
    let of_now = |revision: Option<u64>, now: u64| revision.is_none_or(|revision| revision == now);
    // The revision alone refuses most, and costs least.
    if let Some(EtcdRet::Found { revision, .. } | EtcdRet::Txn { revision, .. } | EtcdRet::Done { revision }) = told
        && revision.is_some_and(|revision| revision != state.revision && revision != state.revision + 1)
    {
        return Step::Refused;
    }
    if let EtcdOp::Range { at, .. } = op
        && *at != 0
        && *at != state.revision
    {
        // What was is judged by the log of all changes: here only that it was of the past.
        return match told {
            Some(EtcdRet::Found { revision, .. } | EtcdRet::Done { revision }) => {
                Step::same_if(*at < state.revision && of_now(*revision, state.revision))
            }
            _ => Step::Same,
        };
    }
    let (next, ret, _) = state.apply(op);
    let right = match (&ret, told) {
        (_, None) => true,
        (_, Some(EtcdRet::Done { revision })) => of_now(*revision, next.revision),
        (EtcdRet::Found { found, .. }, Some(EtcdRet::Found { found: told, revision })) => {
            of_now(*revision, next.revision) && agrees(told, found)
        }
        (
            EtcdRet::Txn { failed, results, .. },
            Some(EtcdRet::Txn { failed: told_failed, results: told_results, revision }),
        ) => {
            failed == told_failed
                && of_now(*revision, next.revision)
                && results.len() == told_results.len()
                && told_results.iter().zip(results).all(|(told, found)| agrees(told, found))
        }
        _ => false,
    };
    match right {
        false => Step::Refused,
        true if next == *state => Step::Same,
        true => Step::Next(next),
    }
}
