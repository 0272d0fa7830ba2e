//! A fork server that serves many cases: each begins with the same memory, whatever was served before.

use std::io::Write;
use std::time::{Duration, Instant};

use stormglass_sys::process::{Capture, CrashCause, ForkSeat, ForkServer, Limits, fork_case};

const STACK_BYTES: usize = 1 << 20;

/// How many bytes of what a case found are compared.
const KEPT_BYTES: usize = 1_000;

/// Where a case finds memory of many sizes, by address.
fn found() -> String {
    let (mut kept, mut places) = (Vec::new(), Vec::new());
    for size in (0..24).flat_map(|power| [1_usize << power, 3 << power]) {
        let one = Vec::<u8>::with_capacity(size);
        places.push(one.as_ptr().addr());
        kept.push(one);
    }
    kept.truncate(20);
    places.extend((0..50).map(|n| Vec::<u8>::with_capacity(n * 40 + 1).leak().as_ptr().addr()));
    format!("{places:x?}")
}

/// How a case may end, and what a server may do between two cases.
type Between = fn(&mut ForkServer);

fn ends(server: &mut ForkServer, capture: Capture, case: fn(), expected: CrashCause) {
    let mut limits = Limits::default();
    limits.capture = capture;
    let (end, _) = server.run(&limits, None, &mut || false, |_| case()).expect("a fork");
    assert!(!end.is_whole());
    assert_eq!(end.crash_cause(), Some(expected));
}

const BETWEEN: [(&str, Between); 7] = [
    ("nothing", |_| ()),
    ("an abort", |server| ends(server, Capture::Both, || std::process::abort(), CrashCause::Aborted)),
    ("an exit nobody reads of", |server| {
        ends(server, Capture::Nothing, || std::process::exit(3), CrashCause::Exited { code: 3 });
    }),
    ("a flood of output", |server| {
        let case = || (0..40_000).for_each(|n| eprintln!("line {n}"));
        let (end, _) = server.run(&Limits::default(), None, &mut || false, |_| case()).expect("a fork");
        assert!(end.is_whole() && end.output_bytes > 400_000, "{end:?}");
    }),
    ("a large result", |server| {
        let large = |result: &mut dyn Write| (0..300_u32).try_for_each(|n| result.write_all(&[n as u8; 10_000]));
        let (_, result) =
            server.run(&Limits::default(), None, &mut || false, |result| large(result).expect("room")).expect("a fork");
        assert_eq!(result.len(), 3_000_000);
    }),
    ("a case past its deadline", |server| {
        let soon = Some(Instant::now() + Duration::from_millis(20));
        let case = || loop {
            std::thread::park();
        };
        let (end, _) = server.run(&Limits::default(), soon, &mut || false, |_| case()).expect("a fork");
        assert_eq!(end.crash_cause(), Some(CrashCause::TimedOut));
    }),
    ("words that took memory", |server| {
        ends(server, Capture::Both, || std::process::abort(), CrashCause::Aborted);
        let said = server.apart(&mut || false, |last| {
            let cause = format!("{:?}, {}", last.crash_cause(), "x".repeat(100_000));
            assert!(cause.starts_with("Some(Aborted)"), "{last:?}");
            Ok(())
        });
        assert!(said.expect("a fork"));
    }),
];

pub(super) fn every_case_finds_the_same_heap() {
    let found = ForkServer::serve(ForkSeat::new(STACK_BYTES).expect("a thread"), &[], |server| {
        BETWEEN.map(|(what, between)| {
            between(server);
            let mut limits = Limits::default();
            limits.memory_bytes = Some(1 << 30);
            let (end, result) = server
                .run(&limits, None, &mut || false, |result| result.write_all(found().as_bytes()).expect("room"))
                .expect("a fork");
            assert!(end.is_whole(), "after {what}: {end:?}");
            // The first bytes are kept, and not on the heap.
            let mut kept = [0; KEPT_BYTES];
            kept.copy_from_slice(&result[..KEPT_BYTES]);
            (what, kept)
        })
    });
    let found = found.expect("a server");
    let text = |kept: &[u8]| String::from_utf8_lossy(kept).into_owned();
    for (what, places) in &found {
        assert_eq!(text(places), text(&found[0].1), "after {what}");
    }
}

/// Says when it is dropped.
struct Said(&'static str);

impl Drop for Said {
    fn drop(&mut self) {
        eprintln!("dropped {}", self.0);
    }
}

/// Uses thread-locals that have destructors, here and on a thread that ends, and calls `exit`.
fn use_thread_locals_and_exit() {
    thread_local! {
        static FIRST: Said = const { Said("first") };
        static SECOND: Said = const { Said("second") };
    }
    let both = || FIRST.with(|_| SECOND.with(|_| ()));
    std::thread::spawn(both).join().expect("no panic");
    both();
    std::process::exit(3)
}

pub(super) fn an_exit_drops_thread_locals_as_anywhere() {
    let forked = fork_case(&Limits::default(), |_| use_thread_locals_and_exit()).expect("a fork").wait(None);
    let served = ForkServer::serve(ForkSeat::new(STACK_BYTES).expect("a thread"), &[], |server| {
        let run = server.run(&Limits::default(), None, &mut || false, |_| use_thread_locals_and_exit());
        run.expect("a fork").0.output.clone()
    });
    let text = |output: &[u8]| String::from_utf8_lossy(output).into_owned();
    let said = text(&served.expect("a server"));
    assert_eq!(said, text(&forked.expect("an end").output));
    assert_eq!(said.matches("dropped first").count(), 2, "{said}");
}

pub(super) fn what_fails_apart_is_told() {
    let said = ForkServer::serve(ForkSeat::new(STACK_BYTES).expect("a thread"), &[], |server| {
        [
            server.apart(&mut || false, |_| Err(std::io::ErrorKind::Other.into())),
            server.apart(&mut || false, |_| std::process::exit(0)),
            server.apart(&mut || false, |_| Ok(())),
        ]
        .map(|said| said.expect("a fork"))
    });
    assert_eq!(said.expect("a server"), [false, false, true]);
}

/// What a process may have done before it becomes a server: it has taken memory of many sizes, and given much of it back.
fn used_heap(n: usize) -> Vec<Vec<u8>> {
    let taken = (0..n * 300).map(|i| Vec::with_capacity(17 + (i * 7 + n) % 230)).enumerate();
    taken.filter(|(i, _)| i % (n + 2) == 0).map(|(_, one)| one).collect()
}

pub(super) fn every_server_finds_the_same_heap() {
    let found_after = |n| {
        let child = fork_case(&Limits::default(), |pipe| {
            let kept = used_heap(n);
            let seat = ForkSeat::new(STACK_BYTES).expect("a thread");
            let kept_later = used_heap(n + 1);
            let found = ForkServer::serve(seat, &[], |server| {
                let run = server.run(&Limits::default(), None, &mut || false, |result| {
                    result.write_all(found().as_bytes()).expect("room");
                });
                run.expect("a fork").1.to_vec()
            });
            pipe.write_all(&found.expect("a server")).expect("a reader");
            drop((kept, kept_later));
        });
        let end = child.expect("a fork").wait(None).expect("an end");
        assert!(end.is_whole(), "{end:?}");
        String::from_utf8(end.result).expect("text")
    };
    let first = found_after(0);
    for n in 1..12 {
        assert_eq!(found_after(n), first, "after {n}");
    }
}
