//! The server: its one thread, its children, its signals.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use stormglass_sys::process::{
    Aslr, CrashCause, EXIT_INTERRUPTED, End, ForkError, Limits, fork_case, install_interrupt_flag, interrupted,
    process_cpu_time,
};

use super::{ASLR, run, say};

pub(super) fn a_server_with_threads_is_refused() {
    let (stop, stopped) = channel::<()>();
    let other = thread::spawn(move || stopped.recv());
    let refused = fork_case(&Limits::default(), |_| ());
    assert!(matches!(refused, Err(ForkError::Threads { count: 2 })), "{refused:?}");
    assert!(refused.expect_err("refused").to_string().contains("2 threads"));
    drop(stop);
    other.join().expect("no panic").expect_err("closed");
}

pub(super) fn a_joined_thread_does_not_count() {
    for _ in 0..200 {
        thread::spawn(|| ()).join().expect("no panic");
        assert_eq!(run(|_| ()).crash_cause(), None);
    }
}

pub(super) fn children_run_side_by_side() {
    let children: Vec<_> = (0..8)
        .map(|n| fork_case(&Limits::default(), move |pipe| say(pipe, &format!("case {n}"))).expect("a fork"))
        .collect();
    // The other way round, so that the first has long ended.
    for (n, child) in children.into_iter().enumerate().rev() {
        let end = child.wait(None).expect("an end");
        assert_eq!(String::from_utf8_lossy(&end.result), format!("case {n}"));
    }
}

/// Says that it lives, and again much later, unless it is killed in between.
fn linger(writer: &PipeWriter, begun: &PipeWriter) {
    let say = |mut pipe: &PipeWriter| pipe.write_all(b"!").expect("somebody reads");
    say(begun);
    // SAFETY: a number.
    unsafe { libc::sleep(20) };
    say(writer);
}

/// What was written to a pipe, when the last process that could write to it is gone.
fn heard(mut reader: PipeReader, writer: PipeWriter) -> Vec<u8> {
    drop(writer);
    let mut said = Vec::new();
    reader.read_to_end(&mut said).expect("readable");
    said
}

pub(super) fn a_dropped_child_is_killed() {
    let (reader, writer) = pipe().expect("a pipe");
    let (mut has_begun, begun) = pipe().expect("a pipe");
    let child = fork_case(&Limits::default(), |_| linger(&writer, &begun)).expect("a fork");
    has_begun.read_exact(&mut [0]).expect("it begins");
    drop(child);
    assert_eq!(heard(reader, writer), b"", "the child lived on");
}

pub(super) fn a_case_dies_with_its_server() {
    let (reader, writer) = pipe().expect("a pipe");
    // A server of its own that ends without waiting for its case.
    let end = run(|_| {
        let (mut has_begun, begun) = pipe().expect("a pipe");
        let orphan = fork_case(&Limits::default(), |_| linger(&writer, &begun)).expect("a fork");
        has_begun.read_exact(&mut [0]).expect("it begins");
        std::mem::forget(orphan);
    });
    assert_eq!(end.crash_cause(), None);
    assert_eq!(heard(reader, writer), b"", "the orphan lived on");
}

static TOUCHED: AtomicU32 = AtomicU32::new(0);

pub(super) fn statics_are_a_cases_own() {
    for _ in 0..3 {
        let end = run(|pipe| say(pipe, &TOUCHED.fetch_add(1, Ordering::Relaxed).to_string()));
        assert_eq!(end.result, b"0");
    }
    assert_eq!(TOUCHED.load(Ordering::Relaxed), 0);
}

fn raise(signal: i32) {
    // SAFETY: a number.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

pub(super) fn the_first_interrupt_asks_and_the_second_ends() {
    let end = run(|pipe| {
        install_interrupt_flag().expect("a handler");
        assert_eq!(interrupted(), None);
        raise(libc::SIGTERM);
        assert_eq!(interrupted(), Some(libc::SIGTERM));
        say(pipe, "asked");
        raise(libc::SIGINT);
        say(pipe, "went on");
    });
    assert_eq!((end.result.as_slice(), end.end), (&b"asked"[..], End::Exited(EXIT_INTERRUPTED)));
}

pub(super) fn an_interrupt_of_the_server_is_not_inherited() {
    let end = run(|pipe| {
        install_interrupt_flag().expect("a handler");
        raise(libc::SIGTERM);
        let inner = run(|_| {
            assert_eq!(interrupted(), None);
            raise(libc::SIGTERM);
        });
        say(pipe, &format!("{:?}", inner.crash_cause()));
    });
    let expected = Some(CrashCause::KilledFromOutside { signal: libc::SIGTERM });
    assert_eq!(String::from_utf8_lossy(&end.result), format!("{expected:?}"));
}

pub(super) fn addresses_are_the_same_in_every_run() {
    let aslr = ASLR.get().expect("main asked first");
    // A container may forbid it: then the answer must say so, and there is nothing to see.
    let Aslr::Off = aslr else {
        assert!(matches!(aslr, Aslr::On { reason } if !reason.is_empty()));
        return;
    };
    assert!(std::env::var_os("STORMGLASS_WITHOUT_ASLR").is_none(), "the marker is not left behind");
    let persona = std::fs::read_to_string("/proc/self/personality").expect("readable");
    assert_eq!(u32::from_str_radix(persona.trim(), 16).map(|persona| persona & 0x0004_0000), Ok(0x0004_0000));
}

pub(super) fn ten_thousand_forks() {
    const FORKS: u32 = 10_000;
    let (start, cpu) = (Instant::now(), process_cpu_time());
    for n in 0..FORKS {
        let end = run(|pipe| say(pipe, &n.to_string()));
        assert_eq!(end.result, n.to_string().as_bytes());
    }
    let (wall, cpu) = (start.elapsed() / FORKS, (process_cpu_time() - cpu) / FORKS);
    eprintln!("{FORKS} forks with a wait: {wall:?} each, {cpu:?} of it the server's processor time");
}
