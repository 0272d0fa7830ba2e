//! Clocks. Wall clocks answer from the node's wall clock, the others from its monotonic clock; processor time, which
//! has no meaning in a simulation, is refused.

use libc::{c_int, c_long, clock_t, clockid_t, rusage, time_t, timespec, timeval, timezone, tms};

use crate::seal::hooks::Hooks;
use crate::seal::interpose::{ask, fail, refused};

const NS_PER_S: u64 = 1_000_000_000;

enum Clock {
    Wall,
    Monotonic,
    /// Processor time, or a clock of another process or device.
    Foreign,
}

fn kind(clock: clockid_t) -> Clock {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_REALTIME_ALARM | libc::CLOCK_TAI => {
            Clock::Wall
        }
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_BOOTTIME
        | libc::CLOCK_BOOTTIME_ALARM => Clock::Monotonic,
        _ => Clock::Foreign,
    }
}

fn wall_ns() -> Option<u64> {
    ask(|hooks: &'static dyn Hooks| hooks.wall_ns())
}

#[allow(clippy::cast_possible_wrap, reason = "u64 nanoseconds are at most 1.8e10 seconds")]
fn timespec_of(ns: u64) -> timespec {
    timespec { tv_sec: (ns / NS_PER_S) as time_t, tv_nsec: (ns % NS_PER_S) as c_long }
}

interpose! {
    TIME;

    fn clock_gettime(clock: clockid_t, out: *mut timespec) -> c_int {
        let ns = match kind(clock) {
            Clock::Wall => wall_ns(),
            Clock::Monotonic => ask(|hooks| hooks.monotonic_ns()),
            Clock::Foreign if refused("clock_gettime", || format!("clock {clock}, neither wall nor monotonic")) => {
                return fail(libc::EINVAL);
            }
            Clock::Foreign => None,
        };
        match ns {
            Some(_) if out.is_null() => fail(libc::EFAULT),
            Some(ns) => {
                // SAFETY: the caller gives a valid, non-null pointer to a timespec.
                unsafe { out.write(timespec_of(ns)) };
                0
            }
            // SAFETY: the caller's own arguments, unchanged.
            None => unsafe { real::clock_gettime(clock, out) },
        }
    }

    fn clock_getres(clock: clockid_t, out: *mut timespec) -> c_int {
        // The same on every machine: a simulated clock is exact to the nanosecond.
        if crate::seal::is_simulated() && !matches!(kind(clock), Clock::Foreign) {
            if !out.is_null() {
                // SAFETY: the caller gives a valid pointer or a null one.
                unsafe { out.write(timespec_of(1)) };
            }
            return 0;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::clock_getres(clock, out) }
    }

    fn gettimeofday(out: *mut timeval, zone: *mut timezone) -> c_int {
        let Some(ns) = wall_ns() else {
            // SAFETY: the caller's own arguments, unchanged.
            return unsafe { real::gettimeofday(out, zone) };
        };
        let now = timespec_of(ns);
        if !out.is_null() {
            // SAFETY: the caller gives a valid pointer or a null one.
            unsafe { out.write(timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1_000 }) };
        }
        if !zone.is_null() {
            // SAFETY: as above; `struct timezone` is two ints, both zero for UTC.
            unsafe { zone.cast::<[c_int; 2]>().write([0, 0]) };
        }
        0
    }

    fn time(out: *mut time_t) -> time_t {
        let Some(ns) = wall_ns() else {
            // SAFETY: the caller's own argument, unchanged.
            return unsafe { real::time(out) };
        };
        let now = timespec_of(ns).tv_sec;
        if !out.is_null() {
            // SAFETY: the caller gives a valid pointer or a null one.
            unsafe { out.write(now) };
        }
        now
    }

    fn timespec_get(out: *mut timespec, base: c_int) -> c_int {
        // C11's name for the wall clock; TIME_UTC, the only base every libc has, is 1.
        match wall_ns() {
            Some(ns) if base == 1 && !out.is_null() => {
                // SAFETY: the caller gives a valid, non-null pointer to a timespec.
                unsafe { out.write(timespec_of(ns)) };
                base
            }
            Some(_) => 0,
            // SAFETY: the caller's own arguments, unchanged.
            None => unsafe { real::timespec_get(out, base) },
        }
    }

    fn clock() -> clock_t {
        if refused("clock", || "processor time".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: `clock` takes nothing.
        unsafe { real::clock() }
    }

    fn times(out: *mut tms) -> clock_t {
        if refused("times", || "processor time".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::times(out) }
    }

    fn getrusage(who: c_int, out: *mut rusage) -> c_int {
        if refused("getrusage", || "processor time and memory".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getrusage(who, out) }
    }
}
