//! Probabilistic concurrency testing: tasks have priorities that stay, but for a few changes at random places.
//!
//! A bug that needs `d` ordering constraints is hit with probability at least 1/(n·k^(d−1)) with n tasks and k steps, as
//! against exponentially little for a random walk (Burckhardt and others, *A Randomized Scheduler with Probabilistic Guarantees
//! of Finding Bugs*, ASPLOS 2010). Here priorities and changes are keyed by the task, so that one node's order does not depend on
//! another's; a change is not one of `d − 1` steps drawn beforehand but a coin at each wake, which comes up `d − 1` times in
//! a thousand wakes on average.

use std::collections::BTreeMap;

use super::{Policy, Wake};
use crate::decide::{Decisions, Domain, Point, Site};
use crate::ids::TaskKey;

/// The priority of a task: site = its key.
pub(super) const PCT_PRIORITY: Point = Point::new(Domain::Schedule, "pct-priority");
/// Whether a wake takes its task's priority down: site = the task's key, ordinal = the wake's.
pub(super) const PCT_CHANGE: Point = Point::new(Domain::Schedule, "pct-change");

/// In so many wakes the priority changes depth − 1 times.
pub(super) const STEPS: u32 = 1_000;
/// The deepest: beyond it, order is as good as random.
pub(super) const DEPTH_MAX: u32 = 100;

/// Priorities that stay. The task with the best one runs whenever it can, so that the others may wait for long: that is the point
/// of it.
#[derive(Clone, Debug)]
pub struct Pct {
    depth: u32,
    /// How often a task was taken down so far: each time below every task that was not, and below itself.
    taken_down: BTreeMap<TaskKey, u64>,
}

impl Pct {
    /// With `depth` ordering constraints in mind, 1 to 100; 1 never changes a priority.
    #[must_use]
    pub fn new(depth: u32) -> Self {
        Self { depth: depth.clamp(1, DEPTH_MAX), taken_down: BTreeMap::new() }
    }
}

impl Policy for Pct {
    fn name(&self) -> &'static str {
        "pct"
    }

    fn priority(&mut self, decisions: &Decisions, wake: Wake) -> u64 {
        let site = Site::from_key(wake.task.as_u64());
        let ppm = (self.depth - 1) * (1_000_000 / STEPS);
        if ppm > 0 && decisions.chance(PCT_CHANGE, site, wake.ordinal, ppm) {
            *self.taken_down.entry(wake.task).or_default() += 1;
        }
        // The upper eight bits say how often it was taken down, the others how tasks of one rank stand.
        let rank = self.taken_down.get(&wake.task).map_or(0, |times| (*times).min(255));
        rank << 56 | decisions.bits(PCT_PRIORITY, site, rank) >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake(task: u64, ordinal: u64) -> Wake {
        Wake { task: TaskKey(task), ordinal, node_ordinal: ordinal, during: ordinal, draw: 0 }
    }

    #[test]
    fn priorities_stay_but_for_changes_as_often_as_the_depth_says() {
        let decisions = Decisions::new(7, Vec::new());
        let mut calm = Pct::new(1);
        let first = calm.priority(&decisions, wake(1, 0));
        assert!((1..5_000).all(|ordinal| calm.priority(&decisions, wake(1, ordinal)) == first));
        assert_ne!(first, calm.priority(&decisions, wake(2, 0)), "each task has its own");
        let changes = |depth: u32| {
            let mut policy = Pct::new(depth);
            let seen: Vec<u64> = (0..20_000).map(|ordinal| policy.priority(&decisions, wake(3, ordinal))).collect();
            assert!(seen.is_sorted(), "a priority only ever gets worse");
            seen.windows(2).filter(|pair| pair[0] != pair[1]).count()
        };
        assert!((20..=60).contains(&changes(3)), "2 in a thousand: {}", changes(3));
        assert!(changes(10) > 120, "9 in a thousand: {}", changes(10));
    }
}
