//! `run` and `replay`: one seed, its verdict, and what it cost.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use stormglass_harness::{
    CaseReport, DeterminismCheck, Exit, FailureBlock, Limits, PinnedSeed, RunRequest, Seed, SeedRecord, Status, Worker,
    WorkerError, read_seeds, virtual_time,
};

use crate::{
    arguments::{BuildArguments, Format, LimitArguments, ReplayArguments, RequestArguments, RunArguments},
    error::CliError,
    fleet::{Fleet, Member},
    render::{self, COMMAND, DIM, LABEL, NAME},
};

pub(crate) fn run(build: &BuildArguments, arguments: &RunArguments) -> Result<Exit, CliError> {
    let fleet = Fleet::assemble(build)?;
    let member = fleet.find(&arguments.scenario)?;
    let limits = limits(&member.info.limits, &arguments.limits);
    let request = request(build, arguments.seed, limits, &arguments.request);
    let check = arguments.check_determinism.then(|| DeterminismCheck::new(fleet.workspace.output.join("traces")));
    let report = case(&fleet, member, &request, false, check.as_ref())?;
    show(member, &request, &report, arguments.format);
    if arguments.check_determinism && report.status == Status::Pass && arguments.format == Format::Text {
        anstream::println!("  {LABEL}{:<11}{LABEL:#}both runs have this digest", "repeatable");
    }
    Ok(exit(report.status))
}

pub(crate) fn replay(build: &BuildArguments, arguments: &ReplayArguments) -> Result<Exit, CliError> {
    let (scenario, entries) = target(arguments)?;
    let plan = arguments.plan.as_deref().map(read_plan).transpose()?;
    let fleet = Fleet::assemble(build)?;
    let member = fleet.find(&scenario)?;
    let mut worst = Exit::Passed;
    for entry in entries {
        let mut request =
            request(build, entry.seed, limits(&member.info.limits, &arguments.limits), &arguments.request);
        request.overrides.splice(..0, entry.overrides);
        request.drop.splice(..0, entry.drop);
        // What the command line says wins over what the file says.
        request.params = entry.params.into_iter().chain(request.params).collect();
        request.logs = (arguments.logs != "off").then(|| arguments.logs.clone());
        request.until = arguments.until;
        request.plan = plan.clone();
        request.trace_to = arguments.trace.as_deref().map(std::path::absolute).transpose()?;
        let report = case(&fleet, member, &request, true, None)?;
        show(member, &request, &report, arguments.format);
        worst = worst.worst(exit(report.status));
    }
    Ok(worst)
}

/// What to replay: the scenario, and the seeds with what belongs to them.
fn target(arguments: &ReplayArguments) -> Result<(String, Vec<PinnedSeed>), CliError> {
    let path = Path::new(&arguments.target);
    let is_file = path.extension().is_some_and(|extension| extension == "toml") || path.is_file();
    if !is_file {
        let seed = arguments.seed.ok_or_else(|| {
            CliError::usage("which seed? a scenario is replayed with --seed")
                .hint(format_args!("cargo stormglass replay {} --seed 1", arguments.target))
        })?;
        return Ok((arguments.target.clone(), vec![PinnedSeed::new(seed)]));
    }
    let mut entries = read_seeds(path)?.ok_or_else(|| CliError::usage(format_args!("no file {}", path.display())))?;
    if let Some(seed) = arguments.seed {
        entries.retain(|entry| entry.seed == seed);
    }
    if entries.is_empty() {
        return Err(CliError::new(Exit::NothingSelected, format_args!("{} has no such seed", path.display())));
    }
    let scenario = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((scenario, entries))
}

fn read_plan(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| CliError::usage(format_args!("--plan {}: {error}", path.display())))
}

/// The request that the command line spells.
pub(crate) fn request(build: &BuildArguments, seed: Seed, limits: Limits, arguments: &RequestArguments) -> RunRequest {
    let mut request = RunRequest::new(seed, limits);
    request.overrides = arguments.set.iter().map(|(key, value)| format!("{key}={value}")).collect();
    request.drop = arguments.drop.clone();
    request.params = params(build, &arguments.param, arguments.profile.as_deref());
    request
}

/// The parameters that the command line spells.
pub(crate) fn params(
    build: &BuildArguments,
    param: &[(String, String)],
    profile: Option<&str>,
) -> BTreeMap<String, String> {
    let mut params: BTreeMap<String, String> = param.iter().cloned().collect();
    if let Some(planted) = &build.planted {
        params.insert("planted".to_owned(), planted.clone());
    }
    if let Some(profile) = profile {
        params.insert("profile".to_owned(), profile.to_owned());
    }
    params
}

