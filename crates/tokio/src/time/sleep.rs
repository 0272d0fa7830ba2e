//! `sleep`: a timer of the current node.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;
use stormglass_kernel::{TimerId, Wait, try_with};

use super::Instant;
use super::instant::find_zero;
use crate::runtime::context;
use crate::task::coop::{count, may_proceed};

pin_project! {
    /// As `tokio::time::Sleep`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Sleep {
        deadline: Instant,
        #[pin]
        timer: Timer,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = TimerProjection]
    enum Timer {
        Real { #[pin] sleep: real_tokio::time::Sleep },
        Simulated { armed: Armed },
    }
}

#[derive(Debug)]
struct Armed {
    /// The timer, and when it goes off in nanoseconds of its node's timer clock.
    timer: Option<(TimerId, u64)>,
    elapsed: bool,
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some((timer, _)) = self.timer.take() {
            try_with(|u| u.kernel.cancel_timer(timer));
        }
    }
}

/// Waits until `deadline`.
///
/// # Panics
/// Outside a runtime, and in one without time, as tokio's does.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    let timer = if is_simulated() {
        Timer::Simulated { armed: Armed { timer: None, elapsed: false } }
    } else {
        Timer::Real { sleep: real_tokio::time::sleep_until(deadline.into_std().into()) }
    };
    Sleep { deadline, timer }
}

/// Whether a timer that is made now is one of a simulation.
#[track_caller]
fn is_simulated() -> bool {
    if !stormglass_kernel::is_current() {
        return false;
    }
    match context::has(|built| built.settings.time) {
        Some(true) => true,
        Some(false) => panic!(
            "A Tokio 1.x context was found, but timers are disabled. Call `enable_time` on the runtime builder to enable \
             timers."
        ),
        None => false,
    }
}

/// Waits for `duration`, on the current node's clock.
///
/// # Panics
/// As [`sleep_until`].
#[track_caller]
#[doc(alias = "delay_for")]
#[doc(alias = "wait")]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now().checked_add(duration).unwrap_or_else(Instant::far_future))
}

impl Sleep {
    /// The instant at which the sleep ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the sleep has ended.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        match &self.timer {
            Timer::Real { sleep } => sleep.is_elapsed(),
            Timer::Simulated { armed } => armed.elapsed,
        }
    }

    /// Moves the end to `deadline`.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        match this.timer.project() {
            TimerProjection::Real { sleep } => sleep.reset(deadline.into_std().into()),
            TimerProjection::Simulated { armed } => {
                armed.elapsed = false;
                let moved = armed.timer.zip(tick_ns(deadline));
                armed.timer = moved.and_then(|((timer, _), ns)| {
                    let timer = try_with(|u| u.kernel.reset_timer(timer, ns)).flatten()?;
                    Some((timer, ns))
                });
            }
        }
    }
}

/// When a timer for `deadline` goes off, in nanoseconds of the current node's timer clock.
fn tick_ns(deadline: Instant) -> Option<u64> {
    let deadline_ns = deadline.as_node_ns()?;
    try_with(|u| u.kernel.timer_tick_ns(deadline_ns))
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let armed = match this.timer.project() {
            TimerProjection::Real { sleep } => return sleep.poll(cx),
            TimerProjection::Simulated { armed } => armed,
        };
        if armed.elapsed {
            return Poll::Ready(());
        }
        loop {
            return match outcome_of(armed, *this.deadline, cx.waker()) {
                Some(Outcome::Elapsed) => {
                    armed.elapsed = true;
                    Poll::Ready(())
                }
                Some(Outcome::Unbudgeted) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Outcome::WithoutZero) if find_zero().is_some() => continue,
                // Without a simulation nothing will ever wake this task again.
                Some(Outcome::Waits | Outcome::WithoutZero) | None => Poll::Pending,
            };
        }
    }
}

fn outcome_of(armed: &mut Armed, deadline: Instant, waker: &Waker) -> Option<Outcome> {
    try_with(|u| {
        let zero = u.std_zero();
        let kernel = &mut u.kernel;
        let poll = kernel.poll_number();
        if !may_proceed(poll) {
            return Outcome::Unbudgeted;
        }
        let deadline_ns = match (armed.timer, zero) {
            (Some((_, deadline_ns)), _) => deadline_ns,
            (None, Some(zero)) => kernel.timer_tick_ns(deadline.since_ns(zero)),
            (None, None) => return Outcome::WithoutZero,
        };
        let waits = kernel.peek_timer_clock_ns() < deadline_ns
            && match armed.timer {
                Some((timer, _)) => !kernel.poll_timer(timer, waker),
                None => {
                    armed.timer = Some((kernel.create_timer_for(deadline_ns, waker), deadline_ns));
                    true
                }
            };
        if waits {
            kernel.note_wait(Wait::Timer { deadline_ns });
            return Outcome::Waits;
        }
        if let Some((timer, _)) = armed.timer.take() {
            kernel.cancel_timer(timer);
        }
        count(poll);
        Outcome::Elapsed
    })
}

/// What a poll of a simulated timer came to.
enum Outcome {
    Elapsed,
    Waits,
    /// The task has done as much in this poll as it may.
    Unbudgeted,
    /// Nobody has found out yet at which instant of std the clocks show zero.
    WithoutZero,
}
