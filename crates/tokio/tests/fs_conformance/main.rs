//! One list of behaviours, run against a real directory through the real tokio and against the simulated disk: both must
//! give what is written here.

#[macro_use]
mod behaviour;
mod contents;
mod names;
mod seeing;

use std::path::{Path, PathBuf};

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation};
use stormglass_tokio::fs;

#[test]
fn the_simulated_disk_does_what_a_real_one_does() {
    let runtime = real_tokio::runtime::Runtime::new().expect("a runtime");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fs-conformance-{}", std::process::id()));
    let mut differences = Vec::new();
    for &(name, expected, behaviour) in contents::BEHAVIOURS.iter().chain(names::BEHAVIOURS) {
        let dir = scratch.join(name);
        std::fs::create_dir_all(&dir).expect("a scratch directory");
        let real = runtime.block_on(behaviour(dir));
        let mut simulation = Simulation::new(Options::new(1));
        simulation.universe().insert(Disk::new(DiskOptions::default()));
        let report = simulation.run(async move {
            let dir = PathBuf::from("/scratch").join(name);
            fs::create_dir_all(&dir).await.expect("an empty disk");
            behaviour(dir).await
        });
        let simulated = report.outcome.unwrap_or_else(|failure| vec![failure.to_string()]);
        for (arm, saw) in [("real", real), ("simulated", simulated)] {
            if saw != expected {
                differences.push(format!("{name}, {arm}:\n  expected {expected:?}\n  saw      {saw:?}"));
            }
        }
    }
    std::fs::remove_dir_all(&scratch).expect("the scratch directory is ours");
    let count = contents::BEHAVIOURS.len() + names::BEHAVIOURS.len();
    assert!(count >= 40, "{count} behaviours");
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}
