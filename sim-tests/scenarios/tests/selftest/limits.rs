//! Runs that would never end: each trips the limit that is there for it, and the verdict says which.

use std::sync::Arc;
use std::time::Duration;

use stormglass::harness::{CaseReport, Status};
use stormglass::prelude::*;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::judging::{checks, evidence, report};

checks!(
    an_endless_loop_in_a_poll_fails_by_processor_time_and_names_the_place,
    an_endless_loop_of_timers_fails_by_virtual_time,
    a_ping_pong_without_end_fails_by_events_or_by_polls_or_by_virtual_time,
    tasks_that_only_wake_each_other_fail_for_want_of_progress,
    a_node_that_only_yields_fails_for_want_of_progress,
    a_poll_that_blocks_for_ever_is_unknown_by_wall_time,
    a_hoard_of_memory_is_unknown_by_memory,
);

/// A node whose task never gives its processor back.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn loops_within_a_poll(sim: Sim) {
    sim.node("n1", counts_for_ever);
    sim.sleep(Duration::from_secs(1)).await;
}

async fn counts_for_ever(_: Host) {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

/// A node that wakes ten times a second, for ever, while the scenario waits for nothing.
#[stormglass::scenario(time = "5s", tags("selftest"))]
pub(crate) async fn sleeps_for_ever(sim: Sim) {
    sim.node("n1", ticks_for_ever);
    std::future::pending::<()>().await;
}

async fn ticks_for_ever(_: Host) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Two nodes that throw one datagram to and fro.
#[stormglass::scenario(time = "1h", tags("selftest"))]
pub(crate) async fn plays_ping_pong_for_ever(sim: Sim) {
    sim.nodes("n", 2, plays);
    std::future::pending::<()>().await;
}

async fn plays(host: Host) -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:7").await?;
    let other = ["n2:7", "n1:7"][host.index()];
    let mut ball = [0; 4];
    if host.index() == 0 {
        // By then the other one is there.
        tokio::time::sleep(Duration::from_millis(100)).await;
        socket.send_to(&ball, other).await?;
    }
    loop {
        socket.recv_from(&mut ball).await?;
        socket.send_to(&ball, other).await?;
    }
}

/// Two tasks of a node that wake each other and do nothing else.
#[stormglass::scenario(time = "1h", tags("selftest"))]
pub(crate) async fn wakes_in_circles(sim: Sim) {
    sim.node("n1", async |_| {
        let (one, other) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let echo = tokio::spawn(passes_on(one.clone(), other.clone()));
        one.notify_one();
        passes_on(other, one).await;
        drop(echo);
    });
    std::future::pending::<()>().await;
}

async fn passes_on(from: Arc<Notify>, to: Arc<Notify>) {
    loop {
        from.notified().await;
        to.notify_one();
    }
}

/// A task that yields and yields.
#[stormglass::scenario(time = "1h", tags("selftest"))]
pub(crate) async fn only_yields(sim: Sim) {
    sim.node("n1", yields_for_ever);
    std::future::pending::<()>().await;
}

async fn yields_for_ever(_: Host) {
    loop {
        tokio::task::yield_now().await;
    }
}

/// A poll that waits for a lock which its own thread holds.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn blocks_within_a_poll(sim: Sim) {
    sim.node("n1", async |_| {
        let lock = parking_lot::Mutex::new(());
        let held = lock.lock();
        let again = lock.lock();
        drop((again, held));
    });
    sim.sleep(Duration::from_secs(1)).await;
}

/// A node that keeps whatever it can get.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn hoards_memory(sim: Sim) {
    sim.node("n1", hoards);
    sim.sleep(Duration::from_secs(1)).await;
}

async fn hoards(_: Host) {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 20]);
        tokio::time::sleep(Duration::from_nanos(1)).await;
    }
}

fn failed_by(report: &CaseReport, limit: &str) {
    let of = &report.record;
    assert_eq!((report.status, of.oracle.as_str()), (Status::Fail, limit), "{}: {:?}", of.scenario, of.evidence);
}

fn an_endless_loop_in_a_poll_fails_by_processor_time_and_names_the_place() {
    let report = report("loops_within_a_poll", |request| {
        request.limits.poll_cpu = Duration::from_millis(300);
        // Should the watchdog sleep, this check need not wait for as long as a run may.
        request.limits.wall = Duration::from_secs(30);
    });
    failed_by(&report, "poll-cpu");
    let evidence = evidence(&report);
    assert!(evidence.starts_with("a poll used more than 300ms of CPU, in "), "{evidence}");
    assert!(evidence.contains("tests/selftest/limits.rs:"), "{evidence}");
}

fn an_endless_loop_of_timers_fails_by_virtual_time() {
    let report = report("sleeps_for_ever", |_| ());
    failed_by(&report, "virtual time limit");
    let end = Duration::from_nanos(report.record.virtual_ns);
    let limit = Duration::from_secs(5);
    assert!(
        end > limit && end < limit + Duration::from_millis(101),
        "it ends at the first event past 5s, not at {end:?}"
    );
    let waiting = report.record.waiting.join("\n");
    assert!(waiting.contains("n1: ") && waiting.contains("a timer at "), "{waiting}");
}

fn a_ping_pong_without_end_fails_by_events_or_by_polls_or_by_virtual_time() {
    let scenario = "plays_ping_pong_for_ever";
    let by_events = report(scenario, |request| request.limits.events = 20_000);
    failed_by(&by_events, "events limit");
    assert_eq!(by_events.record.counters["events"], 20_001);
    let by_polls = report(scenario, |request| request.limits.polls = 7_000);
    failed_by(&by_polls, "polls limit");
    let by_time = report(scenario, |request| request.limits.virtual_time = Duration::from_secs(2));
    failed_by(&by_time, "virtual time limit");
    let waiting = by_time.record.waiting.join("\n");
    assert!(waiting.contains("n1: ") && waiting.contains("n2: ") && waiting.contains("udp"), "{waiting}");
}

fn tasks_that_only_wake_each_other_fail_for_want_of_progress() {
    let report = report("wakes_in_circles", |request| request.limits.events_per_instant = 50_000);
    failed_by(&report, "no progress limit");
    assert!(evidence(&report).contains("50000 polls and nothing else"), "{}", evidence(&report));
}

fn a_node_that_only_yields_fails_for_want_of_progress() {
    failed_by(&report("only_yields", |request| request.limits.events_per_instant = 50_000), "no progress limit");
}

fn a_poll_that_blocks_for_ever_is_unknown_by_wall_time() {
    let report = report("blocks_within_a_poll", |request| request.limits.wall = Duration::from_millis(700));
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Unknown, "wall-time"), "{}", evidence(&report));
    assert!(report.wants_retry(), "the machine may be to blame: it is tried once more, alone");
}

fn a_hoard_of_memory_is_unknown_by_memory() {
    let report = report("hoards_memory", |request| request.limits.memory_bytes = 256 << 20);
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Unknown, "memory"), "{}", evidence(&report));
    assert!(report.wants_retry(), "the machine may be to blame: it is tried once more, alone");
}
