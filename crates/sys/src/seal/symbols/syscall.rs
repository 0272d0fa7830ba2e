//! libc's `syscall`: what has an interposed twin goes to it, what makes a thread, a process or a descriptor of its own
//! is refused, the rest passes through.
//!
//! `SYS_futex` is the seam for blocking code: see [`futex`]. glibc's own locks
//! (`pthread_mutex_t` and what is built on it) make their futex calls inside glibc and do not pass here.

use libc::{c_int, c_long, c_uint};

use super::{file_calls, file_locks, files, futex, processes, random, sleep, sockets, stats, system, time, users};
use crate::seal::current::is_simulated;
use crate::seal::files::FILE_DESCRIPTOR_MIN;
use crate::seal::interpose::{fail, refused};

type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;

interpose! {
    SYSCALL;

    // Variadic in C, of seven fixed arguments here: both targets pass integers alike either way, and like glibc's own
    // this forwards the six registers whether the caller filled them or not.
    fn syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long as Syscall {
        if int(a) >= FILE_DESCRIPTOR_MIN
            // SAFETY: the caller's own arguments, unchanged.
            && let Some(answer) = unsafe { on_file(number, [a, b, c, d]) }
        {
            return answer;
        }
        if is_simulated() {
            // SAFETY: the caller's own arguments, unchanged.
            if let Some(answer) = unsafe { simulated(number, [a, b, c, d, e, f]) } {
                return answer;
            }
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::syscall(number, a, b, c, d, e, f) }
    }
}

/// Where libc's own `syscall` is.
pub(in crate::seal) fn real_address() -> Option<usize> {
    slots::syscall.get().map(|address| address as usize)
}

/// A register's low half: the kernel reads `int` arguments so.
#[allow(clippy::cast_possible_truncation, reason = "the kernel truncates likewise")]
const fn int(register: c_long) -> c_int {
    register as c_int
}

#[allow(clippy::cast_sign_loss, reason = "a register has no sign")]
const fn unsigned(register: c_long) -> c_uint {
    int(register) as c_uint
}

#[allow(clippy::cast_sign_loss, reason = "a register has no sign")]
const fn size(register: c_long) -> usize {
    register as usize
}

/// A system call on the descriptor of a simulated file: some programs go past libc's function of its name. `None` for one
/// that is not on a descriptor.
///
/// # Safety
///
/// The arguments are those of the system call.
unsafe fn on_file(number: c_long, [a, b, c, d]: [c_long; 4]) -> Option<c_long> {
    let fd = int(a);
    // SAFETY: each twin has the arguments of the system call of its name, which are the caller's.
    Some(unsafe {
        match number {
            libc::SYS_fcntl => c_long::from(file_locks::fcntl(fd, int(b), c)),
            libc::SYS_flock => c_long::from(file_calls::flock(fd, int(b))),
            libc::SYS_read => file_calls::read(fd, b as *mut _, size(c)) as c_long,
            libc::SYS_write => file_calls::write(fd, b as *const _, size(c)) as c_long,
            libc::SYS_pread64 => file_calls::pread64(fd, b as *mut _, size(c), d) as c_long,
            libc::SYS_pwrite64 => file_calls::pwrite64(fd, b as *const _, size(c), d) as c_long,
            libc::SYS_lseek => file_calls::lseek64(fd, b, int(c)),
            libc::SYS_fsync => c_long::from(file_calls::fsync(fd)),
            libc::SYS_fdatasync => c_long::from(file_calls::fdatasync(fd)),
            libc::SYS_ftruncate => c_long::from(file_calls::ftruncate64(fd, b)),
            libc::SYS_fallocate => c_long::from(file_calls::fallocate64(fd, int(b), c, d)),
            libc::SYS_sync_file_range => c_long::from(file_calls::sync_file_range(fd, b, c, unsigned(d))),
            libc::SYS_fstat => c_long::from(stats::fstat(fd, b as *mut _)),
            libc::SYS_close => c_long::from(file_calls::others::close(fd)),
            _ => return None,
        }
    })
}

