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
use crate::node::NodeState;
use crate::panics;
use crate::parked::WakerIdentity;
use crate::policy::{Policy, Random};
use crate::task::TaskState;
use crate::time::VirtualTime;
use crate::trace::{Digest, Record, Trace, TraceSink};
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
pub(crate) type Boot = (NodeId, Incarnation);

/// What the loop must do next, while nothing is borrowed.
pub(crate) enum Step {
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
                let was_poll = polled.is_some();
                if let Some((task, polled)) = polled {
                    u.after_poll(task, polled);
                }
                if foreign {
                    u.kernel.fail(Failure::ForeignWake);
                }
                if u.kernel.tasks.get(main).is_none_or(|t| t.state == TaskState::Done) {
                    return Step::Stop;
                }
                let actor = u.kernel.actor;
                if was_poll { u.go_on(actor) } else { u.next_step() }
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
