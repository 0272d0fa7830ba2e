//! Faults that wait for something strike right when it happens, and where.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stormglass::faults::{Observed, Plan};
use stormglass::harness::Status;
use stormglass::prelude::*;

use crate::judging::{checks, evidence, request, worker};

checks!(
    a_fault_strikes_at_a_sync_of_the_file_that_its_trigger_names,
    a_fault_whose_file_is_never_synced_does_not_begin,
);

/// What a node did before it went down for the first time: syncs of `/data/log`, of `/data/votes/vote`, and commands.
type Done = Arc<Mutex<[u64; 3]>>;

fn append(path: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(b"one more")?;
    file.sync_data()
}

/// For every four syncs of its log a node syncs its vote once, and then tells that it has done a command.
async fn busy(sim: Sim, done: Done, first: bool) -> io::Result<()> {
    fs::create_dir_all("/data/votes")?;
    File::open("/data")?.sync_all()?;
    for _ in 0..10 {
        for _ in 0..4 {
            append("/data/log")?;
            done.lock()[0] += u64::from(first);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        append("/data/votes/vote")?;
        done.lock()[1] += u64::from(first);
        tokio::time::sleep(Duration::from_millis(1)).await;
        sim.tell(Observed::Probe { node: "n1".into(), name: "Commanded".to_owned(), value: 1 });
        done.lock()[2] += u64::from(first);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::future::pending().await
}

/// Carries out one fault on the busy node, and counts what the node had done when it struck.
async fn strikes(sim: Sim, line: &str) {
    let done = Done::default();
    let (told, noted) = (sim.clone(), Arc::clone(&done));
    let node = sim.node("n1", move |host| {
        let (sim, done, first) = (told.clone(), Arc::clone(&noted), host.boot() == 1);
        async move { busy(sim, done, first).await.expect("the disk is in order") }
    });
    // The other one has the same files, and its syncs are not those of the first.
    sim.node("n2", |_| async {
        fs::create_dir_all("/data/votes").expect("the disk is in order");
        for _ in 0..100 {
            append("/data/votes/vote").expect("the disk is in order");
            tokio::time::sleep(Duration::from_micros(10)).await;
        }
        std::future::pending::<()>().await;
    });
    sim.carry_out(line.parse::<Plan>().expect("a plan"));
    sim.sleep(Duration::from_secs(1)).await;
    drop(node);
    let counted = *done.lock();
    for (name, count) in ["syncs of the log", "syncs of the vote", "commands"].into_iter().zip(counted) {
        sim.count(name, count);
    }
}

macro_rules! struck {
    ($($name:ident = $line:literal;)+) => {
        $(
            #[stormglass::scenario(time = "10s", tags("selftest"))]
            async fn $name(sim: Sim) {
                strikes(sim, $line).await;
            }
        )+
    };
}

struck! {
    struck_at_any_sync = "on:fsync:7@n1 +20s crash @it must-hit";
    struck_at_a_vote = "on:fsync/data/votes/vote:3@n1 +20s crash @it must-hit";
    struck_in_a_folder = "on:fsync/data/votes:2@n1 +20s power-loss @it must-hit";
    struck_at_a_command = "on:Commanded:4 +20s crash @it must-hit";
    struck_never = "on:fsync/data/vote +20s crash @it must-hit";
}

fn report(scenario: &str, seed: u64) -> stormglass::harness::CaseReport {
    let mut worker = worker();
    let request = request(&mut worker, scenario, seed);
    worker.run(scenario, &request, false).expect("a verdict")
}

fn a_fault_strikes_at_a_sync_of_the_file_that_its_trigger_names() {
    // A node's own task may run once more between the end of its sync and the fault, which is not a sync further.
    let expected = [
        // One sync of the folder, four of the log, one of the vote, and the seventh.
        ("struck_at_any_sync", [5, 1, 1]),
        ("struck_at_a_vote", [12, 3, 2]),
        ("struck_in_a_folder", [8, 2, 1]),
        ("struck_at_a_command", [16, 4, 4]),
    ];
    for (scenario, expected) in expected {
        for seed in 0..5 {
            let report = report(scenario, seed);
            assert_eq!(report.status, Status::Pass, "{scenario}, seed {seed}: {}", evidence(&report));
            let counted =
                ["syncs of the log", "syncs of the vote", "commands"].map(|name| report.record.counters[name]);
            assert_eq!(counted, expected, "{scenario}, seed {seed}");
        }
    }
}

fn a_fault_whose_file_is_never_synced_does_not_begin() {
    let report = report("struck_never", 1);
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Fail, "non-vacuity"), "{}", evidence(&report));
    assert_eq!(report.record.counters["syncs of the vote"], 10, "nothing struck");
}
