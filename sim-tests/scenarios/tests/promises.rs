//! Determinism of real scenarios: a seed's digest depends on nothing but the binary and the request.
//!
//! Every scenario of ChainFire's target is run in the plainest way first, and then with everything changed that must not
//! matter: environment, working directory, order of seeds, number of workers, logs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

use stormglass::harness::{DeterminismCheck, RunRequest, Seed, Status, Worker, WorkerCommand, WorkerError};

/// Seeds of each scenario.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=2;

/// What a run came to, as far as it is determined.
type Digests = BTreeMap<(String, u64), (Status, String, u64)>;

/// The scenario binary of another test target of this package. Cargo builds it with the tests, under a name with a hash,
/// beside others of its name (a service's own tests); the newest that answers as a worker is the one.
fn target(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a running test has a path");
    let folder = tests.parent().expect("a file is in a folder");
    let prefix = format!("{name}-");
    let is_binary = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.strip_prefix(&prefix).is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let built = |path: &PathBuf| fs::metadata(path).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let entries = fs::read_dir(folder).expect("the folder of the tests can be read");
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_binary).collect();
    found.sort_by_key(|path| std::cmp::Reverse(built(path)));
    let is_worker =
        |path: &PathBuf| !matches!(Worker::start(&WorkerCommand::new(path)), Err(WorkerError::NotAWorker { .. }));
    found
        .into_iter()
        .find(is_worker)
        .unwrap_or_else(|| panic!("no {prefix}… in {}: run `cargo test -p scenarios`", folder.display()))
}

/// Starts a worker. A file that was just written may still be open in a process that another test is starting.
fn start(command: &WorkerCommand) -> Worker {
    loop {
        match Worker::start(command) {
            Err(WorkerError::Start { source, .. }) if source.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                thread::yield_now();
            }
            started => return started.expect("the target is a scenario binary"),
        }
    }
}

/// Every scenario with every seed.
fn cases(worker: &mut Worker) -> Vec<(String, RunRequest)> {
    let scenarios = worker.list().expect("a worker lists its scenarios");
    let mut cases = Vec::new();
    for info in scenarios {
        cases.extend(SEEDS.map(|seed| (info.name.clone(), RunRequest::new(Seed(seed), info.limits.clone()))));
    }
    cases
}

/// Runs a case. Gives what it wrote to standard error.
fn run(worker: &mut Worker, (scenario, request): &(String, RunRequest), digests: &mut Digests) -> Vec<String> {
    let report = worker.run(scenario, request, false).expect("a scenario costs its seed, not its worker");
    let record = report.record;
    assert!(!record.digest.is_empty(), "{scenario}: {:?}", record.evidence);
    digests.insert((scenario.clone(), request.seed.0), (report.status, record.digest, record.virtual_ns));
    report.stderr
}

/// What every case comes to in one worker, in order.
fn plain(binary: &Path) -> Digests {
    let mut worker = start(&WorkerCommand::new(binary));
    let mut digests = Digests::new();
    let cases = cases(&mut worker);
    assert!(cases.len() > 20, "ChainFire's target has its scenarios");
    for case in &cases {
        let logged = run(&mut worker, case, &mut digests);
        assert_eq!(logged, [""; 0], "{}: a run is quiet unless it is asked for logs", case.0);
    }
    digests
}

/// A program that starts `binary` on another kind of machine: other time zone, language, names and home.
fn elsewhere(binary: &Path, folder: &Path) -> PathBuf {
    let path = folder.join("elsewhere");
    let script = format!(
        "#!/bin/sh\nexec env -i TZ=Asia/Kathmandu LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 HOSTNAME=elsewhere HOME=/nowhere \
         USER=nobody COLUMNS=1 RUST_LOG=trace STUFFING={} '{}' \"$@\"\n",
        "x".repeat(5_000),
        binary.display()
    );
    // Another process writes it: a child that another test forks meanwhile would hold a descriptor of ours open for
    // writing, and what is open for writing cannot be executed.
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let written = writer.stdin.take().expect("its input is a pipe").write_all(script.as_bytes());
    written.expect("the shell reads");
    assert!(writer.wait().expect("a child of ours").success(), "{}", path.display());
    path
}

fn the_same(expected: &Digests, found: &Digests, what: &str) {
    let differing: Vec<_> = expected.iter().filter(|(case, digest)| found.get(*case) != Some(*digest)).collect();
    assert!(differing.is_empty(), "{what} changed {} of {}: {differing:#?}", differing.len(), expected.len());
}

#[test]
fn a_digest_does_not_depend_on_environment_place_order_workers_or_logs() {
    let binary = target("chainfire");
    let expected = plain(&binary);

    // Elsewhere, in the opposite order.
    let folder = tempfile::tempdir().expect("a folder to run in");
    let command = WorkerCommand {
        directory: Some(folder.path().to_owned()),
        ..WorkerCommand::new(elsewhere(&binary, folder.path()))
    };
    let mut worker = start(&command);
    let mut backwards = cases(&mut worker);
    backwards.reverse();
    let mut found = Digests::new();
    for case in &backwards {
        run(&mut worker, case, &mut found);
    }
    the_same(&expected, &found, "another environment, folder and order");

    // Two workers at once, whoever is free takes the next, with logs and a trace on.
    let left = Mutex::new(backwards);
    let found = Mutex::new(Digests::new());
    let lines = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..2 {
            let trace = folder.path().join(format!("{number}.trace"));
            let (left, found, lines, binary) = (&left, &found, &lines, &binary);
            scope.spawn(move || {
                let mut worker = start(&WorkerCommand::new(binary));
                let next = || left.lock().expect("no other worker has panicked").pop();
                while let Some((scenario, mut request)) = next() {
                    request.logs = Some("debug".to_owned());
                    request.trace_to = Some(trace.clone());
                    let mut of_case = Digests::new();
                    let logged = run(&mut worker, &(scenario, request), &mut of_case);
                    lines.fetch_add(logged.len(), Ordering::Relaxed);
                    found.lock().expect("no other worker has panicked").append(&mut of_case);
                }
            });
        }
    });
    let found = found.into_inner().expect("no worker has panicked");
    the_same(&expected, &found, "two workers, logs and traces");
    assert!(lines.into_inner() > expected.len(), "the logs were on");
}

#[test]
fn a_busy_machine_changes_no_digest() {
    let binary = target("chainfire");
    let folder = tempfile::tempdir().expect("a folder for traces");
    let mut worker = start(&WorkerCommand::new(&binary));
    let mixed = cases(&mut worker).into_iter().find(|(scenario, _)| scenario == "chainfire_mixed");
    let (scenario, request) = mixed.expect("ChainFire has its mixed scenario");
    let mut busy: Vec<_> = (0..4)
        .map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell can be started"))
        .collect();
    let first = worker.run(&scenario, &request, false).expect("the worker lives");
    let check = DeterminismCheck::new(folder.path());
    let judged = check.compare(&mut worker, &scenario, &request, first.clone());
    for shell in &mut busy {
        // One that has ended is not running any more, which is what is wanted.
        let _ = shell.kill();
        let _ = shell.wait();
    }
    assert_eq!(judged.expect("the worker lives").status, first.status);
    let mut calm = Digests::new();
    run(&mut worker, &(scenario.clone(), request.clone()), &mut calm);
    assert_eq!(calm[&(scenario, request.seed.0)].1, first.record.digest);
}
