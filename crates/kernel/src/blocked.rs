//! Threads of nodes that wait in a blocking call: for a lock, a channel, another thread's word, or a while. The seal hears
//! of such waits as calls of `futex(2)` and of `nanosleep(2)`, and a thread that waits here gives the baton back.
//!
//! Such a wait sits beneath frames that cannot unwind. When its node goes down the thread is left where it is and never
//! runs again, as `kill -9` would leave it: what it owns is not dropped.

use std::task::Waker;
use std::time::Duration;

use crate::baton;
use crate::universe;

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// Somebody woke the thread.
    Woken,
    /// Its time was over.
    TimedOut,
}

/// One thread that waits, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Waiter {
    number: u64,
    /// What it waits for; compared within one run, and never ordered, shown or drawn from.
    address: usize,
    bits: u32,
    waker: Waker,
}

/// Every thread that waits.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    list: Vec<Waiter>,
    numbers: u64,
}

/// Lets this thread of a node wait until [`wake`] is called for `address` with a bit of `bits`, for at most `timeout` of the
/// node's clock. The caller has seen, while it held the baton, that there is something to wait for.
///
/// Gives `None` where the thread is no node's or does not hold the simulation: then the wait is not the simulation's.
#[must_use]
pub fn wait(address: usize, bits: u32, timeout: Option<Duration>) -> Option<Waited> {
    if !baton::may_block() {
        return None;
    }
    let (number, timer) = universe::try_with(|u| {
        u.waiters.numbers += 1;
        let number = u.waiters.numbers;
        u.waiters.list.push(Waiter { number, address, bits, waker: baton::waker() });
        let timer = timeout.map(|timeout| {
            let deadline_ns = u.kernel.deadline_after(timeout);
            u.kernel.create_timer(deadline_ns)
        });
        (number, timer)
    })?;
    loop {
        let waited = universe::try_with(|u| {
            let place = u.waiters.list.iter().position(|waiter| waiter.number == number);
            let Some(place) = place else {
                timer.into_iter().for_each(|timer| u.kernel.cancel_timer(timer));
                return Some(Waited::Woken);
            };
            if timer.is_some_and(|timer| u.kernel.poll_timer(timer, &baton::waker())) {
                let waiter = u.waiters.list.remove(place);
                u.kernel.discard(waiter.waker);
                timer.into_iter().for_each(|timer| u.kernel.cancel_timer(timer));
                return Some(Waited::TimedOut);
            }
            None
        });
        match waited {
            Some(Some(waited)) => return Some(waited),
            _ => baton::wait_below(),
        }
    }
}

/// Wakes at most `count` of the threads that wait for `address` with a bit of `bits`, the first ones first. Gives how many
/// that were.
pub fn wake(address: usize, count: usize, bits: u32) -> usize {
    universe::try_with(|u| {
        let mut woken = 0;
        let mut at = 0;
        while woken < count && at < u.waiters.list.len() {
            let waiter = &u.waiters.list[at];
            if waiter.address == address && waiter.bits & bits != 0 {
                let waiter = u.waiters.list.remove(at);
                u.kernel.wake(waiter.waker);
                woken += 1;
            } else {
                at += 1;
            }
        }
        woken
    })
    .unwrap_or(0)
}

/// Lets this thread of a node wait for `time` of the node's clock. `false` where it may not, as [`wait`] says.
#[must_use]
pub fn nap(time: Duration) -> bool {
    // Nobody wakes what waits for nothing.
    wait(0, 0, Some(time)).is_some()
}
