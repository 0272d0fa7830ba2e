//! Each fault does what it says, by so much: a delay of 200 ms delays by 200 ms, 100 KB a second pass 100 KB in a second, a loss
//! of a tenth loses a tenth. The figures are counters of the run, and the fault reference of the book quotes them.

mod disks;
mod links;
mod memory;
mod processes;
mod suspension;

use stormglass::harness::Status;
use stormglass::prelude::*;

use crate::judging::{checks, evidence, request, worker};

checks!(
    faults_of_links_do_what_they_say,
    faults_of_processes_do_what_they_say,
    faults_of_disks_do_what_they_say,
    want_of_memory_does_what_it_says,
    a_suspended_machine_stands_still,
);

/// A figure that was measured must lie within `tolerance` of what the fault promises. It is kept as a counter.
fn expect(sim: &Sim, what: &str, measured: u64, promised: u64, tolerance: u64) -> Result<(), Evidence> {
    sim.count(&format!("measured {what}"), measured);
    if measured.abs_diff(promised) <= tolerance {
        return Ok(());
    }
    Err(Evidence::new("calibration", format!("{what}: {measured}, and {promised} ± {tolerance} was promised")))
}

/// Demands what has no figure.
fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Evidence> {
    if holds { Ok(()) } else { Err(Evidence::new("calibration", otherwise())) }
}

fn passes(scenario: &str, least: usize) {
    let mut worker = worker();
    for seed in 0..5 {
        let request = request(&mut worker, scenario, seed);
        let report = worker.run(scenario, &request, false).expect("a verdict");
        assert_eq!(report.status, Status::Pass, "seed {seed}: {}", evidence(&report));
        let measured = report.record.counters.keys().filter(|name| name.starts_with("measured ")).count();
        assert!(measured >= least, "seed {seed}: only {measured} figures");
    }
}

fn faults_of_links_do_what_they_say() {
    passes("links_calibrated", 24);
}

fn faults_of_processes_do_what_they_say() {
    passes("processes_calibrated", 12);
}

fn want_of_memory_does_what_it_says() {
    passes("memory_calibrated", 9);
}

fn a_suspended_machine_stands_still() {
    passes("suspension_calibrated", 5);
}

fn faults_of_disks_do_what_they_say() {
    passes("disks_calibrated", 18);
}
