//! The resource limits that a forked case sets on itself.

use std::fs;
use std::io;

/// How much private writable memory this process has mapped, in bytes: what `RLIMIT_DATA` is compared with.
pub(super) fn data_bytes() -> io::Result<u64> {
    let statm = crate::seal::host(|| fs::read_to_string("/proc/self/statm"))?;
    let pages: u64 = statm
        .split_ascii_whitespace()
        .nth(5)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/self/statm has no sixth number: {statm:?}")))?;
    // SAFETY: a number.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages * u64::try_from(page_bytes).unwrap_or(4_096))
}

/// Limits this process's private writable memory.
pub(super) fn limit_memory(bytes: u64) -> io::Result<()> {
    set(libc::RLIMIT_DATA, bytes)
}

/// Crashes are expected here; they leave a named cause, not a core file.
pub(super) fn no_core_files() -> io::Result<()> {
    set(libc::RLIMIT_CORE, 0)
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

fn set(resource: Resource, most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: a pointer to a local.
    if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
