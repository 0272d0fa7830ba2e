//! What madsim is asked to do.

use std::net::SocketAddr;
use std::time::Duration;

use madsim::Config;
use madsim::net::{TcpListener, TcpStream};
use madsim::runtime::{Builder, Runtime};
use madsim::task::spawn;
use madsim::time::sleep;
use measure::{
    BRIEFLY, LATENCY, MANY_NODES, MESSAGE, NODES, ROUND_TRIPS, Row, SLEEPING_TASKS, SLEEPS, YIELDING_TASKS, YIELDS,
    nap, yields,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) fn main() {
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
            Row::SimulationsInThreads => in_threads(20_000),
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

fn polls(nodes: u64) -> f64 {
    let runtime = Runtime::with_seed_and_config(1, Config::default());
    let program = move || async move {
        let tasks: Vec<_> = (0..YIELDING_TASKS / nodes).map(|_| spawn(yields(YIELDS))).collect();
        for task in tasks {
            task.await.expect("it ends by itself");
        }
    };
    let nodes: Vec<_> = (0..nodes).map(|_| runtime.create_node().build().spawn(program())).collect();
    runtime.block_on(async {
        for node in nodes {
            node.await.expect("it ends by itself");
        }
    });
    (YIELDING_TASKS * YIELDS) as f64
}

fn timers() -> f64 {
    let runtime = Runtime::with_seed_and_config(1, Config::default());
    runtime.block_on(async {
        let sleeper = |n| async move {
            for i in 0..SLEEPS {
                sleep(nap(n, i)).await;
            }
        };
        let tasks: Vec<_> = (0..SLEEPING_TASKS).map(|n| spawn(sleeper(n))).collect();
        for task in tasks {
            task.await.expect("it ends by itself");
        }
    });
    (SLEEPING_TASKS * SLEEPS) as f64
}

fn round_trips() -> f64 {
    let mut config = Config::default();
    config.net.send_latency = LATENCY..LATENCY + Duration::from_nanos(1);
    let runtime = Runtime::with_seed_and_config(1, config);
    let server: SocketAddr = ([10, 0, 0, 1], 80).into();
    let node = runtime.create_node().ip(server.ip()).build();
    let client = runtime.create_node().ip([10, 0, 0, 2].into()).build();
    node.spawn(async move {
        let listener = TcpListener::bind(server).await.expect("a free port");
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut message = [0; MESSAGE];
        for _ in 0..ROUND_TRIPS {
            stream.read_exact(&mut message).await.expect("an open connection");
            stream.write_all(&message).await.expect("an open connection");
            // Without it nothing is sent.
            stream.flush().await.expect("an open connection");
        }
    });
    let client = client.spawn(async move {
        sleep(Duration::from_millis(1)).await;
        let mut stream = TcpStream::connect(server).await.expect("it listens");
        let mut message = [7; MESSAGE];
        for _ in 0..ROUND_TRIPS {
            stream.write_all(&message).await.expect("an open connection");
            stream.flush().await.expect("an open connection");
            stream.read_exact(&mut message).await.expect("an open connection");
        }
    });
    runtime.block_on(client).expect("it ends by itself");
    ROUND_TRIPS as f64
}

fn nodes(seed: u64, count: usize, time: Duration) {
    let runtime = Runtime::with_seed_and_config(seed, Config::default());
    let nodes: Vec<_> =
        (0..count).map(|_| runtime.create_node().build().spawn(async move { sleep(time).await })).collect();
    runtime.block_on(async {
        for node in nodes {
            node.await.expect("it ends by itself");
        }
    });
}

/// Its runner, which takes a thread per seed.
fn in_threads(count: u64) -> f64 {
    let runner = Builder {
        seed: 0,
        count,
        jobs: 1,
        config: Config::default(),
        time_limit: None,
        check: false,
        allow_system_thread: false,
    };
    runner.run(|| async {
        let handle = madsim::runtime::Handle::current();
        let nodes: Vec<_> =
            (0..NODES).map(|_| handle.create_node().build().spawn(async { sleep(BRIEFLY).await })).collect();
        for node in nodes {
            node.await.expect("it ends by itself");
        }
    });
    count as f64
}
