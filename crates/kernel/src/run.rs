//! The loop: does what must be done while nothing is borrowed, and takes the next step.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::decide::Decisions;
use crate::exec::{self, Bodies, Polled, Program, TaskError};
use crate::ids::{Incarnation, NodeId, TaskRef};
use crate::kernel::{Call, Chores, Current, Errand, Kernel};
use crate::limits::{Failure, Waiting};
use crate::node::NodeState;
use crate::panics;
use crate::parked::WakerIdentity;
use crate::report::{Counters, Options, Report};
use crate::spare;
use crate::time::VirtualTime;
use crate::trace::Trace;
use crate::universe::{self, Here, Universe};

/// Most simulations are of a few nodes.
const NODES_AT_FIRST: usize = 8;

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
        let by_draw = policy.is_the_draw();
        let universe = Universe::new(|| {
            let mut spare = spare::take();
            let mut kernel = Kernel {
                now: VirtualTime::ZERO,
                queue: std::mem::take(&mut spare.queue),
                nodes: std::mem::take(&mut spare.nodes),
                tasks: std::mem::take(&mut spare.tasks),
                current: None,
                actor: NodeId::DRIVER,
                outbox: Vec::new(),
                decisions: Decisions::new(seed, overrides),
                policy,
                by_draw,
                trace: Trace::new(trace, std::mem::take(&mut spare.chunk)),
                chores: std::mem::take(&mut spare.chores),
                attention: 0,
                arrivals: false,
                transitions: Vec::new(),
                failure: None,
                limits,
                events: 0,
                polls: 0,
                internal_entropy: 0,
                polls_at_progress: 0,
                spare,
                next_check: 0,
            };
            kernel.nodes.reserve(NODES_AT_FIRST);
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
        panics::install_telling_of_threads();
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
            chores: Cell::default(),
        };
        let handle = driver.enter(NodeId::DRIVER, || crate::join::spawn_local(main));
        let main_task = handle.abort_handle().task();
        universe::with_loop(|u| u.kernel.nodes[NodeId::DRIVER.index()].main = main_task);
        let mut bodies = Bodies::default();
        driver.drive(&mut bodies, main_task);
        let output = exec::take_output(main_task);
        if let Some(AtEnd(at_end)) = self.at_end {
            driver.enter(NodeId::DRIVER, at_end);
        }
        let report = driver.finish(&mut bodies, output);
        shared.ended.store(true, Ordering::Release);
        // User values may be dropped with these; the simulation is still current for them and without effect.
        drop(bodies);
        exec::set_home(false);
        if let Some(universe) = universe::uninstall() {
            spare::keep(universe.into_kernel());
        }
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
    /// Emptied, to be filled while the last ones are done.
    chores: Cell<Chores>,
}

/// One boot of one node.
pub(crate) type Boot = (NodeId, Incarnation);

/// What the loop must do next, while nothing is borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Poll,
    Cancel,
    Chores,
    Stop,
}

/// A step of the loop: what, and for polls and cancellations of which task. Two words, so that it travels in registers.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    what: Act,
    task: u64,
}

impl Step {
    pub(crate) const CHORES: Self = Self { what: Act::Chores, task: 0 };
    pub(crate) const STOP: Self = Self { what: Act::Stop, task: 0 };

    #[inline]
    pub(crate) fn of_task(what: Act, task: TaskRef) -> Self {
        Self { what, task: task.to_bits() }
    }

