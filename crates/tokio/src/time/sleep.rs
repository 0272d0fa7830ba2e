//! `sleep`: a timer of the current node.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use stormglass_kernel::{TimerId, Wait, try_with};

use super::Instant;
use crate::budget;

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
    timer: Option<TimerId>,
    elapsed: bool,
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            try_with(|u| u.kernel.cancel_timer(timer));
        }
    }
}

/// Waits until `deadline`.
pub fn sleep_until(deadline: Instant) -> Sleep {
    let timer = if stormglass_kernel::is_current() {
        Timer::Simulated { armed: Armed { timer: None, elapsed: false } }
    } else {
        Timer::Real { sleep: real_tokio::time::sleep_until(deadline.into_std().into()) }
    };
    Sleep { deadline, timer }
}

/// Waits for `duration`, on the current node's monotonic clock.
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
                let moved = armed.timer.zip(deadline.as_node_ns());
                armed.timer = moved.and_then(|(t, ns)| try_with(|u| u.kernel.reset_timer(t, ns)).flatten());
            }
        }
    }
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
        ready!(budget::poll_proceed(cx));
        let Some(deadline_ns) = this.deadline.as_node_ns() else { return Poll::Pending };
        let fired = try_with(|u| {
            let kernel = &mut u.kernel;
            if kernel.peek_monotonic_ns(kernel.current_node()) >= deadline_ns {
                return true;
            }
            kernel.note_wait(Wait::Timer { deadline_ns });
            let timer = *armed.timer.get_or_insert_with(|| kernel.create_timer(deadline_ns));
            kernel.poll_timer(timer, cx.waker())
        });
        match fired {
            Some(true) => {
                armed.elapsed = true;
                if let Some(timer) = armed.timer.take() {
                    try_with(|u| u.kernel.cancel_timer(timer));
                }
                Poll::Ready(())
            }
            // Without a simulation nothing will ever wake this task again.
            Some(false) | None => Poll::Pending,
        }
    }
}
