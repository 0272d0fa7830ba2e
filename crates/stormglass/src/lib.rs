//! Stormglass: deterministic simulation testing for tokio services.
//!
//! A whole cluster and its storms run inside one process, and one seed is the weather. This is the crate that a user
//! depends on: the [`scenario`] attribute, the [`Sim`] that a scenario is handed, and the parts of the other crates that
//! scenarios name. What it does of its own is to put them together: it seals the thread, builds the kernel with its
//! network and disks, lets fault plans act on them, and writes down what came of it.

#![forbid(unsafe_code)]

mod capture_file;
mod held;
mod host;
mod logs;
mod machine;
mod monitors;
mod properties;
mod record;
mod recorder;
mod runner;
mod sim;
mod standstill;
mod storm;
mod trace_file;
mod world;

pub use host::Host;
pub use monitors::{Eventually, LeadsTo, Recurs, Stable};
pub use recorder::{Recorder, SimulatedClock};
pub use runner::{prepare, render_trace, run_scenario};
pub use sim::{NodeHandle, Sim, TASK_STACK_BYTES};
pub use storm::Calming;
pub use stormglass_check as check;
pub use stormglass_disk as disk;
pub use stormglass_disk::{CrashModel, DiskOptions};
pub use stormglass_faults as faults;
pub use stormglass_harness as harness;
pub use stormglass_harness::{IntoExit, IntoOutcome};
pub use stormglass_kernel as kernel;
pub use stormglass_macros::scenario;
pub use stormglass_net as net;
pub use stormglass_net::{LinkOptions, Spread};
pub use stormglass_probes as probes;

/// What a scenario comes to: a verdict, or evidence that `?` carried out of it.
pub type Outcome = Result<check::Verdict, check::Evidence>;

/// The `main` of a scenario target (`harness = false`): speaks libtest to `cargo test` and the worker protocol to the
/// command line.
#[macro_export]
macro_rules! main {
    () => {
        fn main() -> ::std::process::ExitCode {
            $crate::harness::main()
        }
    };
}

/// The runtimes that a scenario may ask for with `runtime = "…"`.
pub mod runtimes {
    /// Stormglass's own.
    pub mod kernel {}
}

/// What most scenarios want in scope.
pub mod prelude {
    pub use crate::check::{Evidence, Verdict};
    pub use crate::faults::{Budget, Convergence, Fault, NodeName, minority, swarm};
    pub use crate::{Host, Outcome, Recorder, Sim, scenario};
    pub use std::time::Duration;
}
