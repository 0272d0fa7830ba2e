//! Who leads, and when: the catalogue's rows on elections and crashes of leaders.

use stormglass::faults::{Links, kill, latency};
use stormglass::prelude::*;

use crate::cluster::Cluster;
use crate::expect::{agreement, demand, hit, ms, no_acknowledgement, rest, s, write};

/// Three nodes over slow links have a leader within 5 s, and all of them agree on it.
#[stormglass::scenario(time = "30s", families("network"), tags("election"))]
async fn chainfire_initial_leader_election(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let slow = sim.inject(latency(Links::among(cluster.names()), ms(20)));
    let (_, took) = cluster.leader_within(s(5)).await?;
    agreement(&cluster, s(5)).await?;
    hit(&sim, slow)?;
    sim.count("election ms", took.as_millis() as u64);
    Ok(Verdict::Pass)
}

/// The leader is killed: another one leads within 3 s, and what was acknowledged is still there.
#[stormglass::scenario(time = "60s", families("process"), tags("election"))]
async fn chainfire_leader_crash_reelection(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (old, _) = cluster.leader_within(s(5)).await?;
    let mut client = cluster.client();
    write(&mut client, "before", "1").await?;
    let crash = sim.inject(kill(cluster.name(old)));
    hit(&sim, crash)?;
    cluster.leader_among(s(3), |leader| leader != old).await?;
    write(&mut client, "after", "2").await?;
    crate::expect::read_back(&mut client, "before", "1").await?;
    rest(&cluster, s(10)).await?;
    Ok(Verdict::Pass)
}

/// Three of five nodes are killed: nobody leads and nothing is acknowledged. One comes back: a leader within 5 s.
#[stormglass::scenario(time = "90s", families("process"), tags("election"))]
async fn chainfire_majority_required_for_election(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 5);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    // The leader among the dead, so that those left have to elect.
    let mut dead = vec![leader];
    dead.extend((1..=5).filter(|id| *id != leader).take(2));
    let alive: Vec<u64> = (1..=5).filter(|id| !dead.contains(id)).collect();
    let crashes: Vec<_> = dead.iter().map(|&id| sim.inject(kill(cluster.name(id)))).collect();
    crashes.iter().try_for_each(|&id| hit(&sim, id))?;
    let elections = cluster.picture.lock().elections;
    sim.sleep(s(5)).await;
    no_acknowledgement(&cluster, &alive).await?;
    let more = cluster.picture.lock().elections - elections;
    demand(more == 0, "election safety", || format!("{more} elections won without a majority"))?;
    sim.heal(crashes[1]);
    cluster.leader_within(s(5)).await?;
    write(&mut cluster.client(), "again", "1").await?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// The leader is killed three times in a cluster of five. The third kill leaves two nodes, which is no quorum: nobody may
/// lead then, and nothing may be acknowledged.
#[stormglass::scenario(time = "90s", families("process"), tags("election"))]
async fn chainfire_rapid_leader_changes(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 5);
    let mut alive: Vec<u64> = (1..=5).collect();
    for _ in 0..3 {
        let among = alive.clone();
        let (leader, _) = cluster.leader_among(s(5), |leader| among.contains(&leader)).await?;
        write(&mut cluster.client(), "k", &leader.to_string()).await?;
        let crash = sim.inject(kill(cluster.name(leader)));
        hit(&sim, crash)?;
        alive.retain(|id| *id != leader);
    }
    let elections = cluster.picture.lock().elections;
    sim.sleep(s(2)).await;
    no_acknowledgement(&cluster, &alive).await?;
    demand(cluster.picture.lock().elections == elections, "election safety", || "two of five elected".to_owned())?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// The leader is killed three times, and each is back before the next is killed: stable within 2 s after the last.
#[stormglass::scenario(time = "90s", families("process"), tags("election"))]
async fn chainfire_rapid_leader_changes_with_restarts(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 5);
    let mut old = 0;
    for _ in 0..3 {
        let (leader, _) = cluster.leader_among(s(5), |leader| leader != old).await?;
        write(&mut cluster.client(), "k", &leader.to_string()).await?;
        let crash = sim.inject(kill(cluster.name(leader)));
        hit(&sim, crash)?;
        cluster.leader_among(s(5), |other| other != leader).await?;
        sim.heal(crash);
        old = leader;
    }
    let (leader, _) = cluster.leader_among(s(2), |leader| leader != old).await?;
    sim.sleep(s(2)).await;
    demand(cluster.picture.lock().leader() == Some(leader), "liveness", || format!("n{leader} did not stay leader"))?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// Three followers of seven die at one instant: the leader stays, and writes go on.
#[stormglass::scenario(time = "60s", families("process"), tags("election"))]
async fn chainfire_simultaneous_node_failures(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 7);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let mut client = cluster.client();
    write(&mut client, "before", "1").await?;
    let dead: Vec<_> = cluster.others(leader).into_iter().take(3).collect();
    let crash = sim.inject(kill(dead));
    hit(&sim, crash)?;
    for n in 0..20 {
        write(&mut client, "during", &n.to_string()).await?;
        sim.sleep(ms(100)).await;
    }
    let now = cluster.picture.lock().leader();
    demand(now == Some(leader), "liveness", || {
        format!("n{leader} led with four of seven alive, and now {now:?} does")
    })?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}
