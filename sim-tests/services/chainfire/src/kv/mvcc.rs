//! The key space: the latest version of each key, and one revision that counts the changes.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::api::{
    Compare, Comparison, DeleteRequest, DeleteResponse, KeyValue, Operation, OperationResult, PutRequest, PutResponse,
    RangeError, RangeRequest, RangeResponse, Select, Target, TxnRequest, TxnResponse, WriteRequest, WriteResponse,
};

/// What is kept per key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    value: Bytes,
    create_revision: u64,
    mod_revision: u64,
    version: u64,
}

/// The key space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeySpace {
    revision: u64,
    keys: BTreeMap<Bytes, Version>,
}

/// How many bytes of keys and values an answer has room for. The steps of a transaction share one.
#[derive(Debug)]
pub(super) struct Room(pub(super) usize);

impl Room {
    fn admit(&mut self, kv: &KeyValue) -> bool {
        let cost = kv.key.len() + kv.value.len();
        let fits = cost <= self.0;
        if fits {
            self.0 -= cost;
        }
        fits
    }
}

type Bounds = (Bound<Bytes>, Bound<Bytes>);

impl Select {
    fn bounds(&self) -> Bounds {
        match self {
            Select::Key(key) => (Bound::Included(key.clone()), Bound::Included(key.clone())),
            Select::Prefix(prefix) => (Bound::Included(prefix.clone()), prefix_end(prefix)),
            Select::Range { start, end } if start >= end => {
                // BTreeMap panics on a range that ends before it starts; this one is empty.
                (Bound::Included(start.clone()), Bound::Excluded(start.clone()))
            }
            Select::Range { start, end } => (Bound::Included(start.clone()), Bound::Excluded(end.clone())),
        }
    }
}

/// The first key beyond every key with this prefix.
fn prefix_end(prefix: &[u8]) -> Bound<Bytes> {
    let Some(last) = prefix.iter().rposition(|byte| *byte != u8::MAX) else { return Bound::Unbounded };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Bound::Excluded(end.into())
}

impl Version {
    fn with_key(&self, key: &Bytes) -> KeyValue {
        KeyValue {
            key: key.clone(),
            value: self.value.clone(),
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
        }
    }
}

impl KeySpace {
    /// The revision: how many changes there were.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Reads as many keys as there is room for.
    pub(super) fn range(&self, request: &RangeRequest, room: &mut Room) -> Result<RangeResponse, RangeError> {
        if request.revision > self.revision {
            return Err(RangeError::Future { asked: request.revision, latest: self.revision });
        }
        if request.revision != 0 && request.revision < self.revision {
            return Err(RangeError::Compacted { asked: request.revision, oldest: self.revision });
        }
        let limit = if request.limit == 0 { u64::MAX } else { request.limit };
        let mut response = RangeResponse { kvs: Vec::new(), count: 0, more: false };
        for (key, version) in self.keys.range::<Bytes, _>(request.select.bounds()) {
            response.more |= response.count >= limit;
            if !response.more {
                let kv = version.with_key(key);
                if room.admit(&kv) {
                    response.kvs.push(kv);
                } else {
                    response.more = true;
                }
            }
            response.count += 1;
        }
        Ok(response)
    }

    /// Applies a change.
    pub(super) fn write(&mut self, request: &WriteRequest, room: &mut Room) -> WriteResponse {
        let revision = self.revision + 1;
        let (response, changed) = match request {
            WriteRequest::Put(put) => (WriteResponse::Put(self.put(put, revision, room)), true),
            WriteRequest::Delete(delete) => {
                let response = self.delete(delete, room);
                let changed = response.deleted > 0;
                (WriteResponse::Delete(response), changed)
            }
            WriteRequest::Txn(txn) => {
                let (response, changed) = self.txn(txn, revision, room);
                (WriteResponse::Txn(response), changed)
            }
        };
        if changed {
            self.revision = revision;
        }
        response
    }

    /// Evaluates a transaction that only reads.
    pub(super) fn read_txn(&self, request: &TxnRequest, room: &mut Room) -> TxnResponse {
        let (succeeded, branch) = self.branch(request);
        let results = branch
            .iter()
            .filter_map(|operation| match operation {
                Operation::Range(range) => Some(OperationResult::Range(self.range(range, room))),
                Operation::Put(_) | Operation::Delete(_) => None,
            })
            .collect();
        TxnResponse { succeeded, results }
    }

