//! Processes that differ in what must not matter: the environment, the folder, the addresses.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use stormglass::harness::{CaseReport, Divergence, IsolationKind, RunRequest, Seed, Worker, WorkerCommand};
use tempfile::TempDir;

use crate::cage::{ANIMAL, NEIGHBOUR};

const SCENARIO: &str = "zoo";

/// What a habitat's processes begin with.
pub(crate) struct Place {
    /// Lines of a shell that run before the worker.
    before: &'static str,
    /// Whether it starts in a folder of its own.
    elsewhere: bool,
}

/// As this test was started.
pub(crate) const HOME: Place = Place { before: "", elsewhere: false };

/// Another folder, another language, another time zone, and an environment of another size.
pub(crate) const ABROAD: Place = Place {
    before: "export TZ=Asia/Kathmandu LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 HOME=/nowhere USER=somebody HOSTNAME=abroad\n\
             export ZOO_PADDING=\"$(head -c 5000 /dev/zero | tr '\\0' x)\"\nunset PATH\numask 077\n",
    elsewhere: true,
};

/// Addresses as the system draws them: as though this process had tried already to do without.
pub(crate) const SHUFFLED: Place = Place { before: "export STORMGLASS_WITHOUT_ASLR=1\n", elsewhere: false };

/// Where panics are told with their backtraces, of which std keeps for the process what it has read.
pub(crate) const OUTSPOKEN: Place = Place { before: "export RUST_BACKTRACE=1\n", elsewhere: false };

/// Where servers leave their code in the pages of its file.
pub(crate) const STAYING: Place = Place { before: "export STORMGLASS_CODE_STAYS=1\n", elsewhere: false };

/// A worker in its place.
pub(crate) struct Habitat {
    pub(crate) worker: Worker,
    folder: TempDir,
}

impl Habitat {
    pub(crate) fn new(place: &Place) -> Self {
        Self::isolated(place, IsolationKind::default())
    }

    pub(crate) fn isolated(place: &Place, isolation: IsolationKind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let zoo = std::env::current_exe().expect("a running binary has a path");
        let mut command = WorkerCommand::new(start(folder.path(), place.before, &zoo));
        command.isolation = isolation;
        command.directory = place.elsewhere.then(|| folder.path().to_owned());
        Self { worker: Worker::start(&command).expect("this binary is a scenario binary"), folder }
    }

    /// A folder for traces.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn request_of(&mut self, scenario: &str, seed: u64) -> RunRequest {
        let scenarios = self.worker.list().expect("a worker lists its scenarios");
        let found = scenarios.into_iter().find(|info| info.name == scenario).expect("a scenario of the zoo");
        RunRequest::new(Seed(seed), found.limits)
    }

    /// What of a case's process may be executed, in the words of `/proc/self/maps`.
    pub(crate) fn code(&mut self) -> Vec<String> {
        let request = self.request_of("code", 1);
        self.worker.run("code", &request, false).expect("the worker lives").record.features
    }

    pub(crate) fn request(&mut self, animal: &str, seed: u64) -> RunRequest {
        let mut request = self.request_of(SCENARIO, seed);
        request.params.insert(ANIMAL.to_owned(), animal.to_owned());
        request
    }

    /// One run of the animal.
    pub(crate) fn run(&mut self, animal: &str, seed: u64, neighbour: bool) -> CaseReport {
        let mut request = self.request(animal, seed);
        if neighbour {
            request.params.insert(NEIGHBOUR.to_owned(), "yes".to_owned());
        }
        self.worker.run(SCENARIO, &request, false).expect("the worker lives")
    }

    /// Where the animal's run parts from that in another habitat: `None` if this time it does not.
    pub(crate) fn parts_from(&mut self, other: &mut Habitat, animal: &str, seed: u64) -> Option<Divergence> {
        let paths = ["own.trace", "other.trace"].map(|name| self.folder().join(name));
        for (habitat, path) in [&mut *self, other].into_iter().zip(&paths) {
            let mut request = habitat.request(animal, seed);
            request.trace_to = Some(path.clone());
            habitat.worker.run(SCENARIO, &request, false).expect("the worker lives");
        }
        self.worker.diverge(SCENARIO, &paths[0], &paths[1]).expect("the worker reads traces")
    }

    /// Runs the animal twice as a determinism check does.
    pub(crate) fn check(&mut self, animal: &str, first: CaseReport) -> CaseReport {
        let check = stormglass::harness::DeterminismCheck::new(self.folder().to_owned());
        let request = self.request(animal, first.record.seed.0);
        check.compare(&mut self.worker, SCENARIO, &request, first).expect("the worker lives")
    }
}

/// Writes the program that readies the place and becomes the worker.
fn start(folder: &Path, before: &str, zoo: &Path) -> std::path::PathBuf {
    let path = folder.join("start");
    let text = format!("#!/bin/sh\n{before}exec '{}' \"$@\"\n", zoo.display());
    // Another process writes it: a child that another test forks meanwhile would hold a descriptor of ours open for
    // writing, and what is open for writing cannot be executed.
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let written = writer.stdin.take().expect("its input is a pipe").write_all(text.as_bytes());
    written.expect("the shell reads");
    assert!(writer.wait().expect("a child of ours").success(), "{}", path.display());
    path
}
