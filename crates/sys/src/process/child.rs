//! A forked case that runs, and the wait for its end.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::fork::{ChildEnd, END_MARK, End, ForkError};
use super::limits::Limits;
use super::output::{CHUNK_BYTES, Tail};

/// How many chunks are read in a row: together more than a pipe can hold (64 KiB, 1 MiB at most unless root raises it),
/// few enough to look at the deadline in a flood.
const CHUNKS_MAX: usize = 80;

/// How often a give-up question is asked, and how often a child is looked for where the kernel has no pidfd.
const LOOK_MS: i32 = 50;

/// For how long a server's child is let run before its output is looked at. Most are done by then, and a look for each
/// would cost more than they do.
const UNDISTURBED_MS: i32 = 5;

/// A forked case that runs. Dropped without a wait, it is killed.
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
    own_process_group: bool,
    reaped: bool,
    /// Readable when the process has ended. Linux before 5.3 has none, and some containers forbid it.
    pidfd: Option<OwnedFd>,
    result_pipe: Option<File>,
    output_pipe: Option<File>,
    result: Vec<u8>,
    result_bytes_max: usize,
    output: Tail,
}

/// What `wait4` told.
pub(super) struct Reaped {
    status: libc::c_int,
    usage: libc::rusage,
}

impl Child {
    pub(super) fn new(pid: libc::pid_t, limits: &Limits, result: OwnedFd, output: Option<OwnedFd>) -> Child {
        make_nonblocking(&result);
        let mut child = Child::of_server(pid, limits, output.map(File::from), Tail::new(limits.output_bytes_kept));
        child.result_pipe = Some(File::from(result));
        child.result_bytes_max = limits.result_bytes_max;
        child
    }

