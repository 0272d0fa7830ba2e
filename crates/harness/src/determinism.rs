//! The determinism check: one seed, twice, in separate processes. Where the digests differ, both runs are repeated with their
//! traces on, and the first event in which they part is shown.
//!
//! The second run has the second layer of the seal on, so that a leak past libc is found even where it did no harm this
//! time, and named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    CaseReport, RunRequest, Status,
    client::{Worker, WorkerError},
};

/// The oracle of a run that reached the machine past libc, as the second layer of the seal saw it.
pub const LEAK: &str = "nondeterminism-leak";

/// The oracle of a run that the seal ended.
const SEAL: &str = "seal";

/// Where and how determinism is checked.
#[derive(Clone, Debug)]
pub struct DeterminismCheck {
    /// The folder in which the traces of a seed that took two paths are kept.
    pub traces: PathBuf,
    /// How often a seed is run to find a pair of traces that differ, once two digests did.
    pub attempts_max: u32,
}

impl DeterminismCheck {
    /// Keeps traces below `folder` and looks for a differing pair up to 8 times.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        DeterminismCheck { traces: folder.into(), attempts_max: 8 }
    }

    /// Runs `request` once more and compares with `report`, which came from the same request. A report that differs
    /// comes back as [`Status::Nondeterministic`] with the place where the runs part. One that reached the machine past
    /// libc does too, with the oracle [`LEAK`] and the system call or instruction and its call site as the evidence.
    ///
    /// A run that was stopped by the machine (wall time, memory, a kill) proves nothing and is left as it is.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    pub fn compare(
        &self,
        worker: &mut Worker,
        scenario: &str,
        request: &RunRequest,
        report: CaseReport,
    ) -> Result<CaseReport, WorkerError> {
        if by_machine(&report) {
            return Ok(report);
        }
        let trapped = RunRequest { traps: true, ..request.clone() };
        let again = worker.run(scenario, &trapped, false)?;
        if by_machine(&again) || same_path(&report, &again) {
            return Ok(report);
        }
        if again.record.oracle == SEAL && report.record.oracle != SEAL {
            // Nothing to compare: only the second run could see it, and it names the place.
            let mut found = CaseReport { status: Status::Nondeterministic, ..again };
            found.record.oracle = LEAK.to_owned();
            return Ok(found);
        }
        let mut found = CaseReport { status: Status::Nondeterministic, ..report };
        let evidence = vec![
            format!(
                "the first run has digest {} and is {}",
                shown(&found.record.digest),
                found.record.verdict.as_str()
            ),
            format!(
                "the second run has digest {} and is {}",
                shown(&again.record.digest),
                again.record.verdict.as_str()
            ),
        ];
        found.record.oracle = "determinism".to_owned();
        found.record.evidence = evidence;
        self.locate(worker, scenario, request, &mut found)?;
        Ok(found)
    }

    /// Repeats both runs with traces and finds where they part.
    fn locate(
        &self,
        worker: &mut Worker,
        scenario: &str,
        request: &RunRequest,
        found: &mut CaseReport,
    ) -> Result<(), WorkerError> {
        let folder = self.traces.join(format!("{scenario}-{}", request.seed));
        let paths = [folder.join("first.trace"), folder.join("second.trace")];
        if let Err(error) = fs::create_dir_all(&folder) {
            found.record.evidence.push(format!("no traces: cannot make {}: {error}", folder.display()));
            return Ok(());
        }
        let traced = |path: &Path| RunRequest { trace_to: Some(path.to_owned()), ..request.clone() };
        for _ in 0..self.attempts_max {
            for path in &paths {
                worker.run(scenario, &traced(path), false)?;
            }
            match worker.diverge(scenario, &paths[0], &paths[1]) {
                Ok(Some(divergence)) => {
                    found.divergence = Some(divergence);
                    found.record.evidence.push(format!("traces: {} and {}", paths[0].display(), paths[1].display()));
                    return Ok(());
                }
                Ok(None) => {}
                Err(WorkerError::Fault(fault)) => {
                    found.record.evidence.push(format!("no place to show: {fault}"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        found.record.evidence.push(format!(
            "{} further pairs of runs, with their traces on, took one path: the cause is rare, or not traced",
            self.attempts_max
        ));
        Ok(())
    }
}

fn by_machine(report: &CaseReport) -> bool {
    // Asked of a report as if it were the first try: a second try ended by the machine proves nothing either.
    CaseReport { retried: false, ..report.clone() }.wants_retry()
}

fn same_path(first: &CaseReport, second: &CaseReport) -> bool {
    let (a, b) = (&first.record, &second.record);
    a.digest == b.digest && a.verdict == b.verdict && a.oracle == b.oracle && a.virtual_ns == b.virtual_ns
}

fn shown(digest: &str) -> &str {
    if digest.is_empty() { "(none)" } else { digest }
}
