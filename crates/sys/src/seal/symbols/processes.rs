//! Other processes, refused: starting one, becoming one, signalling one.

use libc::{c_char, c_int, c_void, pid_t};

use super::file_rules::text;
use crate::seal::interpose::{fail, refused};

interpose! {
    PROCESSES;

    fn fork() -> pid_t {
        if refused("fork", String::new) {
            return fail(libc::EPERM);
        }
        // SAFETY: `fork` takes nothing; what the child may do is the caller's concern.
        unsafe { real::fork() }
    }

    fn vfork() -> pid_t {
        if refused("vfork", String::new) {
            return fail(libc::EPERM);
        }
        // POSIX lets `vfork` be `fork`. It must be here: the child of a real one would return through, and overwrite,
        // our frame.
        // SAFETY: as for `fork`.
        unsafe { real::fork() }
    }

    fn posix_spawn(
        pid: *mut pid_t,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        argv: *const *mut c_char,
        envp: *const *mut c_char,
    ) -> c_int {
        // SAFETY: the caller's path, null or a C string.
        if refused("posix_spawn", || unsafe { text(path) }) {
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::posix_spawn(pid, path, actions, attributes, argv, envp) }
    }

    fn posix_spawnp(
        pid: *mut pid_t,
        file: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        argv: *const *mut c_char,
        envp: *const *mut c_char,
    ) -> c_int {
        // SAFETY: the caller's file name, null or a C string.
        if refused("posix_spawnp", || unsafe { text(file) }) {
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::posix_spawnp(pid, file, actions, attributes, argv, envp) }
    }

    fn execve(path: *const c_char, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
        // SAFETY: the caller's path, null or a C string.
        if refused("execve", || unsafe { text(path) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::execve(path, argv, envp) }
    }

    fn execv(path: *const c_char, argv: *const *const c_char) -> c_int {
        // SAFETY: the caller's path, null or a C string.
        if refused("execv", || unsafe { text(path) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::execv(path, argv) }
    }

    fn execvp(file: *const c_char, argv: *const *const c_char) -> c_int {
        // SAFETY: the caller's file name, null or a C string.
        if refused("execvp", || unsafe { text(file) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::execvp(file, argv) }
    }

    fn system(command: *const c_char) -> c_int {
        // SAFETY: the caller's command, null or a C string.
        if refused("system", || unsafe { text(command) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::system(command) }
    }

    fn popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE {
        // SAFETY: the caller's command, null or a C string.
        if refused("popen", || unsafe { text(command) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::popen(command, mode) }
    }

    fn kill(pid: pid_t, signal: c_int) -> c_int {
        // The process id that a node sees need not be its own, so a signal would hit a stranger.
        if refused("kill", || format!("process {pid}, signal {signal}")) {
            return fail(libc::EPERM);
        }
        // SAFETY: numbers.
        unsafe { real::kill(pid, signal) }
    }
}
