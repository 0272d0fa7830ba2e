//! All tests of one binary, under all seeds: what cargo's runner does in place of running the binary.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stormglass_harness::{Seed, SeedRange};

use crate::documentation;
use crate::error::SwapError;
use crate::files;
use crate::listing::{self, Listed, Listing};
use crate::report::{BinaryReport, SeedEnd, TestKind, TestReport, Verdict};
use crate::run::{Launcher, Ran, target_name};

/// How the runner learns what it was asked: [`RunOptions`] as JSON.
pub const RUN_VARIABLE: &str = "STORMGLASS_TEST_RUN";

/// What a run of tests was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// The seeds of each test.
    pub seeds: SeedRange,
    /// The most virtual time of one seed.
    pub time: Duration,
    /// The most wall-clock time of one seed. Past it the seed is Unknown.
    pub wall: Duration,
    /// How many processes run at a time.
    pub jobs: usize,
    /// Whether each seed runs twice, to compare.
    pub check_determinism: bool,
    /// The folder for reports.
    pub results: PathBuf,
}

impl RunOptions {
    /// What this process was asked, if it is a runner.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        serde_json::from_str(&env::var(RUN_VARIABLE).ok()?).ok()
    }

    /// As text for [`RUN_VARIABLE`].
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The reports that runners have left in the folder, in order.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn reports(&self) -> Result<Vec<BinaryReport>, SwapError> {
        let mut reports = Vec::new();
        while let path = self.report(reports.len())
            && path.is_file()
        {
            let report = serde_json::from_str(&files::text(&path)?);
            let report = report.map_err(|error| SwapError::File { doing: "read", path, source: error.into() })?;
            reports.push(report);
        }
        Ok(reports)
    }

    fn report(&self, index: usize) -> PathBuf {
        self.results.join(format!("binary-{index:04}.json"))
    }

    /// Leaves a report behind those that are there. Documentation tests run at the same time: whoever comes first takes
    /// the place.
    fn leave(&self, report: &BinaryReport) -> Result<(), SwapError> {
        let text = serde_json::to_string(report).unwrap_or_default();
        let whole = self.results.join(format!("report-of-{}", process::id()));
        files::write(&whole, text)?;
        for path in (0..).map(|index| self.report(index)) {
            match fs::hard_link(&whole, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                linked => return linked.map_err(SwapError::file("write", &path)),
            }
        }
        Ok(())
    }
}

/// What became of a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BinaryEnd {
    /// Its tests ran, and left this report.
    Ran(BinaryReport),
    /// A program from documentation ran, and left this report, whose judge is rustdoc.
    Documentation(BinaryReport),
    /// rustdoc's own harness ran, and called for each of its tests.
    Called(ExitStatus),
}

/// Runs the tests of `binary` that `arguments` (those of its harness) select, each under every seed, and leaves a report in
/// the folder of results. `ended` is told of each test at its end. `runner` is how this is called for a binary: a program,
/// and what stands before the binary.
///
/// # Errors
/// The binary cannot be run, or the report not be written.
pub fn run_binary(
    options: &RunOptions,
    runner: &[OsString],
    binary: &Path,
    arguments: &[OsString],
    ended: &(dyn Fn(&BinaryReport, &TestReport) + Sync),
) -> Result<BinaryEnd, SwapError> {
    fs::create_dir_all(&options.results).map_err(SwapError::file("make", &options.results))?;
    if documentation::is_merged(binary)? {
        return documentation::run_merged(binary, runner).map(BinaryEnd::Called);
    }
    let launcher = Launcher {
        binary: binary.to_owned(),
        ended: options.results.join(format!("account-of-{}", process::id())),
        time: options.time,
        wall: options.wall,
    };
    let package = env::var("CARGO_PKG_NAME").ok();
    let mut report = BinaryReport { package, target: target_name(binary), documentation: false, tests: Vec::new() };
    let all =
        |name: String, arguments: &[OsString]| Job { name, arguments: arguments.to_vec(), ignored: false, lone: true };
    if documentation::is_documentation(binary) {
        report.documentation = true;
        DOCUMENTATION.clone_into(&mut report.target);
        let job = all(DOCUMENTATION_TEST.to_owned(), &[]);
        report.tests = run_all(options, &launcher, &[job], &|_| {})?;
        options.leave(&report)?;
        return Ok(BinaryEnd::Documentation(report));
    }
    let jobs: Vec<Job> = match listing::list(&launcher, arguments)? {
        Listing::Tests(tests) => tests.into_iter().map(Job::of_test).collect(),
        Listing::Main(name) | Listing::Other(name) => vec![all(name, arguments)],
    };
    report.tests = run_all(options, &launcher, &jobs, &|test| ended(&report, test))?;
    options.leave(&report)?;
    Ok(BinaryEnd::Ran(report))
}

