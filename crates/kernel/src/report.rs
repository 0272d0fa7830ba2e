//! What a run is asked for, and what it gave.

use crate::decide::Override;
use crate::ids::{Incarnation, NodeId};
use crate::limits::{Failure, Limits, Waiting};
use crate::policy::{Policy, Random};
use crate::stand_in::Blocking;
use crate::time::VirtualTime;
use crate::trace::{Digest, Recent, TraceSink};
use crate::universe::CountersOfWorld;

/// How a simulation is to run.
pub struct Options {
    /// Expands into every decision.
    pub seed: u64,
    /// Decisions to replace.
    pub overrides: Vec<Override>,
    /// Which ready task runs next.
    pub policy: Box<dyn Policy>,
    /// What the run may use.
    pub limits: Limits,
    /// Where the whole trace goes, if anywhere.
    pub trace: Option<Box<dyn TraceSink>>,
    /// Called once per poll, for a watchdog outside the simulation.
    pub on_poll: Option<fn()>,
    /// Asked after each poll for what reached outside the simulation.
    pub on_polled: Option<fn() -> Option<Failure>>,
    /// Called before code of a node runs on this thread and the last to run there was another node's, or another
    /// incarnation's: what libraries keep in thread-locals can then be changed for the node's own.
    pub on_switch: Option<fn(NodeId, Incarnation)>,
    /// Whether a poll may block the simulation's own thread, and what is done around whoever takes over meanwhile.
    pub blocking: Option<Blocking>,
}

impl Options {
    /// The defaults: random policy, default limits, no sink.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            overrides: Vec::new(),
            policy: Box::new(Random),
            limits: Limits::default(),
            trace: None,
            on_poll: None,
            on_polled: None,
            on_switch: None,
            blocking: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("seed", &self.seed).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Report<T> {
    /// The scenario's result, or why the run ended before it.
    pub outcome: Result<T, Failure>,
    /// Digest of the trace.
    pub digest: Digest,
    /// Virtual time at the end.
    pub ended_at: VirtualTime,
    /// Events taken from the queue.
    pub events: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Records in the trace.
    pub records: u64,
    /// Who waited for what at the end of a run that did not end by itself.
    pub waiting: Vec<Waiting>,
    /// Counters of the worlds.
    pub counters: Counters,
    /// The last records of the trace.
    pub recent: Recent,
    /// Overrides that no decision asked for.
    pub unused_overrides: Vec<String>,
    /// Threads that programs started and that panicked, which ends no more than the thread: which of which node, and where. The
    /// first 16.
    pub panicked_threads: Vec<String>,
}

/// The counters of the worlds at the end of a run. Their names are put together when somebody reads them.
#[derive(Debug, Default)]
pub struct Counters {
    first: CountersOfWorld,
    others: Vec<CountersOfWorld>,
}

impl Counters {
    pub(crate) fn of(mut worlds: impl Iterator<Item = CountersOfWorld>) -> Self {
        Self { first: worlds.next().unwrap_or_default(), others: worlds.collect() }
    }

    /// Those that counted anything, as `world.counter`. Most count nothing in most runs, and putting a name together costs
    /// more than counting.
    pub fn counted(self) -> impl Iterator<Item = (String, u64)> {
        std::iter::once(self.first).chain(self.others).flat_map(|(world, list)| {
            list.into_iter().filter(|&(_, n)| n > 0).map(move |(name, n)| (format!("{world}.{name}"), n))
        })
    }
}

impl IntoIterator for Counters {
    type Item = (String, u64);
    type IntoIter = Box<dyn Iterator<Item = (String, u64)>>;

    /// Each counter as `world.counter`, in the order of the worlds.
    fn into_iter(self) -> Self::IntoIter {
        let of_world =
            |(world, list): (_, Vec<_>)| list.into_iter().map(move |(name, n)| (format!("{world}.{name}"), n));
        Box::new(std::iter::once(self.first).chain(self.others).flat_map(of_world))
    }
}
