//! Scheduling policies: which ready task of a node runs next.
//!
//! A policy gives each wake a priority; the ready task with the smallest one runs first. Priorities of one node's tasks
//! never depend on another node's, so that unrelated nodes do not disturb each other's order.

mod pct;
mod pos;

pub use pct::Pct;
pub use pos::Pos;

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
    /// How many polls the simulation had had by then: what was woken during one poll has the same number.
    pub during: u64,
    /// 64 random bits: the decision [`PRIORITY`].
    pub draw: u64,
}

/// Orders the ready tasks of a node.
pub trait Policy: Send {
    /// The word for this policy in records and on the command line.
    fn name(&self) -> &'static str;

    /// The priority of a wake; the smallest runs first.
    fn priority(&mut self, decisions: &Decisions, wake: Wake) -> u64;

    /// A task runs now that was woken with [`priority`](Policy::priority). Says whether some of those that still wait for the
    /// processor of its node are to be [rated](Policy::rate) anew.
    fn rates_anew(&mut self, _ran: TaskKey) -> bool {
        false
    }

    /// The new priority of a task that waits, if it is to have another; asked of each after [`rates_anew`](Policy::rates_anew) said
    /// yes, in no certain order.
    fn rate(&mut self, _: &Decisions, _waits: TaskKey) -> Option<u64> {
        None
    }

    /// Whether the priority of every wake is its draw: such a policy is asked this once and nothing more.
    fn is_the_draw(&self) -> bool {
        false
    }
}

/// A keyed random priority per wake.
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
pub const POLICIES: &str = "random, fifo, pct (of depth 3), pct:DEPTH, pos, and portfolio, which lets the seed choose";

/// The choice of a portfolio: site = the seed's own.
const PORTFOLIO: Point = Point::new(Domain::Schedule, "portfolio");
/// The depths that a portfolio has.
const DEPTHS: [u32; 3] = [2, 3, 5];

/// The policy called `name`, if there is one, and the word for it in records. `portfolio` is another one, by the seed: four times in
/// ten `random`, twice `pos`, once `fifo`, else `pct` of some depth.
#[must_use]
pub fn by_name(name: &str, seed: u64) -> Option<(Box<dyn Policy>, String)> {
    let (policy, word): (Box<dyn Policy>, String) = match name {
        "random" => (Box::new(Random), name.to_owned()),
        "fifo" => (Box::new(Fifo), name.to_owned()),
        "pos" => (Box::new(Pos::default()), name.to_owned()),
        "pct" => return by_name("pct:3", seed),
        "portfolio" => {
            let drawn = Decisions::new(seed, Vec::new()).range(PORTFOLIO, Site::named("policy"), 0, 0, 9);
            return match drawn {
                0..=3 => by_name("random", seed),
                4..=5 => by_name("pos", seed),
                6 => by_name("fifo", seed),
                depth => by_name(&format!("pct:{}", DEPTHS[depth as usize - 7]), seed),
            };
        }
        _ => {
            let depth = name.strip_prefix("pct:")?.parse().ok().filter(|depth| (1..=pct::DEPTH_MAX).contains(depth))?;
            (Box::new(Pct::new(depth)), format!("pct:{depth}"))
        }
    };
    Some((policy, word))
}
