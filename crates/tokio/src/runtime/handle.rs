//! `tokio::runtime::Handle`.

use std::fmt;
use std::future::Future;

use crate::task::JoinHandle;

/// As `tokio::runtime::Handle`.
#[derive(Clone, Debug)]
pub struct Handle {
    /// `None` in a simulation, where the runtime is the current node.
    real: Option<real_tokio::runtime::Handle>,
}

/// There is no runtime here.
#[derive(Debug)]
pub struct TryCurrentError {
    real: real_tokio::runtime::TryCurrentError,
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.real.fmt(f)
    }
}

impl std::error::Error for TryCurrentError {}

/// Keeps a runtime current.
#[derive(Debug)]
pub struct EnterGuard<'a> {
    _real: Option<real_tokio::runtime::EnterGuard<'a>>,
}

impl<'a> EnterGuard<'a> {
    pub(super) fn of(real: Option<real_tokio::runtime::EnterGuard<'a>>) -> Self {
        Self { _real: real }
    }
}

impl Handle {
    pub(super) fn real(handle: real_tokio::runtime::Handle) -> Self {
        Self { real: Some(handle) }
    }

    pub(super) fn simulated() -> Self {
        Self { real: None }
    }

    /// The current runtime.
    ///
    /// # Panics
    /// Outside a runtime, as tokio's does.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        if stormglass_kernel::is_current() {
            return Self::simulated();
        }
        Self::real(real_tokio::runtime::Handle::current())
    }

    /// The current runtime.
    ///
    /// # Errors
    /// When there is none.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        if stormglass_kernel::is_current() {
            return Ok(Self::simulated());
        }
        real_tokio::runtime::Handle::try_current().map(Self::real).map_err(|real| TryCurrentError { real })
    }

    /// Makes this runtime current until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard::of(self.real.as_ref().map(real_tokio::runtime::Handle::enter))
    }

    /// Spawns a task.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.real {
            Some(real) => JoinHandle::real(real.spawn(future)),
            None => crate::task::spawn(future),
        }
    }

    /// Runs blocking code.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match &self.real {
            Some(real) => JoinHandle::real(real.spawn_blocking(f)),
            None => crate::task::spawn_blocking(f),
        }
    }

    /// Runs `future` to its end.
    ///
    /// # Panics
    /// Inside a task, as tokio's does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.real {
            Some(real) => real.block_on(future),
            None => stormglass_kernel::block_on(future),
        }
    }
}
