//! Where the seal and the processes meet.

use std::backtrace::Backtrace;
use std::collections::HashMap;

use stormglass_sys::process::{ForkError, Limits, fork_case};
use stormglass_sys::seal::{Hooks, enter, spawn_simulation_thread, take_leaks};

use super::{run, run_within, say};

struct Still;

impl Hooks for Still {
    fn monotonic_ns(&self) -> Option<u64> {
        Some(1)
    }
    fn wall_ns(&self) -> Option<u64> {
        Some(1)
    }
    fn fill_random(&self, buf: &mut [u8]) -> bool {
        buf.fill(3);
        true
    }
    fn hostname(&self, _buf: &mut [u8]) -> Option<usize> {
        Some(0)
    }
    fn cpus(&self) -> Option<usize> {
        Some(1)
    }
}

pub(super) fn backtraces_can_be_printed_inside_a_simulation() {
    // In a fresh process: `std` reads the debug information once.
    let end = run(|pipe| {
        // A refusal in here is a deadlock; the alarm makes it a failure.
        // SAFETY: a number.
        unsafe { libc::alarm(60) };
        let _simulation = enter(&Still);
        let backtrace = Backtrace::force_capture().to_string();
        assert!(backtrace.contains("sealed.rs"), "resolved: {backtrace}");
        let _ = std::panic::catch_unwind(|| panic!("with the default hook"));
        say(pipe, &format!("{:?}", take_leaks()));
    });
    assert_eq!(end.crash_cause(), None, "{}", String::from_utf8_lossy(&end.output));
    assert_eq!(String::from_utf8_lossy(&end.result), "[]");
}

pub(super) fn a_case_cannot_be_forked_inside_a_simulation() {
    let _simulation = enter(&Still);
    assert!(matches!(fork_case(&Limits::default(), |_| ()), Err(ForkError::Simulated)));
}

pub(super) fn hash_maps_are_the_same_in_every_case() {
    let order = || {
        let end = run(|pipe| {
            let thread = spawn_simulation_thread(1 << 20, || {
                let _simulation = enter(&Still);
                let map: HashMap<u32, ()> = (0..50).map(|key| (key, ())).collect();
                format!("{:?}", map.keys().collect::<Vec<_>>())
            });
            say(pipe, &thread.expect("a thread").join().expect("no panic"));
        });
        assert_eq!(end.crash_cause(), None);
        end.result
    };
    assert_eq!(order(), order());
}

/// Hours by which local time is ahead of UTC.
fn ahead_hours() -> i64 {
    let (now, mut local) = (1_700_000_000, std::mem::MaybeUninit::<libc::tm>::uninit());
    // SAFETY: pointers to locals; `localtime_r` writes the whole record unless it fails.
    let local = unsafe {
        assert!(!libc::localtime_r(&raw const now, local.as_mut_ptr()).is_null());
        local.assume_init()
    };
    local.tm_gmtoff / 3_600
}

pub(super) fn a_case_has_the_environment_it_is_given() {
    // SAFETY: this process has one thread.
    unsafe {
        std::env::set_var("STORMGLASS_OUTSIDE", "1");
        std::env::set_var("TZ", "EAST-5");
    }
    assert_eq!(ahead_hours(), 5);
    let mut limits = Limits::default();
    let variables = [("TZ", "UTC0"), ("HOME", "/root"), ("NOT=VALID", "x"), ("NUL", "\0")];
    limits.environment = Some(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
    let end = run_within(&limits, |pipe| {
        let all: Vec<_> = std::env::vars().collect();
        let home = std::env::var("HOME");
        // SAFETY: a case has one thread.
        unsafe { std::env::set_var("HOME", "/elsewhere") };
        say(pipe, &format!("{all:?} {home:?} {:?} {}", std::env::var("HOME"), ahead_hours()));
    });
    assert_eq!(
        String::from_utf8_lossy(&end.result),
        r#"[("TZ", "UTC0"), ("HOME", "/root")] Ok("/root") Ok("/elsewhere") 0"#
    );
    assert_eq!(
        (std::env::var("STORMGLASS_OUTSIDE").as_deref(), ahead_hours()),
        (Ok("1"), 5),
        "the server keeps its own"
    );
}
