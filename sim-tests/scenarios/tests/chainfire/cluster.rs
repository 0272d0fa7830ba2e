//! A ChainFire cluster in a simulation: its nodes, who leads them, and what they say of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chainfire::probe::Probe;
use chainfire::storage::StorageError;
use chainfire::{Client, Error, Limits, Member, NodeConfig, NodeId, Retry};
use parking_lot::Mutex;
use stormglass::NodeHandle;
use stormglass::check::Evidence;
use stormglass::faults::{Convergence, NodeName, Observed, Plan};
use stormglass::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

use crate::attribution::Attribution;
use crate::oracle::{Judge, Picture};

/// `errno(3)`: too many open files.
const EMFILE: i32 = 24;
/// Where clients reach a node.
pub(crate) const API_PORT: u16 = 2379;
/// Where its peers reach it.
pub(crate) const PEER_PORT: u16 = 2380;

/// A cluster of one simulation.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) sim: Sim,
    pub(crate) nodes: Vec<NodeHandle>,
    pub(crate) members: Vec<Member>,
    pub(crate) picture: Arc<Mutex<Picture>>,
    pub(crate) attribution: Arc<Mutex<Attribution>>,
}

/// What a cluster is started with.
pub(crate) struct Options {
    pub(crate) size: usize,
    /// The limits of every node.
    pub(crate) limits: Limits,
    /// Election timeouts, if not the documented 150 to 600 ms.
    pub(crate) election: Option<(Duration, Duration)>,
    /// Whether elections are as in the paper, without pre-votes.
    pub(crate) plain_elections: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { size: 3, limits: Limits::default(), election: None, plain_elections: false }
    }
}

fn member(id: usize) -> Member {
    Member { id: NodeId(id as u64), api: format!("n{id}:{API_PORT}"), peer: format!("n{id}:{PEER_PORT}") }
}

/// What nemeses are told of: the moments at which a leadership is most easily hurt.
pub(crate) const ELECTED: &str = "BecameLeader";
/// A leader commits something for the first time in its term.
pub(crate) const FIRST_COMMIT: &str = "LeaderCommitted";

/// Finds those moments among the probes.
#[derive(Debug, Default)]
struct Moments {
    /// The nodes elected since that have committed nothing yet, and their terms.
    fresh: BTreeMap<u64, u64>,
}

impl Moments {
    fn of(&mut self, node: u64, probe: &Probe) -> Option<(&'static str, u64)> {
        match *probe {
            Probe::BecameLeader { term } => {
                self.fresh.insert(node, term);
                Some((ELECTED, term))
            }
            Probe::Committed { .. } => self.fresh.remove(&node).map(|term| (FIRST_COMMIT, term)),
            Probe::SteppedDown { .. } | Probe::Started { .. } => {
                self.fresh.remove(&node);
                None
            }
            _ => None,
        }
    }
}

impl Cluster {
    /// A cluster of `size` nodes with the documented timings.
    pub(crate) fn of(sim: &Sim, size: usize) -> Self {
        Self::start(sim, Options { size, ..Options::default() })
    }

    /// Carries out the plan in the text of a file of these sources, which `--plan` replaces. A text that is no plan refuses the run.
    pub(crate) fn carry_out(&self, file: &str, text: &str) {
        match text.parse::<Plan>() {
            Ok(plan) => self.sim.carry_out(plan),
            Err(error) => {
                self.sim.refuse_run(format!("{file}: {error}"), "mend the plan in the sources of this scenario")
            }
        }
    }

