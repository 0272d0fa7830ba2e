//! ChainFire's own integration test, in the simulation: the same source as on real sockets.

use std::collections::BTreeMap;

use chainfire::conformance::{self, Cluster as Conformance};
use chainfire::{Member, NodeConfig, NodeId};
use stormglass::NodeHandle;
use stormglass::faults::{FaultId, graceful_stop, kill};
use stormglass::prelude::*;

use crate::cluster::{API_PORT, PEER_PORT};

struct Simulated {
    sim: Sim,
    members: Vec<Member>,
    nodes: BTreeMap<u64, NodeHandle>,
    down: BTreeMap<u64, FaultId>,
}

impl Simulated {
    /// Boots a node for the first time, or lets the fault end that took it down.
    fn up(&mut self, node: NodeId) {
        if let Some(fault) = self.down.remove(&node.0) {
            self.sim.heal(fault);
            return;
        }
        let members = self.members.clone();
        let handle = self.sim.node(&format!("n{}", node.0), move |_| {
            let mut config = NodeConfig::new(node, members.clone(), "/data");
            conformance::tune(&mut config);
            chainfire::serve(config)
        });
        self.nodes.insert(node.0, handle);
    }

    fn take_down(&mut self, node: NodeId, fault: Fault) -> Result<(), String> {
        let id = self.sim.inject(fault);
        self.down.insert(node.0, id);
        if self.sim.hits(id).total() > 0 { Ok(()) } else { Err(format!("node {node} was not running")) }
    }
}

impl Conformance for Simulated {
    fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    async fn start(&mut self, node: NodeId) -> Result<(), String> {
        self.up(node);
        Ok(())
    }

    async fn stop(&mut self, node: NodeId) -> Result<(), String> {
        let handle = self.nodes.get(&node.0).ok_or("it was never started")?.clone();
        self.take_down(node, graceful_stop(handle.name()))?;
        let (within, every) = (Duration::from_secs(10), Duration::from_millis(10));
        let sim = self.sim.clone();
        let stopped = sim.wait_until(within, every, async || !sim.is_up(&handle)).await;
        if stopped { Ok(()) } else { Err(format!("node {node} did not stop within {within:?}")) }
    }

    async fn kill(&mut self, node: NodeId) -> Result<(), String> {
        let name = self.nodes.get(&node.0).ok_or("it was never started")?.name().clone();
        self.take_down(node, kill(name))
    }
}

/// The service's own integration test, from the very source that runs it over real processes and sockets.
#[stormglass::scenario(time = "300s", families("process"), tags("conformance"))]
async fn chainfire_conformance(sim: Sim) -> Outcome {
    let member =
        |id: u64| Member { id: NodeId(id), api: format!("n{id}:{API_PORT}"), peer: format!("n{id}:{PEER_PORT}") };
    let members = (1..=3).map(member).collect();
    let mut cluster = Simulated { sim, members, nodes: BTreeMap::new(), down: BTreeMap::new() };
    match conformance::cluster_behaves(&mut cluster).await {
        Ok(()) => Ok(Verdict::Pass),
        Err(broken) => Err(Evidence::new("conformance", broken)),
    }
}
