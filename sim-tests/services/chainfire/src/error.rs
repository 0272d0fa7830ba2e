//! Why a node stopped, or would not start.

use std::path::PathBuf;

use crate::raft::{Index, NodeId};
use crate::storage::StorageError;

/// A fatal error of a node. After one of these the node has stopped and acknowledges nothing more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration contradicts itself.
    #[error("invalid configuration: {0}")]
    Config(String),
    /// An address could not be listened on.
    #[error("node {node} cannot listen for {purpose} on {address}: {source}")]
    Listen {
        /// The node that was starting.
        node: NodeId,
        /// "clients" or "peers".
        purpose: &'static str,
        /// The address as configured.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk failed, or holds something that cannot be trusted. Nothing written since is acknowledged.
    #[error("node {node} stops: storage in {} failed: {source}", dir.display())]
    Storage {
        /// The node that stopped.
        node: NodeId,
        /// Its data directory.
        dir: PathBuf,
        /// What failed.
        source: StorageError,
    },
    /// The leader asked to overwrite an entry this node knows to be committed: some node broke the protocol.
    #[error(
        "node {node} stops: told to truncate its log from index {from}, but index {committed} is committed; \
         a committed entry was lost by the cluster, restore from a healthy majority"
    )]
    CommittedTruncated {
        /// The node that stopped.
        node: NodeId,
        /// First index it was told to drop.
        from: Index,
        /// Its commit index.
        committed: Index,
    },
    /// A committed entry or a snapshot does not decode: the log holds something this version cannot apply.
    #[error("node {node} stops: cannot apply {what} at index {index}: {reason}")]
    Apply {
        /// The node that stopped.
        node: NodeId,
        /// "entry" or "snapshot".
        what: &'static str,
        /// Its index.
        index: Index,
        /// What the decoder said.
        reason: String,
    },
    /// The operating system gave no entropy to seed the election timer with.
    #[error("node {node} cannot read entropy from the operating system: {reason}")]
    Entropy {
        /// The node that was starting.
        node: NodeId,
        /// What the system said.
        reason: String,
    },
    /// A task that serves the node's connections ended, which it never does by itself.
    #[error("node {node} stops: its task for {task} ended: {reason}")]
    Task {
        /// The node that stopped.
        node: NodeId,
        /// What the task was for.
        task: &'static str,
        /// How it ended.
        reason: String,
    },
    /// The termination signal could not be subscribed to.
    #[error("cannot listen for SIGTERM: {0}")]
    Signal(std::io::Error),
}