/// The scenario's limits with what the command line changes of them.
pub(crate) fn limits(defaults: &Limits, arguments: &LimitArguments) -> Limits {
    Limits {
        virtual_time: arguments.time_limit.unwrap_or(defaults.virtual_time),
        events: arguments.event_limit.unwrap_or(defaults.events),
        polls: arguments.poll_limit.unwrap_or(defaults.polls),
        events_per_instant: defaults.events_per_instant,
        poll_cpu: arguments.poll_cpu_limit.unwrap_or(defaults.poll_cpu),
        wall: arguments.wall_limit.unwrap_or(defaults.wall),
        memory_bytes: arguments.memory_limit.map_or(defaults.memory_bytes, |mib| mib.saturating_mul(1 << 20)),
    }
}

/// Runs one case in a worker of its own, and once more where the machine stopped the first.
fn case(
    fleet: &Fleet,
    member: &Member,
    request: &RunRequest,
    echo: bool,
    check: Option<&DeterminismCheck>,
) -> Result<CaseReport, CliError> {
    let name = &member.info.name;
    let once = || -> Result<CaseReport, WorkerError> {
        let mut worker = Worker::start(&fleet.command(member))?;
        let ran = worker.run(name, request, echo).and_then(|report| match check {
            Some(check) => check.compare(&mut worker, name, request, report),
            None => Ok(report),
        });
        match ran {
            Err(WorkerError::Died { how }) => Ok(how.report(name, request)),
            answer => answer,
        }
    };
    let first = once()?;
    if first.wants_retry() { Ok(CaseReport { retried: true, ..once()? }) } else { Ok(first) }
}

fn exit(status: Status) -> Exit {
    match status {
        Status::Pass => Exit::Passed,
        Status::Fail => Exit::SeedFailed,
        Status::Unknown | Status::Killed => Exit::Incomplete,
        Status::Nondeterministic => Exit::Nondeterminism,
    }
}

fn show(member: &Member, request: &RunRequest, report: &CaseReport, format: Format) {
    match format {
        Format::Json => anstream::println!("{:#}", json!({ "request": request, "report": report })),
        Format::Text => show_text(member, request, report),
    }
}

fn show_text(member: &Member, request: &RunRequest, report: &CaseReport) {
    let run = &report.record;
    if report.status == Status::Pass {
        let good = render::of_status(report.status);
        let time = virtual_time(run.virtual_ns);
        anstream::println!(
            "{good}PASS{good:#} {NAME}{}{NAME:#} seed {} in {time} of virtual time",
            member.info.name,
            run.seed
        );
    } else {
        let record = SeedRecord::new(report, 0);
        let hints = &member.binary.hints;
        let block = FailureBlock { scenario: &member.info.name, record: &record, asked: request.into(), hints };
        anstream::print!("{}", block.render(&render::block_styles(report.status)));
    }
    let row = |label: &str, text: &str| anstream::println!("  {LABEL}{label:<11}{LABEL:#}{text}");
    row("digest", if run.digest.is_empty() { "(none)" } else { &run.digest });
    let mut cost = format!("{} of CPU", render::seconds(run.cpu_ns as f64 / 1e9));
    if run.cpu_ns > 0 && run.virtual_ns > 0 {
        cost.push_str(&format!(", {:.0} times as fast as the clock", run.virtual_ns as f64 / run.cpu_ns as f64));
    }
    if report.max_rss_bytes > 0 {
        cost.push_str(&format!(", {}", render::mebibytes(report.max_rss_bytes)));
    }
    row("cost", &cost);
    if !run.counters.is_empty() {
        let counters: Vec<String> =
            run.counters.iter().map(|(name, value)| format!("{} {name}", render::count(u128::from(*value)))).collect();
        row("counted", &counters.join(", "));
    }
    if report.status == Status::Pass {
        for (index, fault) in run.faults.iter().enumerate() {
            let effect =
                if fault.vacuous { "VACUOUS: it hit nothing".to_owned() } else { format!("hit {}", fault.hits) };
            row(if index == 0 { "faults" } else { "" }, &format!("{} {DIM}{}{DIM:#} ({effect})", fault.id, fault.text));
        }
    }
    if let Some(path) = &request.trace_to {
        row("trace", &format!("{COMMAND}cargo stormglass trace {} {}{COMMAND:#}", member.info.name, path.display()));
    }
}
