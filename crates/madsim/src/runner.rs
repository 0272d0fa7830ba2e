//! Runs one scenario once, on a madsim runtime and a thread of its own, and writes the record.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::{fs, io};

use madsim::net::NetSim;
use madsim::runtime::Runtime;
use madsim::{Config, runtime::Handle};
use parking_lot::Mutex;
use stormglass_check::{Evidence, Verdict};
use stormglass_faults::{Missing, NodeName};
use stormglass_harness::{
    Faulted, IntoOutcome, Refusal, RunRecord, RunRequest, ScenarioDef, TraceError, TraceLines, span_of,
};

use crate::logs;
use crate::sim::{DRIVER, Sim};

/// Stack of the thread that a simulation runs on.
const STACK_BYTES: usize = 16 << 20;

/// What madsim's panics say, and what they mean.
const TIME_IS_UP: &str = "time limit exceeded";
const DEADLOCK: &str = "no events, all tasks will block forever";

/// Runs `scenario` as `request` says. Called by what the `scenario` attribute makes.
///
/// # Errors
/// A [`Refusal`] where the request asks for something that does not exist, cannot be read, or that madsim does not have.
pub fn run_scenario<S, F>(def: &ScenarioDef, request: &RunRequest, scenario: S) -> Result<RunRecord, Refusal>
where
    S: FnOnce(Sim) -> F + Send + 'static,
    F: Future<Output: IntoOutcome> + 'static,
{
    if let Some(first) = request.overrides.first() {
        return Err(refusal(
            format!("madsim's choices cannot be overridden: `{first}`"),
            "its draws have no keys; change the seed or the plan",
        ));
    }
    let logs = request
        .logs
        .as_deref()
        .map(logs::subscriber)
        .transpose()
        .map_err(|error| refusal(format!("the log filter cannot be read: {error}"), "as in etcd=debug,info"))?;
    let (name, request) = (def.name, request.clone());
    let run = move || match logs {
        Some(logs) => tracing::dispatcher::with_default(&logs, || run_here(name, &request, scenario)),
        None => run_here(name, &request, scenario),
    };
    let thread = thread::Builder::new().name("madsim".to_owned()).stack_size(STACK_BYTES).spawn(run);
    let thread = thread.map_err(|error| {
        refusal(format!("no thread for the simulation: {error}"), "free memory or raise the limit on threads")
    })?;
    thread.join().unwrap_or_else(|payload| resume_unwind(payload))
}

/// Nothing: there is little that runs on madsim have in common.
pub fn prepare() {}

/// The lines of a trace that a run wrote: operations, faults, boots and exits with their virtual times.
///
/// # Errors
/// A file that cannot be read.
pub fn render_trace(path: &Path) -> Result<TraceLines, TraceError> {
    let text = fs::read_to_string(path)
        .map_err(|error| TraceError { path: path.display().to_string(), what: error.to_string() })?;
    let lines: Vec<_> = text.lines().map(|line| Ok(line.to_owned())).collect();
    Ok(Box::new(lines.into_iter()))
}

fn refusal(what: impl Into<String>, hint: &str) -> Refusal {
    Refusal { what: what.into(), hint: hint.to_owned() }
}

/// How madsim's loop ended.
enum Ended {
    Finished,
    Panicked(String),
}

fn run_here<S, F>(name: &str, request: &RunRequest, scenario: S) -> Result<RunRecord, Refusal>
where
    S: FnOnce(Sim) -> F + Send + 'static,
    F: Future<Output: IntoOutcome> + 'static,
{
    let mut runtime = Runtime::with_seed_and_config(request.seed.0, Config::default());
    runtime.set_time_limit(virtual_time(request));
    let sim = Sim::new(request.clone(), runtime.handle().clone());
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(conduct(sim.clone(), scenario))));
    let ended = match ended {
        Ok(()) => Ended::Finished,
        Err(payload) => Ended::Panicked(message(payload.as_ref())),
    };
    sim.shared.state.lock().over = true;
    // Tasks that are dropped here are those of a world that has ended.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
    Sim::leave();
    if let Some(refusal) = sim.shared.state.lock().refusal.take() {
        return Err(refusal);
    }
    if let Some(id) = request.drop.first().filter(|_| sim.shared.state.lock().plan.is_none()) {
        return Err(refusal(format!("no fault `{id}` to leave out: this scenario draws no plan"), "leave out --drop"));
    }
    let mut record = record(name, request, &sim, ended);
    if let Err(payload) = dropped {
        record.also(&Evidence::new("panic", format!("while the run was dropped: {}", message(payload.as_ref()))));
    }
    if let Some(path) = &request.trace_to {
        write_trace(path, &sim).map_err(|error| {
            refusal(
                format!("cannot write the trace to {}: {error}", path.display()),
                "name a file in a folder that has space",
            )
        })?;
    }
    Ok(record)
}

