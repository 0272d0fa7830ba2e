//! Stormglass, with its trace digest on, through the tokio that its users write.

#![forbid(unsafe_code)]

mod files;
mod harness;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use measure::{
    BRIEFLY, LATENCY, MANY_NODES, MESSAGE, NODES, ROUND_TRIPS, Row, SLEEPING_TASKS, SLEEPS, YIELDING_TASKS, YIELDS,
    nap, yields,
};
use stormglass::kernel::{LocalFuture, NodeId, Options, Simulation, VirtualTime, with};
use stormglass::net::{LinkOptions, Net, NetOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

fn main() -> ExitCode {
    // Without the name of a row this is a worker of the harness, which starts this binary anew.
    if std::env::args().nth(1).is_none_or(|name| Row::named(&name).is_none()) {
        return stormglass::harness::main();
    }
    measure::arm(|row| {
        Some(match row {
            Row::Polls => polls(1),
            Row::PollsOnNodes => polls(NODES as u64),
            Row::Timers => timers(),
            Row::Tcp => round_trips(),
            Row::Simulations => {
                (0..10_000).for_each(|seed| nodes(seed, NODES, BRIEFLY));
                10_000.0
            }
            Row::SimulationsInThreads => harness::in_threads(20_000),
            Row::SimulationsInProcesses => harness::in_processes(4_000),
            Row::Idle => {
                (0..1_000).for_each(|seed| nodes(seed, NODES, Duration::from_secs(1_000_000)));
                1e9
            }
            Row::ManyIdle => {
                (0..100).for_each(|seed| nodes(seed, MANY_NODES, Duration::from_secs(1)));
                100.0
            }
            row => files::work(row)?,
        })
    });
    ExitCode::SUCCESS
}

fn simulation(seed: u64) -> Simulation {
    let mut options = Options::new(seed);
    options.limits.virtual_time = VirtualTime::MAX;
    Simulation::new(options)
}

/// Adds `count` nodes that run `program` once booted.
fn add<F: Future<Output = ()> + 'static>(
    simulation: &mut Simulation,
    count: usize,
    program: impl Fn() -> F + 'static,
) -> Vec<NodeId> {
    let program: Rc<dyn Fn() -> LocalFuture> = Rc::new(move || Box::pin(program()));
    (0..count)
        .map(|n| {
            let node = simulation.universe().kernel.add_numbered_node("n", n).expect("a new name");
            simulation.set_program(node, Rc::clone(&program));
            node
        })
        .collect()
}

/// Boots `nodes` and waits until each of them has ended.
async fn boot_all(nodes: Vec<NodeId>, each: Duration) {
    with(|u| nodes.iter().for_each(|&node| _ = u.kernel.boot(node)));
    while with(|u| nodes.iter().any(|&node| u.kernel.node(node).is_up())) {
        sleep(each).await;
    }
}

fn polls(nodes: u64) -> f64 {
    let mut simulation = simulation(1);
    let nodes = add(&mut simulation, nodes as usize, move || async move {
        let tasks: Vec<_> = (0..YIELDING_TASKS / nodes).map(|_| tokio::spawn(yields(YIELDS))).collect();
        for task in tasks {
            task.await.expect("it ends by itself");
        }
    });
    let report = simulation.run(boot_all(nodes, Duration::from_millis(1)));
    report.outcome.expect("it ends by itself");
    assert!(report.polls >= YIELDING_TASKS * YIELDS);
    (YIELDING_TASKS * YIELDS) as f64
}

fn timers() -> f64 {
    let report = simulation(1).run(async {
        let sleeper = |n| async move {
            for i in 0..SLEEPS {
                sleep(nap(n, i)).await;
            }
        };
        let tasks: Vec<_> = (0..SLEEPING_TASKS).map(|n| tokio::spawn(sleeper(n))).collect();
        for task in tasks {
            task.await.expect("it ends by itself");
        }
    });
    report.outcome.expect("it ends by itself");
    (SLEEPING_TASKS * SLEEPS) as f64
}

async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:80").await.expect("a free port");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut message = [0; MESSAGE];
    for _ in 0..ROUND_TRIPS {
        stream.read_exact(&mut message).await.expect("an open connection");
        stream.write_all(&message).await.expect("an open connection");
    }
}

fn round_trips() -> f64 {
    let mut simulation = simulation(1);
    let links = LinkOptions::constant(LATENCY);
    simulation.universe().insert(Net::new(NetOptions { links, ..NetOptions::default() }));
    let server = add(&mut simulation, 1, serve)[0];
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(server));
        sleep(Duration::from_millis(1)).await;
        let mut stream = TcpStream::connect((stormglass::net::ip_of(server), 80)).await.expect("it listens");
        let mut message = [7; MESSAGE];
        for _ in 0..ROUND_TRIPS {
            stream.write_all(&message).await.expect("an open connection");
            stream.read_exact(&mut message).await.expect("an open connection");
        }
    });
    report.outcome.expect("it ends by itself");
    ROUND_TRIPS as f64
}

/// A simulation of `count` nodes, each of which sleeps for `time`.
fn nodes(seed: u64, count: usize, time: Duration) {
    let mut simulation = simulation(seed);
    simulation.universe().insert(Net::new(NetOptions::default()));
    let nodes = add(&mut simulation, count, move || sleep(time));
    simulation.run(boot_all(nodes, time + Duration::from_micros(100))).outcome.expect("it ends by itself");
}
