//! The `main` of a scenario target: it speaks libtest, so that `cargo test`, nextest and editors list and run scenarios, one
//! case per pinned seed; and with one argument it becomes a worker instead.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{
    CaseReport, Exit, Expectation, IsolationKind, Limits, PinnedSeed, RunRequest, ScenarioDef, Seed, SeedRecord,
    Status,
    client::{Worker, WorkerCommand, WorkerError},
    death::Death,
    failure::{BlockStyles, CommandHints, FailureBlock},
    protocol::WORKER_ARGUMENT,
    scenario::registered,
    seeds_file::{SeedsFileError, read_seeds, seeds_path},
    worker,
};

/// Environment variable with overrides for every case that runs: `KEY=VALUE`, separated by semicolons or, where it
/// has a line break, by line breaks alone.
pub const SET_VARIABLE: &str = "STORMGLASS_SET";
/// Environment variable with ids of faults to drop, separated likewise.
pub const DROP_VARIABLE: &str = "STORMGLASS_DROP";
/// Environment variable with parameters: `KEY=VALUE`, separated likewise.
pub const PARAMS_VARIABLE: &str = "STORMGLASS_PARAMS";
/// Environment variable with the folder of the seeds files.
pub const SEEDS_VARIABLE: &str = "STORMGLASS_SEEDS";
/// Environment variable with the isolation, `fork` or `thread`.
pub const ISOLATION_VARIABLE: &str = "STORMGLASS_ISOLATION";

/// The seed of the default case of a scenario that has no pinned seed.
const DEFAULT_SEED: Seed = Seed(1);

