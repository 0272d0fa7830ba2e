//! Stormglass for projects that live on madsim: its fault plans, swarm, histories, checkers, seeds files, campaigns and failure
//! blocks, over madsim's runtime and its simulators of etcd, Kafka, S3 and tonic.
//!
//! A project names this crate `stormglass` and builds under `--cfg madsim`, as it does already:
//!
//! ```toml
//! stormglass = { package = "stormglass-madsim", version = "0.1" }
//! ```
//!
//! and writes `#[stormglass::scenario(runtime = "madsim")]`. A scenario and its clients run on a *driver*, a node that no fault
//! touches. Nodes have the addresses `10.0.0.1`, `10.0.0.2`, … in the order in which they are added, and their names resolve.
//!
//! What madsim cannot do is refused by name before the run, or left out of a drawn plan and told, as the scenario says
//! (`Sim::missing`): faults of disks and clocks, slow processors, power loss, signals but Ctrl-C, filters of ports, and latency or loss
//! of some links only. Without `--cfg madsim` this crate is empty.

#![forbid(unsafe_code)]

#[cfg(madsim)]
mod books;
#[cfg(madsim)]
mod calm;
#[cfg(madsim)]
mod host;
#[cfg(madsim)]
mod logs;
#[cfg(madsim)]
mod runner;
#[cfg(madsim)]
mod sim;
#[cfg(madsim)]
mod storm;
#[cfg(madsim)]
mod world;

#[cfg(madsim)]
pub use everything::*;

#[cfg(madsim)]
mod everything {
    pub use crate::calm::Calming;
    pub use crate::host::Host;
    pub use crate::runner::{prepare, render_trace, run_scenario};
    pub use crate::sim::{NodeHandle, Recorder, Sim, VirtualClock};
    pub use stormglass_check as check;
    pub use stormglass_faults as faults;
    pub use stormglass_harness as harness;
    pub use stormglass_harness::{IntoExit, IntoOutcome};
    pub use stormglass_macros::scenario;

    /// What a scenario comes to: a verdict, or evidence that `?` carried out of it.
    pub type Outcome = Result<check::Verdict, check::Evidence>;

    /// The runtimes that a scenario may ask for with `runtime = "…"`.
    pub mod runtimes {
        /// madsim's.
        pub mod madsim {}
    }

    /// What most scenarios want in scope.
    pub mod prelude {
        pub use super::{Host, Outcome, Recorder, Sim, scenario};
        pub use crate::check::{Evidence, Verdict};
        pub use crate::faults::{Budget, Convergence, Fault, Missing, NodeName, minority, swarm};
        pub use std::time::Duration;
    }
}

/// The `main` of a scenario target (`harness = false`): speaks libtest to `cargo test` and the worker protocol to the
/// command line. Without `--cfg madsim` it does nothing and says so.
#[macro_export]
macro_rules! main {
    () => {
        #[cfg(madsim)]
        fn main() -> ::std::process::ExitCode {
            $crate::harness::main()
        }

        #[cfg(not(madsim))]
        fn main() {
            ::std::eprintln!("this target runs on madsim: build it with RUSTFLAGS=\"--cfg madsim\"");
        }
    };
}
