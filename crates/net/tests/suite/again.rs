//! A simulation is the same whether it is the first of its thread or the thousandth: it takes up the memory of the last one,
//! and nothing else.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use stormglass_kernel::*;
use stormglass_net::LinkOptions;

use crate::common::*;

/// Storms that differ in nearly everything that a simulation has.
const STORMS: u64 = 36;

/// Everything that can be seen of a run.
#[derive(PartialEq, Debug)]
struct Seen {
    digest: Digest,
    ended_at: VirtualTime,
    counts: [u64; 3],
    counters: Vec<(String, u64)>,
    recent: Vec<Record>,
    waiting: Vec<Waiting>,
    outcome: Result<String, Failure>,
    unused_overrides: Vec<String>,
    sunk: usize,
}

thread_local! {
    /// Wakers that tasks of simulations of this thread have left behind.
    static LEFT: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// A few numbers that are the same for one storm.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0, 7);
        self.0 % bound
    }
}

async fn program(index: u16, storm: u64, nodes: u16) {
    let mut draws = Draws(mix(storm, u64::from(index)));
    with(|u| (0..draws.below(3)).for_each(|_| _ = u.kernel.next_number()));
    spawn_local(echo(80));
    if draws.below(3) == 0 {
        with(|u| u.kernel.handle_signal(SIGTERM));
    }
    spawn_local(poll_fn(|cx| {
        LEFT.with_borrow_mut(|left| left.push(cx.waker().clone()));
        Poll::<()>::Pending
    }));
    loop {
        match draws.below(8) {
            0 => sleep(ms(draws.below(3))).await,
            1 => {
                let to = 1 + draws.below(u64::from(nodes)) as u16;
                if let Some(Ok(stream)) = timeout(ms(8), connect(address(to, 80))).await {
                    let _ = write_all(&stream, &pattern(draws.below(5_000) as usize)).await;
                    let _ = timeout(ms(4), read(&stream, 100)).await;
                }
            }
            2 => {
                let handle = spawn_local(async {
                    sleep(ms(1)).await;
                    Box::new(5)
                });
                if draws.below(2) == 0 {
                    handle.abort_handle().abort();
                }
                let _ = handle.await;
            }
            3 => drop(spawn_local(sleep(ms(1)))),
            4 => with(|u| u.kernel.fill_entropy(&mut [0; 24])),
            5 if storm % 4 == 1 => {
                let _ = spawn_local(async { panic!("declared") }).await;
            }
            6 if draws.below(30) == 0 => return,
            _ => sleep(std::time::Duration::from_nanos(draws.below(400))).await,
        }
    }
}

/// One thing that befalls a node.
fn befall(draws: &mut Draws, id: NodeId) {
    with(|u| match draws.below(9) {
        0 => _ = u.kernel.take_down(id, Down::Kill),
        1 => _ = u.kernel.take_down(id, Down::PowerLoss),
        2 | 3 => _ = u.kernel.boot(id),
        4 => _ = u.kernel.pause(id),
        5 => _ = u.kernel.resume(id),
        6 => u.kernel.set_slowness(id, 1 + draws.below(4_000)),
        7 => _ = u.kernel.terminate(id),
        _ => u.kernel.adjust_clocks(id, |now, clocks| {
            clocks.monotonic.set_drift(now, draws.below(1_000_000) as i64);
            clocks.wall.step(now, draws.below(1_000_000) as i64);
        }),
    });
}

/// What the nodes and the kernel came to.
fn facts(nodes: &[NodeId]) -> String {
    with(|u| {
        let of = |&id: &NodeId| {
            let node = u.kernel.node(id);
            let clocks = (node.monotonic().read_ns(u.kernel.now()), node.wall().read_ns(u.kernel.now()));
            format!("{} {:?} {:?} {} {clocks:?}", node.name(), node.state(), node.incarnation(), node.polls())
        };
        let each: Vec<_> = nodes.iter().map(of).collect();
        let residues: Vec<_> = {
            let (net, _) = u.get::<stormglass_net::Net>().expect("the simulation has a network");
            nodes.iter().map(|&id| net.residue(id)).collect()
        };
        format!("{each:?} {residues:?} {:?} {}", u.kernel.footprint(), u.kernel.nodes().len())
    })
}

