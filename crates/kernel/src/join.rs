//! Spawning tasks and waiting for them.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use crate::body::{self, Kept};
use crate::exec::{self, TaskError};
use crate::ids::{TaskKey, TaskRef};
use crate::kernel::RARE;
use crate::stand_in;
use crate::task::{TaskState, Wait};
use crate::universe::{self, Universe};

/// Waits for a task's output. Dropping it detaches the task.
pub struct JoinHandle<T> {
    handle: AbortHandle,
    take: TakeOutput<T>,
    /// As `Send` and `Sync` as the output's mutex would be: the rule of tokio's own handle.
    output: PhantomData<Mutex<T>>,
}

/// What a task gives.
type Output<T> = Result<T, TaskError>;

/// How the output of a task is fetched: `T` is known to be `'static` where the task is made, and only there.
struct TakeOutput<T> {
    here: fn(TaskRef) -> Option<Output<T>>,
    elsewhere: fn(Box<dyn Any + Send>) -> Option<Output<T>>,
}

/// Aborts a task, or asks about it, without waiting for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortHandle {
    generation: u32,
    task: TaskRef,
    key: TaskKey,
}

impl<T> Unpin for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("task", &self.handle.key).finish()
    }
}

impl<T> JoinHandle<T> {
    /// A handle of a task that was never started: it is cancelled.
    #[must_use]
    pub fn cancelled() -> Self
    where
        T: 'static,
    {
        universe::with(|u| handle_of(u, None))
    }

    /// The handle without the output.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.handle
    }
}

impl AbortHandle {
    /// The task's stable key.
    #[must_use]
    pub fn key(&self) -> TaskKey {
        self.key
    }

    pub(crate) fn task(&self) -> TaskRef {
        self.task
    }

    fn with<R>(&self, f: impl FnOnce(&mut Universe, TaskRef) -> R) -> Option<R> {
        universe::try_with(|u| (u.generation() == self.generation).then(|| f(u, self.task))).flatten()
    }

    /// Cancels the task at its next turn. Does nothing when it has ended.
    pub fn abort(&self) {
        self.with(|u, task| {
            if let Some(record) = u.kernel.tasks.get_mut(task)
                && record.state == TaskState::Live
            {
                record.cancelled = true;
                u.kernel.make_ready(task);
            }
        });
    }

    /// Whether the task has ended, or its simulation has.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.with(|u, task| u.kernel.tasks.get(task).is_none_or(|t| t.state == TaskState::Done)).unwrap_or(true)
    }
}

/// Spawns a task on the current node. On a node that is going down the future is dropped, and the handle says cancelled.
///
/// It is polled wherever the loop is: while the simulation's own thread is [blocked](crate::Blocking) it goes on.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_as(future, false, Location::caller())
}

/// As [`spawn`], for a task of the node's own runtime: where that is [of one thread](crate::Kernel::set_one_thread), the task
/// stands still while that thread is blocked.
#[track_caller]
pub fn spawn_beside_main<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_as(future, true, Location::caller())
}

fn spawn_as<F>(future: F, beside_main: bool, location: &'static Location<'static>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let is_bound = |u: &Universe| beside_main && u.kernel.is_of_one_thread();
    if exec::is_home() {
        let (handle, bound, waker) = universe::with(|u| {
            let task = u.kernel.create_task(location);
            (handle_of(u, task), is_bound(u), task.map(|task| exec::waker_of(u, task)))
        });
        if let Some((waker, address)) = waker {
            exec::place(handle.handle.task, Kept::free(future, waker), address, Some(body::export_of::<F>()), bound);
        }
        return handle;
    }
    // A thread of a node: the future travels to the simulation's own thread when the baton does.
    let (handle, dropped) = universe::with(|u| {
        let task = u.kernel.create_task(location);
        let handle = handle_of(u, task);
        let body = body::send_body(future, is_bound(u));
        match task {
            Some(task) => {
                u.incoming.push((task, body));
                u.kernel.attention |= RARE;
            }
            None => return (handle, Some(body)),
        }
        (handle, None)
    });
    drop(dropped);
    handle
}

/// Spawns a task that need not be `Send` on the current node. Only the simulation's own thread can.
///
/// # Panics
/// On a thread of a node, on one that stands in for the simulation's own, or outside a simulation.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let own = exec::is_home() && !stand_in::stands_in();
    assert!(own, "spawn_local from a thread of a node: its futures must be Send; use spawn");
    let location = Location::caller();
    let (handle, waker) = universe::with(|u| {
        let task = u.kernel.create_task(location);
        (handle_of(u, task), task.map(|task| exec::waker_of(u, task)))
    });
    if let Some((waker, address)) = waker {
        exec::place(handle.handle.task, Kept::local(future, waker), address, None, true);
    }
    handle
}

fn handle_of<T: 'static>(universe: &Universe, task: Option<TaskRef>) -> JoinHandle<T> {
    let key = task.and_then(|t| universe.kernel.tasks.get(t)).map_or(TaskKey(0), |t| t.key);
    let handle = AbortHandle { generation: universe.generation(), task: task.unwrap_or(TaskRef::NONE), key };
    let take = TakeOutput {
        here: exec::take_output::<T>,
        elsewhere: |any| any.downcast::<Result<T, TaskError>>().ok().map(|output| *output),
    };
    JoinHandle { handle, take, output: PhantomData }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let home = exec::is_home();
        let done = self.handle.with(|u, task| {
            let Some(record) = u.kernel.tasks.get_mut(task) else { return true };
            if record.state == TaskState::Done {
                return true;
            }
            let old = match &record.joiner {
                Some(joiner) if joiner.will_wake(cx.waker()) => None,
                _ => record.joiner.replace(cx.waker().clone()),
            };
            if let Some(old) = old {
                u.kernel.discard(old);
            }
            u.kernel.note_wait(Wait::Program);
            false
        });
        if done == Some(false) {
            return Poll::Pending;
        }
        // Ended, never started, or of a simulation that is over: the output is here, or there will be none.
        if home || self.handle.task == TaskRef::NONE {
            let output = if home { (self.take.here)(self.handle.task) } else { None };
            // It may have been made ready for a thread of a node that has given the handle away since.
            let output = output.or_else(|| {
                let exported = self.handle.with(|u, task| u.exported.remove(&task));
                exported.flatten().flatten().and_then(self.take.elsewhere)
            });
            return Poll::Ready(output.unwrap_or(Err(TaskError::Cancelled)));
        }
        // A thread of a node: the simulation's own thread has the output and must be asked for it.
        let answer = self.handle.with(|u, task| match u.exported.remove(&task) {
            Some(output) => Poll::Ready(output),
            None => {
                u.wanted.push((task, cx.waker().clone()));
                u.kernel.attention |= RARE;
                Poll::Pending
            }
        });
        match answer {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(output)) => {
                let output = output.and_then(self.take.elsewhere);
                Poll::Ready(output.unwrap_or(Err(TaskError::Cancelled)))
            }
            None => Poll::Ready(Err(TaskError::Cancelled)),
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let forget = self.handle.with(|u, task| {
            let exported = u.exported.remove(&task).flatten();
            let Some(record) = u.kernel.tasks.get_mut(task) else { return (false, exported) };
            record.handle_alive = false;
            let done = record.state == TaskState::Done;
            let joiner = if done { u.kernel.tasks.remove(task) } else { record.joiner.take() };
            if let Some(joiner) = joiner {
                u.kernel.discard(joiner);
            }
            (done, exported)
        });
        // An output that nobody takes is dropped where user code may run.
        if forget.is_some_and(|(done, _)| done) {
            exec::forget(self.handle.task);
        }
    }
}
