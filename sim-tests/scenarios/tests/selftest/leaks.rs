//! Simulated code that reaches for the real world: refused, and named by its call site.

use std::time::Duration;

use stormglass::harness::Status;
use stormglass::prelude::*;

use crate::judging::{checks, evidence, report};

checks!(
    a_real_file_fails_the_run_and_names_the_call_site,
    a_real_connection_fails_the_run_and_names_the_call_site,
    a_join_in_a_task_fails_the_run_and_names_the_call_site,
    a_real_sleep_fails_the_run_and_names_the_call_site,
    a_child_process_fails_the_run_and_names_the_call_site,
);

/// Counter in which a scenario notes the line of its leak.
const LINE: &str = "line of the leak";

/// Lets a node leak. Its own line is the call site, and the line of the call is noted for the check.
macro_rules! leak {
    ($sim:ident, $leak:expr) => {{
        $sim.count(LINE, u64::from(line!()));
        $sim.node("n1", |_| async {
            let _leaked = $leak;
            std::future::pending::<()>().await;
        });
        $sim.sleep(Duration::from_secs(1)).await;
    }};
}

/// A node that opens a file of this machine.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn opens_a_real_file(sim: Sim) {
    leak!(sim, std::fs::File::open("/etc/hostname"));
}

/// A node that connects to this machine.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn connects_for_real(sim: Sim) {
    leak!(sim, std::net::TcpStream::connect("127.0.0.1:9"));
}

/// A node that waits for a thread of its own in the midst of a task's poll, while nothing else of it can run.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn waits_for_a_thread_in_a_task(sim: Sim) {
    leak!(sim, std::thread::spawn(|| ()).join());
}

/// A node that stops the world to sleep.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn sleeps_for_real(sim: Sim) {
    leak!(sim, std::thread::sleep(Duration::from_millis(1)));
}

/// A node that starts a program.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn starts_a_real_program(sim: Sim) {
    leak!(sim, std::process::Command::new("/bin/true").spawn());
}

fn named(scenario: &str, symbols: &[&str], detail: &str) {
    let report = report(scenario, |_| ());
    let evidence = evidence(&report);
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Fail, "seal"), "{evidence}");
    assert!(symbols.iter().any(|symbol| evidence.contains(symbol)), "which of {symbols:?} was it? {evidence}");
    assert!(evidence.contains(detail), "`{detail}` is not in: {evidence}");
    let place = format!("leaks.rs:{}", report.record.counters[LINE]);
    assert!(evidence.contains(&place), "the leak is at {place}, and the evidence says: {evidence}");
}

fn a_real_file_fails_the_run_and_names_the_call_site() {
    named("opens_a_real_file", &["open64", "openat64", "open"], "/etc/hostname");
}

fn a_real_connection_fails_the_run_and_names_the_call_site() {
    named("connects_for_real", &["socket", "connect"], "");
}

fn a_join_in_a_task_fails_the_run_and_names_the_call_site() {
    named("waits_for_a_thread_in_a_task", &["pthread_join"], "thread");
}

fn a_real_sleep_fails_the_run_and_names_the_call_site() {
    named("sleeps_for_real", &["nanosleep"], "");
}

fn a_child_process_fails_the_run_and_names_the_call_site() {
    named("starts_a_real_program", &["spawn", "fork", "pipe", "socketpair", "open"], "");
}
