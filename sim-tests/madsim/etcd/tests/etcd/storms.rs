//! etcd under storms, and what must be seen of an etcd that forgets.

use std::sync::Arc;

use etcd_client::SimServer;
use stormglass::check::linearizable;
use stormglass::check::model::Kv;
use stormglass::faults::{Kind, Missing, kill};
use stormglass::prelude::*;

use crate::workload::{PORT, Record, client};

const CLIENTS: usize = 4;
/// How long clients ask.
const WEATHER: Duration = Duration::from_secs(30);

fn etcd(sim: &Sim) {
    sim.node("etcd", |_| async {
        let address = ([0, 0, 0, 0], PORT).into();
        SimServer::builder().serve(address).await
    });
}

fn clients(sim: &Sim, record: &Record) -> Vec<NodeName> {
    let (inside, record) = (sim.clone(), Arc::clone(record));
    let nodes = sim.nodes("c", CLIENTS, move |host| client(inside.clone(), host, Arc::clone(&record), WEATHER));
    let names: Vec<NodeName> = nodes.iter().map(|node| node.name().clone()).collect();
    names.iter().for_each(|name| sim.allow_exit(name));
    names
}

/// Partitions, kills and restarts, pauses, loss and latency: the history is linearizable. The simulator keeps its data in
/// memory, so etcd itself is spared of kills; its clients are not.
#[stormglass::scenario(runtime = "madsim", time = "120s", families("network", "process"))]
async fn etcd_is_linearizable(sim: Sim) -> Outcome {
    let record = Record::default();
    etcd(&sim);
    let _ = clients(&sim, &record);
    sim.missing(Missing::Drop);
    let spared = Budget::at_most(0, ["etcd"]);
    sim.storm(swarm().network().process().sparing(spared).until(WEATHER));
    sim.sleep(WEATHER + Duration::from_secs(5)).await;
    sim.heal_all();
    let history = record.take();
    sim.count("operations", history.len() as u64);
    Ok(linearizable(&Kv::default(), &history))
}

/// An etcd that is killed and comes back empty has lost what it acknowledged, and the checker says so.
#[stormglass::scenario(runtime = "madsim", time = "120s", families("process"))]
async fn etcd_that_forgets_is_caught(sim: Sim) -> Outcome {
    let record = Record::default();
    etcd(&sim);
    let _ = clients(&sim, &record);
    sim.inject(kill(["etcd"]).at(Duration::from_secs(10)).lasting(Duration::from_secs(1)));
    sim.sleep(WEATHER + Duration::from_secs(5)).await;
    match linearizable(&Kv::default(), &record.take()) {
        Verdict::Fail(_) => Ok(Verdict::Pass),
        other => Err(Evidence::new("non-vacuity", format!("an etcd that lost its data was judged: {other}"))),
    }
}

/// A plan that madsim cannot carry out is refused before the run, by the effect's name.
#[stormglass::scenario(runtime = "madsim", time = "10s")]
async fn what_madsim_lacks_is_refused(sim: Sim) -> Outcome {
    etcd(&sim);
    let planner = swarm().kind(Kind::PowerLoss).without_patterns().sparing(Budget::at_most(1, ["etcd"]));
    sim.storm(planner);
    Ok(Verdict::Pass)
}
