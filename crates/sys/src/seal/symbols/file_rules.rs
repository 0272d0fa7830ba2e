//! Which real paths simulated code may see, where its machine's own disk does not have them. None, but for what `std` itself
//! needs, and that a node simply does not have.
//!
//! - **Real, read only**: what printing a backtrace reads. `std` holds a lock of its own meanwhile, so that a refusal,
//!   which takes a backtrace too, would be a deadlock: `/proc/self/maps` and `/proc/self/exe`, the loaded objects,
//!   debug files beside them (`.dwp`, `.debug`) and under `/usr/lib/debug`.
//! - **Real**: `/dev/null`, which is the same everywhere. A machine with a disk has one of its own, with the other
//!   devices that need no driver.
//! - **Absent** (ENOENT and no leak): what `std`, `num_cpus` and time zone libraries look for and do without. A node
//!   has no cgroup, and its time zone is UTC.
//! - **Refused** (EPERM and a leak): everything else, and every change to anything.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libc::{c_char, dl_phdr_info, size_t};

use crate::seal::files::FileCall;
use crate::seal::interpose::set_errno;
use crate::seal::{current, leak};

const ABSENT: [&str; 4] = ["/proc/self/cgroup", "/proc/self/mountinfo", "/etc/localtime", "/etc/timezone"];
const ABSENT_UNDER: [&str; 5] =
    ["/sys/fs/cgroup", "/usr/share/zoneinfo", "/share/zoneinfo", "/etc/zoneinfo", "/usr/share/lib/zoneinfo"];
const NOTHING: &str = "/dev/null";
const DEBUG_FILES: &str = "/usr/lib/debug";

/// What is asked of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Contents or metadata.
    Read,
    /// Any change, creation included.
    Write,
}

/// What `open` flags ask.
pub(super) fn access_of(flags: c_int) -> Access {
    if flags & libc::O_ACCMODE == libc::O_RDONLY && flags & (libc::O_CREAT | libc::O_TRUNC) == 0 {
        Access::Read
    } else {
        Access::Write
    }
}

/// What only a real machine has: where a simulated disk does not have it, asking for it is a leak and no mere absence.
const OF_MACHINES: [&str; 8] = ["/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/lib", "/run"];

/// Does a call on a path with the files of the node's machine. `None` where there are none, and where the machine does not
/// have what every real one has: then the rules judge. Errno is set where the answer is a failure.
///
/// # Safety
///
/// `path` is null or a C string.
#[inline]
pub(super) unsafe fn on_disk<'a>(
    path: *const c_char,
    access: Access,
    call: impl FnOnce(&'a Path) -> FileCall<'a>,
) -> Option<i64> {
    let hooks = current::simulation()?;
    if path.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string, as the caller promises.
    let path = unsafe { path_of(path) };
    current::host(|| {
        let files = hooks.files()?;
        // What libraries look for and do without, on every machine alike, takes no time of a node that does not have it. Nor does
        // what is read for backtraces: std keeps it for the process, so that the next one reads less.
        if access == Access::Read && (is_absent(path) || is_program(path)) && !files.has(path) {
            return None;
        }
        match files.call(call(path)) {
            Ok(answer) => Some(answer),
            Err(errno) => {
                // With ENOTDIR the node has something on the way that is no directory: `/dev/null/x`.
                if errno == libc::ENOENT && path.is_absolute() && is_of_machine(path, access) {
                    return None;
                }
                set_errno(errno);
                Some(-1)
            }
        }
    })
}

/// Whether this is one of the paths that a node does not have and nobody misses.
fn is_absent(path: &Path) -> bool {
    // Most paths are told by a letter: taking them apart costs more than opening the file.
    let begins_so = matches!(path.as_os_str().as_bytes(), [b'/', b'p' | b'e' | b's' | b'u' | b'/' | b'.', ..]);
    if !begins_so {
        return false;
    }
    ABSENT.iter().any(|absent| path == Path::new(absent)) || ABSENT_UNDER.iter().any(|dir| path.starts_with(dir))
}

/// Whether this is of the program itself, and read for backtraces.
fn is_program(path: &Path) -> bool {
    /// The folders of all of it. What is loaded later on is not in them.
    static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    // By their bytes, not by their parts: this is asked of every path.
    let begins_as = |folder: &PathBuf| path.as_os_str().as_bytes().starts_with(folder.as_os_str().as_bytes());
    FOLDERS.get_or_init(folders_of_program).iter().any(begins_as) && serves_backtraces(path)
}

