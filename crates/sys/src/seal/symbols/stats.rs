//! Metadata of files: the node's own, where its world has files; else judged as reading them is.
//!
//! The real call of the older names goes by system call: a glibc before 2.33 has no such dynamic symbols, and on both
//! targets `stat` and `stat64` are one type, which is the kernel's own.

use libc::{c_char, c_int, c_long, c_uint, timespec};

use super::file_calls::asked_of;
use super::file_rules::{Access, on_disk, withheld};
use crate::seal::files::{FILE_DESCRIPTOR_MIN, FileCall, FileStat};

const NS_PER_S: u64 = 1_000_000_000;

/// Whether a call with these flags is on the path and not on the descriptor beside it.
///
/// # Safety
///
/// `path` is null or a C string.
unsafe fn names_a_file(path: *const c_char, flags: c_int) -> bool {
    // SAFETY: where it is read it is not null, so a C string, which has at least its NUL.
    flags & libc::AT_EMPTY_PATH == 0 || !(path.is_null() || unsafe { *path } == 0)
}

/// What a node's own files say. `None` where it has none, or the rules are to judge; `Some(None)` for a failure.
///
/// # Safety
///
/// `path` is null or a C string.
unsafe fn simulated(dir: c_int, path: *const c_char, flags: c_int) -> Option<Option<FileStat>> {
    let mut stat = FileStat::default();
    // SAFETY: as the caller promises.
    let answer = if unsafe { names_a_file(path, flags) } {
        // SAFETY: as the caller promises.
        unsafe { on_disk(path, Access::Read, |path| FileCall::Stat { dir, path, flags, out: &mut stat }) }
    } else if dir >= FILE_DESCRIPTOR_MIN {
        let path = std::path::Path::new("");
        asked_of(dir, || FileCall::Stat { dir, path, flags: flags | libc::AT_EMPTY_PATH, out: &mut stat })
    } else {
        None
    };
    Some((answer? == 0).then_some(stat))
}

/// The times of utimensat(2), read first and changed second: nanoseconds since the Unix epoch, `None` for one to be left alone.
///
/// # Safety
///
/// `times` is null, for now, or points to two times.
pub(super) unsafe fn times_ns(times: *const timespec) -> (Option<u64>, Option<u64>) {
    let now = || crate::seal::interpose::ask(|hooks| hooks.wall_ns());
    if times.is_null() {
        let now = now();
        return (now, now);
    }
    // SAFETY: as the caller promises.
    let [accessed, modified] = unsafe { *times.cast::<[timespec; 2]>() };
    let of = |time: timespec| match time.tv_nsec {
        libc::UTIME_OMIT => None,
        libc::UTIME_NOW => now(),
        ns => Some((time.tv_sec.max(0) as u64).saturating_mul(NS_PER_S).saturating_add(ns.max(0) as u64)),
    };
    (of(accessed), of(modified))
}

/// Writes what a simulated file is into a `struct stat`.
///
/// # Safety
///
/// `out` is valid for a write.
unsafe fn fill(out: *mut libc::stat, stat: &FileStat) {
    let seconds = |ns: u64| (ns / NS_PER_S) as i64;
    let rest = |ns: u64| (ns % NS_PER_S) as i64;
    // SAFETY: as the caller promises; the struct is of numbers, for which zeros are valid.
    let out = unsafe {
        out.write_bytes(0, 1);
        &mut *out
    };
    out.st_dev = stat.device;
    out.st_rdev = stat.special;
    out.st_ino = stat.inode;
    out.st_mode = stat.mode;
    out.st_nlink = stat.links as _;
    out.st_size = stat.len as i64;
    out.st_blksize = 4096;
    out.st_blocks = (stat.allocated_bytes / 512) as i64;
    (out.st_atime, out.st_atime_nsec) = (seconds(stat.accessed_ns), rest(stat.accessed_ns));
    (out.st_mtime, out.st_mtime_nsec) = (seconds(stat.modified_ns), rest(stat.modified_ns));
    (out.st_ctime, out.st_ctime_nsec) = (seconds(stat.changed_ns), rest(stat.changed_ns));
}

/// Writes what a simulated file is into a `struct statx`.
///
/// # Safety
///
/// `out` is valid for a write.
unsafe fn fill_x(out: *mut libc::statx, stat: &FileStat) {
    // SAFETY: as the caller promises; the struct is of numbers, for which zeros are valid.
    let out = unsafe {
        out.write_bytes(0, 1);
        &mut *out
    };
    out.stx_mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    out.stx_blksize = 4096;
    out.stx_nlink = stat.links as u32;
    out.stx_mode = stat.mode as u16;
    out.stx_ino = stat.inode;
    out.stx_size = stat.len;
    out.stx_blocks = stat.allocated_bytes / 512;
    let times = [
        (&mut out.stx_atime, stat.accessed_ns),
        (&mut out.stx_btime, stat.created_ns),
        (&mut out.stx_ctime, stat.changed_ns),
        (&mut out.stx_mtime, stat.modified_ns),
    ];
    for (time, ns) in times {
        (time.tv_sec, time.tv_nsec) = ((ns / NS_PER_S) as i64, (ns % NS_PER_S) as u32);
    }
    (out.stx_dev_major, out.stx_dev_minor) = (libc::major(stat.device), libc::minor(stat.device));
    (out.stx_rdev_major, out.stx_rdev_minor) = (libc::major(stat.special), libc::minor(stat.special));
}

/// The node's own, or judges the path and stats it by system call.
///
/// # Safety
///
/// As for `fstatat`.
unsafe fn stat_at(symbol: &'static str, dir: c_int, path: *const c_char, out: *mut libc::stat, flags: c_int) -> c_int {
    // SAFETY: the caller's path, null or a C string.
    match unsafe { simulated(dir, path, flags) } {
        Some(Some(stat)) => {
            // SAFETY: the caller's pointer, valid for a write.
            unsafe { fill(out, &stat) };
            return 0;
        }
        Some(None) => return -1,
        None => {}
    }
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
        match unsafe { simulated(dir, path, flags) } {
            Some(_) if out.is_null() => return crate::seal::interpose::fail(libc::EFAULT),
            Some(Some(stat)) => {
                // SAFETY: the caller's pointer, valid for a write.
                unsafe { fill_x(out, &stat) };
                return 0;
            }
            Some(None) => return -1,
            None => {}
        }
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

    fn fstat(fd: c_int, out: *mut libc::stat) -> c_int {
        // SAFETY: the caller's own arguments; an empty path is a C string.
        unsafe { stat_at("fstat", fd, c"".as_ptr(), out, libc::AT_EMPTY_PATH) }
    }

    fn fstat64(fd: c_int, out: *mut libc::stat64) -> c_int {
        // SAFETY: the caller's own arguments; an empty path is a C string.
        unsafe { stat_at("fstat64", fd, c"".as_ptr(), out.cast(), libc::AT_EMPTY_PATH) }
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
