//! The clock that a node's timers follow: its monotonic clock, until the program pauses it.
//!
//! tokio lets a test pause its clock, advance it by hand, and resume it; while it is paused and the program has nothing
//! to do, it jumps to the earliest timer. A paused clock here does the same. So that timers and packets keep their order,
//! the jump takes as long in virtual time as it is far: a packet that is under way for 1 ms still arrives before a timeout
//! of 10 ms, at which the program then reads exactly 10 ms.

use std::task::Waker;
use std::time::Duration;

use crate::clock::Clock;
use crate::ids::{NodeId, TaskRef, TimerId};
use crate::kernel::{CLOCK_READ_NS, Kernel, UNARMED};
use crate::node::Ready;
use crate::parked::{Parked, Sleeper};
use crate::time::VirtualTime;
use crate::timers::Fired;
use crate::trace::{Kind, Record};

/// tokio's timers go off at whole milliseconds after its clock's zero, the last part of one rounded up.
const TICK_NS: u64 = 1_000_000;

/// What the timer clock is to the monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimerClock {
    /// As far ahead of the monotonic clock as it was advanced while it was paused, less what it stood still.
    Runs { ahead_ns: i64 },
    /// It shows `shown_ns` since `since`; ticks are counted from `zero_ns`.
    Paused { shown_ns: u64, since: VirtualTime, zero_ns: u64 },
}

/// Why the timer clock could not be paused, advanced or resumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PauseError {
    /// It is paused already.
    #[error("time is already frozen")]
    Paused,
    /// It runs.
    #[error("time is not frozen")]
    Runs,
}

impl Default for TimerClock {
    fn default() -> Self {
        Self::Runs { ahead_ns: 0 }
    }
}

