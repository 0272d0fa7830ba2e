//! Nothing is swallowed: a panic anywhere on a node fails the run, unless the scenario declared it.

use std::time::Duration;

use stormglass::harness::Status;
use stormglass::prelude::*;

use crate::judging::{checks, evidence, report};

checks!(
    a_panic_in_a_spawned_task_fails_the_run_though_nobody_awaits_it,
    a_panic_that_the_scenario_declared_does_not_fail_it,
    an_exit_that_nobody_asked_for_fails_the_run,
    a_panic_of_a_thread_is_no_failure_and_is_told_in_the_record,
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

/// A node one of whose threads panics, which nobody joins.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn panics_in_a_thread(sim: Sim) {
    sim.node("n1", |_| async {
        drop(std::thread::spawn(|| panic!("the compaction is gone")));
        std::future::pending::<()>().await;
    });
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

fn a_panic_of_a_thread_is_no_failure_and_is_told_in_the_record() {
    let report = report("panics_in_a_thread", |_| ());
    assert_eq!(report.status, Status::Pass, "{}", evidence(&report));
    let warned: Vec<_> = report.record.counters.iter().filter(|(name, _)| name.starts_with("warning: ")).collect();
    let [(told, 1)] = warned[..] else { panic!("{warned:?}") };
    assert!(told.starts_with("warning: thread 1 of n1 panicked at ") && told.contains("panics.rs:"), "{told}");
}
