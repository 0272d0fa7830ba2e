//! Calls of `futex(2)` on a thread that is inside a simulation: the waits and wakes of std's locks, channels and parked
//! threads, and of `parking_lot`'s. Other operations are the kernel's own.

use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_int, c_long, timespec};

use super::sleep::ns_of;
use super::{syscall, time};
use crate::seal::hooks::FutexWait;
use crate::seal::interpose::{ask, fail};
use crate::seal::leak;
use crate::seal::standing::ask_to_wait;

const EVERY_BIT: u32 = u32::MAX;

/// After how long, on the machine's clock, a wait in the midst of a poll is taken for one that never ends: whoever shares a
/// lock with a simulation from outside holds it for much less.
const OTHERS_MAY_TAKE_SECONDS: libc::time_t = 5;

/// What the world answers to the call; `None` where it is for the real machine alone.
///
/// # Safety
///
/// The arguments are those of the system call.
pub(super) unsafe fn futex(
    address: usize,
    operation: c_int,
    value: u32,
    timeout: *const timespec,
    bits: u32,
    real: impl FnOnce(u32) -> c_long,
) -> Option<c_long> {
    let realtime = operation & libc::FUTEX_CLOCK_REALTIME != 0;
    match operation & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) {
        // SAFETY: the caller's word and its time, null or valid.
        libc::FUTEX_WAIT => unsafe { wait(address, value, EVERY_BIT, ns_of(timeout)) },
        libc::FUTEX_WAIT_BITSET => {
            // This one's time is an instant of a clock.
            let clock = if realtime { libc::CLOCK_REALTIME } else { libc::CLOCK_MONOTONIC };
            // SAFETY: the caller's time, null or valid.
            let at = unsafe { ns_of(timeout) };
            let length = at.map(|at| at.saturating_sub(now(clock)));
            // SAFETY: the caller's word.
            unsafe { wait(address, value, bits, length) }
        }
        libc::FUTEX_WAKE => Some(wake(address, value, EVERY_BIT, real)),
        libc::FUTEX_WAKE_BITSET => Some(wake(address, value, bits, real)),
        _ => None,
    }
}

fn now(clock: c_int) -> u64 {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a pointer to a local; our own interposer, so the time is the node's.
    unsafe { time::clock_gettime(clock, &raw mut now) };
    // SAFETY: a pointer to a local.
    unsafe { ns_of(&raw const now) }.unwrap_or(0)
}

/// # Safety
///
/// `address` is that of a futex word.
unsafe fn wait(address: usize, value: u32, bits: u32, timeout_ns: Option<u64>) -> Option<c_long> {
    if address == 0 || !address.is_multiple_of(align_of::<AtomicU32>()) {
        return None;
    }
    // SAFETY: a futex word, which others change atomically.
    let word = unsafe { AtomicU32::from_ptr(address as *mut u32) };
    // Only threads of this simulation that hold the baton change it behind our back, and this one holds it now.
    if word.load(Ordering::SeqCst) != value {
        return Some(fail(libc::EAGAIN));
    }
    let wait = FutexWait { address, bits, timeout_ns };
    let waited = ask_to_wait(timeout_ns.is_some(), |hooks| hooks.futex_wait(&wait));
    if waited.is_none() && ask(|hooks| Some(hooks.must_not_wait())) == Some(true) {
        return Some(wait_in_a_poll(word, value, timeout_ns));
    }
    waited.map(|woken| if woken { 0 } else { fail(libc::ETIMEDOUT) })
}

/// In the midst of a task's poll nobody else of the simulation runs who could wake it. Another thread of the machine may.
fn wait_in_a_poll(word: &AtomicU32, value: u32, timeout_ns: Option<u64>) -> c_long {
    if let Some(ns) = timeout_ns {
        leak::record("futex", || format!("a blocking wait of {ns} ns in the midst of a task's poll"));
        return fail(libc::ETIMEDOUT);
    }
    let long = timespec { tv_sec: OTHERS_MAY_TAKE_SECONDS, tv_nsec: 0 };
    let operation = c_long::from(libc::FUTEX_WAIT);
    let (address, long) = (word.as_ptr() as c_long, &raw const long as c_long);
    // SAFETY: the arguments of the system call: a word that lives, the value, and a pointer to a local.
    let answer =
        unsafe { syscall::real::syscall(libc::SYS_futex, address, operation, c_long::from(value), long, 0, 0) };
    // SAFETY: glibc's pointer to the calling thread's errno is valid as long as the thread is.
    if answer != 0 && unsafe { *libc::__errno_location() } == libc::ETIMEDOUT && word.load(Ordering::SeqCst) == value {
        crate::process::blocked::end();
    }
    answer
}

/// Wakes threads of the simulation first; threads of the machine may wait for the same word.
fn wake(address: usize, count: u32, bits: u32, real: impl FnOnce(u32) -> c_long) -> c_long {
    let woken = ask(|hooks| Some(hooks.futex_wake(address, count, bits))).unwrap_or(0);
    let others = if woken < count { real(count - woken).max(0) } else { 0 };
    c_long::from(woken) + others
}
