//! From a wake to the place among what is ready: the decisions of a wake, and when the woken task's node runs.

use crate::ids::{NodeId, TaskKey, TaskRef};
use crate::kernel::Kernel;
use crate::node::{NodeState, Ready};
use crate::policy::Wake;
use crate::task::QUEUED;
use crate::time::VirtualTime;
use crate::trace::Kind;

impl Kernel {
    /// Puts a live task among its node's ready ones and sees to it that the node runs.
    #[inline]
    pub(crate) fn make_ready(&mut self, task: TaskRef) {
        if let Some(node) = self.put_among_ready(task) {
            self.see_to_run(node);
        }
    }

    /// Puts a live task among its node's ready ones. Gives the node, unless a poll is under way there: what comes next is seen
    /// to at its end.
    #[inline]
    pub(crate) fn put_among_ready(&mut self, task: TaskRef) -> Option<NodeId> {
        let ready = self.decide_wake(task)?;
        let task = self.tasks.get(task)?;
        let node = &mut self.nodes[task.node.index()];
        node.ready.push(ready);
        let (id, key) = (node.id, task.key);
        match &self.current {
            Some(current) if current.node == id => (current.task == TaskRef::NONE).then_some(id),
            None if self.actor == id => Some(id),
            _ => {
                let from = self.current_node();
                self.trace_on(id, Kind::EDGE, key.0, u64::from(from.0));
                Some(id)
            }
        }
    }

    /// Decides what a wake of a task is: what is to be put among its node's ready ones. `None` if it is there already, or has
    /// ended.
    #[inline(always)]
    pub(crate) fn decide_wake(&mut self, task_ref: TaskRef) -> Option<Ready> {
        let task = self.tasks.get_mut(task_ref)?;
        if task.deaf != 0 {
            return None;
        }
        task.deaf = QUEUED;
        let ordinal = task.wakes;
        task.wakes += 1;
        let (draw, cost_ns) = self.decisions.wake(task.draws, task.key, ordinal, self.by_draw);
        task.cost_ns = cost_ns;
        if self.by_draw {
            return Some(Ready::new(draw, task_ref));
        }
        let wakes = &mut self.nodes[task.node.index()].wakes;
        let wake = Wake { task: task.key, ordinal, node_ordinal: *wakes, during: self.polls, draw };
        *wakes += 1;
        Some(Ready::new(self.policy.priority(&self.decisions, wake), task_ref))
    }

    /// Tells the policy that a task of this node runs now, and puts those that it rates anew in their new order.
    #[cold]
    pub(crate) fn rate_anew(&mut self, id: NodeId, ran: TaskKey) {
        if !self.policy.rates_anew(ran) {
            return;
        }
        let ready = &mut self.nodes[id.index()].ready;
        let mut waiting = Vec::with_capacity(ready.len());
        ready.retain(|one| {
            waiting.push(*one);
            false
        });
        for one in &mut waiting {
            let Some(task) = self.tasks.get(one.task()) else { continue };
            if let Some(priority) = self.policy.rate(&self.decisions, task.key) {
                *one = Ready::new(priority, one.task());
            }
        }
        ready.extend(waiting);
    }

    /// What a node began when it was the first has ended: the queue has its next instant from now on.
    #[inline]
    pub(crate) fn settle(&mut self, id: NodeId) {
        self.queue.settle(id, self.nodes[id.index()].due());
    }

    /// Arranges a run of `node` if something is ready and none is arranged.
    #[inline]
    pub(crate) fn see_to_run(&mut self, id: NodeId) {
        let node = &self.nodes[id.index()];
        let idle = node.ready.is_empty() && node.outbox.is_empty();
        if idle || node.run != VirtualTime::MAX || node.state != NodeState::Running {
            return;
        }
        let polling = self.current.as_ref().is_some_and(|c| c.node == id && c.task != TaskRef::NONE);
        if !polling {
            self.arrange_run(id);
        }
    }

    fn arrange_run(&mut self, id: NodeId) {
        let now = self.now();
        let node = &mut self.nodes[id.index()];
        node.run = now.max(node.busy_until);
        self.queue.set_own(id, node.due());
    }
}
