//! What a forked case may use, and what becomes of its output.

use std::fs;
use std::io;

/// What happens to a case's standard output and error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Both go to the parent, in the order written; the last bytes are kept. Standard input is `/dev/null`.
    Both,
    /// Standard error goes to the parent, standard output stays the parent's own. Standard input is `/dev/null`.
    Error,
    /// All three stay the parent's own, as for a replay that a person watches. A crash is then told by its signal alone.
    Nothing,
}

/// The limits of one forked case. The default: no memory limit, 64 KiB of output kept, 256 MiB of result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How many bytes of private writable memory (heap, stacks of threads; `RLIMIT_DATA`) the case may have beyond what the
    /// fork server has. An allocation past it fails, and Rust then aborts. `None`: no limit.
    pub memory_bytes: Option<u64>,
    /// Which output is captured.
    pub capture: Capture,
    /// How many bytes of captured output are kept, counted from its end.
    pub output_bytes_kept: usize,
    /// How many bytes of result a case may send before it is stopped.
    pub result_bytes_max: usize,
    /// Whether the case leads a process group of its own, so that Ctrl-C at a terminal reaches the parent alone.
    pub own_process_group: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes: None,
            capture: Capture::Both,
            output_bytes_kept: 64 << 10,
            result_bytes_max: 256 << 20,
            own_process_group: true,
        }
    }
}

/// How much private writable memory this process has mapped, in bytes: what `RLIMIT_DATA` is compared with.
///
/// # Errors
///
/// `/proc/self/statm` cannot be read or has another form than `proc(5)` says.
pub fn data_bytes() -> io::Result<u64> {
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

/// Limits this process's private writable memory to what it has now and `extra_bytes` more.
pub(super) fn limit_memory(extra_bytes: u64) -> io::Result<()> {
    set(libc::RLIMIT_DATA, data_bytes()?.saturating_add(extra_bytes))
}

/// Crashes are expected here; they leave a named cause, not a core file.
pub(super) fn no_core_files() -> io::Result<()> {
    set(libc::RLIMIT_CORE, 0)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

fn set(resource: Resource, most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: a pointer to a local.
    if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
