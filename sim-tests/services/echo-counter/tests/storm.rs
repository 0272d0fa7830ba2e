//! The scenario of the echo and the counter, one source for both runtimes.

use std::sync::Arc;

use echo_counter::{add, echo, serve_front, serve_store};
use stormglass::check::linearizable;
use stormglass::check::model::{Counter, CounterOp, CounterRet};
use stormglass::faults::Plan;
use stormglass::prelude::*;
use tokio::time::timeout;

/// What happens unless `--plan` says otherwise.
const PLAN: &str = include_str!("../plans/cuts-and-crashes.plan");
const CLIENTS: u64 = 4;
const OPERATIONS: u64 = 60;
/// How long a client waits. madsim's connections outlive a cut, so it must be able to give up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sums are linearizable and echoes are faithful, whatever the network and the front ends do.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn echo_and_counter(sim: Sim) -> Outcome {
    sim.node("n1", |_| serve_store());
    for front in ["n2", "n3"] {
        sim.node(front, |_| serve_front("n1"));
    }
    let plan: Plan = PLAN.parse().map_err(|error| Evidence::new("plan", format!("{error}")))?;
    sim.carry_out(plan);
    let history: Arc<Recorder<CounterOp, CounterRet>> = Arc::default();
    let clients = (0..CLIENTS).map(|client| tokio::spawn(run(sim.clone(), Arc::clone(&history), client)));
    for client in clients.collect::<Vec<_>>() {
        client.await.map_err(|error| Evidence::new("client", error.to_string()))?;
    }
    // One operation through each front end must succeed once all is calm.
    let settled = sim.calm(Duration::from_secs(20)).until(async || {
        let mut settled = Convergence::reached();
        for front in ["n2", "n3"] {
            let answers = matches!(timeout(PATIENCE, add(front, 0)).await, Ok(Ok(_)));
            settled = settled.require(answers, || format!("{front} does not answer"));
        }
        settled
    });
    settled.await?;
    Ok(linearizable(&Counter, &history.take()))
}

async fn run(sim: Sim, history: Arc<Recorder<CounterOp, CounterRet>>, client: u64) {
    for ordinal in 0..OPERATIONS {
        let site = format!("c{client}");
        let pause = sim.choose("pause", &site, ordinal, 100, 800);
        sim.sleep(Duration::from_millis(pause)).await;
        let front = if sim.choose("front", &site, ordinal, 0, 1) == 0 { "n2" } else { "n3" };
        if sim.choose("echo", &site, ordinal, 0, 3) == 0 {
            let number = client << 32 | ordinal;
            match timeout(PATIENCE, echo(front, number)).await {
                Ok(Ok(told)) if told != number => {
                    sim.violation(Evidence::new("echo", format!("{front} was sent {number} and answered {told}")));
                }
                Ok(Ok(_)) => sim.count("echoes", 1),
                Ok(Err(_)) | Err(_) => sim.count("echoes that failed", 1),
            }
            continue;
        }
        // Additions whose answer is lost are told apart by nobody, which keeps the search for an order short.
        // A process that does not know what became of its call makes no other: the next call is another process's.
        let process = u32::try_from(client * OPERATIONS + ordinal).unwrap_or(u32::MAX);
        let id = history.invoke(process, CounterOp::Add(1));
        match timeout(PATIENCE, add(front, 1)).await {
            Ok(Ok(sum)) => {
                sim.count("additions", 1);
                history.ok(id, CounterRet::Value(i64::try_from(sum).unwrap_or(i64::MAX)));
            }
            Ok(Err(_)) | Err(_) => {
                sim.count("additions without an answer", 1);
                history.info(id);
            }
        }
    }
}

stormglass::main!();