    /// A child that leaves its result elsewhere, and whose output pipe and memory for output the server has lent it.
    pub(super) fn of_server(pid: libc::pid_t, limits: &Limits, output: Option<File>, tail: Tail) -> Child {
        if let Some(output) = &output {
            make_nonblocking(output);
        }
        // SAFETY: the arguments of the system call: a process and no flags.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let pidfd = RawFd::try_from(pidfd).ok().filter(|fd| *fd >= 0);
        Child {
            pid,
            own_process_group: limits.own_process_group,
            reaped: false,
            // SAFETY: a new descriptor that nobody else owns.
            pidfd: pidfd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
            result_pipe: None,
            output_pipe: output,
            result: Vec::new(),
            result_bytes_max: 0,
            output: tail,
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Waits until the case has ended; at the deadline, kills it. Reads its result and its output meanwhile.
    ///
    /// # Errors
    ///
    /// The system refuses to wait: somebody else has taken the child's status (SIGCHLD is ignored, say).
    pub fn wait(self, deadline: Option<Instant>) -> Result<ChildEnd, ForkError> {
        self.watch(deadline, None)
    }

    /// As [`wait`](Child::wait), but kills the case also when `give_up` says so. It is asked about twenty times a
    /// second, and after every signal: so [`interrupted`](super::interrupted) fits.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Child::wait).
    pub fn wait_unless(
        self,
        deadline: Option<Instant>,
        give_up: &mut dyn FnMut() -> bool,
    ) -> Result<ChildEnd, ForkError> {
        self.watch(deadline, Some(give_up))
    }

    fn watch(
        mut self,
        deadline: Option<Instant>,
        give_up: Option<&mut dyn FnMut() -> bool>,
    ) -> Result<ChildEnd, ForkError> {
        let (stopped, reaped) = self.until_end(deadline, give_up)?;
        Ok(self.into_end(stopped, &reaped))
    }

    /// Waits until the process has ended, and reads what it wrote; or ends it, and says why.
    pub(super) fn until_end(
        &mut self,
        deadline: Option<Instant>,
        mut give_up: Option<&mut dyn FnMut() -> bool>,
    ) -> Result<(Option<End>, Reaped), ForkError> {
        let asked = give_up.is_some();
        // Without a result pipe nothing needs a reader at once.
        let mut undisturbed = self.result_pipe.is_none() && self.pidfd.is_some();
        loop {
            let timeout_ms = match undisturbed {
                true => timeout_ms(deadline, true).min(UNDISTURBED_MS),
                false => timeout_ms(deadline, asked || self.pidfd.is_none()),
            };
            let ended = self.poll(timeout_ms, undisturbed)?;
            undisturbed = false;
            let full = self.read_pipes();
            if let Some(reaped) = ended {
                return Ok((None, reaped));
            }
            let end = if full {
                End::ResultTooLarge
            } else if give_up.as_mut().is_some_and(|give_up| give_up()) {
                End::GivenUp
            } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                End::TimedOut
            } else {
                continue;
            };
            return self.stop().map(|reaped| (Some(end), reaped));
        }
    }

    /// Gives back the output pipe that was lent.
    pub(super) fn take_output(&mut self) -> Option<File> {
        self.output_pipe.take()
    }

    /// Waits for bytes, for the end of the process, or for the time to pass.
    fn poll(&self, timeout_ms: i32, only_the_end: bool) -> Result<Option<Reaped>, ForkError> {
        let raw = |fd: Option<RawFd>| libc::pollfd { fd: fd.unwrap_or(-1), events: libc::POLLIN, revents: 0 };
        let mut fds = [
            raw(self.result_pipe.as_ref().map(AsRawFd::as_raw_fd)),
            raw(self.output_pipe.as_ref().map(AsRawFd::as_raw_fd)),
            raw(self.pidfd.as_ref().map(AsRawFd::as_raw_fd)),
        ];
        if only_the_end {
            fds[1].fd = -1;
        }
        // SAFETY: a pointer to the descriptors and their number; negative ones are skipped.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
        if ready < 0 {
            let source = io::Error::last_os_error();
            // A signal: the caller looks around and comes back.
            return if source.kind() == ErrorKind::Interrupted {
                Ok(None)
            } else {
                Err(ForkError::System { call: "poll", source })
            };
        }
        if self.pidfd.is_some() && fds[2].revents == 0 { Ok(None) } else { self.reap(libc::WNOHANG) }
    }

    fn reap(&self, options: libc::c_int) -> Result<Option<Reaped>, ForkError> {
        loop {
            let mut status = 0;
            // SAFETY: all zeros is a valid rusage.
            let mut usage: libc::rusage = unsafe { zeroed() };
            // SAFETY: pointers to locals.
            match unsafe { libc::wait4(self.pid, &raw mut status, options, &raw mut usage) } {
                0 => return Ok(None),
                pid if pid > 0 => return Ok(Some(Reaped { status, usage })),
                _ if io::Error::last_os_error().kind() == ErrorKind::Interrupted => {}
                _ => return Err(ForkError::last("wait4")),
            }
        }
    }

    /// Reads what is there. `true` if the result has grown past its limit.
    fn read_pipes(&mut self) -> bool {
        let (output, result) = (&mut self.output, &mut self.result);
        read_all(&mut self.output_pipe, |pipe| output.read_from(pipe));
        let most = self.result_bytes_max.saturating_add(END_MARK.len());
        read_all(&mut self.result_pipe, |pipe| {
            let read = pipe.take(CHUNK_BYTES as u64).read_to_end(result);
            if result.len() > most { Err(ErrorKind::FileTooLarge.into()) } else { read }
        });
        self.result.len() > most
    }

    /// Kills the process and takes its end.
    fn stop(&mut self) -> Result<Reaped, ForkError> {
        self.kill();
        let Some(reaped) = self.reap(0)? else {
            return Err(ForkError::last("wait4"));
        };
        self.read_pipes();
        Ok(reaped)
    }

    fn kill(&self) {
        // SAFETY: numbers. The process has not been waited for, so its id is still its own.
        unsafe {
            if self.own_process_group {
                libc::kill(-self.pid, libc::SIGKILL);
            }
            libc::kill(self.pid, libc::SIGKILL);
        }
    }

    pub(super) fn into_end(mut self, end: Option<End>, reaped: &Reaped) -> ChildEnd {
        self.reaped = true;
        let status = reaped.status;
        let end = end.unwrap_or_else(|| {
            if libc::WIFSIGNALED(status) {
                End::Signalled(libc::WTERMSIG(status))
            } else {
                End::Exited(libc::WEXITSTATUS(status))
            }
        });
        let mut result = std::mem::take(&mut self.result);
        let completed = result.ends_with(&END_MARK);
        if completed {
            result.truncate(result.len() - END_MARK.len());
        }
        let (output, output_bytes) = std::mem::replace(&mut self.output, Tail::new(0)).into_parts();
        ChildEnd {
            result,
            completed,
            output,
            output_bytes,
            end,
            cpu_user: duration(reaped.usage.ru_utime),
            cpu_system: duration(reaped.usage.ru_stime),
            // Linux counts it in kibibytes.
            resident_bytes_max: u64::try_from(reaped.usage.ru_maxrss).unwrap_or(0) * 1_024,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            let _ = self.reap(0);
        }
    }
}

/// Reads by `chunk` until nothing is there, it has had enough, or it has gone on for long; closes the pipe at its end.
fn read_all(pipe: &mut Option<File>, mut chunk: impl FnMut(&mut File) -> io::Result<usize>) {
    for _ in 0..CHUNKS_MAX {
        let Some(file) = pipe else { return };
        match chunk(file) {
            Ok(CHUNK_BYTES) => {}
            Ok(_) => *pipe = None,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::FileTooLarge) => return,
            // A pipe has no other errors; one that did would never end.
            Err(_) => *pipe = None,
        }
    }
}

/// What `fd` cannot give or take at once is an error from here on.
pub(super) fn make_nonblocking(fd: &impl AsRawFd) {
    // SAFETY: an open descriptor and numbers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
}

/// How long `poll` may sleep: rounded up, so that it does not spin through the last millisecond.
fn timeout_ms(deadline: Option<Instant>, look: bool) -> i32 {
    let most = if look { LOOK_MS } else { -1 };
    let Some(deadline) = deadline else { return most };
    let left = deadline.saturating_duration_since(Instant::now());
    let left = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    if look { left.min(most) } else { left }
}

fn duration(time: libc::timeval) -> Duration {
    let us = u32::try_from(time.tv_usec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), us * 1_000)
}
