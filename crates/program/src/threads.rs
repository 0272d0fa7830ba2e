//! Threads that a simulated program starts: each is a task of its node, run by decision and one at a time.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use stormglass_kernel::{self as kernel, Guest, NoThread, ThreadSeat};
use stormglass_sys::seal::{self, Admission, ProgramThread, see_out};

use crate::hooks::Seal;

thread_local! {
    /// Which thread of its program this one is; zero for the first one and for tasks.
    static NUMBER: Cell<u32> = const { Cell::new(0) };
    /// Made after what the kernel keeps on this thread, and before everything that the program does: dropped in between.
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Which thread of its program this one is, from 1; zero for its first one.
pub(crate) fn number() -> u32 {
    NUMBER.get()
}

/// Gives the baton back for good when the program's last destructor on this thread has run.
#[derive(Debug)]
struct Last {
    thread: Arc<ProgramThread>,
    sealed: Option<seal::Entered>,
    guest: Option<Guest>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.thread.end();
        kernel::wake_waiters(self.thread.address(), usize::MAX, u32::MAX);
        drop(self.sealed.take());
        drop(self.guest.take());
    }
}

/// The task that a thread of a program is.
struct ThreadTask {
    seat: Option<ThreadSeat>,
    thread: Arc<ProgramThread>,
}

impl Future for ThreadTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = self.seat.as_mut().is_none_or(|seat| Pin::new(seat).poll(cx).is_ready());
        if !ended {
            return Poll::Pending;
        }
        see_out(&self.thread);
        self.seat = None;
        Poll::Ready(())
    }
}

impl Drop for ThreadTask {
    fn drop(&mut self) {
        if self.seat.take().is_some() {
            // It unwound, or it waits where it cannot.
            self.thread.leave();
            see_out(&self.thread);
        }
    }
}

/// A thread of the current node's program.
pub(crate) fn admit(seal: Seal, thread: &Arc<ProgramThread>) -> Admission {
    let (invitation, seat) = match kernel::invite_thread() {
        Ok(invited) => invited,
        Err(NoThread::NoNode) => return Admission::Refused,
        Err(NoThread::GoingDown | NoThread::TooMany) => return Admission::Full,
    };
    let number = seat.number();
    let (on_thread, for_task) = (Arc::clone(thread), Arc::clone(thread));
    let enter = Box::new(move || {
        // Nothing here may ask std which thread this is: std has yet to say so itself, and must be the first.
        let Some(guest) = invitation.accept() else { return false };
        NUMBER.set(number);
        // The seal first: what it notes leaks in is to outlive the last look at them.
        let sealed = Some(seal.enter());
        LAST.set(Some(Last { thread: on_thread, sealed, guest: Some(guest) }));
        true
    });
    let seat = Box::new(move || seat.spawn(|seat| Box::pin(ThreadTask { seat: Some(seat), thread: for_task })));
    Admission::Admitted { enter, seat }
}
