//! Files by path. In a simulation they are the node's own, where its world has files; what it does not have is judged by
//! [`file_rules`](super::file_rules), which refuses what only a real machine has.

use std::ffi::CStr;

use libc::{AT_FDCWD, DIR, FILE, c_char, c_int, c_uint, dev_t, gid_t, mode_t, off_t, size_t, ssize_t, timespec, uid_t};

use super::directories;
use super::file_rules::{Access, access_of, on_disk, path_of, withheld};
use super::stats::times_ns;
use crate::seal::files::FileCall;
use crate::seal::interpose::{Failure, fail};

type Open = unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
type OpenAt = unsafe extern "C" fn(c_int, *const c_char, c_int, ...) -> c_int;

/// Defines calls on paths, each with the path that is judged, the access it asks, and what it asks of a simulated disk.
macro_rules! paths {
    ($table:ident; $(
        $name:ident ( $($arg:ident : $ty:ty),* ) $(-> $ret:ty)? $(as $real:ty)? , $path:ident, $access:expr
        $(, |$p:ident| $call:expr)? ;
    )+) => {
        interpose! {
            $table;
            $(
                // What the rules set errno to stays: EPERM, or ENOENT for what a node does not have.
                fn $name($($arg: $ty),*) $(-> $ret)? $(as $real)? {
                    $(
                        // SAFETY: the caller's paths, null or C strings.
                        if let Some(answer) = unsafe { on_disk($path, $access, |$p| $call) } {
                            return answer as _;
                        }
                    )?
                    // SAFETY: the caller's paths, null or C strings.
                    if unsafe { withheld(stringify!($name), $path, $access) } {
                        return Failure::FAILURE;
                    }
                    // SAFETY: the caller's own arguments, unchanged.
                    unsafe { real::$name($($arg),*) }
                }
            )+
        }
    };
}

/// What the mode of an `fopen` asks.
fn access_of_mode(mode: *const c_char) -> Access {
    if mode.is_null() {
        return Access::Write;
    }
    // SAFETY: the caller of `fopen` gives a C string, and here it is not null.
    let mode = unsafe { CStr::from_ptr(mode) }.to_bytes();
    if mode.starts_with(b"r") && !mode.contains(&b'+') { Access::Read } else { Access::Write }
}

/// Copies a path out, as readlink(2) does: without a NUL, cut to the buffer.
///
/// # Safety
///
/// `out` is valid for writes of `size` bytes.
unsafe fn cut_into(bytes: &[u8], out: *mut c_char, size: size_t) -> ssize_t {
    let len = bytes.len().min(size);
    // SAFETY: as the caller promises.
    unsafe { out.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), len) };
    ssize_t::try_from(len).unwrap_or(ssize_t::MAX)
}

/// readlink on a simulated disk.
///
/// # Safety
///
/// `path` is null or a C string; `out` is valid for writes of `size` bytes.
unsafe fn read_link(dir: c_int, path: *const c_char, out: *mut c_char, size: size_t) -> Option<ssize_t> {
    let mut target = Vec::new();
    // SAFETY: as the caller promises.
    let answer = unsafe { on_disk(path, Access::Read, |path| FileCall::ReadLink { dir, path, out: &mut target }) }?;
    if answer < 0 {
        return Some(-1);
    }
    // SAFETY: as the caller promises.
    Some(unsafe { cut_into(&target, out, size) })
}

/// What room a node's disk has, told at one of its paths.
///
/// # Safety
///
/// `path` is null or a C string; `out` is valid for a write.
unsafe fn space(path: *const c_char, out: *mut libc::statvfs64) -> Option<c_int> {
    let there = |path| FileCall::Access { dir: AT_FDCWD, path, mode: 0 };
    // SAFETY: as the caller promises.
    if unsafe { on_disk(path, Access::Read, there) }? < 0 {
        return Some(-1);
    }
    let mut space = (0, 0);
    if super::file_calls::asked(|| FileCall::Space { out: &mut space })? < 0 {
        return Some(-1);
    }
    // SAFETY: as the caller promises; the struct is of numbers, for which zeros are valid.
    let out = unsafe {
        out.write_bytes(0, 1);
        &mut *out
    };
    (out.f_bsize, out.f_frsize, out.f_namemax) = (4096, 4096, 255);
    (out.f_blocks, out.f_bfree, out.f_bavail) = (space.0 / 4096, space.1 / 4096, space.1 / 4096);
    Some(0)
}

