//! `sleep`: a timer of the current node.

use std::future::Future;
use std::marker::PhantomPinned;
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
        deadline: Deadline,
        timer: Timer,
        #[pin]
        stays: PhantomPinned,
    }
}

/// When a sleep ends.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    At(Instant),
    /// In nanoseconds of a clock that shows zero at an instant of std: nobody asks most sleeps which instant that is.
    Shown {
        zero: std::time::Instant,
        ns: u64,
    },
}

impl Deadline {
    fn instant(self) -> Instant {
        match self {
            Self::At(instant) => instant,
            Self::Shown { zero, ns } => Instant::from_std(zero + Duration::from_nanos(ns)),
        }
    }
}

#[derive(Debug)]
enum Timer {
    /// Apart, so that a simulated one is small: a sleep is moved more often than it is made.
    Real(Pin<Box<real_tokio::time::Sleep>>),
    Simulated(Armed),
}

#[derive(Debug)]
struct Armed {
    timer: Option<TimerId>,
    /// In nanoseconds of the node's timer clock: when the timer goes off, or before there is one the deadline, if it is known
    /// already.
    ns: Option<u64>,
    elapsed: bool,
}

impl Armed {
    fn new(ns: Option<u64>) -> Self {
        Self { timer: None, ns, elapsed: false }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
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
        Timer::Simulated(Armed::new(None))
    } else {
        Timer::Real(Box::pin(real_tokio::time::sleep_until(deadline.into_std().into())))
    };
    Sleep { deadline: Deadline::At(deadline), timer, stays: PhantomPinned }
}

/// Whether a timer that is made now is one of a simulation.
#[track_caller]
fn is_simulated() -> bool {
    stormglass_kernel::is_current() && has_time()
}

/// Whether a simulation's timers may be made now.
#[track_caller]
fn has_time() -> bool {
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
    let shown = Instant::shown();
    if let Some((zero, now_ns)) = shown
        && let Some(ns) = u64::try_from(duration.as_nanos()).ok().and_then(|ns| now_ns.checked_add(ns))
        && has_time()
    {
        let timer = Timer::Simulated(Armed::new(Some(ns)));
        return Sleep { deadline: Deadline::Shown { zero, ns }, timer, stays: PhantomPinned };
    }
    let now = shown.map_or_else(Instant::now, |(zero, ns)| Instant::from_std(zero + Duration::from_nanos(ns)));
    sleep_until(now.checked_add(duration).unwrap_or_else(Instant::far_future))
}

impl Sleep {
    /// The instant at which the sleep ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline.instant()
    }

    /// Whether the sleep has ended.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        match &self.timer {
            Timer::Real(sleep) => sleep.is_elapsed(),
            Timer::Simulated(armed) => armed.elapsed,
        }
    }

    /// Moves the end to `deadline`.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = Deadline::At(deadline);
        match this.timer {
            Timer::Real(sleep) => sleep.as_mut().reset(deadline.into_std().into()),
            Timer::Simulated(armed) => {
                armed.elapsed = false;
                let (timer, ns) = (armed.timer.take(), tick_ns(deadline));
                if let Some(waker) = timer.zip(ns).and_then(|(timer, ns)| waker_of_past(timer, ns)) {
                    armed.ns = None;
                    waker.wake();
                    return;
                }
                armed.timer =
                    timer.zip(ns).and_then(|(timer, ns)| try_with(|u| u.kernel.reset_timer(timer, ns)).flatten());
                armed.ns = if armed.timer.is_some() { ns } else { None };
            }
        }
    }
}

/// Who made a waker of its own and waits for `timer`, which has been moved to `ns`, if that is past: tokio wakes it there and then.
fn waker_of_past(timer: TimerId, ns: u64) -> Option<Waker> {
    try_with(|u| (ns <= u.kernel.peek_timer_clock_ns()).then(|| u.kernel.take_waker_of(timer)).flatten()).flatten()
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
        let armed = match this.timer {
            Timer::Real(sleep) => return sleep.as_mut().poll(cx),
            Timer::Simulated(armed) => armed,
        };
        if armed.elapsed {
            return Poll::Ready(());
        }
        loop {
            return match outcome_of(armed, this.deadline, cx.waker()) {
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

fn outcome_of(armed: &mut Armed, deadline: &Deadline, waker: &Waker) -> Option<Outcome> {
    try_with(|u| {
        let zero = u.std_zero();
        let kernel = &mut u.kernel;
        if !may_proceed() {
            return Outcome::Unbudgeted;
        }
        let ns = match (armed.timer, armed.ns, zero) {
            (Some(_), Some(ns), _) => ns,
            (_, Some(ns), _) => kernel.timer_tick_ns(ns),
            (_, None, Some(zero)) => kernel.timer_tick_ns(deadline.instant().since_ns(zero)),
            (_, None, None) => return Outcome::WithoutZero,
        };
        // What has fired is over, whatever the clock shows.
        let timer = armed.timer.filter(|&timer| !kernel.has_fired(timer));
        if armed.timer.is_some() && timer.is_none() {
            armed.timer = None;
        } else if kernel.peek_timer_clock_ns() < ns {
            match timer {
                Some(timer) => _ = kernel.poll_timer(timer, waker),
                None => {
                    armed.timer = Some(kernel.create_timer_for(ns, waker));
                    armed.ns = Some(ns);
                }
            }
            kernel.note_wait(Wait::Timer { deadline_ns: ns });
            return Outcome::Waits;
        } else if let Some(timer) = armed.timer.take() {
            kernel.cancel_timer(timer);
        }
        count();
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
