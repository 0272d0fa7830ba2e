//! `tokio::runtime::LocalRuntime`: a runtime whose tasks need not be `Send`. In a simulation those are a [`LocalSet`] that
//! `block_on` drives.

use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use stormglass_program::Stay;

use super::built::Built;
use super::context::Scope;
use super::{Builder, EnterGuard, Handle, RuntimeMetrics};
use crate::task::{JoinHandle, LocalSet};

pub use real_tokio::runtime::LocalOptions;

/// A runtime of one thread, as `tokio::runtime::LocalRuntime`.
#[derive(Debug)]
pub struct LocalRuntime {
    kind: Kind,
    handle: Handle,
    /// Goes last: with it, the thread may leave the simulation.
    _stay: Option<Stay>,
}

#[derive(Debug)]
enum Kind {
    Real(real_tokio::runtime::LocalRuntime),
    Simulated(Arc<Built>, LocalSet),
    /// Shut down by hand.
    Shut,
}

impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}

impl LocalRuntime {
    pub(super) fn real(runtime: real_tokio::runtime::LocalRuntime) -> Self {
        let handle = Handle::real(runtime.handle().clone());
        Self { kind: Kind::Real(runtime), handle, _stay: None }
    }

    pub(super) fn simulated(built: Arc<Built>, stay: Option<Stay>) -> Self {
        let handle = Handle::simulated(Scope::Built(Arc::clone(&built)));
        Self { kind: Kind::Simulated(built, LocalSet::new()), handle, _stay: stay }
    }

    /// A runtime with the defaults.
    ///
    /// # Errors
    /// As tokio's, outside a simulation.
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
    }

    /// A handle that spawns on this runtime.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task that need not be `Send`.
    ///
    /// # Panics
    /// After shutdown, in a simulation.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match &self.kind {
            Kind::Real(runtime) => JoinHandle::real(runtime.spawn_local(future)),
            Kind::Simulated(_, local) => local.spawn_local(future),
            Kind::Shut => panic!("a task was spawned on a runtime that is shut down"),
        }
    }

    /// Runs blocking code on this runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(func)
    }

    /// Runs `future` to its end, and the runtime's tasks meanwhile.
    ///
    /// # Panics
    /// Inside a task, as tokio's does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.kind {
            Kind::Real(runtime) => runtime.block_on(future),
            Kind::Simulated(_, local) => self.handle.block_on(local.run_until(future)),
            Kind::Shut => self.handle.block_on(future),
        }
    }

    /// Makes this runtime current until the guard is dropped.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Cancels every task and waits for at most `duration` for blocking code.
    pub fn shutdown_timeout(mut self, duration: Duration) {
        match std::mem::replace(&mut self.kind, Kind::Shut) {
            Kind::Real(runtime) => runtime.shutdown_timeout(duration),
            Kind::Simulated(built, local) => {
                drop(local);
                built.shut();
                built.wait_until_gone(Some(duration));
            }
            Kind::Shut => {}
        }
    }

    /// Cancels every task and does not wait for blocking code.
    pub fn shutdown_background(mut self) {
        match std::mem::replace(&mut self.kind, Kind::Shut) {
            Kind::Real(runtime) => runtime.shutdown_background(),
            Kind::Simulated(built, local) => {
                drop(local);
                built.shut();
            }
            Kind::Shut => {}
        }
    }

    /// What the runtime counts.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }
}

impl Drop for LocalRuntime {
    fn drop(&mut self) {
        if let Kind::Simulated(built, local) = std::mem::replace(&mut self.kind, Kind::Shut) {
            drop(local);
            super::runtime::shut_down(&built);
        }
    }
}
