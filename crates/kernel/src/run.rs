//! The loop: does what must be done while nothing is borrowed, and takes the next step.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::decide::Decisions;
use crate::exec::{self, Bodies, Outcome, Polled};
use crate::ids::{Incarnation, NodeId, TaskRef};
use crate::kernel::{Call, Chores, Current, Errand};
use crate::limits::Failure;
use crate::mailbox::never;
use crate::node::NodeState;
use crate::panics;
use crate::programs::{Program, Programs};
use crate::report::{Options, Report};
use crate::spare;
use crate::stand_in::{self, Blocking, Relief};
use crate::universe::{self, Here, Told, Universe};

/// A simulation that is set up and has not run.
#[derive(Debug)]
pub struct Simulation {
    universe: Box<Universe>,
    around: Around,
    blocking: Option<Blocking>,
    programs: Programs,
    at_end: Option<AtEnd>,
}

struct AtEnd(Box<dyn FnOnce()>);

impl std::fmt::Debug for AtEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtEnd")
    }
}

impl Simulation {
    /// A simulation with the driver as its only node.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let Options { seed, overrides, policy, limits, trace, on_poll, on_polled, on_switch, blocking } = options;
        let mut universe = spare::take();
        let kernel = &mut universe.kernel;
        kernel.by_draw = policy.is_the_draw();
        kernel.policy = policy;
        kernel.decisions = Decisions::new(seed, overrides);
        kernel.limits = limits;
        kernel.trace.begin(trace);
        let driver = kernel.add_node("driver").unwrap_or(NodeId::DRIVER);
        kernel.nodes[driver.index()].state = NodeState::Running;
        kernel.nodes[driver.index()].incarnation = Incarnation(1);
        let around = Around { on_poll, on_polled, on_switch, may_block: blocking.is_some() };
        Self { universe, around, blocking, programs: exec::room_for_programs(), at_end: None }
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
        self.programs.set(node, program);
    }

    /// Runs `main` on the driver until it ends, or until something ends it.
    ///
    /// # Panics
    /// When this thread already holds a simulation.
    pub fn run<F>(mut self, main: F) -> Report<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(!universe::is_held(), "a simulation runs on this thread already; run each on a thread of its own");
        panics::install_telling_of_threads();
        let generation = self.universe.generation();
        let told = self.universe.told.take().unwrap_or_else(Told::listed);
        told.begin(generation);
        // Blank nodes that nobody has taken are no nodes of this simulation.
        let kernel = &mut self.universe.kernel;
        kernel.nodes.truncate(kernel.sites.len());
        let chores = Cell::new(std::mem::take(&mut self.universe.idle_chores));
        universe::install(self.universe);
        let mut bodies = exec::move_in(self.programs);
        let driver = Runner { around: self.around, last: Cell::new(None), told: &told, generation, chores };
        let handle = driver.enter(NodeId::DRIVER, || crate::join::spawn_local(main));
        let main_task = handle.abort_handle().task();
        universe::with_loop(|u| {
            u.kernel.nodes[NodeId::DRIVER.index()].main = main_task;
            u.relief = self.blocking.map(|blocking| Relief::new(blocking, self.around, Arc::clone(&told), main_task));
        });
        driver.drive(&mut bodies, Step::CHORES, main_task);
        let output = exec::take_output(main_task);
        if let Some(AtEnd(at_end)) = self.at_end {
            driver.enter(NodeId::DRIVER, at_end);
        }
        let report = driver.finish(&mut bodies, output);
        told.end();
        // User values may be dropped with these; the simulation is still current for them and without effect.
        bodies.clear();
        exec::move_out(bodies);
        if let Some(mut universe) = universe::uninstall() {
            universe.idle_chores = driver.chores.take();
            if let Some(relief) = universe.relief.take() {
                relief.dismiss();
            }
            universe.told = Some(told);
            spare::keep(universe);
        }
        drop(handle);
        report
    }
}

/// What is called around each poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    pub(crate) on_poll: Option<fn()>,
    pub(crate) on_polled: Option<fn() -> Option<Failure>>,
    pub(crate) on_switch: Option<fn(NodeId, Incarnation)>,
    /// Polls may block their thread.
    pub(crate) may_block: bool,
}

