//! Raft as a pure state machine: inputs in, outputs out. No I/O, no clock, no tasks.
//!
//! One task owns a [`Raft`], feeds it messages, proposals, reads, disk completions and the time, and after each batch
//! takes a [`Ready`]: what to write, what to send (and after which write), what became committed, which reads are
//! confirmed. Sources: Ongaro's dissertation (2014), sections 3 (basics), 5.4 (snapshots), 6.4 (ReadIndex), 9.6
//! (pre-vote) and 10.2.1 (the leader writes its disk in parallel with its followers).

mod core;
mod election;
pub mod log;
pub mod message;
mod progress;
mod read;
mod replication;
mod snapshot;
mod types;

pub use self::core::{NotLeader, Options, Raft, Recovered, Replayed, RoleName};
pub use self::message::Message;
pub use self::types::{
    Entry, HardState, Index, LogOperation, NodeId, Outgoing, Ready, Snapshot, SnapshotMeta, Term, Write, WriteId,
};
