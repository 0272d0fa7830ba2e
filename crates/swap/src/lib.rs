//! Any cargo project against simulated tokio, without a change to its manifests or sources.
//!
//! [`Swap::prepare`] writes, under the project's target folder, a package named `tokio` whose library is the façade's
//! own source, beside it the project's locked tokio renamed `real-tokio`, and a *shadow workspace*: links to the project's
//! files with a lock file of its own, in which cargo builds. The project's tree stays as it was.
//!
//! [`run_binary`] is what cargo then calls for each test binary: it lists the tests, runs each in a process per seed, and
//! leaves a [`BinaryReport`].
//!
//! It renders nothing and parses no command line; that is the command line's.

#![forbid(unsafe_code)]

mod binary;
mod crates;
mod documentation;
mod error;
mod files;
mod listing;
mod package;
mod registry;
mod report;
mod run;
mod shadow;
mod swap;
mod version;

pub use binary::{BinaryEnd, RUN_VARIABLE, RunOptions, run_binary};
pub use error::SwapError;
pub use report::{BinaryReport, Outcome, SeedEnd, Summary, TestKind, TestReport, Verdict};
pub use swap::{Project, Swap, Target};
pub use version::SUPPORTED;
