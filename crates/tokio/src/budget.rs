//! The cooperative budget: how much a task may do in one poll before it must let others run.

use std::cell::Cell;
use std::task::{Context, Poll};

/// tokio's own number of operations per poll.
const OPERATIONS_PER_POLL: u32 = 128;

thread_local! {
    /// Which poll the count belongs to, and what is left of it.
    static LEFT: Cell<(u64, u32)> = const { Cell::new((0, OPERATIONS_PER_POLL)) };
}

/// Takes one operation from the current poll's budget. When it is used up, the task is woken again and told to wait.
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    let Some(poll) = stormglass_kernel::try_with(|u| u.kernel.poll_number()) else { return Poll::Ready(()) };
    let (of, left) = LEFT.get();
    let left = if of == poll { left } else { OPERATIONS_PER_POLL };
    if left == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    LEFT.set((poll, left - 1));
    Poll::Ready(())
}

/// Gives back what the last [`poll_proceed`] of this poll took: the operation had to wait. Otherwise a task that waits for
/// more things than a poll may do would be woken for ever.
pub(crate) fn made_no_progress() {
    let (of, left) = LEFT.get();
    LEFT.set((of, (left + 1).min(OPERATIONS_PER_POLL)));
}
