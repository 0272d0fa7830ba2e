//! System calls that a forked case makes before it begins, past libc: each wrapper of libc's is code somewhere else in a file
//! that the child would have to fault in, at ten times what the call costs.

use std::io;

use syscalls::{Errno, Sysno, syscall};

use super::rlimit::Resource;

fn told(answer: Result<usize, Errno>) -> io::Result<()> {
    answer.map(|_| ()).map_err(|errno| io::Error::from_raw_os_error(errno.into_raw()))
}

/// Has the kernel send `signal` to this process when the thread that forked it ends.
pub(super) fn die_with_parent(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: numbers.
    told(unsafe { syscall!(Sysno::prctl, libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) })
}

/// Makes `to` what the open descriptor `from` is, another one, and not closed on execution.
pub(super) fn duplicate(from: libc::c_int, to: libc::c_int) -> io::Result<()> {
    // SAFETY: descriptors; what `to` was is the caller's concern.
    told(unsafe { syscall!(Sysno::dup3, from, to, 0) })
}

/// Sets a limit of this process, the soft and the hard one.
pub(super) fn limit(resource: Resource, most: u64) -> io::Result<()> {
    // `struct rlimit64` of the kernel, on every architecture.
    let limit = [most, most];
    // SAFETY: numbers and a pointer to a local; the old limit is not asked for.
    told(unsafe { syscall!(Sysno::prlimit64, 0, resource, limit.as_ptr(), 0) })
}

/// The calling thread's number.
pub(super) fn thread_id() -> libc::pid_t {
    // SAFETY: it takes nothing and cannot fail.
    let answer = unsafe { syscall!(Sysno::gettid) };
    answer.ok().and_then(|id| libc::pid_t::try_from(id).ok()).unwrap_or(0)
}
