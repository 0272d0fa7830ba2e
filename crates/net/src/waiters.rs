//! Who waits for a socket: usually one task, sometimes several that share it.

use std::task::Waker;

use stormglass_kernel::{Kernel, Parked};

/// Beyond this, all are woken to look for themselves: a limit for programs that make a new waker for every poll.
const WAITERS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    first: Parked,
    more: Vec<Parked>,
    /// Whether somebody who tried has said that there was nothing: readiness waits for news, as it does behind an epoll
    /// that tells of edges.
    cleared: bool,
}

impl Waiters {
    /// Remembers whom `waker` wakes, unless it is here.
    #[inline]
    pub(crate) fn park(&mut self, kernel: &mut Kernel, waker: &Waker) {
        if self.first.is_empty() {
            kernel.put_to_sleep(&mut self.first, waker);
        } else if !kernel.sleeps_in(&self.first, waker) {
            self.park_more(kernel, waker);
        }
    }

    #[cold]
    fn park_more(&mut self, kernel: &mut Kernel, waker: &Waker) {
        if self.more.iter().any(|place| kernel.sleeps_in(place, waker)) {
            return;
        }
        if self.more.len() >= WAITERS_MAX {
            self.wake(kernel);
        }
        let mut place = Parked::nobody();
        kernel.put_to_sleep(&mut place, waker);
        if self.first.is_empty() {
            self.first = place;
        } else {
            self.more.push(place);
        }
    }

    /// Wakes all: tasks at once, foreign wakers once nothing is borrowed.
    #[inline]
    pub(crate) fn wake(&mut self, kernel: &mut Kernel) {
        self.cleared = false;
        if !self.first.is_empty() {
            kernel.wake_up(self.first.take());
            self.more.drain(..).for_each(|sleeper| kernel.wake_up(sleeper));
        }
    }

    /// Forgets that the socket was ready, until there is news.
    pub(crate) fn clear(&mut self) {
        self.cleared = true;
    }

    #[inline]
    pub(crate) fn is_cleared(&self) -> bool {
        self.cleared
    }

    /// Forgets all.
    pub(crate) fn discard(&mut self, kernel: &mut Kernel) {
        kernel.forget(self.first.take());
        self.more.drain(..).for_each(|sleeper| kernel.forget(sleeper));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}
