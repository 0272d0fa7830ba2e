//! A seccomp filter that raises SIGSYS for every system call of the thread that is made outside one range of code.

use std::io;
use std::mem::offset_of;
use std::ops::Range;

use libc::{c_uint, c_ulong, c_ushort, seccomp_data, sock_filter, sock_fprog};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

// The classic BPF of `linux/bpf_common.h`, as far as it is needed here.
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

#[allow(clippy::cast_possible_truncation, reason = "instruction codes are small")]
const fn step(code: u32, if_true: u8, if_false: u8, k: u32) -> sock_filter {
    sock_filter { code: code as c_ushort, jt: if_true, jf: if_false, k }
}

#[allow(clippy::cast_possible_truncation, reason = "halves of an address, and offsets of a small record")]
fn program(code: &Range<usize>) -> Option<[sock_filter; 11]> {
    let (start, end) = (code.start as u64, code.end as u64);
    if start >> 32 != end >> 32 {
        return None;
    }
    // Both targets are little-endian: the low half of the address comes first.
    let low = offset_of!(seccomp_data, instruction_pointer) as u32;
    Some([
        step(LOAD_WORD, 0, 0, offset_of!(seccomp_data, arch) as u32),
        step(JUMP_EQUAL, 0, 8, ARCHITECTURE),
        step(LOAD_WORD, 0, 0, offset_of!(seccomp_data, nr) as u32),
        // Signal handlers return from the vDSO on some machines.
        step(JUMP_EQUAL, 5, 0, libc::SYS_rt_sigreturn as u32),
        step(LOAD_WORD, 0, 0, low + 4),
        step(JUMP_EQUAL, 0, 4, (start >> 32) as u32),
        step(LOAD_WORD, 0, 0, low),
        step(JUMP_AT_LEAST, 0, 2, start as u32),
        step(JUMP_AT_LEAST, 1, 0, end as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, 0, libc::SECCOMP_RET_TRAP),
    ])
}

/// Puts the filter on this thread, for good; calls from `code` stay free.
pub(super) fn install(code: &Range<usize>) -> io::Result<()> {
    let Some(mut steps) = program(code) else {
        return Err(io::Error::other("libc lies across a boundary of 4 GiB, which the filter cannot tell"));
    };
    let length = c_ushort::try_from(steps.len()).unwrap_or(0);
    let program = sock_fprog { len: length, filter: steps.as_mut_ptr() };
    let (one, zero): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: numbers. Without it an ordinary user may not install a filter.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, one, zero, zero, zero) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a pointer to a program of locals, which the kernel copies.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, zero, (&raw const program) as c_ulong)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the kernel has filters that trap.
pub(super) fn available() -> io::Result<()> {
    let action: c_uint = libc::SECCOMP_RET_TRAP;
    let zero: c_ulong = 0;
    // SAFETY: a pointer to a local.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, zero, (&raw const action) as c_ulong)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
