//! The handle that a scenario holds: nodes, faults, oracles, time, and the request it runs for.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stormglass_check::{Evidence, Verdict};
use stormglass_disk::{Disk, DiskOptions};
use stormglass_faults::{Budget, FaultRecord, NodeName, Plan, Seed, Storms, SwarmChoice, Topology};
use stormglass_harness::{IntoExit, Refusal, RunRequest};
use stormglass_kernel::{self as kernel, Decisions, Domain, Failure, Kind, NodeId, Point, Site};
use stormglass_net::{LinkOptions, Net};
use stormglass_tokio::sync::Notify;
use stormglass_tokio::time::{Instant, sleep};

use crate::capture_file::CaptureFile;
use crate::held::WorldState;
use crate::host::Host;
use crate::properties::Heard;

/// Stack of the thread that a simulation runs on, in bytes. Overflowing it costs the seed a named verdict.
pub const TASK_STACK_BYTES: usize = 16 << 20;

/// One simulation, from the inside. Cheap to clone; every clone is the same simulation.
#[derive(Clone)]
pub struct Sim {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) request: RunRequest,
    pub(crate) seed: Seed,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) world: WorldState,
    pub(crate) storms: Storms,
    pub(crate) told: Arc<Notify>,
    /// Whether the tasks are there that wait for what happens.
    pub(crate) listening: bool,
    pub(crate) listening_to_disks: bool,
    pub(crate) plan: Option<Plan>,
    pub(crate) choice: Option<SwarmChoice>,
    /// What the faults of the plan were to stay within.
    pub(crate) budgets: Vec<Budget>,
    /// When the first oracle was violated.
    pub(crate) violated_at: Option<Duration>,
    pub(crate) features: BTreeSet<String>,
    pub(crate) sometimes: BTreeMap<String, bool>,
    pub(crate) counters: BTreeMap<String, u64>,
    /// The first violation of each oracle, in order.
    pub(crate) violations: Vec<Evidence>,
    /// How often each node told each thing of itself.
    pub(crate) heard_of: BTreeMap<(NodeName, String), u64>,
    pub(crate) keep_going: bool,
    pub(crate) refusal: Option<Refusal>,
    /// What became of every fault, as of the end of the run.
    pub(crate) faults: Vec<FaultRecord>,
    pub(crate) may_exit: BTreeSet<String>,
    pub(crate) exits: Vec<(NodeName, Result<(), String>)>,
    /// What product code said of itself, as of the end of the run.
    pub(crate) heard: Heard,
    /// What kept a capture from being written whole.
    pub(crate) capture_problem: Option<String>,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("seed", &self.shared.seed).finish_non_exhaustive()
    }
}

/// A node that a scenario added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHandle {
    name: NodeName,
    id: NodeId,
}

impl NodeHandle {
    /// Its name, which is also its host name in the simulated network.
    #[must_use]
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// Its number in the kernel.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }
}

