//! What a run makes and lets go leaves no memory behind: a run that makes a million tasks or timers, or hundreds of thousands
//! of connections, peaks where a run peaks that makes a tenth of them.

use std::io;
use std::time::Duration;

use stormglass::harness::Status;
use stormglass::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::judging::{checks, evidence, report};

checks!(
    a_million_tasks_leave_no_memory_behind,
    a_million_timers_leave_no_memory_behind,
    connections_by_the_hundred_thousand_leave_no_memory_behind,
);

/// How many are there at once.
const AT_ONCE: u64 = 100;

/// The most by which two peaks may differ, in bytes: of what is kept for each of 180,000 things, six bytes would be seen.
const TOLERANCE: u64 = 1 << 20;

/// Makes `times` of `what`, a few at once, and lets each go.
#[stormglass::scenario(time = "100h", tags("selftest"))]
pub(crate) async fn makes_and_lets_go(sim: Sim) -> Result<(), String> {
    let what = sim.param("what").ok_or("no `what`")?;
    let times: u64 = sim.param("times").and_then(|times| times.parse().ok()).ok_or("no `times`")?;
    if what == "connections" {
        sim.node("server", |_| serve());
    }
    for _ in 0..times / AT_ONCE {
        let mut set = JoinSet::new();
        for _ in 0..AT_ONCE {
            match what {
                "tasks" => drop(set.spawn(async { Ok(()) })),
                // One that goes off, and one that is dropped long before it would.
                "timers" => drop(set.spawn(async {
                    sleep(Duration::from_nanos(1)).await;
                    timeout(Duration::from_secs(3_600), yield_now()).await.map_err(io::Error::other)
                })),
                _ => drop(set.spawn(converse())),
            }
        }
        while let Some(done) = set.join_next().await {
            done.map_err(|error| error.to_string())?.map_err(|error: io::Error| error.to_string())?;
        }
    }
    Ok(())
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut byte = [0];
            while let Ok(1) = stream.read(&mut byte).await {
                if stream.write_all(&byte).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn converse() -> io::Result<()> {
    let mut stream = TcpStream::connect("server:80").await?;
    // The port is free again at once: a reset leaves no TIME_WAIT.
    stream.set_zero_linger()?;
    stream.write_all(b"x").await?;
    stream.read_exact(&mut [0]).await?;
    Ok(())
}

/// The most memory that the process of a run held, in bytes.
fn peak(what: &str, times: u64) -> u64 {
    let report = report("makes_and_lets_go", |request| {
        request.params.insert("what".to_owned(), what.to_owned());
        request.params.insert("times".to_owned(), times.to_string());
    });
    assert_eq!(report.status, Status::Pass, "{}", evidence(&report));
    assert!(report.max_rss_bytes > 0, "nobody measured");
    report.max_rss_bytes
}

fn leaves_nothing(what: &str, times: u64) {
    let (few, many) = (peak(what, times / 10), peak(what, times));
    assert!(many < few + TOLERANCE, "{what}: {few} bytes for {}, {many} for {times}", times / 10);
}

fn a_million_tasks_leave_no_memory_behind() {
    leaves_nothing("tasks", 1_000_000);
}

fn a_million_timers_leave_no_memory_behind() {
    leaves_nothing("timers", 1_000_000);
}

fn connections_by_the_hundred_thousand_leave_no_memory_behind() {
    leaves_nothing("connections", 200_000);
}