/// What documentation is called among targets.
const DOCUMENTATION: &str = "the documentation";

/// rustdoc tells nobody but its own harness which example a program comes from.
const DOCUMENTATION_TEST: &str = "an example";

/// A test to run.
struct Job {
    name: String,
    arguments: Vec<OsString>,
    ignored: bool,
    /// The binary is one program.
    lone: bool,
}

impl Job {
    fn of_test(test: Listed) -> Self {
        let words = ["--exact", "--nocapture", "--include-ignored", "--test-threads", "1"].map(OsString::from);
        let arguments = std::iter::once(OsString::from(&test.name)).chain(words).collect();
        Self { name: test.name, arguments, ignored: test.ignored, lone: false }
    }

    fn run(&self, options: &RunOptions, launcher: &Launcher) -> Result<TestReport, SwapError> {
        let report = |kind, seeds| TestReport { name: self.name.clone(), kind, seeds };
        if self.ignored {
            return Ok(report(TestKind::Ignored, Vec::new()));
        }
        let mut seeds = Vec::new();
        for seed in options.seeds.iter() {
            let ran = launcher.run(&self.arguments, seed)?;
            let plain = ran.account.is_none();
            let mut end = seed_end(seed, &ran, options.wall);
            if plain && ran.status.is_some() {
                return Ok(report(TestKind::Plain, vec![end]));
            }
            if options.check_determinism && end.verdict != Verdict::Unknown {
                let again = seed_end(seed, &launcher.run(&self.arguments, seed)?, options.wall);
                if let Some(why) = difference(&end, &again) {
                    end = SeedEnd { verdict: Verdict::Nondeterministic, why, ..end };
                }
            }
            seeds.push(end);
        }
        Ok(report(if self.lone { TestKind::Main } else { TestKind::Test }, seeds))
    }
}

fn seed_end(seed: u64, ran: &Ran, wall: Duration) -> SeedEnd {
    let (verdict, why) = ran.judge(wall);
    let ended = ran.account.as_ref().and_then(|(_, ended)| ended.as_ref());
    SeedEnd {
        seed: Seed(seed),
        verdict,
        why,
        virtual_ns: ended.map_or(0, |ended| ended.virtual_ns),
        digest: ended.map_or_else(String::new, |ended| format!("{:032x}", ended.digest)),
        output: if verdict == Verdict::Pass { String::new() } else { ran.output.clone() },
    }
}

/// In what two runs of one seed differ.
fn difference(first: &SeedEnd, second: &SeedEnd) -> Option<String> {
    if (first.verdict, &first.why) != (second.verdict, &second.why) {
        let tell = |end: &SeedEnd| match end.verdict {
            Verdict::Pass => "it passed".to_owned(),
            _ => end.why.clone(),
        };
        return Some(format!("the first time {}, the second time {}", tell(first), tell(second)));
    }
    (first.digest != second.digest)
        .then(|| format!("the digests of its traces differ: {} and {}", first.digest, second.digest))
}

/// Runs every job, several at a time; reports come back in the order of the jobs.
fn run_all(
    options: &RunOptions,
    launcher: &Launcher,
    jobs: &[Job],
    ended: &(dyn Fn(&TestReport) + Sync),
) -> Result<Vec<TestReport>, SwapError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<TestReport>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    let work = |worker: usize| -> Result<(), SwapError> {
        let ended_file = launcher.ended.with_extension(format!("{worker:03}"));
        let launcher = Launcher { ended: ended_file, ..launcher.clone() };
        while let Some((index, job)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
        {
            let report = job.run(options, &launcher)?;
            ended(&report);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = Some(report);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.clamp(1, 999)).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        })
    })?;
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(done.into_iter().flatten().collect())
}
