//! etcd: a map whose every change has a revision of the whole store, with ranges, transactions, leases and versions of keys.
//! The types; how the store answers is in `etcd_step`.

use super::etcd_step::{EtcdState, step};
use super::{Bytes, Model, Step};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An etcd store, empty at revision 1, as etcd's robustness tests model it. Every answer that carries the store's revision
/// says when it was given, so that histories are decided with little search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Etcd;

/// Keys from `start` to below `end`; without an end the key `start` alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdRange {
    /// The first key.
    pub start: Bytes,
    /// The first key no more asked for.
    #[serde(default)]
    pub end: Option<Bytes>,
    /// How many keys are answered at most; 0 for all.
    #[serde(default)]
    pub limit: usize,
}

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EtcdOp {
    /// Read keys as they are, or as they were at a revision.
    Range {
        /// The keys.
        range: EtcdRange,
        /// The revision; 0 for now.
        #[serde(default)]
        at: u64,
    },
    /// If every comparison holds do `success`, else `failure`, at one revision.
    Txn {
        /// What is compared.
        #[serde(default)]
        compare: Vec<EtcdCompare>,
        /// What is done if all comparisons hold.
        success: Vec<EtcdStep>,
        /// What is done otherwise.
        #[serde(default)]
        failure: Vec<EtcdStep>,
    },
    /// Begin a lease.
    LeaseGrant(i64),
    /// End a lease, and remove the keys that hang on it.
    LeaseRevoke(i64),
    /// Forget what was before a revision.
    Compact(u64),
}

/// A comparison of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdCompare {
    /// The key.
    pub key: Bytes,
    /// What is compared, with what.
    pub expect: EtcdExpect,
}

/// What a comparison expects of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EtcdExpect {
    /// This modification revision; 0 of a key that is not there.
    Revision(u64),
    /// This version.
    Version(u64),
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EtcdStep {
    /// Read keys.
    Range(EtcdRange),
    /// Set a key. It hangs on a lease if that is not 0, and is not set if there is no such lease.
    Put {
        /// The key.
        key: Bytes,
        /// Its value.
        value: Bytes,
        /// The lease.
        #[serde(default)]
        lease: i64,
    },
    /// Remove a key.
    Delete(Bytes),
}

/// A key as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdEntry {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The revision at which it was set.
    pub revision: u64,
    /// How often it was set since it was created; `None` if the report does not say.
    #[serde(default)]
    pub version: Option<u64>,
}

/// What a step of a transaction, or a range, answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EtcdFound {
    /// The keys, in order.
    pub entries: Vec<EtcdEntry>,
    /// How many there are, the limit not looked at.
    pub count: u64,
    /// How many were removed.
    pub deleted: u64,
}

/// What clients are told. A revision is the store's when the answer was given; `None` is not checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EtcdRet {
    /// To a range.
    Found {
        /// What was found.
        found: EtcdFound,
        /// The store's revision.
        #[serde(default)]
        revision: Option<u64>,
    },
    /// To a transaction.
    Txn {
        /// Whether a comparison did not hold.
        failed: bool,
        /// The answer of every step.
        results: Vec<EtcdFound>,
        /// The store's revision.
        #[serde(default)]
        revision: Option<u64>,
    },
    /// Done, and nothing more is known than, at most, the revision.
    Done {
        /// The store's revision.
        #[serde(default)]
        revision: Option<u64>,
    },
}

impl EtcdOp {
    pub(crate) fn is_txn(&self) -> bool {
        matches!(self, EtcdOp::Txn { .. })
    }
}

impl Model for Etcd {
    const NAME: &'static str = "etcd";
    type Op = EtcdOp;
    type Ret = EtcdRet;
    type State = EtcdState;
    type Key = ();
    type Value = ();

    fn each_key(&self, _: &EtcdOp, visit: &mut dyn FnMut(&())) {
        visit(&());
    }

    fn initial(&self) -> EtcdState {
        EtcdState::default()
    }

    fn step(&self, state: &EtcdState, op: &EtcdOp, ret: Option<&EtcdRet>) -> Step<EtcdState> {
        step(state, op, ret)
    }

