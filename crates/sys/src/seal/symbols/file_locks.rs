//! `fcntl`: what a descriptor is, and locks on ranges of its file.

use libc::{c_int, c_long};

use super::file_calls::asked_of;
use crate::seal::files::{FILE_DESCRIPTOR_MIN, FileCall, FileLock};
use crate::seal::interpose::fail;

type Fcntl = unsafe extern "C" fn(c_int, c_int, ...) -> c_int;

interpose! {
    FILE_LOCKS;

    // Variadic in C, of three fixed arguments here: both targets pass integers and pointers alike either way.
    fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int as Fcntl {
        if fd >= FILE_DESCRIPTOR_MIN {
            // SAFETY: the caller's own arguments, unchanged.
            return unsafe { control(fd, command, argument) };
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::fcntl(fd, command, argument) }
    }

    fn fcntl64(fd: c_int, command: c_int, argument: c_long) -> c_int as Fcntl {
        if fd >= FILE_DESCRIPTOR_MIN {
            // SAFETY: the caller's own arguments, unchanged.
            return unsafe { control(fd, command, argument) };
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::fcntl64(fd, command, argument) }
    }
}

/// `fcntl` of a simulated file.
///
/// # Safety
///
/// As `fcntl`.
#[allow(clippy::cast_possible_truncation, reason = "the kernel reads `int` arguments so")]
unsafe fn control(fd: c_int, command: c_int, argument: c_long) -> c_int {
    let number = argument as c_int;
    let answer = match command {
        libc::F_DUPFD => asked_of(fd, || FileCall::Duplicate { fd, to: None, close_on_exec: false }),
        libc::F_DUPFD_CLOEXEC => asked_of(fd, || FileCall::Duplicate { fd, to: None, close_on_exec: true }),
        // `std` asks whether a descriptor is open before it closes it, also after the end of the simulation.
        libc::F_GETFD if !crate::seal::is_simulated() => return libc::FD_CLOEXEC,
        libc::F_GETFD => match asked_of(fd, || FileCall::IsOpen { fd }) {
            Some(1) => return libc::FD_CLOEXEC,
            Some(0) => return fail(libc::EBADF),
            other => other,
        },
        libc::F_SETFD => asked_of(fd, || FileCall::CloseOnExec { fd, set: Some(number & libc::FD_CLOEXEC != 0) }),
        libc::F_GETFL => asked_of(fd, || FileCall::StatusFlags { fd, set: None }),
        libc::F_SETFL => asked_of(fd, || FileCall::StatusFlags { fd, set: Some(number) }).map(|answer| answer.min(0)),
        libc::F_GETLK | libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_GETLK | libc::F_OFD_SETLK | libc::F_OFD_SETLKW => {
            // SAFETY: these commands take a pointer to a `flock`, which the caller gives.
            let Some(lock) = (unsafe { (argument as *mut libc::flock).as_mut() }) else { return fail(libc::EFAULT) };
            let kind = c_int::from(lock.l_type);
            let mut asked = FileLock { kind, whence: c_int::from(lock.l_whence), start: lock.l_start, len: lock.l_len };
            let answer = asked_of(fd, || FileCall::LockRange { fd, command, lock: &mut asked });
            lock.l_type = asked.kind as libc::c_short;
            answer
        }
        _ => return fail(libc::EINVAL),
    };
    answer.unwrap_or(-1) as c_int
}