    #[inline]
    fn task(self) -> TaskRef {
        TaskRef::from_bits(self.task)
    }
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
    fn switch_to(&self, boot: Option<Boot>) {
        if let Some(on_switch) = self.on_switch
            && let Some(boot) = boot
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
                cost_ns: 0,
            });
            incarnation
        });
        self.switch_to(incarnation.map(|incarnation| (node, incarnation)));
    }

    fn drop_tasks(&self, bodies: &mut Bodies, node: NodeId, tasks: Vec<TaskRef>) {
        self.set_current(node, false);
        for task in tasks {
            let dropped = bodies.cancel(task);
            universe::with_loop(|u| {
                if let Err(message) = dropped {
                    u.panicked(node, "while its node went down".to_owned(), message);
                }
                u.end_task(task, 1);
            });
        }
        universe::with_loop(|u| u.kernel.current = None);
    }

    fn drive(&self, bodies: &mut Bodies, main: TaskRef) {
        universe::here(|here| {
            let mut step = Step::CHORES;
            // One landing for whatever unwinds out of a poll, and not one per poll.
            while let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.turn(here, bodies, step, main))) {
                here.woken.set(false);
                let in_poll = here.polled.replace(0) != 0;
                let polled = universe::with_loop(|u| u.kernel.current.as_ref().map(|current| current.task)).flatten();
                let Some(task) = polled.filter(|_| in_poll) else { resume_unwind(payload) };
                let panicked = bodies.panicked(task, payload);
                step = self.after_end(here, bodies, task, panicked, main);
            }
        });
    }

    /// Goes on from `step` to the end.
    fn turn(&self, here: &Here, bodies: &mut Bodies, mut step: Step, main: TaskRef) {
        let hooked = self.on_poll.is_some() | self.on_polled.is_some() | self.on_switch.is_some();
        loop {
            if step.what == Act::Poll {
                if hooked {
                    self.before_poll(here);
                }
                match bodies.poll(step.task(), here) {
                    Polled::Pending => {
                        if hooked {
                            self.note_leak();
                        }
                        if self.foreign.load(Ordering::Relaxed) {
                            note_foreign_wake();
                        }
                        let woken = here.woken.replace(false);
                        step = here.step(|u| u.go_on(woken));
                    }
                    outcome => step = self.after_end(here, bodies, step.task(), outcome, main),
                }
                continue;
            }
            match step.what {
                Act::Cancel => {
                    self.switch_to(here.boot());
                    let outcome = bodies.cancel(step.task()).map_or_else(Polled::Panicked, |()| Polled::Ended);
                    step = self.after_end(here, bodies, step.task(), outcome, main);
                }
                Act::Chores => {
                    self.do_chores(bodies);
                    step = here.step(|u| if u.has_ended(main) { Step::STOP } else { u.next_step() });
                }
                Act::Poll | Act::Stop => return,
            }
        }
    }

    #[inline(never)]
    fn before_poll(&self, here: &Here) {
        if self.on_switch.is_some() {
            self.switch_to(here.boot());
        }
        if let Some(on_poll) = self.on_poll {
            on_poll();
        }
    }

    #[inline(never)]
    fn after_end(&self, here: &Here, bodies: &mut Bodies, task: TaskRef, outcome: Polled, main: TaskRef) -> Step {
        // Whoever has ended need not be woken.
        here.woken.set(false);
        let exported = bodies.retire(task);
        // First: what was refused may be what the poll panicked for.
        self.note_leak();
        let foreign = self.foreign.load(Ordering::Relaxed);
        here.step(|u| {
            if let Some(output) = exported
                && u.kernel.tasks.get(task).is_some_and(|t| t.handle_alive)
            {
                u.exported.insert(task, Some(output));
            }
            u.after_end(task, outcome);
            if foreign {
                u.kernel.fail(Failure::ForeignWake);
            }
            if u.has_ended(main) {
                return Step::STOP;
            }
            u.next_step()
        })
    }

    #[inline]
    fn note_leak(&self) {
        if let Some(leak) = self.on_polled.and_then(|ask| ask()) {
            universe::with_loop(|u| u.kernel.fail(leak));
        }
    }

    fn do_chores(&self, bodies: &mut Bodies) {
        let mut chores = self.chores.take();
        loop {
            let others = universe::with_loop(|u| {
                for task in universe::take_deferred() {
                    u.kernel.make_ready(task);
                }
                std::mem::swap(&mut u.kernel.chores, &mut chores);
                u.kernel.arrivals = false;
                if u.incoming.len() | u.wanted.len() == 0 {
                    return None;
                }
                Some((std::mem::take(&mut u.incoming), std::mem::take(&mut u.wanted), Arc::clone(&u.shared)))
            });
            let Some(others) = others else { return };
            if let Some((incoming, wanted, shared)) = others {
                for (task, body) in incoming {
                    exec::place(task, body.body, Some(body.export), true, &shared);
                }
                for (task, waker) in wanted {
                    let output = exec::export_output(task);
                    universe::with_loop(|u| u.exported.insert(task, output));
                    waker.wake();
                }
            }
            bodies.take_in();
            let Chores { wakes, discards, dropped, boots, calls } = &mut chores;
            for (node, tasks) in dropped.drain(..) {
                self.drop_tasks(bodies, node, tasks);
            }
            universe::with_loop(Universe::tell_transitions);
            wakes.drain(..).for_each(std::task::Waker::wake);
            discards.clear();
            for Call(node, errand) in calls.drain(..) {
                self.enter(node, || match errand {
                    Errand::Run(call) => self.guarded(node, call),
                    Errand::Forget(task) => self.guarded(node, || exec::forget(task)),
                });
            }
            for node in boots.drain(..) {
                self.boot(node);
            }
            // Effects of calls and boots, which are no polls, take place at once.
            let more = universe::with_loop(|u| {
                let more = u.has_chores() || !u.kernel.outbox.is_empty();
                let actor = u.kernel.actor;
                u.flush_outbox(actor);
                more
            });
            if more != Some(true) {
                break;
            }
        }
        self.chores.set(chores);
    }

    fn guarded(&self, node: NodeId, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
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

    fn finish<T>(&self, bodies: &mut Bodies, output: Option<Result<T, TaskError>>) -> Report<T> {
        // Every task is dropped in a fixed order, and none of it has an effect.
        for index in 0.. {
            let tasks = universe::with_loop(|u| {
                let node = u.kernel.nodes.get(index).map(crate::node::Node::id)?;
                // Who waits for what is told of runs that did not end by themselves.
                let ended = u.kernel.failure.is_none() && matches!(output, Some(Ok(_)));
                let waiting = if ended { Vec::new() } else { u.waiting_of(node) };
                Some((node, u.kernel.tasks.of_node(node), waiting))
            });
            let Some((node, tasks, waiting)) = tasks.flatten() else { break };
            if !waiting.is_empty() {
                WAITING.with_borrow_mut(|all| all.extend(waiting));
            }
            if !tasks.is_empty() {
                self.drop_tasks(bodies, node, tasks);
            }
        }
        let waiting = WAITING.take();

        universe::with(|u| {
            let kernel = &mut u.kernel;
            kernel.trace.flush();
            let outcome = match (kernel.failure.take(), output) {
                (None, Some(Ok(value))) => Ok(value),
                (Some(failure), _) => Err(failure),
                (None, _) => Err(Failure::Deadlock),
            };
            let waiting = if outcome.is_ok() { Vec::new() } else { waiting };
            Report {
                outcome,
                digest: kernel.trace.digest(),
                ended_at: kernel.now,
                events: kernel.events,
                polls: kernel.polls,
                records: kernel.trace.count(),
                waiting,
                counters: Counters::of(u.own_counters()),
                recent: u.kernel.trace.recent(),
                unused_overrides: u.kernel.decisions.unused_overrides(),
            }
        })
    }
}

#[cold]
fn note_foreign_wake() {
    universe::with_loop(|u| u.kernel.fail(Failure::ForeignWake));
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
