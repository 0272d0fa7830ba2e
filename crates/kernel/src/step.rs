//! One step of the loop: which event is next, what it does to the state, and what must then run while nothing is borrowed.

use crate::exec::Polled;
use crate::ids::{NodeId, TaskKey, TaskRef};
use crate::kernel::{Call, Current, Errand};
use crate::limits::{Failure, Waiting};
use crate::node::{Down, NodeState};
use crate::panics;
use crate::queue::{Key, What};
use crate::run::{Act, Step};
use crate::task::{TaskState, Wait};
use crate::time::VirtualTime;
use crate::trace::Kind;
use crate::universe::Universe;

impl Universe {
    #[inline]
    pub(crate) fn has_chores(&self) -> bool {
        let c = &self.kernel.chores;
        let of_loop = c.wakes.len() | c.discards.len() | c.dropped.len() | c.boots.len() | c.calls.len();
        let of_threads = self.incoming.len() | self.wanted.len();
        of_loop | of_threads | self.kernel.transitions.len() != 0
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
        self.kernel.chores.wakes.extend(joiner);
        if !alive {
            self.kernel.tasks.remove(task_ref);
            self.kernel.chores.calls.push(Call(node, Errand::Forget(task_ref)));
        }
        self.kernel.trace_on(node, Kind::TASK_END, key.0, how);
    }

    /// Whether the scenario's own task has ended.
    pub(crate) fn has_ended(&self, main: TaskRef) -> bool {
        self.kernel.tasks.get(main).is_none_or(|t| t.state == TaskState::Done)
    }

    /// Ends the poll of `task`: its node was busy until now, and what it did takes place. `ended` says how the task
    /// ended, if it did.
    #[inline]
    pub(crate) fn after_poll(&mut self, task_ref: TaskRef, ended: Option<Polled>) -> NodeId {
        let Some(current) = &self.kernel.current else { return self.kernel.actor };
        let (node, incarnation) = (current.node, current.incarnation);
        let (elapsed_ns, cost) = (current.elapsed_ns, current.cost_ns);
        self.kernel.current = None;
        let record = &mut self.kernel.nodes[node.index()];
        // Nearly every node runs at full speed.
        let cost = if record.slowness == 1000 { cost } else { cost * record.slowness / 1000 };
        let end = self.kernel.now.after_nanos(elapsed_ns + cost);
        record.busy_until = end;
        self.kernel.actor = node;
        let still_up = record.incarnation == incarnation && record.is_up();
        let ended = ended.is_some_and(|polled| self.task_ended(node, task_ref, polled));
        if !self.kernel.outbox.is_empty() {
            self.release(node, end, still_up);
        }
        if ended && self.kernel.nodes[node.index()].main == task_ref && still_up && node != NodeId::DRIVER {
            self.kernel.take_down(node, Down::Exit);
        }
        node
    }

