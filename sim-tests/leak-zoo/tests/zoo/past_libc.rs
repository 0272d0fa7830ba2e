//! What gets past libc: rustix makes system calls of its own and reads clocks from the vDSO. Determinism checks see it.

use rustix::time::ClockId;

use crate::animal::{Nature, animals};

animals! {
    rustix_process_id: Nature::PastLibc(&["getpid"]), constant, { [rustix::process::getpid()] };
    rustix_file: Nature::PastLibc(&["openat", "open"]), constant, {
        use rustix::fs::{Mode, OFlags};
        [rustix::fs::open("/etc/passwd", OFlags::RDONLY, Mode::empty()).is_ok()]
    };
    rustix_entropy: Nature::PastLibc(&["getrandom"]), constant, {
        let mut buf = [0_u8; 8];
        let _ = rustix::rand::getrandom(&mut buf, rustix::rand::GetRandomFlags::empty());
        [buf]
    };
    rustix_host_name: Nature::PastLibc(&["uname"]), constant, {
        [rustix::system::uname().nodename().to_owned()]
    };
    // By the vDSO, which reads the processor's clock, or by system call.
    rustix_clock: Nature::PastLibc(&["rdtsc", "rdtscp", "clock_gettime"]), constant, {
        [rustix::time::clock_gettime(ClockId::Monotonic).tv_nsec]
    };
    rustix_processor_time: Nature::PastLibc(&["clock_gettime"]), constant, {
        [rustix::time::clock_gettime(ClockId::ThreadCPUTime).tv_nsec]
    };
}
