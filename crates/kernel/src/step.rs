//! One step of the loop: which event is next, what it does to the state, and what must then run while nothing is borrowed.

use crate::exec::{self, Polled};
use crate::ids::{NodeId, TaskKey, TaskRef};
use crate::kernel::{Call, Current, Errand, Kernel, OUTBOX, RARE, UNARMED};
use crate::limits::Failure;
use crate::node::{Down, Node, NodeState, Ready};
use crate::panics;
use crate::queue::{Queue, What};
use crate::run::{Act, Step};
use crate::task::{QUEUED, TaskState, Wait};
use crate::time::VirtualTime;
use crate::trace::{Kind, Record};
use crate::universe::{self, Universe};

impl Universe {
    /// Whether something is to be done while nothing is borrowed.
    #[inline]
    pub(crate) fn has_chores(&mut self) -> bool {
        self.kernel.attention & RARE != 0 && self.has_rare_chores()
    }

    fn has_rare_chores(&mut self) -> bool {
        let c = &self.kernel.chores;
        let of_loop = c.wakes.len() | c.discards.len() | c.dropped.len() | c.boots.len() | c.calls.len();
        let of_threads = self.incoming.len() | self.wanted.len();
        let has = of_loop | of_threads | self.kernel.transitions.len() != 0;
        if !has && self.kernel.failure.is_none() {
            self.kernel.attention &= !RARE;
        }
        has
    }

    /// Tells the worlds of nodes that went down, where that is all there is to do: no code of the program's runs for it. Says
    /// whether nothing is left.
    fn has_told(&mut self) -> bool {
        let alone = self.kernel.chores.is_empty() && self.incoming.len() | self.wanted.len() == 0;
        if !alone || !self.kernel.outbox.is_empty() {
            return false;
        }
        self.tell_transitions();
        self.kernel.outbox.is_empty() && self.kernel.failure.is_none() && !self.has_chores()
    }

    pub(crate) fn panicked(&mut self, node: NodeId, task: String, message: String) {
        let location = panics::take_location();
        let record = &self.kernel.nodes[node.index()];
        if !record.panics_allowed {
            let node = record.name.to_string();
            self.kernel.fail(Failure::Panic { node, task, message, location });
        }
    }

    /// Marks a task as ended and wakes who waits for it.
    pub(crate) fn end_task(&mut self, task_ref: TaskRef, how: u64) {
        let Some(task) = self.kernel.tasks.get_mut(task_ref) else { return };
        if task.state != TaskState::Live {
            return;
        }
        let (node, key, alive) = (task.node, task.key, task.handle_alive);
        let joiner = task.joiner.take();
        self.kernel.tasks.end(task_ref);
        if let Some(joiner) = joiner {
            self.kernel.wake(joiner);
        }
        if !alive {
            self.kernel.tasks.remove(task_ref);
            if exec::has_output(task_ref) {
                self.kernel.chores_mut().calls.push(Call(node, Errand::Forget(task_ref)));
            }
        }
        self.kernel.trace_on(node, Kind::TASK_END, key.0, how);
    }

    /// Whether the scenario's own task has ended.
    pub(crate) fn has_ended(&self, main: TaskRef) -> bool {
        self.kernel.tasks.get(main).is_none_or(|t| t.state == TaskState::Done)
    }

    /// After a poll that has not ended its task, but may have woken it: its node goes on, or whatever else is due.
    #[inline(always)]
    pub(crate) fn go_on(&mut self, woken: bool) -> Step {
        let kernel = &mut self.kernel;
        // Nearly every poll does nothing that must be seen to, and leaves a task to be run.
        if kernel.attention != 0 {
            return self.see_to_rest(woken);
        }
        let Some(current) = &kernel.current else { return self.next_step() };
        let (id, task, elapsed_ns, cost_ns) = (current.node, current.task, current.elapsed_ns, current.cost_ns);
        let ready = if woken { kernel.decide_wake(task) } else { None };
        let Kernel { nodes, queue, now, .. } = kernel;
        let nodes = &mut nodes[..];
        let node = &mut nodes[id.index()];
        let end = now.after_nanos(elapsed_ns + node.slowed_ns(cost_ns));
        if ready.is_none() && node.ready.is_empty() {
            return self.see_to_rest(false);
        }
        node.busy_until = end;
        let (at, id, next) = if queue.is_quiet_until(end) {
            // The node has the processor for a while: the next poll is begun at once.
            let next = match ready {
                Some(ready) => node.ready.exchange(ready),
                None => match node.ready.pop() {
                    Some(ready) => ready,
                    None => return self.see_to_rest(false),
                },
            };
            (end, id, next)
        } else {
            // It comes in its turn: something else is due before, most likely a poll of another node.
            if let Some(ready) = ready {
                node.ready.push(ready);
            }
            node.run = end;
            let due = node.due();
            match Self::next_turn(nodes, queue, id, due) {
                Some(turn) => turn,
                None => return self.give_way_to_any(id, due),
            }
        };
        if !self.begin(id, at) {
            return Step::STOP;
        }
        self.start_poll(id, next).unwrap_or_else(|| self.run_next(id))
    }

