//! One list of behaviours of files, through `std::fs` and through libc, run on a real directory and on the simulated disk: from
//! a task, where calls are done at once, and from a thread of a node, where they block. All must see the same.

mod behaviour;
mod data;
mod descriptors;
mod devices;
mod directories;
mod links;
mod locks;
mod metadata;
mod names;
mod opening;
mod space;

use std::path::{Path, PathBuf};

use behaviour::Behaviour;
use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation, run_blocking};
use stormglass_program::{leaked, seal_thread};
use stormglass_sys::seal::spawn_simulation_thread;

fn all() -> Vec<Behaviour> {
    [
        opening::ALL,
        data::ALL,
        names::ALL,
        links::ALL,
        directories::ALL,
        metadata::ALL,
        space::ALL,
        locks::ALL,
        descriptors::ALL,
        devices::ALL,
    ]
    .concat()
}

/// Runs a behaviour on the disk of a node: in the node's main task, or on a thread of the node.
fn simulated(run: fn(&Path) -> Vec<String>, name: &'static str, on_thread: bool) -> Vec<String> {
    let thread = spawn_simulation_thread(4 << 20, move || {
        let mut options = Options::new(7);
        options.on_polled = Some(leaked);
        let mut simulation = Simulation::new(options);
        simulation.universe().insert(Disk::new(DiskOptions::default()));
        let sealed = seal_thread(7);
        simulation.universe().set_thread_spawner(|f| {
            spawn_simulation_thread(4 << 20, move || {
                let _sealed = seal_thread(7);
                f();
            })
        });
        let report = simulation.run(async move {
            let work = move || {
                let dir = PathBuf::from("/scratch").join(name);
                std::fs::create_dir_all(&dir).expect("an empty disk");
                run(&dir)
            };
            if on_thread { run_blocking(work).await } else { work() }
        });
        drop(sealed);
        report.outcome
    });
    let outcome = thread.expect("a thread").join().expect("no panic");
    outcome.unwrap_or_else(|failure| vec![failure.to_string()])
}

#[test]
fn std_and_libc_see_on_a_simulated_disk_what_they_see_on_a_real_one() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{}", std::process::id()));
    let mut differences = Vec::new();
    let behaviours = all();
    for Behaviour { name, run } in &behaviours {
        let dir = scratch.join(name);
        std::fs::create_dir_all(&dir).expect("a scratch directory");
        let real = run(&dir);
        assert!(!real.is_empty(), "{name} sees nothing, and proves nothing");
        for (how, on_thread) in [("in a task", false), ("on a thread", true)] {
            let saw = simulated(*run, name, on_thread);
            if saw != real {
                differences.push(format!("{name}, {how}:\n  real      {real:?}\n  simulated {saw:?}"));
            }
        }
    }
    std::fs::remove_dir_all(&scratch).expect("the scratch directory is ours");
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), behaviours.len(), differences.join("\n"));
    assert!(behaviours.len() >= 190, "{} behaviours", behaviours.len());
}
