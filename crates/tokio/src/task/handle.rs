//! The handles that wait for a task or abort it.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use stormglass_kernel as kernel;

use super::coop::poll_proceed;
use super::{Id, JoinError};

/// Waits for a task's output, as `tokio::task::JoinHandle`. Dropping it detaches the task.
pub struct JoinHandle<T> {
    inner: Inner<T>,
    /// The output of a simulated task has been given.
    given: bool,
}

enum Inner<T> {
    Real(real_tokio::task::JoinHandle<T>),
    Simulated(kernel::JoinHandle<T>, Begun),
}

/// Aborts a task, or asks about it, as `tokio::task::AbortHandle`.
#[derive(Clone)]
pub struct AbortHandle {
    inner: Abort,
}

#[derive(Clone)]
enum Abort {
    Real(real_tokio::task::AbortHandle),
    Simulated(kernel::AbortHandle, Begun),
}

/// Whether blocking code has begun, after which nobody can abort it. `None` for tasks, which can always be aborted.
pub(super) type Begun = Option<Arc<AtomicBool>>;

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(crate) fn real(handle: real_tokio::task::JoinHandle<T>) -> Self {
        Self { inner: Inner::Real(handle), given: false }
    }

    pub(super) fn simulated(handle: kernel::JoinHandle<T>, begun: Begun) -> Self {
        Self { inner: Inner::Simulated(handle, begun), given: false }
    }

    /// Cancels the task at its next turn. Blocking code that has begun goes on.
    pub fn abort(&self) {
        match &self.inner {
            Inner::Real(handle) => handle.abort(),
            Inner::Simulated(..) => self.abort_handle().abort(),
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.inner {
            Inner::Real(handle) => handle.is_finished(),
            Inner::Simulated(handle, _) => handle.abort_handle().is_finished(),
        }
    }

    /// A handle that aborts the task and does not wait for it.
    #[must_use = "abort handles do nothing unless `.abort` is called"]
    pub fn abort_handle(&self) -> AbortHandle {
        let inner = match &self.inner {
            Inner::Real(handle) => Abort::Real(handle.abort_handle()),
            Inner::Simulated(handle, begun) => Abort::Simulated(handle.abort_handle(), begun.clone()),
        };
        AbortHandle { inner }
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        match &self.inner {
            Inner::Real(handle) => Id::real(handle.id()),
            Inner::Simulated(handle, _) => Id::simulated(handle.abort_handle().key()),
        }
    }
}

impl AbortHandle {
    /// Cancels the task at its next turn. Blocking code that has begun goes on.
    pub fn abort(&self) {
        match &self.inner {
            Abort::Real(handle) => handle.abort(),
            Abort::Simulated(_, Some(begun)) if begun.load(Ordering::Relaxed) => {}
            Abort::Simulated(handle, _) => handle.abort(),
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.inner {
            Abort::Real(handle) => handle.is_finished(),
            Abort::Simulated(handle, _) => handle.is_finished(),
        }
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        match &self.inner {
            Abort::Real(handle) => Id::real(handle.id()),
            Abort::Simulated(handle, _) => Id::simulated(handle.key()),
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, given } = self.get_mut();
        match inner {
            Inner::Real(handle) => Pin::new(handle).poll(cx).map_err(JoinError::real),
            Inner::Simulated(handle, _) => {
                assert!(!*given, "JoinHandle polled after completion");
                let coop = ready!(poll_proceed(cx));
                let id = Id::simulated(handle.abort_handle().key());
                let result = ready!(Pin::new(handle).poll(cx));
                coop.made_progress();
                *given = true;
                Poll::Ready(result.map_err(|error| JoinError::simulated(error, id)))
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