impl TimerClock {
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self, Self::Paused { .. })
    }

    /// How far it is ahead of virtual time, while that does not change.
    pub(crate) fn lead_ns(&self, monotonic: &Clock) -> Option<u64> {
        match *self {
            Self::Runs { ahead_ns } => monotonic.lead_ns()?.checked_add_signed(ahead_ns),
            Self::Paused { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn read_ns(&self, monotonic: &Clock, at: VirtualTime) -> u64 {
        match *self {
            Self::Runs { ahead_ns } => monotonic.read_ns(at).saturating_add_signed(ahead_ns),
            Self::Paused { shown_ns, .. } => shown_ns,
        }
    }

    /// When the clock will show `ns`, if nobody touches it.
    #[inline]
    pub(crate) fn when_ns(&self, monotonic: &Clock, ns: u64) -> VirtualTime {
        match *self {
            Self::Runs { ahead_ns: 0 } => monotonic.when_ns(ns),
            Self::Runs { ahead_ns } => monotonic.when_ns(ns.saturating_add_signed(ahead_ns.saturating_neg())),
            Self::Paused { shown_ns, since, .. } => since.after_nanos(ns.saturating_sub(shown_ns)),
        }
    }

    /// A paused clock jumps to `ns`, and never back; a running one goes its own way.
    pub(crate) fn jump_to(&mut self, at: VirtualTime, ns: u64) {
        if let Self::Paused { shown_ns, since, .. } = self {
            *shown_ns = ns.max(*shown_ns);
            *since = at;
        }
    }
}

impl Kernel {
    /// What the current node's timer clock shows, at no cost.
    #[must_use]
    #[inline]
    pub fn peek_timer_clock_ns(&self) -> u64 {
        let (id, at) = match &self.current {
            Some(current) => (current.node, self.now.after_nanos(current.elapsed_ns)),
            None => (self.actor, self.now),
        };
        self.nodes[id.index()].read_timer_clock_ns(at)
    }

    /// What the current node's timer clock shows. Costs as [`Kernel::read_monotonic_ns`] does.
    #[inline]
    pub fn read_timer_clock_ns(&mut self) -> u64 {
        self.charge_ns(CLOCK_READ_NS);
        self.peek_timer_clock_ns()
    }

    /// The instant at which a timer for `deadline_ns` goes off: while the clock is paused the next whole millisecond, as
    /// tokio's tests expect; otherwise the deadline itself.
    #[must_use]
    #[inline]
    pub fn timer_tick_ns(&self, deadline_ns: u64) -> u64 {
        match self.nodes[self.current_node().index()].timer_clock {
            TimerClock::Runs { .. } => deadline_ns,
            TimerClock::Paused { zero_ns, .. } => {
                let ticks = deadline_ns.saturating_sub(zero_ns).div_ceil(TICK_NS);
                zero_ns.saturating_add(ticks.saturating_mul(TICK_NS))
            }
        }
    }

    /// Pauses the current node's timer clock.
    ///
    /// # Errors
    /// When it is paused already.
    pub fn pause_timer_clock(&mut self) -> Result<(), PauseError> {
        let shown_ns = self.peek_timer_clock_ns();
        let since = self.now();
        self.change_timer_clock(|clock| match clock {
            TimerClock::Paused { .. } => Err(PauseError::Paused),
            TimerClock::Runs { .. } => Ok(TimerClock::Paused { shown_ns, since, zero_ns: shown_ns }),
        })
    }

    /// Lets the current node's timer clock run on from what it shows.
    ///
    /// # Errors
    /// When it is not paused.
    pub fn resume_timer_clock(&mut self) -> Result<(), PauseError> {
        let monotonic = self.peek_monotonic_ns(self.current_node());
        self.change_timer_clock(|clock| match clock {
            TimerClock::Runs { .. } => Err(PauseError::Runs),
            TimerClock::Paused { shown_ns, .. } => {
                Ok(TimerClock::Runs { ahead_ns: shown_ns.wrapping_sub(monotonic).cast_signed() })
            }
        })
    }

    /// Moves the current node's paused timer clock on by `by_ns`.
    ///
    /// # Errors
    /// When it is not paused.
    pub fn advance_timer_clock(&mut self, by_ns: u64) -> Result<(), PauseError> {
        let now = self.now();
        self.change_timer_clock(|clock| match clock {
            TimerClock::Runs { .. } => Err(PauseError::Runs),
            TimerClock::Paused { shown_ns, zero_ns, .. } => {
                Ok(TimerClock::Paused { shown_ns: shown_ns.saturating_add(by_ns), since: now, zero_ns })
            }
        })
    }

    fn change_timer_clock(
        &mut self,
        change: impl FnOnce(TimerClock) -> Result<TimerClock, PauseError>,
    ) -> Result<(), PauseError> {
        if !self.is_effective() {
            return Ok(());
        }
        let id = self.current_node();
        let node = &mut self.nodes[id.index()];
        node.timer_clock = change(node.timer_clock)?;
        node.note_clocks();
        node.timer = VirtualTime::MAX;
        self.arm(id);
        // What is due now goes off before the next poll, though nothing else has to be seen to.
        self.arm_later(id);
        Ok(())
    }
}

/// Timers of the current node.
impl Kernel {
    /// A timer that fires when the current node's timer clock shows `deadline_ns`. That clock is the monotonic one, unless
    /// the program has paused or advanced it.
    pub fn create_timer(&mut self, deadline_ns: u64) -> TimerId {
        let id = self.current_node();
        let (slot, generation) = self.nodes[id.index()].timers.create(deadline_ns, Parked::nobody());
        self.arm_later(id);
        TimerId { node: id, slot, generation }
    }

    /// As [`Kernel::create_timer`], with `waker` to be woken when it fires.
    #[inline]
    pub fn create_timer_for(&mut self, deadline_ns: u64, waker: &Waker) -> TimerId {
        let id = self.current_node();
        let sleeper = self.sleeper_of(waker);
        let (slot, generation) = self.nodes[id.index()].timers.create(deadline_ns, sleeper);
        self.arm_later(id);
        TimerId { node: id, slot, generation }
    }

    /// Whether a timer has fired; if not, `waker` is woken when it does. A timer of an earlier incarnation counts as
    /// fired.
    #[inline]
    pub fn poll_timer(&mut self, timer: TimerId, waker: &Waker) -> bool {
        let Some(place) = self.nodes[timer.node.index()].timers.place(timer.slot, timer.generation) else {
            return true;
        };
        let mut place = std::mem::take(place);
        self.put_to_sleep(&mut place, waker);
        let back = self.nodes[timer.node.index()].timers.place(timer.slot, timer.generation);
        if let Some(back) = back {
            *back = place;
        }
        false
    }

    /// Whether a timer has fired, or is of an earlier incarnation.
    #[must_use]
    #[inline]
    pub fn has_fired(&self, timer: TimerId) -> bool {
        !self.nodes[timer.node.index()].timers.is_armed(timer.slot, timer.generation)
    }

    /// Moves a timer that has not fired to another deadline; who waits for it goes on waiting. Gives the timer's new id;
    /// `None` when it has fired or is stale.
    pub fn reset_timer(&mut self, timer: TimerId, deadline_ns: u64) -> Option<TimerId> {
        let timers = &mut self.nodes[timer.node.index()].timers;
        let generation = timers.reset(timer.slot, timer.generation, deadline_ns)?;
        self.arm_later(timer.node);
        Some(TimerId { generation, ..timer })
    }

    /// Forgets a timer whose deadline has come already, if a waker that a combinator made waits for it, and gives that waker: it
    /// is to be woken at once, as soon as nothing is borrowed. A task would not run before the end of this poll anyway.
    pub fn take_waker_of(&mut self, timer: TimerId) -> Option<Waker> {
        let timers = &mut self.nodes[timer.node.index()].timers;
        let place = timers.place(timer.slot, timer.generation)?;
        if !matches!(place.0, Sleeper::Foreign(_)) {
            return None;
        }
        match timers.cancel(timer.slot, timer.generation).0 {
            Sleeper::Foreign(waker) => Some(waker),
            Sleeper::Nobody | Sleeper::Task(_) => None,
        }
    }

    /// Forgets a timer.
    #[inline]
    pub fn cancel_timer(&mut self, timer: TimerId) {
        let sleeper = self.nodes[timer.node.index()].timers.cancel(timer.slot, timer.generation);
        self.forget(sleeper);
    }

    /// A timer of `id` has fired: wakes who waited for it. Gives what is to be put among the node's ready ones.
    #[inline]
    pub(crate) fn timer_fired(&mut self, id: NodeId, (deadline_ns, number, sleeper): Fired) -> Option<Ready> {
        let record = Record { at: self.now, node: id, kind: Kind::TIMER, a: deadline_ns, b: u64::from(number) };
        self.trace.push(record);
        match sleeper.0 {
            Sleeper::Task(task) if self.tasks.get(task).is_some_and(|t| t.node == id) => self.decide_wake(task),
            // Of another node, or nobody's number.
            _ => {
                self.wake_up(sleeper);
                None
            }
        }
    }

    /// Fires whatever else is due, beside the timer that has woken `first`.
    #[inline(never)]
    pub(crate) fn fire_others(&mut self, id: NodeId, now_ns: u64, first: Option<Ready>) {
        self.nodes[id.index()].ready.extend(first);
        while let Some(fired) = self.nodes[id.index()].timers.fire(now_ns) {
            let ready = self.timer_fired(id, fired);
            self.nodes[id.index()].ready.extend(ready);
        }
    }

    /// Sees to it that an event will stand in the queue for the node's earliest timer: at the end of the poll, if the node is
    /// in one.
    #[inline]
    fn arm_later(&mut self, id: NodeId) {
        if self.current.as_ref().is_some_and(|c| c.node == id && c.task != TaskRef::NONE) {
            self.attention |= UNARMED;
        } else {
            self.arm(id);
        }
    }

    /// Sees to it that the node's earliest timer stands in the queue.
    pub(crate) fn arm(&mut self, id: NodeId) {
        if let Some(at) = self.next_timer(id)
            && at < self.nodes[id.index()].timer
        {
            self.schedule_timer(at, id);
        }
    }

    /// When the node's earliest timer is due.
    #[inline(always)]
    pub(crate) fn next_timer(&mut self, id: NodeId) -> Option<VirtualTime> {
        let now = self.now;
        let node = &mut self.nodes[id.index()];
        let deadline_ns = node.timers.next_deadline()?;
        // The last instant stands for never.
        let at = node.when_timer_clock_ns(deadline_ns).max(now);
        Some(at.min(VirtualTime::from_nanos(u64::MAX - 1)))
    }

    /// Puts the node's earliest timer in the queue, instead of what stood there for its timers.
    pub(crate) fn schedule_timer(&mut self, at: VirtualTime, id: NodeId) {
        let node = &mut self.nodes[id.index()];
        node.timer = at;
        self.queue.set_own(id, node.due());
    }

    /// A time on the current node's timer clock, `delay` from now.
    #[must_use]
    pub fn deadline_after(&self, delay: Duration) -> u64 {
        let now = self.peek_timer_clock_ns();
        now.saturating_add(crate::time::saturating_nanos(delay))
    }
}
