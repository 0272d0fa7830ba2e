//! What a node is told at start: who the members are, where its data lives, and its timings and limits.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::probe::ProbeSink;
use crate::raft::NodeId;

/// One member of the cluster: its id, and the addresses (`host:port`) it can be reached at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The member's id; unique in the cluster, never reused.
    pub id: NodeId,
    /// Where clients reach it.
    pub api: String,
    /// Where its peers reach it.
    pub peer: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}/{}", self.id, self.api, self.peer)
    }
}

impl FromStr for Member {
    type Err = String;

    /// Parses `ID=API_HOST:PORT/PEER_HOST:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is not a member; expected ID=API_HOST:PORT/PEER_HOST:PORT");
        let (id, addresses) = text.split_once('=').ok_or_else(malformed)?;
        let (api, peer) = addresses.split_once('/').ok_or_else(malformed)?;
        let id = id.trim().parse().map_err(|_| malformed())?;
        if !api.contains(':') || !peer.contains(':') {
            return Err(malformed());
        }
        Ok(Member { id: NodeId(id), api: api.to_owned(), peer: peer.to_owned() })
    }
}

/// The timings of Raft and of the connections between nodes.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Shortest election timeout. Each election draws a new one.
    pub election_min: Duration,
    /// Longest election timeout. A leader that hears from no majority for this long steps down.
    pub election_max: Duration,
    /// Whether a node asks whether it could win before it begins a term (dissertation 9.6), and whether nodes that hear a leader
    /// refuse their votes (4.2.3). Off, elections are those of the paper, which a node that hears nobody can disturb.
    pub guarded_elections: bool,
    /// A follower that was sent nothing for this long is sent a heartbeat.
    pub heartbeat: Duration,
    /// A peer connection with a request outstanding and nothing received for this long is dropped.
    pub peer_silence: Duration,
    /// How long connecting to a peer may take.
    pub peer_connect: Duration,
    /// Wait before the first retry to a peer; each further wait is twice as long.
    pub peer_backoff: Duration,
    /// No wait between retries to a peer is longer.
    pub peer_backoff_max: Duration,
    /// Retries to a peer after the first attempt, before it is reported unreachable.
    pub peer_retries: u32,
    /// A connection on which nothing arrived for this long is closed by the server.
    pub idle: Duration,
    /// How long a graceful stop waits for writes that were already proposed.
    pub drain: Duration,
}

impl Default for Timing {
    /// 150 to 600 ms elections, 50 ms heartbeats; peers are retried after 0.5, 1 and 2 s (at most 30 s).
    fn default() -> Self {
        Timing {
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(600),
            guarded_elections: true,
            heartbeat: Duration::from_millis(50),
            peer_silence: Duration::from_millis(600),
            peer_connect: Duration::from_millis(500),
            peer_backoff: Duration::from_millis(500),
            peer_backoff_max: Duration::from_secs(30),
            peer_retries: 3,
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(1),
        }
    }
}

/// The limits of a node. Whatever would pass one is refused with an error that names it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest key, in bytes.
    pub key_bytes: usize,
    /// Longest value, in bytes.
    pub value_bytes: usize,
    /// Longest encoded request, in bytes.
    pub request_bytes: usize,
    /// Longest answer, in bytes of keys and values; longer ones are cut and say so. Must be the same on every node, as
    /// the answers to writes are part of the replicated state.
    pub response_bytes: usize,
    /// Most compares, or operations in one branch, of a transaction.
    pub txn_operations: usize,
    /// Longest frame accepted from a peer, in bytes.
    pub frame_bytes: usize,
    /// Most client connections at once.
    pub client_connections: usize,
    /// Most peer connections accepted at once.
    pub peer_connections: usize,
    /// Most unanswered requests of one connection.
    pub requests_per_connection: usize,
    /// Most writes proposed and not yet applied; also most reads waiting for confirmation.
    pub in_flight: usize,
    /// Most bytes of log entries that are not yet committed.
    pub uncommitted_bytes: usize,
    /// Most bytes of entries in one append message (one entry may exceed it).
    pub append_bytes: usize,
    /// Most append messages to one follower that are not yet answered.
    pub append_window: usize,
    /// Bytes of a snapshot sent in one message.
    pub snapshot_chunk_bytes: usize,
    /// Largest snapshot accepted from a leader, in bytes.
    pub snapshot_bytes: usize,
    /// A snapshot is taken after this many applied entries.
    pub snapshot_entries: u64,
    /// A snapshot is also taken after this many applied bytes.
    pub snapshot_log_bytes: usize,
    /// Entries kept in memory behind a snapshot, for followers that are only a little behind.
    pub snapshot_trailing: u64,
    /// A write-ahead log segment is closed once it is this long.
    pub segment_bytes: u64,
    /// Most client sessions; the least recently used one ends first. Must be the same on every node.
    pub sessions: usize,
    /// A session unused for this long, in the cluster's replicated clock, ends. Must be the same on every node.
    pub session_ttl: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            key_bytes: 4 << 10,
            value_bytes: 4 << 20,
            request_bytes: 8 << 20,
            response_bytes: 16 << 20,
            txn_operations: 128,
            frame_bytes: 64 << 20,
            client_connections: 1024,
            peer_connections: 64,
            requests_per_connection: 128,
            in_flight: 4096,
            uncommitted_bytes: 64 << 20,
            append_bytes: 1 << 20,
            append_window: 8,
            snapshot_chunk_bytes: 1 << 20,
            snapshot_bytes: 1 << 30,
            snapshot_entries: 10_000,
            snapshot_log_bytes: 64 << 20,
            snapshot_trailing: 100,
            segment_bytes: 16 << 20,
            sessions: 4096,
            session_ttl: Duration::from_secs(3600),
        }
    }
}

