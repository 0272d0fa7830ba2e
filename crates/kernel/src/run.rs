//! The loop: takes the earliest event, lets it happen, and does what must be done while nothing is borrowed.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::decide::{Decisions, Override};
use crate::exec::{self, Polled, Program, TaskError};
use crate::ids::{Incarnation, NodeId, TaskRef};
use crate::kernel::{Call, Chores, Current, Kernel};
use crate::limits::{Failure, Limits, Waiting};
use crate::node::{Down, NodeState};
use crate::panics;
use crate::parked::WakerIdentity;
use crate::policy::{Policy, Random};
use crate::queue::What;
use crate::task::{TaskState, Wait};
use crate::time::VirtualTime;
use crate::trace::{Digest, Kind, Record, Trace, TraceSink};
use crate::universe::{self, Universe};

/// How a simulation is to run.
pub struct Options {
    /// Expands into every decision.
    pub seed: u64,
    /// Decisions to replace.
    pub overrides: Vec<Override>,
    /// Which ready task runs next.
    pub policy: Box<dyn Policy>,
    /// What the run may use.
    pub limits: Limits,
    /// Where the whole trace goes, if anywhere.
    pub trace: Option<Box<dyn TraceSink>>,
    /// Called once per poll, for a watchdog outside the simulation.
    pub on_poll: Option<fn()>,
    /// Asked after each poll for what reached outside the simulation.
    pub on_polled: Option<fn() -> Option<Failure>>,
    /// Called before code of a node runs on this thread and the last to run there was another node's, or another
    /// incarnation's: what libraries keep in thread-locals can then be changed for the node's own.
    pub on_switch: Option<fn(NodeId, Incarnation)>,
}

impl Options {
    /// The defaults: random policy, default limits, no sink.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            overrides: Vec::new(),
            policy: Box::new(Random),
            limits: Limits::default(),
            trace: None,
            on_poll: None,
            on_polled: None,
            on_switch: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("seed", &self.seed).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Report<T> {
    /// The scenario's result, or why the run ended before it.
    pub outcome: Result<T, Failure>,
    /// Digest of the trace.
    pub digest: Digest,
    /// Virtual time at the end.
    pub ended_at: VirtualTime,
    /// Events taken from the queue.
    pub events: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Records in the trace.
    pub records: u64,
    /// Who waited for what at the end of a run that did not end by itself.
    pub waiting: Vec<Waiting>,
    /// Counters of the worlds.
    pub counters: Vec<(String, u64)>,
    /// The last records of the trace.
    pub recent: Vec<Record>,
    /// Overrides that no decision asked for.
    pub unused_overrides: Vec<String>,
}

/// A simulation that is set up and has not run.
#[derive(Debug)]
pub struct Simulation {
    universe: Box<Universe>,
    on_poll: Option<fn()>,
    on_polled: Option<fn() -> Option<Failure>>,
    on_switch: Option<fn(NodeId, Incarnation)>,
    programs: Vec<(NodeId, ProgramFn)>,
    at_end: Option<AtEnd>,
}

struct AtEnd(Box<dyn FnOnce()>);

impl std::fmt::Debug for AtEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtEnd")
    }
}

struct ProgramFn(Program);

impl std::fmt::Debug for ProgramFn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProgramFn")
    }
}

