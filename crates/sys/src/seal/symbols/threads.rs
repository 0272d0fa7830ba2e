//! Threads. A simulation runs on one thread until blocking code gets its baton, so a new one is refused.

use libc::{c_int, c_void, pthread_attr_t, pthread_t};

use crate::seal::interpose::refused;

interpose! {
    THREADS;

    fn pthread_create(
        thread: *mut pthread_t,
        attributes: *const pthread_attr_t,
        start: extern "C" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> c_int {
        if refused("pthread_create", || "a new operating system thread".to_owned()) {
            // Answers the error number itself, as POSIX has it; EPERM would be the scheduler's, but EAGAIN invites a
            // retry.
            return libc::EPERM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::pthread_create(thread, attributes, start, argument) }
    }
}
