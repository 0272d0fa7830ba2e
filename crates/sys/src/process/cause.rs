//! Why a forked case ended before it was done, read from its status and from what it last wrote.

use std::fmt;

#[cfg(target_os = "linux")]
use super::blocked;
use super::fork::{ChildEnd, EXIT_PANICKED, EXIT_SETUP, End};
use super::watchdog::{CALL_SITE, EXIT_POLL_OVERRAN, MARKER};

/// Why a case ended before its closure returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrashCause {
    /// A panic left the closure; the message is in the captured output.
    Panicked,
    /// A thread overflowed its stack.
    StackOverflow,
    /// An allocation failed, most likely at the memory limit.
    OutOfMemory {
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// One poll used more processor time than the watchdog allows.
    PollOverran {
        /// The function and line it was in, where that could be told.
        call_site: Option<String>,
    },
    /// A poll waited for a thread of its own program, which cannot run meanwhile.
    PollBlocked {
        /// The function and line it was in, where that could be told.
        call_site: Option<String>,
    },
    /// `abort`, by whoever: a second panic during unwinding, a failed C assertion.
    Aborted,
    /// A signal that a program's own fault raises: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP.
    Faulted {
        /// The signal's number.
        signal: i32,
    },
    /// A signal that somebody else sends, not this parent: SIGKILL (perhaps the kernel, short of memory), SIGTERM, …
    KilledFromOutside {
        /// The signal's number.
        signal: i32,
    },
    /// The code under test ended the process itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// The process could not be set up; the reason is in the captured output.
    NotSetUp,
    /// The parent's deadline passed.
    TimedOut,
    /// The result grew past [`Limits::result_bytes_max`](super::Limits::result_bytes_max).
    ResultTooLarge,
    /// The parent gave the case up.
    GivenUp,
}

impl fmt::Display for CrashCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrashCause::Panicked => f.write_str("panicked outside the simulation"),
            CrashCause::StackOverflow => f.write_str("overflowed its stack"),
            CrashCause::OutOfMemory { bytes } => write!(f, "ran out of memory: an allocation of {bytes} bytes failed"),
            CrashCause::PollOverran { call_site: Some(site) } => {
                write!(f, "one poll used too much processor time, in {site}")
            }
            CrashCause::PollOverran { call_site: None } => f.write_str("one poll used too much processor time"),
            CrashCause::PollBlocked { call_site: Some(site) } => {
                write!(f, "one poll waited for a thread of its own program, in {site}")
            }
            CrashCause::PollBlocked { call_site: None } => {
                f.write_str("one poll waited for a thread of its own program")
            }
            CrashCause::Aborted => f.write_str("aborted"),
            CrashCause::Faulted { signal } => write!(f, "crashed with signal {signal}"),
            CrashCause::KilledFromOutside { signal } => write!(f, "was killed from outside with signal {signal}"),
            CrashCause::Exited { code } => write!(f, "called exit with code {code}"),
            CrashCause::NotSetUp => f.write_str("could not be set up"),
            CrashCause::TimedOut => f.write_str("ran past its deadline"),
            CrashCause::ResultTooLarge => f.write_str("sent more result than it may"),
            CrashCause::GivenUp => f.write_str("was given up"),
        }
    }
}

impl ChildEnd {
    /// Whether the case's closure returned and its process then ended as it should.
    pub fn is_whole(&self) -> bool {
        self.completed && self.end == End::Exited(0)
    }

    /// Why the case ended before its closure returned; `None` if it did return.
    ///
    /// Stack overflows and failed allocations end in the same signal as any abort: those are told by the message that
    /// Rust writes, and so only if standard error is captured.
    pub fn crash_cause(&self) -> Option<CrashCause> {
        (!self.is_whole()).then(|| CrashCause::of(self.end, &String::from_utf8_lossy(&self.output)))
    }
}

impl CrashCause {
    /// The cause of an untimely `end`. `output` is the last of what the process wrote, standard error included.
    #[must_use]
    pub fn of(end: End, output: &str) -> CrashCause {
        match end {
            End::TimedOut => CrashCause::TimedOut,
            End::GivenUp => CrashCause::GivenUp,
            End::ResultTooLarge => CrashCause::ResultTooLarge,
            _ if overran(output) || end == End::Exited(EXIT_POLL_OVERRAN) => {
                CrashCause::PollOverran { call_site: call_site(CALL_SITE, output) }
            }
            #[cfg(target_os = "linux")]
            End::Exited(blocked::EXIT_POLL_BLOCKED) => {
                CrashCause::PollBlocked { call_site: call_site(blocked::CALL_SITE, output) }
            }
            End::Exited(EXIT_PANICKED) => CrashCause::Panicked,
            End::Exited(EXIT_SETUP) => CrashCause::NotSetUp,
            End::Exited(code) => CrashCause::Exited { code },
            End::Signalled(signal) => by_signal(signal, output),
        }
    }
}

#[cfg(unix)]
fn by_signal(signal: i32, output: &str) -> CrashCause {
    match signal {
        libc::SIGABRT | libc::SIGSEGV if output.contains("has overflowed its stack") => CrashCause::StackOverflow,
        libc::SIGABRT => {
            failed_allocation(output).map_or(CrashCause::Aborted, |bytes| CrashCause::OutOfMemory { bytes })
        }
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGSYS | libc::SIGTRAP => {
            CrashCause::Faulted { signal }
        }
        signal => CrashCause::KilledFromOutside { signal },
    }
}

/// Only Unix processes end by signals.
#[cfg(not(unix))]
fn by_signal(signal: i32, _output: &str) -> CrashCause {
    CrashCause::KilledFromOutside { signal }
}

/// The size in the last `memory allocation of N bytes failed`.
#[cfg(unix)]
fn failed_allocation(output: &str) -> Option<u64> {
    let (_, after) = output.rsplit_once("memory allocation of ")?;
    let (bytes, rest) = after.split_once(' ')?;
    rest.starts_with("bytes failed").then(|| bytes.parse().ok()).flatten()
}

fn overran(output: &str) -> bool {
    output.contains(MARKER)
}

fn call_site(begins: &str, output: &str) -> Option<String> {
    let (_, after) = output.rsplit_once(begins)?;
    after.lines().next().map(str::to_owned)
}

#[cfg(all(test, unix))]
mod tests {
    use super::{CrashCause, by_signal};

    #[test]
    fn rust_says_why_it_aborts() {
        assert_eq!(
            by_signal(libc::SIGABRT, "\nthread 'simulation' has overflowed its stack\n"),
            CrashCause::StackOverflow
        );
        let oom = "memory allocation of 7 bytes failed\nmemory allocation of 4096 bytes failed\n";
        assert_eq!(by_signal(libc::SIGABRT, oom), CrashCause::OutOfMemory { bytes: 4096 });
        assert_eq!(by_signal(libc::SIGABRT, "memory allocation of the estate"), CrashCause::Aborted);
        assert_eq!(by_signal(libc::SIGSEGV, ""), CrashCause::Faulted { signal: libc::SIGSEGV });
        assert_eq!(by_signal(libc::SIGKILL, ""), CrashCause::KilledFromOutside { signal: libc::SIGKILL });
    }
}