    fn put(&mut self, request: &PutRequest, revision: u64, room: &mut Room) -> PutResponse {
        let before = self.keys.get(&request.key);
        let version = Version {
            value: request.value.clone(),
            create_revision: before.map_or(revision, |version| version.create_revision),
            mod_revision: revision,
            version: before.map_or(1, |version| version.version + 1),
        };
        let before = self.keys.insert(request.key.clone(), version);
        let before = before.filter(|_| request.prev_kv).map(|version| version.with_key(&request.key));
        let asked = before.is_some();
        let prev_kv = before.filter(|kv| room.admit(kv));
        PutResponse { more: asked && prev_kv.is_none(), prev_kv }
    }

    fn delete(&mut self, request: &DeleteRequest, room: &mut Room) -> DeleteResponse {
        let doomed: Vec<Bytes> =
            self.keys.range::<Bytes, _>(request.select.bounds()).map(|(key, _)| key.clone()).collect();
        let mut response = DeleteResponse { deleted: doomed.len() as u64, prev_kvs: Vec::new(), more: false };
        for key in &doomed {
            if let Some(version) = self.keys.remove(key)
                && request.prev_kv
            {
                let kv = version.with_key(key);
                if !response.more && room.admit(&kv) {
                    response.prev_kvs.push(kv);
                } else {
                    response.more = true;
                }
            }
        }
        response
    }

    fn txn(&mut self, request: &TxnRequest, revision: u64, room: &mut Room) -> (TxnResponse, bool) {
        let (succeeded, branch) = self.branch(request);
        let mut changed = false;
        let results = branch
            .iter()
            .map(|operation| match operation {
                Operation::Range(range) => OperationResult::Range(self.range(range, room)),
                Operation::Put(put) => {
                    changed = true;
                    OperationResult::Put(self.put(put, revision, room))
                }
                Operation::Delete(delete) => {
                    let response = self.delete(delete, room);
                    changed |= response.deleted > 0;
                    OperationResult::Delete(response)
                }
            })
            .collect();
        (TxnResponse { succeeded, results }, changed)
    }

