//! The key-value map with compare-and-swap, append and transactions, in the manner of etcd: what clients ask and are
//! told. How the map answers is in `kv_step`.

use super::{Bytes, Flow, Model, Rewritten, Step, VisitFlow, kv_chain, kv_flow, kv_step::KvState};
use serde::{Deserialize, Serialize};

/// A map from keys to values. By default values alone are checked; with `revisions`, modification revisions too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kv {
    /// What a key holds that nobody wrote: `None` for absent. Some services read such keys as the empty string.
    pub initial: Option<Bytes>,
    /// Check modification revisions wherever operations and answers carry them: a key's revision grows with every
    /// write to it, a read reports the revision of the write it sees, and an expectation by revision holds just when
    /// that is the key's (0 for an absent key, as in etcd). Without this, revisions are ignored, and an expectation
    /// by revision may come out either way.
    pub revisions: bool,
}

impl Kv {
    /// Values and revisions.
    #[must_use]
    pub fn with_revisions() -> Self {
        Kv { initial: None, revisions: true }
    }
}

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KvOp {
    /// Read a key.
    Get {
        /// The key.
        key: Bytes,
    },
    /// Set a key.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Remove a key.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// Set a key if it is as expected.
    Cas {
        /// The key.
        key: Bytes,
        /// What it must be.
        expect: Expect,
        /// Its new value.
        value: Bytes,
    },
    /// Put bytes at the end of a key's value; an absent key counts as empty.
    Append {
        /// The key.
        key: Bytes,
        /// The bytes to add.
        value: Bytes,
    },
    /// If every comparison holds do `success`, else `failure`, all at one instant and in order. A compare-and-swap by
    /// revision within it must have its answer reported, for without one it is taken to swap wherever it can.
    Txn {
        /// What is compared.
        compare: Vec<Compare>,
        /// What is done if all comparisons hold.
        success: Vec<KvOp>,
        /// What is done otherwise.
        #[serde(default)]
        failure: Vec<KvOp>,
    },
}

/// What a compare-and-swap expects of its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// No such key.
    Absent,
    /// This value.
    Value(Bytes),
    /// This modification revision.
    Revision(u64),
    /// This value at this modification revision.
    Both {
        /// The value.
        value: Bytes,
        /// The modification revision.
        revision: u64,
    },
}

/// One comparison of a transaction: the key holds this value (`None`: is absent).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The key.
    pub key: Bytes,
    /// The value it must hold.
    pub value: Option<Bytes>,
}

