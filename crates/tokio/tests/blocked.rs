//! Threads of nodes that block, where only a simulation can look: what a crash leaves of them, what stands still, and what
//! they reach outside.
#![cfg(target_os = "linux")]

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use stormglass_kernel::{Down, Failure, Options, Report, Simulation, run_blocking};
use stormglass_program as program;
use stormglass_tokio::support::SURROUNDINGS;
use stormglass_tokio::sync::{Notify, mpsc, oneshot};
use stormglass_tokio::task::{JoinSet, spawn_blocking, yield_now};
use stormglass_tokio::time::sleep;

const SOON: Duration = Duration::from_millis(10);

/// A sealed simulation, as a scenario has one, on a thread of its own.
fn simulate<F>(seed: u64, set_up: impl FnOnce(&mut Simulation) -> F + Send + 'static) -> Report<()>
where
    F: Future<Output = ()> + 'static,
{
    let thread = thread::spawn(move || {
        let mut simulation = Simulation::new(Options {
            on_poll: Some(SURROUNDINGS.before_poll),
            on_polled: Some(program::leaked),
            on_switch: Some(program::switch),
            ..Options::new(seed)
        });
        simulation.universe().set_thread_spawner(program::spawn_node_thread);
        simulation.universe().set_on_hand_back(program::leaked_by_thread);
        let driver = set_up(&mut simulation);
        let _sealed = program::seal_thread(seed);
        SURROUNDINGS.run(|| simulation.run(driver))
    });
    thread.join().expect("a simulation reports what goes wrong")
}

/// Counts how often it is dropped.
struct Dropped(Arc<AtomicU32>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A node that waits in `wait` on a thread at its first boot, and is killed; at its second boot it has an ordinary life.
/// Says how often what the first thread held was dropped.
fn killed_while_it_waits(how: Down, wait: fn()) -> u32 {
    let drops = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&drops);
    let report = simulate(7, move |simulation| {
        let node = simulation.universe().kernel.add_node("n1").expect("a new name");
        let boots = Arc::new(AtomicU32::new(0));
        let lived = Arc::clone(&boots);
        let program = move || -> stormglass_kernel::LocalFuture {
            let (boots, drops) = (Arc::clone(&boots), Arc::clone(&drops));
            Box::pin(async move {
                if boots.fetch_add(1, Ordering::Relaxed) == 0 {
                    let held = Dropped(drops);
                    run_blocking(move || {
                        let _held = held;
                        wait();
                        unreachable!("nobody wakes it");
                    })
                    .await;
                }
                let (tell, mut told) = mpsc::channel(1);
                let reader = spawn_blocking(move || told.blocking_recv());
                sleep(SOON).await;
                tell.send(5).await.expect("received");
                assert_eq!(reader.await.expect("no panic"), Some(5));
                boots.fetch_add(10, Ordering::Relaxed);
            })
        };
        simulation.set_program(node, Rc::new(program));
        async move {
            stormglass_kernel::with(|u| u.kernel.boot(node));
            sleep(SOON).await;
            stormglass_kernel::with(|u| u.kernel.take_down(node, how));
            sleep(SOON).await;
            stormglass_kernel::with(|u| u.kernel.boot(node));
            sleep(SOON * 5).await;
            assert_eq!(lived.load(Ordering::Relaxed), 12, "two boots, the second of them to its end");
        }
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
    seen.load(Ordering::Relaxed)
}

#[test]
fn a_thread_that_waits_in_a_lock_when_its_node_is_killed_never_runs_again() {
    for how in [Down::Kill, Down::PowerLoss] {
        let waits: [fn(); 4] = [
            || {
                let (_tell, told) = sync_channel::<()>(1);
                let _ = told.recv();
            },
            || {
                let (_tell, mut told) = mpsc::channel::<()>(1);
                told.blocking_recv();
            },
            || {
                let (_tell, told) = oneshot::channel::<()>();
                let _ = told.blocking_recv();
            },
            || thread::sleep(Duration::from_secs(600)),
        ];
        for wait in waits {
            assert_eq!(killed_while_it_waits(how, wait), 0, "it was left as `kill -9` leaves it");
        }
    }
}

#[test]
fn a_thread_that_blocks_on_a_future_when_its_node_is_killed_unwinds() {
    let drops = killed_while_it_waits(Down::Kill, || stormglass_kernel::block_on(std::future::pending()));
    assert_eq!(drops, 1, "it is dropped as a task is");
}

#[test]
fn a_thread_that_nobody_wakes_is_a_deadlock() {
    let report = simulate(1, |_| async {
        let (_tell, mut told) = mpsc::channel::<()>(1);
        let _ = spawn_blocking(move || told.blocking_recv()).await;
        drop(_tell);
    });
    assert_eq!(report.outcome, Err(Failure::Deadlock));
    assert!(report.waiting.iter().any(|task| task.on.contains("a lock")), "{:?}", report.waiting);
}

#[test]
fn what_a_thread_of_a_node_reaches_outside_fails_the_run_by_name() {
    for wait in [false, true] {
        let report = simulate(1, move |_| async move {
            let thread = spawn_blocking(move || {
                let _ = std::fs::read("/etc/hostname");
                if wait {
                    thread::sleep(SOON);
                }
            });
            let _ = thread.await;
            sleep(SOON).await;
        });
        let Err(Failure::Refused { what }) = report.outcome else { panic!("{:?}", report.outcome) };
        assert!(what.starts_with("open64(\"/etc/hostname\""), "{what}");
        assert!(what.contains("tests/blocked.rs:"), "{what}");
    }
    let report = simulate(1, |_| async {
        let _ = spawn_blocking(|| thread::Builder::new().spawn(|| ()).is_ok()).await;
    });
    let Err(Failure::Refused { what }) = report.outcome else { panic!("{:?}", report.outcome) };
    assert!(what.starts_with("pthread_create("), "{what}");
}

#[test]
fn threads_of_a_node_see_its_clocks_and_draw_on_its_entropy() {
    let run = |seed| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        let report = simulate(seed, move |_| async move {
            let drawn = spawn_blocking(|| {
                use std::hash::BuildHasher;
                let start = std::time::Instant::now();
                thread::sleep(Duration::from_secs(1_800));
                let wall = std::time::SystemTime::now();
                let keys = std::hash::RandomState::new().hash_one(1);
                (start.elapsed().as_secs(), wall, keys, thread::available_parallelism().ok())
            });
            let drawn = drawn.await.expect("no panic");
            note.lock().expect("nobody panics").push(drawn);
        });
        assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
        (report.digest, std::mem::take(&mut *seen.lock().expect("nobody panics")))
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_eq!(first.1[0].0, 1_800, "the virtual half hour took no time of ours");
    assert_eq!(first.1[0].3, std::num::NonZeroUsize::new(4));
    assert_ne!(first.1[0].2, other.1[0].2, "the keys of maps belong to the seed");
}

#[test]
fn threads_that_contend_do_so_alike_in_every_run_of_a_seed() {
    let run = |seed| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&order);
        let report = simulate(seed, move |_| async move {
            let go = Arc::new(Notify::new());
            let mut set = JoinSet::new();
            for n in 0..6 {
                let (order, go) = (Arc::clone(&order), Arc::clone(&go));
                set.spawn(async move {
                    go.notified().await;
                    spawn_blocking(move || {
                        for _ in 0..3 {
                            let mut order = order.lock().expect("nobody panics");
                            order.push(n);
                            // With the lock: the others wait for it.
                            thread::sleep(Duration::from_micros(50));
                        }
                    })
                    .await
                });
            }
            yield_now().await;
            sleep(SOON).await;
            go.notify_waiters();
            while let Some(done) = set.join_next().await {
                done.expect("no panic").expect("no panic");
            }
        });
        assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
        (report.digest, seen.lock().expect("nobody panics").clone())
    };
    let runs: Vec<_> = (0..8).map(run).collect();
    assert!(runs.iter().all(|(_, order)| order.len() == 18));
    assert_eq!(runs[3], run(3));
    assert!(runs.iter().any(|(_, order)| *order != runs[0].1), "a seed decides who comes first");
}
