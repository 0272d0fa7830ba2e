//! The kernel's state and what worlds and handles may ask of it. The loop that drives it is in `run.rs`, one
//! step of it in `step.rs`.

use std::panic::Location;
use std::task::Waker;

use crate::decide::{Decisions, Domain, Point, Site};
use crate::ids::{Incarnation, NodeId, TaskKey, TaskRef};
use crate::limits::{Failure, Limits};
use crate::node::{Down, Node, NodeState};
use crate::parked::WakerIdentity;
use crate::policy::Policy;
use crate::prf::mix;
use crate::queue::{Key, Queue};
use crate::scarce::Scarce;
use crate::subsystem::{Effect, WorldEvent, WorldId};
use crate::task::{Tasks, Wait};
use crate::time::VirtualTime;
use crate::trace::{Kind, Record, Trace};

/// Entropy that a program asked for: site = the task, ordinal = its draw.
pub const ENTROPY: Point = Point::new(Domain::App, "entropy");

pub(crate) const CLOCK_READ_NS: u64 = 20;

/// Something that is not done at every poll may be: chores, a failure, threads of nodes, a pause. Set too often it costs
/// a look around, set too rarely the loop misses it.
pub(crate) const RARE: u8 = 1;
/// The node that is being polled has timers, and perhaps the earliest of them does not stand in the queue.
pub(crate) const UNARMED: u8 = 2;
/// There may be something in the outbox.
pub(crate) const OUTBOX: u8 = 4;

/// On whose behalf code runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) task: TaskRef,
    /// What this poll has used of its node so far, beyond its own cost.
    pub(crate) elapsed_ns: u64,
    /// False while a crashed node's futures are dropped: nothing they do has an effect.
    pub(crate) effective: bool,
    /// The polled task's own waker.
    pub(crate) waker: WakerIdentity,
    /// What the poll costs in itself.
    pub(crate) cost_ns: u64,
}

impl Current {
    /// Of code that runs for a node without being a task of it.
    pub(crate) fn outside_tasks(node: NodeId, incarnation: Incarnation, effective: bool) -> Self {
        let waker = WakerIdentity::default();
        Self { node, incarnation, task: TaskRef::NONE, elapsed_ns: 0, effective, waker, cost_ns: 0 }
    }
}

/// What the kernel keeps in memory: for tests of what short tasks and dropped timers leave behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Footprint {
    /// Tasks that are alive, or ended and still waited for.
    pub tasks: usize,
    /// Slots for tasks, free ones included: the most that ever lived at once.
    pub task_slots: usize,
    /// Slots for timers, free ones included.
    pub timer_slots: usize,
    /// Entries in the heaps of timers, stale ones included.
    pub timer_entries: usize,
    /// Events in the queue.
    pub events: usize,
}

/// What the loop must do while nothing is borrowed.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    pub(crate) wakes: Vec<Waker>,
    pub(crate) discards: Vec<Waker>,
    pub(crate) dropped: Vec<(NodeId, Vec<TaskRef>)>,
    pub(crate) boots: Vec<NodeId>,
    pub(crate) calls: Vec<Call>,
}

impl Chores {
    pub(crate) fn has_wakers(&self) -> bool {
        self.wakes.len() | self.discards.len() != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self { wakes, discards, dropped, boots, calls } = self;
        wakes.len() | discards.len() | dropped.len() | boots.len() | calls.len() == 0
    }

    pub(crate) fn clear(&mut self) {
        let Self { wakes, discards, dropped, boots, calls } = self;
        wakes.clear();
        discards.clear();
        dropped.clear();
        boots.clear();
        calls.clear();
    }
}

/// Something to be done on behalf of a node.
pub(crate) struct Call(pub(crate) NodeId, pub(crate) Errand);

pub(crate) enum Errand {
    Run(Box<dyn FnOnce() + Send>),
    /// The output of a task that nobody waits for is dropped.
    Forget(TaskRef),
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Call").field(&self.0).finish_non_exhaustive()
    }
}

