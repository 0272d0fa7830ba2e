//! `LocalSet`: tokio's own, which needs no runtime beneath it, so that tasks that are not `Send` run wherever the set is
//! polled, in tokio's order. A panic of such a task is reported to the simulation, as every panic is.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::JoinHandle;
use crate::runtime::Runtime;

/// Tasks that stay on one thread, as `tokio::task::LocalSet`.
pub struct LocalSet {
    real: real_tokio::task::LocalSet,
}

/// Keeps a [`LocalSet`] current.
pub struct LocalEnterGuard {
    real: real_tokio::task::LocalEnterGuard,
}

/// Spawns a task on the current `LocalSet` or `LocalRuntime`.
///
/// # Panics
/// Outside both, as tokio's does.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    JoinHandle::real(real_tokio::task::spawn_local(Reporting { future }))
}

impl LocalSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { real: real_tokio::task::LocalSet::new() }
    }

    /// Makes the set current until the guard is dropped.
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard { real: self.real.enter() }
    }

    /// Spawns a task on the set. It runs while the set is polled.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        JoinHandle::real(self.real.spawn_local(Reporting { future }))
    }

    /// Runs `future` to its end on `rt`, and the set's tasks meanwhile.
    ///
    /// # Panics
    /// Inside a task, as tokio's does.
    #[track_caller]
    pub fn block_on<F>(&self, rt: &Runtime, future: F) -> F::Output
    where
        F: Future,
    {
        rt.block_on(self.run_until(future))
    }

    /// Runs `future` to its end, and the set's tasks meanwhile. Cancel-safe where `future` is.
    pub async fn run_until<F>(&self, future: F) -> F::Output
    where
        F: Future,
    {
        self.real.run_until(future).await
    }

    /// The set's id.
    #[must_use]
    pub fn id(&self) -> crate::runtime::Id {
        crate::runtime::Id::real(self.real.id())
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.real.fmt(f)
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.real.fmt(f)
    }
}

impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.get_mut().real).poll(cx)
    }
}

pin_project! {
    /// Tells the simulation of a panic before tokio catches it.
    struct Reporting<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Reporting<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.project().future;
        if !stormglass_kernel::is_current() {
            return future.poll(cx);
        }
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(polled) => polled,
            Err(payload) => {
                stormglass_kernel::report_panic(&*payload);
                resume_unwind(payload)
            }
        }
    }
}
