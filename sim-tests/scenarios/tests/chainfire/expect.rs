//! Small demands of scenarios, with evidence when they fail.

use std::time::Duration;

use chainfire::Client;
use stormglass::check::Evidence;
use stormglass::prelude::*;

use crate::cluster::Cluster;

/// Demands that something holds.
pub(crate) fn demand(holds: bool, oracle: &str, cause: impl FnOnce() -> String) -> Result<(), Evidence> {
    if holds { Ok(()) } else { Err(Evidence::new(oracle, cause())) }
}

/// Writes through `client` and demands that it is acknowledged.
pub(crate) async fn write(client: &mut Client, key: &str, value: &str) -> Result<(), Evidence> {
    let result = client.put(key.to_owned(), value.to_owned()).await;
    result
        .map(|_| ())
        .map_err(|error| Evidence::new("liveness", format!("a write of {key} was not acknowledged: {error}")))
}

/// Reads through `client` and demands the value.
pub(crate) async fn read_back(client: &mut Client, key: &str, value: &str) -> Result<(), Evidence> {
    let found = client.get(key.to_owned()).await;
    let found = found.map_err(|error| Evidence::new("liveness", format!("a read of {key} failed: {error}")))?;
    let found = found.map(|kv| String::from_utf8_lossy(&kv.value).into_owned());
    demand(found.as_deref() == Some(value), "durability", || format!("{key} should be {value}, and is {found:?}"))
}

/// Demands that none of these nodes, asked alone, acknowledges a write.
pub(crate) async fn no_acknowledgement(cluster: &Cluster, nodes: &[u64]) -> Result<(), Evidence> {
    for &id in nodes {
        let result = cluster.client_of(id).put("refused", "x").await;
        demand(result.is_err(), "no acknowledgement without a quorum", || format!("n{id} acknowledged a write alone"))?;
    }
    Ok(())
}

/// Demands that every node that answers names the same leader, within a bound.
pub(crate) async fn agreement(cluster: &Cluster, within: Duration) -> Result<u64, Evidence> {
    let mut seen = Vec::new();
    let agreed = cluster
        .sim
        .wait_until(within, Duration::from_millis(50), async || {
            let statuses = cluster.statuses().await;
            seen = statuses.values().map(|s| s.leader.map(|l| l.0)).collect();
            seen.len() == cluster.nodes.len() && seen[0].is_some() && seen.iter().all(|l| *l == seen[0])
        })
        .await;
    match seen.first().copied().flatten().filter(|_| agreed) {
        Some(leader) => Ok(leader),
        None => Err(Evidence::new("convergence", format!("no agreement within {within:?}: {seen:?}"))),
    }
}

/// Heals everything and demands that all replicas are equal within a bound.
pub(crate) async fn rest(cluster: &Cluster, within: Duration) -> Result<(), Evidence> {
    cluster.sim.calm(within).until(async || cluster.converged().await).await.map(|_| ())
}

/// Demands that a fault hit something.
pub(crate) fn hit(sim: &Sim, id: stormglass::faults::FaultId) -> Result<(), Evidence> {
    let hits = sim.hits(id);
    demand(hits.total() > 0, "non-vacuity", || format!("fault {id} hit nothing"))
}

/// Seconds.
pub(crate) const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Milliseconds.
pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
