//! Forking one case off the server: what goes in, what comes out, why it may fail.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use super::Child;
use super::limits::Limits;
use crate::seal::is_simulated;

/// What a case exits with when its closure panicked; Rust's own choice.
pub const EXIT_PANICKED: i32 = 101;

/// What a case exits with when its limits or its output could not be set up; the exit code for setup in general.
pub const EXIT_SETUP: i32 = 96;

/// Ends a result, so that a process that ends on its own in the middle is not taken for one that is done.
#[cfg(target_os = "linux")]
pub(super) const END_MARK: [u8; 8] = *b"\0sg-end\n";

/// How a case's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Exited(i32),
    /// This signal, which the parent did not send, ended it.
    Signalled(i32),
    /// The deadline passed and the parent killed it.
    TimedOut,
    /// The parent was told to give it up and killed it.
    GivenUp,
    /// It sent more result than it may and the parent killed it.
    ResultTooLarge,
}

/// What is left of a case when its process has ended. That of a [`ForkServer`](super::ForkServer) has its result beside
/// it.
#[derive(Clone, Debug)]
pub struct ChildEnd {
    /// What the closure wrote, as far as it got.
    pub result: Vec<u8>,
    /// Whether the closure returned; only then is the result whole.
    pub completed: bool,
    /// The end of the captured output.
    pub output: Vec<u8>,
    /// How many bytes of output there were.
    pub output_bytes: u64,
    /// How the process ended.
    pub end: End,
    /// Processor time spent in user mode.
    pub cpu_user: Duration,
    /// Processor time spent in the kernel.
    pub cpu_system: Duration,
    /// The most memory it had resident, in bytes, the pages it shared with the server included.
    pub resident_bytes_max: u64,
}

#[cfg(target_os = "linux")]
impl ChildEnd {
    /// Of no child: only the memory that is to keep the output of one.
    pub(super) fn none(output: Vec<u8>) -> ChildEnd {
        ChildEnd {
            result: Vec::new(),
            completed: false,
            output,
            output_bytes: 0,
            end: End::GivenUp,
            cpu_user: Duration::ZERO,
            cpu_system: Duration::ZERO,
            resident_bytes_max: 0,
        }
    }
}

/// Why no case was forked.
#[derive(Debug)]
#[non_exhaustive]
pub enum ForkError {
    /// The server has more than one thread. A fork copies only the calling one, and whatever locks the others hold stay
    /// locked for ever.
    Threads {
        /// How many threads there are.
        count: u64,
    },
    /// The calling thread is inside a simulation.
    Simulated,
    /// The system refused a call.
    System {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// There is no fork server on this platform.
    Unsupported,
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForkError::Threads { count } => write!(
                f,
                "the fork server has {count} threads and must have one: join every thread before a case is forked, and start \
                 no runtime in the server"
            ),
            ForkError::Simulated => f.write_str("a case cannot be forked from inside a simulation"),
            ForkError::System { call, source } => write!(f, "a case could not be forked: {call}: {source}"),
            ForkError::Unsupported => f.write_str("cases can be forked on Linux only; use threads for isolation here"),
        }
    }
}

impl std::error::Error for ForkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ForkError::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl ForkError {
    #[cfg(target_os = "linux")]
    pub(super) fn last(call: &'static str) -> ForkError {
        ForkError::System { call, source: io::Error::last_os_error() }
    }
}

/// Where a case writes its result. Unbuffered; works inside a simulation too.
#[derive(Debug)]
pub struct ResultPipe(pub(super) File);

impl Write for ResultPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Forks this process; the child runs `case`, whose result is what it writes, and exits without running exit handlers
/// or destructors of statics.
///
/// The child dies with this thread (`PR_SET_PDEATHSIG`), leaves no core file, and has the default action for SIGINT and
/// SIGTERM. The server must have one thread and not be inside a simulation; it may have several children at once.
///
/// # Errors
///
/// See [`ForkError`]. What fails in the child later is its [`ChildEnd`].
pub fn fork_case(limits: &Limits, case: impl FnOnce(&mut ResultPipe)) -> Result<Child, ForkError> {
    if is_simulated() {
        return Err(ForkError::Simulated);
    }
    #[cfg(target_os = "linux")]
    return super::launch::launch(limits, case);
    #[cfg(not(target_os = "linux"))]
    let _ = (limits, case);
    #[cfg(not(target_os = "linux"))]
    return Err(ForkError::Unsupported);
}
