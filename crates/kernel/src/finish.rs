//! The end of a run: what is left of its tasks is dropped, and what it came to is put together.

use crate::exec::{self, Bodies, TaskError};
use crate::limits::{Failure, Waiting};
use crate::report::{Counters, Report};
use crate::run::Runner;
use crate::universe::{self, Universe};

thread_local! {
    static WAITING: std::cell::RefCell<Vec<Waiting>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Runner<'_> {
    pub(crate) fn finish<T>(&self, bodies: &mut Bodies, output: Option<Result<T, TaskError>>) -> Report<T> {
        // Every task is dropped in a fixed order, and none of it has an effect.
        let mut index = 0;
        let mut next = |u: &mut Universe| {
            let node = loop {
                let node = u.kernel.nodes.get(index)?.id;
                index += 1;
                if u.kernel.tasks.count_of_node(node) > 0 {
                    break node;
                }
            };
            // Who waits for what is told of runs that did not end by themselves.
            let ended = u.kernel.failure.is_none() && matches!(output, Some(Ok(_)));
            let waiting = if ended { Vec::new() } else { u.waiting_of(node) };
            Some((node, u.kernel.tasks.of_node(node), waiting))
        };
        while let Some((node, tasks, waiting)) = universe::with_loop(&mut next).flatten() {
            if !waiting.is_empty() {
                WAITING.with_borrow_mut(|all| all.extend(waiting));
            }
            self.drop_tasks(bodies, node, tasks);
        }
        let waiting = WAITING.take();

        // Put where it is to be: it is much to be handed through closures.
        let mut report = None;
        universe::with(|u| {
            let kernel = &mut u.kernel;
            kernel.trace.flush();
            let outcome = match (kernel.failure.take(), output) {
                (None, Some(Ok(value))) => Ok(value),
                (Some(failure), _) => Err(failure),
                (None, _) => Err(Failure::Deadlock),
            };
            let waiting = if outcome.is_ok() { Vec::new() } else { waiting };
            report = Some(Report {
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
                panicked_threads: std::mem::take(&mut u.kernel.panicked_threads),
            });
        });
        report.expect("the simulation is still there")
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
