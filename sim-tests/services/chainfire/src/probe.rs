//! Probes: what a node reports about its own Raft state, so that a test can watch invariants as they happen.
//!
//! A node calls its sink synchronously, at the instant the fact becomes true in memory, in a fixed order. Production
//! nodes have no sink and pay one branch per probe.

use std::sync::Arc;

use crate::raft::{Index, NodeId, Replayed, Term};

/// Receives the probes of one node.
pub type ProbeSink = Arc<dyn Fn(&Probe) + Send + Sync>;

/// A fact about one node. Hashes are chained over the log (see [`crate::raft::log::chain`]): two nodes whose hash at
/// an index is equal hold the same entries up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The node recovered from its disk: what survived.
    Started {
        /// The term that was persisted.
        term: Term,
        /// The vote that was persisted for that term.
        voted_for: Option<NodeId>,
        /// Index of the last entry of the log.
        last_index: Index,
        /// Index of the snapshot the log starts after; also the commit index at start.
        snapshot_index: Index,
        /// The entries of the log: index, term, chain hash. What was not synced may have come out either way.
        log: Vec<(Index, Term, u64)>,
    },
    /// Just before it says so: what it took for its log.
    Replayed {
        /// The records, in order.
        records: Vec<Replayed>,
    },
    /// The node entered this term. Never decreases while a node runs.
    TermChanged {
        /// The new term.
        term: Term,
    },
    /// The node gave its vote in `term`, perhaps to itself. The reply may leave only once this is durable.
    Voted {
        /// The term voted in.
        term: Term,
        /// Whom it voted for.
        candidate: NodeId,
    },
    /// Term and vote are on disk: from now on the node may answer for them.
    HardStateDurable {
        /// The term.
        term: Term,
        /// The vote in it.
        voted_for: Option<NodeId>,
    },
    /// The node won the election of this term.
    BecameLeader {
        /// The term it leads.
        term: Term,
    },
    /// The node, leader of `term` until now, no longer is.
    SteppedDown {
        /// The term it led.
        term: Term,
        /// Why.
        reason: &'static str,
    },
    /// An entry was added to the log in memory.
    Appended {
        /// Its index.
        index: Index,
        /// Its term.
        term: Term,
        /// The chain hash at it.
        hash: u64,
    },
    /// The log is synced up to this index, which is of this term.
    Durable {
        /// The last synced index.
        index: Index,
        /// Its term.
        term: Term,
    },
    /// Every entry from `from` on was dropped. `from <= committed` is a broken invariant, and ends the node.
    Truncated {
        /// The first dropped index.
        from: Index,
        /// The commit index at that moment.
        committed: Index,
    },
    /// The node knows this entry to be committed.
    Committed {
        /// Its index.
        index: Index,
        /// Its term.
        term: Term,
        /// The chain hash at it.
        hash: u64,
    },
    /// The entry was applied to the key-value state.
    Applied {
        /// Its index.
        index: Index,
        /// Its term.
        term: Term,
        /// The chain hash at it.
        hash: u64,
    },
    /// The node wrote a snapshot of its own state and compacted its log.
    SnapshotTaken {
        /// The last index the snapshot covers.
        index: Index,
        /// The term of that index.
        term: Term,
    },
    /// The leader begins to send a snapshot to a follower whose entries are gone.
    SnapshotSent {
        /// To whom.
        peer: NodeId,
        /// The last index that the snapshot covers.
        index: Index,
    },
    /// The node replaced its state by a snapshot received from the leader.
    SnapshotInstalled {
        /// The last index the snapshot covers.
        index: Index,
        /// The term of that index.
        term: Term,
        /// The chain hash at it.
        hash: u64,
    },
    /// A client's write was acknowledged as applied.
    Ack {
        /// The client's session.
        client: u64,
        /// The sequence number within the session.
        seq: u64,
    },
    /// A read confirmed by ReadIndex was served at this index.
    ReadServed {
        /// The commit index the read was confirmed at.
        index: Index,
    },
    /// An exchange with a peer failed: connecting, or an answer that did not come. The next attempt follows after the
    /// documented wait.
    PeerFailed {
        /// The peer.
        peer: NodeId,
        /// 1 for the first attempt, 2 for the first retry, and so on.
        attempt: u32,
    },
    /// A peer could not be reached by a first attempt and all its retries.
    PeerUnreachable {
        /// The peer.
        peer: NodeId,
        /// How many attempts were made.
        attempts: u32,
    },
}

impl Probe {
    /// What it is called: its variant.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Probe::Started { .. } => "Started",
            Probe::Replayed { .. } => "Replayed",
            Probe::TermChanged { .. } => "TermChanged",
            Probe::Voted { .. } => "Voted",
            Probe::HardStateDurable { .. } => "HardStateDurable",
            Probe::BecameLeader { .. } => "BecameLeader",
            Probe::SteppedDown { .. } => "SteppedDown",
            Probe::Appended { .. } => "Appended",
            Probe::Durable { .. } => "Durable",
            Probe::Truncated { .. } => "Truncated",
            Probe::Committed { .. } => "Committed",
            Probe::Applied { .. } => "Applied",
            Probe::SnapshotTaken { .. } => "SnapshotTaken",
            Probe::SnapshotSent { .. } => "SnapshotSent",
            Probe::SnapshotInstalled { .. } => "SnapshotInstalled",
            Probe::Ack { .. } => "Ack",
            Probe::ReadServed { .. } => "ReadServed",
            Probe::PeerFailed { .. } => "PeerFailed",
            Probe::PeerUnreachable { .. } => "PeerUnreachable",
        }
    }
}

/// Hands the probe to the sink, if there is one. The closure runs only then.
#[inline]
pub fn emit(sink: Option<&ProbeSink>, probe: impl FnOnce() -> Probe) {
    if let Some(sink) = sink {
        sink(&probe());
    }
}
