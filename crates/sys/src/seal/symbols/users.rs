//! What differs by user, folder and machine: the accounts, the working folder, the auxiliary vector, the processor that
//! runs.

use libc::{c_char, c_int, c_long, c_uint, c_ulong, c_void, gid_t, pid_t, size_t, uid_t};

use crate::seal::current::is_simulated;
use crate::seal::interpose::{fail, refused};

/// The folder that every node's program runs in.
const FOLDER: &[u8] = b"/\0";

interpose! {
    USERS;

    fn getcwd(out: *mut c_char, size: size_t) -> *mut c_char {
        if crate::seal::leak::is_resolving() {
            return fail(libc::ENOENT);
        }
        if !is_simulated() || out.is_null() {
            // glibc allocates where it is given no buffer, and nothing but C code asks that of it.
            if refused("getcwd", || "without a buffer".to_owned()) {
                return fail(libc::EPERM);
            }
            // SAFETY: the caller's own arguments, unchanged.
            return unsafe { real::getcwd(out, size) };
        }
        if size < FOLDER.len() {
            return fail(if size == 0 { libc::EINVAL } else { libc::ERANGE });
        }
        // SAFETY: the caller's buffer has room for the folder and its NUL.
        unsafe { out.cast::<u8>().copy_from_nonoverlapping(FOLDER.as_ptr(), FOLDER.len()) };
        out
    }

    fn getppid() -> pid_t {
        // A node's program is started by its machine's first process.
        if is_simulated() {
            return 1;
        }
        // SAFETY: `getppid` takes nothing.
        unsafe { real::getppid() }
    }

    fn sched_getcpu() -> c_int {
        // A node runs one thing at a time.
        if is_simulated() {
            return 0;
        }
        // SAFETY: `sched_getcpu` takes nothing.
        unsafe { real::sched_getcpu() }
    }

    fn getcpu(cpu: *mut c_uint, node: *mut c_uint) -> c_int {
        if is_simulated() {
            for out in [cpu, node] {
                if !out.is_null() {
                    // SAFETY: the caller gives valid pointers or null ones.
                    unsafe { out.write(0) };
                }
            }
            return 0;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getcpu(cpu, node) }
    }

    fn getauxval(kind: c_ulong) -> c_ulong {
        if kind == libc::AT_RANDOM && refused("getauxval", || "AT_RANDOM, the kernel's random bytes".to_owned()) {
            crate::seal::interpose::set_errno(libc::ENOENT);
            return 0;
        }
        // SAFETY: a number.
        unsafe { real::getauxval(kind) }
    }

    fn gethostid() -> c_long {
        if refused("gethostid", String::new) {
            return fail(libc::EPERM);
        }
        // SAFETY: `gethostid` takes nothing.
        unsafe { real::gethostid() }
    }

    fn getloadavg(out: *mut f64, count: c_int) -> c_int {
        if refused("getloadavg", || "the machine's load".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getloadavg(out, count) }
    }

    fn getpwuid_r(id: uid_t, out: *mut c_void, text: *mut c_char, size: size_t, found: *mut *mut c_void) -> c_int {
        if refused("getpwuid_r", || format!("user {id}")) {
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getpwuid_r(id, out, text, size, found) }
    }

    fn getpwnam_r(name: *const c_char, out: *mut c_void, text: *mut c_char, size: size_t, found: *mut *mut c_void) -> c_int {
        if refused("getpwnam_r", || "the machine's users".to_owned()) {
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getpwnam_r(name, out, text, size, found) }
    }

    fn getgrgid_r(id: gid_t, out: *mut c_void, text: *mut c_char, size: size_t, found: *mut *mut c_void) -> c_int {
        if refused("getgrgid_r", || format!("group {id}")) {
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getgrgid_r(id, out, text, size, found) }
    }

    fn getpwuid(id: uid_t) -> *mut c_void {
        if refused("getpwuid", || format!("user {id}")) {
            return fail(libc::EPERM);
        }
        // SAFETY: a number.
        unsafe { real::getpwuid(id) }
    }

    fn getpwnam(name: *const c_char) -> *mut c_void {
        if refused("getpwnam", || "the machine's users".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::getpwnam(name) }
    }

    fn getlogin_r(out: *mut c_char, size: size_t) -> c_int {
        if refused("getlogin_r", String::new) {
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getlogin_r(out, size) }
    }
}