fn virtual_time(request: &RunRequest) -> Duration {
    request.until.unwrap_or(request.limits.virtual_time).min(request.limits.virtual_time)
}

/// Lets the scenario run on the driver, until it has a verdict or something else ends the run.
async fn conduct<S, F>(sim: Sim, scenario: S)
where
    S: FnOnce(Sim) -> F + Send + 'static,
    F: Future<Output: IntoOutcome> + 'static,
{
    let once = Arc::new(Mutex::new(Some(scenario)));
    let inside = sim.clone();
    let handle = Handle::current();
    let driver = handle.create_node().name("driver").ip(DRIVER).init(move || {
        let (scenario, sim) = (once.lock().take(), inside.clone());
        async move {
            if let Some(scenario) = scenario {
                let verdict = scenario(sim.clone()).await.into_verdict();
                let mut state = sim.shared.state.lock();
                if !state.over {
                    state.verdict = Some(verdict);
                    state.finish();
                }
            }
        }
    });
    driver.build();
    sim.finished().await;
    sim.close_books();
}

impl Sim {
    /// What is known at the end. Each poll takes a time that madsim draws, so that the last nanosecond says whether two runs took one
    /// path.
    fn close_books(&self) {
        let faults = self.fault_records();
        let sent = NetSim::current().stat().msg_count;
        self.count("messages", sent);
        self.shared.state.lock().faults = Some(faults);
        self.note(format_args!("end after {sent} messages, at {} ns", self.now().as_nanos()));
    }
}

fn record(name: &str, request: &RunRequest, sim: &Sim, ended: Ended) -> RunRecord {
    let mut record = RunRecord::new(name, request.seed);
    let mut state = sim.shared.state.lock();
    // After a panic the world that would count the hits is gone: what is known is what was known when faults ended.
    let known = state.faults.take();
    let faults = known.unwrap_or_else(|| state.storms.last_records());
    record.virtual_ns = u64::try_from(state.events.last.as_nanos()).unwrap_or(u64::MAX);
    record.counters = std::mem::take(&mut state.counters);
    record.plan = state.plan.as_ref().map(ToString::to_string).unwrap_or_default();
    record.features = std::mem::take(&mut state.features).into_iter().collect();
    record.sometimes = std::mem::take(&mut state.sometimes);
    record.families = state.choice.iter().flat_map(|c| c.families()).map(|f| f.to_string()).collect();
    let mut violations = std::mem::take(&mut state.violations).into_iter();
    let first = violations.next();
    let span = first.as_ref().or(state.verdict.as_ref().and_then(Verdict::evidence)).and_then(span_of);
    match (ended, first) {
        (Ended::Finished, None) => {
            let verdict = state.verdict.take().unwrap_or(Verdict::Pass);
            record.conclude(&verdict);
        }
        (_, Some(evidence)) => {
            record.conclude(&Verdict::Fail(evidence));
            if let Some(other) = state.verdict.take().as_ref().and_then(Verdict::evidence) {
                record.also(other);
            }
        }
        (Ended::Panicked(message), None) => ended_by(&mut record, message, request),
    }
    violations.for_each(|evidence| record.also(&evidence));
    record.digest = state.events.digest();
    let dropped = faults.iter().filter(|fault| fault.refused.is_some() && fault.begun_at.is_none()).count();
    if dropped > 0 && state.missing == Missing::Drop {
        record.counters.insert("faults that madsim cannot carry out".to_owned(), dropped as u64);
    }
    let nodes: Vec<NodeName> = state.books.names().cloned().collect();
    let at = state.violated_at.unwrap_or(state.events.last);
    let known = Faulted { at, nodes: &nodes, faults: &faults, budgets: &state.budgets, plan: state.plan.as_ref() };
    record.blame(span, &known);
    drop(state);
    record.take_faults(&faults);
    record
}

fn ended_by(record: &mut RunRecord, message: String, request: &RunRequest) {
    use stormglass_harness::Verdict as Outcome;
    (record.verdict, record.oracle) = if message.starts_with(TIME_IS_UP) {
        match request.until {
            Some(_) => (Outcome::Unknown, "stopped on request".to_owned()),
            None => (Outcome::Fail, "virtual time limit".to_owned()),
        }
    } else if message.starts_with(DEADLOCK) {
        (Outcome::Fail, "deadlock".to_owned())
    } else {
        (Outcome::Fail, "panic".to_owned())
    };
    record.evidence = message.lines().map(str::to_owned).collect();
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

fn write_trace(path: &Path, sim: &Sim) -> io::Result<()> {
    let lines = sim.shared.state.lock().events.lines.take().unwrap_or_default();
    fs::write(path, lines)
}
