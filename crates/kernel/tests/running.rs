//! A simulation from outside: time, order, nodes, ends.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use stormglass_kernel::*;

/// Sleeps on the current node's clock.
struct Sleep {
    deadline_ns: u64,
    timer: Option<TimerId>,
}

fn sleep(delay: Duration) -> Sleep {
    Sleep { deadline_ns: with(|u| u.kernel.deadline_after(delay)), timer: None }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline_ns = self.deadline_ns;
        let fired = with(|u| {
            let timer = *self.timer.get_or_insert_with(|| u.kernel.create_timer(deadline_ns));
            u.kernel.note_wait(Wait::Timer { deadline_ns });
            u.kernel.poll_timer(timer, cx.waker())
        });
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            try_with(|u| u.kernel.cancel_timer(timer));
        }
    }
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn now() -> VirtualTime {
    with(|u| u.kernel.now())
}

fn run<F: Future<Output: 'static> + 'static>(seed: u64, main: F) -> Report<F::Output> {
    Simulation::new(Options::new(seed)).run(main)
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn an_hour_of_sleep_takes_an_hour_of_virtual_time_and_three_events() {
    let report = run(1, async {
        sleep(Duration::from_secs(3_599)).await;
        now()
    });
    let woke = report.outcome.expect("the scenario ends by itself");
    assert_eq!(woke.since_start().as_secs(), 3_599);
    assert!(report.events < 5, "{} events", report.events);
}

#[test]
fn timers_fire_at_their_exact_instants_in_order() {
    let report = run(1, async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = [30, 10, 20]
            .map(|n| {
                let seen = Rc::clone(&seen);
                spawn_local(async move {
                    sleep(ms(n)).await;
                    seen.borrow_mut().push((n, now().as_nanos()));
                })
            })
            .into();
        for handle in handles {
            handle.await.expect("no task is cancelled");
        }
        seen.take()
    });
    let seen = report.outcome.expect("the scenario ends by itself");
    assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), [10, 20, 30]);
    for (n, at) in seen {
        let late = at - n * 1_000_000;
        assert!(late < 1_000, "{n} ms timer ran {late} ns late");
    }
}

