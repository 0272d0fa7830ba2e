//! turmoil: tokio's own runtime per host, in fixed ticks.

#![forbid(unsafe_code)]

mod files;

use std::time::Duration;

use measure::{
    BRIEFLY, LATENCY, MANY_NODES, MESSAGE, NODES, ROUND_TRIPS, Row, SLEEPING_TASKS, SLEEPS, YIELDING_TASKS, YIELDS,
    nap, yields,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

fn main() {
    measure::arm(|row| {
        Some(match row {
            Row::Polls => polls(1),
            Row::PollsOnNodes => polls(NODES as u64),
            Row::Timers => timers(),
            Row::Tcp => round_trips(),
            Row::Simulations => {
                (0..500).for_each(|seed| nodes(seed, NODES, BRIEFLY));
                500.0
            }
            // It has no runner, and no process per seed.
            Row::SimulationsInThreads | Row::SimulationsInProcesses => return None,
            Row::Idle => {
                nodes(1, NODES, Duration::from_secs(50));
                50.0
            }
            Row::ManyIdle => {
                // Its cost grows with the ticks: a fiftieth of a second is enough to tell.
                nodes(1, MANY_NODES, Duration::from_millis(20));
                0.02
            }
            row => files::work(row)?,
        })
    });
}

fn sim<'a>(seed: u64) -> Sim<'a> {
    let mut builder = Builder::new();
    builder.rng_seed(seed).simulation_duration(Duration::from_secs(1_000_000));
    builder.tick_duration(Duration::from_millis(1)).min_message_latency(LATENCY).max_message_latency(LATENCY);
    builder.build()
}

fn polls(nodes: u64) -> f64 {
    let mut sim = sim(1);
    for node in 0..nodes {
        sim.client(format!("n{node}"), async move {
            let tasks: Vec<_> = (0..YIELDING_TASKS / nodes).map(|_| tokio::spawn(yields(YIELDS))).collect();
            for task in tasks {
                task.await?;
            }
            Ok(())
        });
    }
    sim.run().expect("it ends by itself");
    (YIELDING_TASKS * YIELDS) as f64
}

fn timers() -> f64 {
    let mut sim = sim(1);
    sim.client("n", async {
        let sleeper = |n| async move {
            for i in 0..SLEEPS {
                tokio::time::sleep(nap(n, i)).await;
            }
        };
        let tasks: Vec<_> = (0..SLEEPING_TASKS).map(|n| tokio::spawn(sleeper(n))).collect();
        for task in tasks {
            task.await?;
        }
        Ok(())
    });
    sim.run().expect("it ends by itself");
    (SLEEPING_TASKS * SLEEPS) as f64
}

fn round_trips() -> f64 {
    let count = ROUND_TRIPS / 10;
    let mut sim = sim(1);
    sim.host("server", move || async move {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let (mut stream, _) = listener.accept().await?;
        let mut message = [0; MESSAGE];
        for _ in 0..count {
            stream.read_exact(&mut message).await?;
            stream.write_all(&message).await?;
        }
        Ok(())
    });
    sim.client("client", async move {
        let mut stream = TcpStream::connect("server:80").await?;
        let mut message = [7; MESSAGE];
        for _ in 0..count {
            stream.write_all(&message).await?;
            stream.read_exact(&mut message).await?;
        }
        Ok(())
    });
    sim.run().expect("it ends by itself");
    count as f64
}

fn nodes(seed: u64, count: usize, time: Duration) {
    let mut sim = sim(seed);
    for node in 0..count {
        sim.client(format!("n{node}"), async move {
            tokio::time::sleep(time).await;
            Ok(())
        });
    }
    sim.run().expect("it ends by itself");
}
