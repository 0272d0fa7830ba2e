//! Who is to be woken: a task of this simulation, known by number, or a waker that a combinator made.
//!
//! Most wakers that reach a world are the polled task's own. Those are kept as the task's number: nothing is cloned,
//! and waking runs no code but the kernel's.

use std::task::Waker;

use crate::ids::TaskRef;
use crate::kernel::Kernel;

/// A place for at most one sleeper.
#[derive(Debug, Default)]
pub struct Parked(pub(crate) Sleeper);

#[derive(Debug, Default)]
pub(crate) enum Sleeper {
    #[default]
    Nobody,
    Task(TaskRef),
    Foreign(Waker),
}

impl Parked {
    /// An empty place.
    #[must_use]
    pub const fn nobody() -> Self {
        Self(Sleeper::Nobody)
    }

    /// Whether nobody sleeps here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Sleeper::Nobody)
    }

    /// Takes the sleeper out.
    #[must_use = "the sleeper must be woken or discarded"]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// What identifies the waker of the task that is being polled: compared during that poll, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct WakerIdentity {
    data: usize,
    vtable: usize,
}

impl WakerIdentity {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self { data: waker.data() as usize, vtable: std::ptr::from_ref(waker.vtable()) as usize }
    }
}

impl Kernel {
    /// Wakes `waker` once nothing is borrowed.
    pub fn wake(&mut self, waker: Waker) {
        self.chores.wakes.push(waker);
    }

    /// Drops `waker` once nothing is borrowed: dropping it may run user code.
    pub fn discard(&mut self, waker: Waker) {
        self.chores.discards.push(waker);
    }

    /// Remembers `waker` in `place`, unless an equal one is there.
    pub fn park(&mut self, place: &mut Option<Waker>, waker: &Waker) {
        match place {
            Some(old) if old.will_wake(waker) => {}
            _ => {
                if let Some(old) = place.replace(waker.clone()) {
                    self.discard(old);
                }
            }
        }
    }

    /// Who `waker` wakes: the task that is being polled, known by its number, or whatever a combinator made of it.
    #[inline]
    fn sleeper(&self, waker: &Waker) -> Sleeper {
        match &self.current {
            Some(current) if current.waker == WakerIdentity::of(waker) => Sleeper::Task(current.task),
            _ => Sleeper::Foreign(waker.clone()),
        }
    }

    /// Whom `waker` wakes, asleep.
    #[inline]
    pub(crate) fn sleeper_of(&self, waker: &Waker) -> Parked {
        Parked(self.sleeper(waker))
    }

    /// Puts whom `waker` wakes to sleep in `place`, instead of who was there.
    #[inline]
    pub fn put_to_sleep(&mut self, place: &mut Parked, waker: &Waker) {
        if let Sleeper::Foreign(old) = &place.0
            && old.will_wake(waker)
        {
            return;
        }
        let old = std::mem::replace(&mut place.0, self.sleeper(waker));
        self.forget(Parked(old));
    }

    /// Whether whom `waker` wakes sleeps in `place`.
    #[must_use]
    #[inline]
    pub fn sleeps_in(&self, place: &Parked, waker: &Waker) -> bool {
        match (&place.0, &self.current) {
            (Sleeper::Task(task), Some(current)) => current.task == *task && current.waker == WakerIdentity::of(waker),
            (Sleeper::Foreign(old), _) => old.will_wake(waker),
            _ => false,
        }
    }

    /// Wakes a sleeper: a task at once, a waker once nothing is borrowed.
    #[inline]
    pub fn wake_up(&mut self, sleeper: Parked) {
        match sleeper.0 {
            Sleeper::Nobody => {}
            Sleeper::Task(task) => self.make_ready(task),
            Sleeper::Foreign(waker) => self.wake(waker),
        }
    }

    /// Lets go of a sleeper without waking it.
    #[inline]
    pub fn forget(&mut self, sleeper: Parked) {
        if let Sleeper::Foreign(waker) = sleeper.0 {
            self.discard(waker);
        }
    }
}
