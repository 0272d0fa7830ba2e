//! The scenario for campaigns: everything at once.

use std::time::Duration;

use chainfire::Limits;
use stormglass::faults::{Budget, Kind, LeaderHunter, Level, Profile, Strike, Topology};

use stormglass::prelude::*;
use stormglass::{CrashModel, DiskOptions, LinkOptions};

use crate::cluster::{API_PORT, Cluster, ELECTED, FIRST_COMMIT, Options, PEER_PORT};
use crate::workload::{Book, Load};

/// Machines differ: each seed draws how long a sync takes (from a fast SSD to a disk that is busy with other things), which
/// file system there is, and how far
/// apart the nodes are (from one rack to neighbouring sites).
fn hardware(sim: &Sim) {
    let us = Duration::from_micros;
    let sync_latency = match sim.choose("disk class", "cluster", 0, 0, 3) {
        0 => us(100)..=us(1_000),
        1 => us(500)..=us(5_000),
        2 => us(1_000)..=us(15_000),
        _ => us(2_000)..=us(40_000),
    };
    let crash_model = match sim.choose("file system", "cluster", 0, 0, 3) {
        0 => CrashModel::Ext4Ordered,
        1 => CrashModel::Xfs,
        _ => CrashModel::Strict,
    };
    sim.set_disks(DiskOptions { sync_latency, crash_model, ..DiskOptions::default() });
    let (latency, jitter) = match sim.choose("link class", "cluster", 0, 0, 2) {
        0 => (us(50), us(100)),
        1 => (us(500), us(500)),
        _ => (us(2_000), us(4_000)),
    };
    sim.set_links(LinkOptions { jitter, ..LinkOptions::constant(latency) });
}

/// Limits at rare sizes: what a large limit makes of a burst in one message, one file or one snapshot, a small one makes in
/// many steps, and a fault may fall between any two.
fn limits(sim: &Sim) -> Limits {
    let defaults = Limits::default();
    let one_of = |what, rare: [u64; 2], usual: u64| match sim.choose(what, "cluster", 0, 0, 3) {
        0 => rare[0],
        1 => rare[1],
        _ => usual,
    };
    Limits {
        snapshot_entries: sim.choose("snapshot entries", "cluster", 0, 100, 3_000),
        snapshot_trailing: one_of("snapshot trailing", [0, 10], defaults.snapshot_trailing),
        snapshot_chunk_bytes: one_of("snapshot chunk", [64, 1_000], defaults.snapshot_chunk_bytes as u64) as usize,
        append_bytes: one_of("append bytes", [1, 500], defaults.append_bytes as u64) as usize,
        append_window: one_of("append window", [1, 2], defaults.append_window as u64) as usize,
        segment_bytes: one_of("segment bytes", [2_000, 30_000], defaults.segment_bytes),
        ..defaults
    }
}

/// In half of the seeds the service takes its rare paths, and in half its inner limits have rare sizes.
fn product(sim: &Sim) {
    if sim.choose("rare paths", "cluster", 0, 0, 1) == 1 {
        sim.buggify();
    }
    if sim.choose("rare sizes", "cluster", 0, 0, 1) == 1 {
        sim.knobs();
    }
}

/// What is left out of the storms: faults that take from a node what it was told is durable. A member of Raft that forgets its
/// vote or its log is a faulty one, whatever it does about it; ChainFire's tell, and need a human.
const DAMAGE: [Kind; 6] = [
    Kind::LyingSync,
    Kind::BitRot,
    Kind::MisdirectedWrites,
    Kind::MisdirectedReads,
    Kind::DiskReplaced,
    Kind::DiskSwap,
];

/// Two nodes in each zone, the last one alone where their number is odd.
fn zones(cluster: &Cluster) -> Topology {
    let pairs = cluster.names().chunks(2).map(<[NodeName]>::to_vec).collect::<Vec<_>>();
    let zone = |topology: Topology, (at, nodes)| topology.domain(Level::Zone, format!("zone {}", at + 1), nodes);
    pairs.into_iter().enumerate().fold(Topology::new(), zone)
}

/// Whom the faults spare: a minority may be out, and in one seed of four everybody, who then comes back with his disk.
fn budget(sim: &Sim, cluster: &Cluster) -> Budget {
    match sim.choose("budget", "cluster", 0, 0, 3) {
        0 => Budget::restarts_unbounded(cluster.names()),
        _ => minority(cluster.names()),
    }
}

