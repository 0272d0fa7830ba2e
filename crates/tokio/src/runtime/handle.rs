//! `tokio::runtime::Handle`.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;

use real_tokio::runtime as real;
use real_tokio::runtime::RuntimeFlavor;

use super::context::{self, Entered, Scope};
use super::{Id, RuntimeMetrics};
use crate::task::JoinHandle;
use crate::task::coop::with_budget;

pub use real_tokio::runtime::TryCurrentError;

/// A runtime to spawn on, as `tokio::runtime::Handle`.
#[derive(Clone, Debug)]
pub struct Handle {
    kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Real(real::Handle),
    Simulated(Scope),
}

impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

/// Keeps a runtime current.
#[derive(Debug)]
#[must_use = "Creating and dropping a guard does nothing"]
pub struct EnterGuard<'a> {
    _kind: Guard<'a>,
    /// The current runtime belongs to a thread; the guard may be looked at from any.
    stays: PhantomData<std::sync::MutexGuard<'a, ()>>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "guards are kept to be dropped")]
enum Guard<'a> {
    Real(real::EnterGuard<'a>),
    Simulated(Entered),
}

impl Handle {
    pub(crate) fn real(handle: real::Handle) -> Self {
        Self { kind: Kind::Real(handle) }
    }

    pub(crate) fn simulated(scope: Scope) -> Self {
        Self { kind: Kind::Simulated(scope) }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The current runtime.
    ///
    /// # Panics
    /// Outside a runtime, as tokio's does.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match context::current() {
            Some(scope) => Self::simulated(scope),
            None => Self::real(real::Handle::current()),
        }
    }

    /// The current runtime.
    ///
    /// # Errors
    /// When there is none.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        match context::current() {
            Some(scope) => Ok(Self::simulated(scope)),
            None => real::Handle::try_current().map(Self::real),
        }
    }

    /// Makes this runtime current until the guard is dropped.
    pub fn enter(&self) -> EnterGuard<'_> {
        let kind = match &self.kind {
            Kind::Real(real) => Guard::Real(real.enter()),
            Kind::Simulated(scope) => Guard::Simulated(context::enter(scope.clone())),
        };
        EnterGuard { _kind: kind, stays: PhantomData }
    }

    /// Spawns a task.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.kind {
            Kind::Real(real) => JoinHandle::real(real.spawn(future)),
            Kind::Simulated(scope) => crate::task::spawn_in(scope, future),
        }
    }

    /// Runs blocking code on a thread of its own.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match &self.kind {
            Kind::Real(real) => JoinHandle::real(real.spawn_blocking(func)),
            Kind::Simulated(scope) => crate::task::spawn_blocking_in(scope, func),
        }
    }

    /// Runs `future` to its end.
    ///
    /// # Panics
    /// Inside a task, as tokio's does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.kind {
            Kind::Real(real) => real.block_on(future),
            Kind::Simulated(scope) => block_on(scope, future),
        }
    }

    /// Whether the runtime is of one thread or several. A node's own counts as one of several, that of a `#[tokio::test]`
    /// which asks for no flavor as one of one.
    #[must_use]
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match &self.kind {
            Kind::Real(real) => real.runtime_flavor(),
            Kind::Simulated(scope) if scope.is_of_several() => RuntimeFlavor::MultiThread,
            Kind::Simulated(_) => RuntimeFlavor::CurrentThread,
        }
    }

    /// The runtime's id; in a simulation a number of its node, 0 apart, which is equal in every run of a seed.
    #[must_use]
    pub fn id(&self) -> Id {
        match &self.kind {
            Kind::Real(real) => Id::real(real.id()),
            Kind::Simulated(Scope::Node) => Id::of_node(),
            Kind::Simulated(Scope::Built(built)) => Id::simulated(built.number),
        }
    }

    /// The runtime's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Real(real) => real.name(),
            Kind::Simulated(Scope::Node) => None,
            Kind::Simulated(Scope::Built(built)) => built.settings.name.as_deref(),
        }
    }

    /// What the runtime counts.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::of(self.clone())
    }
}

/// Runs `future` to its end on this thread of a node, with `scope` as its runtime.
#[track_caller]
pub(super) fn block_on<F: Future>(scope: &Scope, future: F) -> F::Output {
    assert!(
        !context::is_driving(),
        "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) attempted to \
         block the current thread while the thread is being used to drive asynchronous tasks."
    );
    let _entered = context::enter(scope.clone());
    let mut future = pin!(future);
    // Each poll has a budget of its own, and the thread none between them.
    let future = poll_fn(|cx| with_budget(|| future.as_mut().poll(cx)));
    context::driving(true, || stormglass_kernel::block_on(future))
}