    /// Starts every node, and has every probe judged from then on. A planted bug named by the run is switched on.
    pub(crate) fn start(sim: &Sim, options: Options) -> Self {
        plant(sim);
        let members: Vec<Member> = (1..=options.size).map(member).collect();
        let picture = Arc::new(Mutex::new(Picture::default()));
        let mut judge = Judge::new(Arc::clone(&picture));
        let told = sim.clone();
        let mut moments = Moments::default();
        let attribution = Arc::new(Mutex::new(Attribution::default()));
        let disks = Arc::clone(&attribution);
        let observe = sim.observer(move |name: &str, _boot, at_ns, (node, probe): (u64, Probe)| {
            if let Some((moment, value)) = moments.of(node, &probe) {
                told.tell(Observed::Probe { node: name.into(), name: moment.to_owned(), value });
            } else if told.awaits(probe.name()) {
                told.tell(Observed::Probe { node: name.into(), name: probe.name().to_owned(), value: 0 });
            }
            let mut disks = disks.lock();
            disks.observe(&told, node, at_ns, &probe);
            judge.observe(node, at_ns, &probe).map_err(|evidence| disks.of_node(node, evidence))
        });
        let of_nodes = members.clone();
        let supervisor = Supervisor { sim: sim.clone(), picture: picture.clone(), attribution: attribution.clone() };
        let nodes = sim.nodes("n", options.size, move |host| {
            let id = host.index() as u64 + 1;
            let mut config = NodeConfig::new(NodeId(id), of_nodes.clone(), "/data");
            config.limits = options.limits.clone();
            if let Some((min, max)) = options.election {
                (config.timing.election_min, config.timing.election_max) = (min, max);
                config.timing.heartbeat = config.timing.heartbeat.min(min / 3);
                config.timing.peer_silence = max;
            }
            config.timing.guarded_elections = !options.plain_elections;
            let observe = observe.clone();
            config.probes = Some(Arc::new(move |probe| observe((id, probe.clone()))));
            supervisor.clone().run(config)
        });
        attribution.lock().nodes.clone_from(&nodes);
        Self { sim: sim.clone(), nodes, members, picture, attribution }
    }

    /// What a node said each time that its disk stopped it.
    pub(crate) fn disk_stops(&self, id: u64) -> Vec<String> {
        let picture = self.picture.lock();
        picture.disk_stops.iter().filter(|(node, _)| *node == id).map(|(_, said)| said.clone()).collect()
    }

    /// The names of all nodes.
    pub(crate) fn names(&self) -> Vec<NodeName> {
        self.nodes.iter().map(|node| node.name().clone()).collect()
    }

    /// The name of the node with this id.
    pub(crate) fn name(&self, id: u64) -> NodeName {
        self.nodes[id as usize - 1].name().clone()
    }

    /// Every node but this one.
    pub(crate) fn others(&self, id: u64) -> Vec<NodeName> {
        self.names().into_iter().filter(|name| *name != self.name(id)).collect()
    }

    /// A client of all nodes.
    pub(crate) fn client(&self) -> Client {
        Client::of(&self.members)
    }

    /// A client that knows one node only and does not retry.
    pub(crate) fn client_of(&self, id: u64) -> Client {
        let retry = Retry { retries: 0, ..Retry::default() };
        Client::with_retry(vec![self.members[id as usize - 1].api.clone()], retry)
    }

    /// Waits for a leader; gives its id and how long it took.
    ///
    /// # Errors
    /// None within the bound.
    pub(crate) async fn leader_within(&self, within: Duration) -> Result<(u64, Duration), Evidence> {
        self.leader_among(within, |_| true).await
    }

    /// Waits for a leader that `fits`.
    ///
    /// # Errors
    /// None within the bound.
    pub(crate) async fn leader_among(
        &self,
        within: Duration,
        fits: impl Fn(u64) -> bool,
    ) -> Result<(u64, Duration), Evidence> {
        let start = self.sim.now();
        let found = self
            .sim
            .wait_until(within, Duration::from_millis(5), async || self.picture.lock().leader().is_some_and(&fits))
            .await;
        // The picture is looked at again below.
        let leader = self.picture.lock().leader();
        match leader.filter(|_| found) {
            Some(leader) => Ok((leader, self.sim.now() - start)),
            None => {
                let evidence = Evidence::new("time", format!("no such leader within {within:?}"));
                Err(self.picture.lock().unrest().into_iter().fold(evidence, Evidence::detail))
            }
        }
    }

    /// What every node that answers says of itself.
    pub(crate) async fn statuses(&self) -> BTreeMap<u64, chainfire::wire::messages::Status> {
        let mut statuses = BTreeMap::new();
        for member in &self.members {
            if let Ok(status) = Client::status(&member.api, Duration::from_millis(200)).await {
                statuses.insert(member.id.0, status);
            }
        }
        statuses
    }

