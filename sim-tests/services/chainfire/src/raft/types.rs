//! The words that the parts of Raft share: ids, entries, and what a step asks its driver to do.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::message::Message;

/// A member of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for NodeId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(NodeId)
    }
}

/// An election term. Zero before the first election.
pub type Term = u64;

/// A position in the log. The first entry has index 1.
pub type Index = u64;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its position.
    pub index: Index,
    /// The term of the leader that created it.
    pub term: Term,
    /// An encoded command, or nothing: the no-op a leader begins its term with.
    pub data: Bytes,
}

/// What a node must never forget: its term, and whom it voted for in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardState {
    /// The highest term seen.
    pub term: Term,
    /// The vote given in `term`.
    pub voted_for: Option<NodeId>,
}

/// What a snapshot covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last index it covers; zero for the empty state.
    pub index: Index,
    /// The term of that index.
    pub term: Term,
    /// The chain hash at that index.
    pub hash: u64,
}

/// A snapshot: what it covers, and the encoded state at that point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What it covers.
    pub meta: SnapshotMeta,
    /// The encoded key-value state, sessions included.
    pub data: Bytes,
    /// CRC-32 of `data`.
    pub crc: u32,
}

impl Snapshot {
    /// A snapshot of this state.
    pub fn new(meta: SnapshotMeta, data: Bytes) -> Self {
        let crc = crc32fast::hash(&data);
        Snapshot { meta, data, crc }
    }
}

/// Identifies a [`Write`]. Writes complete in order.
pub type WriteId = u64;

/// A change to the log on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOperation {
    /// Drop every entry from this index on.
    Truncate(Index),
    /// Add entries at the end.
    Append(Vec<Entry>),
    /// Store this snapshot, and drop the log that it replaces.
    Install(Snapshot),
    /// Entries up to this index are covered by a durable snapshot and may go.
    Compact(Index),
}

/// What must be made durable, in this order: the hard state, then the operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Passed back to [`super::Raft::written`] when all of it is durable.
    pub id: WriteId,
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// Changes to the log.
    pub operations: Vec<LogOperation>,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver.
    pub to: NodeId,
    /// The message.
    pub message: Message,
    /// It may leave only when this write, and all before it, are durable.
    pub after: Option<WriteId>,
}

/// What a batch of steps asks for. The driver acts on every field.
#[derive(Debug, Default)]
pub struct Ready {
    /// To be made durable.
    pub write: Option<Write>,
    /// To be sent.
    pub messages: Vec<Outgoing>,
    /// A snapshot from the leader, now durable: replace the state by it, before applying `committed`.
    pub restore: Option<Snapshot>,
    /// Newly committed entries with their chain hashes, in order.
    pub committed: Vec<(Entry, u64)>,
    /// Reads (by the number given to [`super::Raft::read`]) confirmed at the current commit index.
    pub reads: Vec<u64>,
    /// The node was leader when the batch began, or became it within, and no longer is: fail what waits on it.
    pub lost_leadership: bool,
}
