//! The fork server of a worker: everything that its cases have in common is set up once, so that a case costs little more
//! than a fork, and every case begins with the same memory.
//!
//! Cases are forked off a thread of the server on which nothing else ever runs. So a case needs no thread of its own: what
//! the child goes on with has fresh thread-locals, a stack at an address that does not depend on the environment, and a
//! part of the heap of its own. Programs see where their memory is, so every case must find the heap as the first one did:
//! between two cases the server neither allocates nor frees, and what needs memory is done [apart](ForkServer::apart), by
//! a child as well.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::resume_unwind;
use std::time::Instant;

use super::child::Child;
use super::fork::{ChildEnd, End, ForkError};
use super::interrupt::is_default;
use super::launch::{Setting, live, pipe, refuse_more_threads_than, set_up};
use super::limits::{Capture, Limits};
use super::output::Tail;
use super::region::{Region, Written};
use super::rlimit::data_bytes;
use super::seat::ForkSeat;
use super::{code, environment, watchdog};
#[cfg(sealed_tier)]
use crate::seal::{Forgone, know_blocks};
use crate::seal::{host, is_simulated, vouch_for_thread};

/// The threads of a server: the one that forks, and the main one, which does nothing but wait for it.
const THREADS: u64 = 2;

/// Runs case after case, each in a forked child.
#[derive(Debug)]
pub struct ForkServer {
    /// Its process id.
    id: libc::pid_t,
    stack_bytes: usize,
    /// `/proc/self/task`, which has a link per thread.
    tasks: File,
    /// `/dev/null`, which cases read from.
    nothing: File,
    /// Where the server reads what cases print, and where they write it. `None` where others may still write to it.
    output: Option<(File, OwnedFd)>,
    region: Region,
    /// How much private writable memory the server has.
    data_bytes: u64,
    /// Whether SIGINT and SIGTERM do what they do by default.
    signals_are_default: bool,
    fork: unsafe extern "C" fn() -> libc::pid_t,
    end: ChildEnd,
}

/// The system call without what libc adds for programs with threads: locks taken and lists reset, all over the memory
/// that the child would then have to copy. Of this process only the calling thread does anything, so nothing of it is
/// needed. glibc has it from 2.34 on; before, the usual one.
fn bare_fork() -> unsafe extern "C" fn() -> libc::pid_t {
    // SAFETY: the name is a C string.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_Fork".as_ptr()) };
    if address.is_null() {
        return libc::fork;
    }
    // SAFETY: POSIX gives `_Fork` this type.
    unsafe { std::mem::transmute::<*mut libc::c_void, unsafe extern "C" fn() -> libc::pid_t>(address) }
}

/// Gives back to the system what the set-up of this process has freed: a fork pays for every page that is there.
fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: a number.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Where a case writes its result. Unbuffered; works inside a simulation too.
#[derive(Debug)]
pub struct ResultSink<'a>(&'a mut Region);

impl Write for ResultSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// More than libc keeps of the stacks of threads that have ended (40 MiB, unless it is told otherwise).
const STACKS_KEPT_MAX_BYTES: usize = 48 << 20;

/// Has libc give the stacks of threads that have ended back to the system: each is two mappings, which every fork would copy.
/// It does when one more would be more than it keeps.
fn give_back_stacks() {
    let thread = host(|| std::thread::Builder::new().stack_size(STACKS_KEPT_MAX_BYTES).spawn(|| ()));
    // Without it they stay, which does no harm.
    let _ = thread.map(std::thread::JoinHandle::join);
}

