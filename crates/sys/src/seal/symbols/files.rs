//! Real files. Every call that takes a path is refused, but for what [`file_rules`](super::file_rules) lets through;
//! calls on descriptors are not interposed, as without these there is no descriptor.

use std::ffi::CStr;

use libc::{DIR, FILE, c_char, c_int, c_uint, dev_t, gid_t, mode_t, off_t, size_t, ssize_t, timespec, uid_t};

use super::file_rules::{Access, access_of, withheld};
use crate::seal::interpose::Failure;

type Open = unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
type OpenAt = unsafe extern "C" fn(c_int, *const c_char, c_int, ...) -> c_int;

/// Defines calls on paths, each with the path that is judged and the access it asks.
macro_rules! paths {
    ($table:ident; $(
        $name:ident ( $($arg:ident : $ty:ty),* ) $(-> $ret:ty)? $(as $real:ty)? , $path:ident, $access:expr;
    )+) => {
        interpose! {
            $table;
            $(
                // What the rules set errno to stays: EPERM, or ENOENT for what a node does not have.
                fn $name($($arg: $ty),*) $(-> $ret)? $(as $real)? {
                    // SAFETY: the caller's path, null or a C string.
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

paths! {
    FILES;
    open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int as Open, path, access_of(flags);
    open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int as Open, path, access_of(flags);
    openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int as OpenAt, path, access_of(flags);
    openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int as OpenAt, path, access_of(flags);
    __open_2(path: *const c_char, flags: c_int) -> c_int, path, access_of(flags);
    __open64_2(path: *const c_char, flags: c_int) -> c_int, path, access_of(flags);
    __openat_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int, path, access_of(flags);
    __openat64_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int, path, access_of(flags);
    creat(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write;
    creat64(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write;
    fopen(path: *const c_char, mode: *const c_char) -> *mut FILE, path, access_of_mode(mode);
    fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE, path, access_of_mode(mode);
    mkstemp(template: *mut c_char) -> c_int, template, Access::Write;
    mkstemp64(template: *mut c_char) -> c_int, template, Access::Write;
    mkostemp(template: *mut c_char, flags: c_int) -> c_int, template, Access::Write;
    mkdtemp(template: *mut c_char) -> *mut c_char, template, Access::Write;

    access(path: *const c_char, mode: c_int) -> c_int, path, Access::Read;
    faccessat(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int, path, Access::Read;
    opendir(path: *const c_char) -> *mut DIR, path, Access::Read;
    readlink(path: *const c_char, out: *mut c_char, size: size_t) -> ssize_t, path, Access::Read;
    readlinkat(dir: c_int, path: *const c_char, out: *mut c_char, size: size_t) -> ssize_t, path, Access::Read;
    realpath(path: *const c_char, out: *mut c_char) -> *mut c_char, path, Access::Read;
    statvfs64(path: *const c_char, out: *mut libc::statvfs64) -> c_int, path, Access::Read;
    statvfs(path: *const c_char, out: *mut libc::statvfs) -> c_int, path, Access::Read;
    statfs64(path: *const c_char, out: *mut libc::statfs64) -> c_int, path, Access::Read;
    statfs(path: *const c_char, out: *mut libc::statfs) -> c_int, path, Access::Read;

    mkdir(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write;
    mkdirat(dir: c_int, path: *const c_char, mode: mode_t) -> c_int, path, Access::Write;
    rmdir(path: *const c_char) -> c_int, path, Access::Write;
    unlink(path: *const c_char) -> c_int, path, Access::Write;
    unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int, path, Access::Write;
    remove(path: *const c_char) -> c_int, path, Access::Write;
    rename(from: *const c_char, to: *const c_char) -> c_int, from, Access::Write;
    renameat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char) -> c_int, from, Access::Write;
    renameat2(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_uint) -> c_int, from, Access::Write;
    link(from: *const c_char, to: *const c_char) -> c_int, to, Access::Write;
    linkat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_int) -> c_int, to, Access::Write;
    symlink(target: *const c_char, path: *const c_char) -> c_int, path, Access::Write;
    symlinkat(target: *const c_char, dir: c_int, path: *const c_char) -> c_int, path, Access::Write;
    truncate(path: *const c_char, length: off_t) -> c_int, path, Access::Write;
    truncate64(path: *const c_char, length: off_t) -> c_int, path, Access::Write;
    chmod(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write;
    fchmodat(dir: c_int, path: *const c_char, mode: mode_t, flags: c_int) -> c_int, path, Access::Write;
    chown(path: *const c_char, owner: uid_t, group: gid_t) -> c_int, path, Access::Write;
    lchown(path: *const c_char, owner: uid_t, group: gid_t) -> c_int, path, Access::Write;
    utimensat(dir: c_int, path: *const c_char, times: *const timespec, flags: c_int) -> c_int, path, Access::Write;
    mkfifo(path: *const c_char, mode: mode_t) -> c_int, path, Access::Write;
    mknod(path: *const c_char, mode: mode_t, device: dev_t) -> c_int, path, Access::Write;
    chdir(path: *const c_char) -> c_int, path, Access::Write;
    chroot(path: *const c_char) -> c_int, path, Access::Write;
}
