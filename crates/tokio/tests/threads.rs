//! Threads that a simulated program starts itself: that they do what threads do, in an order that the seed decides, and what
//! becomes of them when their node goes down.
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use stormglass_kernel::{Digest, Down, Failure, Options, Report, Simulation, THREADS_MAX, run_blocking, with};
use stormglass_program as program;
use stormglass_tokio::support::SURROUNDINGS;
use stormglass_tokio::sync::oneshot;
use stormglass_tokio::task::spawn_blocking;
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

/// Runs `program` on a thread of a node, as `main` of a program without a runtime, and gives what it found.
fn on_a_thread<T: Send + 'static>(seed: u64, program: impl FnOnce() -> T + Send + 'static) -> (Digest, T) {
    let found = Arc::new(Mutex::new(None));
    let note = Arc::clone(&found);
    let report = simulate(seed, move |_| async move {
        let value = run_blocking(program).await;
        *note.lock().expect("nobody panics") = Some(value);
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
    let value = found.lock().expect("nobody panics").take();
    (report.digest, value.expect("it came to its end"))
}

/// What six workers that share a queue, a lock and a condition variable do, with the order in which they did it.
fn workers() -> (Vec<u64>, Vec<usize>) {
    let (ask, asked) = mpsc::sync_channel::<u64>(2);
    let asked = Arc::new(Mutex::new(asked));
    let (tell, told) = mpsc::channel();
    let order = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let workers: Vec<_> = (0..6)
        .map(|n| {
            let (asked, tell, order) = (Arc::clone(&asked), tell.clone(), Arc::clone(&order));
            thread::spawn(move || {
                loop {
                    let Ok(item) = asked.lock().expect("nobody panics").recv() else { return n };
                    thread::sleep(Duration::from_micros(item % 7));
                    let _ = tell.send(item * item);
                    order.0.lock().expect("nobody panics").push(n);
                    order.1.notify_all();
                }
            })
        })
        .collect();
    drop(tell);
    for item in 0..30 {
        ask.send(item).expect("somebody takes it");
    }
    let all = order.0.lock().expect("nobody panics");
    let order_now = order.1.wait_while(all, |order| order.len() < 30).expect("nobody panics").clone();
    drop(ask);
    let names: Vec<usize> = workers.into_iter().map(|worker| worker.join().expect("no panic")).collect();
    assert_eq!(names, [0, 1, 2, 3, 4, 5]);
    let mut squares: Vec<u64> = told.into_iter().collect();
    squares.sort_unstable();
    (squares, order_now)
}

#[test]
fn threads_do_what_threads_do_in_an_order_that_the_seed_decides() {
    let real = workers().0;
    let runs: Vec<_> = (0..8).map(|seed| on_a_thread(seed, workers)).collect();
    assert!(runs.iter().all(|(_, (squares, _))| *squares == real), "what has an order is as on the machine");
    assert_eq!(runs[3], on_a_thread(3, workers));
    assert!(runs.iter().any(|(_, (_, order))| *order != runs[0].1.1), "a seed decides who comes first");
}

/// Scoped threads that park, meet and borrow from the thread that they are scoped to.
fn scoped() -> (u64, usize, Vec<Option<String>>) {
    let items = [3_u64, 5, 8, 13];
    let meeting = Barrier::new(items.len());
    let leaders = AtomicU32::new(0);
    let (meet, leads) = (&meeting, &leaders);
    let sum = thread::scope(|scope| {
        let threads: Vec<_> = items
            .iter()
            .map(|item| {
                scope.spawn(move || {
                    leads.fetch_add(u32::from(meet.wait().is_leader()), Ordering::Relaxed);
                    thread::park();
                    item * 2
                })
            })
            .collect();
        threads.iter().for_each(|thread| thread.thread().unpark());
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    let named = thread::Builder::new().name("smith".to_owned()).stack_size(1 << 20);
    let name = named.spawn(|| thread::current().name().map(str::to_owned)).expect("a thread").join();
    (sum, leaders.into_inner() as usize, vec![name.expect("no panic")])
}

#[test]
fn scoped_threads_borrow_and_park() {
    let real = scoped();
    assert_eq!(real, (58, 1, vec![Some("smith".to_owned())]));
    for seed in 0..4 {
        assert_eq!(on_a_thread(seed, scoped).1, real);
    }
}

#[test]
fn time_passes_in_a_thread_while_others_wait_for_it() {
    let (_, (slept, timed_out)) = on_a_thread(1, || {
        let start = Instant::now();
        let sleeper = thread::spawn(|| thread::sleep(Duration::from_secs(1_800)));
        let (_tell, told) = mpsc::channel::<()>();
        let timed_out = told.recv_timeout(Duration::from_secs(5)) == Err(mpsc::RecvTimeoutError::Timeout);
        sleeper.join().expect("no panic");
        (start.elapsed(), timed_out)
    });
    assert!(timed_out);
    assert_eq!(slept.as_secs(), 1_800, "half an hour that took no time of ours");
}

#[test]
fn a_task_starts_a_thread_and_hears_of_it() {
    let report = simulate(1, |_| async {
        let (tell, told) = oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(SOON);
            tell.send(7).expect("somebody waits");
        });
        assert_eq!(told.await, Ok(7));
        sleep(SOON).await;
        assert!(thread.is_finished());
        thread.join().expect("it has ended: there is nothing to wait for");
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
}

#[test]
fn a_join_in_the_midst_of_a_poll_is_refused_by_name() {
    let report = simulate(1, |_| async {
        let _ = thread::spawn(|| thread::sleep(SOON)).join();
    });
    let Err(Failure::Refused { what }) = report.outcome else { panic!("{:?}", report.outcome) };
    assert!(what.starts_with("pthread_join(") && what.contains("tests/threads.rs:"), "{what}");
    let report = simulate(1, |_| async {
        let (_tell, told) = mpsc::channel::<()>();
        let _ = told.recv_timeout(SOON);
    });
    let Err(Failure::Refused { what }) = report.outcome else { panic!("{:?}", report.outcome) };
    assert!(what.starts_with("futex(a blocking wait of") && what.contains("tests/threads.rs:"), "{what}");
}

#[test]
fn a_lock_that_a_thread_holds_ends_a_poll_that_wants_it() {
    const INSIDE: &str = "STORMGLASS_TEST_BLOCKS";
    if std::env::var_os(INSIDE).is_some() {
        simulate(1, |_| async {
            let lock = Arc::new(Mutex::new(()));
            let held = Arc::clone(&lock);
            drop(thread::spawn(move || {
                let _held = held.lock();
                thread::sleep(SOON * 100);
            }));
            sleep(SOON).await;
            drop(lock.lock());
        });
        unreachable!("nobody gives the lock back while the task is polled");
    }
    let this = std::env::current_exe().expect("a running binary has a path");
    let mut itself = std::process::Command::new(this);
    itself.args(["--exact", "a_lock_that_a_thread_holds_ends_a_poll_that_wants_it", "--nocapture"]).env(INSIDE, "1");
    let ended = itself.output().expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(114), "{said}");
    let place = said.lines().find(|line| line.starts_with("stormglass: it blocks in "));
    assert!(place.is_some_and(|place| place.contains("tests/threads.rs:")), "{said}");
}

#[test]
fn a_panic_ends_its_thread_and_whoever_joins_it_hears() {
    let (_, heard) = on_a_thread(1, || {
        let thread = thread::spawn(|| -> () { panic!("it broke") });
        let heard = thread.join().expect_err("it panicked");
        heard.downcast_ref::<&str>().map(|text| (*text).to_owned())
    });
    assert_eq!(heard.as_deref(), Some("it broke"));
}

#[test]
fn threads_that_wait_for_each_other_are_a_deadlock_that_names_them() {
    let report = simulate(1, |_| async {
        let (left, right) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let embrace = |first: &Arc<Mutex<()>>, second: &Arc<Mutex<()>>| {
            let (first, second) = (Arc::clone(first), Arc::clone(second));
            move || {
                let _first = first.lock();
                thread::sleep(SOON);
                let _second = second.lock();
            }
        };
        let threads = (embrace(&left, &right), embrace(&right, &left));
        let joined = spawn_blocking(move || {
            let (one, other) = (thread::spawn(threads.0), thread::spawn(threads.1));
            one.join().is_ok() && other.join().is_ok()
        });
        let _ = joined.await;
    });
    assert_eq!(report.outcome, Err(Failure::Deadlock));
    let waiting: Vec<String> = report.waiting.iter().map(ToString::to_string).collect();
    let says = |what: &str| waiting.iter().filter(|line| line.contains(what)).count();
    assert_eq!(says("as thread 1 of its program waits for a lock"), 1, "{waiting:?}");
    assert_eq!(says("as thread 2 of its program waits for a lock"), 1, "{waiting:?}");
    assert_eq!(says("waits for another thread to end"), 1, "{waiting:?}");
}

struct Late(mpsc::Sender<(Instant, u32)>);

impl Drop for Late {
    fn drop(&mut self) {
        thread::sleep(SOON);
        let _ = self.0.send((Instant::now(), std::process::id()));
    }
}

thread_local! {
    static LATE: Cell<Option<Late>> = const { Cell::new(None) };
}

#[test]
fn destructors_of_thread_locals_run_in_the_simulation_and_before_a_join_returns() {
    let (_, (heard, took)) = on_a_thread(1, || {
        let (tell, told) = mpsc::channel();
        let start = Instant::now();
        thread::spawn(move || LATE.set(Some(Late(tell)))).join().expect("no panic");
        let (at, process) = told.try_recv().expect("it is there when the thread is joined");
        ((at - start).as_millis() >= 10 && process == std::process::id(), start.elapsed())
    });
    assert!(heard);
    assert!(took < SOON * 2, "{took:?}");
}

#[test]
fn a_spin_that_yields_lets_others_run() {
    let (_, spins) = on_a_thread(1, || {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let thread = thread::spawn(move || seen.store(true, Ordering::Release));
        let mut spins = 0;
        while !done.load(Ordering::Acquire) {
            thread::yield_now();
            spins += 1;
        }
        thread.join().expect("no panic");
        spins
    });
    assert!((1..100).contains(&spins), "{spins}");
}

#[test]
fn a_program_may_have_so_many_threads_and_no_more() {
    let (_, (threads, refused)) = on_a_thread(1, || {
        let go = Arc::new((Mutex::new(false), Condvar::new()));
        let mut threads = Vec::new();
        let refused = loop {
            let wait = Arc::clone(&go);
            let wait = move || drop(wait.1.wait_while(wait.0.lock().expect("nobody panics"), |go| !*go));
            match thread::Builder::new().stack_size(64 << 10).spawn(wait) {
                Ok(thread) => threads.push(thread),
                Err(error) => break error.raw_os_error(),
            }
        };
        *go.0.lock().expect("nobody panics") = true;
        go.1.notify_all();
        let many = threads.len();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        thread::spawn(|| ()).join().expect("there is room again");
        (many, refused)
    });
    assert_eq!((u32::try_from(threads), refused), (Ok(THREADS_MAX), Some(11)), "EAGAIN");
}

static SHARED: Mutex<()> = Mutex::new(());

/// A node whose threads stand still in every way there is, killed and booted again and again.
fn killed(seed: u64, how: Down, boots_asked: u32) -> (Digest, u32) {
    let ended = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&ended);
    let report = simulate(seed, move |simulation| {
        let node = simulation.universe().kernel.add_node("n1").expect("a new name");
        let program = move || -> stormglass_kernel::LocalFuture {
            let ended = Arc::clone(&ended);
            Box::pin(async move {
                run_blocking(move || {
                    let (tell, told) = mpsc::channel::<()>();
                    let queue = Arc::new(Mutex::new(told));
                    let sleeper = thread::spawn(|| thread::sleep(SOON * 1_000));
                    let parked = thread::spawn(thread::park);
                    let [one, two] = [0, 1].map(|_| Arc::clone(&queue));
                    drop(thread::spawn(move || one.lock().is_ok_and(|queue| queue.recv().is_ok())));
                    drop(thread::spawn(move || two.lock().is_ok_and(|queue| queue.recv().is_ok())));
                    let waits = thread::spawn(|| drop(SHARED.lock()));
                    let joins = thread::spawn(move || sleeper.join());
                    thread::spawn(|| thread::sleep(SOON / 2)).join().expect("no panic");
                    ended.fetch_add(1, Ordering::Relaxed);
                    let _held = tell;
                    let _ = joins.join();
                    let _ = (parked.join(), waits.join());
                })
                .await;
            })
        };
        simulation.set_program(node, Rc::new(program));
        async move {
            for _ in 0..boots_asked {
                with(|u| u.kernel.boot(node));
                sleep(SOON).await;
                with(|u| u.kernel.take_down(node, how));
                sleep(SOON).await;
            }
        }
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
    (report.digest, seen.load(Ordering::Relaxed))
}

#[test]
fn a_node_that_goes_down_takes_its_threads_along() {
    for how in [Down::Kill, Down::PowerLoss] {
        let (digest, ended) = killed(5, how, 12);
        assert_eq!(ended, 12, "every boot came as far as the first");
        assert_eq!(killed(5, how, 12).0, digest);
    }
}

#[test]
fn the_end_of_a_program_is_the_end_of_its_threads() {
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    let report = simulate(2, move |simulation| {
        let node = simulation.universe().kernel.add_node("n1").expect("a new name");
        let program = move || -> stormglass_kernel::LocalFuture {
            let ran = Arc::clone(&ran);
            Box::pin(async move {
                drop(thread::spawn(move || {
                    thread::sleep(SOON * 2);
                    ran.store(true, Ordering::Relaxed);
                }));
                sleep(SOON).await;
            })
        };
        simulation.set_program(node, Rc::new(program));
        async move {
            with(|u| u.kernel.boot(node));
            sleep(SOON * 10).await;
        }
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
    assert!(!seen.load(Ordering::Relaxed), "a process that has exited runs no more");
}

#[test]
fn each_node_has_threads_of_its_own() {
    let run = |seed| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        let report = simulate(seed, move |simulation| {
            let mut nodes = Vec::new();
            for name in ["n1", "n2"] {
                let node = simulation.universe().kernel.add_node(name).expect("a new name");
                let note = Arc::clone(&note);
                let program = move || -> stormglass_kernel::LocalFuture {
                    let note = Arc::clone(&note);
                    Box::pin(async move {
                        run_blocking(move || {
                            let ids = || {
                                let keys = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
                                (std::process::id(), keys)
                            };
                            let threads: Vec<_> = (0..3).map(|_| thread::spawn(ids)).collect();
                            for thread in threads {
                                let ids = thread.join().expect("no panic");
                                note.lock().expect("nobody panics").push(ids);
                            }
                        })
                        .await;
                    })
                };
                simulation.set_program(node, Rc::new(program));
                nodes.push(node);
            }
            async move {
                nodes.iter().for_each(|&node| assert!(with(|u| u.kernel.boot(node))));
                sleep(SOON).await;
            }
        });
        assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
        let mut seen = seen.lock().expect("nobody panics").clone();
        seen.sort_unstable();
        (report.digest, seen)
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    let processes: Vec<u32> = first.1.iter().map(|ids| ids.0).collect();
    assert_eq!(processes.iter().collect::<std::collections::BTreeSet<_>>().len(), 2, "{processes:?}");
    assert!(first.1.iter().zip(&other.1).all(|(a, b)| a.0 == b.0 && a.1 != b.1), "numbers go by node, keys by seed");
    let keys: std::collections::BTreeSet<_> = first.1.iter().map(|ids| ids.1).collect();
    assert_eq!(keys.len(), 6, "each thread draws keys of its own: {keys:?}");
}