fn yielders(seed: u64, policy: Box<dyn Policy>) -> (Vec<u32>, Digest) {
    let report = Simulation::new(Options { policy, ..Options::new(seed) }).run(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = (0..5)
            .map(|i| {
                let order = Rc::clone(&order);
                spawn_local(async move {
                    for _ in 0..4 {
                        order.borrow_mut().push(i);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.await.expect("no task is cancelled");
        }
        order.take()
    });
    (report.outcome.expect("the scenario ends by itself"), report.digest)
}

#[test]
fn one_seed_gives_one_order_and_another_seed_another() {
    let (order, digest) = yielders(1, Box::new(Random));
    assert_eq!(yielders(1, Box::new(Random)), (order.clone(), digest));
    let others: Vec<_> = (2..12).map(|seed| yielders(seed, Box::new(Random)).0).collect();
    assert!(others.iter().any(|o| *o != order), "ten seeds and one order");
}

#[test]
fn fifo_runs_tasks_in_the_order_of_their_wakes() {
    let (order, _) = yielders(1, Box::new(Fifo));
    let expected: Vec<u32> = (0..4).flat_map(|_| 0..5).collect();
    assert_eq!(order, expected);
}

#[test]
fn under_pct_the_same_task_runs_first_until_its_priority_changes() {
    // Of depth 1: each of the five runs all of its four turns before the next one begins.
    let (order, digest) = yielders(1, Box::new(Pct::new(1)));
    assert_eq!(yielders(1, Box::new(Pct::new(1))).1, digest);
    assert!(order.chunks(4).all(|turns| turns.iter().all(|task| *task == turns[0])), "{order:?}");
    let firsts: std::collections::BTreeSet<u32> =
        (0..40).filter_map(|seed| yielders(seed, Box::new(Pct::new(1))).0.first().copied()).collect();
    assert_eq!(firsts.len(), 5, "the seed says which comes first");
}

#[test]
fn partial_order_sampling_is_its_own_order_and_the_seeds() {
    let (order, digest) = yielders(1, Box::new(Pos::default()));
    assert_eq!(yielders(1, Box::new(Pos::default())), (order.clone(), digest));
    let orders: std::collections::BTreeSet<Vec<u32>> =
        (0..40).map(|seed| yielders(seed, Box::new(Pos::default())).0).collect();
    assert_eq!(orders.len(), 40, "each seed has another order");
    let seconds: std::collections::BTreeSet<u32> = orders.iter().map(|order| order[1]).collect();
    assert_eq!(seconds.len(), 5, "and anybody may come second");
}

#[test]
fn a_portfolio_lets_the_seed_choose_and_a_wrong_name_is_none() {
    let words: std::collections::BTreeSet<String> =
        (0..200).filter_map(|seed| Some(policy_by_name("portfolio", seed)?.1)).collect();
    assert_eq!(words.into_iter().collect::<Vec<_>>(), ["fifo", "pct:2", "pct:3", "pct:5", "pos", "random"]);
    assert_eq!(policy_by_name("pct", 1).map(|found| found.1).as_deref(), Some("pct:3"));
    for wrong in ["pct:0", "pct:x", "pct:101", "lifo", ""] {
        assert!(policy_by_name(wrong, 1).is_none(), "{wrong}");
    }
}

#[test]
fn a_panic_in_a_spawned_task_fails_the_run_and_says_where() {
    let report = run(1, async {
        let _detached = spawn_local(async { panic!("the bolt broke") });
        sleep(ms(10)).await;
    });
    match report.outcome {
        Err(Failure::Panic { node, message, location, .. }) => {
            assert_eq!((node.as_str(), message.as_str()), ("driver", "the bolt broke"));
            assert!(location.contains("running.rs"), "{location}");
        }
        other => panic!("expected a panic, got {other:?}"),
    }
}

#[test]
fn a_deadlock_lists_who_waits_for_what() {
    let report = run(1, async {
        let handle = spawn_local(std::future::pending::<()>());
        handle.await.expect("never");
    });
    assert_eq!(report.outcome, Err(Failure::Deadlock));
    assert_eq!(report.waiting.len(), 2);
    assert!(report.waiting[1].to_string().contains("running.rs"), "{}", report.waiting[1]);
}

#[test]
fn a_loop_of_wakes_without_end_trips_the_limit_on_progress() {
    let limits = Limits { polls_without_progress: 10_000, ..Limits::default() };
    let report = Simulation::new(Options { limits, ..Options::new(1) }).run(async {
        loop {
            yield_now().await;
        }
    });
    assert!(matches!(report.outcome, Err(Failure::Limit { what: "no progress", .. })), "{:?}", report.outcome);
}

#[test]
fn time_that_runs_out_trips_the_limit_on_virtual_time() {
    let limits = Limits { virtual_time: VirtualTime::from_nanos(1_000_000_000), ..Limits::default() };
    let report = Simulation::new(Options { limits, ..Options::new(1) }).run(async {
        loop {
            sleep(ms(10)).await;
        }
    });
    assert!(matches!(report.outcome, Err(Failure::Limit { what: "virtual time", .. })), "{:?}", report.outcome);
}

struct Noted(Rc<RefCell<Vec<String>>>, &'static str);
impl Drop for Noted {
    fn drop(&mut self) {
        // An effect from here must not happen: the node is gone.
        let spawned = spawn_local(async { panic!("ran after the crash") });
        self.0.borrow_mut().push(format!("{} {}", self.1, spawned.abort_handle().is_finished()));
    }
}

#[test]
fn a_crash_drops_tasks_in_order_of_age_without_effect_and_a_restart_runs_the_program_again() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut simulation = Simulation::new(Options::new(1));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let copy = Rc::clone(&log);
    simulation.set_program(
        node,
        Rc::new(move || {
            let log = Rc::clone(&copy);
            Box::pin(async move {
                let _first = Noted(Rc::clone(&log), "main");
                let inner = Rc::clone(&log);
                spawn_local(async move {
                    let _second = Noted(inner, "child");
                    std::future::pending::<()>().await;
                });
                log.borrow_mut().push("boot".to_owned());
                std::future::pending::<()>().await;
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(ms(1)).await;
        assert_eq!(with(|u| u.kernel.take_down(node, Down::Kill)), Some(2));
        sleep(ms(1)).await;
        assert!(with(|u| u.kernel.boot(node)));
        sleep(ms(1)).await;
        with(|u| (u.kernel.node(node).state(), u.kernel.node(node).incarnation().number()))
    });
    assert_eq!(report.outcome, Ok((NodeState::Running, 2)));
    let log = log.borrow();
    assert_eq!(log[..4], ["boot", "main true", "child true", "boot"]);
}

#[test]
fn a_paused_node_does_nothing_and_goes_on_where_it_was() {
    let ticks = Rc::new(RefCell::new(Vec::new()));
    let mut simulation = Simulation::new(Options::new(1));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let copy = Rc::clone(&ticks);
    simulation.set_program(
        node,
        Rc::new(move || {
            let ticks = Rc::clone(&copy);
            Box::pin(async move {
                loop {
                    sleep(ms(10)).await;
                    ticks.borrow_mut().push(now().as_nanos() / 1_000_000);
                }
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(ms(25)).await;
        with(|u| u.kernel.pause(node));
        sleep(ms(50)).await;
        with(|u| u.kernel.resume(node));
        sleep(ms(16)).await;
    });
    assert_eq!(report.outcome, Ok(()));
    assert_eq!(*ticks.borrow(), [10, 20, 75, 85]);
}

#[test]
fn an_aborted_task_is_cancelled_and_says_so() {
    let report = run(1, async {
        let handle = spawn_local(std::future::pending::<()>());
        yield_now().await;
        handle.abort_handle().abort();
        matches!(handle.await, Err(TaskError::Cancelled))
    });
    assert_eq!(report.outcome, Ok(true));
}

#[test]
fn a_slow_node_takes_longer_for_the_same_polls_and_slows_nobody_else() {
    let busy = |slowness| {
        let mut simulation = Simulation::new(Options::new(1));
        let kernel = &mut simulation.universe().kernel;
        let nodes = ["slow", "other"].map(|name| kernel.add_node(name).expect("a new name"));
        kernel.set_slowness(nodes[0], slowness);
        let ends = Rc::new(RefCell::new(Vec::new()));
        for node in nodes {
            let ends = Rc::clone(&ends);
            simulation.set_program(
                node,
                Rc::new(move || {
                    let ends = Rc::clone(&ends);
                    Box::pin(async move {
                        for _ in 0..1_000 {
                            yield_now().await;
                        }
                        ends.borrow_mut().push((node.index(), now().as_nanos()));
                    })
                }),
            );
        }
        let report = simulation.run(async move {
            nodes.into_iter().for_each(|node| assert!(with(|u| u.kernel.boot(node))));
            sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(report.outcome, Ok(()));
        let mut ends = ends.take();
        ends.sort_unstable();
        ends
    };
    let (even, skewed) = (busy(1_000), busy(50_000));
    assert!((60_000..90_000).contains(&even[0].1), "{even:?}");
    assert!((3_000_000..4_500_000).contains(&skewed[0].1), "{skewed:?}");
    assert_eq!(even[1], skewed[1], "the other node must not notice");
}

fn plain_thread(f: Box<dyn FnOnce() + Send>) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().spawn(f)
}

#[test]
fn a_program_with_block_on_at_its_top_runs_on_a_thread_of_its_node_and_joins_what_it_spawned() {
    let mut simulation = Simulation::new(Options::new(1));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let result = std::sync::Arc::new(std::sync::Mutex::new(None));
    let copy = std::sync::Arc::clone(&result);
    simulation.set_program(
        node,
        Rc::new(move || {
            let result = std::sync::Arc::clone(&copy);
            Box::pin(run_on_thread(plain_thread, move || {
                let sum = block_on(async {
                    let handles: Vec<_> = (1..=3_u64)
                        .map(|n| {
                            spawn(async move {
                                sleep(ms(10 * n)).await;
                                n
                            })
                        })
                        .collect();
                    let mut sum = 0;
                    for handle in handles {
                        sum += handle.await.expect("no task is cancelled");
                    }
                    sum
                });
                *result.lock().expect("not poisoned") = Some((sum, now().as_nanos() / 1_000_000));
            }))
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(ms(50)).await;
        with(|u| u.kernel.node(node).state())
    });
    assert_eq!(report.outcome, Ok(NodeState::Exited));
    assert_eq!(*result.lock().expect("not poisoned"), Some((6, 30)));
}

struct Unwound(std::sync::Arc<std::sync::atomic::AtomicBool>);
impl Drop for Unwound {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_crash_unwinds_a_program_that_blocks() {
    let mut simulation = Simulation::new(Options::new(1));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let unwound = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let copy = std::sync::Arc::clone(&unwound);
    simulation.set_program(
        node,
        Rc::new(move || {
            let unwound = Unwound(std::sync::Arc::clone(&copy));
            Box::pin(run_on_thread(plain_thread, move || {
                let _held = unwound;
                block_on(std::future::pending::<()>());
            }))
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(ms(1)).await;
        with(|u| u.kernel.take_down(node, Down::Kill));
        sleep(ms(1)).await;
    });
    assert_eq!(report.outcome, Ok(()));
    assert!(unwound.load(std::sync::atomic::Ordering::SeqCst));
}

#[test]
fn block_on_is_refused_on_the_thread_of_the_simulation() {
    let report = run(1, async { block_on(async {}) });
    assert!(matches!(report.outcome, Err(Failure::Panic { .. })), "{:?}", report.outcome);
}

#[test]
fn what_a_crashed_node_drops_has_no_effect_even_when_the_node_is_back_at_once() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut simulation = Simulation::new(Options::new(1));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let copy = Rc::clone(&log);
    simulation.set_program(
        node,
        Rc::new(move || {
            let held = Noted(Rc::clone(&copy), "main");
            Box::pin(async move {
                let _held = held;
                std::future::pending::<()>().await;
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(ms(1)).await;
        with(|u| {
            u.kernel.take_down(node, Down::Kill);
            u.kernel.boot(node)
        });
        sleep(ms(1)).await;
    });
    // A task spawned by the drop would panic, and fail the run.
    assert_eq!(report.outcome, Ok(()));
    assert_eq!(log.borrow().first().map(String::as_str), Some("main true"));
}