impl Simulation {
    /// A simulation with the driver as its only node.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let Options { seed, overrides, policy, limits, trace, on_poll, on_polled, on_switch } = options;
        let universe = Universe::new(|| {
            let mut kernel = Kernel {
                now: VirtualTime::ZERO,
                queue: Default::default(),
                nodes: Vec::new(),
                tasks: Default::default(),
                current: None,
                actor: NodeId::DRIVER,
                outbox: Vec::new(),
                decisions: Decisions::new(seed, overrides),
                policy,
                trace: Trace::new(trace),
                chores: Chores::default(),
                transitions: Vec::new(),
                failure: None,
                limits,
                events: 0,
                polls: 0,
                internal_entropy: 0,
                polls_at_progress: 0,
            };
            let driver = kernel.add_node("driver").unwrap_or(NodeId::DRIVER);
            kernel.nodes[driver.index()].state = NodeState::Running;
            kernel.nodes[driver.index()].incarnation = Incarnation(1);
            kernel
        });
        Self { universe: Box::new(universe), on_poll, on_polled, on_switch, programs: Vec::new(), at_end: None }
    }

    /// The kernel and its worlds, for set-up.
    pub fn universe(&mut self) -> &mut Universe {
        &mut self.universe
    }

    /// Sets what is called at the end of the run, however it ends, while the simulation is still there.
    pub fn set_at_end(&mut self, at_end: impl FnOnce() + 'static) {
        self.at_end = Some(AtEnd(Box::new(at_end)));
    }

    /// Sets what a node runs at each boot.
    pub fn set_program(&mut self, node: NodeId, program: Program) {
        self.programs.push((node, ProgramFn(program)));
    }

    /// Runs `main` on the driver until it ends, or until something ends it.
    ///
    /// # Panics
    /// When this thread already holds a simulation.
    pub fn run<F>(self, main: F) -> Report<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(!universe::is_held(), "a simulation runs on this thread already; run each on a thread of its own");
        panics::install_hook();
        let shared = Arc::clone(&self.universe.shared);
        universe::install(self.universe);
        exec::set_home(true);
        for (node, program) in self.programs {
            exec::set_program(node, program.0);
        }
        let driver = Runner {
            on_poll: self.on_poll,
            on_polled: self.on_polled,
            on_switch: self.on_switch,
            last: Cell::new(None),
            foreign: &shared.foreign_wake,
        };
        let handle = driver.enter(NodeId::DRIVER, || crate::join::spawn_local(main));
        let main_task = handle.abort_handle().task();
        universe::with_loop(|u| u.kernel.nodes[NodeId::DRIVER.index()].main = main_task);
        driver.drive(main_task);
        let output = exec::take_output(main_task);
        if let Some(AtEnd(at_end)) = self.at_end {
            driver.enter(NodeId::DRIVER, at_end);
        }
        let report = driver.finish(output);
        shared.ended.store(true, Ordering::Release);
        // User values may be dropped with these; the simulation is still current for them and without effect.
        exec::set_home(false);
        let universe = universe::uninstall();
        drop(universe);
        drop(handle);
        report
    }
}

struct Runner<'a> {
    on_poll: Option<fn()>,
    on_polled: Option<fn() -> Option<Failure>>,
    on_switch: Option<fn(NodeId, Incarnation)>,
    /// Whose code ran last on this thread.
    last: Cell<Option<Boot>>,
    foreign: &'a std::sync::atomic::AtomicBool,
}

/// One boot of one node.
type Boot = (NodeId, Incarnation);

enum Step {
    Poll(TaskRef, Boot),
    Cancel(TaskRef, Boot),
    Chores,
    Stop,
}

