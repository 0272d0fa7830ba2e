//! Timers go off: whom they wake, and whether their node goes on at once.

use crate::ids::NodeId;
use crate::kernel::{RARE, UNARMED};
use crate::node::NodeState;
use crate::run::Step;
use crate::time::VirtualTime;
use crate::universe::Universe;

impl Universe {
    pub(crate) fn fire_timers(&mut self, id: NodeId, at: VirtualTime) -> Option<Step> {
        let kernel = &mut self.kernel;
        let node = &mut kernel.nodes[id.index()];
        node.timer = VirtualTime::MAX;
        if node.timer_clock.is_paused() && !(node.ready.is_empty() && node.busy_until <= at) {
            if node.timers.is_due(node.read_timer_clock_ns(at)) {
                // The program has moved its clock past them.
                kernel.queue.run_first(id, node.run);
                return self.fire_due(id, at);
            }
            // A paused clock moves on by itself only when the program has nothing to do.
            let later = node.busy_until.max(at.after_nanos(1));
            kernel.schedule_timer(later, id);
            return None;
        }
        kernel.queue.run_first(id, node.run);
        if node.timer_clock.is_paused()
            && let Some(deadline_ns) = node.timers.next_deadline()
        {
            node.timer_clock.jump_to(at, deadline_ns);
        }
        self.fire_due(id, at)
    }

    /// Fires what is due on a node's timer clock, and lets the node go on.
    #[inline]
    pub(crate) fn fire_due(&mut self, id: NodeId, at: VirtualTime) -> Option<Step> {
        let kernel = &mut self.kernel;
        let node = &mut kernel.nodes[id.index()];
        let now_ns = node.read_timer_clock_ns(at);
        // Nearly always one timer is due, one task is woken, and it runs at once.
        let mut woken = None;
        if let Some(fired) = node.timers.fire(now_ns) {
            woken = kernel.timer_fired(id, fired);
            if kernel.nodes[id.index()].timers.is_due(now_ns) {
                kernel.fire_others(id, now_ns, woken.take());
            }
        }
        let node = &mut kernel.nodes[id.index()];
        // A node that did nothing, and beside which nothing else is due, goes on at once; its next timer is seen to after
        // that poll, which nearly always arms one.
        let is_free = node.run == VirtualTime::MAX
            && node.state == NodeState::Running
            && node.busy_until <= at
            && node.outbox.is_empty()
            && kernel.attention & RARE == 0
            && (woken.is_some() || !node.ready.is_empty());
        if is_free && kernel.queue.is_quiet_until(at) {
            let next = match woken {
                Some(ready) if node.ready.is_empty() => ready,
                Some(ready) => node.ready.exchange(ready),
                None => node.ready.pop()?,
            };
            kernel.attention |= UNARMED;
            kernel.events += 1;
            if let Some(step) = self.start_poll(id, next).or_else(|| self.run_ready(id)) {
                return Some(step);
            }
            self.kernel.attention &= !UNARMED;
        } else {
            node.ready.extend(woken);
        }
        self.kernel.arm(id);
        // Of all that is due at this instant it may still be this node's turn.
        if is_free && self.kernel.queue.is_still_first(id, at) {
            if !self.begin(id, at) {
                return Some(Step::STOP);
            }
            if let Some(step) = self.run_ready(id) {
                return Some(step);
            }
        }
        self.kernel.see_to_run(id);
        self.kernel.settle(id);
        None
    }
}