fn run(storm: u64) -> Seen {
    let mut draws = Draws(storm);
    let mut options = Options::new(storm / 2);
    let sunk = Arc::new(AtomicUsize::new(0));
    if storm % 3 == 1 {
        let sunk = Arc::clone(&sunk);
        options.trace = Some(Box::new(move |bytes: &[u8]| _ = sunk.fetch_add(bytes.len(), Ordering::Relaxed)));
    }
    if storm % 5 == 2 {
        options.policy = Box::new(Fifo);
    }
    match storm % 7 {
        3 => options.limits.polls = 900,
        4 => options.limits.virtual_time = VirtualTime::from_nanos(9_000_000),
        5 => options.overrides = ["net.delay n9>n3 tcp#4 @0 = 1"].map(|o| o.parse().expect("well-formed")).to_vec(),
        _ => {}
    }
    // Names that the last one's nodes had, and others.
    let (prefix, first) = [("n", 1), ("n", 1), ("node", 1), ("n", 10)][(storm % 4) as usize];
    let count = if storm % 12 == 7 { 40 } else { 1 + draws.below(6) as u16 };
    let mut simulation = simulation_with(options, 0, LinkOptions::constant(ms(1 + storm % 2)));
    let nodes: Vec<NodeId> = (0..usize::from(count))
        .map(|n| simulation.universe().kernel.add_numbered_node(prefix, first + n).expect("a new name"))
        .collect();
    assert_eq!(simulation.universe().kernel.add_node(&format!("{prefix}{first}")), None, "the name is taken");
    assert_eq!(simulation.universe().kernel.nodes().len(), usize::from(count) + 1);
    for index in 1..=count {
        set_program(&mut simulation, index, storm, count);
    }
    let old = LEFT.take();
    let report = simulation.run(async move {
        for &id in &nodes {
            with(|u| {
                u.kernel.boot(id);
                u.kernel.allow_panics(id);
            });
        }
        if storm % 9 == 8 {
            (0..3_000).for_each(|n| drop(spawn_local(sleep(ms(n)))));
        }
        net(|net| net.set_ephemeral_ports(&(40_000..=40_010 + storm as u16)));
        for _ in 0..12 {
            sleep(ms(draws.below(3))).await;
            // Of simulations that are over: nobody may hear it.
            old.iter().for_each(Waker::wake_by_ref);
            let id = nodes[draws.below(nodes.len() as u64) as usize];
            befall(&mut draws, id);
        }
        if storm % 7 == 6 {
            std::future::pending::<()>().await;
        }
        assert!(storm % 11 != 9, "some end so");
        facts(&nodes)
    });
    Seen {
        digest: report.digest,
        ended_at: report.ended_at,
        counts: [report.events, report.polls, report.records],
        counters: report.counters.into_iter().collect(),
        recent: report.recent.iter().collect(),
        waiting: report.waiting,
        outcome: report.outcome,
        unused_overrides: report.unused_overrides,
        sunk: sunk.load(Ordering::Relaxed),
    }
}

/// Sets the program of a node.
fn set_program(simulation: &mut Simulation, index: u16, storm: u64, nodes: u16) {
    crate::common::program(simulation, index, move || program(index, storm, nodes));
}

#[test]
fn a_simulation_is_the_same_after_any_other_as_on_a_thread_of_its_own() {
    let alone = |storm| std::thread::spawn(move || run(storm)).join().expect("it ends by itself");
    let alone: Vec<Seen> = (0..STORMS).map(alone).collect();
    let digests: std::collections::BTreeSet<_> = alone.iter().map(|seen| seen.digest.0).collect();
    assert_eq!(digests.len() as u64, STORMS, "storms differ");
    let limited = |seen: &Seen| matches!(seen.outcome, Err(Failure::Limit { .. }));
    assert!(alone.iter().any(limited) && alone.iter().any(|seen| seen.outcome.is_ok()), "they end in several ways");
    // Upwards, downwards, and in steps that bring every storm after another one.
    let up = 0..STORMS;
    let steps = (0..STORMS).map(|i| i * 23 % STORMS);
    for storm in up.clone().chain(up.rev()).chain(steps) {
        assert_eq!(run(storm), alone[storm as usize], "storm {storm}");
    }
}
