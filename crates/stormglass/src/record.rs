//! From a run's report to its record: the verdict with its evidence, what the faults hit, the counters.

use std::time::Duration;

use stormglass_check::{Evidence, Verdict};
use stormglass_faults::{FaultRecord, NodeName, excuse, meanwhile};
use stormglass_harness as harness;
use stormglass_harness::{RunRecord, RunRequest};
use stormglass_kernel::{Failure, Report};

use crate::sim::Sim;
use crate::standstill::{mentions, seconds};

/// A violation that no operations stand for is looked at with what was on so long before it.
const BEFORE: Duration = Duration::from_secs(5);

/// The record of a run that has ended.
pub(crate) fn record(name: &str, request: &RunRequest, sim: &Sim, report: Report<Verdict>) -> RunRecord {
    let mut record = RunRecord::new(name, request.seed);
    let mut state = sim.shared.state.lock();
    record.digest = report.digest.to_string();
    record.virtual_ns = report.ended_at.as_nanos();
    record.counters = report.counters.into_iter().collect();
    record.counters.extend(std::mem::take(&mut state.counters));
    record.counters.insert("events".to_owned(), report.events);
    record.counters.insert("polls".to_owned(), report.polls);
    record.counters.insert("trace records".to_owned(), report.records);
    if matches!(report.outcome, Err(Failure::Deadlock | Failure::Limit { .. })) {
        record.waiting = report.waiting.iter().map(ToString::to_string).collect();
    }
    record.plan = state.plan.as_ref().map(ToString::to_string).unwrap_or_default();
    record.features = std::mem::take(&mut state.features).into_iter().collect();
    record.sometimes = std::mem::take(&mut state.sometimes);
    let heard = std::mem::take(&mut state.heard);
    record.sometimes.extend(heard.met);
    record.closest = heard.closest;
    record.features.extend(heard.turned);
    record.counters.extend(heard.taken);
    record.families = state.choice.iter().flat_map(|c| c.families()).map(|f| f.to_string()).collect();
    let mut violations = std::mem::take(&mut state.violations).into_iter();
    let first = violations.next();
    let judged = report.outcome.as_ref().ok().and_then(Verdict::evidence);
    let span = first.as_ref().or(judged).and_then(span_of);
    let faults = std::mem::take(&mut state.faults);
    match (report.outcome, first) {
        (Ok(verdict), None) => record.conclude(&verdict),
        (Ok(verdict), Some(evidence)) => {
            let other = verdict.evidence().filter(|own| own.oracle != evidence.oracle).cloned();
            record.conclude(&Verdict::Fail(evidence));
            if let Some(other) = other {
                record.also(&other);
            }
        }
        (Err(_), Some(evidence)) => record.conclude(&Verdict::Fail(evidence)),
        (Err(failure), None) => ended_by(&mut record, &failure, request),
    }
    violations.for_each(|evidence| record.also(&evidence));
    if record.verdict == harness::Verdict::Fail {
        let window = span.unwrap_or_else(|| {
            let at = state.violated_at.unwrap_or(Duration::from_nanos(record.virtual_ns));
            (at.saturating_sub(BEFORE), at)
        });
        let nodes: Vec<NodeName> = state.world.names().cloned().collect();
        let blamed = blame(&record.evidence, &nodes, &faults, window);
        record.evidence.extend(blamed);
        record.evidence.extend(state.plan.as_ref().and_then(|plan| excuse(&state.budgets, plan)));
    }
    record.take_faults(&faults);
    record
}

/// From the first call to the last return of the operations that cannot be explained.
fn span_of(evidence: &Evidence) -> Option<(Duration, Duration)> {
    let ns = Duration::from_nanos;
    let first = evidence.operations.iter().map(|op| op.call).min()?;
    let last = evidence.operations.iter().map(|op| op.returned.unwrap_or(op.call)).max()?;
    Some((ns(first), ns(last)))
}

/// The faults that may have touched what failed: those that were on meanwhile, and of them those on the nodes that the evidence
/// names.
fn blame(evidence: &[String], nodes: &[NodeName], faults: &[FaultRecord], window: (Duration, Duration)) -> Vec<String> {
    let named: Vec<&str> =
        nodes.iter().map(NodeName::as_str).filter(|node| evidence.iter().any(|line| mentions(line, node))).collect();
    let concerns = |text: &str| named.iter().any(|node| mentions(text, node));
    let told = meanwhile(faults, window, concerns);
    if told.is_empty() {
        return Vec::new();
    }
    let head = format!("faults that were on from {} to {} and hit:", seconds(window.0), seconds(window.1));
    std::iter::once(head).chain(told.into_iter().map(|line| format!("  {line}"))).collect()
}

fn ended_by(record: &mut RunRecord, failure: &Failure, request: &RunRequest) {
    let stopped = request.until.is_some() && matches!(failure, Failure::Limit { what: "virtual time", .. });
    record.verdict = if stopped { harness::Verdict::Unknown } else { harness::Verdict::Fail };
    record.oracle = match failure {
        _ if stopped => "stopped on request".to_owned(),
        Failure::Panic { .. } => "panic".to_owned(),
        Failure::Deadlock => "deadlock".to_owned(),
        Failure::Limit { what, .. } => format!("{what} limit"),
        Failure::ForeignWake => "foreign wake".to_owned(),
        Failure::Refused { .. } => "seal".to_owned(),
        Failure::Violation { oracle, .. } => oracle.clone(),
    };
    record.evidence = failure.to_string().lines().map(str::to_owned).collect();
}
