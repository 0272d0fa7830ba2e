//! A lock with a lease: a holder that trusts its own clock is right for as long as clocks run alike, whatever else happens.

use std::sync::Arc;

use leases::{Granted, Holder, PORT, Trust, serve};
use stormglass::faults::{Family, Profile};
use stormglass::prelude::*;

const LEASE: Duration = Duration::from_secs(1);

/// What a node says of the lock.
#[derive(Clone, Copy)]
enum Probe {
    Granted(Granted),
    /// A holder does something under this token.
    Acts(u64),
}

/// Networks and processes fail, and clocks run alike: nobody acts when another one has the lock. `--param trust=bound` is for
/// the holder that allows for drift.
#[stormglass::scenario(time = "60s", families("network", "process"), tags("lease"))]
async fn lease_while_clocks_run_alike(sim: Sim) -> Outcome {
    exclusion(sim, &[Family::Network, Family::Process]).await
}

/// The same, and clocks step, slew, strobe and drift. `--param trust=own-clock` runs the holder that trusts its own clock,
/// which acts under a lease that the server has given to somebody else.
#[stormglass::scenario(time = "60s", families("network", "process", "clock"), tags("lease"))]
async fn lease_while_clocks_drift(sim: Sim) -> Outcome {
    exclusion(sim, &[Family::Network, Family::Process, Family::Clock]).await
}

/// Three holders in turn, under a storm of these families.
async fn exclusion(sim: Sim, families: &[Family]) -> Outcome {
    let trust = match (sim.param("trust"), families.contains(&Family::Clock)) {
        (Some("own-clock"), _) | (None, false) => Trust::OwnClock,
        // As far as the planner lets a clock drift.
        _ => Trust::Within { ppm: 200_000 },
    };
    let observe = sim.observer(judge());
    let granted = observe.clone();
    let server = sim.node("server", move |host| {
        let granted = granted.clone();
        let sink = Arc::new(move |grant| granted(Probe::Granted(grant)));
        let address = format!("{}:{PORT}", host.name());
        async move {
            // What keeps it from starting, such as a want of descriptors, may pass: it is started again, as by a service manager.
            while serve(&address, LEASE, sink.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
    let holders = sim.nodes("holder", 3, move |_| hold(trust, observe.clone()));
    let mut names: Vec<NodeName> = holders.iter().map(|node| node.name().clone()).collect();
    names.push(server.name().clone());
    let end = Duration::from_secs(40);
    let weather = families.iter().fold(swarm(), |swarm, family| swarm.family(*family));
    sim.storm(weather.profile(Profile::Storm).sparing(Budget::restarts_unbounded(names)).until(end));
    sim.sleep(end).await;
    Ok(Verdict::Pass)
}

/// Takes the lock whenever it can, renews it twice, acts while it has it, and lets it go by.
async fn hold(trust: Trust, observe: impl Fn(Probe)) -> Result<(), String> {
    let mut holder = Holder::new(format!("server:{PORT}"), LEASE, trust);
    loop {
        for _ in 0..3 {
            // What did not get through is asked again.
            let _ = holder.acquire().await;
            for _ in 0..40 {
                let Some(token) = holder.holds() else { break };
                observe(Probe::Acts(token));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        while let Some(token) = holder.holds() {
            observe(Probe::Acts(token));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Mutual exclusion: who acts does so under the newest token.
fn judge() -> impl FnMut(&str, u32, u64, Probe) -> Result<(), Evidence> + Send {
    let mut newest = (0, 0);
    move |node, _, at_ns, probe| {
        match probe {
            Probe::Granted(Granted { token }) => newest = (token, at_ns),
            Probe::Acts(token) if token < newest.0 => {
                let late = Duration::from_nanos(at_ns - newest.1);
                let cause = format!("{node} acts under token {token}, {late:?} after token {} was granted", newest.0);
                return Err(Evidence::new("mutual exclusion", cause));
            }
            Probe::Acts(_) => {}
        }
        Ok(())
    }
}
