//! `tokio::runtime` on simulated nodes. A program that builds a runtime and blocks on it at its top runs on a thread of
//! its node; the runtime it gets is the node itself.

mod builder;
mod handle;

pub use builder::Builder;
pub use handle::{EnterGuard, Handle, TryCurrentError};

use std::future::Future;
use std::time::Duration;

use crate::task::JoinHandle;

/// As `tokio::runtime::Runtime`.
#[derive(Debug)]
pub struct Runtime {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Real(real_tokio::runtime::Runtime),
    Simulated,
}

impl Runtime {
    /// A runtime with the defaults.
    ///
    /// # Errors
    /// As tokio's, outside a simulation.
    pub fn new() -> std::io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    /// A handle that spawns on this runtime.
    #[must_use]
    pub fn handle(&self) -> Handle {
        match &self.kind {
            Kind::Real(runtime) => Handle::real(runtime.handle().clone()),
            Kind::Simulated => Handle::simulated(),
        }
    }

    /// Runs `future` to its end.
    ///
    /// # Panics
    /// Inside a task, as tokio's does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.kind {
            Kind::Real(runtime) => runtime.block_on(future),
            Kind::Simulated => stormglass_kernel::block_on(future),
        }
    }

    /// Spawns a task on this runtime.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle().spawn(future)
    }

    /// Runs blocking code on this runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle().spawn_blocking(f)
    }

    /// Makes this runtime current until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard::of(match &self.kind {
            Kind::Real(runtime) => Some(runtime.enter()),
            Kind::Simulated => None,
        })
    }

    /// Shuts down and waits for blocking code for at most `timeout`. In a simulation a node's tasks end with the node.
    pub fn shutdown_timeout(self, timeout: Duration) {
        if let Kind::Real(runtime) = self.kind {
            runtime.shutdown_timeout(timeout);
        }
    }

    /// Shuts down without waiting. In a simulation a node's tasks end with the node.
    pub fn shutdown_background(self) {
        if let Kind::Real(runtime) = self.kind {
            runtime.shutdown_background();
        }
    }
}
