//! Limits of a run, and the ways in which one ends.

use std::fmt;

use crate::time::VirtualTime;

/// What a run may use. All of them are properties of the simulation, so that tripping one is reproducible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Virtual time, from the start.
    pub virtual_time: VirtualTime,
    /// Events taken from the queue.
    pub events: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Polls at which virtual time has not moved by a millisecond: a loop of tasks that wake each other.
    pub polls_without_progress: u64,
    /// Tasks alive at once.
    pub tasks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            virtual_time: VirtualTime::from_nanos(3_600 * 1_000_000_000),
            events: 1_000_000_000,
            polls: 1_000_000_000,
            polls_without_progress: 10_000_000,
            tasks: 1_000_000,
        }
    }
}

/// One task that cannot go on, and what it waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The node's name.
    pub node: String,
    /// The task's stable key, in hex.
    pub task: String,
    /// Where it was spawned: `file:line`, or `boot` for a node's program.
    pub spawned_at: String,
    /// What it waits for, in words.
    pub on: String,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: task {} spawned at {} waits for {}", self.node, self.task, self.spawned_at, self.on)
    }
}

/// Why a run failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// A task panicked on a node where the scenario had not declared it.
    Panic {
        /// The node's name.
        node: String,
        /// The task's stable key, in hex.
        task: String,
        /// The panic's message.
        message: String,
        /// Where it happened: `file:line:column`, if known.
        location: String,
    },
    /// Nothing is left to happen, and the scenario has not ended.
    Deadlock,
    /// A limit of the simulation was reached.
    Limit {
        /// Which one, as in `virtual time`.
        what: &'static str,
        /// Its bound, in words.
        bound: String,
    },
    /// A waker of this simulation was used on a thread that does not hold it.
    ForeignWake,
    /// Simulated code reached for the real world, or used what is refused.
    Refused {
        /// What was asked for, and where.
        what: String,
    },
    /// An oracle or a world reported a violation.
    Violation {
        /// The oracle's name.
        oracle: String,
        /// Its evidence.
        message: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { node, message, location, .. } => write!(f, "panic on {node} at {location}: {message}"),
            Self::Deadlock => f.write_str("deadlock: nothing is left to happen and the scenario has not ended"),
            Self::Limit { what, bound } => write!(f, "{what} limit reached ({bound})"),
            Self::ForeignWake => {
                f.write_str("a waker of this simulation was used on a thread outside it; keep such threads out of it")
            }
            Self::Refused { what } => write!(f, "refused: {what}"),
            Self::Violation { oracle, message } => write!(f, "{oracle}: {message}"),
        }
    }
}
