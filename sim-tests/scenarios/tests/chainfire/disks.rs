//! Disks that fail: a node that its disk stops says why, loses nothing that was acknowledged, and comes back.

use std::time::Duration;

use stormglass::check::Evidence;
use stormglass::faults::{DiskFault, Probability, disk, power_loss, restart};
use stormglass::prelude::*;

use crate::cluster::Cluster;
use crate::expect::{demand, hit, ms, read_back, rest, s, write};
use crate::workload::{Book, Load};

const LOAD: Load = Load { clients: 3, rate: 60, keys: 5, duration: s(20) };

/// Waits until its disk has stopped a node once more than `before`, and demands that what it says names the file and the
/// error of the system.
async fn stops(cluster: &Cluster, node: u64, before: usize, says: &str) -> Result<(), Evidence> {
    let stopped = cluster.sim.wait_until(s(5), ms(10), async || cluster.disk_stops(node).len() > before).await;
    demand(stopped, "surfaces", || format!("n{node} did not stop within 5 s of its disk's failure"))?;
    let said = cluster.disk_stops(node).swap_remove(before);
    let clear = said.contains(says) && said.contains(" /data") && said.contains(&format!("node {node} "));
    demand(clear, "clear error", || format!("n{node} stopped and said: {said}"))
}

/// Under load the leader's disk fails, then a follower's. Each time the node stops with an error that names the file and
/// the cause, the others go on, and the node comes back when its disk is well; then it loses power, so that nothing which
/// it took for durable in between goes unproven.
async fn disk_fails_once_here_once_there(sim: &Sim, fault: DiskFault, says: &str) -> Outcome {
    let cluster = Cluster::of(sim, 3);
    cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, LOAD).await })
    };
    let mut client = cluster.client();
    for leads in [true, false] {
        sim.sleep(s(1)).await;
        let (leader, _) = cluster.leader_within(s(5)).await?;
        let victim = if leads { leader } else { leader % 3 + 1 };
        let before = cluster.disk_stops(victim).len();
        let broken = sim.inject(disk(cluster.name(victim), fault));
        if matches!(fault, DiskFault::ReadErrors(_)) {
            // A running node reads nothing.
            sim.inject(restart(cluster.name(victim)));
        }
        stops(&cluster, victim, before, says).await?;
        cluster.leader_among(s(5), |leader| leader != victim).await?;
        write(&mut client, "quorum", &format!("{leads}")).await?;
        hit(sim, broken)?;
        sim.heal(broken);
        sim.sleep(s(3)).await;
        sim.inject_for(power_loss(cluster.name(victim)), ms(300)).await;
        sim.sleep(s(1)).await;
        read_back(&mut client, "quorum", &format!("{leads}")).await?;
    }
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(15)).await?;
    book.judge(&cluster).await
}

/// No room is left: `ENOSPC`.
#[stormglass::scenario(time = "120s", families("disk", "process"), tags("disk"))]
async fn chainfire_disk_full(sim: Sim) -> Outcome {
    disk_fails_once_here_once_there(&sim, DiskFault::Full, "No space left on device (os error 28)").await
}

/// Some room is left, and is used up while the node runs.
#[stormglass::scenario(time = "120s", families("disk", "process"), tags("disk"))]
async fn chainfire_disk_fills_up(sim: Sim) -> Outcome {
    disk_fails_once_here_once_there(&sim, DiskFault::Space(8_192), "No space left on device (os error 28)").await
}

/// Writes fail: `EIO`.
#[stormglass::scenario(time = "120s", families("disk", "process"), tags("disk"))]
async fn chainfire_disk_write_errors(sim: Sim) -> Outcome {
    disk_fails_once_here_once_there(&sim, DiskFault::WriteErrors(Probability::ONE), "(os error 5)").await
}

/// Syncs fail, and what they should have written never will be, though the page cache shows it to whoever reads it.
#[stormglass::scenario(time = "120s", families("disk", "process"), tags("disk"))]
async fn chainfire_disk_sync_errors(sim: Sim) -> Outcome {
    disk_fails_once_here_once_there(&sim, DiskFault::SyncErrors(Probability::ONE), "(os error 5)").await
}

/// Reads fail when a node starts.
#[stormglass::scenario(time = "120s", families("disk", "process"), tags("disk"))]
async fn chainfire_disk_read_errors(sim: Sim) -> Outcome {
    disk_fails_once_here_once_there(&sim, DiskFault::ReadErrors(Probability::ONE), "(os error 5)").await
}

/// The file system becomes read-only: `EROFS`.
#[stormglass::scenario(time = "120s", families("disk", "process"), tags("disk"))]
async fn chainfire_disk_read_only(sim: Sim) -> Outcome {
    disk_fails_once_here_once_there(&sim, DiskFault::ReadOnly, "Read-only file system (os error 30)").await
}

/// All disks run full at once, as equal disks of equal nodes do: nothing is acknowledged, and nothing that was is lost.
#[stormglass::scenario(time = "120s", families("disk"), tags("disk"))]
async fn chainfire_disk_full_everywhere(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let mut client = cluster.client();
    write(&mut client, "before", "1").await?;
    let full = sim.inject(disk(cluster.names(), DiskFault::Full));
    let result = client.put("meanwhile", "1").await;
    demand(result.is_err(), "no acknowledgement without a quorum", || "a write found room".to_owned())?;
    hit(&sim, full)?;
    sim.heal(full);
    cluster.leader_within(s(10)).await?;
    sim.inject_for(power_loss(cluster.names()), ms(300)).await;
    cluster.leader_within(s(10)).await?;
    read_back(&mut client, "before", "1").await?;
    write(&mut client, "after", "1").await?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// A follower's disk stalls: nobody waits for it, since the others are a quorum.
#[stormglass::scenario(time = "120s", families("disk"), tags("disk"))]
async fn chainfire_disk_slow_follower(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let mut client = cluster.client_starting_at(leader);
    write(&mut client, "first", "1").await?;
    let stall = sim.inject(disk(cluster.name(leader % 3 + 1), DiskFault::Stall(s(2))));
    for n in 0..50 {
        let begun = sim.now();
        write(&mut client, "key", &format!("{n}")).await?;
        let took = sim.now() - begun;
        demand(took < Duration::from_millis(50), "time", || format!("a write took {took:?} beside one slow disk"))?;
    }
    hit(&sim, stall)?;
    demand(cluster.disk_stops(leader % 3 + 1).is_empty(), "surfaces", || "a slow disk is no error".to_owned())?;
    rest(&cluster, s(30)).await?;
    Ok(Verdict::Pass)
}
