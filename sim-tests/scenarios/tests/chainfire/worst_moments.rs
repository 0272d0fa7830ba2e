//! Faults at the worst of moments: right after an acknowledgement, a vote or a sync, and while a snapshot is sent.

use std::time::Duration;

use chainfire::Limits;
use stormglass::prelude::*;
use stormglass::{DiskOptions, LinkOptions};

use crate::cluster::{Cluster, Options};
use crate::workload::{Book, Load};

/// The plan, which `--plan` replaces.
const PLAN: &str = include_str!("worst-moments.plan");

/// Whatever a node promised a moment ago holds when it loses power right then.
#[stormglass::scenario(time = "60s", families("network", "process"), tags("recovery"))]
async fn chainfire_worst_moments(sim: Sim) -> Outcome {
    sim.keep_going();
    // Snapshots soon, and of many parts.
    let limits = Limits { snapshot_entries: 200, snapshot_trailing: 10, snapshot_chunk_bytes: 64, ..Limits::default() };
    let cluster = Cluster::start(&sim, Options { size: 5, limits, ..Options::default() });
    sim.set_links(LinkOptions::default());
    sim.set_disks(DiskOptions::default());
    cluster.carry_out("worst-moments.plan", PLAN);
    cluster.leader_within(Duration::from_secs(10)).await?;
    let book = Book::new();
    book.run(&cluster, Load { clients: 5, rate: 100, keys: 10, duration: Duration::from_secs(20) }).await;
    sim.calm(Duration::from_secs(30)).until(async || cluster.converged().await).await?;
    book.judge(&cluster).await
}
