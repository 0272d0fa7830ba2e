//! Threads. One that a simulated program starts is a thread of the machine that waits for its turn; to the world it is one
//! more task of the node. Its end and its joining are the world's, so that nothing of it runs beside the simulation.
//!
//! glibc waits for a thread inside itself, where no symbol is in the way: so a join waits in the world first, and joins for
//! real when there is nothing left to wait for.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use libc::{c_int, c_void, clockid_t, pthread_attr_t, pthread_t, timespec};

use super::sleep::ns_of;
use crate::seal::current::{host, is_simulated, simulation};
use crate::seal::hooks::Hooks;
use crate::seal::interpose::{ask, refused};
use crate::seal::program_threads::{Admission, ProgramThread, find, forget, note};
use crate::seal::standing::ask_to_wait;
use crate::seal::traps::{self, SyscallTrap, Traps};

unsafe extern "C" {
    fn pthread_attr_getdetachstate(attributes: *const pthread_attr_t, state: *mut c_int) -> c_int;
}

type Routine = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

thread_local! {
    /// Of a thread that a program started, until its last destructor has run.
    static TRAPS: RefCell<Option<Traps>> = const { RefCell::new(None) };
}

/// What a new thread begins with.
struct Start {
    routine: Routine,
    argument: *mut c_void,
    enter: Box<dyn FnOnce() -> bool + Send>,
    thread: Arc<ProgramThread>,
    armed: Option<SyscallTrap>,
}

/// The first frame of a program's thread. It holds nothing while the program's own code runs: `pthread_exit` leaves it
/// without coming back.
unsafe extern "C-unwind" fn begin(start: *mut c_void) -> *mut c_void {
    // SAFETY: the box that `start` leaked for this thread alone.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start { routine, argument, enter, thread, armed } = *start;
    // SAFETY: it takes nothing; this thread is in no simulation yet.
    thread.begin(unsafe { libc::gettid() });
    // Made before everything that the program keeps in thread-locals, and so gone after it.
    TRAPS.set(armed.map(|by| traps::arm_traps(Some(by))));
    let runs = enter();
    if !runs {
        thread.end();
    }
    drop(thread);
    if !runs {
        return ptr::null_mut();
    }
    // SAFETY: the program's own routine with its own argument.
    unsafe { routine(argument) }
}

/// Starts a thread of a simulated program. The answer of `pthread_create`; `None` where the world has no place for threads.
///
/// # Safety
///
/// The arguments are those of `pthread_create`.
unsafe fn start(
    hooks: &'static dyn Hooks,
    out: *mut pthread_t,
    attributes: *const pthread_attr_t,
    routine: Routine,
    argument: *mut c_void,
) -> Option<c_int> {
    let thread = Arc::new(ProgramThread::default());
    let (enter, seat) = match hooks.new_thread(&thread) {
        Admission::Refused => return None,
        Admission::Full => return Some(libc::EAGAIN),
        Admission::Admitted { enter, seat } => (enter, seat),
    };
    let mut joinable = MaybeUninit::<pthread_attr_t>::uninit();
    let mut attributes = attributes;
    let mut state = libc::PTHREAD_CREATE_JOINABLE;
    // SAFETY: the caller's attributes, which are valid where they are not null.
    let knows = !attributes.is_null() && unsafe { pthread_attr_getdetachstate(attributes, &raw mut state) } == 0;
    if knows && state == libc::PTHREAD_CREATE_DETACHED {
        thread.detach();
        // The system's own thread is always to be joined, by whoever sees it out. What the attributes own is lent to the
        // copy, which is not destroyed.
        // SAFETY: plain data to be read from one and written to the other, which then is a valid value.
        unsafe {
            ptr::copy_nonoverlapping(attributes, joinable.as_mut_ptr(), 1);
            libc::pthread_attr_setdetachstate(joinable.as_mut_ptr(), libc::PTHREAD_CREATE_JOINABLE);
        }
        attributes = joinable.as_ptr();
    }
    let begins = Box::into_raw(Box::new(Start {
        routine,
        argument,
        enter,
        thread: Arc::clone(&thread),
        armed: traps::to_inherit(),
    }));
    // SAFETY: the caller's place and attributes; the routine takes the box that it is given.
    let answer = unsafe { real::pthread_create(out, attributes, begin, begins.cast()) };
    if answer != 0 {
        // SAFETY: no thread has taken the box.
        drop(unsafe { Box::from_raw(begins) });
        return Some(answer);
    }
    // SAFETY: the caller's place, where the system has just put the thread's name.
    let key = unsafe { *out } as usize;
    note(key, &thread);
    if !seat() {
        // It has been seen out already, or is on its way out without a turn.
        thread.detach();
        return Some(libc::EAGAIN);
    }
    Some(0)
}