    /// The node that goes on now settles at `when`, and passes its turn on, if it is a poll of another node that comes next.
    #[inline(always)]
    fn next_turn(
        nodes: &mut [Node],
        queue: &mut Queue,
        id: NodeId,
        when: VirtualTime,
    ) -> Option<(VirtualTime, NodeId, Ready)> {
        let turn = queue.turn(id, when)?;
        let (at, other) = (turn.at(), turn.node());
        let node = &mut nodes[other.index()];
        if !node.may_poll_at(at) {
            return None;
        }
        let next = node.ready.pop()?;
        node.run = VirtualTime::MAX;
        turn.pass_on(node.timer);
        Some((at, other, next))
    }

    /// What was a node's turn comes later, at `due`: whatever comes next.
    #[inline(never)]
    fn give_way_to_any(&mut self, id: NodeId, due: VirtualTime) -> Step {
        let Kernel { nodes, queue, current, actor, .. } = &mut self.kernel;
        *current = None;
        *actor = id;
        if let Some((at, other)) = queue.put_off(id, due)
            && let node = &mut nodes[other.index()]
            && node.may_poll_at(at)
            && let Some(next) = node.ready.pop()
        {
            node.run = VirtualTime::MAX;
            queue.run_first(other, node.timer);
            if !self.begin(other, at) {
                return Step::STOP;
            }
            return self.start_poll(other, next).unwrap_or_else(|| self.run_next(other));
        }
        self.next_step()
    }

    /// Whatever of the node's tasks comes next, or what else is due, after one was ready that has ended since.
    #[cold]
    fn run_next(&mut self, id: NodeId) -> Step {
        let Kernel { nodes, queue, current, .. } = &mut self.kernel;
        *current = None;
        queue.settle(id, nodes[id.index()].due());
        self.run_ready(id).unwrap_or_else(|| self.next_step())
    }

    /// As [`Universe::go_on`], where there is something to be seen to, or nothing to be run.
    #[inline(never)]
    fn see_to_rest(&mut self, woken: bool) -> Step {
        if woken && let Some(current) = &self.kernel.current {
            let task = current.task;
            self.kernel.put_among_ready(task);
        }
        if let Some((id, end, still_up)) = self.end_poll() {
            self.release(id, end, still_up);
            if self.kernel.attention & UNARMED != 0 {
                self.kernel.attention &= !UNARMED;
                if let Some(step) = self.sleep(id, end) {
                    return step;
                }
                self.kernel.arm(id);
            }
            self.kernel.see_to_run(id);
            self.kernel.settle(id);
        }
        self.next_step()
    }

    /// Ends a poll: its node was busy until now. Gives the node, until when, and whether it is still up. The node is yet to
    /// settle.
    #[inline(always)]
    fn end_poll(&mut self) -> Option<(NodeId, VirtualTime, bool)> {
        let kernel = &mut self.kernel;
        let current = kernel.current.as_ref()?;
        let id = current.node;
        let node = &mut kernel.nodes[id.index()];
        let end = kernel.now.after_nanos(current.elapsed_ns + node.slowed_ns(current.cost_ns));
        node.busy_until = end;
        let still_up = node.incarnation == current.incarnation && node.is_up();
        kernel.actor = id;
        kernel.current = None;
        Some((id, end, still_up))
    }

