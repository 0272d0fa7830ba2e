//! Threads of nodes that wait in a blocking call: for a lock, a channel, another thread's word, or a while. The seal hears
//! of such waits as calls of `futex(2)` and of `nanosleep(2)`, and a thread that waits here gives the baton back.
//!
//! So does the simulation's own thread in the midst of a poll, where it [may](crate::Blocking).
//!
//! Such a wait sits beneath frames that cannot unwind. When its node goes down the thread is left where it is and never
//! runs again, as `kill -9` would leave it: what it owns is not dropped.

use std::task::Waker;
use std::time::Duration;

use crate::baton;
use crate::run::Boot;
use crate::stand_in;
use crate::task::Wait;
use crate::universe::{self, Universe};

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
    /// Whose thread it is: of a node that went down none is left to be woken.
    boot: Boot,
}

impl Waiter {
    fn is_left(&self, universe: &Universe) -> bool {
        let node = universe.kernel.node(self.boot.0);
        !node.is_up() || node.incarnation() != self.boot.1
    }
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
    wait_noting(address, bits, timeout, Wait::Lock)
}

/// As [`wait`] for every bit, where what it waits for is the end of another thread.
#[must_use]
pub fn wait_for_thread(address: usize, timeout: Option<Duration>) -> Option<Waited> {
    wait_noting(address, u32::MAX, timeout, Wait::Thread)
}

fn wait_noting(address: usize, bits: u32, timeout: Option<Duration>, what: Wait) -> Option<Waited> {
    // In the midst of a poll somebody must go on with the loop.
    let in_poll = stand_in::call();
    if in_poll.is_none() && !baton::may_block() {
        return None;
    }
    let waker = || in_poll.clone().unwrap_or_else(baton::waker);
    let (number, timer) = universe::try_with(|u| {
        u.waiters.numbers += 1;
        let number = u.waiters.numbers;
        let node = u.kernel.current_node();
        let boot = (node, u.kernel.node(node).incarnation());
        u.waiters.list.push(Waiter { number, address, bits, waker: waker(), boot });
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
            if timer.is_some_and(|timer| u.kernel.poll_timer(timer, &waker())) {
                let waiter = u.waiters.list.remove(place);
                u.kernel.discard(waiter.waker);
                timer.into_iter().for_each(|timer| u.kernel.cancel_timer(timer));
                return Some(Waited::TimedOut);
            }
            if timer.is_none() {
                u.kernel.note_wait(what);
            }
            None
        });
        match waited {
            Some(Some(waited)) => return Some(waited),
            _ if in_poll.is_some() => stand_in::give_way(),
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
            if waiter.address == address && waiter.is_left(u) {
                // A lock in a static outlives the node whose thread waited for it.
                let waiter = u.waiters.list.remove(at);
                u.kernel.discard(waiter.waker);
            } else if waiter.address == address && waiter.bits & bits != 0 {
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