/// A system call on a thread that is inside a simulation; `None` passes it through.
///
/// # Safety
///
/// The arguments are those of the system call.
unsafe fn simulated(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> Option<c_long> {
    // SAFETY: each twin has the arguments of the system call of its name, which are the caller's.
    let answer = unsafe {
        match number {
            libc::SYS_futex => {
                let real = |count| real::syscall(number, a, b, c_long::from(count), d, e, f);
                return futex::futex(size(a), int(b), unsigned(c), d as *const _, unsigned(f), real);
            }
            libc::SYS_sched_getaffinity => return system::affinity(size(b), c as *mut _),
            libc::SYS_getppid => 1,
            libc::SYS_getcpu => users::getcpu(a as *mut _, b as *mut _),
            libc::SYS_getpid | libc::SYS_gettid => return system::process_id().map(c_long::from),
            // Unlike its twin, `getrandom` answers a length.
            libc::SYS_getrandom => {
                return Some(
                    c_long::try_from(random::getrandom(a as *mut _, size(b), unsigned(c))).unwrap_or(c_long::MAX),
                );
            }
            // The twin answers the error instead of setting errno.
            libc::SYS_clock_nanosleep => match sleep::clock_nanosleep(int(a), int(b), c as *const _, d as *mut _) {
                0 => 0,
                errno => fail(errno),
            },
            libc::SYS_clock_gettime => time::clock_gettime(int(a), b as *mut _),
            libc::SYS_clock_getres => time::clock_getres(int(a), b as *mut _),
            libc::SYS_gettimeofday => time::gettimeofday(a as *mut _, b as *mut _),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_time => return Some(time::time(a as *mut _)),
            libc::SYS_nanosleep => sleep::nanosleep(a as *const _, b as *mut _),
            libc::SYS_openat => files::openat(int(a), b as *const _, int(c), unsigned(d)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => files::open(a as *const _, int(b), unsigned(c)),
            libc::SYS_statx => stats::statx(int(a), b as *const _, int(c), unsigned(d), e as *mut _),
            libc::SYS_newfstatat => stats::fstatat(int(a), b as *const _, c as *mut _, int(d)),
            libc::SYS_unlinkat => files::unlinkat(int(a), b as *const _, int(c)),
            libc::SYS_mkdirat => files::mkdirat(int(a), b as *const _, unsigned(c)),
            libc::SYS_renameat2 => files::renameat2(int(a), b as *const _, int(c), d as *const _, unsigned(e)),
            libc::SYS_socket => sockets::socket(int(a), int(b), int(c)),
            libc::SYS_connect => sockets::connect(int(a), b as *const _, unsigned(c)),
            libc::SYS_bind => sockets::bind(int(a), b as *const _, unsigned(c)),
            libc::SYS_execve => processes::execve(a as *const _, b as *const _, c as *const _),
            libc::SYS_kill => processes::kill(int(a), int(b)),
            _ => {
                let name = without_twin(number)?;
                refused("syscall", || name.to_owned());
                fail(libc::EPERM)
            }
        }
    };
    Some(c_long::from(answer))
}

/// The name of a system call that is refused though no libc function of ours has its arguments.
fn without_twin(number: c_long) -> Option<&'static str> {
    Some(match number {
        libc::SYS_clone => "clone",
        libc::SYS_clone3 => "clone3",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_fork => "fork",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_vfork => "vfork",
        libc::SYS_openat2 => "openat2",
        libc::SYS_io_uring_setup => "io_uring_setup",
        libc::SYS_epoll_create1 => "epoll_create1",
        libc::SYS_eventfd2 => "eventfd2",
        libc::SYS_timerfd_create => "timerfd_create",
        libc::SYS_timer_create => "timer_create",
        libc::SYS_pipe2 => "pipe2",
        libc::SYS_memfd_create => "memfd_create",
        libc::SYS_perf_event_open => "perf_event_open",
        libc::SYS_ppoll => "ppoll",
        libc::SYS_pselect6 => "pselect6",
        libc::SYS_times => "times",
        libc::SYS_getrusage => "getrusage",
        libc::SYS_sysinfo => "sysinfo",
        libc::SYS_getcwd => "getcwd",
        libc::SYS_pidfd_open => "pidfd_open",
        libc::SYS_process_vm_readv => "process_vm_readv",
        libc::SYS_userfaultfd => "userfaultfd",
        libc::SYS_inotify_init1 => "inotify_init1",
        libc::SYS_signalfd4 => "signalfd4",
        _ => return None,
    })
}
