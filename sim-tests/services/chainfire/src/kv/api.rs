//! What clients ask of the key space, and what they are told. The shapes follow etcd's.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::Limits;
use crate::raft::{NodeId, Term};

/// Said with every answer: who answered, and at what revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The cluster.
    pub cluster_id: u64,
    /// The node that answered.
    pub member_id: NodeId,
    /// The revision of the key space after the operation; for a repeated write, after it first applied.
    pub revision: u64,
    /// The term of the node when it answered.
    pub raft_term: Term,
}

/// A key with its value and history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The revision that created it (since it was last deleted).
    pub create_revision: u64,
    /// The revision that last changed it.
    pub mod_revision: u64,
    /// How often it was put since its creation, beginning with 1.
    pub version: u64,
}

/// Which keys an operation concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Select {
    /// One key.
    Key(Bytes),
    /// Every key that begins with this.
    Prefix(Bytes),
    /// Every key from `start` on, before `end`.
    Range {
        /// The first key.
        start: Bytes,
        /// The first key beyond.
        end: Bytes,
    },
}

/// Reads keys, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeRequest {
    /// Which keys.
    pub select: Select,
    /// At most this many; zero for no limit but the server's.
    pub limit: u64,
    /// Read at this revision; zero for the latest. Older revisions are not kept: see [`RangeError::Compacted`].
    pub revision: u64,
    /// Answer from the state of whichever node is asked, which may be stale, without confirming it with a majority.
    pub serializable: bool,
}

impl RangeRequest {
    /// A linearizable read of these keys.
    pub fn new(select: Select) -> Self {
        RangeRequest { select, limit: 0, revision: 0, serializable: false }
    }
}

/// Why a range at a revision cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RangeError {
    /// Only the latest revision is kept, and the one asked for is older.
    #[error("revision {asked} was compacted; the oldest that can be read is {oldest}")]
    Compacted {
        /// The revision asked for.
        asked: u64,
        /// The oldest revision there is.
        oldest: u64,
    },
    /// The revision does not exist yet.
    #[error("revision {asked} does not exist yet; the latest is {latest}")]
    Future {
        /// The revision asked for.
        asked: u64,
        /// The latest revision there is.
        latest: u64,
    },
}

/// The keys that a range found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeResponse {
    /// The keys, in order.
    pub kvs: Vec<KeyValue>,
    /// How many keys there are in the range, whatever the limit.
    pub count: u64,
    /// The limit, or the server's on the size of an answer, left some out.
    pub more: bool,
}

/// Sets a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutRequest {
    /// The key.
    pub key: Bytes,
    /// Its new value.
    pub value: Bytes,
    /// Answer with what it was before.
    pub prev_kv: bool,
}

/// The answer to a [`PutRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutResponse {
    /// What the key was before, if asked for.
    pub prev_kv: Option<KeyValue>,
    /// It was asked for and left out: the answer would have been too long.
    pub more: bool,
}

/// Deletes keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRequest {
    /// Which keys.
    pub select: Select,
    /// Answer with what they were.
    pub prev_kv: bool,
}

/// The answer to a [`DeleteRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteResponse {
    /// How many keys there were.
    pub deleted: u64,
    /// What they were, if asked for.
    pub prev_kvs: Vec<KeyValue>,
    /// Some were left out: the answer would have been too long.
    pub more: bool,
}

/// What a compare looks at. A key that does not exist has version and revisions zero, and no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The value, compared as bytes. No comparison with the value of an absent key holds.
    Value(Bytes),
    /// The version.
    Version(u64),
    /// The revision that created the key.
    CreateRevision(u64),
    /// The revision that last changed the key.
    ModRevision(u64),
}

/// How a compare compares what is there with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// They are equal.
    Equal,
    /// They differ.
    NotEqual,
    /// What is there is greater.
    Greater,
    /// What is there is less.
    Less,
}

/// A condition on one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    pub key: Bytes,
    /// What must hold between what is there and `target`.
    pub comparison: Comparison,
    /// What it is compared with.
    pub target: Target,
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Read.
    Range(RangeRequest),
    /// Set.
    Put(PutRequest),
    /// Delete.
    Delete(DeleteRequest),
}

