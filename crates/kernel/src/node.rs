//! A node: a serial processor with its own speed, its own clocks and its own life.

use std::sync::Arc;

use crate::clock::Clock;
use crate::decide::Site;
use crate::heap::{Entry, Heap};
use crate::ids::{Incarnation, NodeId, TaskRef};
use crate::signals::Signals;
use crate::subsystem::Effect;
use crate::time::VirtualTime;
use crate::timer_clock::TimerClock;
use crate::timers::Timers;

/// Where a node is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeState {
    /// Added, never booted, or booting at the next step.
    Down,
    /// Running.
    Running,
    /// Stopped by SIGSTOP or its like; the network still queues for it.
    Paused,
    /// Killed, or without power.
    Crashed,
    /// Its program ended by itself.
    Exited,
}

/// How a node went down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Down {
    /// The program ended: the kernel closes its sockets, files stay as they are.
    Exit,
    /// `kill -9`: the kernel closes its sockets, the page cache survives.
    Kill,
    /// The machine lost power: peers hear nothing, unsynced data is at the disk model's mercy.
    PowerLoss,
}

/// The wall clock at the start of a simulation: 2026-01-01T00:00:00Z, in nanoseconds since the Unix epoch.
pub const WALL_CLOCK_START_NS: u64 = 1_767_225_600 * 1_000_000_000;

/// The monotonic clock at the start of a simulation, so that code may subtract some from "now".
pub const MONOTONIC_START_NS: u64 = 86_400 * 1_000_000_000;

/// A task that waits for its node's processor: the one with the smallest priority runs first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    priority: u64,
    task: TaskRef,
}

impl Ready {
    #[inline]
    pub(crate) fn new(priority: u64, task: TaskRef) -> Self {
        Self { priority, task }
    }

    #[inline]
    pub(crate) fn task(self) -> TaskRef {
        self.task
    }
}

impl Entry for Ready {
    type Rank = u64;

    const LAST: Self = Self { priority: u64::MAX, task: TaskRef::NONE };

    #[inline]
    fn rank(self) -> u64 {
        self.priority
    }
}

/// A node's record.
#[derive(Debug)]
pub struct Node {
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) site: Site,
    pub(crate) state: NodeState,
    pub(crate) incarnation: Incarnation,
    pub(crate) monotonic: Clock,
    pub(crate) wall: Clock,
    /// Thousandths: 1000 is full speed, 2000 half.
    pub(crate) slowness: u64,
    pub(crate) ready: Heap<Ready>,
    pub(crate) busy_until: VirtualTime,
    /// When its processor runs next and when its earliest timer goes off, as far as either is arranged: the greatest of times
    /// if not. The earlier of both stands in the queue.
    pub(crate) run: VirtualTime,
    pub(crate) timer: VirtualTime,
    pub(crate) outbox: Vec<Effect>,
    pub(crate) timers: Timers,
    pub(crate) sequence: u64,
    pub(crate) wakes: u64,
    pub(crate) roots: u64,
    pub(crate) born: u64,
    pub(crate) polls: u64,
    pub(crate) main: TaskRef,
    pub(crate) panics_allowed: bool,
    /// Its own runtime polls its tasks on the thread of the main one.
    pub(crate) one_thread: bool,
    /// What tokio's clock is to the monotonic one.
    pub(crate) timer_clock: TimerClock,
    /// How far the timer clock is ahead of virtual time, if that does not change: nearly always. Found anew whenever a clock
    /// is changed.
    pub(crate) lead_ns: Option<u64>,
    /// Numbers that the node's programs were handed.
    pub(crate) numbers: u64,
    pub(crate) signals: Signals,
    /// Threads that its program has now, beside its first one, and how many it ever made.
    pub(crate) threads: u32,
    pub(crate) threads_made: u32,
}

