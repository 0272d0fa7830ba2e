//! From a run's report to its record: the verdict with its evidence, what the faults hit, the counters.

use stormglass_check::{Evidence, Verdict};
use stormglass_harness as harness;
use stormglass_harness::{RunRecord, RunRequest};
use stormglass_kernel::{Failure, Report};

use crate::sim::Sim;

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
    let faults = std::mem::take(&mut state.faults);
    match (report.outcome, first) {
        (Ok(verdict), None) => judge(&mut record, verdict),
        (Ok(verdict), Some(evidence)) => {
            let other = verdict.evidence().filter(|own| own.oracle != evidence.oracle).cloned();
            judge(&mut record, Verdict::Fail(evidence));
            if let Some(other) = other {
                also(&mut record, &other);
            }
        }
        (Err(_), Some(evidence)) => judge(&mut record, Verdict::Fail(evidence)),
        (Err(failure), None) => ended_by(&mut record, &failure, request),
    }
    violations.for_each(|evidence| also(&mut record, &evidence));
    if record.verdict == harness::Verdict::Pass
        && let Some(fault) = faults.iter().find(|f| !f.demand_met())
    {
        record.verdict = harness::Verdict::Fail;
        record.oracle = "non-vacuity".to_owned();
        record.evidence = vec![
            "a fault that had to hit hit nothing".to_owned(),
            format!("fault {}: {}", fault.id, fault.text),
            fault.refused.clone().unwrap_or_else(|| format!("hits: {}", fault.hits)),
        ];
    }
    record.faults = faults.into_iter().map(fault_record).collect();
    record
}

fn fault_record(fault: stormglass_faults::FaultRecord) -> harness::FaultRecord {
    harness::FaultRecord {
        id: fault.id.to_string(),
        text: fault.text,
        family: fault.family.to_string(),
        kind: fault.kind.to_string(),
        hits: fault.hits.total(),
        vacuous: fault.vacuous,
    }
}

/// A further oracle that the run violated.
fn also(record: &mut RunRecord, evidence: &Evidence) {
    let line = format!("also violated: {}: {}", evidence.oracle, evidence.cause);
    if !record.evidence.contains(&line) {
        record.evidence.push(line);
    }
}

fn judge(record: &mut RunRecord, verdict: Verdict) {
    match verdict {
        Verdict::Pass => {}
        Verdict::Fail(evidence) => {
            record.verdict = harness::Verdict::Fail;
            record.oracle = evidence.oracle.clone();
            // The oracle has a line of its own in every rendering.
            let text = evidence.to_string();
            let own = format!("{}: ", evidence.oracle);
            let text = text.strip_prefix(&own).unwrap_or(&text);
            record.evidence = text.lines().map(str::to_owned).collect();
        }
        Verdict::Unknown(undecided) => {
            record.verdict = harness::Verdict::Unknown;
            record.oracle = undecided.oracle.clone();
            record.evidence = vec![format!("{}: {}", undecided.limit, undecided.left)];
        }
    }
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