    /// Ends a poll that has ended its task.
    pub(crate) fn after_end(&mut self, task_ref: TaskRef, polled: Polled) {
        let Some((node, end, still_up)) = self.end_poll() else { return };
        let ended = self.task_ended(node, task_ref, polled);
        self.release(node, end, still_up);
        if ended && self.kernel.nodes[node.index()].main == task_ref && still_up && node != NodeId::DRIVER {
            self.kernel.take_down(node, Down::Exit);
        }
        if self.kernel.attention & UNARMED != 0 {
            self.kernel.attention &= !UNARMED;
            self.kernel.arm(node);
        }
        self.kernel.see_to_run(node);
        self.kernel.settle(node);
    }

    /// Says whether the task has ended.
    #[inline(never)]
    fn task_ended(&mut self, node: NodeId, task_ref: TaskRef, polled: Polled) -> bool {
        let how = match polled {
            Polled::Pending | Polled::Gone | Polled::Handed => return false,
            Polled::Ended => u64::from(self.kernel.tasks.get(task_ref).is_some_and(|t| t.cancelled)),
            Polled::Panicked(message) => {
                let key = self.kernel.tasks.get(task_ref).map_or(TaskKey::default(), |t| t.key);
                self.panicked(node, key.to_string(), message);
                2
            }
        };
        self.end_task(task_ref, how);
        true
    }

    /// What a poll did takes place at its end: at once when nothing else comes before, otherwise in its turn.
    #[inline]
    fn release(&mut self, node: NodeId, end: VirtualTime, still_up: bool) {
        if self.kernel.outbox.is_empty() {
            self.kernel.attention &= !OUTBOX;
            return;
        }
        self.kernel.settle(node);
        if self.kernel.queue.is_quiet_until(end) || !still_up {
            self.kernel.now = end;
            self.flush_outbox(node);
        } else {
            let own = &mut self.kernel.nodes[node.index()].outbox;
            if own.is_empty() {
                std::mem::swap(own, &mut self.kernel.outbox);
            } else {
                own.append(&mut self.kernel.outbox);
            }
            self.kernel.attention &= !OUTBOX;
        }
    }

    /// A node that has nothing to do sleeps until its next timer. When nothing else is due before that, no queue is asked.
    #[inline(always)]
    fn sleep(&mut self, id: NodeId, busy_until: VirtualTime) -> Option<Step> {
        let kernel = &mut self.kernel;
        let node = &mut kernel.nodes[id.index()];
        let idle = node.ready.is_empty() && node.outbox.is_empty() && node.run == VirtualTime::MAX;
        if !idle || kernel.attention != 0 || node.state != NodeState::Running || node.timer_clock.is_paused() {
            return None;
        }
        let at = kernel.next_timer(id)?;
        if at < busy_until || !kernel.queue.is_quiet_until(at) {
            return None;
        }
        if !self.begin(id, at) {
            return Some(Step::STOP);
        }
        self.kernel.polls_at_progress = self.kernel.polls;
        self.fire_due(id, at)
    }

    /// Takes events until one needs the loop.
    pub(crate) fn next_step(&mut self) -> Step {
        loop {
            if self.kernel.attention & RARE != 0 {
                if self.kernel.failure.is_some() {
                    return Step::STOP;
                }
                if self.has_chores() && !self.has_told() {
                    return Step::CHORES;
                }
            }
            if universe::has_deferred() {
                return Step::CHORES;
            }
            let Some((at, node, what)) = self.kernel.queue.next() else {
                self.kernel.fail(Failure::Deadlock);
                return Step::STOP;
            };
            if !self.begin(node, at) {
                return Step::STOP;
            }
            match what {
                What::Own => {
                    if let Some(step) = self.go_by_itself(node, at) {
                        return step;
                    }
                }
                What::World(event) => {
                    self.kernel.polls_at_progress = self.kernel.polls;
                    self.dispatch(node, event);
                }
            }
            if !self.kernel.outbox.is_empty() {
                self.flush_outbox(node);
            }
        }
    }

    /// A node fires its timers or runs.
    #[inline]
    fn go_by_itself(&mut self, id: NodeId, at: VirtualTime) -> Option<Step> {
        let node = &self.kernel.nodes[id.index()];
        if node.timer <= at {
            self.kernel.polls_at_progress = self.kernel.polls;
            self.fire_timers(id, at)
        } else if node.run <= at {
            self.run_node(id)
        } else {
            // What stood there has been put off, or is void.
            let due = node.due();
            self.kernel.queue.set_own(id, due);
            None
        }
    }