impl Node {
    pub(crate) fn new(id: NodeId, name: Arc<str>, site: Site) -> Self {
        Self {
            id,
            name,
            site,
            state: NodeState::Down,
            incarnation: Incarnation(0),
            monotonic: Clock::starting_at(MONOTONIC_START_NS),
            wall: Clock::starting_at(WALL_CLOCK_START_NS),
            slowness: 1000,
            ready: Heap::default(),
            busy_until: VirtualTime::ZERO,
            run: VirtualTime::MAX,
            timer: VirtualTime::MAX,
            outbox: Vec::new(),
            timers: Timers::default(),
            sequence: 0,
            wakes: 0,
            roots: 0,
            born: 0,
            polls: 0,
            main: TaskRef::NONE,
            panics_allowed: false,
            one_thread: false,
            timer_clock: TimerClock::default(),
            lead_ns: Some(MONOTONIC_START_NS),
            numbers: 0,
            signals: Signals::default(),
            threads: 0,
            threads_made: 0,
        }
    }

    /// Makes it a node that was never booted, of the same number and name. Its memory stays.
    pub(crate) fn reset(&mut self) {
        let Self {
            id: _,
            name: _,
            site: _,
            state,
            incarnation,
            monotonic,
            wall,
            slowness,
            ready,
            busy_until,
            run,
            timer,
            outbox,
            timers,
            sequence,
            wakes,
            roots,
            born,
            polls,
            main,
            panics_allowed,
            one_thread,
            timer_clock,
            lead_ns,
            numbers,
            signals,
            threads,
            threads_made,
        } = self;
        ready.clear();
        outbox.clear();
        timers.start_anew();
        if !signals.is_empty() {
            *signals = Signals::default();
        }
        *state = NodeState::Down;
        *incarnation = Incarnation(0);
        *monotonic = Clock::starting_at(MONOTONIC_START_NS);
        *wall = Clock::starting_at(WALL_CLOCK_START_NS);
        *slowness = 1000;
        *busy_until = VirtualTime::ZERO;
        (*run, *timer) = (VirtualTime::MAX, VirtualTime::MAX);
        (*sequence, *wakes, *roots, *born, *polls, *numbers) = (0, 0, 0, 0, 0, 0);
        *main = TaskRef::NONE;
        (*panics_allowed, *one_thread) = (false, false);
        *timer_clock = TimerClock::default();
        *lead_ns = Some(MONOTONIC_START_NS);
        (*threads, *threads_made) = (0, 0);
    }

    /// The node's number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where the node is in its life.
    #[must_use]
    pub fn state(&self) -> NodeState {
        self.state
    }

    /// Which boot this is.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// What the timer clock shows at `at`.
    #[inline]
    pub(crate) fn read_timer_clock_ns(&self, at: VirtualTime) -> u64 {
        match self.lead_ns {
            Some(lead_ns) => at.as_nanos().saturating_add(lead_ns),
            None => self.timer_clock.read_ns(&self.monotonic, at),
        }
    }

    /// When the timer clock will show `ns`, if nobody touches it; an instant that is past if it does already.
    #[inline]
    pub(crate) fn when_timer_clock_ns(&self, ns: u64) -> VirtualTime {
        match self.lead_ns {
            Some(lead_ns) => VirtualTime::from_nanos(ns.saturating_sub(lead_ns)),
            None => self.timer_clock.when_ns(&self.monotonic, ns),
        }
    }

    /// After a change of the monotonic clock or the timer clock.
    pub(crate) fn note_clocks(&mut self) {
        self.lead_ns = self.timer_clock.lead_ns(&self.monotonic);
    }

    /// What takes `ns` at full speed: nearly every node runs at that.
    #[inline]
    pub(crate) fn slowed_ns(&self, ns: u64) -> u64 {
        if self.slowness == 1000 { ns } else { ns * self.slowness / 1000 }
    }

    /// When the node goes on by itself.
    #[inline]
    pub(crate) fn due(&self) -> VirtualTime {
        self.run.min(self.timer)
    }

    /// Whether its processor has nothing else to see to at `at` than its tasks.
    #[inline]
    pub(crate) fn may_poll_at(&self, at: VirtualTime) -> bool {
        self.timer > at && self.run <= at && self.state == NodeState::Running && self.outbox.is_empty()
    }

    /// Whether the node's machine is up: its kernel answers packets.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, NodeState::Running | NodeState::Paused)
    }

    /// The monotonic clock.
    #[must_use]
    pub fn monotonic(&self) -> &Clock {
        &self.monotonic
    }

    /// The wall clock.
    #[must_use]
    #[inline]
    pub fn wall(&self) -> &Clock {
        &self.wall
    }

    /// Polls of the node's tasks so far, over all its boots.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// How many tasks wait for the processor.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }
}
