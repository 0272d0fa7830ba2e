//! Partial order sampling: random priorities, and new ones for whatever a step has raced with.
//!
//! With one random priority per wake a task that drew a bad one stays behind everything that comes up meanwhile, so that orders
//! in which it comes early are rarer than they should be. Sampling partial orders draws anew for the waiting steps that conflict
//! with the one just taken, so that each order of two conflicting steps is as likely as the other (Yuan, Yang and Gu,
//! *Partial Order Aware Concurrency Sampling*, CAV 2018).
//!
//! Which steps conflict is not known here, as polls are whole and what they touch is not seen. Two tasks of a node are taken to
//! race if one poll has woken both: they waited for the same thing, or were told of the same change.

use std::collections::BTreeMap;

use super::{Policy, Wake};
use crate::decide::{Decisions, Domain, Point, Site};
use crate::ids::TaskKey;

/// A new priority: site = the task's key, ordinal = how often it was rated anew so far.
pub(super) const POS_PRIORITY: Point = Point::new(Domain::Schedule, "pos-priority");

/// Partial order sampling.
#[derive(Clone, Debug, Default)]
pub struct Pos {
    /// What waits for a processor, and during which poll it was woken.
    waiting: BTreeMap<TaskKey, u64>,
    /// How many of those each poll has woken. A poll comes once, so that those whose node went down disturb nobody later.
    by_poll: BTreeMap<u64, u32>,
    /// How often each task was rated anew.
    rated: BTreeMap<TaskKey, u64>,
    /// What was woken during this poll is rated now.
    racing: Option<u64>,
}

impl Policy for Pos {
    fn name(&self) -> &'static str {
        "pos"
    }

    fn priority(&mut self, _: &Decisions, wake: Wake) -> u64 {
        self.waiting.insert(wake.task, wake.during);
        *self.by_poll.entry(wake.during).or_default() += 1;
        wake.draw
    }

    fn rates_anew(&mut self, ran: TaskKey) -> bool {
        self.racing = self.waiting.remove(&ran);
        let Some(during) = self.racing else { return false };
        let others = self.by_poll.get(&during).map_or(0, |all| all - 1);
        if others == 0 {
            self.by_poll.remove(&during);
        } else {
            self.by_poll.insert(during, others);
        }
        others > 0
    }

    fn rate(&mut self, decisions: &Decisions, waits: TaskKey) -> Option<u64> {
        (self.waiting.get(&waits).copied() == self.racing).then(|| {
            let times = self.rated.entry(waits).or_default();
            *times += 1;
            decisions.bits(POS_PRIORITY, Site::from_key(waits.as_u64()), *times - 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake(task: u64, during: u64) -> Wake {
        Wake { task: TaskKey(task), ordinal: 0, node_ordinal: 0, during, draw: task }
    }

    #[test]
    fn what_one_poll_has_woken_is_rated_anew_when_one_of_it_runs() {
        let decisions = Decisions::new(7, Vec::new());
        let mut pos = Pos::default();
        for (task, during) in [(1, 10), (2, 10), (3, 11)] {
            assert_eq!(pos.priority(&decisions, wake(task, during)), task, "at first the draw of the wake");
        }
        assert!(pos.rates_anew(TaskKey(1)));
        let first = pos.rate(&decisions, TaskKey(2));
        assert!(first.is_some());
        assert_eq!(pos.rate(&decisions, TaskKey(3)), None, "it was woken by something else");
        assert!(!pos.rates_anew(TaskKey(2)), "nothing is left that raced with it");
        assert!(!pos.rates_anew(TaskKey(9)), "a task of which it never heard");
        pos.priority(&decisions, wake(1, 12));
        pos.priority(&decisions, wake(2, 12));
        assert!(pos.rates_anew(TaskKey(1)));
        assert_ne!(pos.rate(&decisions, TaskKey(2)), first, "each time another priority");
    }
}
