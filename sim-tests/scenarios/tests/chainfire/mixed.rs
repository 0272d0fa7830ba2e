//! The scenario for campaigns: everything at once.

use std::time::Duration;

use stormglass::faults::{LeaderHunter, Profile, Strike};

use stormglass::prelude::*;
use stormglass::{DiskOptions, LinkOptions};

use crate::cluster::{API_PORT, Cluster, Options, PEER_PORT};
use crate::workload::{Book, Load};

/// Machines differ: each seed draws how long a sync takes (from a fast SSD to a disk that is busy with other things) and how
/// far apart the nodes are (from one rack to neighbouring sites).
fn hardware(sim: &Sim) {
    let us = Duration::from_micros;
    let sync_latency = match sim.choose("disk class", "cluster", 0, 0, 3) {
        0 => us(100)..=us(1_000),
        1 => us(500)..=us(5_000),
        2 => us(1_000)..=us(15_000),
        _ => us(2_000)..=us(40_000),
    };
    sim.set_disks(DiskOptions { sync_latency, ..DiskOptions::default() });
    let (latency, jitter) = match sim.choose("link class", "cluster", 0, 0, 2) {
        0 => (us(50), us(100)),
        1 => (us(500), us(500)),
        _ => (us(2_000), us(4_000)),
    };
    sim.set_links(LinkOptions { jitter, ..LinkOptions::constant(latency) });
}

/// Half of the seeds have a nemesis that strikes whoever has just won an election.
fn hunt(sim: &Sim, cluster: &Cluster) {
    let strike = match sim.choose("nemesis", "cluster", 0, 0, 7) {
        0 => Strike::Isolate,
        1 => Strike::Kill,
        2 => Strike::PowerLoss,
        3 => Strike::Pause,
        _ => return,
    };
    sim.feature("leader hunt");
    let at_most = sim.choose("nemesis strikes", "cluster", 0, 1, 12);
    let hunter = LeaderHunter::new(sim.seed(), strike, cluster.names()).at_most(at_most);
    sim.nemesis(minority(cluster.names()), hunter);
}

/// Five nodes, five clients at 100 operations a second, a minute of mixed weather, then calm: linearizable, durable,
/// exactly once, and converged.
#[stormglass::scenario(
    time = "150s",
    families("network", "process"),
    profiles("calm", "rough", "storm"),
    tags("campaign")
)]
async fn chainfire_mixed(sim: Sim) -> Outcome {
    sim.keep_going();
    let size = sim.param("nodes").and_then(|n| n.parse().ok()).unwrap_or(5);
    let snapshot_entries = sim.choose("snapshot entries", "cluster", 0, 100, 3_000);
    let cluster = Cluster::start(&sim, Options { size, snapshot_entries, ..Options::default() });
    hardware(&sim);
    let profile = match sim.param("profile") {
        Some("calm") => Profile::Calm,
        Some("storm") => Profile::Storm,
        _ => Profile::Rough,
    };
    cluster.leader_within(Duration::from_secs(10)).await?;
    let minute = Duration::from_secs(60);
    let storm = swarm()
        .everything()
        .profile(profile)
        .sparing(minority(cluster.names()))
        .port(stormglass::faults::Protocol::Tcp, API_PORT)
        .port(stormglass::faults::Protocol::Tcp, PEER_PORT)
        .between(sim.now(), minute);
    sim.storm(storm);
    hunt(&sim, &cluster);
    let book = Book::new();
    let duration = minute.saturating_sub(sim.now());
    book.run(&cluster, Load { clients: 5, rate: 100, keys: 10, duration }).await;
    sim.calm(Duration::from_secs(30)).until(async || cluster.converged().await).await?;
    sim.demand_cuts_hit(3, Duration::from_secs(1));
    {
        let picture = cluster.picture.lock();
        sim.count("elections", picture.elections);
        sim.count("truncations", picture.truncations);
        sim.count("snapshots installed", picture.installs);
    }
    sim.count("operations", book.history.with(|h| h.len()) as u64);
    sim.count("acknowledged unique writes", book.acknowledged() as u64);
    book.judge(&cluster).await
}
