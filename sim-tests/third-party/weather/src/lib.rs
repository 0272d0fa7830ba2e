//! What every program here goes through: a storm of latency, loss, partitions and resets, and then calm.

#![forbid(unsafe_code)]

mod bytes;
mod storm;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stormglass::NodeHandle;
use stormglass::prelude::*;
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

pub use bytes::{bytes, same};
pub use storm::STORM;
use storm::{all_hit, storm};

/// How soon after it everything works again.
pub const CALM: Duration = Duration::from_secs(30);

/// How many machines ask.
const CLIENTS: usize = 2;

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What an answer comes to: an error is the weather's doing; evidence is a wrong answer, which no weather excuses.
pub type Answer = Result<Result<(), Evidence>, String>;

/// Who is killed and restarted in the storm, so that its connections are reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// Services.
    Services,
    /// Clients: a service that keeps in memory what it must not forget stays up.
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

/// Client machines repeat `ask`, each question with a number of its own, while the storm is let loose on them and on
/// `services`: latency, loss, partitions, and restarts of services, which reset connections. Each must hit. In the calm
/// after it every client must be answered again.
///
/// # Errors
/// Evidence of what went wrong.
pub async fn go_through<A, F>(sim: &Sim, services: &[NodeHandle], least: u64, ask: A) -> Outcome
where
    A: Fn(u64) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    go_through_with(sim, services, Restarts::Services, least, ask).await
}

/// As [`go_through`], where services may not be restarted.
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
    let names = |nodes: &[NodeHandle]| nodes.iter().map(|node| node.name().clone()).collect::<Vec<NodeName>>();
    let (service_names, client_names) = (names(services), names(&clients));
    let mortal = match restarts {
        Restarts::Services => &service_names,
        Restarts::Clients => &client_names,
    };
    mortal.iter().for_each(|name| sim.allow_exit(name));
    storm(sim, &service_names, &client_names, mortal);
    sim.sleep(STORM).await;
    all_hit(sim)?;

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
