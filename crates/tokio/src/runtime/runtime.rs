//! `tokio::runtime::Runtime`: at the top of a program, which runs on a thread of its node.

use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use stormglass_program::Stay;

use super::built::Built;
use super::context::{self, Scope};
use super::{Builder, EnterGuard, Handle, RuntimeMetrics};
use crate::task::JoinHandle;

/// A runtime, as `tokio::runtime::Runtime`. In a simulation its tasks are tasks of the node, and go with it.
#[derive(Debug)]
pub struct Runtime {
    kind: Kind,
    handle: Handle,
    /// Goes last: with it, the thread may leave the simulation.
    _stay: Option<Stay>,
}

#[derive(Debug)]
enum Kind {
    Real(real_tokio::runtime::Runtime),
    Simulated(Arc<Built>),
    /// Shut down by hand.
    Shut,
}

impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl Runtime {
    pub(super) fn real(runtime: real_tokio::runtime::Runtime) -> Self {
        let handle = Handle::real(runtime.handle().clone());
        Self { kind: Kind::Real(runtime), handle, _stay: None }
    }

    pub(super) fn simulated(built: Arc<Built>, stay: Option<Stay>) -> Self {
        let handle = Handle::simulated(Scope::Built(Arc::clone(&built)));
        Self { kind: Kind::Simulated(built), handle, _stay: stay }
    }

    /// A runtime with the defaults.
    ///
    /// # Errors
    /// As tokio's, outside a simulation.
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    /// A handle that spawns on this runtime.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `future` to its end.
    ///
    /// # Panics
    /// Inside a task, as tokio's does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.kind {
            Kind::Real(runtime) => runtime.block_on(future),
            Kind::Simulated(_) | Kind::Shut => self.handle.block_on(future),
        }
    }

    /// Spawns a task on this runtime.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
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

    /// Makes this runtime current until the guard is dropped.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Cancels every task and waits for at most `duration` for blocking code.
    pub fn shutdown_timeout(mut self, duration: Duration) {
        match std::mem::replace(&mut self.kind, Kind::Shut) {
            Kind::Real(runtime) => runtime.shutdown_timeout(duration),
            Kind::Simulated(built) => {
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
            Kind::Simulated(built) => built.shut(),
            Kind::Shut => {}
        }
    }

    /// What the runtime counts.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Kind::Simulated(built) = &self.kind {
            shut_down(built);
        }
    }
}

/// What dropping a runtime does: cancels its tasks and waits for them, which a task must not.
pub(super) fn shut_down(built: &Built) {
    let simulated = stormglass_kernel::try_with(|u| u.kernel.is_effective());
    built.shut();
    if simulated == Some(true) {
        assert!(
            !context::is_driving() || std::thread::panicking(),
            "Cannot drop a runtime in a context where blocking is not allowed. This happens when a runtime is dropped from \
             within an asynchronous context."
        );
        built.wait_until_gone(None);
    }
}
