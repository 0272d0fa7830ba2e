//! The cooperative budget: how much a task may do in one poll before it must let others run.
//!
//! tokio keeps it in a thread-local that its schedulers set before each poll. Here each poll of the kernel begins with a
//! full one. The resources of this crate take from it; `sync` and the like are tokio's own and take from tokio's, which is
//! unlimited outside a tokio runtime.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use real_tokio::task::coop as real;

/// tokio's own number of operations per poll.
const OPERATIONS_PER_POLL: u32 = 128;

/// What is left of a poll's budget; `None` is no limit.
type Left = Option<u32>;

thread_local! {
    /// Which poll the count belongs to, and what is left of it.
    static LEFT: Cell<(u64, Left)> = const { Cell::new((0, Some(OPERATIONS_PER_POLL))) };
}

/// The current poll's number and what is left of its budget. `None` outside a simulation.
fn current() -> Option<(u64, Left)> {
    let poll = stormglass_kernel::try_with(|u| u.kernel.poll_number())?;
    Some((poll, left_of(poll)))
}

#[inline]
fn left_of(poll: u64) -> Left {
    let (of, left) = LEFT.get();
    if of == poll { left } else { Some(OPERATIONS_PER_POLL) }
}

/// Whether an operation that makes progress may be done in `poll`; it counts once it [did](count).
#[inline]
pub(crate) fn may_proceed(poll: u64) -> bool {
    left_of(poll) != Some(0)
}

/// Counts an operation of `poll` that made progress.
#[inline]
pub(crate) fn count(poll: u64) {
    LEFT.set((poll, left_of(poll).map(|left| left.saturating_sub(1))));
}

/// Whether the current task may do more in this poll.
#[must_use]
pub fn has_budget_remaining() -> bool {
    match current() {
        Some((_, left)) => left != Some(0),
        None => real::has_budget_remaining(),
    }
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
    Real(real::RestoreOnPending),
    Simulated(Cell<Option<(u64, Left)>>),
}

impl RestoreOnPending {
    /// Says that the operation made progress, so that what it took stays taken.
    pub fn made_progress(&self) {
        match &self.before {
            Before::Real(real) => real.made_progress(),
            Before::Simulated(before) => before.set(None),
        }
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        if let Before::Simulated(before) = &self.before
            && let Some(before) = before.get()
        {
            LEFT.set(before);
        }
    }
}

impl fmt::Debug for RestoreOnPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.before {
            Before::Real(real) => real.fmt(f),
            Before::Simulated(before) => f.debug_tuple("RestoreOnPending").field(before).finish(),
        }
    }
}

/// Takes one operation from the current poll's budget. When it is used up, the task is woken again and told to wait.
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let Some((poll, left)) = current() else {
        return real::poll_proceed(cx).map(|real| restore(Before::Real(real)));
    };
    match left {
        Some(0) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        left => {
            LEFT.set((poll, left.map(|left| left - 1)));
            Poll::Ready(restore(Before::Simulated(Cell::new(Some((poll, left))))))
        }
    }
}

fn restore(before: Before) -> RestoreOnPending {
    RestoreOnPending { before, stays: PhantomData }
}

/// As [`poll_proceed`], for operations that report later, through [`made_no_progress`], that they had to wait.
pub(crate) fn poll_take(cx: &mut Context<'_>) -> Poll<()> {
    if !stormglass_kernel::is_current() {
        return Poll::Ready(());
    }
    poll_proceed(cx).map(|restore| restore.made_progress())
}

/// Gives back what the last [`poll_take`] of this poll took: the operation had to wait.
pub(crate) fn made_no_progress() {
    let (of, left) = LEFT.get();
    LEFT.set((of, left.map(|left| (left + 1).min(OPERATIONS_PER_POLL))));
}

/// Runs `f` without a limit.
pub(crate) fn with_unconstrained<R>(f: impl FnOnce() -> R) -> R {
    struct Back((u64, Left));
    impl Drop for Back {
        fn drop(&mut self) {
            LEFT.set(self.0);
        }
    }
    let Some((poll, left)) = current() else { return f() };
    let _back = Back((poll, left));
    LEFT.set((poll, None));
    f()
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

pin_project! {
    /// A future that is not held to the budget. Made by [`unconstrained`].
    #[must_use = "Unconstrained does nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        inner: real_tokio::task::Unconstrained<F>,
    }
}

/// Frees `inner` from the budget.
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { inner: real_tokio::task::unconstrained(inner) }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let inner = self.project().inner;
        with_unconstrained(|| inner.poll(cx))
    }
}

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
