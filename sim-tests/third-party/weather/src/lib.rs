//! What every program here goes through: latency, loss, partitions and resets, all of them in every seed, and then calm.

#![forbid(unsafe_code)]

mod bytes;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stormglass::NodeHandle;
use stormglass::faults::{Kind, restart};
use stormglass::prelude::*;
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

pub use bytes::{bytes, same};

/// How long the storm lasts.
pub const STORM: Duration = Duration::from_secs(15);

/// How soon after it everything works again.
pub const CALM: Duration = Duration::from_secs(30);

/// How many machines ask.
const CLIENTS: usize = 2;

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What an answer comes to: an error is the weather's doing; evidence is a wrong answer, which no weather excuses.
pub type Answer = Result<Result<(), Evidence>, String>;

/// Who is restarted in the storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// Services and clients.
    Everyone,
    /// Clients alone: a service that keeps in memory what it must not forget stays up.
    Clients,
}

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    answered: u64,
    /// When each client was answered last, and what came between it and an answer since.
    last: BTreeMap<String, (Duration, String)>,
}

/// The address of a node's port, as its name resolves.
///
/// # Errors
/// There is no such node.
pub async fn address(node: &str, port: u16) -> Result<SocketAddr, String> {
    let mut found = lookup_host((node, port)).await.map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| "a node without an address".to_owned())
}

/// Client machines repeat `ask`, each question with a number of its own, while the weather is let loose on them and on
/// `services`: spikes of latency, loss, partitions, and restarts, which reset connections. In the calm after it every client
/// must be answered again.
///
/// # Errors
/// Evidence of what went wrong.
pub async fn go_through<A, F>(sim: &Sim, services: &[NodeHandle], least: u64, ask: A) -> Outcome
where
    A: Fn(u64) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    go_through_with(sim, services, Restarts::Everyone, least, ask).await
}

/// As [`go_through`], where not everyone may be restarted.
///
/// # Errors
/// Evidence of what went wrong.
pub async fn go_through_with<A, F>(
    sim: &Sim,
    services: &[NodeHandle],
    restarts: Restarts,
    least: u64,
    ask: A,
) -> Outcome
where
    A: Fn(u64) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    let seen = Arc::new(Mutex::new(Seen::default()));
    let clients = sim.nodes("client", CLIENTS, {
        let (sim, seen) = (sim.clone(), Arc::clone(&seen));
        move |host| client(sim.clone(), host, ask.clone(), Arc::clone(&seen))
    });
    let names: Vec<NodeName> = services.iter().chain(&clients).map(|node| node.name().clone()).collect();
    for name in &names {
        sim.allow_exit(name);
    }
    let mut weather = swarm().kind(Kind::LatencySpike).kind(Kind::Loss).kind(Kind::PartitionHalves);
    match restarts {
        Restarts::Everyone => weather = weather.kind(Kind::Restart),
        Restarts::Clients => {
            for (index, client) in clients.iter().enumerate() {
                let at = sim.choose("restart", client.name().as_str(), index as u64, 1_000, 14_000);
                sim.inject(restart(client.name()).at(Duration::from_millis(at)).lasting(Duration::from_millis(100)));
            }
        }
    }
    sim.storm(weather.all_on().without_patterns().sparing(Budget::restarts_unbounded(names)).until(STORM));
    sim.sleep(STORM).await;

    let calm = sim.now();
    sim.calm(CALM)
        .until(async || {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let mut convergence = Convergence::reached();
            for client in &clients {
                let name = client.name().as_str();
                let (at, trouble) = seen.last.get(name).cloned().unwrap_or_default();
                convergence = convergence.require(at > calm, || format!("{name} is not answered again: {trouble}"));
            }
            convergence
        })
        .await?;
    let answered = seen.lock().unwrap_or_else(PoisonError::into_inner).answered;
    sim.count("answered", answered);
    if answered < least {
        let cause = format!("only {answered} answers in all; at least {least} were due");
        return Err(Evidence::new("non-vacuity", cause));
    }
    Ok(Verdict::Pass)
}

async fn client<A, F>(sim: Sim, host: Host, ask: A, seen: Arc<Mutex<Seen>>) -> Result<(), String>
where
    A: Fn(u64) -> F,
    F: Future<Output = Answer>,
{
    let mut round = (host.index() as u64) << 40 | u64::from(host.boot()) << 20;
    loop {
        round += 1;
        let answer = timeout(PATIENCE, ask(round)).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.last.entry(host.name().to_owned()).or_default();
        match answer {
            Ok(answer) => {
                *last = (sim.now(), String::new());
                seen.answered += 1;
                if let Err(evidence) = answer {
                    sim.violation(evidence);
                }
            }
            Err(error) => last.1 = error,
        }
        drop(seen);
        sleep(Duration::from_millis(20)).await;
    }
}
