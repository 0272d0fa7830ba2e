//! A thread that was there before the simulation, as a thread of a node: that of a plain test which builds a runtime, say,
//! and goes on on its own stack.
//!
//! It takes the baton as any thread of a node does; what it ran before and runs afterwards is none of the simulation's.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::baton::{self, Back, NodeThread, Turn};
use crate::mailbox::{Inlet, Outlet, mailbox};

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
