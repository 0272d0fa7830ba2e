//! The cluster cut in pieces: the catalogue's rows on partitions.

use stormglass::check::Evidence;
use stormglass::faults::{Fault, NodeName, flap, isolate, one_way, partition};
use stormglass::prelude::*;

use crate::cluster::Cluster;
use crate::expect::{agreement, demand, hit, ms, no_acknowledgement, rest, s, write};
use crate::workload::{Book, Load};

const LOAD: Load = Load { clients: 3, rate: 50, keys: 5, duration: s(12) };

fn names(cluster: &Cluster, ids: impl IntoIterator<Item = u64>) -> Vec<NodeName> {
    ids.into_iter().map(|id| cluster.name(id)).collect()
}

/// Runs clients while `story` runs, then rests and judges what the clients saw.
async fn under_load(cluster: &Cluster, story: impl Future<Output = Result<(), Evidence>>) -> Outcome {
    let book = Book::new();
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, LOAD).await })
    };
    story.await?;
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(cluster, s(15)).await?;
    book.judge(cluster).await
}

async fn isolated_leader(sim: Sim, cut: impl Fn(&Cluster, u64) -> Fault) -> Outcome {
    let cluster = Cluster::of(&sim, 5);
    let (old, _) = cluster.leader_within(s(5)).await?;
    under_load(&cluster, async {
        sim.sleep(s(1)).await;
        let fault = sim.inject(cut(&cluster, old));
        let (_, took) = cluster.leader_among(s(2), |leader| leader != old).await?;
        sim.count("election ms", took.as_millis() as u64);
        sim.sleep(s(2)).await;
        hit(&sim, fault)?;
        sim.heal(fault);
        agreement(&cluster, s(10)).await.map(|_| ())
    })
    .await
}

/// The leader of five is cut off from everyone: a new one within 2 s; healed, all agree within 10 s; linearizable.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_leader_isolation_reelection(sim: Sim) -> Outcome {
    isolated_leader(sim, |cluster, leader| isolate(cluster.name(leader), cluster.names())).await
}

/// The leader's packets no longer arrive anywhere, while it still hears everyone: the same must hold.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_leader_isolation_one_way(sim: Sim) -> Outcome {
    isolated_leader(sim, |cluster, leader| one_way(cluster.name(leader), cluster.others(leader))).await
}

/// `n1, n2, n3 | n4, n5`: the majority has a leader, the minority acknowledges nothing.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_majority_partition_elects_leader(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 5);
    cluster.leader_within(s(5)).await?;
    let cut = sim.inject(partition(names(&cluster, 1..=3), names(&cluster, 4..=5)));
    cluster.leader_among(s(5), |leader| leader <= 3).await?;
    // An old leader in the minority may still believe it leads; it steps down within an election timeout.
    sim.sleep(s(2)).await;
    let leaders = cluster.picture.lock().leaders();
    demand(leaders.iter().all(|id| *id <= 3), "election safety", || format!("leaders in the minority: {leaders:?}"))?;
    no_acknowledgement(&cluster, &[4, 5]).await?;
    write(&mut cluster.client(), "majority", "1").await?;
    hit(&sim, cut)?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// After a partition is healed there is one leader within 10 s, and every replica is the same.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_partition_healing_converges(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 5);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let other = (1..=5).find(|id| *id != leader).unwrap_or(1);
    under_load(&cluster, async {
        sim.sleep(s(1)).await;
        let minority = names(&cluster, [leader, other]);
        let majority: Vec<_> = cluster.names().into_iter().filter(|n| !minority.contains(n)).collect();
        let cut = sim.inject(partition(minority, majority));
        sim.sleep(s(4)).await;
        hit(&sim, cut)?;
        sim.heal(cut);
        agreement(&cluster, s(10)).await.map(|_| ())
    })
    .await
}

/// Six nodes, three and three: neither half acknowledges anything; healed, it converges.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_symmetric_partition(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 6);
    cluster.leader_within(s(5)).await?;
    let cut = sim.inject(partition(names(&cluster, 1..=3), names(&cluster, 4..=6)));
    sim.sleep(s(3)).await;
    no_acknowledgement(&cluster, &[1, 2, 3, 4, 5, 6]).await?;
    let leaders = cluster.picture.lock().leaders();
    demand(leaders.len() <= 1, "election safety", || format!("leaders {leaders:?} in two halves"))?;
    hit(&sim, cut)?;
    sim.heal(cut);
    cluster.leader_within(s(5)).await?;
    write(&mut cluster.client(), "healed", "1").await?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// Seven nodes: first five and two, then three and four. Each time the majority has the leader.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_cascading_partitions(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 7);
    cluster.leader_within(s(5)).await?;
    let first = sim.inject(partition(names(&cluster, 1..=5), names(&cluster, 6..=7)));
    cluster.leader_among(s(5), |leader| leader <= 5).await?;
    write(&mut cluster.client(), "first", "1").await?;
    hit(&sim, first)?;
    sim.heal(first);
    let second = sim.inject(partition(names(&cluster, 1..=3), names(&cluster, 4..=7)));
    cluster.leader_among(s(5), |leader| leader >= 4).await?;
    write(&mut cluster.client(), "second", "2").await?;
    no_acknowledgement(&cluster, &[1, 2, 3]).await?;
    hit(&sim, second)?;
    sim.heal(second);
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// The leader ends up in the minority: the majority elects another, and the old one steps down within 3 s.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_partition_with_leader_in_minority(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 5);
    let (old, _) = cluster.leader_within(s(5)).await?;
    let friend = (1..=5).find(|id| *id != old).unwrap_or(1);
    under_load(&cluster, async {
        sim.sleep(s(1)).await;
        let minority = names(&cluster, [old, friend]);
        let majority: Vec<_> = cluster.names().into_iter().filter(|n| !minority.contains(n)).collect();
        let cut = sim.inject(partition(minority, majority));
        let stepped_down =
            sim.wait_until(s(3), ms(10), async || !cluster.picture.lock().leaders().contains(&old)).await;
        demand(stepped_down, "time", || format!("n{old} still leads a minority after 3 s"))?;
        cluster.leader_among(s(3), |leader| leader != old && leader != friend).await?;
        sim.sleep(s(2)).await;
        hit(&sim, cut)?;
        sim.heal(cut);
        Ok(())
    })
    .await
}

/// The network flaps five times, 500 ms cut and 500 ms healed: then a stable leader for 3 s, and terms did not run away.
#[stormglass::scenario(time = "90s", families("network"), tags("partition"))]
async fn chainfire_flapping_network(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let term = cluster.picture.lock().term;
    let fault = flap(cluster.name(leader), cluster.others(leader), ms(500), ms(500)).lasting(s(5));
    let flapping = sim.inject(fault);
    sim.sleep(s(5)).await;
    hit(&sim, flapping)?;
    let (stable, _) = cluster.leader_within(s(3)).await?;
    sim.sleep(s(3)).await;
    demand(cluster.picture.lock().leader() == Some(stable), "liveness", || format!("n{stable} did not stay leader"))?;
    let grown = cluster.picture.lock().term - term;
    // Each of the five cuts may cost one election, and each may have been split once.
    demand(grown <= 10, "term growth", || format!("the term grew by {grown} in five flaps"))?;
    sim.count("term growth", grown);
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}
