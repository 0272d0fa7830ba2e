//! Spawning a task, and the handles that wait for it or abort it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use stormglass_kernel as kernel;

use super::JoinError;
use crate::budget;

/// As `tokio::task::JoinHandle`.
pub struct JoinHandle<T> {
    inner: Inner<T>,
}

enum Inner<T> {
    Real(real_tokio::task::JoinHandle<T>),
    Simulated(kernel::JoinHandle<T>),
}

/// As `tokio::task::AbortHandle`.
#[derive(Clone)]
pub struct AbortHandle {
    inner: Abort,
}

#[derive(Clone)]
enum Abort {
    Real(real_tokio::task::AbortHandle),
    Simulated(kernel::AbortHandle),
}

/// A task's id. In a simulation it is the task's stable key, equal in every run of a seed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Id {
    #[doc(hidden)]
    Real(real_tokio::task::Id),
    #[doc(hidden)]
    Simulated(kernel::TaskKey),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(id) => id.fmt(f),
            Self::Simulated(key) => key.fmt(f),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// Spawns a task: on the current node in a simulation, on the current tokio runtime outside one.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let inner = if kernel::is_current() {
        Inner::Simulated(kernel::spawn(future))
    } else {
        Inner::Real(real_tokio::spawn(future))
    };
    JoinHandle { inner }
}

impl<T> JoinHandle<T> {
    pub(crate) fn real(handle: real_tokio::task::JoinHandle<T>) -> Self {
        Self { inner: Inner::Real(handle) }
    }

    /// Cancels the task at its next turn.
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.abort_handle().is_finished()
    }

    /// A handle that aborts the task and does not wait for it.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        let inner = match &self.inner {
            Inner::Real(handle) => Abort::Real(handle.abort_handle()),
            Inner::Simulated(handle) => Abort::Simulated(handle.abort_handle()),
        };
        AbortHandle { inner }
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.abort_handle().id()
    }
}

impl AbortHandle {
    /// Cancels the task at its next turn.
    pub fn abort(&self) {
        match &self.inner {
            Abort::Real(handle) => handle.abort(),
            Abort::Simulated(handle) => handle.abort(),
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.inner {
            Abort::Real(handle) => handle.is_finished(),
            Abort::Simulated(handle) => handle.is_finished(),
        }
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        match &self.inner {
            Abort::Real(handle) => Id::Real(handle.id()),
            Abort::Simulated(handle) => Id::Simulated(handle.key()),
        }
    }
}

impl<T> Unpin for JoinHandle<T> {}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().inner {
            Inner::Real(handle) => Pin::new(handle).poll(cx).map_err(JoinError::real),
            Inner::Simulated(handle) => {
                ready!(budget::poll_proceed(cx));
                let id = Id::Simulated(handle.abort_handle().key());
                Pin::new(handle).poll(cx).map_err(|error| JoinError::simulated(error, id))
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