paths! {
    FILES;
    open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int as Open, path, access_of(flags), |path| FileCall::Open { dir: AT_FDCWD, path, flags, mode };
    open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int as Open, path, access_of(flags), |path| FileCall::Open { dir: AT_FDCWD, path, flags, mode };
    openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int as OpenAt, path, access_of(flags), |path| FileCall::Open { dir, path, flags, mode };
    openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int as OpenAt, path, access_of(flags), |path| FileCall::Open { dir, path, flags, mode };
    __open_2(path: *const c_char, flags: c_int) -> c_int, path, access_of(flags), |path| FileCall::Open { dir: AT_FDCWD, path, flags, mode: 0 };
    __open64_2(path: *const c_char, flags: c_int) -> c_int, path, access_of(flags), |path| FileCall::Open { dir: AT_FDCWD, path, flags, mode: 0 };
    __openat_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int, path, access_of(flags), |path| FileCall::Open { dir, path, flags, mode: 0 };
    __openat64_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int, path, access_of(flags), |path| FileCall::Open { dir, path, flags, mode: 0 };
    creat(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write, |path| FileCall::Open { dir: AT_FDCWD, path, flags: CREAT, mode };
    creat64(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write, |path| FileCall::Open { dir: AT_FDCWD, path, flags: CREAT, mode };
    fopen(path: *const c_char, mode: *const c_char) -> *mut FILE, path, access_of_mode(mode);
    fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE, path, access_of_mode(mode);
    mkstemp(template: *mut c_char) -> c_int, template, Access::Write;
    mkstemp64(template: *mut c_char) -> c_int, template, Access::Write;
    mkostemp(template: *mut c_char, flags: c_int) -> c_int, template, Access::Write;
    mkdtemp(template: *mut c_char) -> *mut c_char, template, Access::Write;

    access(path: *const c_char, mode: c_int) -> c_int, path, Access::Read, |path| FileCall::Access { dir: AT_FDCWD, path, mode };
    faccessat(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int, path, Access::Read, |path| FileCall::Access { dir, path, mode };

    mkdir(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write, |path| FileCall::MakeDir { dir: AT_FDCWD, path, mode };
    mkdirat(dir: c_int, path: *const c_char, mode: mode_t) -> c_int, path, Access::Write, |path| FileCall::MakeDir { dir, path, mode };
    rmdir(path: *const c_char) -> c_int, path, Access::Write, |path| FileCall::Remove { dir: AT_FDCWD, path, flags: libc::AT_REMOVEDIR };
    unlink(path: *const c_char) -> c_int, path, Access::Write, |path| FileCall::Remove { dir: AT_FDCWD, path, flags: 0 };
    unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int, path, Access::Write, |path| FileCall::Remove { dir, path, flags };
    remove(path: *const c_char) -> c_int, path, Access::Write, |path| FileCall::Remove { dir: AT_FDCWD, path, flags: 0 };
    rename(from: *const c_char, to: *const c_char) -> c_int, from, Access::Write, |from| FileCall::Rename { from_dir: AT_FDCWD, from, to_dir: AT_FDCWD, to: path_of(to), flags: 0 };
    renameat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char) -> c_int, from, Access::Write, |from| FileCall::Rename { from_dir, from, to_dir, to: path_of(to), flags: 0 };
    renameat2(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_uint) -> c_int, from, Access::Write, |from| FileCall::Rename { from_dir, from, to_dir, to: path_of(to), flags };
    link(from: *const c_char, to: *const c_char) -> c_int, to, Access::Write, |to| FileCall::Link { from_dir: AT_FDCWD, from: path_of(from), to_dir: AT_FDCWD, to, flags: 0 };
    linkat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_int) -> c_int, to, Access::Write, |to| FileCall::Link { from_dir, from: path_of(from), to_dir, to, flags };
    symlink(target: *const c_char, path: *const c_char) -> c_int, path, Access::Write, |path| FileCall::Symlink { target: path_of(target), dir: AT_FDCWD, path };
    symlinkat(target: *const c_char, dir: c_int, path: *const c_char) -> c_int, path, Access::Write, |path| FileCall::Symlink { target: path_of(target), dir, path };
    truncate(path: *const c_char, length: off_t) -> c_int, path, Access::Write, |path| FileCall::Truncate { path, len: length };
    truncate64(path: *const c_char, length: off_t) -> c_int, path, Access::Write, |path| FileCall::Truncate { path, len: length };
    chmod(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write, |path| FileCall::SetMode { dir: AT_FDCWD, path, mode };
    fchmodat(dir: c_int, path: *const c_char, mode: mode_t, flags: c_int) -> c_int, path, Access::Write, |path| FileCall::SetMode { dir, path, mode };
    chown(path: *const c_char, owner: uid_t, group: gid_t) -> c_int, path, Access::Write, |path| FileCall::Access { dir: AT_FDCWD, path, mode: 0 };
    lchown(path: *const c_char, owner: uid_t, group: gid_t) -> c_int, path, Access::Write, |path| FileCall::Access { dir: AT_FDCWD, path, mode: 0 };
    mkfifo(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write;
    mknod(path: *const c_char, mode: mode_t, device: dev_t) -> c_int, path, Access::Write;
    chdir(path: *const c_char) -> c_int, path, Access::Write;
    chroot(path: *const c_char) -> c_int, path, Access::Write;
}

const CREAT: c_int = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;

/// Calls on paths whose answers are more than a number.
pub(super) mod answers {
    use super::*;

    interpose! {
        ANSWERS;

        fn opendir(path: *const c_char) -> *mut DIR {
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
            let open = |path| FileCall::Open { dir: AT_FDCWD, path, flags, mode: 0 };
            // SAFETY: the caller's paths, null or C strings.
            match unsafe { on_disk(path, Access::Read, open) } {
                Some(fd) if fd < 0 => return Failure::FAILURE,
                Some(fd) => return directories::open(fd as c_int),
                None => {}
            }
            // SAFETY: the caller's paths, null or C strings.
            if unsafe { withheld("opendir", path, Access::Read) } {
                return Failure::FAILURE;
            }
            // SAFETY: the caller's own argument, unchanged.
            unsafe { real::opendir(path) }
        }

        fn readlink(path: *const c_char, out: *mut c_char, size: size_t) -> ssize_t {
            // SAFETY: the caller's path and buffer.
            if let Some(len) = unsafe { read_link(AT_FDCWD, path, out, size) } {
                return len;
            }
            // SAFETY: the caller's paths, null or C strings.
            if unsafe { withheld("readlink", path, Access::Read) } {
                return Failure::FAILURE;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::readlink(path, out, size) }
        }

        fn readlinkat(dir: c_int, path: *const c_char, out: *mut c_char, size: size_t) -> ssize_t {
            // SAFETY: the caller's path and buffer.
            if let Some(len) = unsafe { read_link(dir, path, out, size) } {
                return len;
            }
            // SAFETY: the caller's paths, null or C strings.
            if unsafe { withheld("readlinkat", path, Access::Read) } {
                return Failure::FAILURE;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::readlinkat(dir, path, out, size) }
        }

        fn realpath(path: *const c_char, out: *mut c_char) -> *mut c_char {
            let mut found = Vec::new();
            // SAFETY: the caller's paths, null or C strings.
            match unsafe { on_disk(path, Access::Read, |path| FileCall::RealPath { path, out: &mut found }) } {
                Some(answer) if answer < 0 => return Failure::FAILURE,
                Some(_) => {
                    found.push(0);
                    // SAFETY: `malloc` takes a number; what it gives is freed by the caller.
                    let out = if out.is_null() { unsafe { libc::malloc(found.len()) }.cast() } else { out };
                    if out.is_null() {
                        return fail(libc::ENOMEM);
                    }
                    // SAFETY: the caller's buffer has PATH_MAX bytes, and no path is longer; or it is the one just made.
                    unsafe { out.cast::<u8>().copy_from_nonoverlapping(found.as_ptr(), found.len()) };
                    return out;
                }
                None => {}
            }
            // SAFETY: the caller's paths, null or C strings.
            if unsafe { withheld("realpath", path, Access::Read) } {
                return Failure::FAILURE;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::realpath(path, out) }
        }

        fn statvfs64(path: *const c_char, out: *mut libc::statvfs64) -> c_int {
            // SAFETY: the caller's path and buffer.
            if let Some(answer) = unsafe { space(path, out) } {
                return answer;
            }
            // SAFETY: the caller's path, null or a C string.
            if unsafe { withheld("statvfs64", path, Access::Read) } {
                return Failure::FAILURE;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::statvfs64(path, out) }
        }

        fn statvfs(path: *const c_char, out: *mut libc::statvfs) -> c_int {
            // SAFETY: the caller's path and buffer; on both targets the two types are one.
            if let Some(answer) = unsafe { space(path, out.cast()) } {
                return answer;
            }
            // SAFETY: the caller's path, null or a C string.
            if unsafe { withheld("statvfs", path, Access::Read) } {
                return Failure::FAILURE;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::statvfs(path, out) }
        }

        fn utimensat(dir: c_int, path: *const c_char, times: *const timespec, flags: c_int) -> c_int {
            // SAFETY: null, or two times.
            let (accessed_ns, modified_ns) = unsafe { times_ns(times) };
            let set = |path| FileCall::SetTimes { dir, path: Some(path), accessed_ns, modified_ns, flags };
            // SAFETY: the caller's paths, null or C strings.
            if let Some(answer) = unsafe { on_disk(path, Access::Write, set) } {
                return answer as c_int;
            }
            // SAFETY: the caller's paths, null or C strings.
            if unsafe { withheld("utimensat", path, Access::Write) } {
                return Failure::FAILURE;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::utimensat(dir, path, times, flags) }
        }
    }
}

/// Room of a real file system, which has no twin: refused.
pub(super) mod spaces {
    use super::*;

    paths! {
        SPACES;
        statfs64(path: *const c_char, out: *mut libc::statfs64) -> c_int, path, Access::Read;
        statfs(path: *const c_char, out: *mut libc::statfs) -> c_int, path, Access::Read;
    }
}
