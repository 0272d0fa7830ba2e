//! A node: a serial processor with its own speed, its own clocks and its own life.

use std::sync::Arc;

use crate::clock::Clock;
use crate::decide::Site;
use crate::heap::{Entry, Heap};
use crate::ids::{Incarnation, NodeId, TaskRef};
use crate::queue::Key;
use crate::signals::Signals;
use crate::spare::NodeParts;
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
    /// The events that stand in the queue for this node's processor and for its earliest timer. Others are void.
    pub(crate) run: Key,
    pub(crate) timer: Key,
    pub(crate) outbox: Vec<Effect>,
    pub(crate) timers: Timers,
    pub(crate) sequence: u64,
    pub(crate) wakes: u64,
    pub(crate) roots: u64,
    pub(crate) born: u64,
    pub(crate) polls: u64,
    pub(crate) main: TaskRef,
    pub(crate) panics_allowed: bool,
    /// What tokio's clock is to the monotonic one.
    pub(crate) timer_clock: TimerClock,
    /// Numbers that the node's programs were handed.
    pub(crate) numbers: u64,
    pub(crate) signals: Signals,
}

impl Node {
    pub(crate) fn new(id: NodeId, name: Arc<str>, site: Site, parts: NodeParts) -> Self {
        let NodeParts { ready, timers, outbox } = parts;
        Self {
            id,
            name,
            site,
            state: NodeState::Down,
            incarnation: Incarnation(0),
            monotonic: Clock::starting_at(MONOTONIC_START_NS),
            wall: Clock::starting_at(WALL_CLOCK_START_NS),
            slowness: 1000,
            ready,
            busy_until: VirtualTime::ZERO,
            run: Key::NONE,
            timer: Key::NONE,
            outbox,
            timers,
            sequence: 0,
            wakes: 0,
            roots: 0,
            born: 0,
            polls: 0,
            main: TaskRef::NONE,
            panics_allowed: false,
            timer_clock: TimerClock::default(),
            numbers: 0,
            signals: Signals::default(),
        }
    }

    /// Memory for a node of the next simulation.
    pub(crate) fn into_parts(self) -> NodeParts {
        let Self { mut ready, mut timers, mut outbox, .. } = self;
        ready.clear();
        outbox.clear();
        drop(timers.reset_all());
        NodeParts { ready, timers, outbox }
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
