//! What a case sends: its result, and what it prints.

use std::io::Write;

use stormglass_sys::process::{Capture, CrashCause, End, Limits};

use super::{run, run_within, say, soon};

pub(super) fn a_result_comes_back_whole() {
    let end = run(|pipe| {
        say(pipe, "ver");
        say(pipe, "dict");
    });
    assert_eq!((end.result.as_slice(), end.completed, end.end), (&b"verdict"[..], true, End::Exited(0)));
    assert_eq!((end.crash_cause(), end.output.len()), (None, 0));
}

pub(super) fn large_result_and_output_do_not_deadlock() {
    const BYTES: usize = 8 << 20;
    let limits = Limits::default();
    let end = run_within(&limits, |pipe| {
        // More than a pipe holds, in each, before anything of the other.
        eprint!("{}", "e".repeat(BYTES));
        pipe.write_all(&vec![b'r'; BYTES]).expect("the parent reads");
        eprint!("{}the end", "e".repeat(BYTES));
    });
    assert_eq!((end.result.len(), end.completed), (BYTES, true));
    assert_eq!(end.output_bytes, 2 * BYTES as u64 + 7);
    assert_eq!(end.output.len(), limits.output_bytes_kept);
    assert!(end.output.ends_with(b"eethe end"));
}

pub(super) fn a_result_past_its_limit_stops_the_case() {
    let mut limits = Limits::default();
    limits.result_bytes_max = 1_000;
    let end = run_within(&limits, |pipe| {
        loop {
            say(pipe, "more and more");
        }
    });
    assert_eq!(end.crash_cause(), Some(CrashCause::ResultTooLarge));
    let exactly = run_within(&limits, |pipe| pipe.write_all(&[1; 1_000]).expect("the parent reads"));
    assert_eq!((exactly.result.len(), exactly.crash_cause()), (1_000, None));
}

pub(super) fn output_is_kept_in_order() {
    let end = run(|_| {
        println!("first");
        eprintln!("second");
        print!("third, without a newline");
    });
    assert_eq!(String::from_utf8_lossy(&end.output), "first\nsecond\nthird, without a newline");
    let mut limits = Limits::default();
    limits.capture = Capture::Error;
    let end = run_within(&limits, |_| eprint!("error alone"));
    assert_eq!(String::from_utf8_lossy(&end.output), "error alone");
}

pub(super) fn buffered_output_of_the_server_is_not_repeated() {
    let end = run(|pipe| {
        // A server of its own, whose standard output is the captured pipe.
        print!("half a line");
        let inner = run(|_| print!(", inner"));
        say(pipe, &String::from_utf8_lossy(&inner.output));
    });
    assert_eq!(String::from_utf8_lossy(&end.result), ", inner");
    assert_eq!(String::from_utf8_lossy(&end.output), "half a line");
}

pub(super) fn a_flood_of_output_does_not_outrun_the_deadline() {
    let child = stormglass_sys::process::fork_case(&Limits::default(), |_| {
        let line = [b'x'; 4_096];
        loop {
            let _ = std::io::stderr().write_all(&line);
        }
    });
    let end = child.expect("a fork").wait(soon()).expect("an end");
    assert_eq!(end.crash_cause(), Some(CrashCause::TimedOut));
}
