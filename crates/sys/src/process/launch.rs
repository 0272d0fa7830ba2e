//! The fork itself, and what the child does before and after its case.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::child::Child;
use super::fork::{END_MARK, EXIT_PANICKED, EXIT_SETUP, ForkError, ResultPipe};
use super::limits::{Capture, Limits};
use super::{environment, interrupt, rlimit, watchdog};
use crate::seal::host;

/// How often a thread that has been joined is waited for: the kernel may list it a moment longer than `pthread_join`
/// takes.
const YIELDS_MAX: u32 = 20_000;

pub(super) fn launch(limits: &Limits, case: impl FnOnce(&mut ResultPipe)) -> Result<Child, ForkError> {
    refuse_threads()?;
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
            run(limits, server, output, ResultPipe(File::from(result)), case)
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
fn run(
    limits: &Limits,
    server: libc::pid_t,
    output: Option<OwnedFd>,
    mut pipe: ResultPipe,
    case: impl FnOnce(&mut ResultPipe),
) -> ! {
    let code = match catch_unwind(AssertUnwindSafe(|| {
        if let Err(error) = set_up(limits, server, output.as_ref()) {
            eprintln!("stormglass: a forked case could not be set up: {error}");
            return EXIT_SETUP;
        }
        drop(output);
        case(&mut pipe);
        let written = host(|| pipe.write_all(&END_MARK));
        // A parent that has stopped reading knows why.
        if written.is_ok() { 0 } else { EXIT_SETUP }
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

fn set_up(limits: &Limits, server: libc::pid_t, output: Option<&OwnedFd>) -> io::Result<()> {
    // SAFETY: numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
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
    interrupt::reset_in_child();
    watchdog::poll_ends();
    if let Some(output) = output {
        let nothing = File::open("/dev/null")?;
        replace(nothing.as_raw_fd(), libc::STDIN_FILENO)?;
        replace(output.as_raw_fd(), libc::STDERR_FILENO)?;
        if limits.capture == Capture::Both {
            replace(output.as_raw_fd(), libc::STDOUT_FILENO)?;
        }
    }
    if let Some(variables) = &limits.environment {
        // SAFETY: a forked child has one thread.
        unsafe { environment::replace(variables) };
    }
    rlimit::no_core_files()?;
    limits.memory_bytes.map_or(Ok(()), rlimit::limit_memory)
}

fn replace(fd: libc::c_int, standard: libc::c_int) -> io::Result<()> {
    // SAFETY: two open descriptors; the standard ones belong to no Rust object.
    check(unsafe { libc::dup2(fd, standard) })
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A pipe's reading and writing end, both closed on execution.
fn pipe() -> Result<(OwnedFd, OwnedFd), ForkError> {
    let mut ends = [0; 2];
    // SAFETY: a pointer to room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(ForkError::last("pipe2"));
    }
    // SAFETY: two new descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

fn refuse_threads() -> Result<(), ForkError> {
    for _ in 0..YIELDS_MAX {
        if thread_count()? == 1 {
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
