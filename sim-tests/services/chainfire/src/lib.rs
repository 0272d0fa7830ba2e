//! ChainFire: an etcd-like key-value store replicated by Raft, written as an ordinary tokio service.
//!
//! What it is: a compact, complete control-plane store. Raft with pre-vote, check-quorum, ReadIndex reads, snapshots
//! and a write-ahead log; a revisioned key space with transactions; client sessions that make a retried write apply
//! exactly once; a client that retries on a documented schedule and says whether a failure may have taken effect.
//! The same code serves real sockets and disks, and runs unchanged inside a simulation.
//!
//! What it is not: a sharded database, or a store with authentication, leases, watches or changing membership. Its
//! members are fixed by configuration, and it keeps only the latest version of each key.
//!
//! Architecture invariants
//! - [`raft`] performs no I/O and reads no clock: it is a function from inputs to outputs, driven by one task.
//! - [`storage`] is reached only from that task, and one disk job at a time. No message that promises durability
//!   leaves before the job it depends on has been synced.
//! - [`kv`] is deterministic: its state depends on the applied entries and on nothing else.
//! - A storage error ends the node: nothing is acknowledged after it.
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod conformance;
pub mod error;
pub mod kv;
pub mod planted;
pub mod probe;
pub mod raft;
pub mod server;
pub mod storage;
pub mod wire;

pub use client::{Attempt, Attempts, Client, ClientError, Retry};
pub use config::{Limits, Member, NodeConfig, Timing};
pub use error::Error;
pub use raft::NodeId;
pub use server::{serve, serve_until};