pub(crate) struct Runner<'a> {
    pub(crate) around: Around,
    /// Whose code ran last on this thread.
    pub(crate) last: Cell<Option<Boot>>,
    pub(crate) told: &'a Told,
    pub(crate) generation: u32,
    /// Emptied, to be filled while the last ones are done.
    pub(crate) chores: Cell<Chores>,
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
    task: TaskRef,
}

impl Step {
    pub(crate) const CHORES: Self = Self { what: Act::Chores, task: TaskRef::NONE };
    pub(crate) const STOP: Self = Self { what: Act::Stop, task: TaskRef::NONE };

    #[inline]
    pub(crate) fn of_task(what: Act, task: TaskRef) -> Self {
        Self { what, task }
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
        if let Some(on_switch) = self.around.on_switch
            && let Some(boot) = boot
            && self.last.replace(Some(boot)) != Some(boot)
        {
            on_switch(boot.0, boot.1);
        }
    }

    fn set_current(&self, node: NodeId, effective: bool) {
        let incarnation = universe::with_loop(|u| {
            let incarnation = u.kernel.nodes[node.index()].incarnation;
            u.kernel.current = Some(Current::outside_tasks(node, incarnation, effective));
            incarnation
        });
        self.switch_to(incarnation.map(|incarnation| (node, incarnation)));
    }

