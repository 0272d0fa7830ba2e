//! Task records: everything the kernel knows of a task but its future, which stays on the thread that polls it.

use std::panic::Location;
use std::task::Waker;

use crate::ids::{NodeId, TaskKey, TaskRef};
use crate::parked::WakerIdentity;

/// What a task waits for, noted by whatever made it pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wait {
    /// Something inside the program: a channel, a lock, another task.
    #[default]
    Program,
    /// Its node's clock to reach this many nanoseconds.
    Timer {
        /// Nanoseconds on the node's monotonic clock.
        deadline_ns: u64,
    },
    /// A resource of a simulated world.
    Resource {
        /// What is waited for, as in `tcp read`.
        what: &'static str,
        /// Which one; its world can describe it.
        id: u64,
    },
    /// A signal to its node.
    Signal,
    /// A lock, a channel or the word of another thread, in a call that blocks.
    Lock,
    /// Another thread to end.
    Thread,
}

/// What a wake and a poll look at comes first, and is one line of the processor's cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Task {
    pub(crate) key: TaskKey,
    /// What the draws for its wakes have in common.
    pub(crate) draws: u64,
    /// How often it was put among the ready ones: once before each poll.
    pub(crate) wakes: u64,
    /// What the poll that its last wake brings costs its node at full speed.
    pub(crate) cost_ns: u64,
    /// What its own waker is known by.
    pub(crate) waker: WakerIdentity,
    pub(crate) generation: u32,
    pub(crate) node: NodeId,
    /// Why a wake does nothing, if it does nothing: see [`QUEUED`].
    pub(crate) deaf: u8,
    pub(crate) cancelled: bool,
    pub(crate) handle_alive: bool,
    pub(crate) state: TaskState,
    pub(crate) wait: Wait,
    pub(crate) children: u64,
    pub(crate) entropy: u64,
    pub(crate) born: u64,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) joiner: Option<Waker>,
    /// Which thread of its program it is; zero where it is none that the program started.
    pub(crate) thread: u32,
}

/// A deaf task is among the ready ones already.
pub(crate) const QUEUED: u8 = 1;
/// A deaf task has ended, or its slot is free.
pub(crate) const OVER: u8 = 2;
/// A deaf task's node went down; it is yet to be dropped.
pub(crate) const STOPPED: u8 = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TaskState {
    /// The slot is free; the next free slot follows it.
    Free(u32),
    Live,
    /// The future is done; the output may still be waited for.
    Done,
}

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    slots: Vec<Task>,
    free: Option<u32>,
    live: usize,
    /// How many of a node's tasks have not ended, by the node's number.
    by_node: Vec<u32>,
}

impl Tasks {
    pub(crate) fn insert(
        &mut self,
        key: TaskKey,
        node: NodeId,
        draws: u64,
        born: u64,
        spawned_at: &'static Location<'static>,
    ) -> TaskRef {
        self.live += 1;
        if self.slots.capacity() == 0 {
            // Even a small simulation has a few.
            self.slots.reserve(16);
            self.by_node.reserve(8);
        }
        if self.by_node.len() <= node.index() {
            self.by_node.resize(node.index() + 1, 0);
        }
        self.by_node[node.index()] += 1;
        let (slot, generation) = match self.free {
            Some(slot) => {
                let old = &self.slots[slot as usize];
                if let TaskState::Free(next) = old.state {
                    self.free = (next != u32::MAX).then_some(next);
                }
                (slot, old.generation)
            }
            None => (self.slots.len() as u32, 0),
        };
        let task = Task {
            generation,
            key,
            node,
            deaf: 0,
            cancelled: false,
            state: TaskState::Live,
            handle_alive: true,
            wakes: 0,
            draws,
            cost_ns: 0,
            children: 0,
            entropy: 0,
            born,
            wait: Wait::Program,
            spawned_at,
            joiner: None,
            waker: WakerIdentity::default(),
            thread: 0,
        };
        if slot as usize == self.slots.len() {
            self.slots.push(task);
        } else {
            self.slots[slot as usize] = task;
        }
        TaskRef::new(slot, generation)
    }

    #[inline]
    pub(crate) fn get(&self, task: TaskRef) -> Option<&Task> {
        self.slots.get(task.slot() as usize).filter(|t| t.generation == task.generation())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, task: TaskRef) -> Option<&mut Task> {
        self.slots.get_mut(task.slot() as usize).filter(|t| t.generation == task.generation())
    }

    pub(crate) fn at(&self, slot: u32) -> Option<(TaskRef, &Task)> {
        let task = self.slots.get(slot as usize)?;
        Some((TaskRef::new(slot, task.generation), task))
    }

    /// Frees a slot: its references become stale.
    pub(crate) fn remove(&mut self, task: TaskRef) -> Option<Waker> {
        let next = self.free.unwrap_or(u32::MAX);
        let record = self.get_mut(task)?;
        record.generation = record.generation.wrapping_add(1);
        record.state = TaskState::Free(next);
        record.deaf = OVER;
        let joiner = record.joiner.take();
        self.free = Some(task.slot());
        self.live -= 1;
        joiner
    }

    /// How many tasks of `node` are not done.
    pub(crate) fn count_of_node(&self, node: NodeId) -> usize {
        self.by_node.get(node.index()).map_or(0, |&n| n as usize)
    }

    /// Notes that a task has ended. Its record stays until nobody waits for it.
    #[inline]
    pub(crate) fn end(&mut self, task: TaskRef) {
        if let Some(record) = self.get_mut(task)
            && record.state == TaskState::Live
        {
            record.state = TaskState::Done;
            record.deaf = OVER;
            let node = record.node;
            self.by_node[node.index()] -= 1;
        }
    }

    /// Tasks of `node` that are not done, oldest first.
    pub(crate) fn of_node(&self, node: NodeId) -> Vec<TaskRef> {
        if self.count_of_node(node) == 0 {
            return Vec::new();
        }
        let mut tasks: Vec<(u64, TaskRef)> = (0..self.slots.len() as u32)
            .filter_map(|slot| self.at(slot))
            .filter(|(_, t)| t.node == node && t.state == TaskState::Live)
            .map(|(r, t)| (t.born, r))
            .collect();
        tasks.sort_unstable_by_key(|&(born, _)| born);
        tasks.into_iter().map(|(_, r)| r).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.by_node.clear();
        self.free = None;
        self.live = 0;
    }

    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }
}
