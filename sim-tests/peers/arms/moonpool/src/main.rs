//! moonpool-sim: its executor and its event queue, with its faults off.

#![forbid(unsafe_code)]

mod runner;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use measure::{
    BRIEFLY, LATENCY, MANY_NODES, MESSAGE, NODES, ROUND_TRIPS, Row, SLEEPING_TASKS, SLEEPS, YIELDING_TASKS, YIELDS,
    nap, yields,
};
use moonpool_sim::executor::{Executor, spawn, until_stalled};
use moonpool_sim::{
    ChaosConfiguration, LatencyDistribution, NetworkConfiguration, NetworkProvider, Providers, SimProviders, SimWorld,
    TcpListenerTrait, TimeProvider,
};

fn main() {
    measure::arm(|row| {
        Some(match row {
            // Its tasks are on one executor, whatever node they are of.
            Row::Polls | Row::PollsOnNodes => polls(),
            Row::Timers => timers(),
            Row::Tcp => round_trips(),
            Row::Simulations => {
                (0..5_000).for_each(|seed| nodes(seed, NODES, BRIEFLY));
                5_000.0
            }
            Row::SimulationsInThreads => runner::simulations(500),
            // It has no process per seed.
            Row::SimulationsInProcesses => return None,
            Row::Idle => {
                (0..1_000).for_each(|seed| nodes(seed, NODES, Duration::from_secs(1_000_000)));
                1e9
            }
            Row::ManyIdle => {
                (0..100).for_each(|seed| nodes(seed, MANY_NODES, Duration::from_secs(1)));
                100.0
            }
            // It has no files that a simulation could open, write and sync like a program's own.
            _ => return None,
        })
    });
}

fn network() -> NetworkConfiguration {
    let at_once = || LatencyDistribution::Uniform { start: Duration::ZERO, end: Duration::ZERO };
    let latency = || LatencyDistribution::Uniform { start: LATENCY, end: LATENCY };
    let mut network = NetworkConfiguration::fast_local();
    network.chaos = ChaosConfiguration::disabled();
    network.bind_latency = at_once();
    network.accept_latency = at_once();
    network.connect_latency = latency();
    network.read_latency = at_once();
    network.write_latency = latency();
    network
}

/// Takes events, and lets tasks run between them, until `done`.
async fn drive(sim: &mut SimWorld, done: impl Fn() -> bool) {
    until_stalled().await;
    while !done() {
        sim.step();
        until_stalled().await;
    }
}

fn polls() -> f64 {
    // It ends a run in which a million polls pass and nothing else: the same work in parts.
    const PARTS: u64 = 10;
    for seed in 0..PARTS {
        Executor::new(seed).block_on(async {
            let tasks: Vec<_> = (0..YIELDING_TASKS).map(|_| spawn("yields", yields(YIELDS / PARTS))).collect();
            for task in tasks {
                task.await.expect("it ends by itself");
            }
        });
    }
    (YIELDING_TASKS * YIELDS) as f64
}

fn timers() -> f64 {
    Executor::new(1).block_on(async {
        let mut sim = SimWorld::new_with_network_config_and_seed(network(), 1);
        let time = sim.time_provider();
        let sleeper = |n, time: moonpool_sim::SimTimeProvider| async move {
            for i in 0..SLEEPS {
                time.sleep(nap(n, i)).await.expect("the world is there");
            }
        };
        let tasks: Vec<_> = (0..SLEEPING_TASKS).map(|n| spawn("sleeps", sleeper(n, time.clone()))).collect();
        drive(&mut sim, || tasks.last().is_some_and(|task| task.is_finished())).await;
        drive(&mut sim, || tasks.iter().all(|task| task.is_finished())).await;
    });
    (SLEEPING_TASKS * SLEEPS) as f64
}

fn round_trips() -> f64 {
    Executor::new(1).block_on(async {
        let mut sim = SimWorld::new_with_network_config_and_seed(network(), 1);
        let (server, client) = (sim.network_provider(), sim.network_provider());
        spawn("server", async move {
            let listener = server.bind("10.0.0.1:80").await.expect("a free port");
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut message = [0; MESSAGE];
            for _ in 0..ROUND_TRIPS {
                stream.read_exact(&mut message).await.expect("an open connection");
                stream.write_all(&message).await.expect("an open connection");
            }
        });
        let client = spawn("client", async move {
            let mut stream = client.connect("10.0.0.1:80").await.expect("it listens");
            let mut message = [7; MESSAGE];
            for _ in 0..ROUND_TRIPS {
                stream.write_all(&message).await.expect("an open connection");
                stream.read_exact(&mut message).await.expect("an open connection");
            }
        });
        drive(&mut sim, || client.is_finished()).await;
    });
    ROUND_TRIPS as f64
}

/// `count` nodes that sleep for `time`, each made as its own runner makes a process: a bundle of providers of the process's
/// address, and a task with its name.
fn nodes(seed: u64, count: usize, time: Duration) {
    Executor::new(seed).block_on(async {
        let mut sim = SimWorld::new_with_network_config_and_seed(network(), seed);
        let boot = |number: usize| {
            let ip = IpAddr::from(Ipv4Addr::new(10, 0, 0, number as u8 + 1));
            let providers = SimProviders::new(sim.downgrade(), seed, ip);
            spawn(&format!("process@{ip}"), async move {
                providers.time().sleep(time).await.expect("the world is there");
            })
        };
        let nodes: Vec<_> = (0..count).map(boot).collect();
        drive(&mut sim, || nodes.iter().all(|node| node.is_finished())).await;
    });
}
