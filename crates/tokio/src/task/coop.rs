//! The cooperative budget: how much a task may do in one poll before it must let others run.
//!
//! It is tokio's own, a count in a thread-local from which `sync` and the like take as well; `refill` sets it before each
//! poll of a simulation. Nobody but tokio's schedulers can set it to the 128 that a poll has, but a [`RestoreOnPending`]
//! puts back what it found, and one that found 128 leaves 127: that much a refill gives. The one that is missing is kept
//! here for the operations of this crate.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use real_tokio::task::coop as real;

thread_local! {
    /// Puts the budget back to 128 when it is dropped.
    static FULL: RefCell<Option<real::RestoreOnPending>> = const { RefCell::new(None) };
    /// Whether the poll has used its last operation, the one that tokio's count has not.
    static LAST_USED: Cell<bool> = const { Cell::new(false) };
}

/// Polls a future that is ready at once.
fn at_once<R>(future: impl Future<Output = R>) -> Option<R> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Keeps what puts the budget back to what it is now, which takes one operation from it.
fn remember() {
    let full = match real::poll_proceed(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(full) => Some(full),
        Poll::Pending => None,
    };
    FULL.set(full);
}

/// Runs `f` with a budget, of which [`refill`] makes a new one for each poll. Without one, operations are unlimited.
pub(crate) fn with_budget<R>(f: impl FnOnce() -> R) -> R {
    // A local task of tokio's has a full one.
    let tasks = real_tokio::task::LocalSet::new();
    tasks.spawn_local(async { remember() });
    at_once(tasks);
    with_unconstrained(|| {
        refill();
        let result = f();
        FULL.set(None);
        result
    })
}

/// A full budget for the poll that begins.
#[inline]
pub(crate) fn refill() {
    FULL.set(None);
    LAST_USED.set(false);
    remember();
}

/// Whether the poll may use one operation more than tokio's count says.
fn has_one_left() -> bool {
    !LAST_USED.get() && stormglass_kernel::is_current()
}

/// Whether an operation of a simulated poll that makes progress may be done; it counts once it [did](count).
#[inline]
pub(crate) fn may_proceed() -> bool {
    real::has_budget_remaining() || !LAST_USED.get()
}

/// Counts an operation of a simulated poll that made progress.
#[inline]
pub(crate) fn count() {
    match real::poll_proceed(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(taken) => taken.made_progress(),
        Poll::Pending => LAST_USED.set(true),
    }
}

/// Whether the current task may do more in this poll.
#[must_use]
pub fn has_budget_remaining() -> bool {
    real::has_budget_remaining() || has_one_left()
}

/// Gives back what [`poll_proceed`] took, unless the operation made progress. Otherwise a task that waits for more things
/// than a poll may do would be woken for ever.
#[must_use]
pub struct RestoreOnPending {
    before: Before,
    /// Budgets belong to a thread.
    stays: PhantomData<*mut ()>,
}

enum Before {
    Counted(real::RestoreOnPending),
    /// It was the last operation; whether it made progress.
    Last(Cell<bool>),
}

impl RestoreOnPending {
    /// Says that the operation made progress, so that what it took stays taken.
    pub fn made_progress(&self) {
        match &self.before {
            Before::Counted(real) => real.made_progress(),
            Before::Last(progress) => progress.set(true),
        }
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        if let Before::Last(progress) = &self.before
            && !progress.get()
        {
            LAST_USED.set(false);
        }
    }
}

impl fmt::Debug for RestoreOnPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.before {
            Before::Counted(real) => real.fmt(f),
            Before::Last(progress) => f.debug_tuple("RestoreOnPending").field(progress).finish(),
        }
    }
}

/// Takes one operation from the current poll's budget. When it is used up, the task is woken again and told to wait.
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let before = if real::has_budget_remaining() {
        Before::Counted(ready!(real::poll_proceed(cx)))
    } else if has_one_left() {
        LAST_USED.set(true);
        Before::Last(Cell::new(false))
    } else {
        Before::Counted(ready!(real::poll_proceed(cx)))
    };
    Poll::Ready(RestoreOnPending { before, stays: PhantomData })
}

/// Runs `f` without a limit.
pub(crate) fn with_unconstrained<R>(f: impl FnOnce() -> R) -> R {
    let mut f = Some(f);
    let done = at_once(unconstrained(poll_fn(|_| f.take().map_or(Poll::Pending, |f| Poll::Ready(f())))));
    match done {
        Some(value) => value,
        None => unreachable!("what is polled once is ready"),
    }
}

/// Takes one operation from the budget, and lets others run when it is used up.
pub async fn consume_budget() {
    let mut taken = Poll::Pending;
    poll_fn(move |cx| {
        if taken.is_pending() {
            taken = poll_proceed(cx).map(|restore| restore.made_progress());
        }
        taken
    })
    .await;
}

pub use real::{Unconstrained, unconstrained};

pin_project! {
    /// A future that takes from the budget. Made by [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Coop<F: Future> {
        #[pin]
        fut: F,
    }
}

/// Makes a future take one operation from the budget each time that it is ready.
#[inline]
pub fn cooperative<F: Future>(fut: F) -> Coop<F> {
    Coop { fut }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let coop = ready!(poll_proceed(cx));
        let output = ready!(self.project().fut.poll(cx));
        coop.made_progress();
        Poll::Ready(output)
    }
}
