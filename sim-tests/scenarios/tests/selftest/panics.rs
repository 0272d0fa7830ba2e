//! Nothing is swallowed: a panic anywhere on a node fails the run, unless the scenario declared it.

use std::time::Duration;

use stormglass::harness::Status;
use stormglass::prelude::*;

use crate::judging::{checks, evidence, report};

checks!(
    a_panic_in_a_spawned_task_fails_the_run_though_nobody_awaits_it,
    a_panic_that_the_scenario_declared_does_not_fail_it,
    an_exit_that_nobody_asked_for_fails_the_run,
);

async fn goes_off(_: Host) {
    // The handle is dropped: in tokio nobody would ever hear of this panic.
    drop(tokio::spawn(async { panic!("term went back from 3 to 2") }));
    std::future::pending::<()>().await;
}

/// A node with a task that panics.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn panics_in_a_task(sim: Sim) {
    sim.node("n1", goes_off);
    sim.sleep(Duration::from_secs(1)).await;
}

/// The same, declared.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn panics_as_declared(sim: Sim) {
    let node = sim.node("n1", goes_off);
    sim.allow_panics(&node);
    sim.sleep(Duration::from_secs(1)).await;
}

/// A node whose program ends.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn ends_unasked(sim: Sim) {
    sim.node("n1", |_| async { Err::<(), _>("the disk is full") });
    sim.sleep(Duration::from_secs(1)).await;
}

fn a_panic_in_a_spawned_task_fails_the_run_though_nobody_awaits_it() {
    let report = report("panics_in_a_task", |_| ());
    let evidence = evidence(&report);
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Fail, "panic"), "{evidence}");
    assert!(evidence.contains("panic on n1 at ") && evidence.contains("panics.rs:"), "{evidence}");
    assert!(evidence.contains("term went back from 3 to 2"), "{evidence}");
}

fn a_panic_that_the_scenario_declared_does_not_fail_it() {
    let report = report("panics_as_declared", |_| ());
    assert_eq!(report.status, Status::Pass, "{}", evidence(&report));
}

fn an_exit_that_nobody_asked_for_fails_the_run() {
    let report = report("ends_unasked", |_| ());
    let evidence = evidence(&report);
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Fail, "node exit"), "{evidence}");
    assert!(evidence.contains("n1 ended with an error: the disk is full"), "{evidence}");
}