    fn branch<'a>(&self, request: &'a TxnRequest) -> (bool, &'a [Operation]) {
        let succeeded = request.compares.iter().all(|compare| self.holds(compare));
        (succeeded, if succeeded { &request.success } else { &request.failure })
    }

    fn holds(&self, compare: &Compare) -> bool {
        let there = self.keys.get(&compare.key);
        let number = |of: fn(&Version) -> u64| there.map_or(0, of);
        let ordering = match &compare.target {
            Target::Value(value) => match there {
                Some(version) => version.value.cmp(value),
                None => return false,
            },
            Target::Version(target) => number(|it| it.version).cmp(target),
            Target::CreateRevision(target) => number(|it| it.create_revision).cmp(target),
            Target::ModRevision(target) => number(|it| it.mod_revision).cmp(target),
        };
        match compare.comparison {
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::Less => ordering.is_lt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plenty() -> Room {
        Room(1 << 20)
    }

    fn put(space: &mut KeySpace, key: &'static str, value: &'static str) {
        space.write(
            &WriteRequest::Put(PutRequest { key: key.into(), value: value.into(), prev_kv: false }),
            &mut plenty(),
        );
    }

    fn delete(space: &mut KeySpace, select: Select) -> DeleteResponse {
        match space.write(&WriteRequest::Delete(DeleteRequest { select, prev_kv: true }), &mut plenty()) {
            WriteResponse::Delete(response) => response,
            other => panic!("a delete answered {other:?}"),
        }
    }

    fn keys(space: &KeySpace, select: Select) -> Vec<Bytes> {
        let found = space.range(&RangeRequest::new(select), &mut plenty()).expect("the latest revision");
        found.kvs.into_iter().map(|kv| kv.key).collect()
    }

    #[test]
    fn revisions_and_versions_count_as_etcd_counts_them() {
        let mut space = KeySpace::default();
        put(&mut space, "a", "1");
        put(&mut space, "b", "1");
        put(&mut space, "a", "2");
        let found = space.range(&RangeRequest::new(Select::Key("a".into())), &mut plenty()).expect("latest");
        let kv = &found.kvs[0];
        assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (1, 3, 2));
        assert_eq!(delete(&mut space, Select::Key("a".into())).prev_kvs[0].value, "2");
        assert_eq!(space.revision(), 4);
        assert_eq!(delete(&mut space, Select::Key("a".into())).deleted, 0);
        assert_eq!(space.revision(), 4, "a delete that deletes nothing is no change");
        put(&mut space, "a", "3");
        let found = space.range(&RangeRequest::new(Select::Key("a".into())), &mut plenty()).expect("latest");
        assert_eq!((found.kvs[0].create_revision, found.kvs[0].version), (5, 1));
    }

    #[test]
    fn prefixes_and_ranges_select_what_they_say() {
        let mut space = KeySpace::default();
        for key in ["a", "a/1", "a/2", "b", "c"] {
            put(&mut space, key, "");
        }
        assert_eq!(keys(&space, Select::Prefix("a/".into())), ["a/1", "a/2"]);
        assert_eq!(keys(&space, Select::Prefix("".into())).len(), 5);
        assert_eq!(keys(&space, Select::Range { start: "a/2".into(), end: "c".into() }), ["a/2", "b"]);
        assert!(keys(&space, Select::Range { start: "c".into(), end: "a".into() }).is_empty());
        assert_eq!(prefix_end(&[1, u8::MAX]), Bound::Excluded(Bytes::from_static(&[2])));
        assert_eq!(prefix_end(&[u8::MAX]), Bound::Unbounded);
    }

    #[test]
    fn limits_cut_an_answer_and_say_so() {
        let mut space = KeySpace::default();
        for key in ["a", "b", "c"] {
            put(&mut space, key, "0123456789");
        }
        let all = RangeRequest::new(Select::Prefix("".into()));
        let two = space.range(&RangeRequest { limit: 2, ..all.clone() }, &mut plenty()).expect("latest");
        assert_eq!((two.kvs.len(), two.count, two.more), (2, 3, true));
        let small = space.range(&all, &mut Room(15)).expect("latest");
        assert_eq!((small.kvs.len(), small.count, small.more), (1, 3, true));
        let whole = space.range(&all, &mut plenty()).expect("latest");
        assert_eq!((whole.kvs.len(), whole.count, whole.more), (3, 3, false));
    }

    #[test]
    fn only_the_latest_revision_can_be_read() {
        let mut space = KeySpace::default();
        put(&mut space, "a", "1");
        put(&mut space, "a", "2");
        let at = |revision| RangeRequest { revision, ..RangeRequest::new(Select::Key("a".into())) };
        assert_eq!(space.range(&at(1), &mut plenty()), Err(RangeError::Compacted { asked: 1, oldest: 2 }));
        assert_eq!(space.range(&at(3), &mut plenty()), Err(RangeError::Future { asked: 3, latest: 2 }));
        assert!(space.range(&at(2), &mut plenty()).is_ok());
    }

    #[test]
    fn a_transaction_takes_one_branch_at_one_revision() {
        let mut space = KeySpace::default();
        put(&mut space, "a", "1");
        let operation =
            |key: &'static str| Operation::Put(PutRequest { key: key.into(), value: "x".into(), prev_kv: true });
        let txn = |target, comparison| {
            WriteRequest::Txn(TxnRequest {
                compares: vec![Compare { key: "a".into(), comparison, target }],
                success: vec![operation("a"), operation("b")],
                failure: vec![Operation::Range(RangeRequest::new(Select::Key("a".into())))],
            })
        };
        let answer = space.write(&txn(Target::Version(2), Comparison::Equal), &mut plenty());
        assert!(matches!(answer, WriteResponse::Txn(TxnResponse { succeeded: false, .. })));
        assert_eq!(space.revision(), 1, "the branch taken only reads");
        let answer = space.write(&txn(Target::Value("1".into()), Comparison::Equal), &mut plenty());
        assert!(
            matches!(answer, WriteResponse::Txn(TxnResponse { succeeded: true, ref results }) if results.len() == 2)
        );
        let found = space.range(&RangeRequest::new(Select::Prefix("".into())), &mut plenty()).expect("latest");
        assert!(found.kvs.iter().all(|kv| kv.mod_revision == 2));
    }

    #[test]
    fn comparisons_hold_as_etcd_defines_them() {
        let mut space = KeySpace::default();
        put(&mut space, "a", "m");
        let holds =
            |key: &'static str, comparison, target| space.holds(&Compare { key: key.into(), comparison, target });
        assert!(holds("a", Comparison::Greater, Target::Value("a".into())));
        assert!(holds("a", Comparison::Less, Target::ModRevision(2)));
        assert!(holds("none", Comparison::Equal, Target::CreateRevision(0)));
        assert!(holds("none", Comparison::Equal, Target::Version(0)));
        assert!(!holds("none", Comparison::NotEqual, Target::Value("x".into())));
        assert!(!holds("none", Comparison::Equal, Target::Value("".into())));
    }
}
