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
use crate::kernel::Kernel;
use crate::queue::Key;
use crate::time::VirtualTime;

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
        let node = &self.nodes[id.index()];
        node.timer_clock.read_ns(&node.monotonic, at)
    }

    /// What the current node's timer clock shows. Costs as [`Kernel::read_monotonic_ns`] does.
    pub fn read_timer_clock_ns(&mut self) -> u64 {
        self.read_monotonic_ns();
        self.peek_timer_clock_ns()
    }

    /// The instant at which a timer for `deadline_ns` goes off: while the clock is paused the next whole millisecond, as
    /// tokio's tests expect; otherwise the deadline itself.
    #[must_use]
    #[inline]
    pub fn timer_tick_ns(&self, deadline_ns: u64) -> u64 {
        match self.node(self.current_node()).timer_clock {
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
        node.timer = Key::NONE;
        self.arm(id);
        Ok(())
    }
}

/// Timers of the current node.
impl Kernel {
    /// A timer that fires when the current node's timer clock shows `deadline_ns`. That clock is the monotonic one, unless
    /// the program has paused or advanced it.
    pub fn create_timer(&mut self, deadline_ns: u64) -> TimerId {
        let id = self.current_node();
        let (slot, generation) = self.nodes[id.index()].timers.create(deadline_ns);
        self.arm_later(id);
        TimerId { node: id, slot, generation }
    }

    /// As [`Kernel::create_timer`], with `waker` to be woken when it fires.
    #[inline]
    pub fn create_timer_for(&mut self, deadline_ns: u64, waker: &Waker) -> TimerId {
        let id = self.current_node();
        let sleeper = self.sleeper_of(waker);
        let (slot, generation) = self.nodes[id.index()].timers.create_for(deadline_ns, sleeper);
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

    /// Moves a timer to another deadline, armed again. Gives the timer's new id; `None` when it is stale.
    pub fn reset_timer(&mut self, timer: TimerId, deadline_ns: u64) -> Option<TimerId> {
        let timers = &mut self.nodes[timer.node.index()].timers;
        let (generation, sleeper) = timers.reset(timer.slot, timer.generation, deadline_ns)?;
        self.forget(sleeper);
        self.arm_later(timer.node);
        Some(TimerId { generation, ..timer })
    }

    /// Forgets a timer.
    #[inline]
    pub fn cancel_timer(&mut self, timer: TimerId) {
        let sleeper = self.nodes[timer.node.index()].timers.cancel(timer.slot, timer.generation);
        self.forget(sleeper);
    }

    /// Sees to it that an event will stand in the queue for the node's earliest timer: at the end of the poll, if the node is
    /// in one.
    #[inline]
    fn arm_later(&mut self, id: NodeId) {
        if self.current.as_ref().is_some_and(|c| c.node == id && c.task != TaskRef::NONE) {
            self.unarmed = true;
        } else {
            self.arm(id);
        }
    }

    /// Sees to it that an event stands in the queue for the node's earliest timer.
    pub(crate) fn arm(&mut self, id: NodeId) {
        if let Some(at) = self.next_timer(id) {
            let armed = self.nodes[id.index()].timer;
            if armed.is_none() || at < armed.at() {
                self.schedule_timer(at, id);
            }
        }
    }

    /// When the node's earliest timer is due.
    #[inline]
    pub(crate) fn next_timer(&mut self, id: NodeId) -> Option<VirtualTime> {
        let now = self.now;
        let node = &mut self.nodes[id.index()];
        let deadline_ns = node.timers.next_deadline()?;
        Some(node.timer_clock.when_ns(&node.monotonic, deadline_ns).max(now))
    }

    /// Puts an event for the node's earliest timer in the queue; an earlier such event is void.
    pub(crate) fn schedule_timer(&mut self, at: VirtualTime, id: NodeId) {
        let key = self.event_key(at, id).of_timer();
        self.nodes[id.index()].timer = key;
        self.queue.push(key);
    }

    /// A time on the current node's timer clock, `delay` from now.
    #[must_use]
    pub fn deadline_after(&self, delay: Duration) -> u64 {
        let now = self.peek_timer_clock_ns();
        now.saturating_add(crate::time::saturating_nanos(delay))
    }
}
