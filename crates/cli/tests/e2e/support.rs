//! What the tests share: running the command on the fixture in a folder of its own.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A folder in which one test runs the command.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The command with the fixture as its scenario binary.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-stormglass"));
        command
            .args(arguments)
            .args(["--binary".as_ref(), fixture().as_os_str()])
            .args(["--seeds-dir".as_ref(), self.path().join("seeds").as_os_str()])
            .current_dir(self.path())
            .env_remove("RUST_BACKTRACE")
            .env("COLUMNS", "120")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().expect("the command starts"))
    }
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Ran {
            exit: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output without the lines that tell what a run cost or where it was, which differ from run to run.
    pub(crate) fn steady(&self, place: &Place) -> String {
        let measured = ["cost", "speed", "CPU a seed", "in all", "memory", "ledger"];
        let lines =
            self.stdout.lines().filter(|line| !measured.iter().any(|label| line.trim_start().starts_with(label)));
        lines.map(|line| format!("{}\n", line.trim_end().replace(&place.path().display().to_string(), "DIR"))).collect()
    }
}

/// The fixture, built as an example of this package.
pub(crate) fn fixture() -> PathBuf {
    let tests = env::current_exe().expect("the test binary has a path");
    let path = tests.ancestors().nth(2).expect("target/PROFILE/deps/TEST").join("examples/cli_fixture");
    assert!(path.exists(), "{} is missing: run `cargo build -p stormglass-cli --example cli_fixture`", path.display());
    path
}
