//! Code that brings its process down: it costs its seed a named verdict, and the worker lives on.

use std::time::Duration;

use stormglass::harness::Status;
use stormglass::prelude::*;

use crate::judging::{checks, evidence, report, request, worker};

checks!(
    an_abort_fails_its_seed,
    a_stack_overflow_fails_its_seed,
    an_exit_fails_its_seed,
    a_worker_serves_the_next_seed_whatever_the_last_one_did,
);

/// A node that aborts.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn aborts(sim: Sim) {
    sim.node("n1", async |_| -> () { std::process::abort() });
    sim.sleep(Duration::from_secs(1)).await;
}

/// A node that calls itself without end.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn overflows_its_stack(sim: Sim) {
    fn deeper(n: u64) -> u64 {
        if std::hint::black_box(n) == u64::MAX { 0 } else { deeper(n + 1) + std::hint::black_box(n) }
    }
    sim.node("n1", |_| async {
        std::hint::black_box(deeper(0));
    });
    sim.sleep(Duration::from_secs(1)).await;
}

/// A node that ends the whole process.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn exits_the_process(sim: Sim) {
    sim.node("n1", async |_| -> () { std::process::exit(3) });
    sim.sleep(Duration::from_secs(1)).await;
}

/// Nothing wrong here.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn behaves(sim: Sim) {
    sim.sleep(Duration::from_secs(1)).await;
}

fn fails_by(scenario: &str, oracle: &str) {
    let report = report(scenario, |_| ());
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Fail, oracle), "{}", evidence(&report));
}

fn an_abort_fails_its_seed() {
    fails_by("aborts", "abort");
}

fn a_stack_overflow_fails_its_seed() {
    fails_by("overflows_its_stack", "stack-overflow");
}

fn an_exit_fails_its_seed() {
    fails_by("exits_the_process", "exit");
}

fn a_worker_serves_the_next_seed_whatever_the_last_one_did() {
    let mut worker = worker();
    for scenario in ["aborts", "overflows_its_stack", "exits_the_process"] {
        let bad = request(&mut worker, scenario, 1);
        let bad = worker.run(scenario, &bad, false).expect("the worker lives");
        assert_eq!(bad.status, Status::Fail, "{scenario}");
        let good = request(&mut worker, "behaves", 1);
        let good = worker.run("behaves", &good, false).expect("the worker lives");
        assert_eq!(good.status, Status::Pass, "after {scenario}: {}", evidence(&good));
    }
}