/// The `main` of a scenario target with `harness = false`.
///
/// As a test binary it answers with libtest's own exit codes: 0, and 101 where a case failed. Trouble before the first
/// case (a seeds file that cannot be read, two scenarios of one name) ends with the codes of [`Exit`].
pub fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(WORKER_ARGUMENT) {
        return match arguments.next().unwrap_or_default().parse::<IsolationKind>() {
            Ok(isolation) => worker::serve(isolation).into(),
            Err(error) => complain(&error, Exit::Usage),
        };
    }
    let arguments = Arguments::from_args();
    let scenarios = match registered() {
        Ok(scenarios) => scenarios,
        Err(error) => return complain(&error, Exit::Setup),
    };
    let isolation = match env::var(ISOLATION_VARIABLE).map_or(Ok(IsolationKind::default()), |word| word.parse()) {
        Ok(isolation) => isolation,
        Err(error) => return complain(&error, Exit::Usage),
    };
    let binary = match env::current_exe() {
        Ok(binary) => binary,
        Err(error) => return complain(&format!("cannot find this binary: {error}"), Exit::Setup),
    };
    let extras = match Extras::from_environment() {
        Ok(extras) => extras,
        Err(error) => return complain(&error, Exit::Usage),
    };
    let pool = Arc::new(Pool {
        command: WorkerCommand { isolation, ..WorkerCommand::new(&binary) },
        hints: hints(&binary, &extras),
        idle: Mutex::new(Vec::new()),
        alone: RwLock::new(()),
    });
    let seeds_folder = seeds_folder();
    let mut trials = Vec::new();
    for def in scenarios.values() {
        match cases(def, seeds_folder.as_deref(), arguments.filter.as_deref()) {
            Ok(cases) => trials.extend(cases.into_iter().map(|case| trial(def, case, &extras, &pool))),
            // Not a failed test: a filter could hide that, and a pinned seed would be skipped in silence.
            Err(error) => return complain(&error, Exit::CorruptFile),
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn complain(error: &dyn std::fmt::Display, exit: Exit) -> ExitCode {
    eprintln!("error: {error}");
    exit.into()
}

/// The name of the case that runs `seed` of `scenario`.
pub fn case_name(scenario: &str, seed: Seed) -> String {
    format!("{scenario}::seed_{seed}")
}

/// One case to run, and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Case {
    name: String,
    pinned: PinnedSeed,
}

/// The cases of a scenario: its pinned seeds, or one default case; and a seed that the filter names in full, pinned or
/// not, so that a line copied from a failure runs.
fn cases(def: &ScenarioDef, seeds: Option<&Path>, filter: Option<&str>) -> Result<Vec<Case>, SeedsFileError> {
    let pinned = match seeds {
        Some(folder) => read_seeds(&seeds_path(folder, def.name))?.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut cases: Vec<Case> = Vec::new();
    let mut times: BTreeMap<Seed, u32> = BTreeMap::new();
    for pinned in pinned {
        let time = times.entry(pinned.seed).or_default();
        *time += 1;
        let mut name = case_name(def.name, pinned.seed);
        if *time > 1 {
            name.push_str(&format!("_{time}"));
        }
        cases.push(Case { name, pinned });
    }
    if cases.is_empty() {
        cases.push(Case { name: format!("{}::default", def.name), pinned: PinnedSeed::new(DEFAULT_SEED) });
    }
    let named = filter
        .and_then(|filter| filter.strip_prefix(def.name)?.strip_prefix("::seed_"))
        .filter(|digits| digits.len() == 16)
        .and_then(|digits| digits.parse::<Seed>().ok());
    if let Some(seed) = named {
        let name = case_name(def.name, seed);
        if cases.iter().all(|case| case.name != name) {
            cases.push(Case { name, pinned: PinnedSeed::new(seed) });
        }
    }
    Ok(cases)
}

/// What the environment adds to every case.
#[derive(Clone, Debug, Default)]
struct Extras {
    overrides: Vec<String>,
    drop: Vec<String>,
    params: BTreeMap<String, String>,
}

impl Extras {
    fn from_environment() -> Result<Self, String> {
        let lines = |name: &str| split(&env::var(name).unwrap_or_default());
        let mut params = BTreeMap::new();
        for line in lines(PARAMS_VARIABLE) {
            let (key, value) =
                line.split_once('=').ok_or(format!("{PARAMS_VARIABLE}: expected KEY=VALUE, found `{line}`"))?;
            params.insert(key.to_owned(), value.to_owned());
        }
        Ok(Extras { overrides: lines(SET_VARIABLE), drop: lines(DROP_VARIABLE), params })
    }

    fn is_empty(&self) -> bool {
        self.overrides.is_empty() && self.drop.is_empty() && self.params.is_empty()
    }
}

/// `values` as one variable: separated by semicolons, which read well on a command line, unless one is in them.
pub(crate) fn joined(values: &[String]) -> String {
    if values.iter().any(|value| value.contains(';')) {
        values.iter().map(|value| format!("{value}\n")).collect()
    } else {
        values.join(";")
    }
}

fn split(value: &str) -> Vec<String> {
    let by = if value.contains('\n') { '\n' } else { ';' };
    value.split(by).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn trial(def: &'static ScenarioDef, case: Case, extras: &Extras, pool: &Arc<Pool>) -> Trial {
    let mut request = RunRequest::new(case.pinned.seed, Limits::for_virtual_time(def.defaults.virtual_time));
    request.overrides = [&case.pinned.overrides[..], &extras.overrides[..]].concat();
    request.drop = [&case.pinned.drop[..], &extras.drop[..]].concat();
    request.params = case.pinned.params.clone();
    request.params.extend(extras.params.clone());
    // Whoever adds to a pinned run wants to see what comes of it, not whether it is what was pinned.
    let expect = if extras.is_empty() { case.pinned.expect } else { Expectation::Pass };
    let pool = Arc::clone(pool);
    Trial::test(case.name, move || {
        let report = pool.run(def.name, &request).map_err(|error| Failed::from(error.to_string()))?;
        verdict(def.name, &report, &request, expect, &pool.hints)
    })
}

fn verdict(
    scenario: &str,
    report: &CaseReport,
    request: &RunRequest,
    expect: Expectation,
    hints: &CommandHints,
) -> Result<(), Failed> {
    match (expect, report.status) {
        (Expectation::Pass, Status::Pass) | (Expectation::Fail, Status::Fail) => Ok(()),
        (Expectation::Fail, Status::Pass) => Err(Failed::from(format!(
            "seed {} is pinned with expect = \"fail\" and passes; if the bug is fixed, change it to \"pass\"",
            request.seed
        ))),
        (_, Status::Fail | Status::Unknown | Status::Killed | Status::Nondeterministic) => {
            let record = SeedRecord::new(report, 0);
            let block = FailureBlock { scenario, record: &record, asked: request.into(), hints };
            Err(Failed::from(format!("\n{}", block.render(&BlockStyles::default()))))
        }
    }
}

/// The workers of a test run. libtest runs cases on threads and a fork server must have but one, so each thread borrows a
/// worker process for as long as its case runs.
struct Pool {
    command: WorkerCommand,
    hints: CommandHints,
    idle: Mutex<Vec<Worker>>,
    /// Held for reading by every case, and for writing by one that is tried once more alone.
    alone: RwLock<()>,
}

impl Pool {
    fn run(&self, scenario: &str, request: &RunRequest) -> Result<CaseReport, WorkerError> {
        let first = {
            let _among_others = self.alone.read().unwrap_or_else(PoisonError::into_inner);
            self.run_once(scenario, request)?
        };
        if !first.wants_retry() {
            return Ok(first);
        }
        let _alone = self.alone.write().unwrap_or_else(PoisonError::into_inner);
        let again = self.run_once(scenario, request)?;
        Ok(CaseReport { retried: true, ..again })
    }

    fn run_once(&self, scenario: &str, request: &RunRequest) -> Result<CaseReport, WorkerError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => Worker::start(&self.command)?,
        };
        match worker.run(scenario, request, false) {
            Err(WorkerError::Died { how }) => Ok(Death::report(how, scenario, request)),
            answer => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                answer
            }
        }
    }
}