/// Nodes, tasks, time, decisions and trace of one simulation.
pub struct Kernel {
    pub(crate) now: VirtualTime,
    pub(crate) queue: Queue,
    /// Before the run there may be more of them than the simulation has: blank ones of an earlier simulation of this thread, whose
    /// memory and names the next nodes take.
    pub(crate) nodes: Vec<Node>,
    pub(crate) tasks: Tasks,
    pub(crate) current: Option<Current>,
    /// The node on whose behalf an event of a world is handled.
    pub(crate) actor: NodeId,
    pub(crate) outbox: Vec<Effect>,
    pub(crate) decisions: Decisions,
    pub(crate) policy: Box<dyn Policy>,
    /// The policy's priorities are the draws themselves.
    pub(crate) by_draw: bool,
    pub(crate) trace: Trace,
    pub(crate) chores: Chores,
    /// What the end of a poll must look at: [`RARE`], [`UNARMED`] and [`OUTBOX`].
    pub(crate) attention: u8,
    /// Nodes that went down (and how) or booted, in order, for the worlds to be told.
    pub(crate) transitions: Vec<(NodeId, Option<Down>)>,
    pub(crate) failure: Option<Failure>,
    pub(crate) limits: Limits,
    pub(crate) events: u64,
    pub(crate) polls: u64,
    pub(crate) internal_entropy: u64,
    /// Threads of programs that panicked, the first ones, in words.
    pub(crate) panicked_threads: Vec<String>,
    /// Polls at the last event that was not a poll.
    pub(crate) polls_at_progress: u64,
    /// Nodes that run out of file descriptors.
    pub(crate) scarce: Scarce,
    /// Hashes of the nodes' names, beside each other: a new name is compared with all of them. As many as there are nodes.
    pub(crate) sites: Vec<u64>,
    /// At which event the limits are to be looked at next.
    pub(crate) next_check: u64,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("now", &self.now).field("nodes", &self.sites.len()).finish_non_exhaustive()
    }
}

impl Kernel {
    // ---- time ---------------------------------------------------------------------------------------------------

    /// The instant at which what is happening happens: within a poll, the poll's start plus what it has used.
    #[must_use]
    #[inline]
    pub fn now(&self) -> VirtualTime {
        match &self.current {
            Some(current) => self.now.after_nanos(current.elapsed_ns),
            None => self.now,
        }
    }

    /// When what is being handled began: for a poll the instant before it used any time. All that is due before it has happened,
    /// while a node may still go down before [`Kernel::now`].
    #[must_use]
    #[inline]
    pub fn begun_at(&self) -> VirtualTime {
        self.now
    }

    /// What the current node's monotonic clock shows, in nanoseconds. Reading it costs the node a little time, so that
    /// a loop which waits for the clock to move ends.
    pub fn read_monotonic_ns(&mut self) -> u64 {
        self.charge_ns(CLOCK_READ_NS);
        self.node(self.current_node()).monotonic.read_ns(self.now())
    }

    /// What the current node's wall clock shows, in nanoseconds since the Unix epoch. Costs as
    /// [`Kernel::read_monotonic_ns`] does.
    pub fn read_wall_ns(&mut self) -> u64 {
        self.charge_ns(CLOCK_READ_NS);
        self.node(self.current_node()).wall.read_ns(self.now())
    }

    /// What `node`'s monotonic clock shows now, at no cost.
    #[must_use]
    pub fn peek_monotonic_ns(&self, node: NodeId) -> u64 {
        self.node(node).monotonic.read_ns(self.now())
    }

    /// Makes the current poll use `ns` more nanoseconds of its node, times the node's slowness.
    #[inline]
    pub fn charge_ns(&mut self, ns: u64) {
        if let Some(current) = &mut self.current {
            let ns = self.nodes[current.node.index()].slowed_ns(ns);
            current.elapsed_ns = current.elapsed_ns.saturating_add(ns);
        }
    }

    /// Makes the current poll use `ns` more nanoseconds of its node, however fast the node's processor is: it waits for a
    /// device.
    #[inline]
    pub fn occupy_ns(&mut self, ns: u64) {
        if let Some(current) = &mut self.current {
            current.elapsed_ns = current.elapsed_ns.saturating_add(ns);
        }
    }

    /// Whether the poll that is under way has its node to itself: no other task of the node is ready, and the poll has used
    /// less than `max_ns` of the node so far. False outside a poll.
    #[must_use]
    #[inline]
    pub fn has_node_to_itself(&self, max_ns: u64) -> bool {
        let alone = |current: &Current| {
            current.elapsed_ns < max_ns && current.effective && self.nodes[current.node.index()].ready.is_empty()
        };
        self.current.as_ref().is_some_and(alone)
    }

    // ---- who ----------------------------------------------------------------------------------------------------