/// What one step of a transaction answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationResult {
    /// To a read; a step that asks for an old revision gets an error, and the others still happen.
    Range(Result<RangeResponse, RangeError>),
    /// To a set.
    Put(PutResponse),
    /// To a delete.
    Delete(DeleteResponse),
}

/// If all compares hold, does `success`, otherwise `failure`; all of it at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TxnRequest {
    /// The conditions.
    pub compares: Vec<Compare>,
    /// The steps if they hold.
    pub success: Vec<Operation>,
    /// The steps if one does not.
    pub failure: Vec<Operation>,
}

/// The answer to a [`TxnRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxnResponse {
    /// Whether all compares held.
    pub succeeded: bool,
    /// What each step of the branch taken answered.
    pub results: Vec<OperationResult>,
}

/// A change to the key space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteRequest {
    /// Set a key.
    Put(PutRequest),
    /// Delete keys.
    Delete(DeleteRequest),
    /// A transaction.
    Txn(TxnRequest),
}

/// What a change answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteResponse {
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    Delete(DeleteResponse),
    /// To a transaction.
    Txn(TxnResponse),
}

impl TxnRequest {
    /// Whether neither branch changes anything, so that it can be served as a read.
    pub fn is_read(&self) -> bool {
        self.success.iter().chain(&self.failure).all(|operation| matches!(operation, Operation::Range(_)))
    }

    /// Checks the limits, and that no branch puts a key twice (its revision could not tell the two apart).
    ///
    /// # Errors
    /// What is wrong, for the client to read.
    pub fn check(&self, limits: &Limits) -> Result<(), String> {
        for (what, count) in
            [("compares", self.compares.len()), ("steps", self.success.len()), ("steps", self.failure.len())]
        {
            if count > limits.txn_operations {
                return Err(format!("a transaction has at most {} {what}, not {count}", limits.txn_operations));
            }
        }
        for compare in &self.compares {
            check_key(&compare.key, limits)?;
        }
        for branch in [&self.success, &self.failure] {
            let mut put = std::collections::BTreeSet::new();
            for operation in branch {
                match operation {
                    Operation::Range(range) => range.select.check(limits)?,
                    Operation::Delete(delete) => delete.select.check(limits)?,
                    Operation::Put(request) => {
                        request.check(limits)?;
                        if !put.insert(&request.key) {
                            return Err("a transaction puts one key twice".to_owned());
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl PutRequest {
    fn check(&self, limits: &Limits) -> Result<(), String> {
        check_key(&self.key, limits)?;
        if self.value.len() > limits.value_bytes {
            return Err(format!("a value has at most {} bytes, not {}", limits.value_bytes, self.value.len()));
        }
        Ok(())
    }
}

impl Select {
    /// Checks the limits.
    ///
    /// # Errors
    /// What is wrong, for the client to read.
    pub fn check(&self, limits: &Limits) -> Result<(), String> {
        match self {
            Select::Key(key) => check_key(key, limits),
            Select::Prefix(prefix) if prefix.is_empty() => Ok(()),
            Select::Prefix(key) => check_key(key, limits),
            Select::Range { start, end } if start > end => Err("a range ends before it starts".to_owned()),
            Select::Range { start, end } => {
                check_length(start, limits)?;
                check_length(end, limits)
            }
        }
    }
}

impl WriteRequest {
    /// Checks the limits.
    ///
    /// # Errors
    /// What is wrong, for the client to read.
    pub fn check(&self, limits: &Limits) -> Result<(), String> {
        match self {
            WriteRequest::Put(request) => request.check(limits),
            WriteRequest::Delete(request) => request.select.check(limits),
            WriteRequest::Txn(request) => request.check(limits),
        }
    }
}

fn check_key(key: &[u8], limits: &Limits) -> Result<(), String> {
    if key.is_empty() {
        return Err("a key has at least one byte".to_owned());
    }
    check_length(key, limits)
}

fn check_length(key: &[u8], limits: &Limits) -> Result<(), String> {
    if key.len() > limits.key_bytes {
        return Err(format!("a key has at most {} bytes, not {}", limits.key_bytes, key.len()));
    }
    Ok(())
}