/// How lines to copy name this binary: cargo tells the package, and the file name tells the target.
fn hints(binary: &Path, extras: &Extras) -> CommandHints {
    let stem = binary.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let target = match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name.to_owned(),
        _ => stem,
    };
    let features = if extras.params.contains_key("planted") { vec!["planted".to_owned()] } else { Vec::new() };
    CommandHints { package: env::var("CARGO_PKG_NAME").ok(), target: Some(target), features }
}

/// The folder of the seeds files: the one named by the environment, or the first `seeds` at or above the package.
fn seeds_folder() -> Option<PathBuf> {
    if let Some(folder) = env::var_os(SEEDS_VARIABLE) {
        return Some(folder.into());
    }
    let start = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).or_else(|| env::current_dir().ok())?;
    find_seeds_folder(&start)
}

/// The first folder named `seeds` at or above `start`, no higher than the root of the workspace or repository.
pub fn find_seeds_folder(start: &Path) -> Option<PathBuf> {
    for folder in start.ancestors() {
        let seeds = folder.join("seeds");
        if seeds.is_dir() {
            return Some(seeds);
        }
        if folder.join("Cargo.lock").exists() || folder.join(".git").exists() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_a_variable_are_read_as_they_were_written() {
        let lists: [&[&str]; 4] = [&[], &["a=1;2"], &["net.delay n1>n3 tcp#4=5", "b=2"], &["a=1;2", "b=3"]];
        for list in lists {
            let list: Vec<String> = list.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(split(&joined(&list)), list);
        }
    }

    #[test]
    fn the_seeds_folder_is_looked_for_up_to_the_root_of_the_workspace() {
        let root = tempfile::tempdir().unwrap();
        let package = root.path().join("crates/kv");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(root.path().join("Cargo.lock"), "").unwrap();
        assert_eq!(find_seeds_folder(&package), None);
        std::fs::create_dir(root.path().join("seeds")).unwrap();
        assert_eq!(find_seeds_folder(&package), Some(root.path().join("seeds")));
        std::fs::write(package.join("Cargo.lock"), "").unwrap();
        assert_eq!(find_seeds_folder(&package), None, "a workspace of its own has seeds of its own");
    }
}
