//! Scheduling policies: which ready task of a node runs next.
//!
//! A policy gives each wake a priority; the ready task with the smallest one runs first. Priorities of one node's tasks
//! never depend on another node's, so that unrelated nodes do not disturb each other's order.

use crate::decide::{Decisions, Domain, Point};
use crate::ids::TaskKey;

/// The decision behind the random policy: site = the task's key, ordinal = its wake number.
pub const PRIORITY: Point = Point::new(Domain::Schedule, "priority");

/// One wake of a task, as a policy sees it.
#[derive(Clone, Copy, Debug)]
pub struct Wake {
    /// The task.
    pub task: TaskKey,
    /// Which wake of this task it is, from 0.
    pub ordinal: u64,
    /// Which wake on this node it is, from 0.
    pub node_ordinal: u64,
    /// 64 random bits: the decision [`PRIORITY`].
    pub draw: u64,
}

/// Orders the ready tasks of a node.
pub trait Policy: Send {
    /// The word for this policy in records and on the command line.
    fn name(&self) -> &'static str;

    /// The priority of a wake; the smallest runs first.
    fn priority(&mut self, decisions: &Decisions, wake: Wake) -> u64;

    /// Whether the priority of every wake is its draw: such a policy is asked this once and nothing more.
    fn is_the_draw(&self) -> bool {
        false
    }
}

/// A keyed random priority per wake: partial-order sampling without its bookkeeping.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Policy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    #[inline]
    fn priority(&mut self, _: &Decisions, wake: Wake) -> u64 {
        wake.draw
    }

    fn is_the_draw(&self) -> bool {
        true
    }
}

/// First woken, first run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fifo;

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    #[inline]
    fn priority(&mut self, _: &Decisions, wake: Wake) -> u64 {
        wake.node_ordinal
    }
}

/// The policies that a name can select.
pub const NAMES: [&str; 2] = ["random", "fifo"];

/// The policy called `name`, if there is one.
#[must_use]
pub fn by_name(name: &str) -> Option<Box<dyn Policy>> {
    match name {
        "random" => Some(Box::new(Random)),
        "fifo" => Some(Box::new(Fifo)),
        _ => None,
    }
}
