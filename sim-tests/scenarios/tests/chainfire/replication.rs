//! What is written, and where it ends up: the catalogue's rows T-1 and T-3 to T-7.

use chainfire::Limits;
use stormglass::faults::{Links, Probability, isolate, kill, latency, loss, pause, power_loss};
use stormglass::prelude::*;

use crate::cluster::{Cluster, Options};
use crate::expect::{demand, hit, ms, read_back, rest, s, write};
use crate::workload::{Book, Load};

/// T-1. A single node elects itself in term 1, serves puts, gets and deletes, and has everything after a power loss.
#[stormglass::scenario(time = "60s", families("process"), tags("replication"))]
async fn chainfire_t1_single_node_kv_operations(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 1);
    cluster.leader_within(s(5)).await?;
    demand(cluster.picture.lock().term == 1, "election safety", || "the first term is not 1".to_owned())?;
    let mut client = cluster.client();
    for n in 0..20 {
        write(&mut client, &format!("k{n}"), &n.to_string()).await?;
    }
    let deleted = client.delete(chainfire::kv::api::Select::Key("k0".into())).await;
    demand(matches!(&deleted, Ok((_, r)) if r.deleted == 1), "liveness", || {
        format!("the delete answered {deleted:?}")
    })?;
    let outage = sim.inject(power_loss(cluster.name(1)));
    sim.sleep(s(1)).await;
    hit(&sim, outage)?;
    sim.heal(outage);
    cluster.leader_within(s(5)).await?;
    for n in 1..20 {
        read_back(&mut client, &format!("k{n}"), &n.to_string()).await?;
    }
    let gone = client.get("k0").await;
    demand(matches!(gone, Ok(None)), "durability", || format!("the deleted key reads {gone:?}"))?;
    Ok(Verdict::Pass)
}

/// T-3. A cluster forms over slow links, and heartbeats keep its leader for ten seconds.
#[stormglass::scenario(time = "60s", families("network"), tags("replication"))]
async fn chainfire_t3_cluster_formation(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let slow = sim.inject(latency(Links::among(cluster.names()), ms(10)));
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let elections = cluster.picture.lock().elections;
    sim.sleep(s(10)).await;
    let picture = cluster.picture.lock();
    demand(picture.leader() == Some(leader) && picture.elections == elections, "liveness", || {
        format!("{} elections while nothing was wrong", picture.elections - elections)
    })?;
    drop(picture);
    hit(&sim, slow)?;
    Ok(Verdict::Pass)
}

/// T-4. Writes are replicated, committed and applied everywhere over links that lose a tenth of all packets.
#[stormglass::scenario(time = "120s", families("network"), tags("replication"))]
async fn chainfire_t4_write_replicate_commit(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let lossy = sim.inject(loss(Links::among(cluster.names()), Probability::percent::<10>()));
    let mut client = cluster.client();
    let mut written = 0;
    for n in 0..50 {
        // Under loss an attempt may time out: what counts is what was acknowledged.
        if client.put(format!("k{n}"), n.to_string()).await.is_ok() {
            written += 1;
        }
    }
    demand(written >= 25, "liveness", || format!("only {written} of 50 writes got through 10 % loss"))?;
    hit(&sim, lossy)?;
    rest(&cluster, s(20)).await?;
    let committed = cluster.picture.lock().committed;
    demand(committed >= written, "commit", || format!("{committed} entries committed, {written} acknowledged"))?;
    Ok(Verdict::Pass)
}

/// T-5. Many writes from several clients keep one order everywhere, while the leader's links come and go, so that entries
/// are sent late and again.
#[stormglass::scenario(time = "120s", families("network"), tags("replication"))]
async fn chainfire_t5_commit_consistency(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let load = Load { clients: 4, rate: 80, keys: 3, duration: s(12) };
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, load).await })
    };
    let lossy = sim.inject(loss(Links::among(cluster.names()), Probability::percent::<5>()));
    for _ in 0..3 {
        sim.sleep(s(1)).await;
        let (leader, _) = cluster.leader_within(s(5)).await?;
        let cut = sim.inject_for(isolate(cluster.name(leader), cluster.names()), ms(1_500)).await;
        hit(&sim, cut)?;
    }
    hit(&sim, lossy)?;
    sim.heal(lossy);
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(15)).await?;
    book.judge(&cluster).await
}

