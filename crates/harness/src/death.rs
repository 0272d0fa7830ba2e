//! How a worker ended, and what that says of the seed that it was running.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::case::{Status, WALL_TIME};
use crate::{CaseReport, RunRequest};

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// A signal that only someone outside sends: SIGKILL, SIGTERM, SIGHUP, SIGINT.
    KilledFromOutside(i32),
    /// Any other end by itself: a signal of its own making, or an exit in the midst of a case.
    Crashed(ExitStatus),
    /// It lives but did not answer within the case's wall time, long past the moment it should have ended the case.
    Silent,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Death::KilledFromOutside(signal) => write!(f, "was killed from outside, by signal {signal}"),
            Death::Crashed(status) => write!(f, "ended by itself: {status}"),
            Death::Silent => f.write_str("did not answer in time and was ended"),
        }
    }
}

impl Death {
    /// What the status of its process tells.
    pub(crate) fn of(status: ExitStatus) -> Self {
        const OUTSIDE: [i32; 4] = [1, 2, 9, 15];
        match status.signal() {
            Some(signal) if OUTSIDE.contains(&signal) => Death::KilledFromOutside(signal),
            _ => Death::Crashed(status),
        }
    }

    /// What this says of the seed the worker was running. In fork isolation a worker runs no code on trial itself, yet
    /// a seed during which it died must not be lost, so the seed is what gets named.
    pub fn report(self, scenario: &str, request: &RunRequest) -> CaseReport {
        let (status, oracle) = match self {
            Death::KilledFromOutside(_) => (Status::Killed, "killed"),
            Death::Crashed(_) => (Status::Fail, "worker"),
            Death::Silent => (Status::Unknown, WALL_TIME),
        };
        CaseReport::without_record(scenario, request.seed, status, oracle, format!("the worker {self}"))
    }
}
