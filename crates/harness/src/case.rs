//! From how a process ended to what that says of its seed. Every way a case can end has a name here; none is dropped.

use std::{io, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Divergence, Limits, RunRecord, Seed, Verdict,
    protocol::{Answer, Run, decode, encode},
    scenario::Scenarios,
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

/// How a case ended that did not hand back an answer, as the operating system tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It panicked outside the runner's own care; the message is the panic's.
    Panicked(String),
    /// It brought its process down: an abort, a stack overflow, a fault, an exit.
    Crashed {
        /// Which, as the name that stands where an oracle's would.
        oracle: &'static str,
        /// The same in words.
        how: String,
    },
    /// A single poll used more CPU time than the limit allows.
    PollOverrun {
        /// The function and line it was in, where that could be told.
        call_site: Option<String>,
    },
    /// Wall-clock time ran out.
    WallTime,
    /// Memory ran out.
    Memory,
    /// Something outside this process killed it; the text says with what.
    Killed(String),
}

/// What a case cost, and what it said besides its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost<'a> {
    /// CPU time it used.
    pub(crate) cpu: Duration,
    /// Peak memory it held, in bytes; 0 where that is unknown.
    pub(crate) max_rss_bytes: u64,
    /// The last of what it wrote to standard error.
    pub(crate) stderr: &'a [u8],
}

/// Runs the case that `body` asks for, and writes its answer to `answer`. Says whether it passed.
///
/// # Errors
///
/// Where it cannot be written.
pub(crate) fn run_case(scenarios: &Scenarios, body: &[u8], answer: &mut impl io::Write) -> io::Result<bool> {
    let given = match decode::<Run>(body) {
        Err(error) => Answer::Unreadable(error.to_string()),
        Ok((Run { scenario, request }, _)) => match scenarios.get(scenario.as_str()) {
            None => Answer::NoSuchScenario,
            Some(def) => match (def.run)(&request) {
                Ok(record) => Answer::Record(Box::new(record)),
                Err(refusal) => Answer::Refused(refusal),
            },
        },
    };
    let passed = matches!(&given, Answer::Record(record) if record.verdict == Verdict::Pass);
    encode(given, answer).map(|()| passed)
}

/// The report on a case that wrote `record`.
pub(crate) fn ran(record: RunRecord, cost: &Cost<'_>) -> CaseReport {
    let status = record.verdict.into();
    let report = CaseReport { status, record, stderr: Vec::new(), max_rss_bytes: 0, retried: false, divergence: None };
    report.costing(cost)
}

/// The report on a case that handed back what is no answer.
pub(crate) fn broken(scenario: &str, seed: Seed, bytes: usize, error: &io::Error, cost: &Cost<'_>) -> CaseReport {
    let evidence = format!("the case handed back {bytes} bytes that are not a record: {error}");
    CaseReport::without_record(scenario, seed, Status::Fail, "broken-record", evidence).costing(cost)
}

/// The report on a case that handed back nothing.
pub(crate) fn ended(scenario: &str, seed: Seed, limits: &Limits, ending: Ending, cost: &Cost<'_>) -> CaseReport {
    let named =
        |status, oracle: &str, evidence: String| CaseReport::without_record(scenario, seed, status, oracle, evidence);
    let report = match ending {
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
    report.costing(cost)
}

impl CaseReport {
    fn costing(mut self, cost: &Cost<'_>) -> Self {
        self.stderr = last_lines(cost.stderr);
        self.max_rss_bytes = cost.max_rss_bytes;
        if self.record.cpu_ns == 0 {
            self.record.cpu_ns = u64::try_from(cost.cpu.as_nanos()).unwrap_or(u64::MAX);
        }
        self
    }
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
    use super::*;

    fn judged(ending: Ending) -> CaseReport {
        ended("s", Seed(1), &Limits::default(), ending, &COST)
    }

    const COST: Cost<'static> = Cost { cpu: Duration::from_nanos(7), max_rss_bytes: 9, stderr: b"one\ntwo\n" };

    #[test]
    fn every_ending_has_a_status_and_a_name() {
        let cases = [
            (Ending::Panicked("boom".into()), Status::Fail, "panic", false),
            (Ending::Crashed { oracle: "abort", how: "the process aborted".into() }, Status::Fail, "abort", false),
            (Ending::PollOverrun { call_site: Some("f at a.rs:1".into()) }, Status::Fail, POLL_CPU, false),
            (Ending::WallTime, Status::Unknown, WALL_TIME, true),
            (Ending::Memory, Status::Unknown, MEMORY, true),
            (Ending::Killed("SIGKILL".into()), Status::Killed, "killed", true),
        ];
        let ended = cases.map(|(ending, status, oracle, retry)| (judged(ending), status, oracle, retry));
        let no_record = broken("s", Seed(1), 3, &io::ErrorKind::InvalidData.into(), &COST);
        for (report, status, oracle, retry) in
            ended.into_iter().chain([(no_record, Status::Fail, "broken-record", false)])
        {
            assert_eq!((report.status, report.record.oracle.as_str()), (status, oracle));
            assert_eq!(report.wants_retry(), retry, "{oracle}");
            assert_eq!(report.stderr, ["one", "two"]);
            assert_eq!((report.record.cpu_ns, report.max_rss_bytes), (7, 9));
        }
    }

    #[test]
    fn a_record_that_counts_its_own_time_keeps_it() {
        let mut record = RunRecord::new("s", Seed(1));
        record.cpu_ns = 5;
        let report = ran(record, &COST);
        assert_eq!((report.status, report.record.cpu_ns), (Status::Pass, 5));
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
