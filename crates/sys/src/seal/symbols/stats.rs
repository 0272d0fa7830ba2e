//! Metadata of real files: judged as reading them is.
//!
//! The real call of the older names goes by system call: a glibc before 2.33 has no such dynamic symbols, and on both
//! targets `stat` and `stat64` are one type, which is the kernel's own.

use libc::{c_char, c_int, c_long, c_uint};

use super::file_rules::{Access, withheld};

/// Whether a call with these flags is on the path and not on the descriptor beside it.
///
/// # Safety
///
/// `path` is null or a C string.
unsafe fn names_a_file(path: *const c_char, flags: c_int) -> bool {
    // SAFETY: where it is read it is not null, so a C string, which has at least its NUL.
    flags & libc::AT_EMPTY_PATH == 0 || !(path.is_null() || unsafe { *path } == 0)
}

/// Judges the path, then stats it by system call.
///
/// # Safety
///
/// As for `fstatat`.
unsafe fn stat_at(symbol: &'static str, dir: c_int, path: *const c_char, out: *mut libc::stat, flags: c_int) -> c_int {
    // SAFETY: the caller's path, null or a C string.
    if unsafe { names_a_file(path, flags) && withheld(symbol, path, Access::Read) } {
        return -1;
    }
    let (dir, flags) = (c_long::from(dir), c_long::from(flags));
    // SAFETY: the caller's own arguments, where the kernel expects them.
    let result =
        unsafe { super::syscall::real::syscall(libc::SYS_newfstatat, dir, path as c_long, out as c_long, flags, 0, 0) };
    if result == 0 { 0 } else { -1 }
}

interpose! {
    STATS;

    fn statx(dir: c_int, path: *const c_char, flags: c_int, mask: c_uint, out: *mut libc::statx) -> c_int {
        // SAFETY: the caller's path, null or a C string.
        if unsafe { names_a_file(path, flags) && withheld("statx", path, Access::Read) } {
            return -1;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::statx(dir, path, flags, mask, out) }
    }

    fn stat(path: *const c_char, out: *mut libc::stat) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { stat_at("stat", libc::AT_FDCWD, path, out, 0) }
    }

    fn stat64(path: *const c_char, out: *mut libc::stat64) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { stat_at("stat64", libc::AT_FDCWD, path, out.cast(), 0) }
    }

    fn lstat(path: *const c_char, out: *mut libc::stat) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { stat_at("lstat", libc::AT_FDCWD, path, out, libc::AT_SYMLINK_NOFOLLOW) }
    }

    fn lstat64(path: *const c_char, out: *mut libc::stat64) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { stat_at("lstat64", libc::AT_FDCWD, path, out.cast(), libc::AT_SYMLINK_NOFOLLOW) }
    }

    fn fstatat(dir: c_int, path: *const c_char, out: *mut libc::stat, flags: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { stat_at("fstatat", dir, path, out, flags) }
    }

    fn fstatat64(dir: c_int, path: *const c_char, out: *mut libc::stat64, flags: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { stat_at("fstatat64", dir, path, out.cast(), flags) }
    }
}
