//! Kernel objects behind a descriptor that are neither files nor sockets, refused: real timers, pipes, and what another
//! runtime waits on.

use libc::{c_char, c_int, c_uint, c_void, mode_t};

refuse! {
    DESCRIPTORS;
    fn pipe(fds: *mut c_int) -> c_int;
    fn pipe2(fds: *mut c_int, flags: c_int) -> c_int;
    fn eventfd(initial: c_uint, flags: c_int) -> c_int;
    fn epoll_create(size: c_int) -> c_int;
    fn epoll_create1(flags: c_int) -> c_int;
    fn timerfd_create(clock: c_int, flags: c_int) -> c_int;
    fn timer_create(clock: c_int, event: *mut c_void, timer: *mut c_void) -> c_int;
    fn setitimer(which: c_int, new: *const c_void, old: *mut c_void) -> c_int;
    fn alarm(seconds: c_uint) -> c_uint;
    fn signalfd(fd: c_int, mask: *const c_void, flags: c_int) -> c_int;
    fn inotify_init() -> c_int;
    fn inotify_init1(flags: c_int) -> c_int;
    fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    fn shm_open(name: *const c_char, flags: c_int, mode: mode_t) -> c_int;
}