/// Waits until an ended thread is no more, and joins it where nobody else will.
pub(in crate::seal) fn see_out(thread: &ProgramThread) {
    if !thread.has_ended() {
        return;
    }
    let number = thread.number();
    // The system has a way to wait for a thread, but that also gives its memory, and with it its name, to the next one.
    // SAFETY: numbers; the signal 0 is not sent, and only asks whether there is such a thread.
    while unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), number, 0) } == 0 {
        std::thread::yield_now();
    }
    if thread.is_detached()
        && let Some(name) = thread.key()
    {
        forget(name);
        // SAFETY: a thread of ours that has ended and that nobody else joins.
        unsafe { real::pthread_join(name as pthread_t, ptr::null_mut()) };
    }
}

enum Joined {
    Ended,
    Failed(c_int),
}

/// Waits until the code of `thread` has ended, for at most `timeout_ns`.
fn wait(symbol: &'static str, thread: &ProgramThread, timeout_ns: Option<u64>) -> Joined {
    loop {
        if thread.has_ended() {
            return Joined::Ended;
        }
        if thread.is_left() {
            // Of a simulation that is over, or of a node that went down: to wait would be to wait for ever.
            host(|| eprintln!("stormglass: {symbol} of a thread whose simulated node has gone down"));
            return Joined::Failed(libc::ESRCH);
        }
        if !is_simulated() {
            // The simulation goes on without this thread. It is not up to the world for how long.
            let moment = timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            // SAFETY: a pointer to a local.
            unsafe { super::sleep::real::nanosleep(&raw const moment, ptr::null_mut()) };
            continue;
        }
        match ask_to_wait(timeout_ns.is_some(), |hooks| hooks.thread_wait(thread.address(), timeout_ns)) {
            Some(true) => {}
            Some(false) => return Joined::Failed(libc::ETIMEDOUT),
            None => {
                refused(symbol, || "waits for a thread in the midst of a task's poll; spawn_blocking may".to_owned());
                return Joined::Failed(libc::EDEADLK);
            }
        }
    }
}

/// Joins `thread`, if a simulated program has started it.
///
/// # Safety
///
/// `value` is null or valid for a write.
unsafe fn join(
    symbol: &'static str,
    name: pthread_t,
    value: *mut *mut c_void,
    timeout_ns: impl FnOnce() -> Option<u64>,
) -> Option<c_int> {
    let thread = host(|| find(name as usize))?;
    if thread.is_detached() {
        return Some(libc::EINVAL);
    }
    if let Joined::Failed(errno) = wait(symbol, &thread, timeout_ns()) {
        return Some(errno);
    }
    host(|| {
        forget(name as usize);
        // SAFETY: a thread that nobody has joined and that has ended; the caller's place.
        Some(unsafe { real::pthread_join(name, value) })
    })
}

