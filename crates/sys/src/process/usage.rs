//! What this process and machine really use and have, whatever a simulation says.

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use crate::seal::host;

/// The processor time that this process has used, user and system; zero where the platform is not a Unix.
pub fn process_cpu_time() -> Duration {
    #[cfg(unix)]
    return clock(libc::CLOCK_PROCESS_CPUTIME_ID);
    #[cfg(not(unix))]
    return Duration::ZERO;
}

/// The processor time that this thread has used, user and system; zero where the platform is not a Unix.
pub fn thread_cpu_time() -> Duration {
    #[cfg(unix)]
    return clock(libc::CLOCK_THREAD_CPUTIME_ID);
    #[cfg(not(unix))]
    return Duration::ZERO;
}

/// How many processors this process may really use, one if the system does not say.
pub fn available_cores() -> NonZero<usize> {
    host(thread::available_parallelism).unwrap_or(NonZero::<usize>::MIN)
}

#[cfg(unix)]
fn clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a pointer to a local. The call cannot fail for a clock that every Unix has; zero is what it would leave.
    host(|| unsafe { libc::clock_gettime(clock, &raw mut time) });
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
