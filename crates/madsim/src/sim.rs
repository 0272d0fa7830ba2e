//! The handle that a scenario holds: nodes, oracles, time, and the request it runs for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use madsim::net::NetSim;
use madsim::runtime::Handle;
use madsim::task::NodeId;
use madsim::time::TimeHandle;
use parking_lot::Mutex;
use stormglass_check::{Evidence, OpId, Verdict};
use stormglass_faults::{Budget, FaultRecord, Missing, NodeName, Plan, Seed, Storms, SwarmChoice};
use stormglass_harness::{IntoExit, Refusal, RunClock, RunRequest};

use crate::books::Books;
use crate::host::Host;

/// One simulation on madsim, from the inside. Cheap to clone; every clone is the same simulation.
#[derive(Clone)]
pub struct Sim {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) request: RunRequest,
    pub(crate) seed: Seed,
    pub(crate) handle: Handle,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) books: Books,
    pub(crate) storms: Storms,
    /// Whether the task is there that waits for what happens, and what wakes it.
    pub(crate) listening: bool,
    pub(crate) listener: Option<Waker>,
    pub(crate) missing: Missing,
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
    pub(crate) keep_going: bool,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) verdict: Option<Verdict>,
    /// What became of every fault, as of the end of the run.
    pub(crate) faults: Option<Vec<FaultRecord>>,
    /// Nothing that follows counts.
    pub(crate) over: bool,
    pub(crate) waker: Option<Waker>,
    may_exit: BTreeSet<String>,
    exits: Vec<(NodeName, Result<(), String>)>,
    addresses: BTreeMap<NodeName, IpAddr>,
    pub(crate) events: Events,
}

/// What happened, as a digest, and as lines where a trace was asked for.
#[derive(Default)]
pub(crate) struct Events {
    hasher: blake3::Hasher,
    pub(crate) lines: Option<Vec<u8>>,
    /// When the last of it happened.
    pub(crate) last: Duration,
}

impl Events {
    fn note(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        self.last = at;
        let line = format!("{:.9} {what}\n", at.as_secs_f64());
        self.hasher.update(line.as_bytes());
        if let Some(lines) = &mut self.lines {
            // Into memory: it cannot fail.
            let _ = lines.write_all(line.as_bytes());
        }
    }

    pub(crate) fn digest(&self) -> String {
        self.hasher.finalize().to_hex().chars().take(32).collect()
    }
}

thread_local! {
    /// The simulation that runs on this thread: madsim's has no place for a guest's state.
    static CURRENT: RefCell<Option<Sim>> = const { RefCell::new(None) };
}

/// madsim's clock, which all nodes share.
#[derive(Debug)]
pub struct VirtualClock;

impl RunClock for VirtualClock {
    fn now_ns() -> u64 {
        TimeHandle::try_current().map_or(0, |time| u64::try_from(time.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn stamp(operation: OpId, phase: u64) -> u64 {
        CURRENT.with_borrow(|sim| {
            if let Some(sim) = sim {
                sim.note(format_args!("operation {} phase {phase}", operation.0));
            }
        });
        Self::now_ns()
    }
}

/// A history under construction, shared by the clients of a run.
pub type Recorder<O, R> = stormglass_harness::Recorder<O, R, VirtualClock>;

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("seed", &self.shared.seed).finish_non_exhaustive()
    }
}

/// A node that a scenario added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHandle {
    name: NodeName,
    id: NodeId,
    ip: IpAddr,
}

impl NodeHandle {
    /// Its name, which is also its host name in the simulated network.
    #[must_use]
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// Its number in madsim.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }
}

impl Sim {
    pub(crate) fn new(request: RunRequest, handle: Handle) -> Self {
        let state = State {
            events: Events { lines: request.trace_to.is_some().then(Vec::new), ..Events::default() },
            ..State::default()
        };
        let seed = request.seed;
        let sim = Self { shared: Arc::new(Shared { request, seed, handle, state: Mutex::new(state) }) };
        CURRENT.set(Some(sim.clone()));
        sim
    }

    /// Ends the connection of this thread with the run.
    pub(crate) fn leave() {
        CURRENT.set(None);
    }

    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        let now = self.now();
        self.shared.state.lock().events.note(now, what);
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
        P: Fn(Host) -> F + Send + Sync + 'static,
        F: Future<Output: IntoExit> + 'static,
    {
        self.add(name, 0, Arc::new(program))
    }

    /// Adds `count` nodes called `prefix1`, `prefix2` … and boots them all now.
    ///
    /// # Panics
    /// When a node of one of these names exists.
    pub fn nodes<P, F>(&self, prefix: &str, count: usize, program: P) -> Vec<NodeHandle>
    where
        P: Fn(Host) -> F + Send + Sync + 'static,
        F: Future<Output: IntoExit> + 'static,
    {
        let program = Arc::new(program);
        (0..count).map(|index| self.add(&format!("{prefix}{}", index + 1), index, Arc::clone(&program))).collect()
    }