impl Runner<'_> {
    /// Runs `f` on behalf of `node`, outside any task.
    fn enter<R>(&self, node: NodeId, f: impl FnOnce() -> R) -> R {
        self.set_current(node, true);
        let result = f();
        universe::with_loop(|u| {
            u.kernel.current = None;
            u.kernel.see_to_run(node);
        });
        result
    }

    /// Code of `boot` is about to run.
    #[inline]
    fn switch_to(&self, boot: Boot) {
        if let Some(on_switch) = self.on_switch
            && self.last.replace(Some(boot)) != Some(boot)
        {
            on_switch(boot.0, boot.1);
        }
    }

    fn set_current(&self, node: NodeId, effective: bool) {
        let incarnation = universe::with_loop(|u| {
            let incarnation = u.kernel.nodes[node.index()].incarnation;
            u.kernel.current = Some(Current {
                node,
                incarnation,
                task: TaskRef::NONE,
                elapsed_ns: 0,
                effective,
                waker: WakerIdentity::default(),
            });
            incarnation
        });
        if let Some(incarnation) = incarnation {
            self.switch_to((node, incarnation));
        }
    }

    fn drop_tasks(&self, node: NodeId, tasks: Vec<TaskRef>) {
        self.set_current(node, false);
        for task in tasks {
            let dropped = exec::cancel(task);
            universe::with_loop(|u| {
                if let Err(message) = dropped {
                    u.panicked(node, "while its node went down".to_owned(), message);
                }
                u.end_task(task, 1);
            });
        }
        universe::with_loop(|u| u.kernel.current = None);
    }

    fn drive(&self, main: TaskRef) {
        let mut step = Step::Chores;
        loop {
            let polled = match step {
                Step::Poll(task, boot) => {
                    self.switch_to(boot);
                    if let Some(on_poll) = self.on_poll {
                        on_poll();
                    }
                    Some((task, exec::poll(task)))
                }
                Step::Cancel(task, boot) => {
                    self.switch_to(boot);
                    Some((
                        task,
                        match exec::cancel(task) {
                            Ok(()) => Polled::Ended,
                            Err(message) => Polled::Panicked(message),
                        },
                    ))
                }
                Step::Chores => {
                    self.do_chores();
                    None
                }
                Step::Stop => return,
            };
            let exported = match &polled {
                Some((task, Polled::Ended | Polled::Panicked(_))) => Some(*task).zip(exec::export_if_away(*task)),
                _ => None,
            };
            let leak = self.on_polled.and_then(|ask| ask());
            let foreign = self.foreign.load(Ordering::Relaxed);
            let next = universe::with_loop(|u| {
                if let Some((task, output)) = exported
                    && u.kernel.tasks.get(task).is_some_and(|t| t.handle_alive)
                {
                    u.exported.insert(task, Some(output));
                }
                // First: what was refused may be what the poll panicked for.
                if let Some(leak) = leak {
                    u.kernel.fail(leak);
                }
                let polled = polled.map(|(task, polled)| u.after_poll(task, polled));
                if foreign {
                    u.kernel.fail(Failure::ForeignWake);
                }
                if u.kernel.tasks.get(main).is_none_or(|t| t.state == TaskState::Done) {
                    return Step::Stop;
                }
                let actor = u.kernel.actor;
                let next = polled.and_then(|()| u.go_on(actor));
                next.unwrap_or_else(|| u.next_step())
            });
            step = next.unwrap_or(Step::Stop);
        }
    }

    fn do_chores(&self) {
        loop {
            let chores = universe::with_loop(|u| {
                for task in universe::take_deferred() {
                    u.kernel.make_ready(task);
                }
                let incoming = std::mem::take(&mut u.incoming);
                let wanted = std::mem::take(&mut u.wanted);
                (std::mem::take(&mut u.kernel.chores), incoming, wanted, Arc::clone(&u.shared))
            });
            let Some((chores, incoming, wanted, shared)) = chores else { return };
            let Chores { wakes, discards, dropped, boots, calls } = chores;
            for (task, body) in incoming {
                exec::place(task, body.body, Some(body.export), true, &shared);
            }
            for (task, waker) in wanted {
                let output = exec::export_output(task);
                universe::with_loop(|u| u.exported.insert(task, output));
                waker.wake();
            }
            for (node, tasks) in dropped {
                self.drop_tasks(node, tasks);
            }
            universe::with_loop(Universe::tell_transitions);
            wakes.into_iter().for_each(std::task::Waker::wake);
            drop(discards);
            for Call(node, call) in calls {
                self.enter(node, || self.guarded(node, call));
            }
            for node in boots {
                self.boot(node);
            }
            let more = universe::with_loop(|u| u.has_chores() || !u.kernel.outbox.is_empty());
            // Effects of calls and boots, which are no polls, take place at once.
            universe::with_loop(|u| {
                let mut outbox = std::mem::take(&mut u.kernel.outbox);
                let actor = u.kernel.actor;
                u.flush(actor, &mut outbox);
            });
            if more != Some(true) {
                return;
            }
        }
    }

    fn guarded(&self, node: NodeId, f: impl FnOnce()) {
        if let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
            let message = exec::panic_message(&*payload);
            universe::with_loop(|u| u.panicked(node, "outside a task".to_owned(), message));
        }
    }

    fn boot(&self, node: NodeId) {
        let running = universe::with_loop(|u| u.kernel.nodes[node.index()].state == NodeState::Running);
        let Some(program) = exec::program(node).filter(|_| running == Some(true)) else { return };
        universe::with_loop(|u| u.kernel.actor = node);
        self.enter(node, || {
            self.guarded(node, || {
                let main = crate::join::spawn_local(program()).abort_handle().task();
                universe::with_loop(|u| u.kernel.nodes[node.index()].main = main);
            });
        });
    }

    fn finish<T>(&self, output: Option<Result<T, TaskError>>) -> Report<T> {
        // Every task is dropped in a fixed order, and none of it has an effect.
        for index in 0.. {
            let tasks = universe::with_loop(|u| {
                let node = u.kernel.nodes.get(index).map(crate::node::Node::id)?;
                let waiting = u.waiting_of(node);
                Some((node, u.kernel.tasks.of_node(node), waiting))
            });
            let Some((node, tasks, waiting)) = tasks.flatten() else { break };
            WAITING.with_borrow_mut(|all| all.extend(waiting));
            self.drop_tasks(node, tasks);
        }
        let mut waiting = WAITING.take();

        universe::with(|u| {
            let kernel = &mut u.kernel;
            kernel.trace.flush();
            let outcome = match (kernel.failure.take(), output) {
                (None, Some(Ok(value))) => Ok(value),
                (Some(failure), _) => Err(failure),
                (None, _) => Err(Failure::Deadlock),
            };
            if outcome.is_ok() {
                waiting.clear();
            }
            Report {
                outcome,
                digest: kernel.trace.digest(),
                ended_at: kernel.now,
                events: kernel.events,
                polls: kernel.polls,
                records: kernel.trace.count(),
                waiting,
                counters: u.counters(),
                recent: u.kernel.trace.recent(),
                unused_overrides: u.kernel.decisions.unused_overrides(),
            }
        })
    }
}