    /// The node on whose behalf code runs: of the current task, or of the event being handled.
    #[must_use]
    #[inline]
    pub fn current_node(&self) -> NodeId {
        self.current.as_ref().map_or(self.actor, |c| c.node)
    }

    /// Whether what the current code does has an effect. False while a crashed node's futures are dropped.
    #[must_use]
    #[inline]
    pub fn is_effective(&self) -> bool {
        self.current.as_ref().is_none_or(|c| c.effective)
    }

    /// The stable key of the task that is being polled; `None` outside one.
    #[must_use]
    pub fn polled_task_key(&self) -> Option<TaskKey> {
        self.tasks.get(self.current.as_ref()?.task).map(|t| t.key)
    }

    /// The next of the numbers that the current node hands to its program: for ids that a program can see.
    pub fn next_number(&mut self) -> u64 {
        let node = self.current_node();
        let numbers = &mut self.nodes[node.index()].numbers;
        *numbers += 1;
        *numbers
    }

    /// What the kernel keeps in memory for tasks and timers.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let timers: Vec<_> = self.nodes().iter().map(|n| n.timers.footprint()).collect();
        Footprint {
            tasks: self.tasks.live(),
            task_slots: self.tasks.slots(),
            timer_slots: timers.iter().map(|t| t.0).sum(),
            timer_entries: timers.iter().map(|t| t.1).sum(),
            events: self.queue.len(),
        }
    }

    /// How many tasks of `node` have not ended.
    #[must_use]
    pub fn task_count(&self, node: NodeId) -> usize {
        self.tasks.count_of_node(node)
    }

    /// How many polls there have been: tells one poll from another.
    #[must_use]
    #[inline]
    pub fn poll_number(&self) -> u64 {
        self.polls
    }

    /// Whether a task is being polled (or a boot closure or a call runs for a node).
    #[must_use]
    pub fn in_task(&self) -> bool {
        self.current.is_some()
    }

    /// The stable key of the current task; the node's own key outside a task.
    #[must_use]
    pub fn current_task_key(&self) -> TaskKey {
        let task = self.current.as_ref().and_then(|c| self.tasks.get(c.task));
        task.map_or(TaskKey(self.node(self.current_node()).site.as_u64()), |t| t.key)
    }

    /// A node's record.
    ///
    /// # Panics
    /// When there is no such node; ids come from [`Kernel::add_node`].
    #[must_use]
    #[inline]
    pub fn node(&self, node: NodeId) -> &Node {
        &self.nodes()[node.index()]
    }

    /// Every node in the order in which they were added, the driver first.
    #[must_use]
    #[inline]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes[..self.sites.len()]
    }

    /// The node called `name`.
    #[must_use]
    pub fn find_node(&self, name: &str) -> Option<NodeId> {
        self.nodes().iter().find(|n| &*n.name == name).map(|n| n.id)
    }

    // ---- decisions and trace ------------------------------------------------------------------------------------

    /// The decisions of this run.
    #[must_use]
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// Adds an event to the trace, on the current node, now.
    #[inline]
    pub fn trace(&mut self, kind: Kind, a: u64, b: u64) {
        let node = self.current_node();
        self.trace_on(node, kind, a, b);
    }

    /// Adds an event to the trace, on `node`, now.
    #[inline]
    pub fn trace_on(&mut self, node: NodeId, kind: Kind, a: u64, b: u64) {
        let at = self.now();
        self.trace.push(Record { at, node, kind, a, b });
    }

    /// The trace so far.
    #[must_use]
    pub fn trace_so_far(&self) -> &Trace {
        &self.trace
    }

    /// Fills `buffer` with entropy for the program under test: by task, so that one node's appetite does not change
    /// what another gets.
    pub fn fill_entropy(&mut self, buffer: &mut [u8]) {
        let key = self.current_task_key();
        let task = self.current.as_ref().map_or(TaskRef::NONE, |c| c.task);
        let internal = &mut self.internal_entropy;
        let draw = self.tasks.get_mut(task).map_or(internal, |t| &mut t.entropy);
        let first = *draw;
        *draw += buffer.len().div_ceil(8) as u64;
        for (i, chunk) in buffer.chunks_mut(8).enumerate() {
            let bits = self.decisions.bits(ENTROPY, Site::from_key(key.0), first + i as u64);
            chunk.copy_from_slice(&bits.to_le_bytes()[..chunk.len()]);
        }
        self.trace(Kind::ENTROPY, key.0, first);
    }

    // ---- events -------------------------------------------------------------------------------------------------

    /// Schedules `event` to be handled at `at` on behalf of `node`. An instant in the past means now.
    #[inline]
    pub fn schedule(&mut self, at: VirtualTime, node: NodeId, event: WorldEvent) {
        let source = self.current_node();
        let sequence = &mut self.nodes[source.index()].sequence;
        *sequence += 1;
        let key = Key::new(at.max(self.now), node, source, *sequence);
        self.queue.push_world(key, event);
    }

    /// Does `event` when the current poll ends, or at once outside a poll. A crash before the end of the poll voids it.
    pub fn effect(&mut self, world: WorldId, kind: u8, a: u64, b: u64) {
        if self.is_effective() {
            self.outbox.push(Effect::World(WorldEvent { world, kind, a, b }));
            self.attention |= OUTBOX;
        }
    }

    /// Runs `call` when the current poll ends, while nothing is borrowed. A crash before the end of the poll voids it.
    pub fn effect_call(&mut self, call: Box<dyn FnOnce() + Send>) {
        if self.is_effective() {
            self.outbox.push(Effect::Call(call));
            self.attention |= OUTBOX;
        }
    }

    /// Notes what the current task waits for, for the list of a stuck run.
    #[inline]
    pub fn note_wait(&mut self, wait: Wait) {
        if let Some(task) = self.current.as_ref().map(|c| c.task)
            && let Some(task) = self.tasks.get_mut(task)
        {
            task.wait = wait;
        }
    }

    /// Whether the limits must be looked at before this event: each counts at most one poll, so that most events cannot pass
    /// any of them.
    #[inline]
    pub(crate) fn may_be_past_a_limit(&self) -> bool {
        (self.events >= self.next_check) | (self.now > self.limits.virtual_time)
    }

    /// Whether the run has used more than it may.
    #[cold]
    pub(crate) fn is_past_a_limit(&mut self) -> bool {
        let limits = &self.limits;
        let idle_polls = self.polls - self.polls_at_progress;
        let past = (self.now > limits.virtual_time)
            | (self.events > limits.events)
            | (self.polls > limits.polls)
            | (idle_polls > limits.polls_without_progress)
            | (self.tasks.live() > limits.tasks);
        let slack = (limits.events.saturating_sub(self.events))
            .min(limits.polls.saturating_sub(self.polls))
            .min(limits.polls_without_progress.saturating_sub(idle_polls));
        self.next_check = self.events.saturating_add(slack.max(1));
        past
    }

    /// Ends the run with a failure. The first one counts.
    pub fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
        self.attention |= RARE;
    }

    /// What the loop must do while nothing is borrowed, for something to be added.
    #[inline]
    pub(crate) fn chores_mut(&mut self) -> &mut Chores {
        self.attention |= RARE;
        &mut self.chores
    }

    // ---- tasks --------------------------------------------------------------------------------------------------

    pub(crate) fn create_task(&mut self, location: &'static Location<'static>) -> Option<TaskRef> {
        if !self.is_effective() {
            return None;
        }
        let node_id = self.current_node();
        if self.nodes[node_id.index()].state != NodeState::Running {
            return None;
        }
        let parent = self.current.as_ref().map_or(TaskRef::NONE, |c| c.task);
        let node = &mut self.nodes[node_id.index()];
        let (parent_key, ordinal) = match self.tasks.get_mut(parent) {
            Some(parent) => {
                parent.children += 1;
                (parent.key.0, parent.children)
            }
            None => {
                node.roots += 1;
                (mix(node.site.as_u64(), u64::from(node.incarnation.0)), node.roots)
            }
        };
        node.born += 1;
        let key = TaskKey(mix(parent_key, ordinal));
        let draws = self.decisions.wakes_of(key);
        let task = self.tasks.insert(key, node_id, draws, node.born, location);
        if self.tasks.live() > self.limits.tasks {
            self.next_check = 0;
        }
        self.trace(Kind::SPAWN, key.0, parent_key);
        // As any wake, of which is known already where it comes from.
        if let Some(ready) = self.decide_wake(task) {
            self.nodes[node_id.index()].ready.push(ready);
            if parent == TaskRef::NONE {
                self.see_to_run(node_id);
            }
        }
        Some(task)
    }
}