    /// Says whether the task has ended.
    #[inline(never)]
    fn task_ended(&mut self, node: NodeId, task_ref: TaskRef, polled: Polled) -> bool {
        let how = match polled {
            Polled::Pending | Polled::Gone => return false,
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
    fn release(&mut self, node: NodeId, end: VirtualTime, still_up: bool) {
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
        }
    }

    /// After a poll of `node`: puts its next run among the events and goes on with the earliest of them.
    #[inline]
    pub(crate) fn go_on(&mut self, node: NodeId) -> Step {
        let unarmed = std::mem::take(&mut self.kernel.unarmed);
        let record = &self.kernel.nodes[node.index()];
        let idle = record.ready.is_empty() && record.outbox.is_empty();
        if unarmed {
            if idle && let Some(step) = self.sleep(node) {
                return step;
            }
            self.kernel.arm(node);
        }
        if idle {
            return self.next_step();
        }
        let record = &self.kernel.nodes[node.index()];
        let simple = record.state == NodeState::Running
            && record.run.is_none()
            && record.outbox.is_empty()
            && !record.ready.is_empty();
        if !simple || self.kernel.failure.is_some() || self.has_chores() {
            self.kernel.see_to_run(node);
            return self.next_step();
        }
        let at = record.busy_until;
        // Most nodes have the processor for a while: nothing else is due before the next poll.
        if self.kernel.queue.is_quiet_until(at) {
            if let Some(step) = self.begin(node, at) {
                return step;
            }
            return self.run_ready(node).unwrap_or_else(|| self.next_step());
        }
        let key = self.kernel.event_key(at, node);
        self.kernel.nodes[node.index()].run = key;
        let first = self.kernel.queue.exchange(key);
        self.handle(first).unwrap_or_else(|| self.next_step())
    }

    /// A node that has nothing to do sleeps until its next timer. When nothing else is due before that, no queue is asked.
    #[inline]
    fn sleep(&mut self, node: NodeId) -> Option<Step> {
        let record = &self.kernel.nodes[node.index()];
        let simple = record.state == NodeState::Running && !record.timer_clock.is_paused() && record.run.is_none();
        if !simple || self.kernel.failure.is_some() || self.has_chores() {
            return None;
        }
        let busy_until = record.busy_until;
        let at = self.kernel.next_timer(node)?;
        if at < busy_until || !self.kernel.queue.is_quiet_until(at) {
            return None;
        }
        if let Some(step) = self.begin(node, at) {
            return Some(step);
        }
        self.kernel.polls_at_progress = self.kernel.polls;
        self.fire_due(node, at)
    }

    /// Takes events until one needs the loop.
    pub(crate) fn next_step(&mut self) -> Step {
        loop {
            if self.kernel.failure.is_some() {
                return Step::STOP;
            }
            if self.has_chores() {
                return Step::CHORES;
            }
            let first = self.kernel.queue.pop();
            if let Some(step) = self.handle(first) {
                return step;
            }
        }
    }

    /// Lets an event happen.
    #[inline]
    fn handle(&mut self, event: Option<(Key, What)>) -> Option<Step> {
        let Some((key, what)) = event else {
            self.kernel.fail(Failure::Deadlock);
            return Some(Step::STOP);
        };
        let node = key.node();
        if let Some(step) = self.begin(node, key.at()) {
            return Some(step);
        }
        match what {
            What::Run => {
                if let Some(step) = self.run_node(node, key) {
                    return Some(step);
                }
            }
            What::Timer => {
                self.kernel.polls_at_progress = self.kernel.polls;
                if let Some(step) = self.fire_timers(node, key) {
                    return Some(step);
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
        None
    }

    /// An event of `node` begins at `at`, unless the run has used more than it may.
    #[inline]
    fn begin(&mut self, node: NodeId, at: VirtualTime) -> Option<Step> {
        self.kernel.events += 1;
        self.kernel.now = at;
        self.kernel.actor = node;
        if self.kernel.may_be_past_a_limit() && self.kernel.is_past_a_limit() {
            let limit = self.exceeded();
            self.kernel.failure = self.kernel.failure.take().or(limit);
            return Some(Step::STOP);
        }
        None
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
    fn run_node(&mut self, id: NodeId, key: Key) -> Option<Step> {
        let node = &mut self.kernel.nodes[id.index()];
        if node.run != key {
            return None;
        }
        node.run = Key::NONE;
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
    fn run_ready(&mut self, id: NodeId) -> Option<Step> {
        let node = &mut self.kernel.nodes[id.index()];
        let incarnation = node.incarnation;
        while let Some(ready) = node.ready.pop() {
            let task_ref = ready.task();
            let Some(task) = self.kernel.tasks.get_mut(task_ref) else { continue };
            if task.state != TaskState::Live || task.incarnation != incarnation {
                continue;
            }
            task.queued = false;
            task.wait = Wait::Program;
            task.polls += 1;
            node.polls += 1;
            self.kernel.polls += 1;
            let (key, ordinal, cancelled, waker) = (task.key, task.polls, task.cancelled, task.waker);
            let cost_ns = self.kernel.poll_cost_ns(key, ordinal);
            self.kernel.current =
                Some(Current { node: id, incarnation, task: task_ref, elapsed_ns: 0, effective: true, waker, cost_ns });
            self.kernel.trace_on(id, Kind::POLL, key.0, ordinal);
            let boot = (id, incarnation);
            return Some(Step::of_task(if cancelled { Act::Cancel } else { Act::Poll }, task_ref, boot));
        }
        None
    }

    fn fire_timers(&mut self, id: NodeId, key: Key) -> Option<Step> {
        let kernel = &mut self.kernel;
        let node = &mut kernel.nodes[id.index()];
        if node.timer != key {
            return None;
        }
        node.timer = Key::NONE;
        let at = key.at();
        if node.timer_clock.is_paused() && !(node.ready.is_empty() && node.busy_until <= at) {
            // A paused clock moves on only when the program has nothing to do.
            let later = node.busy_until.max(at.after_nanos(1));
            kernel.schedule_timer(later, id);
            return None;
        }
        if node.timer_clock.is_paused()
            && let Some(deadline_ns) = node.timers.next_deadline()
        {
            node.timer_clock.jump_to(at, deadline_ns);
        }
        self.fire_due(id, at)
    }

    /// Fires what is due on a node's timer clock, and lets the node go on.
    #[inline]
    fn fire_due(&mut self, id: NodeId, at: VirtualTime) -> Option<Step> {
        let kernel = &mut self.kernel;
        let node = &mut kernel.nodes[id.index()];
        let now_ns = node.timer_clock.read_ns(&node.monotonic, at);
        // Whoever is woken finds a run of the node scheduled, until all of them are.
        let run = std::mem::replace(&mut node.run, Key::FIRING);
        while let Some((deadline_ns, number, sleeper)) = kernel.nodes[id.index()].timers.fire(now_ns) {
            kernel.trace_on(id, Kind::TIMER, deadline_ns, u64::from(number));
            kernel.wake_up(sleeper);
        }
        let node = &mut kernel.nodes[id.index()];
        node.run = run;
        // A node that did nothing, and beside which nothing else is due, goes on at once; its next timer is seen to after
        // that poll, which nearly always arms one.
        let goes_on = run.is_none() && node.state == NodeState::Running && node.busy_until <= at;
        if goes_on && node.outbox.is_empty() && !node.ready.is_empty() && kernel.queue.is_quiet_until(at) {
            if self.has_chores() {
                self.kernel.arm(id);
                self.kernel.see_to_run(id);
                return Some(Step::CHORES);
            }
            self.kernel.unarmed = true;
            self.kernel.events += 1;
            if let Some(step) = self.run_ready(id) {
                return Some(step);
            }
            self.kernel.unarmed = false;
        }
        self.kernel.arm(id);
        self.kernel.see_to_run(id);
        None
    }

    pub(crate) fn waiting_of(&self, node: NodeId) -> Vec<Waiting> {
        let record = &self.kernel.nodes[node.index()];
        let tasks = self.kernel.tasks.of_node(node);
        tasks
            .into_iter()
            .filter_map(|t| Some((t, self.kernel.tasks.get(t)?)))
            .map(|(task_ref, task)| Waiting {
                node: record.name.to_string(),
                task: task.key.to_string(),
                spawned_at: if task_ref == record.main {
                    if node == NodeId::DRIVER { "the start".to_owned() } else { "boot".to_owned() }
                } else {
                    format!("{}:{}", task.spawned_at.file(), task.spawned_at.line())
                },
                on: if task.queued {
                    format!("its turn on the processor{}", if record.is_up() { "" } else { " of a node that is down" })
                } else {
                    match task.wait {
                        Wait::Program => "something inside the program (a channel, a lock, a task)".to_owned(),
                        Wait::Timer { deadline_ns } => {
                            format!("a timer at {}", record.timer_clock.when_ns(&record.monotonic, deadline_ns))
                        }
                        Wait::Resource { what, id } => self.describe(what, id),
                        Wait::Signal => "a signal".to_owned(),
                    }
                },
            })
            .collect()
    }
}
