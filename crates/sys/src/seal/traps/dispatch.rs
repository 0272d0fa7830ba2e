//! Syscall User Dispatch: the kernel raises SIGSYS for every system call of the thread that is made outside one range of
//! code, while a byte of the thread says so.

use std::cell::Cell;
use std::io;
use std::ops::Range;

use libc::c_ulong;

// `linux/prctl.h`; not in every version of the bindings.
const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
const OFF: c_ulong = 0;
const ON: c_ulong = 1;
const ALLOW: u8 = 0;
const BLOCK: u8 = 1;

thread_local! {
    /// Read by the kernel at each system call of an armed thread.
    static SELECTOR: Cell<u8> = const { Cell::new(ALLOW) };
}

/// Turns it on for this thread; calls from `code` stay free.
pub(super) fn on(code: &Range<usize>) -> io::Result<()> {
    SELECTOR.set(ALLOW);
    let selector = SELECTOR.with(Cell::as_ptr);
    // SAFETY: the selector lives as long as the thread, which turns dispatch off before it ends.
    let answer = unsafe {
        libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, ON, code.start as c_ulong, code.len() as c_ulong, selector as c_ulong)
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    SELECTOR.set(BLOCK);
    Ok(())
}

/// Turns it off for this thread.
pub(super) fn off() {
    SELECTOR.set(ALLOW);
    let zero: c_ulong = 0;
    // SAFETY: numbers. It fails only where it was never on.
    unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, OFF, zero, zero, zero) };
}

/// Runs `f` with every call free: the handler's own work.
pub(super) fn free<R>(f: impl FnOnce() -> R) -> R {
    let before = SELECTOR.replace(ALLOW);
    let result = f();
    SELECTOR.set(before);
    result
}