/// How far off an instant of a clock is, in nanoseconds.
///
/// # Safety
///
/// `at` is null or points to a timespec.
unsafe fn until(clock: clockid_t, at: *const timespec) -> Option<u64> {
    // SAFETY: as the caller promises.
    let at = unsafe { ns_of(at) }?;
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a pointer to a local; our own interposer, so the time is the node's.
    unsafe { super::time::clock_gettime(clock, &raw mut now) };
    // SAFETY: a pointer to a local.
    Some(at.saturating_sub(unsafe { ns_of(&raw const now) }.unwrap_or(0)))
}

interpose! {
    THREADS;

    fn pthread_create(
        thread: *mut pthread_t,
        attributes: *const pthread_attr_t,
        routine: Routine,
        argument: *mut c_void,
    ) -> c_int {
        if let Some(hooks) = simulation() {
            // SAFETY: the caller's own arguments.
            if let Some(answer) = host(|| unsafe { start(hooks, thread, attributes, routine, argument) }) {
                return answer;
            }
            refused("pthread_create", || "a new operating system thread".to_owned());
            // Answers the error number itself, as POSIX has it; EPERM would be the scheduler's, but EAGAIN invites a
            // retry.
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::pthread_create(thread, attributes, routine, argument) }
    }

    fn pthread_join(thread: pthread_t, value: *mut *mut c_void) -> c_int {
        // SAFETY: the caller's own arguments.
        if let Some(answer) = unsafe { join("pthread_join", thread, value, || None) } {
            return answer;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::pthread_join(thread, value) }
    }

    fn pthread_tryjoin_np(thread: pthread_t, value: *mut *mut c_void) -> c_int {
        match host(|| find(thread as usize)) {
            Some(known) if !known.has_ended() => libc::EBUSY,
            // SAFETY: the caller's own arguments; it has ended, so that nobody waits.
            Some(_) => unsafe { join("pthread_tryjoin_np", thread, value, || None) }.unwrap_or(libc::EINVAL),
            // SAFETY: the caller's own arguments, unchanged.
            None => unsafe { real::pthread_tryjoin_np(thread, value) },
        }
    }

    fn pthread_timedjoin_np(thread: pthread_t, value: *mut *mut c_void, at: *const timespec) -> c_int {
        // SAFETY: the caller's own arguments.
        let timeout_ns = || unsafe { until(libc::CLOCK_REALTIME, at) };
        // SAFETY: the caller's own arguments.
        if let Some(answer) = unsafe { join("pthread_timedjoin_np", thread, value, timeout_ns) } {
            return answer;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::pthread_timedjoin_np(thread, value, at) }
    }

    fn pthread_clockjoin_np(
        thread: pthread_t,
        value: *mut *mut c_void,
        clock: clockid_t,
        at: *const timespec,
    ) -> c_int {
        // SAFETY: the caller's own arguments.
        let timeout_ns = || unsafe { until(clock, at) };
        // SAFETY: the caller's own arguments.
        if let Some(answer) = unsafe { join("pthread_clockjoin_np", thread, value, timeout_ns) } {
            return answer;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::pthread_clockjoin_np(thread, value, clock, at) }
    }

    fn pthread_detach(thread: pthread_t) -> c_int {
        let Some(known) = host(|| find(thread as usize)) else {
            // SAFETY: the caller's own argument, unchanged.
            return unsafe { real::pthread_detach(thread) };
        };
        if !known.detach() {
            return libc::EINVAL;
        }
        if known.has_ended() {
            host(|| forget(thread as usize));
            // SAFETY: a thread that nobody has joined.
            return unsafe { real::pthread_detach(thread) };
        }
        0
    }

    fn pthread_cancel(thread: pthread_t) -> c_int {
        if refused("pthread_cancel", String::new) {
            return libc::EPERM;
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::pthread_cancel(thread) }
    }

    fn sched_yield() -> c_int {
        if ask(|hooks| Some(hooks.yield_now())) == Some(true) {
            return 0;
        }
        // SAFETY: it takes nothing.
        unsafe { real::sched_yield() }
    }
}
