//! Who is to be woken: a task of this simulation, known by number, or a waker that a combinator made.
//!
//! Most wakers that reach a world are the polled task's own. Those are kept as the task's number: nothing is cloned,
//! and waking runs no code but the kernel's.

use std::task::Waker;

use crate::ids::TaskRef;

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