/// What clients are told. A revision that the service does not report is `None`, and then not checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KvRet {
    /// To a get.
    Value {
        /// The value; `None` if the key is absent.
        value: Option<Bytes>,
        /// The modification revision of the write that is seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// To a put or an append.
    Done {
        /// The revision that the write was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// To a delete.
    Deleted {
        /// Whether there was such a key, if the service says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        existed: Option<bool>,
        /// The revision that the delete was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// To a compare-and-swap.
    Cas {
        /// Whether it swapped. `false` asserts that the key was not as expected.
        swapped: bool,
        /// The revision that the write was given, if it swapped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// To a transaction.
    Txn {
        /// Whether every comparison held.
        succeeded: bool,
        /// The answers of the operations done, in order; empty if the service does not report them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        results: Vec<KvRet>,
        /// The revision that its writes were given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
}

impl KvOp {
    /// Read `key`.
    pub fn get(key: impl Into<Bytes>) -> Self {
        KvOp::Get { key: key.into() }
    }

    /// Set `key` to `value`.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        KvOp::Put { key: key.into(), value: value.into() }
    }

    /// Remove `key`.
    pub fn delete(key: impl Into<Bytes>) -> Self {
        KvOp::Delete { key: key.into() }
    }

    /// Add `value` to the end of `key`.
    pub fn append(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        KvOp::Append { key: key.into(), value: value.into() }
    }

    /// Set `key` to `value` if it is as expected.
    pub fn cas(key: impl Into<Bytes>, expect: Expect, value: impl Into<Bytes>) -> Self {
        KvOp::Cas { key: key.into(), expect, value: value.into() }
    }
}

impl Expect {
    /// Expect this value.
    pub fn value(value: impl Into<Bytes>) -> Self {
        Expect::Value(value.into())
    }
}

impl KvRet {
    /// A get found `value`.
    pub fn value(value: impl Into<Bytes>) -> Self {
        KvRet::Value { value: Some(value.into()), revision: None }
    }

    /// A get found `value` at `revision`.
    pub fn value_at(value: impl Into<Bytes>, revision: u64) -> Self {
        KvRet::Value { value: Some(value.into()), revision: Some(revision) }
    }

    /// A get found nothing.
    #[must_use]
    pub fn absent() -> Self {
        KvRet::Value { value: None, revision: None }
    }

    /// A put or an append is done.
    #[must_use]
    pub fn done() -> Self {
        KvRet::Done { revision: None }
    }

    /// A put or an append is done, at `revision`.
    #[must_use]
    pub fn done_at(revision: u64) -> Self {
        KvRet::Done { revision: Some(revision) }
    }

    /// A delete is done.
    #[must_use]
    pub fn deleted() -> Self {
        KvRet::Deleted { existed: None, revision: None }
    }

    /// Whether a compare-and-swap swapped.
    #[must_use]
    pub fn swapped(swapped: bool) -> Self {
        KvRet::Cas { swapped, revision: None }
    }
}

impl Model for Kv {
    const NAME: &'static str = "kv";
    type Op = KvOp;
    type Ret = KvRet;
    type State = KvState;
    type Key = Bytes;
    type Value = Option<Bytes>;

    fn each_key(&self, op: &KvOp, visit: &mut dyn FnMut(&Bytes)) {
        match op {
            KvOp::Get { key }
            | KvOp::Put { key, .. }
            | KvOp::Delete { key }
            | KvOp::Cas { key, .. }
            | KvOp::Append { key, .. } => visit(key),
            // An empty transaction touches nothing, so any key will do to say where it belongs.
            KvOp::Txn { compare, success, failure } if compare.len() + success.len() + failure.len() == 0 => {
                visit(&Bytes::from(""));
            }
            KvOp::Txn { compare, success, failure } => {
                compare.iter().for_each(|compare| visit(&compare.key));
                success.iter().chain(failure).for_each(|op| self.each_key(op, visit));
            }
        }
    }

    fn initial(&self) -> KvState {
        KvState::default()
    }

    fn step(&self, state: &KvState, op: &KvOp, ret: Option<&KvRet>) -> Step<KvState> {
        state.step(self, op, ret)
    }

    fn observes_only(&self, op: &KvOp, ret: Option<&KvRet>) -> bool {
        match (op, ret) {
            (KvOp::Get { .. }, _)
            | (KvOp::Cas { .. }, Some(KvRet::Cas { swapped: false, .. }))
            | (KvOp::Delete { .. }, Some(KvRet::Deleted { existed: Some(false), .. })) => true,
            (KvOp::Txn { success, .. }, Some(KvRet::Txn { succeeded: true, .. })) => self.only_reads(success),
            (KvOp::Txn { failure, .. }, Some(KvRet::Txn { succeeded: false, .. })) => self.only_reads(failure),
            (KvOp::Txn { success, failure, .. }, _) => self.only_reads(success) && self.only_reads(failure),
            _ => false,
        }
    }

    fn may_be_rewritten(&self, op: &KvOp) -> bool {
        matches!(op, KvOp::Append { .. })
    }

    fn rewritten(&self, ops: &[crate::Operation<KvOp, KvRet>], ids: &[u32], until: u64) -> Rewritten<Kv> {
        kv_chain::rewritten(self, ops, ids, until)
    }

    fn flow(&self, op: &KvOp, ret: Option<&KvRet>) -> Flow<Option<Bytes>> {
        kv_flow::flow(self, op, ret)
    }

    fn each_flow(&self, op: &KvOp, ret: Option<&KvRet>, visit: VisitFlow<'_, Kv>) {
        match (op, ret) {
            (KvOp::Txn { compare, success, failure }, Some(KvRet::Txn { succeeded, results, revision }))
                if !self.revisions || revision.is_none() =>
            {
                let done = if *succeeded { success } else { failure };
                kv_flow::transaction(compare, *succeeded, done, results, visit);
            }
            (KvOp::Delete { key }, Some(KvRet::Deleted { existed: Some(true), revision }))
                if !self.revisions || revision.is_none() =>
            {
                visit(key, Flow::NotEqual(None));
                visit(key, Flow::Write(None));
            }
            _ => self.each_key(op, &mut |key| visit(key, self.flow(op, ret))),
        }
    }

    fn initial_value(&self) -> Option<Option<Bytes>> {
        Some(self.initial.clone())
    }

    fn may_contain(&self, whole: &Option<Bytes>, part: &Option<Bytes>) -> bool {
        match (whole, part) {
            (Some(whole), Some(part)) => whole.contains(part),
            // A delete leaves no mark in what is appended after it, so nothing can be told apart.
            (_, None) => true,
            (None, Some(_)) => false,
        }
    }

    fn describe(&self, op: &KvOp, ret: Option<&KvRet>) -> String {
        match ret {
            Some(ret) => format!("{op} -> {ret}"),
            None => op.to_string(),
        }
    }

    fn describe_state(&self, state: &KvState, op: &KvOp) -> String {
        let mut parts: Vec<String> = Vec::new();
        self.each_key(op, &mut |key| {
            let part = state.describe(self, key);
            if !parts.contains(&part) {
                parts.push(part);
            }
        });
        parts.join(", ")
    }

    fn describe_key(&self, key: &Bytes) -> String {
        format!("key {key}")
    }
}

impl Kv {
    fn only_reads(&self, ops: &[KvOp]) -> bool {
        ops.iter().all(|op| match op {
            KvOp::Get { .. } => true,
            KvOp::Txn { .. } => self.observes_only(op, None),
            KvOp::Put { .. } | KvOp::Delete { .. } | KvOp::Cas { .. } | KvOp::Append { .. } => false,
        })
    }
}
