//! Records what clients do, with the clock of whatever runs them.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stormglass_check::{History, OpId, Process};

/// How a recorder knows the time: the runtime's perfect clock, in nanoseconds since the start of the run.
pub trait RunClock {
    /// The time now.
    fn now_ns() -> u64;

    /// The time now; `operation` has come to `phase`: 0 called, 1 ok, 2 failed, 3 unknown. For a runtime that keeps a trace.
    fn stamp(operation: OpId, phase: u64) -> u64 {
        let _ = (operation, phase);
        Self::now_ns()
    }
}

/// A history under construction, shared by the clients of a run.
#[derive(Debug)]
pub struct Recorder<O, R, C> {
    history: Arc<Mutex<History<O, R>>>,
    clock: PhantomData<fn() -> C>,
}

impl<O, R, C> Clone for Recorder<O, R, C> {
    fn clone(&self) -> Self {
        Self { history: Arc::clone(&self.history), clock: PhantomData }
    }
}

impl<O, R, C: RunClock> Default for Recorder<O, R, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O, R, C: RunClock> Recorder<O, R, C> {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        Self { history: Arc::new(Mutex::new(History::new())), clock: PhantomData }
    }

    /// A client that panicked left every operation whole: each is recorded in one step.
    fn history(&self) -> MutexGuard<'_, History<O, R>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client calls.
    pub fn invoke(&self, process: impl Into<Process>, op: O) -> OpId {
        let at = C::now_ns();
        let id = self.history().invoke(process, at, op);
        C::stamp(id, 0);
        id
    }

    /// The operation took effect and answered `ret`.
    ///
    /// # Panics
    /// When the operation has completed already: a mistake of the scenario.
    pub fn ok(&self, id: OpId, ret: R) {
        let at = C::stamp(id, 1);
        let recorded = self.history().ok(id, at, ret);
        assert!(recorded.is_ok(), "operation {} completed twice", id.0);
    }

    /// The operation definitely did not take effect.
    ///
    /// # Panics
    /// When the operation has completed already: a mistake of the scenario.
    pub fn fail(&self, id: OpId) {
        let at = C::stamp(id, 2);
        let recorded = self.history().fail(id, at);
        assert!(recorded.is_ok(), "operation {} completed twice", id.0);
    }

    /// The client gave up without knowing.
    ///
    /// # Panics
    /// When the operation has completed already: a mistake of the scenario.
    pub fn info(&self, id: OpId) {
        let at = C::stamp(id, 3);
        let recorded = self.history().info(id, at);
        assert!(recorded.is_ok(), "operation {} completed twice", id.0);
    }

    /// Looks at the history so far.
    pub fn with<T>(&self, f: impl FnOnce(&History<O, R>) -> T) -> T {
        f(&self.history())
    }

    /// Takes the history and leaves an empty one.
    #[must_use]
    pub fn take(&self) -> History<O, R> {
        std::mem::take(&mut self.history())
    }
}
