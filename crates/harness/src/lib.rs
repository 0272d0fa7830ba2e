//! Scenarios and what runs them: seeds files, workers, campaigns, ledgers, exit codes.
//!
//! A scenario is a plain function from a [`RunRequest`] to a [`RunRecord`]. This crate finds the scenarios of a binary,
//! runs each seed in a process of its own, and keeps what came of it:
//!
//! - [`main`] is the `main` of a scenario target: it speaks libtest, one case per pinned seed;
//! - [`Worker`] drives such a binary from another process, over the worker protocol;
//! - [`Campaign`] runs many seeds through workers, into a [`Ledger`] that a kill at any moment cannot hurt;
//! - [`Summary`] and [`FailureBlock`] say what came of it, and [`Exit`] in one number.
//!
//! What this crate is *not*: it simulates nothing and knows no kernel, and it renders nothing but failure blocks; command
//! line and progress bars are the command line's own.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod blame;
mod campaign;
mod case;
mod channel;
mod client;
mod converge;
mod crew;
mod death;
mod determinism;
mod divergence;
mod exit;
mod failure;
mod fork;
mod isolation;
mod ledger;
mod libtest;
mod protocol;
mod record;
mod recorder;
mod request;
mod returned;
mod scenario;
mod seal;
mod seed_range;
mod seed_record;
mod seeds_file;
mod summary;
mod worker;

pub use blame::{Faulted, span_of};
pub use campaign::{Campaign, CampaignError, Ended, Observer, Outcome, TROUBLES_MAX, binary_identity, default_name};
pub use case::{CaseReport, MEMORY, POLL_CPU, Status, WALL_TIME};
pub use client::{Worker, WorkerCommand, WorkerError, WorkerKill};
pub use converge::converge;
pub use death::Death;
pub use determinism::{DeterminismCheck, LEAK};
pub use divergence::{Divergence, first_divergence};
pub use exit::Exit;
pub use failure::{Asked, BlockStyles, CommandHints, FailureBlock, virtual_time};
pub use fork::watch_polls;
pub use isolation::{IsolationKind, IsolationKindError};
pub use ledger::{Header, LEDGER_FORMAT, Ledger, LedgerError, Recorded, read_ledger};
pub use libtest::{
    DROP_VARIABLE, ISOLATION_VARIABLE, PARAMS_VARIABLE, SEEDS_VARIABLE, SET_VARIABLE, case_name, find_seeds_folder,
    main,
};
pub use linkme;
pub use protocol::{Hello, PROTOCOL, WORKER_ARGUMENT, WorkerFault};
pub use record::{Closest, FaultRecord, Refusal, RunRecord, Verdict};
pub use recorder::{Recorder, RunClock};
pub use request::{Limits, RunRequest};
pub use returned::{IntoExit, IntoOutcome};
pub use scenario::{
    Defaults, DuplicateScenario, SCENARIOS, ScenarioDef, ScenarioInfo, TraceError, TraceLines, registered, suggestions,
};
pub use seed_range::{SeedRange, SeedRangeError};
pub use seed_record::{FaultTally, SeedRecord, Trouble};
pub use seeds_file::{Expectation, PinnedSeed, SEEDS_FORMAT, SeedsFileError, parse_seeds, pin, read_seeds, seeds_path};
pub use stormglass_faults::{Seed, SeedError};
/// The watchdog that [`watch_polls`] starts, for marking polls.
pub use stormglass_sys::process::watchdog;
pub use summary::{FailureGroup, FailureKey, KindPair, Memory, Spread, Summary};
