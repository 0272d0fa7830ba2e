//! Blocking waits for time or for descriptors. A sleep is the world's to judge; waiting for real descriptors is
//! refused.

use libc::{c_int, c_uint, c_void, clockid_t, fd_set, nfds_t, pollfd, sigset_t, timespec, timeval, useconds_t};

use crate::seal::hooks::Sleep;
use crate::seal::interpose::{ask, fail};
use crate::seal::leak;

/// Puts a sleep before the world. `true` if the call is to return as though it had slept.
pub(super) fn slept(symbol: &'static str, ns: u64) -> bool {
    match ask(|hooks| Some(hooks.blocking_sleep(ns))) {
        None | Some(Sleep::Real) => false,
        Some(Sleep::Slept) => true,
        Some(Sleep::Refused) => {
            leak::record(symbol, || format!("{ns} ns"));
            true
        }
    }
}

/// Nanoseconds of a timespec, `None` where it is not a valid one.
///
/// # Safety
///
/// `time` is null or points to a timespec.
pub(super) unsafe fn ns_of(time: *const timespec) -> Option<u64> {
    // SAFETY: as the caller promises.
    let time = unsafe { time.as_ref() }?;
    let (seconds, ns) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
    (ns < 1_000_000_000).then(|| seconds.saturating_mul(1_000_000_000).saturating_add(ns))
}

/// Nothing remains of a sleep that counts as slept.
///
/// # Safety
///
/// `remaining` is null or valid for a write.
unsafe fn nothing_remains(remaining: *mut timespec) {
    if !remaining.is_null() {
        // SAFETY: as the caller promises.
        unsafe { remaining.write(timespec { tv_sec: 0, tv_nsec: 0 }) };
    }
}

interpose! {
    SLEEP;

    fn nanosleep(length: *const timespec, remaining: *mut timespec) -> c_int {
        // SAFETY: the caller's pointer, which is null or valid.
        if let Some(ns) = unsafe { ns_of(length) } && slept("nanosleep", ns) {
            // SAFETY: the caller's pointer, which is null or valid.
            unsafe { nothing_remains(remaining) };
            return 0;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::nanosleep(length, remaining) }
    }

    fn clock_nanosleep(clock: clockid_t, flags: c_int, length: *const timespec, remaining: *mut timespec) -> c_int {
        // SAFETY: the caller's pointer, which is null or valid.
        if crate::seal::is_simulated() && let Some(mut ns) = unsafe { ns_of(length) } {
            let absolute = flags & libc::TIMER_ABSTIME != 0;
            if absolute {
                let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
                // SAFETY: a pointer to a local; our own interposer, so the time is the node's.
                if unsafe { super::time::clock_gettime(clock, &raw mut now) } != 0 {
                    return libc::EINVAL;
                }
                // SAFETY: a pointer to a local.
                ns = ns.saturating_sub(unsafe { ns_of(&raw const now) }.unwrap_or(0));
            }
            if slept("clock_nanosleep", ns) {
                if !absolute {
                    // SAFETY: the caller's pointer, which is null or valid.
                    unsafe { nothing_remains(remaining) };
                }
                return 0;
            }
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::clock_nanosleep(clock, flags, length, remaining) }
    }

    fn usleep(us: useconds_t) -> c_int {
        if slept("usleep", u64::from(us) * 1_000) {
            return 0;
        }
        // SAFETY: a number.
        unsafe { real::usleep(us) }
    }

    fn sleep(seconds: c_uint) -> c_uint {
        if slept("sleep", u64::from(seconds) * 1_000_000_000) {
            return 0;
        }
        // SAFETY: a number.
        unsafe { real::sleep(seconds) }
    }

    fn poll(fds: *mut pollfd, count: nfds_t, timeout_ms: c_int) -> c_int {
        if waits("poll") {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::poll(fds, count, timeout_ms) }
    }

    fn ppoll(fds: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t) -> c_int {
        if waits("ppoll") {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::ppoll(fds, count, timeout, mask) }
    }

    fn select(count: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, timeout: *mut timeval) -> c_int {
        if waits("select") {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::select(count, read, write, except, timeout) }
    }

    fn pselect(
        count: c_int,
        read: *mut fd_set,
        write: *mut fd_set,
        except: *mut fd_set,
        timeout: *const timespec,
        mask: *const c_void,
    ) -> c_int {
        if waits("pselect") {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::pselect(count, read, write, except, timeout, mask) }
    }

    fn pause() -> c_int {
        if waits("pause") {
            return fail(libc::EPERM);
        }
        // SAFETY: `pause` takes nothing.
        unsafe { real::pause() }
    }
}

fn waits(symbol: &'static str) -> bool {
    crate::seal::interpose::refused(symbol, || "a blocking wait".to_owned())
}
