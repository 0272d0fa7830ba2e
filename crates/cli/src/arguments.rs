//! What may be said on the command line. Help texts are snapshots in the tests: they are part of the product.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use stormglass_harness::{Exit, IsolationKind, Seed, SeedError, SeedRange};

use crate::test_arguments::{CargoArguments, RunBinaryArguments, TestArguments};

/// Deterministic simulation testing for tokio services: list, run, fuzz, replay and pin scenarios.
#[derive(Debug, Parser)]
#[command(name = "cargo stormglass", bin_name = "cargo stormglass", version, after_long_help = exit_codes())]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) build: BuildArguments,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where scenarios come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scenarios")]
pub(crate) struct BuildArguments {
    /// Only scenarios of this package; may be given more than once.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) package: Vec<String>,
    /// Cargo features to build the scenarios with, separated by commas.
    #[arg(short = 'F', long, global = true, value_name = "LIST", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
    /// Switch on one planted bug; the scenarios are built with the feature `planted`.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) planted: Option<String>,
    /// Which cargo profile the scenarios are built with.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "PROFILE")]
    pub(crate) profile_build: BuildProfile,
    /// Build the scenarios with simulated tokio beneath every crate, also those that name tokio themselves.
    #[arg(long, global = true)]
    pub(crate) swapped: bool,
    /// Use this scenario binary and build nothing; may be given more than once.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) binary: Vec<PathBuf>,
    /// Folder of the seeds files [default: `seeds` at the workspace's root].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) seeds_dir: Option<PathBuf>,
    /// How seeds are kept apart: a forked process each, or a thread each (not sealed against statics).
    #[arg(long, global = true, value_name = "KIND", default_value = "fork")]
    pub(crate) isolation: IsolationKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuildProfile {
    /// Optimised: what campaigns want.
    #[default]
    Release,
    /// With debug assertions and overflow checks.
    Dev,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes this the choice of everything that is printed from here on.
    pub(crate) fn write_global(self) {
        match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value on standard output.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List scenarios, with their seeds, profiles and fault families.
    #[command(visible_alias = "ls")]
    List(ListArguments),
    /// Run one seed of a scenario: its verdict and statistics.
    Run(RunArguments),
    /// Run many seeds in worker processes: a campaign, resumable, with progress.
    Fuzz(FuzzArguments),
    /// Run a seed again with logs on, whole or changed in one thing.
    Replay(ReplayArguments),
    /// Keep a seed in the seeds file of its scenario.
    Pin(PinArguments),
    /// Check a history file against a model, without any simulation.
    Check(CheckArguments),
    /// Print a trace file, one event a line.
    Trace(TraceArguments),
    /// Run the tests of any cargo project in simulated worlds, once per seed, without changing the project.
    Test(TestArguments),
    /// Run any cargo command on a project with simulated tokio beneath it, without changing the project.
    Cargo(CargoArguments),
    /// What cargo calls for each test binary.
    #[command(name = crate::test::RUN_BINARY, hide = true)]
    RunTestBinary(RunBinaryArguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only scenarios whose name contains this.
    pub(crate) filter: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// What changes a run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The run")]
pub(crate) struct RequestArguments {
    /// Pin one decision by its key; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Leave this fault out of the plan; may be given more than once.
    #[arg(long, value_name = "FAULT")]
    pub(crate) drop: Vec<String>,
    /// A named parameter; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) param: Vec<(String, String)>,
    /// The fault profile: short for `--param profile=NAME`.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// What a run may cost.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Limits per seed")]
pub(crate) struct LimitArguments {
    /// Virtual time, such as `90s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) time_limit: Option<Duration>,
    /// Events.
    #[arg(long, value_name = "COUNT")]
    pub(crate) event_limit: Option<u64>,
    /// Polls of tasks.
    #[arg(long, value_name = "COUNT")]
    pub(crate) poll_limit: Option<u64>,
    /// CPU time of one poll, such as `2s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) poll_cpu_limit: Option<Duration>,
    /// Wall-clock time, such as `2m`. Past it a seed is Unknown.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) wall_limit: Option<Duration>,
    /// Memory in MiB. Past it a seed is Unknown.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory_limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The scenario.
    pub(crate) scenario: String,
    /// The seed: decimal, hex or a git hash.
    #[arg(long, value_name = "SEED", default_value = "1", value_parser = seed)]
    pub(crate) seed: Seed,
    /// Run it twice, compare digests, and show the first event in which the runs differ.
    #[arg(long)]
    pub(crate) check_determinism: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The scenario, or a seeds file whose seeds are replayed with their overrides.
    #[arg(value_name = "SCENARIO|FILE")]
    pub(crate) target: String,
    /// The seed: decimal, hex or a git hash. Needed with a scenario; picks one entry of a file.
    #[arg(long, value_name = "SEED", value_parser = seed)]
    pub(crate) seed: Option<Seed>,
    /// Which log lines to show, in the syntax of RUST_LOG; `off` for none.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub(crate) logs: String,
    /// Stop at this virtual time, such as `12s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) until: Option<Duration>,
    /// Use this fault plan in place of the drawn one.
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Write the trace of the run to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct FuzzArguments {
    /// The scenarios [default: all].
    pub(crate) scenarios: Vec<String>,
    /// Seeds of each scenario: A..B, A.., or N for 0..N [default: 0..1000, or all there are within --budget].
    #[arg(long, value_name = "RANGE")]
    pub(crate) seeds: Option<SeedRange>,
    /// Wall time for the whole campaign, all attempts together, such as `10m` or `8h`; shared evenly among scenarios.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) budget: Option<Duration>,
    /// Worker processes [default: one per core].
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Stop after this many failed seeds.
    #[arg(long, value_name = "N")]
    pub(crate) max_failures: Option<u64>,
    /// Stop after the first failed seed.
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) fail_fast: bool,
    /// Run every K-th seed twice and compare digests.
    #[arg(long, value_name = "K", num_args = 0..=1, default_missing_value = "1")]
    pub(crate) check_determinism: Option<std::num::NonZeroU64>,
    /// Name of the campaign [default: from scenario, parameters and binary].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Forget what earlier attempts did.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Folder of all campaigns [default: `stormglass/campaigns` in the target folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) campaigns_dir: Option<PathBuf>,
    /// Output format of the summary.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// A named parameter; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) param: Vec<(String, String)>,
    /// The fault profile: short for `--param profile=NAME`.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PinArguments {
    /// The scenario.
    pub(crate) scenario: String,
    /// The seed: decimal, hex or a git hash.
    #[arg(long, value_name = "SEED", value_parser = seed)]
    pub(crate) seed: Seed,
    /// Why it is kept.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
    /// What the seed is expected to come to from now on.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) expect: Expect,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expect {
    /// It passes, or will once its bug is fixed.
    #[default]
    Pass,
    /// It fails: a known or planted bug.
    Fail,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The history file, or the folder of a report of etcd's robustness tests.
    pub(crate) file: PathBuf,
    /// The model to check against: kv, cas-register, queue, stack, set, counter, lock, log, semaphore, bank, block-device,
    /// stale-register, etcd, list-append or rw-register.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: String,
    /// The format of the file: json-lines, jepsen, porcupine, edn or etcd [default: as its content says].
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Check the modification revisions of a key-value history, too.
    #[arg(long)]
    pub(crate) revisions: bool,
    /// What keys of a key-value history, or a register, hold that nobody wrote [default: nothing].
    #[arg(long, value_name = "VALUE")]
    pub(crate) initial: Option<String>,
    /// How many permits a semaphore has.
    #[arg(long, value_name = "N")]
    pub(crate) permits: Option<u32>,
    /// How many of the last values the reads of a stale register may see; 1 is a plain register.
    #[arg(long, value_name = "N")]
    pub(crate) versions: Option<usize>,
    /// What an account of a bank holds at first, once for each.
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = account)]
    pub(crate) account: Vec<(String, u64)>,
    /// Sectors that a block device is writing while the power goes may hold a mixture.
    #[arg(long)]
    pub(crate) tears: bool,
    /// A write of several sectors of a block device is one of each of them.
    #[arg(long)]
    pub(crate) sector_by_sector: bool,
    /// The isolation level that transactions are held to.
    #[arg(long, value_name = "LEVEL", default_value = "strict-serializable")]
    pub(crate) level: String,
    /// Say why: the order found, or why each operation of the evidence cannot come next.
    #[arg(long)]
    pub(crate) explain: bool,
    /// For programs: one JSON value on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// How many steps the search may take before the verdict is unknown.
    #[arg(long, value_name = "STEPS", default_value_t = stormglass_check::Budget::PATIENT.steps)]
    pub(crate) budget: u64,
    /// How many bytes the search's tables may take.
    #[arg(long, value_name = "BYTES", default_value_t = stormglass_check::Budget::PATIENT.bytes)]
    pub(crate) memory: u64,
    /// Draw the history as an HTML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
}

fn account(text: &str) -> Result<(String, u64), String> {
    let (name, amount) = text.split_once('=').ok_or("expected NAME=AMOUNT, such as a=100")?;
    Ok((name.to_owned(), amount.parse().map_err(|error| format!("the amount {amount:?}: {error}"))?))
}

#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// The scenario that wrote it.
    pub(crate) scenario: String,
    /// The trace file.
    pub(crate) file: PathBuf,
}

/// The arguments without the word that cargo puts in front when it calls `cargo-stormglass`.
pub(crate) fn without_cargo_word(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_some_and(|word| word == "stormglass") {
        arguments.remove(1);
    }
    arguments
}

fn seed(text: &str) -> Result<Seed, String> {
    text.parse().map_err(|error: SeedError| {
        format!("{error}\n  a seed is a decimal number, 0x and hex digits, 16 hex digits as printed, or the 40 of a git commit")
    })
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn exit_codes() -> String {
    let mut text = "Exit codes:".to_owned();
    for exit in Exit::ALL {
        text.push_str(&format!("\n  {:>3}  {}", exit.code(), exit.meaning()));
    }
    text
}
