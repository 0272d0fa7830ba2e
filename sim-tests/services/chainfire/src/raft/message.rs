//! The messages that Raft peers exchange. Each request is answered by exactly one response.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::types::{Entry, Index, SnapshotMeta, Term};

/// A message between peers. The sender is known from the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Asks for a vote, or whether one would be given.
    Vote(Vote),
    /// Answers [`Message::Vote`].
    VoteReply(VoteReply),
    /// Adds entries to a follower's log.
    Append(Append),
    /// Answers [`Message::Append`].
    AppendReply(AppendReply),
    /// Says that the leader lives, and how far its follower may commit.
    Heartbeat(Heartbeat),
    /// Answers [`Message::Heartbeat`].
    HeartbeatReply(HeartbeatReply),
    /// Carries a piece of a snapshot.
    Snapshot(SnapshotChunk),
    /// Answers [`Message::Snapshot`].
    SnapshotReply(SnapshotReply),
}

impl Message {
    /// Whether it asks for a response.
    pub fn is_request(&self) -> bool {
        matches!(self, Message::Vote(_) | Message::Append(_) | Message::Heartbeat(_) | Message::Snapshot(_))
    }
}

/// A request for a vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Only asks whether the vote would be given; changes nothing at the receiver.
    pub pre: bool,
    /// The term of the election; for a pre-vote the term it would have.
    pub term: Term,
    /// Index of the candidate's last entry.
    pub last_index: Index,
    /// Term of the candidate's last entry.
    pub last_term: Term,
}

/// The answer to a [`Vote`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteReply {
    /// Whether it answers a pre-vote.
    pub pre: bool,
    /// If granted, the term asked about; otherwise the voter's own term.
    pub term: Term,
    /// The vote.
    pub granted: bool,
}

/// Entries for a follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// The leader's term.
    pub term: Term,
    /// Index of the entry before `entries`.
    pub prev_index: Index,
    /// Term of that entry.
    pub prev_term: Term,
    /// The leader's commit index.
    pub commit: Index,
    /// The newest read round of the leader; echoed in the reply.
    pub round: u64,
    /// The entries; empty in a probe for where the logs meet.
    pub entries: Vec<Entry>,
}

/// The answer to an [`Append`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendReply {
    /// The follower's term.
    pub term: Term,
    /// The round of the request.
    pub round: u64,
    /// What became of it.
    pub outcome: AppendOutcome,
}

/// What became of an [`Append`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The follower holds, durably, the leader's log up to `index`.
    Accepted {
        /// The last index known to match.
        index: Index,
    },
    /// The follower has no entry of `prev_term` at `prev_index`.
    Conflict {
        /// `prev_index` of the request.
        prev_index: Index,
        /// The term of the follower's own entry there, if it has one.
        term: Option<Term>,
        /// The first index of that term, or one past the follower's log.
        index: Index,
    },
    /// The request was of an older term.
    Stale,
}

/// A sign of life from the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The leader's term.
    pub term: Term,
    /// How far the follower may commit: never beyond what it is known to hold.
    pub commit: Index,
    /// The newest read round of the leader.
    pub round: u64,
}

/// The answer to a [`Heartbeat`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// The follower's term.
    pub term: Term,
    /// The round of the request.
    pub round: u64,
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotChunk {
    /// The leader's term.
    pub term: Term,
    /// The newest read round of the leader.
    pub round: u64,
    /// What the snapshot covers.
    pub meta: SnapshotMeta,
    /// Length of the whole snapshot in bytes.
    pub total: u64,
    /// CRC-32 of the whole snapshot.
    pub crc: u32,
    /// Where in it `data` belongs.
    pub offset: u64,
    /// The piece.
    pub data: Bytes,
}

/// The answer to a [`SnapshotChunk`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReply {
    /// The follower's term.
    pub term: Term,
    /// The round of the request.
    pub round: u64,
    /// The snapshot spoken of, by the last index it covers.
    pub index: Index,
    /// The next byte wanted; the total once the whole snapshot is durable and installed.
    pub next_offset: u64,
    /// The follower's state covers `index` durably.
    pub installed: bool,
}