    /// An event of `node` begins at `at`. Says no when the run has used more than it may.
    #[inline(always)]
    pub(crate) fn begin(&mut self, node: NodeId, at: VirtualTime) -> bool {
        self.kernel.events += 1;
        self.kernel.now = at;
        self.kernel.actor = node;
        !self.kernel.may_be_past_a_limit() || self.is_within_limits()
    }

    #[cold]
    fn is_within_limits(&mut self) -> bool {
        if !self.kernel.is_past_a_limit() {
            return true;
        }
        let limit = self.exceeded();
        self.kernel.failure = self.kernel.failure.take().or(limit);
        self.kernel.current = None;
        false
    }

    #[cold]
    fn exceeded(&self) -> Option<Failure> {
        let k = &self.kernel;
        let limits = &k.limits;
        let limit = |what, bound: String| Some(Failure::Limit { what, bound });
        if k.now > limits.virtual_time {
            return limit("virtual time", limits.virtual_time.to_string());
        }
        if k.events > limits.events {
            return limit("events", limits.events.to_string());
        }
        if k.polls > limits.polls {
            return limit("polls", limits.polls.to_string());
        }
        if k.polls - k.polls_at_progress > limits.polls_without_progress {
            return limit("no progress", format!("{} polls and nothing else", limits.polls_without_progress));
        }
        limit("tasks", limits.tasks.to_string())
    }

    #[inline]
    fn run_node(&mut self, id: NodeId) -> Option<Step> {
        let node = &mut self.kernel.nodes[id.index()];
        node.run = VirtualTime::MAX;
        if node.state == NodeState::Running && node.outbox.is_empty() {
            self.kernel.queue.run_first(id, node.timer);
            let step = self.run_ready(id);
            if step.is_none() {
                self.kernel.settle(id);
            }
            return step;
        }
        self.kernel.queue.set_own(id, node.timer);
        if node.state != NodeState::Running {
            return None;
        }
        if !node.outbox.is_empty() {
            let mut outbox = std::mem::take(&mut node.outbox);
            self.flush(id, &mut outbox);
            let node = &mut self.kernel.nodes[id.index()];
            if node.outbox.is_empty() {
                node.outbox = outbox;
            }
            // What took place may have woken somebody: that comes first, so that its priority counts.
            if self.has_chores() {
                self.kernel.see_to_run(id);
                return Some(Step::CHORES);
            }
        }
        self.run_ready(id)
    }

    /// Starts the poll of the node's next ready task.
    #[inline]
    pub(crate) fn run_ready(&mut self, id: NodeId) -> Option<Step> {
        while let Some(ready) = self.kernel.nodes[id.index()].ready.pop() {
            let step = self.start_poll(id, ready);
            if step.is_some() {
                return step;
            }
        }
        None
    }

    /// Starts the poll of a task that was ready, unless it has ended since.
    #[inline(always)]
    pub(crate) fn start_poll(&mut self, id: NodeId, ready: Ready) -> Option<Step> {
        let kernel = &mut self.kernel;
        let task_ref = ready.task();
        let Kernel { tasks, nodes, .. } = kernel;
        let task = tasks.get_mut(task_ref)?;
        let node = nodes.get_mut(id.index())?;
        if task.deaf != QUEUED {
            return None;
        }
        task.deaf = 0;
        task.wait = Wait::Program;
        node.polls += 1;
        kernel.polls += 1;
        let incarnation = node.incarnation;
        let (waker, cost_ns) = (task.waker, task.cost_ns);
        kernel.current =
            Some(Current { node: id, incarnation, task: task_ref, elapsed_ns: 0, effective: true, waker, cost_ns });
        // There is one wake before each poll.
        kernel.trace.push(Record { at: kernel.now, node: id, kind: Kind::POLL, a: task.key.0, b: task.wakes });
        if task.cancelled | !kernel.by_draw {
            return self.start_otherwise(id, task_ref);
        }
        Some(Step::of_task(Act::Poll, task_ref))
    }

    /// Where the policy is told of what runs, or the task is not polled but dropped.
    #[inline(never)]
    fn start_otherwise(&mut self, id: NodeId, task_ref: TaskRef) -> Option<Step> {
        let task = self.kernel.tasks.get(task_ref)?;
        let (key, what) = (task.key, if task.cancelled { Act::Cancel } else { Act::Poll });
        if !self.kernel.by_draw {
            self.kernel.rate_anew(id, key);
        }
        Some(Step::of_task(what, task_ref))
    }
}
