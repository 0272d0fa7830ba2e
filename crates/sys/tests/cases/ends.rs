//! The ways a case can end, and the names they get.

use std::hint::black_box;

use stormglass_sys::process::{CrashCause, End, Limits, fork_case};
use stormglass_sys::seal::spawn_simulation_thread;

use super::{block, run, run_within, say, soon};

pub(super) fn a_panic_is_named() {
    let end = run(|pipe| {
        say(pipe, "so far");
        panic!("the oracle is wrong");
    });
    assert_eq!(end.crash_cause(), Some(CrashCause::Panicked));
    assert_eq!((end.result.as_slice(), end.completed), (&b"so far"[..], false));
    assert!(String::from_utf8_lossy(&end.output).contains("the oracle is wrong"));
}

pub(super) fn an_abort_is_named() {
    assert_eq!(run(|_| std::process::abort()).crash_cause(), Some(CrashCause::Aborted));
}

#[allow(unconditional_recursion, reason = "it is to overflow the stack")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(depth + 1) + frame[1]
}

pub(super) fn a_stack_overflow_is_named() {
    assert_eq!(run(|_| _ = black_box(recurse(0))).crash_cause(), Some(CrashCause::StackOverflow));
}

pub(super) fn a_stack_overflow_of_a_thread_is_named() {
    let end = run(|_| {
        let thread = spawn_simulation_thread(256 << 10, || black_box(recurse(0)));
        let _ = thread.expect("a thread").join();
    });
    assert_eq!(end.crash_cause(), Some(CrashCause::StackOverflow));
    assert!(String::from_utf8_lossy(&end.output).contains("simulation"), "the thread is named");
}

pub(super) fn a_failed_allocation_is_named() {
    let mut limits = Limits::default();
    limits.memory_bytes = Some(64 << 20);
    let end = run_within(&limits, |_| drop(black_box(vec![1_u8; 100 << 20])));
    assert_eq!(end.crash_cause(), Some(CrashCause::OutOfMemory { bytes: 100 << 20 }));
    let small = run_within(&limits, |_| {
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(Box::new([0_u8; 1_000])));
        }
    });
    assert!(matches!(small.crash_cause(), Some(CrashCause::OutOfMemory { .. })), "{:?}", small.crash_cause());
}

pub(super) fn memory_within_the_limit_is_granted() {
    let mut limits = Limits::default();
    limits.memory_bytes = Some(256 << 20);
    let end = run_within(&limits, |_| {
        let thread = spawn_simulation_thread(64 << 20, || black_box(vec![1_u8; 64 << 20]).len());
        assert_eq!(thread.expect("a stack").join().expect("no panic"), 64 << 20);
    });
    assert_eq!(end.crash_cause(), None, "{}", String::from_utf8_lossy(&end.output));
}

pub(super) fn a_fault_is_named() {
    // SAFETY: it ends the process, as is intended.
    let end = run(|_| unsafe { _ = libc::raise(libc::SIGILL) });
    assert_eq!(end.crash_cause(), Some(CrashCause::Faulted { signal: libc::SIGILL }));
}

pub(super) fn a_kill_from_outside_is_named() {
    for signal in [libc::SIGKILL, libc::SIGTERM] {
        let child = fork_case(&Limits::default(), |_| block()).expect("a fork");
        // SAFETY: numbers; the child has not been waited for.
        assert_eq!(unsafe { libc::kill(child.id().cast_signed(), signal) }, 0);
        let end = child.wait(None).expect("an end");
        assert_eq!(end.crash_cause(), Some(CrashCause::KilledFromOutside { signal }));
    }
}

pub(super) fn an_exit_of_the_code_under_test_is_named() {
    for code in [0, 7] {
        let end = run(|pipe| {
            say(pipe, "not all");
            std::process::exit(code);
        });
        assert_eq!((end.end, end.completed), (End::Exited(code), false));
        assert_eq!(end.crash_cause(), Some(CrashCause::Exited { code }));
    }
}

pub(super) fn a_blocked_case_times_out() {
    let child = fork_case(&Limits::default(), |pipe| {
        say(pipe, "begun");
        block()
    });
    let end = child.expect("a fork").wait(soon()).expect("an end");
    assert_eq!((end.end, end.crash_cause()), (End::TimedOut, Some(CrashCause::TimedOut)));
}

pub(super) fn a_case_can_be_given_up() {
    let mut asked = 0;
    let child = fork_case(&Limits::default(), |_| block()).expect("a fork");
    let end = child.wait_unless(None, &mut || {
        asked += 1;
        asked == 2
    });
    assert_eq!(end.expect("an end").crash_cause(), Some(CrashCause::GivenUp));
}

pub(super) fn processor_time_and_memory_are_told() {
    let end = run(|pipe| {
        let memory = black_box(vec![1_u8; 64 << 20]);
        let start = stormglass_sys::process::process_cpu_time();
        let mut sum = 0_u64;
        while (stormglass_sys::process::process_cpu_time() - start).as_millis() < 30 {
            sum += memory.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
        say(pipe, &format!("{}", sum % 2));
    });
    assert_eq!(end.crash_cause(), None);
    assert!((end.cpu_user + end.cpu_system).as_millis() >= 20, "{:?} and {:?}", end.cpu_user, end.cpu_system);
    assert!(end.resident_bytes_max >= 64 << 20);
}
