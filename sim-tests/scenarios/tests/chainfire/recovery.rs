//! Losing a node and getting it back: the catalogue's rows S1, S3, S4, A3 and R2.

use chainfire::client::AttemptOutcome;
use stormglass::DiskOptions;
use stormglass::check::Evidence;
use stormglass::faults::{Direction, block_port, graceful_stop, kill, one_way, pause, power_loss};
use stormglass::prelude::*;

use crate::cluster::{API_PORT, Cluster};
use crate::expect::{demand, hit, ms, no_acknowledgement, read_back, rest, s, write};
use crate::workload::{Book, Load};

const LOAD: Load = Load { clients: 3, rate: 60, keys: 5, duration: s(15) };

/// S1. Clients of the leader are filtered at its port. Operations meanwhile end in success elsewhere or in a clear error
/// after at most three retries, 0.5, 1 and 2 s apart; unblocked, they work again. Linearizable and durable throughout.
#[stormglass::scenario(time = "120s", families("network"), tags("recovery"))]
async fn chainfire_s1_leader_port_blocked(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, LOAD).await })
    };
    sim.sleep(s(2)).await;
    let block = sim.inject(block_port(cluster.name(leader), API_PORT, Direction::In));
    let mut client = chainfire::Client::new(vec![cluster.members[leader as usize - 1].api.clone()]);
    let begun = sim.now();
    let result = client.put("blocked", "1").await;
    demand(result.is_err(), "non-vacuity", || "a write reached the leader through the filter".to_owned())?;
    retries_are_spaced(&client)?;
    let took = sim.now() - begun;
    demand(took < s(20), "surfaces", || format!("the error took {took:?}"))?;
    hit(&sim, block)?;
    sim.heal(block);
    write(&mut client, "unblocked", "1").await?;
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(15)).await?;
    book.judge(&cluster).await
}

/// Demands a first attempt and three retries, each begun its documented wait after the one before ended.
fn retries_are_spaced(client: &chainfire::Client) -> Result<(), Evidence> {
    let attempts = client.last_attempts().made();
    demand(attempts.len() == 4, "time", || {
        format!("{} attempts, and not a first one with three retries", attempts.len())
    })?;
    for (pair, wait) in attempts.windows(2).zip([500, 1_000, 2_000]) {
        let gap = pair[1].began.saturating_duration_since(pair[0].ended);
        let late = gap.saturating_sub(ms(wait));
        demand(gap >= ms(wait) && late < ms(1), "time", || {
            format!("a wait of {gap:?} where {wait} ms are documented")
        })?;
        let answered = matches!(pair[0].outcome, AttemptOutcome::Answered);
        demand(!answered, "time", || "an answered attempt was retried".to_owned())?;
    }
    Ok(())
}

/// S3. What is sent to n2 is dropped, what it sends is not: two of three go on writing. Another dies: writes fail with an
/// error. Healed, everything is as it was acknowledged.
#[stormglass::scenario(time = "120s", families("network", "process"), tags("recovery"))]
async fn chainfire_s3_asymmetric_partition_then_crash(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let deaf = sim.inject(one_way(cluster.others(2), cluster.name(2)));
    cluster.leader_among(s(5), |leader| leader != 2).await?;
    let mut client = cluster.client();
    write(&mut client, "two of three", "1").await?;
    let other = if cluster.picture.lock().leader() == Some(1) { 3 } else { 1 };
    let crash = sim.inject(kill(cluster.name(other)));
    sim.sleep(s(2)).await;
    no_acknowledgement(&cluster, &[1, 2, 3]).await?;
    hit(&sim, deaf)?;
    hit(&sim, crash)?;
    sim.heal(crash);
    sim.heal(deaf);
    cluster.leader_within(s(5)).await?;
    read_back(&mut client, "two of three", "1").await?;
    write(&mut client, "all three", "2").await?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// S4. Every node in turn gets SIGTERM, stops, and starts again: clients get through with their retries, and nothing
/// acknowledged is lost.
#[stormglass::scenario(time = "120s", families("process"), tags("recovery"))]
async fn chainfire_s4_service_restart(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, LOAD).await })
    };
    for id in 1..=3 {
        sim.sleep(s(1)).await;
        let stop = sim.inject(graceful_stop(cluster.name(id)));
        let node = cluster.nodes[id as usize - 1].clone();
        let stopped = sim.wait_until(s(5), ms(10), async || !sim.is_up(&node)).await;
        demand(stopped, "liveness", || format!("n{id} did not stop within 5 s of SIGTERM"))?;
        let exit = sim.exits().into_iter().rev().find(|(name, _)| *name == cluster.name(id));
        demand(matches!(exit, Some((_, Ok(())))), "graceful stop", || format!("n{id} ended with {exit:?}"))?;
        hit(&sim, stop)?;
        sim.sleep(s(1)).await;
        sim.heal(stop);
        cluster.leader_within(s(5)).await?;
    }
    write(&mut cluster.client(), "after the round", "1").await?;
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(15)).await?;
    book.judge(&cluster).await
}

