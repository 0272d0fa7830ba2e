//! From a run's report to its record: the verdict with its evidence, what the faults hit, the counters.

use std::time::Duration;

use stormglass_check::Verdict;
use stormglass_faults::NodeName;
use stormglass_harness as harness;
use stormglass_harness::{Faulted, RunRecord, RunRequest, span_of};
use stormglass_kernel::{Failure, Report};

use crate::sim::Sim;

/// The record of a run that has ended.
pub(crate) fn record(name: &str, request: &RunRequest, sim: &Sim, report: Report<Verdict>) -> RunRecord {
    let mut record = RunRecord::new(name, request.seed);
    let mut state = sim.shared.state.lock();
    record.digest = report.digest.to_string();
    record.virtual_ns = report.ended_at.as_nanos();
    record.counters = report.counters.counted().collect();
    record.counters.extend(std::mem::take(&mut state.counters));
    record.counters.insert("events".to_owned(), report.events);
    record.counters.insert("polls".to_owned(), report.polls);
    record.counters.insert("trace records".to_owned(), report.records);
    // It is no failure, since a program may join a thread and see to it; nobody else would tell of one that is not joined.
    for panicked in &report.panicked_threads {
        *record.counters.entry(format!("warning: {panicked}")).or_default() += 1;
    }
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
    let nodes: Vec<NodeName> = state.world.names().cloned().collect();
    let at = state.violated_at.unwrap_or(Duration::from_nanos(record.virtual_ns));
    let known = Faulted { at, nodes: &nodes, faults: &faults, budgets: &state.budgets, plan: state.plan.as_ref() };
    record.blame(span, &known);
    record.take_faults(&faults);
    record
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
