//! Runs one scenario once: seals the thread, builds the world, and writes the record.

use std::future::Future;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;
use std::sync::Once;

use stormglass_disk::{Disk, DiskOptions};
use stormglass_harness as harness;
use stormglass_harness::{IntoOutcome, Refusal, RunRecord, RunRequest, ScenarioDef, Seed, TraceError, TraceLines};
use stormglass_kernel as kernel;
use stormglass_kernel::{Options, Override, Simulation, VirtualTime};
use stormglass_net::Net;
use stormglass_program as program;
use stormglass_sys::{process, seal};
use stormglass_tokio::support::SURROUNDINGS;

use crate::capture_file::CaptureFile;
use crate::logs;
use crate::properties::{Heard, Properties};
use crate::record;
use crate::sim::{Sim, TASK_STACK_BYTES};
use crate::trace_file::{self, TraceWriter};

/// Parameters of a run that the runner itself reads; all others belong to the scenario.
const POLICY: &str = "policy";
/// A file for a capture of every packet, in the format pcapng.
const PCAP: &str = "pcap";

/// Runs `scenario` as `request` says, on a sealed thread of its own. Called by what the `scenario` attribute makes.
///
/// # Errors
/// A [`Refusal`] where the request asks for something that does not exist or cannot be read.
pub fn run_scenario<S, F>(def: &ScenarioDef, request: &RunRequest, scenario: S) -> Result<RunRecord, Refusal>
where
    S: FnOnce(Sim) -> F + Send + 'static,
    F: Future<Output: IntoOutcome> + 'static,
{
    let (name, properties, request) = (def.name, def.defaults.properties, request.clone());
    let logs =
        request.logs.as_deref().map(logs::subscriber).transpose().map_err(|error| {
            refusal(format!("the log filter cannot be read: {error}"), "as in chainfire=debug,info")
        })?;
    let ran = seal::on_fresh_thread(TASK_STACK_BYTES, move || match logs {
        Some(logs) => tracing::dispatcher::with_default(&logs, || run_here(name, properties, request, scenario)),
        None => run_here(name, properties, request, scenario),
    });
    ran.map_err(|error| Refusal {
        what: format!("no thread for the simulation: {error}"),
        hint: "free memory or raise the limit on threads".to_owned(),
    })?
}

/// Runs an empty scenario, so that a process which forks off its cases has done once what every run needs: each case would
/// else ask anew what the processor can do, at a tenth of a millisecond in a virtual machine.
pub fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let request = RunRequest::new(Seed(0), harness::Limits::default());
        // One that cannot run now says why when a case is asked for.
        let _ = seal::on_fresh_thread(TASK_STACK_BYTES, move || run_here("", &[], request, async |_| {}));
    });
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

fn run_here<S, F>(
    name: &'static str,
    properties: &'static [&'static str],
    request: RunRequest,
    scenario: S,
) -> Result<RunRecord, Refusal>
where
    S: FnOnce(Sim) -> F + 'static,
    F: Future<Output: IntoOutcome> + 'static,
{
    let overrides = request.overrides.iter().map(|line| Override::from_str(line)).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(|error| refusal(error.to_string(), "`trace` shows the keys of decisions"))?;
    let seed = request.seed;
    let mut options = Options::new(seed.0);
    let mut chosen = None;
    if let Some(policy) = request.params.get(POLICY) {
        let (policy, word) = kernel::policy_by_name(policy, seed.0).ok_or_else(|| {
            let hint = format!("the policies are {}", kernel::POLICIES);
            refusal(format!("no scheduling policy `{policy}`"), &hint)
        })?;
        options.policy = policy;
        chosen = Some(format!("policy {word}"));
    }
    options.overrides = overrides;
    options.limits = limits(&request);
    options.on_poll = Some(poll_begins);
    options.on_polled = Some(program::leaked);
    options.on_switch = Some(program::switch);
    let mut problem = None;
    if let Some(path) = &request.trace_to {
        let (writer, told) = TraceWriter::create(path, name, seed.to_string(), Vec::new())
            .map_err(|error| refusal(error, "name a file in a folder that exists and has space"))?;
        options.trace = Some(Box::new(writer));
        problem = Some(told);
    }
    let sim = Sim::new(request.clone(), seed);
    chosen.iter().for_each(|policy| sim.feature(policy));
    let inside = sim.clone();
    let mut simulation = Simulation::new(options);
    simulation.universe().set_thread_spawner(program::spawn_node_thread);
    simulation.universe().set_on_hand_back(program::leaked_by_thread);
    let mut net = Net::default();
    if let Some(path) = request.params.get(PCAP) {
        let captured = CaptureFile::create(Path::new(path)).and_then(|file| net.capture(Box::new(file)));
        captured.map_err(|error| {
            refusal(format!("cannot write the capture to {path}: {error}"), "name a file in a folder that exists")
        })?;
    }
    simulation.universe().insert(net);
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    simulation.universe().insert(Properties::new(sim.clone()));
    let at_end = sim.clone();
    simulation.set_at_end(move || {
        let faults = at_end.fault_records();
        let problem = at_end.capture_problem();
        let heard = Heard::of(properties);
        let mut state = at_end.shared.state.lock();
        state.faults = faults;
        state.capture_problem = problem;
        state.heard = heard;
    });
    let watching = watch(&request)?;
    let report = {
        let _watching = watching;
        let _sealed = program::seal_thread(seed.0);
        let _traps = request.traps.then(|| seal::arm_traps(None));
        SURROUNDINGS.run(|| simulation.run(async move { scenario(inside).await.into_verdict() }))
    };
    if let Some(problem) = problem.and_then(|told| told.lock().take()) {
        return Err(refusal(problem, "name a file in a folder that has space"));
    }
    if let Some(problem) = sim.shared.state.lock().capture_problem.take() {
        return Err(refusal(format!("the capture is not whole: {problem}"), "name a file in a folder that has space"));
    }
    if let Some(refusal) = sim.shared.state.lock().refusal.take() {
        return Err(refusal);
    }
    if let Some(id) = request.drop.first().filter(|_| sim.shared.state.lock().plan.is_none()) {
        return Err(refusal(format!("no fault `{id}` to leave out: this scenario draws no plan"), "leave out --drop"));
    }
    if !report.unused_overrides.is_empty() {
        return Err(refusal(
            format!("no decision has the key of: {}", report.unused_overrides.join("; ")),
            "the seed, the scenario or the code has changed, or the key is misspelt",
        ));
    }
    let mut record = record::record(name, &request, &sim, report);
    // A run that is not causally stable for them says so.
    for library in program::shared_and_used() {
        record.counters.insert(format!("shared by nodes: {library}"), 1);
    }
    Ok(record)
}

/// Before each poll: a cooperative budget for it, and word to the watchdog.
fn poll_begins() {
    (SURROUNDINGS.before_poll)();
    process::watchdog::poll_begins();
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
