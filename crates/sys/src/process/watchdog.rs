//! The poll watchdog: ends a process in which one poll burns more processor time than it may.
//!
//! A simulated world is stopped while a poll runs, so nothing in it can notice. A timer on the process's CPU clock (not
//! on the wall: a loaded machine must not make verdicts) sends a signal, whose handler looks whether the kernel has
//! begun another poll since. A CPU clock does not run while a poll is *blocked*; the parent's deadline is for that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a process that the watchdog ended exits with, unless naming the call site killed it first.
pub const EXIT_POLL_OVERRAN: i32 = 113;

/// The line that the watchdog writes first.
pub(super) const MARKER: &str = "\nstormglass-watchdog: one poll has used more processor time than it may\n";

/// Begins the line that names the call site, which may follow.
pub(super) const CALL_SITE: &str = "stormglass-watchdog: it was in ";

/// Odd while a poll runs; another value for every poll.
static POLLS: AtomicU64 = AtomicU64::new(0);

/// Tells the watchdog that a poll begins. Two plain moves and an add: for one thread at a time, as polls are.
#[inline(always)]
pub fn poll_begins() {
    POLLS.store((POLLS.load(Ordering::Relaxed) + 2) | 1, Ordering::Relaxed);
}

/// Tells the watchdog that no poll runs: checkers and reports may take their time.
#[inline(always)]
pub fn poll_ends() {
    POLLS.store((POLLS.load(Ordering::Relaxed) + 1) & !1, Ordering::Relaxed);
}

/// What the watchdog watches for.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// How often it looks, in processor time; no finer than the system's tick (1 to 10 ms). At least 1 ms, at
    /// most a day.
    pub tick: Duration,
    /// How much processor time of the process one poll may use. It is ended between this and two ticks later.
    pub limit: Duration,
    /// The descriptor that its message goes to: standard error (2), unless tested.
    pub fd: i32,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { tick: Duration::from_millis(100), limit: Duration::from_secs(10), fd: 2 }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::set_before;
