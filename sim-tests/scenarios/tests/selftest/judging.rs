//! What the checks share: this binary as a worker, and one seed of one scenario in it.

use std::path::PathBuf;

use stormglass::harness::{CaseReport, Limits, RunRequest, ScenarioInfo, Seed, Worker, WorkerCommand};

/// A check: its name as `cargo test` shows it, and the check itself, which panics where a promise is broken.
pub(crate) type Check = (&'static str, fn());

/// Lists checks under their own names.
macro_rules! checks {
    ($($check:ident),+ $(,)?) => {
        /// The checks of this file.
        pub(crate) const CHECKS: &[$crate::judging::Check] = &[$((stringify!($check), $check)),+];
    };
}
pub(crate) use checks;

/// This binary.
pub(crate) fn binary() -> PathBuf {
    std::env::current_exe().expect("a running binary has a path")
}

/// A worker of this binary.
pub(crate) fn worker() -> Worker {
    Worker::start(&WorkerCommand::new(binary())).expect("this binary is a scenario binary")
}

/// The plain request for a seed of a scenario, with the scenario's own limits.
pub(crate) fn request(worker: &mut Worker, scenario: &str, seed: u64) -> RunRequest {
    RunRequest::new(Seed(seed), limits(worker, scenario))
}

fn limits(worker: &mut Worker, scenario: &str) -> Limits {
    let scenarios = worker.list().expect("a worker lists its scenarios");
    let found = scenarios.into_iter().find(|info: &ScenarioInfo| info.name == scenario);
    found.unwrap_or_else(|| panic!("no scenario `{scenario}` in this binary")).limits
}

/// What seed 1 of a scenario comes to, under limits that `change` may tighten.
pub(crate) fn report(scenario: &str, change: impl FnOnce(&mut RunRequest)) -> CaseReport {
    let mut worker = worker();
    let mut request = request(&mut worker, scenario, 1);
    change(&mut request);
    worker.run(scenario, &request, false).expect("a misbehaving scenario costs its seed, not its worker")
}

/// The evidence of a report as one text.
pub(crate) fn evidence(report: &CaseReport) -> String {
    report.record.evidence.join("\n")
}