/// Reports a panic that something within a task has caught, as if it had ended the task: it fails the run, unless panics
/// of this node are declared.
pub fn report_panic(payload: &(dyn std::any::Any + Send)) {
    let message = exec::panic_message(payload);
    universe::try_with(|u| {
        let node = u.kernel.current_node();
        let task = u.kernel.current_task_key().to_string();
        u.panicked(node, task, message);
    });
}

thread_local! {
    static WAITING: std::cell::RefCell<Vec<Waiting>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Universe {
    fn has_chores(&self) -> bool {
        let c = &self.kernel.chores;
        !(c.wakes.is_empty()
            && c.discards.is_empty()
            && c.dropped.is_empty()
            && c.boots.is_empty()
            && c.calls.is_empty()
            && self.incoming.is_empty()
            && self.wanted.is_empty()
            && self.kernel.transitions.is_empty())
    }

    fn panicked(&mut self, node: NodeId, task: String, message: String) {
        let location = panics::take_location();
        let record = &self.kernel.nodes[node.index()];
        if !record.panics_allowed {
            let node = record.name.to_string();
            self.kernel.fail(Failure::Panic { node, task, message, location });
        }
    }

    /// Marks a task as ended and wakes who waits for it.
    fn end_task(&mut self, task_ref: TaskRef, how: u64) {
        let Some(task) = self.kernel.tasks.get_mut(task_ref) else { return };
        if task.state != TaskState::Live {
            return;
        }
        task.state = TaskState::Done;
        let (node, key, alive) = (task.node, task.key, task.handle_alive);
        let joiner = task.joiner.take();
        self.kernel.chores.wakes.extend(joiner);
        if !alive {
            self.kernel.tasks.remove(task_ref);
            self.kernel.chores.calls.push(Call(node, Box::new(move || exec::forget(task_ref))));
        }
        self.kernel.trace_on(node, Kind::TASK_END, key.0, how);
    }

    /// Ends the poll of `task`: its node was busy until now, and what it did takes place.
    fn after_poll(&mut self, task_ref: TaskRef, polled: Polled) {
        let Some(current) = self.kernel.current.take() else { return };
        let node = current.node;
        let (key, poll) = self.kernel.tasks.get(task_ref).map_or((Default::default(), 0), |t| (t.key, t.polls));
        let cost = self.kernel.poll_cost_ns(key, poll) * self.kernel.nodes[node.index()].slowness / 1000;
        let end = self.kernel.now.after_nanos(current.elapsed_ns + cost);
        self.kernel.actor = node;
        self.kernel.nodes[node.index()].busy_until = end;
        let still_up = self.kernel.nodes[node.index()].incarnation == current.incarnation
            && self.kernel.nodes[node.index()].is_up();
        let ended = match polled {
            Polled::Pending | Polled::Gone => None,
            Polled::Ended => Some(u64::from(self.kernel.tasks.get(task_ref).is_some_and(|t| t.cancelled))),
            Polled::Panicked(message) => {
                self.panicked(node, key.to_string(), message);
                Some(2)
            }
        };
        if let Some(how) = ended {
            self.end_task(task_ref, how);
        }
        if !self.kernel.outbox.is_empty() {
            let mut outbox = std::mem::take(&mut self.kernel.outbox);
            if self.kernel.queue.next_at().is_none_or(|next| next > end) || !still_up {
                self.kernel.now = end;
                self.flush(node, &mut outbox);
                self.kernel.outbox = outbox;
            } else {
                self.kernel.nodes[node.index()].outbox.append(&mut outbox);
            }
        }
        if ended.is_some() && self.kernel.nodes[node.index()].main == task_ref && still_up && node != NodeId::DRIVER {
            self.kernel.take_down(node, Down::Exit);
        }
    }

    /// After a poll of `node`: its next ready task, when nothing else is due before the node is free; otherwise the node
    /// gets a place in the queue. Both ways the same things happen at the same instants.
    fn go_on(&mut self, node: NodeId) -> Option<Step> {
        let record = &self.kernel.nodes[node.index()];
        let at = record.busy_until;
        let alone = self.kernel.queue.next_at().is_none_or(|next| next > at);
        let simple = record.state == NodeState::Running && record.outbox.is_empty() && !record.ready.is_empty();
        if !(alone && simple) || self.kernel.failure.is_some() || self.has_chores() {
            self.kernel.see_to_run(node);
            return None;
        }
        self.kernel.events += 1;
        self.kernel.now = at;
        if let Some(limit) = self.exceeded() {
            self.kernel.fail(limit);
            return Some(Step::Stop);
        }
        let incarnation = self.kernel.nodes[node.index()].incarnation;
        self.run_ready(node, incarnation)
    }

    /// Takes events until one needs the loop.
    fn next_step(&mut self) -> Step {
        loop {
            if self.kernel.failure.is_some() {
                return Step::Stop;
            }
            if self.has_chores() {
                return Step::Chores;
            }
            let Some(event) = self.kernel.queue.pop() else {
                self.kernel.fail(Failure::Deadlock);
                return Step::Stop;
            };
            let node = event.node();
            self.kernel.events += 1;
            self.kernel.now = event.at;
            self.kernel.actor = node;
            if let Some(limit) = self.exceeded() {
                self.kernel.fail(limit);
                return Step::Stop;
            }
            match event.what {
                What::Run(incarnation) => {
                    if let Some(step) = self.run_node(node, incarnation, event.at) {
                        return step;
                    }
                }
                What::Timer => {
                    self.kernel.polls_at_progress = self.kernel.polls;
                    self.fire_timers(node, event.at);
                }
                What::World(world_event) => {
                    self.kernel.polls_at_progress = self.kernel.polls;
                    self.dispatch(node, world_event);
                }
            }
            if !self.kernel.outbox.is_empty() {
                let mut outbox = std::mem::take(&mut self.kernel.outbox);
                self.flush(node, &mut outbox);
            }
        }
    }

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
        if k.tasks.live() > limits.tasks {
            return limit("tasks", limits.tasks.to_string());
        }
        None
    }

    fn run_node(&mut self, id: NodeId, incarnation: Incarnation, at: VirtualTime) -> Option<Step> {
        let node = &mut self.kernel.nodes[id.index()];
        if node.incarnation != incarnation || node.run_at != Some(at) {
            return None;
        }
        node.run_at = None;
        if node.state != NodeState::Running {
            return None;
        }
        if !node.outbox.is_empty() {
            let mut outbox = std::mem::take(&mut node.outbox);
            self.flush(id, &mut outbox);
            // What took place may have woken somebody: that comes first, so that its priority counts.
            if self.has_chores() {
                self.kernel.see_to_run(id);
                return Some(Step::Chores);
            }
        }
        self.run_ready(id, incarnation)
    }

    /// Starts the poll of the node's next ready task.
    fn run_ready(&mut self, id: NodeId, incarnation: Incarnation) -> Option<Step> {
        let node = &mut self.kernel.nodes[id.index()];
        while let Some(std::cmp::Reverse((_, slot, generation))) = node.ready.pop() {
            let task_ref = TaskRef { slot, generation };
            let Some(task) = self.kernel.tasks.get_mut(task_ref) else { continue };
            if task.state != TaskState::Live || task.incarnation != incarnation {
                continue;
            }
            task.queued = false;
            task.wait = Wait::Program;
            task.polls += 1;
            node.polls += 1;
            self.kernel.polls += 1;
            let (key, ordinal, cancelled) = (task.key, task.polls, task.cancelled);
            self.kernel.current = Some(Current {
                node: id,
                incarnation,
                task: task_ref,
                elapsed_ns: 0,
                effective: true,
                waker: WakerIdentity::default(),
            });
            self.kernel.trace_on(id, Kind::POLL, key.0, ordinal);
            let boot = (id, incarnation);
            return Some(if cancelled { Step::Cancel(task_ref, boot) } else { Step::Poll(task_ref, boot) });
        }
        None
    }

    fn fire_timers(&mut self, id: NodeId, at: VirtualTime) {
        let kernel = &mut self.kernel;
        let node = &mut kernel.nodes[id.index()];
        if node.timer_at != Some(at) {
            return;
        }
        node.timer_at = None;
        if node.timer_clock.is_paused() && !(node.ready.is_empty() && node.busy_until <= at) {
            // A paused clock moves on only when the program has nothing to do.
            let later = node.busy_until.max(at.after_nanos(1));
            node.timer_at = Some(later);
            kernel.push(later, id, What::Timer);
            return;
        }
        if let Some(deadline_ns) = node.timers.next_deadline() {
            node.timer_clock.jump_to(at, deadline_ns);
        }
        let now_ns = node.timer_clock.read_ns(&node.monotonic, at);
        while let Some((deadline_ns, number, sleeper)) = kernel.nodes[id.index()].timers.fire(now_ns) {
            kernel.trace_on(id, Kind::TIMER, deadline_ns, u64::from(number));
            kernel.wake_up(sleeper);
        }
        kernel.arm(id);
    }

    fn waiting_of(&self, node: NodeId) -> Vec<Waiting> {
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