    fn add<P, F>(&self, name: &str, index: usize, program: Arc<P>) -> NodeHandle
    where
        P: Fn(Host) -> F + Send + Sync + 'static,
        F: Future<Output: IntoExit> + 'static,
    {
        let node_name = NodeName::from(name);
        let ip = {
            let mut state = self.shared.state.lock();
            assert!(!state.addresses.contains_key(&node_name), "a node called `{name}` exists already");
            let ip = address(state.addresses.len());
            state.addresses.insert(node_name.clone(), ip);
            ip
        };
        NetSim::current().add_dns_record(name, ip);
        let boots = AtomicU32::new(0);
        let (sim, booted, shared_name) = (self.clone(), node_name.clone(), Arc::<str>::from(name));
        let node = self.shared.handle.create_node().name(name).ip(ip).init(move || {
            let boot = boots.fetch_add(1, Ordering::Relaxed) + 1;
            let host = Host { name: Arc::clone(&shared_name), index, boot, ip };
            let (sim, name, program) = (sim.clone(), booted.clone(), Arc::clone(&program));
            // madsim calls this with its nodes locked; the program begins with the first poll.
            async move {
                sim.note(format_args!("boot {boot} of {}", name.as_str()));
                let exit = program(host).await.into_exit();
                sim.exited(name, exit);
            }
        });
        let id = node.build().id();
        self.shared.state.lock().books.add(node_name.clone(), id);
        NodeHandle { name: node_name, id, ip }
    }

    fn exited(&self, name: NodeName, exit: Result<(), String>) {
        self.note(format_args!("exit of {}", name.as_str()));
        let mut state = self.shared.state.lock();
        let expected = state.may_exit.contains(name.as_str());
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

    /// The nodes that ended by themselves so far, in order, each with its error if it had one.
    #[must_use]
    pub fn exits(&self) -> Vec<(NodeName, Result<(), String>)> {
        self.shared.state.lock().exits.clone()
    }

    /// madsim's own handle, for what this one does not offer.
    #[must_use]
    pub fn madsim(&self) -> &Handle {
        &self.shared.handle
    }

    // ---- time and chance ----------------------------------------------------------------------------------------

    /// Virtual time since the start of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        TimeHandle::try_current().map(|time| time.elapsed()).unwrap_or_default()
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        madsim::time::sleep(duration).await;
    }

    /// A choice of the workload: a number in `low..=high`, fixed by the seed, `what`, `site` and `ordinal`, whatever madsim's
    /// own generator has drawn by then.
    ///
    /// # Panics
    /// When `low` is more than `high`.
    #[must_use]
    pub fn choose(&self, what: &'static str, site: &str, ordinal: u64, low: u64, high: u64) -> u64 {
        assert!(low <= high, "no number from {low} to {high}");
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed().0.to_le_bytes());
        for word in [what, site] {
            hasher.update(word.as_bytes()).update(&[0]);
        }
        hasher.update(&ordinal.to_le_bytes());
        let mut drawn = [0; 16];
        hasher.finalize_xof().fill(&mut drawn);
        let span = u128::from(high - low) + 1;
        // 128 bits over at most 2⁶⁴ values: the bias is below 2⁻⁶⁴.
        low + u64::try_from(u128::from_le_bytes(drawn) % span).unwrap_or(0)
    }

    // ---- oracles ------------------------------------------------------------------------------------------------

    /// An oracle was violated. The first violation of each oracle counts, and the very first one ends the run, unless the
    /// scenario has said [`Sim::keep_going`].
    pub fn violation(&self, evidence: Evidence) {
        if self.shared.state.lock().over {
            return;
        }
        let now = self.now();
        let mut state = self.shared.state.lock();
        state.violated_at.get_or_insert(now);
        if state.violations.iter().all(|known| known.oracle != evidence.oracle) {
            state.violations.push(evidence);
        }
        if !state.keep_going {
            state.finish();
        }
    }

    /// From now on a violation does not end the run: it goes on to its end. The run fails all the same.
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

    /// Ends the run as one that cannot be carried out: what was asked for does not exist. It is no verdict.
    pub fn refuse_run(&self, what: impl Into<String>, hint: &str) {
        let mut state = self.shared.state.lock();
        state.refusal = Some(Refusal { what: what.into(), hint: hint.to_owned() });
        state.finish();
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

    /// Waits for the scenario's verdict, or for what ends the run before it.
    pub(crate) async fn finished(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if state.over {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl State {
    /// Nothing that follows counts.
    pub(crate) fn finish(&mut self) {
        self.over = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The address of the node that was added after so many others.
fn address(place: usize) -> IpAddr {
    let [_, high, low] = u32::try_from(place + 1).map_or([0; 3], |n| {
        let [_, a, b, c] = n.to_be_bytes();
        [a, b, c]
    });
    IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
}

/// The driver's address, out of the way of any node's.
pub(crate) const DRIVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 255, 254));
