//! One process of a test binary: one test under one seed, with its output, its end and its account.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use stormglass_program::{Begun, ENDED_VARIABLE, Ended, How, LISTING_VARIABLE, SEED_VARIABLE, TIME_VARIABLE};
use stormglass_sys::process::{CrashCause, EXIT_PANICKED, EXIT_SETUP, End};
use wait_timeout::ChildExt as _;

use crate::error::SwapError;
use crate::report::Verdict;

/// How much of the end of a process's output is kept.
const OUTPUT_BYTES: u64 = 64 << 10;

/// The stack of threads, unless the user says otherwise: simulated tasks all run on the test's own thread.
const STACK_VARIABLE: &str = "RUST_MIN_STACK";
const STACK_BYTES: &str = "16777216";

/// How processes of one binary are started.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    pub(crate) binary: PathBuf,
    /// The file for the account; one per worker.
    pub(crate) ended: PathBuf,
    /// The most virtual time.
    pub(crate) time: Duration,
    /// The most wall-clock time.
    pub(crate) wall: Duration,
}

/// What a process left.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// `None`: it was killed because its time was over.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) output: String,
    /// `None`: nothing was simulated. A begun one that has not ended took its process with it.
    pub(crate) account: Option<(Begun, Option<Ended>)>,
}

impl Launcher {
    /// Runs the binary with `arguments` under `seed`.
    pub(crate) fn run(&self, arguments: &[OsString], seed: u64) -> Result<Ran, SwapError> {
        self.launch(arguments, seed, false)
    }

    /// Runs the binary to have its tests listed.
    pub(crate) fn list(&self, arguments: &[OsString]) -> Result<Ran, SwapError> {
        self.launch(arguments, 0, true)
    }

    fn launch(&self, arguments: &[OsString], seed: u64, listing: bool) -> Result<Ran, SwapError> {
        let broken = |error: io::Error| self.broken(&error);
        match fs::remove_file(&self.ended) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(broken(error)),
            _ => {}
        }
        let mut output = tempfile::tempfile().map_err(broken)?;
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(broken)?)
            .stderr(output.try_clone().map_err(broken)?)
            // As wide for every seed: the environment lies on the stack, whose addresses it moves.
            .env(SEED_VARIABLE, format!("{seed:020}"))
            .env(TIME_VARIABLE, self.time.as_nanos().to_string())
            .env(ENDED_VARIABLE, &self.ended)
            .env_remove("RUST_TEST_THREADS");
        if env::var_os(STACK_VARIABLE).is_none() {
            command.env(STACK_VARIABLE, STACK_BYTES);
        }
        if listing {
            command.env(LISTING_VARIABLE, "1");
        }
        let mut child = command.spawn().map_err(broken)?;
        let status = child.wait_timeout(self.wall).map_err(broken)?;
        if status.is_none() {
            // It may have ended just now; either way it is waited for.
            let _ = child.kill();
            child.wait().map_err(broken)?;
        }
        let account = match fs::read_to_string(&self.ended) {
            Ok(text) => Ended::read(&text).map_err(|error| self.broken(&error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(broken(error)),
        };
        Ok(Ran { status, output: tail(&mut output).map_err(broken)?, account })
    }

    fn broken(&self, why: &dyn std::fmt::Display) -> SwapError {
        SwapError::Binary { path: self.binary.clone(), why: why.to_string() }
    }
}

fn tail(output: &mut File) -> io::Result<String> {
    let length = output.seek(SeekFrom::End(0))?;
    output.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES)))?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Ran {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// What it came to, and why.
    pub(crate) fn judge(&self, wall: Duration) -> (Verdict, String) {
        let Some(status) = self.status else {
            return (Verdict::Unknown, format!("it ran for more than {wall:?} of wall-clock time"));
        };
        // The harness knows what the test was to do (panic, say); it cannot know what the simulation ended.
        match &self.account {
            Some((_, Some(Ended { how: How::Returned | How::Panicked, why, .. }))) => {
                if status.success() {
                    (Verdict::Pass, String::new())
                } else if why.is_empty() {
                    (Verdict::Fail, ending(status, &self.output))
                } else {
                    (Verdict::Fail, why.clone())
                }
            }
            Some((_, Some(ended))) => (Verdict::Fail, ended.why.clone()),
            Some((_, None)) if status.success() => {
                (Verdict::Fail, "the process ended itself in the middle of the simulation".to_owned())
            }
            Some((_, None)) | None => match status.signal() {
                // Nobody's own doing: somebody outside, or the system short of memory.
                Some(9 | 15) => (Verdict::Unknown, ending(status, &self.output)),
                _ if status.success() => (Verdict::Pass, String::new()),
                _ => (Verdict::Fail, ending(status, &self.output)),
            },
        }
    }
}

fn ending(status: ExitStatus, output: &str) -> String {
    let end = match (status.code(), status.signal()) {
        (Some(EXIT_PANICKED), _) => return "the test failed".to_owned(),
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signalled(signal),
        (None, None) => return status.to_string(),
    };
    match CrashCause::of(end, output) {
        cause @ (CrashCause::PollOverran { .. } | CrashCause::PollBlocked { .. }) => cause.to_string(),
        // The harness of tests has a code of its own for it.
        CrashCause::NotSetUp => format!("the process called exit with code {EXIT_SETUP}"),
        cause => format!("the process {cause}"),
    }
}

/// The target's name, from its binary's: cargo puts a hash behind it.
pub(crate) fn target_name(binary: &Path) -> String {
    let stem = binary.file_stem().unwrap_or_default().to_string_lossy();
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => name.to_owned(),
        _ => stem.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_sys::process::watchdog::EXIT_POLL_OVERRAN;

    #[test]
    fn an_untimely_end_is_told_in_words() {
        let exited = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!(ending(exited(101), ""), "the test failed");
        assert_eq!(ending(exited(3), ""), "the process called exit with code 3");
        assert_eq!(ending(exited(EXIT_SETUP), ""), "the process called exit with code 96");
        assert_eq!(ending(exited(EXIT_POLL_OVERRAN), ""), "one poll used too much processor time");
        let site = "…\nstormglass-watchdog: it was in spin::forever at src/lib.rs:7\n…";
        assert_eq!(
            ending(exited(EXIT_POLL_OVERRAN), site),
            "one poll used too much processor time, in spin::forever at src/lib.rs:7"
        );
        assert_eq!(ending(ExitStatus::from_raw(11), ""), "the process crashed with signal 11");
        assert_eq!(ending(ExitStatus::from_raw(9), ""), "the process was killed from outside with signal 9");
        assert_eq!(ending(ExitStatus::from_raw(6), "has overflowed its stack"), "the process overflowed its stack");
    }
}
