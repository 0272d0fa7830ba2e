//! From how a process ended to what that says of its seed. Every way a case can end has a name here; none is dropped.

use serde::{Deserialize, Serialize};

use crate::{
    Divergence, Limits, Refusal, RunRecord, RunRequest, ScenarioDef, Seed, Verdict,
    isolation::{Case, CaseEnd, Ending, Isolation},
};

/// What a seed came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every oracle held.
    Pass,
    /// An oracle was violated, or the code brought its process down.
    Fail,
    /// A budget ran out.
    Unknown,
    /// Something outside killed the process, twice. Neither pass nor fail.
    Killed,
    /// Two runs of the seed took two paths. No verdict on such a seed can be trusted.
    Nondeterministic,
}

impl Status {
    /// The word printed for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::Unknown => "unknown",
            Status::Killed => "killed",
            Status::Nondeterministic => "nondeterministic",
        }
    }
}

impl From<Verdict> for Status {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Status::Pass,
            Verdict::Fail => Status::Fail,
            Verdict::Unknown => Status::Unknown,
        }
    }
}

/// One case, run: its status, and the record of its runner where it lived to write one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReport {
    /// What the seed came to.
    pub status: Status,
    /// The record. Where the process died before its runner could write one, what the harness knows instead: the
    /// oracle is then `panic`, `abort`, `stack-overflow`, `fault`, `exit`, `poll-cpu`, `wall-time`, `memory`, `killed`,
    /// `worker` or `broken-record`.
    pub record: RunRecord,
    /// The last lines of standard error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stderr: Vec<String>,
    /// Peak memory of the case's process, in bytes.
    #[serde(default)]
    pub max_rss_bytes: u64,
    /// Whether it was tried once more, alone, before this came out.
    #[serde(default)]
    pub retried: bool,
    /// Where two runs of the seed part, if it was run twice and they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

impl CaseReport {
    /// A report on a case that left no record.
    pub(crate) fn without_record(
        scenario: &str,
        seed: Seed,
        status: Status,
        oracle: &str,
        evidence: impl Into<String>,
    ) -> Self {
        let verdict = match status {
            Status::Pass => Verdict::Pass,
            Status::Fail => Verdict::Fail,
            Status::Unknown | Status::Killed | Status::Nondeterministic => Verdict::Unknown,
        };
        let record = RunRecord {
            verdict,
            oracle: oracle.to_owned(),
            evidence: vec![evidence.into()],
            ..RunRecord::new(scenario, seed)
        };
        CaseReport { status, record, stderr: Vec::new(), max_rss_bytes: 0, retried: false, divergence: None }
    }

    /// Whether the machine and not the code may be to blame, so that the seed deserves a second try alone.
    pub fn wants_retry(&self) -> bool {
        !self.retried
            && match self.status {
                Status::Killed => true,
                Status::Unknown => matches!(self.record.oracle.as_str(), WALL_TIME | MEMORY),
                Status::Pass | Status::Fail | Status::Nondeterministic => false,
            }
    }
}

/// The name of the wall-time limit, where an oracle's would stand.
pub const WALL_TIME: &str = "wall-time";
/// The name of the memory limit.
pub const MEMORY: &str = "memory";
/// The name of the limit on one poll's CPU time.
pub const POLL_CPU: &str = "poll-cpu";

/// What a child sends back: the runner's answer.
#[derive(Serialize, Deserialize)]
enum Answer {
    Record(Box<RunRecord>),
    Refused(Refusal),
}

/// Why a case gave no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaseError {
    /// The scenario refused the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The case could not be started.
    #[error("cannot start a case: {0}")]
    Start(#[from] std::io::Error),
}

/// Runs `request` on `scenario` through `isolation`.
///
/// # Errors
///
/// Where the scenario refuses the request or the case cannot be started. Everything else is a report.
pub(crate) fn run_case(
    isolation: &mut dyn Isolation,
    scenario: &'static ScenarioDef,
    request: &RunRequest,
    echo: bool,
) -> Result<CaseReport, CaseError> {
    let run = scenario.run;
    let asked = request.clone();
    let case: Case = Box::new(move || {
        let answer = match run(&asked) {
            Ok(record) => Answer::Record(Box::new(record)),
            Err(refusal) => Answer::Refused(refusal),
        };
        // Every type in an answer serialises; an empty result would be read as a broken record below.
        serde_json::to_vec(&answer).unwrap_or_default()
    });
    let end = isolation.run(&request.limits, echo, case)?;
    judge(scenario.name, request.seed, &request.limits, end)
}