impl Sim {
    pub(crate) fn new(request: RunRequest, seed: Seed) -> Self {
        Self { shared: Arc::new(Shared { request, seed, state: Mutex::default() }) }
    }

    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.shared.seed
    }

    /// A named parameter of the run, as `--param NAME=VALUE` gives it.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.shared.request.params.get(name).map(String::as_str)
    }

    // ---- nodes --------------------------------------------------------------------------------------------------

    /// Adds a node called `name` and boots it. `program` is called at each boot; when what it returns ends, the node
    /// exits. An exit that nobody asked for fails the run.
    ///
    /// # Panics
    /// When a node of that name exists.
    pub fn node<P, F>(&self, name: &str, program: P) -> NodeHandle
    where
        P: Fn(Host) -> F + 'static,
        F: Future<Output: IntoExit> + 'static,
    {
        self.add(name, 0, Rc::new(program))
    }

    /// Adds `count` nodes called `prefix1`, `prefix2` … and boots them all now.
    ///
    /// # Panics
    /// When a node of one of these names exists.
    pub fn nodes<P, F>(&self, prefix: &str, count: usize, program: P) -> Vec<NodeHandle>
    where
        P: Fn(Host) -> F + 'static,
        F: Future<Output: IntoExit> + 'static,
    {
        let program = Rc::new(program);
        (0..count).map(|index| self.add(&format!("{prefix}{}", index + 1), index, Rc::clone(&program))).collect()
    }

    fn add<P, F>(&self, name: &str, index: usize, program: Rc<P>) -> NodeHandle
    where
        P: Fn(Host) -> F + 'static,
        F: Future<Output: IntoExit> + 'static,
    {
        let added = kernel::with(|u| Some((u.kernel.add_node(name)?, Arc::clone(u.kernel.nodes().last()?.name()))));
        let Some((id, shared_name)) = added else {
            panic!("a node called `{name}` exists already, or there are too many")
        };
        let sim = self.clone();
        let node_name = NodeName::from(name);
        let exit_name = node_name.clone();
        kernel::set_program(id, move || {
            let boot = kernel::with(|u| u.kernel.node(id).incarnation().number());
            let (sim, name) = (sim.clone(), exit_name.clone());
            let version = sim.shared.state.lock().world.version(id);
            let host = Host { name: Arc::clone(&shared_name), index, boot, version };
            let running = program(host);
            Box::pin(async move {
                let exit = running.await.into_exit();
                sim.exited(name, exit);
            })
        });
        self.shared.state.lock().world.add(node_name.clone(), id);
        kernel::with(|u| u.kernel.boot(id));
        NodeHandle { name: node_name, id }
    }

    fn exited(&self, name: NodeName, exit: Result<(), String>) {
        let mut state = self.shared.state.lock();
        let expected = state.world.is_stopping(&name) || state.may_exit.contains(name.as_str());
        state.exits.push((name.clone(), exit.clone()));
        drop(state);
        if !expected {
            let message = match exit {
                Ok(()) => format!("{name} ended, and nobody had asked it to"),
                Err(error) => format!("{name} ended with an error: {error}"),
            };
            self.violation(Evidence::new("node exit", message));
        }
    }

    /// Declares that `node` may end by itself: it is no failure of the run.
    pub fn allow_exit(&self, node: &NodeName) {
        self.shared.state.lock().may_exit.insert(node.as_str().to_owned());
    }

    /// Declares that panics on `node` are expected: they end their task, not the run.
    pub fn allow_panics(&self, node: &NodeHandle) {
        kernel::with(|u| u.kernel.allow_panics(node.id));
    }

    /// The nodes that ended by themselves so far, in order, each with its error if it had one.
    #[must_use]
    pub fn exits(&self) -> Vec<(NodeName, Result<(), String>)> {
        self.shared.state.lock().exits.clone()
    }

    /// Whether a node's machine is up.
    #[must_use]
    pub fn is_up(&self, node: &NodeHandle) -> bool {
        kernel::with(|u| u.kernel.node(node.id).is_up())
    }

    // ---- hardware -----------------------------------------------------------------------------------------------

    /// From now on all disks behave like this. Without it they are fast local SSDs.
    pub fn set_disks(&self, options: DiskOptions) {
        kernel::with(|u| {
            if let Some((disk, _)) = u.get::<Disk>() {
                disk.set_options(options);
            }
        });
    }

    /// From now on all links that have no options of their own behave like this. Without it the nodes share one site.
    pub fn set_links(&self, options: LinkOptions) {
        kernel::with(|u| {
            if let Some((net, _)) = u.get::<Net>() {
                net.set_default_link(options);
            }
        });
    }

    /// From now on links between nodes take as long as this topology says; those of which it says nothing stay as they are.
    ///
    /// # Panics
    /// When the topology makes no sense for the nodes there are: a mistake of the scenario, told in words.
    pub fn lay_out(&self, topology: &Topology) {
        let nodes: Vec<(NodeName, NodeId)> = self.shared.state.lock().world.all().collect();
        let names: Vec<NodeName> = nodes.iter().map(|(name, _)| name.clone()).collect();
        if let Err(error) = topology.check(&names) {
            panic!("the topology cannot be: {error}");
        }
        for (from, from_id) in &nodes {
            for (to, to_id) in nodes.iter().filter(|(to, _)| to != from) {
                if let Some(latency) = topology.latency(from, to) {
                    let jitter = latency.end().saturating_sub(*latency.start());
                    let options = LinkOptions { jitter, ..LinkOptions::constant(*latency.start()) };
                    self.network(|net| net.set_link((*from_id, *to_id), Some(options)));
                }
            }
        }
    }

    /// Changes the link from one node to another, from now on; `None` makes it an ordinary one again. The driver's links
    /// are those of [`Sim::set_links`].
    pub fn set_link(&self, from: &NodeHandle, to: &NodeHandle, options: Option<LinkOptions>) {
        let pair = (from.id, to.id);
        kernel::with(|u| {
            if let Some((net, _)) = u.get::<Net>() {
                net.set_link(pair, options);
            }
        });
    }

    /// Acts on the network: firewall rules, faults of names, links between any two nodes. What it is given must not wait.
    ///
    /// # Panics
    /// Outside a simulation.
    pub fn network<R>(&self, act: impl FnOnce(&mut Net) -> R) -> R {
        kernel::with(|u| match u.get::<Net>() {
            Some((net, _)) => act(net),
            None => panic!("this simulation has no network"),
        })
    }

    /// Acts on the disks: what happened to their data, what is on them, faults of single devices. What it is given must not
    /// wait.
    ///
    /// # Panics
    /// Outside a simulation.
    pub fn disks<R>(&self, act: impl FnOnce(&mut Disk) -> R) -> R {
        kernel::with(|u| match u.get::<Disk>() {
            Some((disk, _)) => act(disk),
            None => panic!("this simulation has no disks"),
        })
    }

    /// Writes every packet that leaves a node from now on to a file, in the format pcapng, for Wireshark. The parameter
    /// `pcap` of a run does the same from its start.
    ///
    /// # Errors
    /// When the file cannot be made. What goes wrong later refuses the run.
    pub fn capture(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let file = CaptureFile::create(path.as_ref())?;
        self.network(|net| net.capture(Box::new(file)))
    }

    pub(crate) fn capture_problem(&self) -> Option<String> {
        kernel::with(|u| u.get::<Net>().and_then(|(net, _)| net.capture_problem()))
    }

    // ---- time and chance ----------------------------------------------------------------------------------------

    /// Virtual time since the start of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        kernel::with(|u| u.kernel.now().since_start())
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }

    /// Waits until `done` says so, asking every `every`, for at most `within`. Says whether it did.
    pub async fn wait_until(&self, within: Duration, every: Duration, mut done: impl AsyncFnMut() -> bool) -> bool {
        let end = Instant::now() + within;
        loop {
            if done().await {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            sleep(every).await;
        }
    }

    /// A decision of the workload: a number in `low..=high`, fixed by the seed, `what`, `site` and `ordinal`.
    #[must_use]
    pub fn choose(&self, what: &'static str, site: &str, ordinal: u64, low: u64, high: u64) -> u64 {
        let point = Point::new(Domain::Workload, what);
        let site = Site::named(site);
        kernel::with(|u| Decisions::range(u.kernel.decisions(), point, site, ordinal, low, high))
    }

    // ---- oracles ------------------------------------------------------------------------------------------------

    /// An oracle was violated. The first violation of each oracle counts, and the very first one ends the run, unless the
    /// scenario has said [`Sim::keep_going`].
    pub fn violation(&self, evidence: Evidence) {
        let failure = Failure::Violation { oracle: evidence.oracle.clone(), message: evidence.cause.clone() };
        let now = self.now();
        let mut state = self.shared.state.lock();
        state.violated_at.get_or_insert(now);
        if state.violations.iter().all(|known| known.oracle != evidence.oracle) {
            state.violations.push(evidence);
        }
        let keep_going = state.keep_going;
        drop(state);
        if !keep_going {
            kernel::with(|u| u.kernel.fail(failure));
        }
    }

    /// From now on a violation does not end the run: it goes on to its end, so that one seed shows everything that a
    /// fault led to. The run fails all the same.
    pub fn keep_going(&self) {
        self.shared.state.lock().keep_going = true;
    }

    /// Judges several verdicts together: every failure counts as a violation, and the worst verdict comes back.
    pub fn all(&self, verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        let verdicts: Vec<Verdict> = verdicts.into_iter().collect();
        for evidence in verdicts.iter().filter_map(Verdict::evidence) {
            self.violation(evidence.clone());
        }
        Verdict::all(verdicts)
    }

    /// Demands that cuts of links cut something: when `count` of them or more were on for `at_least` each, not all may
    /// have hit nothing. (One alone may well: two followers of a third node say nothing to each other.) Call it when the
    /// faults have ended.
    pub fn demand_cuts_hit(&self, count: usize, at_least: Duration) {
        let lasting = |fault: &FaultRecord| {
            let lasted = fault.begun_at.zip(fault.ended_at).map(|(begun, ended)| ended.saturating_sub(begun));
            fault.kind.cuts_links() && lasted.is_some_and(|lasted| lasted >= at_least)
        };
        let cuts: Vec<FaultRecord> = self.fault_records().into_iter().filter(lasting).collect();
        if cuts.len() >= count && cuts.iter().all(|fault| fault.vacuous) {
            let cause = format!("{} cuts were on for {at_least:?} or more, and not one dropped a packet", cuts.len());
            let evidence = Evidence::new("non-vacuity", cause);
            self.violation(cuts.iter().fold(evidence, |evidence, fault| evidence.detail(fault.text.clone())));
        }
    }

    /// From now on cuts act on the wrong links: a broken control, planted to see that it is noticed.
    pub fn miswire_cuts(&self) {
        self.shared.state.lock().world.miswire();
    }

    /// Ends the run as one that cannot be carried out: what was asked for does not exist. It is no verdict.
    pub fn refuse_run(&self, what: impl Into<String>, hint: &str) {
        let what = what.into();
        let failure = Failure::Refused { what: what.clone() };
        self.shared.state.lock().refusal = Some(Refusal { what, hint: hint.to_owned() });
        kernel::with(|u| u.kernel.fail(failure));
    }

    /// An observer for probes of services: what a node reports at an instant is judged at that instant, unless the node
    /// crashes before the poll that reported it has ended. The observer gets the node's name, its boot, the instant in
    /// nanoseconds, and the probe; evidence ends the run.
    pub fn observer<P, J>(&self, judge: J) -> impl Fn(P) + Clone + Send + Sync + use<P, J>
    where
        P: Send + 'static,
        J: FnMut(&str, u32, u64, P) -> Result<(), Evidence> + Send + 'static,
    {
        let judge = Arc::new(Mutex::new(judge));
        let sim = self.clone();
        move |probe: P| {
            let (judge, sim) = (Arc::clone(&judge), sim.clone());
            let place = kernel::try_with(|u| {
                let node = u.kernel.current_node();
                let record = u.kernel.node(node);
                let place = (Arc::clone(record.name()), record.incarnation().number());
                u.kernel.trace(Kind::PROBE, 0, 0);
                place
            });
            let Some((name, boot)) = place else { return };
            kernel::try_with(|u| {
                u.kernel.effect_call(Box::new(move || {
                    let at = kernel::with(|u| u.kernel.now().as_nanos());
                    let judged = judge.lock()(&name, boot, at, probe);
                    if let Err(evidence) = judged {
                        sim.violation(evidence);
                    }
                }));
            });
        }
    }

    /// Adds to a counter of the run's record.
    pub fn count(&self, name: &str, n: u64) {
        *self.shared.state.lock().counters.entry(name.to_owned()).or_default() += n;
    }

    /// Notes that a property held at least once (or only that it was looked for).
    pub fn sometimes(&self, name: &str, held: bool) {
        *self.shared.state.lock().sometimes.entry(name.to_owned()).or_default() |= held;
    }

    /// Notes that a feature of the workload is on in this run.
    pub fn feature(&self, name: &str) {
        self.shared.state.lock().features.insert(name.to_owned());
    }

    /// Counters of the simulated worlds, such as `net.segments`, by name.
    #[must_use]
    pub fn world_counters(&self) -> BTreeMap<String, u64> {
        kernel::with(|u| u.counters()).into_iter().collect()
    }
}

impl Sim {
    /// What a file on a node's disk holds, as a program on the node would read it; `None` when there is no such file.
    #[must_use]
    pub fn disk_file(&self, node: &NodeHandle, path: &str) -> Option<Vec<u8>> {
        kernel::with(|u| {
            let (disk, kernel) = u.get::<Disk>()?;
            disk.read_file(kernel, node.id, path).ok()
        })
    }
}