/// Everything a node is told at start.
#[derive(Clone)]
pub struct NodeConfig {
    /// This node.
    pub id: NodeId,
    /// The cluster it belongs to; nodes and clients of another cluster are refused.
    pub cluster_id: u64,
    /// All members, this one included.
    pub members: Vec<Member>,
    /// The address to listen on for clients, if it differs from this member's `api`.
    pub listen_api: Option<String>,
    /// The address to listen on for peers, if it differs from this member's `peer`.
    pub listen_peer: Option<String>,
    /// The directory that holds its log, hard state and snapshots. Created if absent.
    pub data_dir: PathBuf,
    /// Timings.
    pub timing: Timing,
    /// Limits.
    pub limits: Limits,
    /// Receives the node's probes; none in production.
    pub probes: Option<ProbeSink>,
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig")
            .field("id", &self.id)
            .field("cluster_id", &self.cluster_id)
            .field("members", &self.members)
            .field("data_dir", &self.data_dir)
            .field("timing", &self.timing)
            .field("limits", &self.limits)
            .field("probes", &self.probes.is_some())
            .finish_non_exhaustive()
    }
}

impl NodeConfig {
    /// A configuration with default timings and limits, and no probes.
    pub fn new(id: NodeId, members: Vec<Member>, data_dir: impl Into<PathBuf>) -> Self {
        NodeConfig {
            id,
            cluster_id: 1,
            members,
            listen_api: None,
            listen_peer: None,
            data_dir: data_dir.into(),
            timing: Timing::default(),
            limits: Limits::default(),
            probes: None,
        }
    }

    /// This node's own entry in the member list.
    pub(crate) fn own(&self) -> Result<&Member, Error> {
        self.members
            .iter()
            .find(|member| member.id == self.id)
            .ok_or_else(|| Error::Config(format!("node {} is not in the member list", self.id)))
    }

    /// Checks that the configuration does not contradict itself.
    ///
    /// # Errors
    /// [`Error::Config`], naming what to change.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Config(reason));
        self.own()?;
        let ids: BTreeSet<NodeId> = self.members.iter().map(|member| member.id).collect();
        if ids.len() != self.members.len() {
            return refuse("two members have the same id".to_owned());
        }
        let addresses: BTreeSet<&str> =
            self.members.iter().flat_map(|member| [member.api.as_str(), member.peer.as_str()]).collect();
        if addresses.len() != 2 * self.members.len() {
            return refuse("two members, or a member's two listeners, have the same address".to_owned());
        }
        let timing = &self.timing;
        if timing.election_min > timing.election_max || timing.election_min.is_zero() {
            return refuse(format!(
                "election timeouts must be positive and ordered, not {:?} to {:?}",
                timing.election_min, timing.election_max
            ));
        }
        if timing.heartbeat.is_zero() || timing.heartbeat * 2 > timing.election_min {
            return refuse(format!(
                "the heartbeat ({:?}) must be positive and at most half the shortest election timeout ({:?})",
                timing.heartbeat, timing.election_min
            ));
        }
        let limits = &self.limits;
        if limits.value_bytes + limits.key_bytes > limits.request_bytes {
            return refuse("request_bytes must have room for one key and one value".to_owned());
        }
        let room = 64 << 10;
        if limits.response_bytes < limits.value_bytes + limits.key_bytes
            || limits.response_bytes + room > limits.frame_bytes
        {
            return refuse("response_bytes must have room for one key and value, and fit in a frame".to_owned());
        }
        let largest = limits.request_bytes.max(limits.snapshot_chunk_bytes).max(limits.append_bytes);
        if largest + limits.request_bytes + room > limits.frame_bytes {
            return refuse(format!(
                "frame_bytes ({}) must have room for an append of append_bytes and one request more",
                limits.frame_bytes
            ));
        }
        let positive = [limits.append_window, limits.in_flight, limits.sessions, limits.snapshot_chunk_bytes];
        if positive.contains(&0) || limits.snapshot_entries == 0 || limits.requests_per_connection == 0 {
            return refuse("windows, session, chunk and snapshot limits must be positive".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64) -> Member {
        Member { id: NodeId(id), api: format!("n{id}:2379"), peer: format!("n{id}:2380") }
    }

    #[test]
    fn a_member_reads_back_as_it_prints() {
        let text = "2=n2:2379/n2:2380";
        let parsed: Member = text.parse().expect("well formed");
        assert_eq!(parsed, member(2));
        assert_eq!(parsed.to_string(), text);
        for bad in ["", "2", "x=n2:1/n2:2", "2=n2:1", "2=n2/n2:2"] {
            assert!(bad.parse::<Member>().is_err(), "{bad:?} should be refused");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let good = NodeConfig::new(NodeId(1), vec![member(1), member(2)], "data");
        good.validate().expect("the defaults are consistent");
        let stranger = NodeConfig { id: NodeId(9), ..good.clone() };
        assert!(stranger.validate().is_err());
        let twins = NodeConfig { members: vec![member(1), member(1)], ..good.clone() };
        assert!(twins.validate().is_err());
        let mut slow = good.clone();
        slow.timing.heartbeat = Duration::from_millis(100);
        assert!(slow.validate().is_err());
        let mut small = good;
        small.limits.frame_bytes = 1 << 20;
        assert!(small.validate().is_err());
    }
}
