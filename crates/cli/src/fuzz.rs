//! `fuzz`: campaigns, one scenario after the other.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use serde_json::json;
use stormglass_harness::{Campaign, Ended, Exit, SeedRange, binary_identity, default_name};

use crate::{
    arguments::{BuildArguments, Format, FuzzArguments},
    error::CliError,
    fleet::{Fleet, Member},
    progress::Progress,
    render::COMMAND,
    run::{limits, params},
    summary,
};

/// Seeds of a campaign that was given neither seeds nor a budget.
const SEEDS_DEFAULT: u64 = 1_000;

pub(crate) fn fuzz(build: &BuildArguments, arguments: &FuzzArguments) -> Result<Exit, CliError> {
    if arguments.seeds.is_some_and(|seeds| seeds.is_empty()) {
        return Err(CliError::new(Exit::NothingSelected, "the range of seeds is empty"));
    }
    if arguments.seeds.is_some_and(|seeds| seeds.end.is_none()) && arguments.budget.is_none() {
        return Err(CliError::usage("a range of seeds without an end needs a --budget"));
    }
    stormglass_sys::process::install_interrupt_flag()
        .map_err(|error| CliError::new(Exit::Setup, format_args!("cannot handle Ctrl-C: {error}")))?;
    let fleet = Fleet::assemble(build)?;
    let members: Vec<&Member> = match &arguments.scenarios[..] {
        [] => fleet.members.iter().collect(),
        names => names.iter().map(|name| fleet.find(name)).collect::<Result<_, _>>()?,
    };
    if members.is_empty() {
        return Err(CliError::new(Exit::NothingSelected, "the scenario binaries have no scenario"));
    }
    let mut exit = Exit::Passed;
    let mut summaries = Vec::new();
    for member in &members {
        let campaign = campaign(&fleet, build, arguments, member, members.len())?;
        let mut progress = Progress::new();
        let interrupted = || stormglass_sys::process::interrupted().is_some();
        let outcome = campaign.run(&mut progress, &interrupted)?;
        drop(progress);
        exit = exit.worst(outcome.exit());
        match arguments.format {
            Format::Text => anstream::print!("{}", summary::text(&campaign, &outcome, member)),
            Format::Json => summaries.push(summary::json(&campaign, &outcome)),
        }
        if outcome.ended == Ended::Interrupted {
            anstream::eprintln!(
                "interrupted; the same command goes on from here: {COMMAND}{}{COMMAND:#}",
                command_line()
            );
            break;
        }
        if arguments.fail_fast && outcome.exit() != Exit::Passed {
            break;
        }
    }
    if arguments.format == Format::Json {
        anstream::println!("{:#}", json!({ "exit": exit.code(), "campaigns": summaries }));
    }
    Ok(exit)
}

fn campaign(
    fleet: &Fleet,
    build: &BuildArguments,
    arguments: &FuzzArguments,
    member: &Member,
    scenarios: usize,
) -> Result<Campaign, CliError> {
    let params = params(build, &arguments.param, arguments.profile.as_deref());
    let name = match &arguments.name {
        Some(name) if name.contains(['/', '\\']) || name.starts_with('.') || name.is_empty() => {
            return Err(CliError::usage("--name is the name of one folder: without slashes, not beginning with a dot"));
        }
        Some(name) if scenarios > 1 => format!("{name}-{}", member.info.name),
        Some(name) => name.clone(),
        None => {
            let identity = binary_identity(&member.binary.path).map_err(|error| {
                CliError::new(Exit::Setup, format_args!("cannot read {}: {error}", member.binary.path.display()))
            })?;
            default_name(&member.info.name, &params, &identity)
        }
    };
    let campaigns: PathBuf =
        arguments.campaigns_dir.clone().unwrap_or_else(|| fleet.workspace.output.join("campaigns"));
    let seeds = arguments.seeds.unwrap_or(match arguments.budget {
        Some(_) => SeedRange { first: 0, end: None },
        None => SeedRange { first: 0, end: Some(SEEDS_DEFAULT) },
    });
    let share = |budget: Duration| budget / u32::try_from(scenarios).unwrap_or(u32::MAX);
    let cores = stormglass_sys::process::available_cores();
    Ok(Campaign {
        worker: fleet.command(member),
        scenario: member.info.name.clone(),
        limits: limits(&member.info.limits, &arguments.limits),
        params,
        seeds,
        budget: arguments.budget.map(share),
        jobs: arguments.jobs.unwrap_or(cores.max(NonZeroUsize::MIN)),
        failures_max: if arguments.fail_fast { Some(1) } else { arguments.max_failures },
        sometimes_within: member.info.sometimes_within,
        check_every: arguments.check_determinism.map(std::num::NonZeroU64::get),
        folder: campaigns.join(name),
        fresh: arguments.fresh,
    })
}

/// The command line as it was given, for the hint to run it again. `--fresh` would undo what it is meant to keep.
fn command_line() -> String {
    let words = std::env::args().skip(1).filter(|word| word != "stormglass" && word != "--fresh");
    format!("cargo stormglass {}", words.collect::<Vec<_>>().join(" "))
}