    fn observes_only(&self, op: &EtcdOp, ret: Option<&EtcdRet>) -> bool {
        let reads = |steps: &[EtcdStep]| steps.iter().all(|step| matches!(step, EtcdStep::Range(_)));
        match (op, ret) {
            (EtcdOp::Range { .. } | EtcdOp::Compact(_), _) => true,
            (EtcdOp::Txn { success, .. }, Some(EtcdRet::Txn { failed: false, .. })) => reads(success),
            (EtcdOp::Txn { failure, .. }, Some(EtcdRet::Txn { failed: true, .. })) => reads(failure),
            (EtcdOp::Txn { success, failure, .. }, _) => reads(success) && reads(failure),
            (EtcdOp::LeaseGrant(_) | EtcdOp::LeaseRevoke(_), _) => false,
        }
    }

    fn describe(&self, op: &EtcdOp, ret: Option<&EtcdRet>) -> String {
        match ret {
            Some(ret) => format!("{op} -> {ret}"),
            None => op.to_string(),
        }
    }

    fn describe_state(&self, state: &EtcdState, op: &EtcdOp) -> String {
        state.describe(op)
    }

    fn describe_key(&self, (): &()) -> String {
        "the store".to_owned()
    }
}

impl fmt::Display for EtcdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "range {}", self.start)?;
        self.end.as_ref().map_or(Ok(()), |end| write!(f, "..{end}"))?;
        if self.limit == 0 { Ok(()) } else { write!(f, " limit {}", self.limit) }
    }
}

impl fmt::Display for EtcdStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EtcdStep::Range(range) => range.fmt(f),
            EtcdStep::Put { key, value, lease: 0 } => write!(f, "put {key} = {value}"),
            EtcdStep::Put { key, value, lease } => write!(f, "put {key} = {value} on lease {lease}"),
            EtcdStep::Delete(key) => write!(f, "delete {key}"),
        }
    }
}

impl fmt::Display for EtcdOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |steps: &[EtcdStep]| steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        match self {
            EtcdOp::Range { range, at: 0 } => range.fmt(f),
            EtcdOp::Range { range, at } => write!(f, "{range} at revision {at}"),
            EtcdOp::Txn { compare, success, failure } => {
                for EtcdCompare { key, expect } in compare {
                    match expect {
                        EtcdExpect::Revision(revision) => write!(f, "if {key} is of revision {revision} ")?,
                        EtcdExpect::Version(version) => write!(f, "if {key} is of version {version} ")?,
                    }
                }
                f.write_str(&list(success))?;
                if failure.is_empty() { Ok(()) } else { write!(f, " else {}", list(failure)) }
            }
            EtcdOp::LeaseGrant(lease) => write!(f, "grant lease {lease}"),
            EtcdOp::LeaseRevoke(lease) => write!(f, "revoke lease {lease}"),
            EtcdOp::Compact(revision) => write!(f, "compact to revision {revision}"),
        }
    }
}

impl fmt::Display for EtcdFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = |entry: &EtcdEntry| format!("{} = {} of revision {}", entry.key, entry.value, entry.revision);
        let mut parts: Vec<String> = self.entries.iter().map(entry).collect();
        if self.count != self.entries.len() as u64 {
            parts.push(format!("{} in all", self.count));
        }
        if self.deleted > 0 {
            parts.push(format!("{} removed", self.deleted));
        }
        write!(f, "[{}]", parts.join(", "))
    }
}

impl fmt::Display for EtcdRet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (EtcdRet::Found { revision, .. } | EtcdRet::Txn { revision, .. } | EtcdRet::Done { revision }) = self;
        match self {
            EtcdRet::Found { found, .. } => found.fmt(f)?,
            EtcdRet::Txn { failed, results, .. } => {
                f.write_str(if *failed { "not so" } else { "done" })?;
                results
                    .iter()
                    .filter(|found| **found != EtcdFound::default())
                    .try_for_each(|found| write!(f, " {found}"))?;
            }
            EtcdRet::Done { .. } => f.write_str("done")?,
        }
        revision.map_or(Ok(()), |revision| write!(f, ", revision {revision}"))
    }
}
