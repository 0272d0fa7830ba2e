//! A panic of a thread that a program started: it ends the thread, a join gives it, and standard error tells of it. In a test binary
//! of its own: the panic hook is the process's.
#![cfg(target_os = "linux")]

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use stormglass_kernel::{Kind, Options, Simulation, run_blocking};
use stormglass_program as program;
use stormglass_tokio::support::SURROUNDINGS;
use stormglass_tokio::sync::oneshot;

const SOON: Duration = Duration::from_millis(10);

/// Standard error of a machine, as the panic hook that was there before the simulation sees it.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn fail(text: &str) {
    panic!("{text}");
}

async fn driver() {
    let (tell, told) = oneshot::channel();
    run_blocking(|| {
        thread::spawn(|| fail("a thread of its own"));
        thread::sleep(SOON);
        _ = tell.send(thread::spawn(|| fail("another of its own")).join().is_err());
    })
    .await;
    assert_eq!(told.await, Ok(true));
}

#[test]
fn a_panic_of_a_thread_that_nobody_joins_is_told_and_traced_and_ends_no_more_than_the_thread() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| match info.payload_as_str() {
        Some(text) if text.ends_with(" of its own") => TOLD.lock().expect("nobody panics here").push(text.to_owned()),
        _ => before(info),
    }));
    let simulated = thread::spawn(|| {
        let mut simulation = Simulation::new(Options {
            on_poll: Some(SURROUNDINGS.before_poll),
            on_polled: Some(program::leaked),
            on_switch: Some(program::switch),
            ..Options::new(5)
        });
        simulation.universe().set_thread_spawner(program::spawn_node_thread);
        simulation.universe().set_on_hand_back(program::leaked_by_thread);
        let _sealed = program::seal_thread(5);
        SURROUNDINGS.run(|| simulation.run(driver()))
    });
    let report = simulated.join().expect("a simulation reports what goes wrong");
    assert_eq!(report.outcome, Ok(()));
    let traced = report.recent.iter().filter(|record| record.kind == Kind::THREAD_PANIC);
    assert_eq!(traced.map(|record| record.a).collect::<Vec<_>>(), [1, 2]);
    let warned = &report.panicked_threads;
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(
        warned[0].starts_with("thread 1 of driver panicked at ") && warned[0].contains("thread_panics.rs:"),
        "{warned:?}"
    );
    let told = TOLD.lock().expect("nobody panics here").clone();
    assert_eq!(told, ["a thread of its own", "another of its own"]);
}
