//! Records client operations with the driver's perfect clock.

use std::sync::Arc;

use parking_lot::Mutex;
use stormglass_check::{History, OpId, Process};
use stormglass_kernel::{self as kernel, Kind};

/// A history under construction, shared by the clients of a run.
#[derive(Debug)]
pub struct Recorder<O, R> {
    history: Arc<Mutex<History<O, R>>>,
}

impl<O, R> Clone for Recorder<O, R> {
    fn clone(&self) -> Self {
        Self { history: Arc::clone(&self.history) }
    }
}

impl<O, R> Default for Recorder<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

fn stamp(operation: OpId, phase: u64) -> u64 {
    kernel::with(|u| {
        u.kernel.trace(Kind::OPERATION, u64::from(operation.0), phase);
        u.kernel.now().as_nanos()
    })
}

impl<O, R> Recorder<O, R> {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        Self { history: Arc::new(Mutex::new(History::new())) }
    }

    /// A client calls.
    pub fn invoke(&self, process: impl Into<Process>, op: O) -> OpId {
        let at = kernel::with(|u| u.kernel.now().as_nanos());
        let id = self.history.lock().invoke(process, at, op);
        stamp(id, 0);
        id
    }

    /// The operation took effect and answered `ret`.
    ///
    /// # Panics
    /// When the operation has completed already: a mistake of the scenario.
    pub fn ok(&self, id: OpId, ret: R) {
        let at = stamp(id, 1);
        let recorded = self.history.lock().ok(id, at, ret);
        assert!(recorded.is_ok(), "operation {} completed twice", id.0);
    }

    /// The operation definitely did not take effect.
    ///
    /// # Panics
    /// When the operation has completed already: a mistake of the scenario.
    pub fn fail(&self, id: OpId) {
        let at = stamp(id, 2);
        let recorded = self.history.lock().fail(id, at);
        assert!(recorded.is_ok(), "operation {} completed twice", id.0);
    }

    /// The client gave up without knowing.
    ///
    /// # Panics
    /// When the operation has completed already: a mistake of the scenario.
    pub fn info(&self, id: OpId) {
        let at = stamp(id, 3);
        let recorded = self.history.lock().info(id, at);
        assert!(recorded.is_ok(), "operation {} completed twice", id.0);
    }

    /// Looks at the history so far.
    pub fn with<T>(&self, f: impl FnOnce(&History<O, R>) -> T) -> T {
        f(&self.history.lock())
    }

    /// Takes the history and leaves an empty one.
    #[must_use]
    pub fn take(&self) -> History<O, R> {
        std::mem::take(&mut self.history.lock())
    }
}