impl ForkServer {
    /// Makes this process a fork server for as long as `serve` runs, on the thread of `seat`. From here on the process has
    /// `environment` and no other.
    ///
    /// # Errors
    ///
    /// See [`ForkError`]; among them, that this process has further threads.
    ///
    /// # Panics
    ///
    /// With what `serve` panicked with.
    pub fn serve<T: Send + 'static>(
        seat: ForkSeat,
        environment: &[(String, String)],
        serve: impl FnOnce(&mut ForkServer) -> T + Send + 'static,
    ) -> Result<T, ForkError> {
        if is_simulated() {
            return Err(ForkError::Simulated);
        }
        give_back_stacks();
        refuse_more_threads_than(THREADS)?;
        // SAFETY: the other thread waits for work.
        unsafe { code::move_to_huge_pages() };
        // SAFETY: the other thread waits for work and looks at nothing.
        unsafe { environment::replace(environment) };
        // Where it is refused each case says so.
        let _ = watchdog::set_before();
        // Else both processes would write what is still in the buffer.
        let _ = io::stdout().flush();
        let system = |call| move |source| ForkError::System { call, source };
        let most = Limits::default();
        let mut server = ForkServer {
            // SAFETY: `getpid` takes nothing.
            id: unsafe { libc::getpid() },
            stack_bytes: seat.stack_bytes(),
            tasks: host(|| File::open("/proc/self/task")).map_err(system("open of /proc/self/task"))?,
            nothing: host(|| File::open("/dev/null")).map_err(system("open of /dev/null"))?,
            output: None,
            region: Region::new(most.result_bytes_max).map_err(system("mmap"))?,
            data_bytes: 0,
            signals_are_default: is_default(),
            fork: bare_fork(),
            end: ChildEnd::none(Tail::with_room(most.output_bytes_kept)),
        };
        let served = seat.work(move || {
            // Found out once for all cases.
            #[cfg(sealed_tier)]
            know_blocks();
            #[cfg(sealed_tier)]
            let _forgone = Forgone::begin();
            trim_memory();
            server.data_bytes = data_bytes().map_err(system("read of /proc/self/statm"))?;
            Ok(serve(&mut server))
        });
        served.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Forks; the child runs `case`, whose result is what it writes, and exits without running exit handlers or
    /// destructors of statics. Waits for its end: at the deadline, or when `give_up` says so, it is killed. That is asked
    /// about twenty times a second, and after every signal.
    ///
    /// The child dies with this thread, leaves no core file, and has the default action for SIGINT and SIGTERM. Of the
    /// limits, those on the result and on kept output are the defaults whatever they say, and the environment is the
    /// server's.
    ///
    /// # Errors
    ///
    /// See [`ForkError`]. What fails in the child later is its [`ChildEnd`].
    pub fn run(
        &mut self,
        limits: &Limits,
        deadline: Option<Instant>,
        give_up: &mut dyn FnMut() -> bool,
        case: impl FnOnce(&mut ResultSink<'_>),
    ) -> Result<(&ChildEnd, &[u8]), ForkError> {
        let captured = match limits.capture {
            Capture::Nothing => None,
            Capture::Both | Capture::Error => Some(match self.output.take() {
                Some(output) => output,
                None => pipe().map(|(read, write)| (File::from(read), write))?,
            }),
        };
        let stack_bytes = self.stack_bytes;
        let id = self.fork(limits, captured.as_ref().map(|(_, write)| write), |region, _| {
            vouch_for_thread(stack_bytes);
            case(&mut ResultSink(region));
            Ok(())
        })?;
        let captures = captured.is_some();
        let (read, write) = captured.unzip();
        let read = self.wait_for(id, limits, read, deadline, give_up)?;
        if self.end.completed && captures {
            // Whoever ends by itself leaves nobody behind that would write on.
            self.output = read.zip(write);
        }
        Ok((&self.end, self.region.bytes()))
    }

    /// Has a child do what is no case and needs memory, with the end of the last case at hand, and waits for it. It prints
    /// where the server does. Whether it came to its end, and well.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn apart(
        &mut self,
        give_up: &mut dyn FnMut() -> bool,
        task: impl FnOnce(&ChildEnd) -> io::Result<()>,
    ) -> Result<bool, ForkError> {
        let limits = Limits { capture: Capture::Nothing, ..Limits::default() };
        let id = self.fork(&limits, None, |_, last| task(last))?;
        self.wait_for(id, &limits, None, None, give_up)?;
        Ok(self.end.is_whole())
    }

    /// Forks a child that lives `life` and leaves word where that went well.
    fn fork(
        &mut self,
        limits: &Limits,
        output: Option<&OwnedFd>,
        life: impl FnOnce(&mut Region, &ChildEnd) -> io::Result<()>,
    ) -> Result<libc::pid_t, ForkError> {
        self.refuse_further_threads()?;
        self.region.clear();
        // SAFETY: the other thread waits for this one and holds no lock: the child is as able as this thread.
        match unsafe { (self.fork)() } {
            -1 => Err(ForkError::last("fork")),
            0 => {
                let (server, nothing, data_bytes) = (self.id, &self.nothing, self.data_bytes);
                let (output, signals_are_default) = (output.map(AsFd::as_fd), self.signals_are_default);
                let setting = Setting { limits, server, output, nothing, data_bytes, signals_are_default };
                let (region, last) = (&mut self.region, &self.end);
                live(
                    || set_up(&setting),
                    || {
                        life(region, last)?;
                        region.finish();
                        Ok(())
                    },
                )
            }
            id => Ok(id),
        }
    }

    /// Waits for the end of a child, and keeps it. Gives back where its output was read.
    fn wait_for(
        &mut self,
        id: libc::pid_t,
        limits: &Limits,
        output: Option<File>,
        deadline: Option<Instant>,
        give_up: &mut dyn FnMut() -> bool,
    ) -> Result<Option<File>, ForkError> {
        let kept = Tail::again(std::mem::take(&mut self.end.output), Limits::default().output_bytes_kept);
        let mut child = Child::of_server(id, limits, output, kept);
        let (stopped, reaped) = child.until_end(deadline, Some(give_up))?;
        let output = child.take_output();
        self.end = child.into_end(stopped, &reaped);
        match self.region.written() {
            Written::Whole => self.end.completed = true,
            Written::TooMuch if stopped.is_none() => self.end.end = End::ResultTooLarge,
            Written::TooMuch | Written::Part => {}
        }
        Ok(output)
    }

    fn refuse_further_threads(&self) -> Result<(), ForkError> {
        use std::os::unix::fs::MetadataExt;
        let tasks = host(|| self.tasks.metadata())
            .map_err(|source| ForkError::System { call: "fstat of /proc/self/task", source })?;
        match tasks.nlink().saturating_sub(2) {
            THREADS => Ok(()),
            count => Err(ForkError::Threads { count }),
        }
    }
}