/// T-6. Followers refuse writes and name the leader, who takes them; a leader that was stopped and overtaken refuses them too.
#[stormglass::scenario(time = "60s", families("process"), tags("replication"))]
async fn chainfire_t6_leader_only_write(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    for follower in (1..=3).filter(|id| *id != leader) {
        let by = cluster.acknowledged_by(follower).await;
        demand(by == Some(leader), "no acknowledgement by a follower", || {
            format!("n{follower} was asked for a write, n{leader} leads, and the acknowledgement came from {by:?}")
        })?;
    }
    let stop = sim.inject(pause(cluster.name(leader)));
    let (newer, _) = cluster.leader_among(s(5), |id| id != leader).await?;
    write(&mut cluster.client_of(newer), "newer", "1").await?;
    hit(&sim, stop)?;
    sim.heal(stop);
    let by = cluster.acknowledged_by(leader).await;
    demand(by != Some(leader), "no acknowledgement by a stale leader", || format!("n{leader} acknowledged"))?;
    rest(&cluster, s(10)).await?;
    Ok(Verdict::Pass)
}

/// T-7. A follower that was down catches up from its log and the leader's.
#[stormglass::scenario(time = "60s", families("process"), tags("replication"))]
async fn chainfire_t7_follower_restart_catches_up(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let mut client = cluster.client();
    write(&mut client, "before", "1").await?;
    let follower = leader % 3 + 1;
    let crash = sim.inject(kill(cluster.name(follower)));
    for n in 0..50 {
        write(&mut client, &format!("k{n}"), "1").await?;
    }
    hit(&sim, crash)?;
    sim.heal(crash);
    rest(&cluster, s(10)).await?;
    demand(cluster.picture.lock().installs == 0, "replication", || "a snapshot was sent for 50 entries".to_owned())?;
    Ok(Verdict::Pass)
}

/// T-7. A leader that is cut off takes writes it cannot commit: they are gone after the new leader's, and nobody was told
/// otherwise.
#[stormglass::scenario(time = "60s", families("network"), tags("replication"))]
async fn chainfire_t7_uncommitted_tail_is_replaced(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (old, _) = cluster.leader_within(s(5)).await?;
    write(&mut cluster.client(), "k", "committed").await?;
    let mut lonely = cluster.client_of(old);
    write(&mut lonely, "warm", "1").await?;
    let cut = sim.inject(isolate(cluster.name(old), cluster.names()));
    let result = lonely.put("k", "uncommitted").await;
    demand(result.is_err(), "no acknowledgement without a quorum", || "a lone leader acknowledged".to_owned())?;
    let (newer, _) = cluster.leader_among(s(5), |id| id != old).await?;
    write(&mut cluster.client_of(newer), "k", "newer").await?;
    hit(&sim, cut)?;
    rest(&cluster, s(10)).await?;
    read_back(&mut cluster.client(), "k", "newer").await?;
    demand(cluster.picture.lock().truncations > 0, "non-vacuity", || "no uncommitted tail was truncated".to_owned())?;
    Ok(Verdict::Pass)
}

/// T-7. A follower that is too far behind is sent a snapshot, then the tail.
#[stormglass::scenario(time = "120s", families("process"), tags("replication"))]
async fn chainfire_t7_snapshot_install_then_tail(sim: Sim) -> Outcome {
    let cluster = Cluster::start(
        &sim,
        Options { limits: Limits { snapshot_entries: 50, ..Limits::default() }, ..Options::default() },
    );
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let follower = leader % 3 + 1;
    let crash = sim.inject(power_loss(cluster.name(follower)));
    let mut client = cluster.client();
    for n in 0..400 {
        write(&mut client, &format!("k{}", n % 60), &n.to_string()).await?;
    }
    hit(&sim, crash)?;
    sim.heal(crash);
    write(&mut client, "tail", "1").await?;
    rest(&cluster, s(15)).await?;
    demand(cluster.picture.lock().installs > 0, "non-vacuity", || "no snapshot was installed".to_owned())?;
    read_back(&mut client, "tail", "1").await?;
    Ok(Verdict::Pass)
}

/// T-7. A read asked of a follower is redirected, and what it then says is current.
#[stormglass::scenario(time = "60s", tags("replication"))]
async fn chainfire_t7_read_on_follower_is_redirected(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let mut writer = cluster.client();
    for n in 0..20 {
        write(&mut writer, "k", &n.to_string()).await?;
        let follower = (leader + n % 2) % 3 + 1;
        let mut reader = cluster.client_starting_at(follower);
        read_back(&mut reader, "k", &n.to_string()).await?;
    }
    Ok(Verdict::Pass)
}