#[cfg(target_os = "linux")]
pub use linux::{Watching, start};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Watching, start};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    use super::Watch;

    /// The watchdog watches while this lives.
    #[derive(Debug)]
    pub struct Watching(());

    /// Not on this platform.
    ///
    /// # Errors
    ///
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn start(_watch: Watch) -> io::Result<Watching> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the poll watchdog needs Linux"))
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::backtrace::Backtrace;
    use std::io;
    use std::mem::{forget, zeroed};
    use std::ptr;
    use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
    use std::time::Duration;

    use super::{CALL_SITE, EXIT_POLL_OVERRAN, MARKER, POLLS, Watch};
    use crate::process::direct;
    use crate::seal::{host, host_mode, innermost_foreign};

    static FD: AtomicI32 = AtomicI32::new(libc::STDERR_FILENO);
    static TICKS_MAX: AtomicU64 = AtomicU64::new(u64::MAX);
    static POLL_SEEN: AtomicU64 = AtomicU64::new(0);
    static TICKS_SEEN: AtomicU64 = AtomicU64::new(0);

    /// How long naming the call site may take before it is given up.
    const NAMING_SECONDS: libc::c_uint = 5;

    /// The watchdog watches while this lives.
    #[derive(Debug)]
    pub struct Watching {
        timer: libc::timer_t,
    }

    /// The signal whose handler a fork server has set for all its cases; zero if it has not.
    static SET_BEFORE: AtomicI32 = AtomicI32::new(0);

    /// Sets the handler for this process and those that it forks, which then need not.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub(in crate::process) fn set_before() -> io::Result<()> {
        SET_BEFORE.store(set_handler()?, Ordering::Relaxed);
        Ok(())
    }

    /// Sets the handler of a real-time signal, so that profilers keep SIGPROF and alarms SIGALRM. Gives the signal.
    fn set_handler() -> io::Result<libc::c_int> {
        let signal = libc::SIGRTMAX() - 1;
        // SAFETY: all zeros is a sigaction with an empty mask.
        let mut action: libc::sigaction = unsafe { zeroed() };
        action.sa_sigaction = on_tick as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // Not on the alternate stack: it is too small for a backtrace.
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: until a poll has overrun the handler only uses atomics, and afterwards it does not return.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(signal)
    }

    /// Starts to watch this thread, which is to be the one that polls; one watchdog per process, and none inherited by
    /// a fork.
    ///
    /// The handler first writes a fixed line to `watch.fd` and thereby settles the cause. Then it tries to name the
    /// call site with a backtrace. That is not safe in a signal handler (the poll may be inside the allocator); the
    /// process is to end anyway, and an alarm ends it if the attempt gets stuck.
    ///
    /// # Errors
    ///
    /// The system has no timer left, or refuses it.
    pub fn start(watch: Watch) -> io::Result<Watching> {
        let tick = watch.tick.max(Duration::from_millis(1));
        FD.store(watch.fd, Ordering::Relaxed);
        let ticks = u64::try_from(watch.limit.as_nanos().div_ceil(tick.as_nanos())).unwrap_or(u64::MAX);
        TICKS_MAX.store(ticks.max(1), Ordering::Relaxed);
        TICKS_SEEN.store(0, Ordering::Relaxed);
        host(|| arm(tick))
    }

    fn arm(tick: Duration) -> io::Result<Watching> {
        let signal = match SET_BEFORE.load(Ordering::Relaxed) {
            0 => set_handler()?,
            signal => signal,
        };
        // SAFETY: all zeros is a valid sigevent.
        let mut event: libc::sigevent = unsafe { zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        // To this thread, whose backtrace is wanted, and not to one that waits for it.
        event.sigev_notify_thread_id = direct::thread_id();
        let mut timer: libc::timer_t = ptr::null_mut();
        // SAFETY: pointers to locals.
        if unsafe { libc::timer_create(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut event, &raw mut timer) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let watching = Watching { timer };
        // A tick of more than a day is none.
        let seconds = u32::try_from(tick.as_secs()).unwrap_or(86_400).min(86_400);
        let every = libc::timespec { tv_sec: seconds.into(), tv_nsec: tick.subsec_nanos().into() };
        let setting = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: a timer of ours and a pointer to a local.
        if unsafe { libc::timer_settime(timer, 0, &raw const setting, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(watching)
    }

    impl Drop for Watching {
        fn drop(&mut self) {
            // SAFETY: the timer is ours and deleted once. A signal already on its way finds the handler still in place.
            unsafe { libc::timer_delete(self.timer) };
        }
    }

    extern "C" fn on_tick(_signal: libc::c_int) {
        let poll = POLLS.load(Ordering::Relaxed);
        let running = poll & 1 == 1;
        if !running || poll != POLL_SEEN.swap(poll, Ordering::Relaxed) {
            TICKS_SEEN.store(0, Ordering::Relaxed);
            return;
        }
        let ticks = TICKS_SEEN.load(Ordering::Relaxed) + 1;
        TICKS_SEEN.store(ticks, Ordering::Relaxed);
        if ticks >= TICKS_MAX.load(Ordering::Relaxed) {
            end();
        }
    }

    fn write(fd: libc::c_int, bytes: &[u8]) {
        // SAFETY: the bytes and their length. A failed or short write loses text of a process that is ending.
        unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    }

    fn end() -> ! {
        // Never left again: no simulated code runs from here on.
        forget(host_mode());
        let fd = FD.load(Ordering::Relaxed);
        write(fd, MARKER.as_bytes());
        // SAFETY: all async-signal-safe; the default disposition of SIGALRM ends the process.
        unsafe {
            libc::signal(libc::SIGALRM, libc::SIG_DFL);
            libc::alarm(NAMING_SECONDS);
        }
        let backtrace = Backtrace::force_capture().to_string();
        if let Some(site) = innermost_foreign(&backtrace) {
            write(fd, format!("{CALL_SITE}{site}\n{backtrace}").as_bytes());
        }
        // SAFETY: `_exit` may be called anywhere.
        unsafe { libc::_exit(EXIT_POLL_OVERRAN) }
    }
}
