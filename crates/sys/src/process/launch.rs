//! The fork itself, and what the child does before and after its case.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::child::Child;
use super::fork::{END_MARK, EXIT_PANICKED, EXIT_SETUP, ForkError, ResultPipe};
use super::limits::{Capture, Limits};
use super::rlimit::data_bytes;
use super::{direct, environment, interrupt, rlimit, watchdog};
use crate::seal::host;

/// How often a thread that has been joined is waited for: the kernel may list it a moment longer than `pthread_join`
/// takes.
const YIELDS_MAX: u32 = 20_000;

pub(super) fn launch(limits: &Limits, case: impl FnOnce(&mut ResultPipe)) -> Result<Child, ForkError> {
    refuse_more_threads_than(1)?;
    // Else both processes would write what is still in the buffer.
    let _ = io::stdout().flush();
    let (result_end, result) = pipe()?;
    let (output_end, output) = match limits.capture {
        Capture::Nothing => (None, None),
        Capture::Both | Capture::Error => pipe().map(|(read, write)| (Some(read), Some(write)))?,
    };
    // SAFETY: numbers and nothing.
    let server = unsafe { libc::getpid() };
    // SAFETY: the process has one thread, so the child is as able as the parent.
    match unsafe { libc::fork() } {
        -1 => Err(ForkError::last("fork")),
        0 => {
            drop((result_end, output_end));
            let mut result = ResultPipe(File::from(result));
            let set_up = move || set_up_alone(limits, server, output);
            live(set_up, move || {
                case(&mut result);
                host(|| result.write_all(&END_MARK))
            })
        }
        pid => {
            drop((result, output));
            if limits.own_process_group {
                // In both processes, whichever comes first; here it may fail because the child has already ended.
                // SAFETY: numbers.
                unsafe { libc::setpgid(pid, pid) };
            }
            Ok(Child::new(pid, limits, result_end, output_end))
        }
    }
}

/// The child's life. Never returns, not even by unwinding: above it is the server's stack.
pub(super) fn live(set_up: impl FnOnce() -> io::Result<()>, case: impl FnOnce() -> io::Result<()>) -> ! {
    let code = match catch_unwind(AssertUnwindSafe(|| {
        if let Err(error) = set_up() {
            eprintln!("stormglass: a forked case could not be set up: {error}");
            return EXIT_SETUP;
        }
        // A parent that has stopped reading knows why.
        if case().is_ok() { 0 } else { EXIT_SETUP }
    })) {
        Ok(code) => code,
        // The panic hook has written the message; dropping the payload could panic again.
        Err(payload) => {
            std::mem::forget(payload);
            EXIT_PANICKED
        }
    };
    host(|| _ = io::stdout().flush());
    // SAFETY: `_exit` takes a number and ends the process, without exit handlers that belong to the server.
    unsafe { libc::_exit(code) }
}

/// As [`set_up`], for a case of nobody's server.
fn set_up_alone(limits: &Limits, server: libc::pid_t, output: Option<OwnedFd>) -> io::Result<()> {
    let nothing = File::open("/dev/null")?;
    if let Some(variables) = &limits.environment {
        // SAFETY: a forked child has one thread.
        unsafe { environment::replace(variables) };
    }
    let data_bytes = data_bytes()?;
    let output = output.as_ref().map(AsFd::as_fd);
    set_up(&Setting { limits, server, output, nothing: &nothing, data_bytes, signals_are_default: false })
}

/// What a child is set up with.
pub(super) struct Setting<'a> {
    pub(super) limits: &'a Limits,
    /// The server's process id.
    pub(super) server: libc::pid_t,
    /// Where what it prints goes, if that is captured.
    pub(super) output: Option<BorrowedFd<'a>>,
    /// `/dev/null`.
    pub(super) nothing: &'a File,
    /// How much private writable memory the server has.
    pub(super) data_bytes: u64,
    /// Whether SIGINT and SIGTERM need not be set.
    pub(super) signals_are_default: bool,
}

pub(super) fn set_up(setting: &Setting<'_>) -> io::Result<()> {
    let &Setting { limits, server, output, nothing, data_bytes, signals_are_default } = setting;
    direct::die_with_parent(libc::SIGKILL)?;
    // SAFETY: `getppid` takes nothing.
    if unsafe { libc::getppid() } != server {
        // The server died before it could be listened for.
        // SAFETY: `_exit` takes a number.
        unsafe { libc::_exit(EXIT_SETUP) };
    }
    if limits.own_process_group {
        // SAFETY: numbers; zeros mean this process.
        check(unsafe { libc::setpgid(0, 0) })?;
    }
    if !signals_are_default {
        interrupt::reset_in_child();
    }
    watchdog::poll_ends();
    if let Some(output) = output {
        // The standard ones belong to no Rust object.
        direct::duplicate(nothing.as_raw_fd(), libc::STDIN_FILENO)?;
        direct::duplicate(output.as_raw_fd(), libc::STDERR_FILENO)?;
        if limits.capture == Capture::Both {
            direct::duplicate(output.as_raw_fd(), libc::STDOUT_FILENO)?;
        }
    }
    rlimit::no_core_files()?;
    limits.memory_bytes.map_or(Ok(()), |bytes| rlimit::limit_memory(data_bytes.saturating_add(bytes)))
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A pipe's reading and writing end, both closed on execution.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), ForkError> {
    let mut ends = [0; 2];
    // SAFETY: a pointer to room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(ForkError::last("pipe2"));
    }
    // SAFETY: two new descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

pub(super) fn refuse_more_threads_than(most: u64) -> Result<(), ForkError> {
    for _ in 0..YIELDS_MAX {
        if thread_count()? <= most {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(ForkError::Threads { count: thread_count()? })
}

/// How many threads this process has: the links of `/proc/self/task`, which every directory in it adds one to.
pub(super) fn thread_count() -> Result<u64, ForkError> {
    use std::os::unix::fs::MetadataExt;
    let tasks = host(|| std::fs::metadata("/proc/self/task"))
        .map_err(|source| ForkError::System { call: "stat of /proc/self/task", source })?;
    Ok(tasks.nlink().saturating_sub(2))
}