/// Most seeds have a nemesis that strikes leaders when they have just won an election, or when they have just committed
/// their first entry, or both: always in the same way, or each time in another one.
fn hunt(sim: &Sim, cluster: &Cluster, budget: &Budget) {
    let mut possible = vec![Strike::Isolate, Strike::Mute, Strike::Kill, Strike::PowerLoss, Strike::Pause];
    if budget.out_max() == cluster.nodes.len() {
        possible.push(Strike::Blackout);
    }
    let strikes = match sim.choose("nemesis", "cluster", 0, 0, 9) {
        0..2 => return,
        2..6 => &possible[..],
        _ => {
            let at = sim.choose("nemesis strike", "cluster", 0, 0, possible.len() as u64 - 1) as usize;
            &possible[at..=at]
        }
    };
    sim.feature("leader hunt");
    let at_most = 1 << sim.choose("nemesis strikes", "cluster", 0, 1, 6);
    let moments = match sim.choose("nemesis moments", "cluster", 0, 0, 2) {
        0 => &[ELECTED][..],
        1 => &[FIRST_COMMIT],
        _ => &[ELECTED, FIRST_COMMIT],
    };
    for moment in moments {
        let hunter = LeaderHunter::mixed(sim.seed(), strikes, cluster.names()).on_probe(*moment).at_most(at_most);
        sim.nemesis(budget.clone(), hunter);
    }
}

/// Five nodes, five clients at 100 operations a second, a minute of mixed weather, then calm: linearizable, durable,
/// exactly once, and converged.
#[stormglass::scenario(
    time = "150s",
    families("network", "process", "disk", "clock"),
    profiles("calm", "rough", "storm"),
    properties("chainfire"),
    sometimes_within = 500,
    tags("campaign")
)]
async fn chainfire_mixed(sim: Sim) -> Outcome {
    sim.keep_going();
    let size = sim.param("nodes").and_then(|n| n.parse().ok()).unwrap_or(5);
    product(&sim);
    let cluster = Cluster::start(&sim, Options { size, limits: limits(&sim), ..Options::default() });
    hardware(&sim);
    let budget = budget(&sim, &cluster);
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
        .sparing(budget.clone())
        .port(stormglass::faults::Protocol::Tcp, API_PORT)
        .port(stormglass::faults::Protocol::Tcp, PEER_PORT)
        .topology(zones(&cluster))
        .between(sim.now(), minute);
    // Without the swarm everything is on in every seed.
    let storm = if sim.param("swarm") == Some("off") { storm.all_on() } else { storm };
    sim.storm(DAMAGE.into_iter().fold(storm, |storm, kind| storm.without(kind)));
    hunt(&sim, &cluster, &budget);
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
        sim.count("nodes stopped by their disks", picture.disk_stops.len() as u64);
    }
    sim.count("operations", book.history.with(|h| h.len()) as u64);
    sim.count("acknowledged unique writes", book.acknowledged() as u64);
    book.judge(&cluster).await
}

/// Half a minute of rough weather, and then calm of another kind: a core of three, drawn by the seed, goes on without the other two,
/// who never come back. It comes to rest, still takes writes, and has lost nothing.
#[stormglass::scenario(time = "120s", families("network", "process", "disk", "clock"), tags("campaign"))]
async fn chainfire_random_core(sim: Sim) -> Outcome {
    sim.keep_going();
    let cluster = Cluster::start(&sim, Options { size: 5, limits: limits(&sim), ..Options::default() });
    hardware(&sim);
    let budget = budget(&sim, &cluster);
    cluster.leader_within(Duration::from_secs(10)).await?;
    let end = Duration::from_secs(30);
    let storm = swarm().everything().sparing(budget.clone()).topology(zones(&cluster)).between(sim.now(), end);
    sim.storm(DAMAGE.into_iter().fold(storm, |storm, kind| storm.without(kind)));
    let book = Book::new();
    let duration = end.saturating_sub(sim.now());
    book.run(&cluster, Load { clients: 3, rate: 50, keys: 5, duration }).await;
    let calm = sim.calm_with_core(&budget, Duration::from_secs(30));
    let core = calm.core().to_vec();
    calm.until(async || cluster.converged_among(&core).await).await?;
    let up = cluster.nodes.iter().filter(|node| sim.is_up(node)).map(|node| node.name().clone());
    if core.len() != 3 || !up.eq(core.iter().cloned()) {
        return Err(Evidence::new("non-vacuity", format!("the core is {core:?}, and others are up")));
    }
    let write = cluster.client().put("after the storm", "1").await;
    write.map_err(|error| Evidence::new("liveness", format!("the core acknowledged no write: {error}")))?;
    book.judge(&cluster).await
}
