//! Scheduling policies: which ready task of a node runs next.
//!
//! A policy gives each wake a priority; the ready task with the smallest one runs first. Priorities of one node's tasks
//! never depend on another node's, so that unrelated nodes do not disturb each other's order.

mod pct;

pub use pct::Pct;

use crate::decide::{Decisions, Domain, Point, Site};
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

/// What a name can select, as told where a name is wrong.
pub const POLICIES: &str = "random, fifo, pct (of depth 3), pct:DEPTH, and portfolio, which lets the seed choose";

/// The choice of a portfolio: site = the seed's own.
const PORTFOLIO: Point = Point::new(Domain::Schedule, "portfolio");
/// The depths that a portfolio has.
const DEPTHS: [u32; 3] = [2, 3, 5];

/// The policy called `name`, if there is one, and the word for it in records. `portfolio` is another one, by the seed: one time in
/// two `random`, else `fifo` or `pct` of some depth.
#[must_use]
pub fn by_name(name: &str, seed: u64) -> Option<(Box<dyn Policy>, String)> {
    let (policy, word): (Box<dyn Policy>, String) = match name {
        "random" => (Box::new(Random), name.to_owned()),
        "fifo" => (Box::new(Fifo), name.to_owned()),
        "pct" => return by_name("pct:3", seed),
        "portfolio" => {
            let drawn = Decisions::new(seed, Vec::new()).range(PORTFOLIO, Site::named("policy"), 0, 0, 7);
            return match drawn {
                0..=3 => by_name("random", seed),
                4 => by_name("fifo", seed),
                depth => by_name(&format!("pct:{}", DEPTHS[depth as usize - 5]), seed),
            };
        }
        _ => {
            let depth = name.strip_prefix("pct:")?.parse().ok().filter(|depth| (1..=pct::DEPTH_MAX).contains(depth))?;
            (Box::new(Pct::new(depth)), format!("pct:{depth}"))
        }
    };
    Some((policy, word))
}