/// A3. One of three is killed, another time paused, another time cut off: the quorum is kept, reads and writes go on.
#[stormglass::scenario(time = "180s", families("network", "process"), tags("recovery"))]
async fn chainfire_a3_one_of_three(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let load = Load { duration: s(30), ..LOAD };
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, load).await })
    };
    let mut client = cluster.client();
    for round in 0..3_u64 {
        for leads in [true, false] {
            let (leader, _) = cluster.leader_within(s(5)).await?;
            let victim = if leads { leader } else { leader % 3 + 1 };
            let fault = match round {
                0 => kill(cluster.name(victim)),
                1 => pause(cluster.name(victim)),
                _ => stormglass::faults::isolate(cluster.name(victim), cluster.names()),
            };
            let id = sim.inject(fault);
            cluster.leader_among(s(5), |leader| leader != victim).await?;
            write(&mut client, "quorum", &format!("{round} {leads}")).await?;
            sim.sleep(s(1)).await;
            hit(&sim, id)?;
            sim.heal(id);
            sim.sleep(s(1)).await;
        }
    }
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(15)).await?;
    book.judge(&cluster).await
}

/// R2-1. The leader is killed under load: a new one is elected well within the runbook's 10 s, the old one rejoins and
/// catches up.
#[stormglass::scenario(time = "120s", families("process"), tags("recovery"))]
async fn chainfire_r2_1_leader_kill_and_rejoin(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (old, _) = cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, LOAD).await })
    };
    sim.sleep(s(2)).await;
    let crash = sim.inject(kill(cluster.name(old)));
    hit(&sim, crash)?;
    let (_, took) = cluster.leader_among(s(10), |leader| leader != old).await?;
    sim.count("election ms", took.as_millis() as u64);
    sim.sleep(s(4)).await;
    sim.heal(crash);
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(10)).await?;
    book.judge(&cluster).await
}

/// R2-3. Two of three are lost: nothing is acknowledged and every operation ends with an error in time. They come back:
/// the store works again.
#[stormglass::scenario(time = "120s", families("process"), tags("recovery"))]
async fn chainfire_r2_3_quorum_loss(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    let (leader, _) = cluster.leader_within(s(5)).await?;
    let mut client = cluster.client();
    write(&mut client, "before", "1").await?;
    let crash = sim.inject(kill(cluster.others(leader)));
    hit(&sim, crash)?;
    let begun = sim.now();
    let result = client.put("lonely", "1").await;
    demand(result.is_err(), "no acknowledgement without a quorum", || "one of three acknowledged".to_owned())?;
    let took = sim.now() - begun;
    demand(took < s(20), "surfaces", || format!("the error took {took:?}"))?;
    let read = cluster.client_of(leader).get("before").await;
    demand(read.is_err(), "linearizability", || "one of three served a linearizable read".to_owned())?;
    sim.heal(crash);
    cluster.leader_within(s(10)).await?;
    read_back(&mut client, "before", "1").await?;
    write(&mut client, "after", "1").await?;
    rest(&cluster, s(15)).await?;
    Ok(Verdict::Pass)
}

/// R2-4. The leader is stopped for longer than an election timeout, then goes on as if nothing had happened: no stale
/// read, no lost write, and the cluster lives.
#[stormglass::scenario(time = "120s", families("process"), tags("recovery"))]
async fn chainfire_r2_4_leader_paused(sim: Sim) -> Outcome {
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, LOAD).await })
    };
    for _ in 0..3 {
        let (zombie, _) = cluster.leader_within(s(5)).await?;
        let stop = sim.inject(pause(cluster.name(zombie)));
        cluster.leader_among(s(5), |leader| leader != zombie).await?;
        sim.sleep(s(1)).await;
        hit(&sim, stop)?;
        sim.heal(stop);
        // What it serves in its first moments is what an old leader would.
        let _ = cluster.client_of(zombie).get("shared/1").await;
        sim.sleep(s(1)).await;
    }
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(15)).await?;
    book.judge(&cluster).await
}

/// The power of one node after another blinks, under load and on slow disks: whoever waited for an answer of that node may wait for
/// nothing. Everybody is level soon after the last time.
#[stormglass::scenario(time = "120s", families("process"), tags("recovery"))]
async fn chainfire_power_blinks(sim: Sim) -> Outcome {
    sim.set_disks(DiskOptions { sync_latency: ms(20)..=ms(80), ..DiskOptions::default() });
    let cluster = Cluster::of(&sim, 3);
    cluster.leader_within(s(5)).await?;
    let book = Book::new();
    let clients = {
        let (book, cluster) = (book.clone(), cluster.clone());
        tokio::spawn(async move { book.run(&cluster, LOAD).await })
    };
    for blink in 0..10 {
        let wait = sim.choose("between two blinks", "power", blink, 700, 1_300);
        sim.sleep(ms(wait)).await;
        let node = sim.choose("whose power", "power", blink, 1, 3);
        sim.inject_for(power_loss(cluster.name(node)), ms(200)).await;
    }
    demand(clients.await.is_ok(), "workload", || "the clients ended early".to_owned())?;
    rest(&cluster, s(5)).await?;
    book.judge(&cluster).await
}
