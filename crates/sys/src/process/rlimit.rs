//! The resource limits that a forked case sets on itself.

use std::fs::File;
use std::io::{self, Read};

use super::direct;

/// How much private writable memory this process has mapped, in bytes: what `RLIMIT_DATA` is compared with.
///
/// Takes no memory: how many digits the numbers have depends on the moment, and what a server leaves on its heap is what
/// every case finds there.
pub(super) fn data_bytes() -> io::Result<u64> {
    // Seven numbers of at most twenty digits.
    let mut statm = [0; 160];
    let read = crate::seal::host(|| File::open("/proc/self/statm")?.read(&mut statm))?;
    let pages: u64 = statm[..read]
        .split(u8::is_ascii_whitespace)
        .nth(5)
        .and_then(|field| str::from_utf8(field).ok()?.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    // SAFETY: a number.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages * u64::try_from(page_bytes).unwrap_or(4_096))
}

/// Limits this process's private writable memory.
pub(super) fn limit_memory(bytes: u64) -> io::Result<()> {
    direct::limit(libc::RLIMIT_DATA, bytes)
}

/// Crashes are expected here; they leave a named cause, not a core file.
pub(super) fn no_core_files() -> io::Result<()> {
    direct::limit(libc::RLIMIT_CORE, 0)
}

#[cfg(target_env = "gnu")]
pub(super) type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
pub(super) type Resource = libc::c_int;
