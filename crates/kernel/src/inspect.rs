//! A look at the tasks of a simulation from outside: what each waits for, and how often it has run.

use crate::ids::{NodeId, TaskKey};
use crate::limits::Waiting;
use crate::task::{QUEUED, TaskState, Wait};
use crate::universe::Universe;

/// One task that has not ended, as a look finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Its node.
    pub node: NodeId,
    /// The task.
    pub task: TaskKey,
    /// How often it was woken since it was spawned. The same number twice: it did not run in between.
    pub wakes: u64,
    /// What it waits for.
    pub wait: Wait,
}

impl Universe {
    /// Every task that has not ended, in no order that means anything but the same in every run of the seed.
    pub fn sights(&self) -> impl Iterator<Item = Sight> + '_ {
        let tasks = &self.kernel.tasks;
        let live = (0..tasks.slots() as u32).filter_map(|slot| tasks.at(slot));
        live.filter(|(_, task)| task.state == TaskState::Live).map(|(_, task)| Sight {
            node: task.node,
            task: task.key,
            wakes: task.wakes,
            wait: task.wait,
        })
    }

    /// Who on `node` waits for what, oldest task first.
    #[must_use]
    pub fn waiting_of(&self, node: NodeId) -> Vec<Waiting> {
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
                } else if task.thread != 0 {
                    format!("pthread_create, as thread {} of its program", task.thread)
                } else {
                    format!("{}:{}", task.spawned_at.file(), task.spawned_at.line())
                },
                on: if task.deaf & QUEUED != 0 {
                    format!("its turn on the processor{}", if record.is_up() { "" } else { " of a node that is down" })
                } else {
                    match task.wait {
                        Wait::Program => "something inside the program (a channel, a lock, a task)".to_owned(),
                        Wait::Timer { deadline_ns } => {
                            format!("a timer at {}", record.when_timer_clock_ns(deadline_ns))
                        }
                        Wait::Resource { what, id } => self.describe(what, id),
                        Wait::Signal => "a signal".to_owned(),
                        Wait::Lock => "a lock, a channel or the word of another thread".to_owned(),
                        Wait::Thread => "another thread to end".to_owned(),
                    }
                },
            })
            .collect()
    }
}
