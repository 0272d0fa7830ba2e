//! The poll watchdog.

use std::hint::black_box;
use std::time::Duration;

use stormglass_sys::process::watchdog::{self, Watch, poll_begins, poll_ends};
use stormglass_sys::process::{CrashCause, process_cpu_time};
use stormglass_sys::seal::spawn_simulation_thread;

use super::run;

const WATCH: Watch = Watch { tick: Duration::from_millis(10), limit: Duration::from_millis(50), fd: 2 };

/// Four limits of processor time.
fn burn(each: impl Fn()) {
    let start = process_cpu_time();
    while process_cpu_time() - start < 4 * WATCH.limit {
        each();
    }
}

#[inline(never)]
fn a_spin_that_never_ends() -> ! {
    loop {
        black_box(0);
    }
}

pub(super) fn an_endless_poll_is_named_with_its_function() {
    let end = run(|_| {
        // On a thread, as a simulation is, with the main thread waiting.
        let thread = spawn_simulation_thread(1 << 20, || {
            let _watching = watchdog::start(WATCH).expect("a timer");
            poll_begins();
            a_spin_that_never_ends()
        });
        let _ = thread.expect("a thread").join();
    });
    let output = String::from_utf8_lossy(&end.output);
    let Some(CrashCause::PollOverran { call_site: Some(site) }) = end.crash_cause() else {
        panic!("{:?}: {output}", end.crash_cause());
    };
    assert!(site.contains("a_spin_that_never_ends"), "{site}");
    assert!(site.contains("watched.rs:"), "{site}");
}

pub(super) fn many_short_polls_are_left_alone() {
    let end = run(|_| {
        let _watching = watchdog::start(WATCH).expect("a timer");
        burn(poll_begins);
    });
    assert_eq!(end.crash_cause(), None);
}

pub(super) fn work_outside_polls_is_left_alone() {
    let end = run(|_| {
        let watching = watchdog::start(WATCH).expect("a timer");
        poll_begins();
        poll_ends();
        burn(|| ());
        // And after it has been stopped, so is a poll.
        drop(watching);
        poll_begins();
        burn(|| ());
    });
    assert_eq!(end.crash_cause(), None);
}

pub(super) fn an_endless_poll_in_the_allocator_is_still_ended() {
    let end = run(|_| {
        let _watching = watchdog::start(WATCH).expect("a timer");
        poll_begins();
        loop {
            drop(black_box(vec![0_u8; 100_000]));
        }
    });
    assert!(matches!(end.crash_cause(), Some(CrashCause::PollOverran { .. })), "{:?}", end.crash_cause());
}
