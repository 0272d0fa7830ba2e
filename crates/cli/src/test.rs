//! `test` and `cargo`: any cargo project against simulated tokio.

use std::{
    env,
    ffi::{OsStr, OsString},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
    thread::available_parallelism,
};

use stormglass_harness::Exit;
use stormglass_swap::{BinaryEnd, Outcome, Project, RUN_VARIABLE, RunOptions, Summary, Swap, SwapError, run_binary};
use stormglass_sys::process::reexec_without_aslr;

use crate::{
    arguments::{BuildArguments, Format},
    error::CliError,
    test_arguments::{CargoArguments, RunBinaryArguments, TestArguments},
    test_report,
};

/// The hidden command that cargo calls for each test binary.
pub(crate) const RUN_BINARY: &str = "run-test-binary";

impl From<SwapError> for CliError {
    fn from(error: SwapError) -> Self {
        let hint = error.hint();
        CliError::new(Exit::Setup, error).hint(hint)
    }
}

/// Runs the tests of a project, each under every seed.
pub(crate) fn test(build: &BuildArguments, arguments: &TestArguments) -> Result<Exit, CliError> {
    if arguments.seeds.is_empty() {
        return Err(CliError::new(Exit::NothingSelected, format_args!("no seed in {}", arguments.seeds)));
    }
    if arguments.seeds.end.is_none() {
        let hint = "give the range an end, as in `--seeds 0..1000`";
        return Err(CliError::usage(format_args!("{} never ends", arguments.seeds)).hint(hint));
    }
    // Test binaries inherit it: their addresses are then the same in every run.
    let _ = reexec_without_aslr();
    let project = Project::find(arguments.manifest_path.as_deref())?;
    let swap = Swap::prepare(&project, arguments.offline)?;
    let results = tempfile::tempdir()?;
    let options = RunOptions {
        seeds: arguments.seeds,
        time: arguments.time_limit,
        wall: arguments.wall_limit,
        jobs: arguments.test_jobs.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get),
        check_determinism: arguments.check_determinism,
        results: results.path().to_owned(),
    };
    let words = selection(build, arguments);
    // A test that fails must not keep the binaries after its own from being run.
    let mut asked: Vec<OsString> = vec!["--no-fail-fast".into()];
    asked.extend(words.iter().cloned());
    asked.extend(arguments.filter.as_ref().map(OsString::from));
    if arguments.format == Format::Json {
        asked.push("--quiet".into());
    }
    if !arguments.harness.is_empty() {
        asked.push("--".into());
        asked.extend(arguments.harness.iter().cloned());
    }
    let mut cargo = swap.cargo("test", &asked, Some(&runner()?));
    cargo.env(RUN_VARIABLE, options.to_text());
    cargo.env(QUIET_VARIABLE, if arguments.format == Format::Json { "1" } else { "" });
    if arguments.format == Format::Json {
        // Standard output is for the one value; what documentation tests print is not it.
        cargo.stdout(std::io::stderr());
    }
    let status =
        cargo.status().map_err(|error| CliError::new(Exit::Setup, format_args!("cannot run cargo: {error}")))?;
    let summary = Summary { binaries: options.reports()? };
    if !status.success() && summary.binaries.is_empty() {
        return Err(CliError::new(Exit::Setup, "the project cannot be built against simulated tokio")
            .hint("cargo's messages are above; if `cargo test` builds it, this is a gap in the simulation"));
    }
    let exit = summary.exit();
    let asked = test_report::Asked { words: &words, targets: &project.targets };
    match arguments.format {
        Format::Text => test_report::text(&summary, &asked),
        Format::Json => test_report::json(&summary, &asked)?,
    }
    // What cargo could not run beside the binaries (a documentation test, say) is a failure that it has told itself.
    Ok(if status.success() { exit } else { exit.worst(Exit::SeedFailed) })
}

/// What selects packages, targets, features and tests, as cargo and a line to copy name it.
fn selection(build: &BuildArguments, arguments: &TestArguments) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    for package in &build.package {
        words.extend(["--package".into(), package.into()]);
    }
    if !build.features.is_empty() {
        words.extend(["--features".into(), build.features.join(",").into()]);
    }
    words.extend(arguments.cargo.words());
    words.extend(arguments.offline.then(|| "--offline".into()));
    words
}

/// Runs any cargo command on a project with simulated tokio beneath.
pub(crate) fn cargo(arguments: &CargoArguments) -> Result<Exit, CliError> {
    let Some((subcommand, rest)) = arguments.command.split_first() else {
        return Err(CliError::usage("no cargo command"));
    };
    let offline = rest.iter().any(|word| word == "--offline");
    let swap = Swap::prepare(&Project::find(None)?, offline)?;
    let status = swap.cargo(&subcommand.to_string_lossy(), rest, None).status()?;
    std::process::exit(status.code().unwrap_or(i32::from(Exit::Setup.code())));
}

/// Set for runners that are to print nothing: the whole answer is one JSON value.
const QUIET_VARIABLE: &str = "STORMGLASS_TEST_QUIET";

fn runner() -> Result<Vec<String>, CliError> {
    let program = env::current_exe()?;
    let program = program.to_str().ok_or_else(|| CliError::new(Exit::Setup, "the path of this program is not text"))?;
    Ok(vec![program.to_owned(), RUN_BINARY.to_owned()])
}

/// What cargo runs in place of a test binary.
pub(crate) fn run_test_binary(arguments: &RunBinaryArguments) -> Result<Exit, CliError> {
    let Some((binary, rest)) = arguments.command.split_first() else { return Err(CliError::usage("no binary")) };
    let Some(options) = RunOptions::of_process() else {
        // Not one of ours: run it as cargo would.
        let status = Command::new(binary).args(rest).status()?;
        std::process::exit(status.code().unwrap_or(i32::from(Exit::Setup.code())));
    };
    let quiet = env::var_os(QUIET_VARIABLE).is_some_and(|value| value == OsStr::new("1"));
    let runner: Vec<OsString> = runner()?.into_iter().map(OsString::from).collect();
    let end = run_binary(&options, &runner, &absolute(Path::new(binary))?, rest, &|_, test| {
        if !quiet {
            test_report::line(test);
        }
    })?;
    match end {
        BinaryEnd::Ran(_) => Ok(Exit::Passed),
        BinaryEnd::Called(status) => std::process::exit(status.code().unwrap_or(FAILED)),
        BinaryEnd::Documentation(report) => {
            // rustdoc shows what was printed where it is not what it expected.
            test_report::example(&report);
            let passed = report.tests.iter().all(|test| test.outcome() == Outcome::Passed);
            std::process::exit(if passed { 0 } else { FAILED });
        }
    }
}

/// How a program ends that panicked: what rustdoc and its harness take for a failed test.
const FAILED: i32 = 101;

fn absolute(binary: &Path) -> Result<PathBuf, CliError> {
    binary.canonicalize().map_err(|error| CliError::new(Exit::Setup, format_args!("{}: {error}", binary.display())))
}
