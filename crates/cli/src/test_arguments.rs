//! What may be said to `test` and `cargo`, which work on any cargo project.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Args;
use stormglass_harness::SeedRange;

use crate::arguments::Format;

const TEST_HELP: &str = "\
Every `#[tokio::test]`, and every program with `#[tokio::main]` that `cargo test` would run, runs in a simulated world of
its own, once per seed: its tasks take turns in a random order, its timers, sockets and files are simulated, and the same
seed does the same again. A test that fails on some seeds only is reported as flaky, with the first failing seed and a
line to run just that one. Other tests run once, as they are, outside a simulation.

The project's manifests, sources and lock file stay as they are: it is built under `target/stormglass`, in a workspace of
links, with a tokio that stands in for the one in the lock file.

Examples:
  cargo stormglass test
  cargo stormglass test -p server --test api --seeds 0..1000
  cargo stormglass test reconnects --seeds 17..18 -- --exact";

#[derive(Debug, Args)]
#[command(after_help = TEST_HELP)]
pub(crate) struct TestArguments {
    /// Seeds of each test: A..B (B excluded), or N for 0..N.
    #[arg(long, value_name = "RANGE", default_value = "0..10")]
    pub(crate) seeds: SeedRange,
    /// Run each seed twice and compare: a seed that runs differently is reported, and the exit code is 103.
    #[arg(long)]
    pub(crate) check_determinism: bool,
    /// Virtual time that a test may take under one seed.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub(crate) time_limit: Duration,
    /// Wall-clock time that a test may take under one seed, such as `2m`. Past it the seed is Unknown.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    pub(crate) wall_limit: Duration,
    /// Test processes at a time [default: one per core].
    #[arg(long, value_name = "N")]
    pub(crate) test_jobs: Option<NonZeroUsize>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// The project's manifest [default: that of the current folder].
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Without the network: everything comes from cargo's registry cache.
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) cargo: CargoTestArguments,
    /// Only tests whose name contains this.
    #[arg(value_name = "TEST NAME")]
    pub(crate) filter: Option<String>,
    /// Arguments of the test harness: `--exact`, `--skip NAME`, `--include-ignored` …
    #[arg(last = true, value_name = "HARNESS ARGUMENTS")]
    pub(crate) harness: Vec<OsString>,
}

/// What `cargo test` is given as it is; `--package` and `--features` come from the options that all commands have.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Cargo")]
pub(crate) struct CargoTestArguments {
    /// All packages of the workspace.
    #[arg(long, visible_alias = "all")]
    pub(crate) workspace: bool,
    /// Not this package; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub(crate) exclude: Vec<String>,
    /// The library's tests.
    #[arg(long)]
    pub(crate) lib: bool,
    /// All binaries' tests.
    #[arg(long)]
    pub(crate) bins: bool,
    /// The tests of this binary; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub(crate) bin: Vec<String>,
    /// All test targets.
    #[arg(long)]
    pub(crate) tests: bool,
    /// This test target; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub(crate) test: Vec<String>,
    /// All examples' tests.
    #[arg(long)]
    pub(crate) examples: bool,
    /// The tests of this example; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub(crate) example: Vec<String>,
    /// All targets.
    #[arg(long)]
    pub(crate) all_targets: bool,
    /// Documentation tests alone.
    #[arg(long)]
    pub(crate) doc: bool,
    /// All features.
    #[arg(long)]
    pub(crate) all_features: bool,
    /// Not the default features.
    #[arg(long)]
    pub(crate) no_default_features: bool,
    /// Optimised.
    #[arg(short, long)]
    pub(crate) release: bool,
    /// The cargo profile.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Jobs of the compiler at a time.
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<String>,
}

impl CargoTestArguments {
    /// As words for cargo.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let switches = [
            ("--workspace", self.workspace),
            ("--lib", self.lib),
            ("--bins", self.bins),
            ("--tests", self.tests),
            ("--examples", self.examples),
            ("--all-targets", self.all_targets),
            ("--doc", self.doc),
            ("--all-features", self.all_features),
            ("--no-default-features", self.no_default_features),
            ("--release", self.release),
        ];
        let mut words: Vec<OsString> = switches.iter().filter(|(_, on)| *on).map(|(name, _)| name.into()).collect();
        let lists = [
            ("--exclude", self.exclude.as_slice()),
            ("--bin", &self.bin),
            ("--test", &self.test),
            ("--example", &self.example),
            ("--profile", self.profile.as_slice()),
            ("--jobs", self.jobs.as_slice()),
        ];
        for (name, values) in lists {
            words.extend(values.iter().flat_map(|value| [OsString::from(name), value.into()]));
        }
        words
    }
}

#[derive(Debug, Args)]
pub(crate) struct CargoArguments {
    /// The cargo command and its arguments, such as `test --test cluster` or `build --release`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct RunBinaryArguments {
    /// The binary, and what cargo would run it with.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}
