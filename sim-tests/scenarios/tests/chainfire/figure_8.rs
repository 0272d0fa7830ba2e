//! Figure 8 of the Raft paper, as a plan of a few lines that anyone may edit.

use std::time::Duration;

use chainfire::Limits;
use stormglass::prelude::*;
use stormglass::{DiskOptions, LinkOptions};

use crate::cluster::{Cluster, Options};
use crate::workload::{Book, Load};

/// The plan, which `--plan` replaces.
const PLAN: &str = include_str!("figure-8.plan");

/// An entry of an older term is replicated to a majority under a new leader, who then falls silent. What was acknowledged by
/// then must stay, and nothing may be acknowledged that the next leader overwrites.
#[stormglass::scenario(time = "60s", families("network", "process"), tags("election"))]
async fn chainfire_figure_8(sim: Sim) -> Outcome {
    sim.keep_going();
    // One entry in a message and one message at a time, as the figure has it.
    let limits = Limits { append_bytes: 1, append_window: 1, ..Limits::default() };
    let cluster = Cluster::start(&sim, Options { size: 5, limits, ..Options::default() });
    sim.set_links(LinkOptions::default());
    sim.set_disks(DiskOptions::default());
    cluster.carry_out("figure-8.plan", PLAN);
    cluster.leader_within(Duration::from_secs(10)).await?;
    // So many that several entries are under way when the first leader is cut off.
    let book = Book::new();
    book.run(&cluster, Load { clients: 20, rate: 300, keys: 10, duration: Duration::from_secs(12) }).await;
    sim.calm(Duration::from_secs(30)).until(async || cluster.converged().await).await?;
    book.judge(&cluster).await
}