    pub(crate) fn drop_tasks(&self, bodies: &mut Bodies, node: NodeId, tasks: Vec<TaskRef>) {
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

    /// Goes on from `first` to the end, or until another thread has the loop.
    pub(crate) fn drive(&self, bodies: &mut Bodies, first: Step, main: TaskRef) {
        universe::here(|here| {
            let mut step = first;
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
        if self.around.may_block {
            return self.turn_apart(here, bodies, step, main);
        }
        let Around { on_poll, on_polled, on_switch, .. } = self.around;
        let hooked = on_poll.is_some() | on_polled.is_some() | on_switch.is_some();
        loop {
            if step.what == Act::Poll {
                if hooked {
                    self.before_poll(here);
                }
                match bodies.poll(step.task, here) {
                    Outcome::Pending => {
                        if hooked {
                            self.note_leak();
                        }
                        if self.told.has_woken(self.generation) {
                            note_foreign_wake();
                        }
                        let woken = here.woken.replace(false);
                        step = here.step(|u| u.go_on(woken));
                    }
                    Outcome::Ended => step = self.after_end(here, bodies, step.task, Polled::Ended, main),
                    Outcome::Gone => step = self.after_end(here, bodies, step.task, Polled::Gone, main),
                }
                continue;
            }
            match self.do_otherwise(here, bodies, step, main) {
                Some(next) => step = next,
                None => return,
            }
        }
    }

    /// The same where polls may block. It ends when another thread has the loop.
    #[cold]
    #[inline(never)]
    fn turn_apart(&self, here: &Here, bodies: &mut Bodies, mut step: Step, main: TaskRef) {
        loop {
            // A cancellation is seen to at the end of a poll that is under way on another thread.
            if step.what == Act::Poll || (step.what == Act::Cancel && bodies.is_elsewhere(step.task)) {
                self.before_poll(here);
                match bodies.poll_apart(step.task, here) {
                    Polled::Handed => return,
                    Polled::Pending => {
                        self.note_leak();
                        if self.told.has_woken(self.generation) {
                            note_foreign_wake();
                        }
                        let woken = here.woken.replace(false);
                        step = here.step(|u| u.go_on(woken));
                    }
                    outcome => step = self.after_end(here, bodies, step.task, outcome, main),
                }
                continue;
            }
            match self.do_otherwise(here, bodies, step, main) {
                Some(next) => step = next,
                None => return,
            }
        }
    }

    /// Does what is no poll, which is rare. `None`: it is over.
    #[inline(never)]
    fn do_otherwise(&self, here: &Here, bodies: &mut Bodies, step: Step, main: TaskRef) -> Option<Step> {
        match step.what {
            Act::Cancel => {
                self.switch_to(here.boot());
                let outcome = bodies.cancel(step.task).map_or_else(Polled::Panicked, |()| Polled::Ended);
                Some(self.after_end(here, bodies, step.task, outcome, main))
            }
            Act::Chores => {
                self.do_chores(bodies);
                Some(here.step(|u| if u.has_ended(main) { Step::STOP } else { u.next_step() }))
            }
            Act::Poll | Act::Stop => None,
        }
    }

    #[inline(never)]
    fn before_poll(&self, here: &Here) {
        if self.around.on_switch.is_some() {
            self.switch_to(here.boot());
        }
        if let Some(on_poll) = self.around.on_poll {
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
        let foreign = self.told.has_woken(self.generation);
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
        if let Some(leak) = self.around.on_polled.and_then(|ask| ask()) {
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
                if u.incoming.len() | u.wanted.len() == 0 {
                    return None;
                }
                Some((std::mem::take(&mut u.incoming), std::mem::take(&mut u.wanted)))
            });
            let Some(others) = others else { return };
            if let Some((incoming, wanted)) = others {
                for (task, body) in incoming {
                    exec::place_from_elsewhere(task, body);
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
                    Errand::Run(call) => _ = self.guarded(node, call),
                    Errand::Forget(task) => _ = self.guarded(node, || exec::forget(task)),
                });
            }
            for node in boots.drain(..) {
                self.boot(bodies, node);
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

    fn guarded<R>(&self, node: NodeId, f: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => Some(result),
            Err(payload) => {
                let message = exec::panic_message(&*payload);
                universe::with_loop(|u| u.panicked(node, "outside a task".to_owned(), message));
                None
            }
        }
    }

    fn boot(&self, bodies: &mut Bodies, node: NodeId) {
        let Some(program) = exec::program(node) else { return };
        let incarnation = universe::with_loop(|u| {
            let record = &u.kernel.nodes[node.index()];
            let running = (record.state == NodeState::Running).then_some(record.incarnation)?;
            u.kernel.actor = node;
            u.kernel.current = Some(Current::outside_tasks(node, running, true));
            Some(running)
        });
        let Some(Some(incarnation)) = incarnation else { return };
        self.switch_to(Some((node, incarnation)));
        let future = self.guarded(node, || program());
        let spawned = universe::with_loop(|u| {
            let task = if future.is_some() { u.kernel.create_task(Location::caller()) } else { None };
            u.kernel.current = None;
            let Some(task) = task else {
                u.kernel.see_to_run(node);
                return None;
            };
            if let Some(record) = u.kernel.tasks.get_mut(task) {
                record.handle_alive = false;
            }
            u.kernel.nodes[node.index()].main = task;
            Some((task, exec::waker_of(u, task)))
        });
        if let (Some(future), Some((task, waker))) = (future, spawned.flatten()) {
            bodies.put_main(task, future, waker);
        }
    }
}

/// Goes on with the loop of the simulation that this thread has just been given, in the midst of a poll that is blocked. Says
/// whether it has been given on; otherwise the run has ended.
pub(crate) fn take_over(stranded: fn(Report<()>)) {
    let known = universe::with_loop(|u| {
        let relief = u.relief.as_ref()?;
        Some((relief.around, Arc::clone(&relief.told), u.generation, relief.main))
    });
    let Some(Some((around, told, generation, main))) = known else { return };
    let mut bodies = exec::move_in(Programs::default());
    bodies.take_over();
    let runner = Runner { around, last: Cell::new(None), told: &told, generation, chores: Cell::default() };
    let first = universe::here(|here| here.step(|u| u.go_on(false)));
    runner.drive(&mut bodies, first, main);
    if !stand_in::has_handed_on() {
        stranded(runner.finish(&mut bodies, None));
        // The simulation's own thread is blocked for ever, and there is nothing to go back to.
        never();
    }
    exec::move_out(bodies);
}

#[cold]
fn note_foreign_wake() {
    universe::with_loop(|u| u.kernel.fail(Failure::ForeignWake));
}
