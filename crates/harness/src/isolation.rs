//! How a case is kept apart from every other: the seam between the harness and the operating system.
//!
//! A worker runs each case through an [`Isolation`]. The sealed one forks a child per case; the other gives each case a
//! fresh thread, for tiny simulations and for platforms without fork, and is not sealed against statics.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::Limits;

/// Which isolation a worker uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IsolationKind {
    /// A forked child per case: statics, addresses, leaks and limits are the case's own, and an abort costs one case.
    #[default]
    Fork,
    /// A fresh thread per case: cheap and portable, but statics are shared, no limit of the machine is enforced, and an
    /// abort takes the worker along.
    Thread,
}

/// Not an isolation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an isolation: give `fork` or `thread`")]
pub struct IsolationKindError(String);

impl IsolationKind {
    /// The word that names it on a command line.
    pub fn as_str(self) -> &'static str {
        match self {
            IsolationKind::Fork => "fork",
            IsolationKind::Thread => "thread",
        }
    }
}

impl FromStr for IsolationKind {
    type Err = IsolationKindError;

    fn from_str(text: &str) -> Result<Self, IsolationKindError> {
        match text {
            "fork" => Ok(IsolationKind::Fork),
            "thread" => Ok(IsolationKind::Thread),
            other => Err(IsolationKindError(other.to_owned())),
        }
    }
}

/// How a case ended, as the operating system tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It handed back its result.
    Returned(Vec<u8>),
    /// It panicked outside the runner's own care; the message is the panic's.
    Panicked(String),
    /// It brought its process down: an abort, a stack overflow, a fault, an exit.
    Crashed {
        /// Which, as the name that stands where an oracle's would.
        oracle: &'static str,
        /// The same in words.
        how: String,
    },
    /// A single poll used more CPU time than the limit allows.
    PollOverrun {
        /// The function and line it was in, where that could be told.
        call_site: Option<String>,
    },
    /// Wall-clock time ran out.
    WallTime,
    /// Memory ran out.
    Memory,
    /// Something outside this process killed it; the text says with what.
    Killed(String),
}

/// A case and its cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseEnd {
    /// How it ended.
    pub ending: Ending,
    /// The last of what it wrote to standard error.
    pub stderr: Vec<u8>,
    /// CPU time it used.
    pub cpu: Duration,
    /// Peak memory it held, in bytes; 0 where that is unknown.
    pub max_rss_bytes: u64,
}

/// Runs one case apart from all others. Implementations are single-threaded servers: one case at a time.
pub trait Isolation {
    /// Runs `case` under `limits` and reports how it ended. `echo` passes what the case writes to standard error on at
    /// once instead of keeping the last of it.
    ///
    /// # Errors
    ///
    /// Where the case could not be started at all, as when the system has no more processes to give.
    fn run(&mut self, limits: &Limits, echo: bool, case: Case) -> std::io::Result<CaseEnd>;
}

/// One case: a closure that yields the bytes of its result.
pub type Case = Box<dyn FnOnce() -> Vec<u8> + Send>;

/// Each case in a fresh thread. See [`IsolationKind::Thread`] for what this does not give.
#[derive(Debug, Default)]
pub(crate) struct ThreadIsolation;

/// The stack of a case's thread; as large as a main thread's commonly is, so that both isolations overflow alike.
const STACK_BYTES: usize = 8 << 20;

impl Isolation for ThreadIsolation {
    fn run(&mut self, _limits: &Limits, _echo: bool, case: Case) -> std::io::Result<CaseEnd> {
        let started = Instant::now();
        let thread = thread::Builder::new()
            .name("case".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || panic::catch_unwind(AssertUnwindSafe(case)))?;
        let ending = match thread.join() {
            Ok(Ok(bytes)) => Ending::Returned(bytes),
            Ok(Err(payload)) | Err(payload) => Ending::Panicked(panic_text(&*payload)),
        };
        Ok(CaseEnd { ending, stderr: Vec::new(), cpu: started.elapsed(), max_rss_bytes: 0 })
    }
}

/// The message of a panic.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hands_back_its_bytes_or_its_panic() {
        let limits = Limits::default();
        let end = ThreadIsolation.run(&limits, false, Box::new(|| vec![1, 2, 3])).unwrap();
        assert_eq!(end.ending, Ending::Returned(vec![1, 2, 3]));
        let end = ThreadIsolation.run(&limits, false, Box::new(|| panic!("no {}", "more"))).unwrap();
        assert_eq!(end.ending, Ending::Panicked("no more".to_owned()));
    }
}
