//! Runs one scenario once: seals the thread, builds the world, and writes the record.

use std::future::Future;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;

use stormglass_check::{Evidence, Verdict};
use stormglass_disk::{Disk, DiskOptions};
use stormglass_harness as harness;
use stormglass_harness::{Refusal, RunRecord, RunRequest, ScenarioDef, TraceError, TraceLines};
use stormglass_kernel as kernel;
use stormglass_kernel::{Failure, Options, Override, Report, Simulation, VirtualTime};
use stormglass_net::Net;
use stormglass_sys::{process, seal};

use crate::outcome::IntoOutcome;
use crate::sim::{Sim, TASK_STACK_BYTES};
use crate::trace_file::{self, TraceWriter};
use crate::{hooks, logs};

/// Parameters of a run that the runner itself reads; all others belong to the scenario.
const POLICY: &str = "policy";

/// Runs `scenario` as `request` says, on a sealed thread of its own. Called by what the `scenario` attribute makes.
///
/// # Errors
/// A [`Refusal`] where the request asks for something that does not exist or cannot be read.
pub fn run_scenario<S, F>(def: &ScenarioDef, request: &RunRequest, scenario: S) -> Result<RunRecord, Refusal>
where
    S: FnOnce(Sim) -> F + Send + 'static,
    F: Future<Output: IntoOutcome> + 'static,
{
    let (name, request) = (def.name, request.clone());
    let thread = seal::spawn_simulation_thread(TASK_STACK_BYTES, move || run_here(name, request, scenario));
    let thread = thread.map_err(|error| Refusal {
        what: format!("no thread for the simulation: {error}"),
        hint: "free memory or raise the limit on threads".to_owned(),
    })?;
    match thread.join() {
        Ok(result) => result,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Renders a trace file that a run wrote, one line per event.
///
/// # Errors
/// A file that cannot be read, is no trace, or is of another version.
pub fn render_trace(path: &Path) -> Result<TraceLines, TraceError> {
    trace_file::render(path)
}

fn refusal(what: impl Into<String>, hint: &str) -> Refusal {
    Refusal { what: what.into(), hint: hint.to_owned() }
}

fn run_here<S, F>(name: &'static str, request: RunRequest, scenario: S) -> Result<RunRecord, Refusal>
where
    S: FnOnce(Sim) -> F + 'static,
    F: Future<Output: IntoOutcome> + 'static,
{
    let overrides = request.overrides.iter().map(|line| Override::from_str(line)).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(|error| refusal(error.to_string(), "`trace` shows the keys of decisions"))?;
    let seed = request.seed;
    let mut options = Options::new(seed.0);
    if let Some(policy) = request.params.get(POLICY) {
        options.policy = kernel::policy_by_name(policy)
            .ok_or_else(|| refusal(format!("no scheduling policy `{policy}`"), "the policies are random and fifo"))?;
    }
    options.overrides = overrides;
    options.limits = limits(&request);
    options.on_poll = Some(process::watchdog::poll_begins);
    options.on_polled = Some(hooks::leaked);
    let mut problem = None;
    if let Some(path) = &request.trace_to {
        let (writer, told) = TraceWriter::create(path, name, seed.to_string(), Vec::new())
            .map_err(|error| refusal(error, "name a file in a folder that exists and has space"))?;
        options.trace = Some(Box::new(writer));
        problem = Some(told);
    }
    let sim = Sim::new(request.clone(), seed);
    let inside = sim.clone();
    let mut simulation = Simulation::new(options);
    simulation.universe().insert(Net::default());
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let main = async move {
        let verdict = scenario(inside.clone()).await.into_verdict();
        (verdict, inside.fault_records())
    };
    let watching = watch(&request)?;
    let run = || {
        let _watching = watching;
        let _sealed = seal::enter(&hooks::Sealed);
        simulation.run(main)
    };
    let report = match &request.logs {
        Some(filter) => logs::with_logs(filter, run).map_err(|error| {
            refusal(format!("the log filter cannot be read: {error}"), "as in chainfire=debug,info")
        })?,
        None => run(),
    };
    if let Some(problem) = problem.and_then(|told| told.lock().take()) {
        return Err(refusal(problem, "name a file in a folder that has space"));
    }
    if let Some(refusal) = sim.shared.state.lock().refusal.take() {
        return Err(refusal);
    }
    if !report.unused_overrides.is_empty() {
        return Err(refusal(
            format!("no decision has the key of: {}", report.unused_overrides.join("; ")),
            "the seed, the scenario or the code has changed, or the key is misspelt",
        ));
    }
    Ok(record(name, &request, &sim, report))
}

/// Watches this thread for a poll that does not end. A platform without a watchdog is outside the sealed tier, of which
/// the worker's hello warns.
fn watch(request: &RunRequest) -> Result<Option<process::watchdog::Watching>, Refusal> {
    match harness::watch_polls(&request.limits) {
        Ok(watching) => Ok(Some(watching)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => {
            Err(refusal(format!("no watchdog for polls: {error}"), "raise the limit on pending signals (ulimit -i)"))
        }
    }
}

fn limits(request: &RunRequest) -> kernel::Limits {
    let asked = &request.limits;
    let virtual_time = request.until.unwrap_or(asked.virtual_time).min(asked.virtual_time);
    kernel::Limits {
        virtual_time: VirtualTime::ZERO + virtual_time,
        events: asked.events,
        polls: asked.polls,
        polls_without_progress: asked.events_per_instant,
        ..kernel::Limits::default()
    }
}

type Judged = (Verdict, Vec<stormglass_faults::FaultRecord>);

fn record(name: &str, request: &RunRequest, sim: &Sim, report: Report<Judged>) -> RunRecord {
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
    record.families = state.choice.iter().flat_map(|c| c.families()).map(|f| f.to_string()).collect();
    let mut violations = std::mem::take(&mut state.violations).into_iter();
    let first = violations.next();
    let faults = match report.outcome {
        Ok((verdict, faults)) => {
            match first {
                Some(evidence) if !verdict.is_fail() => judge(&mut record, Verdict::Fail(evidence)),
                Some(evidence) => {
                    let own = verdict.evidence().is_some_and(|own| own.oracle == evidence.oracle);
                    judge(&mut record, Verdict::Fail(evidence));
                    if let Some(own) = verdict.evidence().filter(|_| !own) {
                        also(&mut record, own);
                    }
                }
                None => judge(&mut record, verdict),
            }
            faults
        }
        Err(failure) => {
            match first {
                Some(evidence) => judge(&mut record, Verdict::Fail(evidence)),
                None => ended_by(&mut record, &failure, request),
            }
            state.injectors.iter().flat_map(stormglass_faults::Injector::records).collect()
        }
    };
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
            record.evidence = evidence.to_string().lines().map(str::to_owned).collect();
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
