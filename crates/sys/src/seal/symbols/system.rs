//! What a node knows of its machine: its name, its processors, its process id.

use libc::{c_char, c_int, c_long, c_void, cpu_set_t, pid_t, size_t, utsname};

use crate::seal::interpose::{ask, fail, refused};

/// As long as Linux lets a host name be, with room for what a world may call its nodes.
const HOSTNAME_BYTES: usize = 255;

fn cpus() -> Option<usize> {
    ask(|hooks| hooks.cpus()).map(|cpus| cpus.max(1))
}

pub(super) fn process_id() -> Option<pid_t> {
    ask(|hooks| hooks.process_id()).and_then(|id| pid_t::try_from(id).ok())
}

pub(super) fn thread_id() -> Option<pid_t> {
    ask(|hooks| hooks.thread_id()).and_then(|id| pid_t::try_from(id).ok())
}

fn hostname(buf: &mut [u8; HOSTNAME_BYTES]) -> Option<&[u8]> {
    let length = ask(|hooks| hooks.hostname(&mut buf[..]))?;
    Some(&buf[..length.min(HOSTNAME_BYTES)])
}

/// Sets the first `cpus` bits of the caller's set and clears the rest; `None` if they do not fit.
///
/// # Safety
///
/// `set` is valid for writes of `size` bytes.
unsafe fn fill_set(cpus: usize, size: size_t, set: *mut cpu_set_t) -> Option<usize> {
    let used = cpus.div_ceil(64) * 8;
    if used > size || set.is_null() {
        return None;
    }
    // SAFETY: valid for writes of `size` bytes as the caller promises; zeroed before it is a slice.
    let bytes = unsafe {
        set.cast::<u8>().write_bytes(0, size);
        std::slice::from_raw_parts_mut(set.cast::<u8>(), size)
    };
    // Both targets are little-endian, so that bit n of the set is bit n % 8 of byte n / 8.
    for cpu in 0..cpus {
        bytes[cpu / 8] |= 1 << (cpu % 8);
    }
    Some(used)
}

/// `sched_getaffinity` as the system call has it: the answer is how many bytes were used.
///
/// # Safety
///
/// As for `sched_getaffinity(2)`.
pub(super) unsafe fn affinity(size: size_t, set: *mut cpu_set_t) -> Option<c_long> {
    let cpus = cpus()?;
    // SAFETY: the caller's set and its size.
    Some(match unsafe { fill_set(cpus, size, set) } {
        Some(used) => c_long::try_from(used).unwrap_or(c_long::MAX),
        None => fail(libc::EINVAL),
    })
}

interpose! {
    SYSTEM;

    fn sched_getaffinity(pid: pid_t, size: size_t, set: *mut cpu_set_t) -> c_int {
        // SAFETY: the caller's set and its size.
        if let Some(answer) = unsafe { affinity(size, set) } {
            return if answer < 0 { -1 } else { 0 };
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::sched_getaffinity(pid, size, set) }
    }

    fn sysconf(name: c_int) -> c_long {
        if matches!(name, libc::_SC_NPROCESSORS_ONLN | libc::_SC_NPROCESSORS_CONF)
            && let Some(cpus) = cpus()
        {
            return c_long::try_from(cpus).unwrap_or(c_long::MAX);
        }
        // SAFETY: a number.
        unsafe { real::sysconf(name) }
    }

    fn get_nprocs() -> c_int {
        if let Some(cpus) = cpus() {
            return c_int::try_from(cpus).unwrap_or(c_int::MAX);
        }
        // SAFETY: it takes nothing.
        unsafe { real::get_nprocs() }
    }

    fn get_nprocs_conf() -> c_int {
        if let Some(cpus) = cpus() {
            return c_int::try_from(cpus).unwrap_or(c_int::MAX);
        }
        // SAFETY: it takes nothing.
        unsafe { real::get_nprocs_conf() }
    }

    fn gethostname(out: *mut c_char, size: size_t) -> c_int {
        let mut buf = [0; HOSTNAME_BYTES];
        let Some(name) = hostname(&mut buf) else {
            // SAFETY: the caller's own arguments, unchanged.
            return unsafe { real::gethostname(out, size) };
        };
        if name.len() >= size {
            return fail(libc::ENAMETOOLONG);
        }
        // SAFETY: the caller's buffer has `size` bytes, which is more than the name's; the NUL goes after the name.
        unsafe {
            out.cast::<u8>().copy_from_nonoverlapping(name.as_ptr(), name.len());
            out.add(name.len()).write(0);
        }
        0
    }

    fn uname(out: *mut utsname) -> c_int {
        // SAFETY: the caller's own argument, unchanged.
        let answer = unsafe { real::uname(out) };
        let mut buf = [0; HOSTNAME_BYTES];
        if answer == 0 && let Some(name) = hostname(&mut buf) {
            // SAFETY: the real call succeeded, so the pointer is valid.
            let node = unsafe { &mut (*out).nodename };
            node.fill(0);
            let room = node.len() - 1;
            for (to, from) in node.iter_mut().zip(name.iter().take(room)) {
                *to = from.cast_signed() as c_char;
            }
        }
        answer
    }

    fn sysinfo(out: *mut c_void) -> c_int {
        if refused("sysinfo", || "the machine's uptime, load and memory".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::sysinfo(out) }
    }

    fn getpid() -> pid_t {
        // SAFETY: `getpid` takes nothing.
        process_id().unwrap_or_else(|| unsafe { real::getpid() })
    }

    fn gettid() -> pid_t {
        // By system call: a glibc before 2.30 has no `gettid`, and `std` would take our symbol for a sign that it has.
        // SAFETY: the call takes nothing.
        let real = || unsafe { super::syscall::real::syscall(libc::SYS_gettid, 0, 0, 0, 0, 0, 0) };
        thread_id().unwrap_or_else(|| pid_t::try_from(real()).unwrap_or(0))
    }
}
