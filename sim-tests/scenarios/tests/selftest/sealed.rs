//! What a machine would answer differently every time: inside a simulation it is a function of the seed.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stormglass::harness::Status;
use stormglass::net::{DnsFault, DnsRule};
use stormglass::prelude::*;

use crate::judging::{checks, evidence, report, request, worker};

checks!(
    what_a_node_reads_of_its_machine_is_the_same_in_every_process,
    entropy_differs_between_seeds_and_between_nodes,
    names_that_std_looks_up_are_those_of_the_network,
);

/// Two nodes that read all they can read of their machines, and say what they found.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn reads_its_machine(sim: Sim) {
    let teller = sim.clone();
    sim.nodes("n", 2, move |host| {
        let sim = teller.clone();
        async move {
            let tell = |what: &str, value: u64| sim.count(&format!("{} {what}", host.name()), value);
            let table: HashMap<u32, ()> = (0..64).map(|n| (n, ())).collect();
            let order = table.keys().fold(0_u64, |all, key| all.wrapping_mul(31).wrapping_add(u64::from(*key)));
            tell("order of a hash map", order);
            tell("hash of a second state", RandomState::new().hash_one(1_u8));
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            tell("wall clock", u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
            let before = Instant::now();
            tokio::time::sleep(Duration::from_millis(7)).await;
            tell("monotonic clock", u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX));
            tell("process", u64::from(std::process::id()));
            tell("processors", std::thread::available_parallelism().map_or(0, |n| n.get() as u64));
            let mut drawn = [0; 8];
            tell("drew entropy", u64::from(getrandom::fill(&mut drawn).is_ok()));
            tell("entropy", u64::from_le_bytes(drawn));
            std::future::pending::<()>().await;
        }
    });
    sim.sleep(Duration::from_secs(1)).await;
}

/// What the nodes said, in a worker process of its own.
fn told(seed: u64) -> (BTreeMap<String, u64>, String) {
    let mut worker = worker();
    let request = request(&mut worker, "reads_its_machine", seed);
    let report = worker.run("reads_its_machine", &request, false).expect("the worker lives");
    assert_eq!(report.status, Status::Pass, "{}", evidence(&report));
    let mut told = report.record.counters;
    told.retain(|name, _| name.starts_with("n1 ") || name.starts_with("n2 "));
    assert_eq!(told.len(), 16, "{told:?}");
    (told, report.record.digest)
}

fn what_a_node_reads_of_its_machine_is_the_same_in_every_process() {
    for seed in 1..=3 {
        assert_eq!(told(seed), told(seed), "seed {seed}");
    }
}

fn entropy_differs_between_seeds_and_between_nodes() {
    let (one, _) = told(1);
    let (two, _) = told(2);
    for what in ["order of a hash map", "hash of a second state", "entropy"] {
        let draws = [&one[&format!("n1 {what}")], &one[&format!("n2 {what}")], &two[&format!("n1 {what}")]];
        assert!(draws[0] != draws[1] && draws[0] != draws[2], "{what}: {draws:?}");
    }
    assert_eq!(one["n1 drew entropy"], 1);
    assert_ne!(one["n1 process"], one["n2 process"], "two machines, two processes");
}

/// What `std` says of a name.
fn resolve(name: &str) -> Result<Vec<SocketAddr>, String> {
    (name, 80).to_socket_addrs().map(Iterator::collect).map_err(|error| error.to_string())
}

/// Looks names up as `std` does, in a task and on a thread of the node's pool, while a server answers and while none does.
#[stormglass::scenario(time = "10s", tags("selftest"))]
pub(crate) async fn looks_names_up(sim: Sim) {
    sim.node("server", |_| std::future::pending::<()>());
    let known: Vec<SocketAddr> = tokio::net::lookup_host("server:80").await.expect("a node").collect();
    assert_eq!(resolve("server"), Ok(known.clone()));
    assert_eq!(tokio::task::spawn_blocking(|| resolve("server")).await.expect("no panic"), Ok(known));
    assert_eq!(resolve("localhost"), Ok(vec![([127, 0, 0, 1], 80).into()]));
    assert_eq!(resolve("nobody"), Err("failed to lookup address information: Name or service not known".to_owned()));
    let silent = DnsRule { asker: None, name: Some("server".to_owned()), fault: DnsFault::Silent };
    sim.network(|net| net.dns().add(1, silent));
    let told = resolve("server").expect_err("nobody answers");
    assert_eq!(told, "failed to lookup address information: Temporary failure in name resolution");
}

fn names_that_std_looks_up_are_those_of_the_network() {
    let report = report("looks_names_up", |_| ());
    assert_eq!(report.status, Status::Pass, "{}", evidence(&report));
    assert_eq!(report.record.counters.get("net.lookups_failed"), Some(&1), "the fault hit once");
}
