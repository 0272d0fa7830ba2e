//! What programs can see of tokio's timers, tasks, runtimes, signals, streams and channels: one list of behaviours, each
//! run on the real tokio and on a thread of a simulated node, and both must see what is written here.
//!
//! A behaviour is the top of a program: it builds its runtime itself. What depends on the order of tasks that are ready at
//! once is not in the list: no program may rely on it, and a seed decides it.

mod blocking;
mod channels;
mod channels_corners;
mod corners;
mod local;
mod macros;
mod runtimes;
mod seeing;
mod signals;
mod spawning;
mod streams;
mod tasks;
mod timers;
mod timers_paused;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::channel;

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation, VirtualTime, run_blocking};
use stormglass_tokio::support::SURROUNDINGS;

/// A behaviour's name, what must be seen, and the program that sees it.
type Behaviour = (&'static str, &'static [&'static str], fn() -> Vec<String>);

const ALL: &[&[Behaviour]] = &[
    timers::BEHAVIOURS,
    timers_paused::BEHAVIOURS,
    tasks::BEHAVIOURS,
    spawning::BEHAVIOURS,
    local::BEHAVIOURS,
    runtimes::BEHAVIOURS,
    signals::BEHAVIOURS,
    streams::BEHAVIOURS,
    channels::BEHAVIOURS,
    blocking::BEHAVIOURS,
    channels_corners::BEHAVIOURS,
    corners::BEHAVIOURS,
    macros::BEHAVIOURS,
];

/// Runs a program outside a simulation, on a thread of its own.
fn really(program: fn() -> Vec<String>) -> Vec<String> {
    std::thread::spawn(program).join().unwrap_or_else(|payload| vec![seeing::words(&*payload)])
}

/// Runs a program on a thread of a simulated node.
fn simulated(seed: u64, program: fn() -> Vec<String>) -> Vec<String> {
    let _sealed = stormglass_program::seal_thread(seed);
    let mut options = Options::new(seed);
    options.on_poll = Some(SURROUNDINGS.before_poll);
    options.on_polled = Some(stormglass_program::leaked);
    // Paused clocks jump far.
    options.limits.virtual_time = VirtualTime::from_nanos(10 * 3_600 * 1_000_000_000);
    let mut simulation = Simulation::new(options);
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    simulation.universe().set_thread_spawner(stormglass_program::spawn_node_thread);
    simulation.universe().set_on_hand_back(stormglass_program::leaked_by_thread);
    let kernel = &mut simulation.universe().kernel;
    let node = kernel.add_node("n1").expect("a new name");
    kernel.allow_panics(node);
    let (tell, told) = channel();
    simulation.set_program(
        node,
        Rc::new(move || {
            let tell = tell.clone();
            Box::pin(async move {
                let seen = std::panic::AssertUnwindSafe(run_blocking(program));
                let seen = futures::FutureExt::catch_unwind(seen).await;
                let _ = tell.send(seen.unwrap_or_else(|payload| vec![seeing::words(&*payload)]));
            })
        }),
    );
    let seen = Rc::new(RefCell::new(None));
    let copy = Rc::clone(&seen);
    let driver = async move {
        stormglass_kernel::with(|u| u.kernel.boot(node));
        while stormglass_kernel::with(|u| u.kernel.node(node).is_up()) {
            stormglass_tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        *copy.borrow_mut() = told.try_recv().ok();
    };
    let report = SURROUNDINGS.run(|| simulation.run(driver));
    if let Err(failure) = report.outcome {
        return vec![format!("the run failed: {failure}; {:?}", report.waiting)];
    }
    seen.take().unwrap_or_else(|| vec!["the program ended without a word".to_owned()])
}

#[test]
fn programs_see_the_same_of_tokio_in_a_simulation_and_outside_one() {
    seeing::quiet_panics();
    let only = std::env::var("BEHAVIOUR").ok();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, expected, program) in ALL.iter().copied().flatten() {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        count += 1;
        let real = really(*program);
        if real != *expected {
            wrong.push(format!("{name} on the real tokio:\n  saw      {real:?}\n  expected {expected:?}"));
        }
        for seed in 1..=3 {
            let seen = simulated(seed, *program);
            if seen != *expected {
                wrong.push(format!(
                    "{name} in a simulation, seed {seed}:\n  saw      {seen:?}\n  expected {expected:?}"
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} behaviours differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(only.is_some() || count >= 180, "only {count} behaviours are compared");
}
