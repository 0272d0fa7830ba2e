//! Histories, models and checkers: is what clients saw explicable, and was anything acknowledged lost?
//!
//! What it is: a library that takes what was *observed* (a [`History`] of client operations, a final scan, an applied
//! log, probes of a Raft node) and gives a [`Verdict`]: `Pass`, `Fail` with [`Evidence`], or `Unknown` with the limit
//! that was met. `Unknown` is never counted as `Pass`.
//!
//! What it is not: it knows nothing of simulation, reads no clock, starts no thread and draws nothing at random. The
//! same input gives the same verdict, the same evidence and the same count of steps, everywhere.
//!
//! ```
//! use stormglass_check::{History, linearizable, model::{Kv, KvOp, KvRet}};
//!
//! let mut history = History::new();
//! let put = history.invoke(0, 10, KvOp::put("x", "1"));
//! history.ok(put, 20, KvRet::done())?;
//! let get = history.invoke(1, 30, KvOp::get("x"));
//! history.ok(get, 40, KvRet::absent())?;
//! let verdict = linearizable(&Kv::default(), &history);
//! assert!(verdict.is_fail(), "the read came after the write was acknowledged: {verdict}");
//! # Ok::<(), stormglass_check::HistoryError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod durability;
mod exactly_once;
pub mod format;
mod history;
mod invariant;
mod linear;
pub mod model;
mod picture;
mod property;
mod txn;
mod verdict;

pub use durability::{ACKNOWLEDGED_IDS, DURABILITY, acknowledged_ids_survive, durable, durable_within};
pub use exactly_once::{EXACTLY_ONCE, Effects};
pub use format::{FormatError, check_file};
pub use history::{Clock, History, HistoryError, OpId, Operation, Outcome, Process};
pub use invariant::{Invariant, MONOTONIC, Monotonic};
pub use invariant::{NodeId, Probe, RaftOracle, raft_oracles};
pub use linear::{
    Budget, Certificate, CertificateError, Engine, LINEARIZABILITY, Linearizability, Monitored, Online, OnlineError,
    Part, is_linearizable, linearizability, linearizability_by, linearizable, linearizable_within, replay,
};
pub use property::{
    CAUSAL, CONVERGENCE, Guarantee, Previous, SEQUENTIAL, Seen, SessionEvent, WATCH, Watch, WatchEvent, WatchResponse,
    Watched, causal, converged, sequential, sessions, watched,
};
pub use txn::{Access, Anomaly, AnomalyKind, ISOLATION, Isolated, Isolation, Transactions, isolated, isolation};
pub use verdict::{DeadEnd, Evidence, EvidenceOperation, Limit, Undecided, Verdict};