/// What an ending says of its seed.
fn judge(scenario: &str, seed: Seed, limits: &Limits, end: CaseEnd) -> Result<CaseReport, CaseError> {
    let stderr = last_lines(&end.stderr);
    let named =
        |status, oracle: &str, evidence: String| CaseReport::without_record(scenario, seed, status, oracle, evidence);
    let mut report = match end.ending {
        Ending::Returned(bytes) => match serde_json::from_slice(&bytes) {
            Ok(Answer::Record(record)) => CaseReport {
                status: record.verdict.into(),
                record: *record,
                stderr: Vec::new(),
                max_rss_bytes: 0,
                retried: false,
                divergence: None,
            },
            Ok(Answer::Refused(refusal)) => return Err(refusal.into()),
            Err(error) => named(
                Status::Fail,
                "broken-record",
                format!("the case handed back {} bytes that are not a record: {error}", bytes.len()),
            ),
        },
        Ending::Panicked(message) => named(Status::Fail, "panic", message),
        Ending::Crashed { oracle, how } => named(Status::Fail, oracle, how),
        Ending::PollOverrun { call_site } => {
            let place = call_site.map_or(String::new(), |site| format!(", in {site}"));
            let limit = humantime::format_duration(limits.poll_cpu);
            named(Status::Fail, POLL_CPU, format!("a poll used more than {limit} of CPU{place}"))
        }
        Ending::WallTime => named(
            Status::Unknown,
            WALL_TIME,
            format!("the run took more than {} of wall time", humantime::format_duration(limits.wall)),
        ),
        Ending::Memory => named(
            Status::Unknown,
            MEMORY,
            format!("the run needed more than its {} MiB of memory", limits.memory_bytes >> 20),
        ),
        Ending::Killed(how) => named(Status::Killed, "killed", how),
    };
    report.stderr = stderr;
    report.max_rss_bytes = end.max_rss_bytes;
    if report.record.cpu_ns == 0 {
        report.record.cpu_ns = u64::try_from(end.cpu.as_nanos()).unwrap_or(u64::MAX);
    }
    Ok(report)
}

/// How many lines of standard error a report keeps.
const STDERR_LINES_MAX: usize = 20;
/// How long a kept line may be, in characters.
const STDERR_LINE_CHARS_MAX: usize = 400;

fn last_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !is_backtrace(line)).collect();
    let skip = lines.len().saturating_sub(STDERR_LINES_MAX);
    lines[skip..].iter().map(|line| line.chars().take(STDERR_LINE_CHARS_MAX).collect()).collect()
}

/// Whether a line is of a backtrace. In a report backtraces would push out all else; a replay shows them.
fn is_backtrace(line: &str) -> bool {
    let indented = line.trim_start();
    let frame = indented.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    line.len() - indented.len() >= 3 && (frame || indented.starts_with("at "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judged(ending: Ending) -> CaseReport {
        let end = CaseEnd { ending, stderr: b"one\ntwo\n".to_vec(), cpu: Duration::from_nanos(7), max_rss_bytes: 9 };
        judge("s", Seed(1), &Limits::default(), end).unwrap()
    }

    #[test]
    fn every_ending_has_a_status_and_a_name() {
        let cases = [
            (Ending::Panicked("boom".into()), Status::Fail, "panic", false),
            (Ending::Crashed { oracle: "abort", how: "the process aborted".into() }, Status::Fail, "abort", false),
            (Ending::PollOverrun { call_site: Some("f at a.rs:1".into()) }, Status::Fail, POLL_CPU, false),
            (Ending::WallTime, Status::Unknown, WALL_TIME, true),
            (Ending::Memory, Status::Unknown, MEMORY, true),
            (Ending::Killed("SIGKILL".into()), Status::Killed, "killed", true),
            (Ending::Returned(b"not json".to_vec()), Status::Fail, "broken-record", false),
        ];
        for (ending, status, oracle, retry) in cases {
            let report = judged(ending.clone());
            assert_eq!((report.status, report.record.oracle.as_str()), (status, oracle), "{ending:?}");
            assert_eq!(report.wants_retry(), retry, "{ending:?}");
            assert_eq!(report.stderr, ["one", "two"]);
            assert_eq!((report.record.cpu_ns, report.max_rss_bytes), (7, 9));
        }
    }

    #[test]
    fn a_second_try_is_the_last() {
        let mut report = judged(Ending::WallTime);
        report.retried = true;
        assert!(!report.wants_retry());
    }

    #[test]
    fn backtraces_do_not_push_out_what_was_logged() {
        let text = "n1: elected\n   0: kv::serve\n             at ./src/lib.rs:1:2\n   term 3: stays\n";
        assert_eq!(last_lines(text.as_bytes()), ["n1: elected", "   term 3: stays"]);
    }

    #[test]
    fn only_the_last_lines_of_standard_error_are_kept() {
        let text: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let kept = last_lines(text.as_bytes());
        assert_eq!(kept.len(), STDERR_LINES_MAX);
        assert_eq!(kept.last().unwrap(), "line 99");
    }
}
