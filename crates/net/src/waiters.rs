//! Who waits for a socket: usually one task, sometimes several that share it.

use std::task::Waker;

use stormglass_kernel::Kernel;

/// Beyond this, all are woken to look for themselves: a limit for programs that make a new waker for every poll.
const WAITERS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Waiters {
    /// Remembers `waker`, unless an equal one is here.
    #[inline]
    pub(crate) fn park(&mut self, kernel: &mut Kernel, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) => self.park_more(kernel, waker),
        }
    }

    #[cold]
    fn park_more(&mut self, kernel: &mut Kernel, waker: &Waker) {
        if self.more.iter().any(|w| w.will_wake(waker)) {
            return;
        }
        if self.more.len() >= WAITERS_MAX {
            self.wake(kernel);
        }
        self.more.push(waker.clone());
    }

    /// Wakes all, once nothing is borrowed.
    #[inline]
    pub(crate) fn wake(&mut self, kernel: &mut Kernel) {
        if let Some(first) = self.first.take() {
            kernel.wake(first);
            self.more.drain(..).for_each(|w| kernel.wake(w));
        }
    }

    /// Forgets all, once nothing is borrowed.
    pub(crate) fn discard(&mut self, kernel: &mut Kernel) {
        self.first.take().into_iter().chain(self.more.drain(..)).for_each(|w| kernel.discard(w));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}
