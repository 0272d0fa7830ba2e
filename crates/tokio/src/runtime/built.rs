//! A runtime that a simulated program built: what it was set to, and the tasks that go when it goes.

use std::collections::BTreeMap;
use std::future::Future;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use real_tokio::sync::{Notify, Semaphore};
use stormglass_kernel as kernel;

use super::context::{self, Scope};
use crate::task::AbortHandle;

/// Something that a program wants to be called, such as when a thread starts.
pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;

/// What `Builder` was told.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Of several threads, as programs see it.
    pub(crate) several: bool,
    pub(crate) name: Option<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) blocking_threads: usize,
    pub(crate) io: bool,
    pub(crate) time: bool,
    pub(crate) paused: bool,
    pub(crate) on_thread_start: Option<Callback>,
    pub(crate) on_thread_stop: Option<Callback>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { several, name, workers, blocking_threads, io, time, paused, .. } = self;
        f.debug_struct("Settings")
            .field("several", several)
            .field("name", name)
            .field("workers", workers)
            .field("blocking_threads", blocking_threads)
            .field("io", io)
            .field("time", time)
            .field("paused", paused)
            .finish_non_exhaustive()
    }
}

/// The runtime.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) settings: Settings,
    pub(crate) number: NonZeroU64,
    members: Mutex<Members>,
    /// Told when a member goes.
    gone: Notify,
    /// As many permits as blocking closures may run at once.
    pub(crate) blocking: Arc<Semaphore>,
    /// Whether it has paused the node's clock.
    pub(crate) has_paused: AtomicBool,
}

#[derive(Debug, Default)]
struct Members {
    shut: bool,
    next: u64,
    tasks: BTreeMap<u64, Option<AbortHandle>>,
}

impl UnwindSafe for Built {}
impl RefUnwindSafe for Built {}

impl Built {
    pub(super) fn new(settings: Settings) -> Arc<Self> {
        let number = kernel::try_with(|u| u.kernel.next_number()).and_then(NonZeroU64::new);
        let blocking = Arc::new(Semaphore::new(settings.blocking_threads));
        Arc::new(Self {
            settings,
            number: number.unwrap_or(NonZeroU64::MIN),
            members: Mutex::default(),
            gone: Notify::new(),
            blocking,
            has_paused: AtomicBool::new(false),
        })
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tasks have not ended.
    pub(crate) fn alive(&self) -> usize {
        self.members().tasks.len()
    }

    /// A place among the members for a task that is about to be spawned; `None` after shutdown.
    pub(crate) fn join(self: &Arc<Self>) -> Option<Membership> {
        let mut members = self.members();
        if members.shut {
            return None;
        }
        members.next += 1;
        let place = members.next;
        members.tasks.insert(place, None);
        Some(Membership { of: Arc::clone(self), place })
    }

    /// Notes how the task at `place` is aborted, if it has not ended meanwhile.
    pub(crate) fn note(&self, place: u64, abort: AbortHandle) {
        if let Some(slot) = self.members().tasks.get_mut(&place) {
            *slot = Some(abort);
        }
    }

    /// Cancels every task. No further one can be spawned.
    pub(super) fn shut(&self) {
        let aborts: Vec<_> = {
            let mut members = self.members();
            members.shut = true;
            members.tasks.values().flatten().cloned().collect()
        };
        aborts.iter().for_each(AbortHandle::abort);
        crate::time::resume_for(self);
    }

    /// Waits until every task is gone, for at most `limit`, if this thread may block.
    pub(super) fn wait_until_gone(&self, limit: Option<Duration>) {
        if std::thread::panicking() || context::is_driving() || self.members().tasks.is_empty() {
            return;
        }
        let gone = async {
            loop {
                let next = self.gone.notified();
                if self.members().tasks.is_empty() {
                    return;
                }
                next.await;
            }
        };
        let _entered = context::enter(Scope::Node);
        match limit {
            None => kernel::block_on(gone),
            Some(limit) => drop(kernel::block_on(crate::time::timeout(limit, gone))),
        }
    }
}

/// A task's place in its runtime, given up when the task is dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    of: Arc<Built>,
    pub(crate) place: u64,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let left = self.of.members().tasks.remove(&self.place);
        drop(left);
        self.of.gone.notify_waiters();
    }
}

pin_project! {
    /// A task of a built runtime: its runtime is current while it is polled.
    pub(crate) struct Member<F> {
        #[pin]
        future: F,
        membership: Membership,
    }
}

impl<F> Member<F> {
    pub(crate) fn new(future: F, membership: Membership) -> Self {
        Self { future, membership }
    }
}

impl<F: Future> Future for Member<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = context::enter(Scope::Built(Arc::clone(&this.membership.of)));
        this.future.poll(cx)
    }
}