    /// Whether every node is up, follows one leader, and has applied the same entries to the same state.
    pub(crate) async fn converged(&self) -> Convergence {
        self.converged_among(&self.names()).await
    }

    /// The same of these nodes only: the others are out for good.
    pub(crate) async fn converged_among(&self, core: &[NodeName]) -> Convergence {
        let is_core = |id: u64| core.contains(&self.name(id));
        let mut statuses = self.statuses().await;
        statuses.retain(|id, _| is_core(*id));
        let mut convergence = Convergence::reached();
        for member in self.members.iter().filter(|member| is_core(member.id.0)) {
            convergence = convergence
                .require(statuses.contains_key(&member.id.0), || format!("n{} does not answer", member.id.0));
        }
        let leaders: Vec<_> = statuses.values().map(|s| s.leader).collect();
        let agreed = leaders.first().is_some_and(|first| first.is_some() && leaders.iter().all(|l| l == first));
        convergence = convergence.require(agreed, || format!("no one leader: {leaders:?}"));
        let applied: Vec<_> = statuses.iter().map(|(id, s)| (*id, s.applied, s.commit)).collect();
        let level = applied.windows(2).all(|w| w[0].1 == w[1].1);
        let most = statuses.values().map(|s| s.applied).max().unwrap_or_default();
        for (id, status) in &statuses {
            convergence = convergence.require(status.applied == most, || {
                format!("n{id} has applied {} of {most}, and knows {} to be committed", status.applied, status.commit)
            });
        }
        let hashes: Vec<_> = statuses.iter().map(|(id, s)| (*id, s.state_hash)).collect();
        let same = hashes.windows(2).all(|w| w[0].1 == w[1].1);
        convergence.require(!level || same, || format!("replicas differ at the same index: {hashes:x?}"))
    }
}

/// Starts a node again when its disk has stopped it, as a service manager does (`Restart=on-failure`, `RestartSec=1`).
#[derive(Clone)]
struct Supervisor {
    sim: Sim,
    picture: Arc<Mutex<Picture>>,
    attribution: Arc<Mutex<Attribution>>,
}

impl Supervisor {
    async fn run(self, config: NodeConfig) -> Result<(), Error> {
        let node = config.id.0;
        loop {
            let ended = chainfire::serve(config.clone()).await;
            match &ended {
                Err(error @ Error::Storage { source: StorageError::Io { .. }, .. }) => {
                    self.picture.lock().stopped(node, error.to_string());
                }
                // No descriptor is left for the listener: it is tried again, as after an error of the disk.
                Err(Error::Listen { source, .. }) if source.raw_os_error() == Some(EMFILE) => {}
                // No fault that the scenarios ask for may lead to this.
                Err(error @ Error::Storage { source: StorageError::Corrupt { path, .. }, .. }) => {
                    let evidence = self.attribution.lock().refusal(&self.sim, node, path, &error.to_string());
                    self.sim.violation(evidence);
                    return ended;
                }
                _ => return ended,
            }
            let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
            tokio::select! {
                biased;
                _ = terminate.recv() => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }
}

/// Switches on the planted bug that the run names, if it is one of the service's.
fn plant(sim: &Sim) {
    let Some(name) = sim.param("planted") else { return };
    if name == "M85" {
        sim.miswire_cuts();
        return;
    }
    if let Err(error) = chainfire::planted::select(name) {
        sim.refuse_run(error.to_string(), "build with the feature `planted`, and name one of chainfire::planted::ALL");
    }
}

impl Cluster {
    /// Asks one node for a write, and gives the id of the node that acknowledged it: another one if the first one
    /// redirected the client. `None` when nobody did.
    pub(crate) async fn acknowledged_by(&self, asked: u64) -> Option<u64> {
        let mut client = self.client_of(asked);
        client.put("asked", "1").await.ok()?;
        let endpoint = &client.last_attempts().made().last()?.endpoint;
        self.members.iter().find(|member| member.api == *endpoint).map(|member| member.id.0)
    }

    /// A client of all nodes that asks this one first.
    pub(crate) fn client_starting_at(&self, id: u64) -> Client {
        let mut endpoints: Vec<String> = self.members.iter().map(|member| member.api.clone()).collect();
        endpoints.rotate_left(id as usize - 1);
        Client::new(endpoints)
    }
}
