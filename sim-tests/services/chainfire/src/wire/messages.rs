//! The messages between a client and a node, and the greeting that begins every connection. What peers say to each
//! other is [`crate::raft::Message`].

use serde::{Deserialize, Serialize};

use crate::config::Member;
use crate::kv::api::{
    Header, RangeError, RangeRequest, RangeResponse, TxnRequest, TxnResponse, WriteRequest, WriteResponse,
};
use crate::raft::{Index, NodeId, RoleName};

/// Who calls, and whom it means to reach. The other side closes the connection if it is not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The cluster that the caller means; zero for whichever it is (clients only).
    pub cluster_id: u64,
    /// The calling node; none for a client.
    pub from: Option<NodeId>,
    /// The node that the caller means; none for whichever it is (clients only).
    pub to: Option<NodeId>,
}

/// A client's request. Answers may come in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, and repeated in the answer.
    pub id: u64,
    /// What it asks.
    pub body: RequestBody,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody {
    /// Open a session, which writes need.
    OpenSession,
    /// Change the key space.
    Write {
        /// The session.
        client: u64,
        /// The number of the write within it, beginning with 1.
        seq: u64,
        /// The change.
        request: WriteRequest,
    },
    /// Read keys.
    Range(RangeRequest),
    /// Evaluate a transaction that only reads.
    ReadTxn(TxnRequest),
    /// Ask how the node is.
    Status,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The id of the request.
    pub id: u64,
    /// The answer.
    pub result: Result<Answer, Refusal>,
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The session that was opened.
    Session(u64),
    /// The write was applied.
    Written(Header, WriteResponse),
    /// The keys found.
    Range(Header, RangeResponse),
    /// What the transaction read.
    ReadTxn(Header, TxnResponse),
    /// How the node is.
    Status(Box<Status>),
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another node leads, or none does. The request had no effect.
    #[error("this node does not lead; the leader is {}", leader.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string))]
    NotLeader {
        /// The leader as far as this node knows.
        leader: Option<Member>,
    },
    /// Too much is in flight. The request had no effect.
    #[error("the node is overloaded: {0}")]
    Overloaded(String),
    /// The node is stopping. The request had no effect.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// The node stopped leading while the write was being replicated: it may have an effect, now or later.
    #[error("leadership was lost while the write was in flight")]
    LeadershipLost,
    /// The request breaks a limit, or makes no sense. It had no effect.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The revision asked for cannot be read.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The session has ended; this attempt had no effect.
    #[error("the session has ended")]
    SessionExpired,
    /// The session has moved on to a later write; this attempt had no effect.
    #[error("a later write of the session was already applied")]
    Superseded,
}

impl Refusal {
    /// Whether the request may nevertheless take effect.
    pub fn is_indeterminate(&self) -> bool {
        matches!(self, Refusal::LeadershipLost)
    }
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node that answers, its cluster, its revision and term.
    pub header: Header,
    /// Its role.
    pub role: RoleName,
    /// The leader as far as it knows.
    pub leader: Option<NodeId>,
    /// Its commit index.
    pub commit: Index,
    /// The last entry it applied.
    pub applied: Index,
    /// The last entry of its log.
    pub last_index: Index,
    /// The last index its newest snapshot covers; zero without one.
    pub snapshot_index: Index,
    /// A digest of the replicated state at `applied`.
    pub state_hash: u64,
    /// The chain hash of the log at `applied`.
    pub applied_hash: u64,
    /// The members as configured.
    pub members: Vec<Member>,
}