fn folders_of_program() -> Vec<PathBuf> {
    unsafe extern "C" fn note(info: *mut dl_phdr_info, _size: size_t, data: *mut c_void) -> c_int {
        // SAFETY: `data` is the list given to `dl_iterate_phdr`, which nobody else touches meanwhile.
        let folders = unsafe { &mut *data.cast::<Vec<PathBuf>>() };
        // SAFETY: the loader passes a valid record, with a null or C string for a name.
        let object = unsafe { path_of((*info).dlpi_name) };
        folders.extend(object.parent().filter(|folder| folder.is_absolute()).map(Path::to_owned));
        0
    }
    let mut folders = vec![PathBuf::from("/proc/self"), PathBuf::from(DEBUG_FILES)];
    folders.extend(std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned())));
    // SAFETY: the callback fits the type and gets back the list that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut folders).cast()) };
    folders.sort();
    folders.dedup();
    folders
}

fn is_of_machine(path: &Path, access: Access) -> bool {
    OF_MACHINES.iter().any(|dir| path.starts_with(dir)) || (access == Access::Read && serves_backtraces(path))
}

/// A C string as a path.
///
/// # Safety
///
/// `path` is null or a C string that outlives the path.
pub(super) unsafe fn path_of<'a>(path: *const c_char) -> &'a Path {
    // SAFETY: as the caller promises.
    let bytes = if path.is_null() { &[] } else { unsafe { CStr::from_ptr(path) }.to_bytes() };
    Path::new(OsStr::from_bytes(bytes))
}

/// Whether a call on `path` is not to reach the real files; errno is then set, and a leak recorded if it is one.
///
/// # Safety
///
/// `path` is null or a C string.
#[inline]
pub(super) unsafe fn withheld(symbol: &'static str, path: *const c_char, access: Access) -> bool {
    if !current::is_simulated() {
        return false;
    }
    // SAFETY: as the caller promises.
    unsafe { judge(symbol, path, access) }
}

/// As [`withheld`], on a thread that is inside a simulation.
#[cold]
unsafe fn judge(symbol: &'static str, path: *const c_char, access: Access) -> bool {
    current::host(|| {
        // SAFETY: as the caller promises.
        let path = unsafe { path_of(path) };
        if path == Path::new(NOTHING) {
            return false;
        }
        if access == Access::Read {
            if is_absent(path) {
                set_errno(libc::ENOENT);
                return true;
            }
            if serves_backtraces(path) {
                return false;
            }
        }
        leak::record(symbol, || format!("{:?}, to {}", path, if access == Access::Read { "read" } else { "change" }));
        set_errno(libc::EPERM);
        true
    })
}

fn serves_backtraces(path: &Path) -> bool {
    if path == Path::new("/proc/self/maps") || path == Path::new("/proc/self/exe") || path.starts_with(DEBUG_FILES) {
        return true;
    }
    let debug_file = path.extension().is_some_and(|extension| extension == "dwp" || extension == "debug");
    let mut search = Search { path, debug_file, found: false };
    if std::env::current_exe().is_ok_and(|exe| search.fits(&exe)) {
        return true;
    }
    // SAFETY: the callback fits the type and gets back the `Search` that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(compare), (&raw mut search).cast()) };
    search.found
}

struct Search<'a> {
    path: &'a Path,
    debug_file: bool,
    found: bool,
}

impl Search<'_> {
    fn fits(&self, object: &Path) -> bool {
        let beside = || {
            let dir = self.path.parent();
            dir == object.parent() || dir.is_some_and(|dir| dir.ends_with(".debug") && dir.parent() == object.parent())
        };
        self.path == object || (self.debug_file && beside())
    }
}

unsafe extern "C" fn compare(info: *mut dl_phdr_info, _size: size_t, data: *mut c_void) -> c_int {
    // SAFETY: `data` is the `Search` given to `dl_iterate_phdr`, which nobody else touches meanwhile.
    let search = unsafe { &mut *data.cast::<Search<'_>>() };
    // SAFETY: the loader passes a valid record, with a null or C string for a name.
    let name = unsafe { (*info).dlpi_name };
    if !name.is_null() {
        // SAFETY: not null, so a C string, and it lives as long as the callback.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        search.found = !name.is_empty() && search.fits(Path::new(OsStr::from_bytes(name)));
    }
    c_int::from(search.found)
}

/// A C string for the detail of a leak.
///
/// # Safety
///
/// `string` is null or a C string.
pub(super) unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return "null".to_owned();
    }
    // SAFETY: as the caller promises.
    format!("{:?}", unsafe { CStr::from_ptr(string) }.to_string_lossy())
}
