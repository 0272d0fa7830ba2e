//! A thread that was there before the simulation, as a thread of a node: that of a plain test which builds a runtime, say,
//! and goes on on its own stack.
//!
//! It takes the baton as any thread of a node does; what it ran before and runs afterwards is none of the simulation's.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::baton::{self, Back, NodeThread, Turn};
use crate::join;
use crate::mailbox::{Inlet, Outlet, mailbox};
use crate::run::Boot;
use crate::universe;

/// How many threads a node's program may have beside its first one. One more is refused as by a system that has no more:
/// with `EAGAIN`.
pub const THREADS_MAX: u32 = 1_024;

/// Why a node's program gets no thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoThread {
    /// No node's code runs on this thread.
    NoNode,
    /// The node is going down.
    GoingDown,
    /// It has [`THREADS_MAX`].
    TooMany,
}

/// The task that a new thread of a program is to its node, until it is spawned there.
pub struct ThreadSeat {
    thread: NodeThread<()>,
    boot: Boot,
    number: u32,
}

/// What a thread needs to become a node's.
pub struct Invitation {
    turns: Outlet<Turn>,
    back: Inlet<Back<()>>,
}

/// While it lives, this thread is a node's.
pub struct Guest {
    back: Arc<Inlet<Back<()>>>,
    /// It belongs to the thread that it was made on.
    stays: PhantomData<*const ()>,
}

/// A place at a node for a thread that is there already: what the thread takes up, and a future, to be polled on the
/// simulation's thread by the node's task that the thread will be, which is ready when the thread has left.
pub fn invite() -> (Invitation, impl Future<Output = ()> + Send) {
    let (turns, next_turn) = mailbox();
    let (give_back, back) = mailbox();
    (Invitation { turns: next_turn, back: give_back }, NodeThread::of_guest(turns, back))
}

/// A place for a new thread of the current node's program, as [`invite`] has for one that is there.
///
/// # Errors
/// Why there is none.
pub fn invite_thread() -> Result<(Invitation, ThreadSeat), NoThread> {
    let admitted = universe::try_with(|u| {
        let node = u.kernel.current_node();
        if !u.kernel.is_effective() || !u.kernel.node(node).is_up() {
            return Err(NoThread::GoingDown);
        }
        let record = &mut u.kernel.nodes[node.index()];
        if record.threads >= THREADS_MAX {
            return Err(NoThread::TooMany);
        }
        record.threads += 1;
        record.threads_made += 1;
        Ok(((node, record.incarnation), record.threads_made))
    });
    let (boot, number) = admitted.unwrap_or(Err(NoThread::NoNode))?;
    let (turns, next_turn) = mailbox();
    let (give_back, back) = mailbox();
    let seat = ThreadSeat { thread: NodeThread::of_guest(turns, back), boot, number };
    Ok((Invitation { turns: next_turn, back: give_back }, seat))
}

/// As many panics of threads does a report tell of.
const PANICS_MAX: usize = 16;

impl ThreadSeat {
    /// Which of the program's threads it is, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Spawns `task`, which is to own and to poll this seat, on the current node. Says whether that could be.
    pub fn spawn(self, task: impl FnOnce(Self) -> Pin<Box<dyn Future<Output = ()> + Send>>) -> bool {
        let number = self.number;
        let task = join::spawn(task(self)).abort_handle().task();
        let record = |u: &mut universe::Universe| u.kernel.tasks.get_mut(task).map(|task| task.thread = number);
        universe::try_with(record).flatten().is_some()
    }
}

impl crate::kernel::Kernel {
    /// Traces that the current thread panics, if it is one that a program started, and notes it for the report. Says whether it
    /// is.
    pub(crate) fn thread_panics(&mut self, place: Option<&str>) -> bool {
        let task = self.current.as_ref().and_then(|current| self.tasks.get(current.task));
        let number = task.map_or(0, |task| task.thread);
        if number != 0 {
            self.trace(crate::trace::Kind::THREAD_PANIC, u64::from(number), 0);
            if self.panicked_threads.len() < PANICS_MAX {
                let node = self.node(self.current_node()).name();
                let place = place.unwrap_or("an unknown place");
                let panicked = format!("thread {number} of {node} panicked at {place}");
                self.panicked_threads.push(panicked);
            }
        }
        number != 0
    }
}

impl Future for ThreadSeat {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.thread).poll(cx)
    }
}

impl Drop for ThreadSeat {
    fn drop(&mut self) {
        universe::try_with(|u| {
            let record = &mut u.kernel.nodes[self.boot.0.index()];
            if record.incarnation == self.boot.1 {
                record.threads = record.threads.saturating_sub(1);
            }
        });
    }
}

impl fmt::Debug for ThreadSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSeat").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Invitation {
    /// Waits until the node's task runs for the first time; `None` where the simulation ended before that.
    #[must_use]
    pub fn accept(self) -> Option<Guest> {
        let Self { turns, back } = self;
        let turn = turns.take()?;
        let (stop, back) = (turn.stop, Arc::new(back));
        baton::take_up(turn, turns, Arc::clone(&back));
        let guest = Guest { back, stays: PhantomData };
        (!stop).then_some(guest)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        baton::lay_down(&self.back, Ok(()));
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation")
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guest")
    }
}
