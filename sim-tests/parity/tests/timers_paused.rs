//! Timers on a paused clock, which shows exactly what tokio's would.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use stormglass_tokio::runtime::Builder;
use stormglass_tokio::time::{self, Instant, MissedTickBehavior, timeout};

use crate::seeing::{one, panic_of, paused, several};
use crate::{behaviours, saw};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Whether somebody was woken who is no task.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Woken {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// The instants of ticks with one that is missed by 25 ms, in milliseconds after the start: due, and seen.
async fn ticks(behavior: MissedTickBehavior) -> Vec<(u128, u128)> {
    let start = Instant::now();
    let mut interval = time::interval(ms(10));
    interval.set_missed_tick_behavior(behavior);
    let mut seen = Vec::new();
    for n in 0..6 {
        if n == 2 {
            time::advance(ms(25)).await;
        }
        let due = interval.tick().await;
        seen.push(((due - start).as_millis(), start.elapsed().as_millis()));
    }
    seen
}

behaviours! {
    a_paused_clock_stands_still => ["0ns"], |saw| {
        paused(async {
            let start = Instant::now();
            for _ in 0..100 {
                stormglass_tokio::task::yield_now().await;
            }
            saw!(saw, start.elapsed());
        });
    }
    a_paused_clock_waits_for_a_busy_program => ["0ns", "false", "1ms"], |saw| {
        paused(async {
            let start = Instant::now();
            let task = stormglass_tokio::spawn(async { time::sleep(ms(1)).await });
            // More work than a simulated processor does in a millisecond.
            for _ in 0..30_000 {
                stormglass_tokio::task::yield_now().await;
            }
            saw!(saw, start.elapsed(), task.is_finished());
            task.await.expect("no panic");
            saw!(saw, start.elapsed());
        });
    }
    a_paused_clock_jumps_to_the_earliest_timer => ["1500ms", "3600s"], |saw| {
        paused(async {
            let start = Instant::now();
            time::sleep(ms(1_500)).await;
            saw.push(format!("{}ms", start.elapsed().as_millis()));
            let start = Instant::now();
            time::sleep(Duration::from_secs(3_600)).await;
            saw!(saw, start.elapsed());
        });
    }
    a_paused_clock_counts_in_milliseconds => ["1ms", "2ms"], |saw| {
        paused(async {
            let start = Instant::now();
            time::sleep(Duration::from_micros(300)).await;
            saw!(saw, start.elapsed());
            time::sleep(Duration::from_micros(10)).await;
            saw!(saw, start.elapsed());
        });
    }
    advance_moves_a_paused_clock => ["250ms", "true"], |saw| {
        paused(async {
            let start = Instant::now();
            let mut sleep = Box::pin(time::sleep(ms(200)));
            let polled = futures::poll!(sleep.as_mut());
            time::advance(ms(250)).await;
            saw!(saw, start.elapsed());
            let _ = polled;
            saw!(saw, futures::poll!(sleep.as_mut()).is_ready());
        });
    }
    who_is_no_task_is_woken_when_advance_returns => ["true", "false", "true", "true"], |saw| {
        paused(async {
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut sleep = Box::pin(time::sleep(ms(100)));
            saw!(saw, sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            time::advance(ms(90)).await;
            saw!(saw, woken.take());
            let _ = sleep.as_mut().poll(&mut Context::from_waker(&waker));
            time::advance(ms(101)).await;
            saw!(saw, woken.take());
            saw!(saw, sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        });
    }
    advance_by_less_than_a_timer_leaves_it => ["true", "true"], |saw| {
        paused(async {
            let mut sleep = Box::pin(time::sleep(ms(200)));
            saw!(saw, futures::poll!(sleep.as_mut()).is_pending());
            time::advance(ms(199)).await;
            saw!(saw, futures::poll!(sleep.as_mut()).is_pending());
        });
    }
    a_task_that_sleeps_wakes_by_advance => ["true"], |saw| {
        paused(async {
            let task = stormglass_tokio::spawn(time::sleep(ms(10)));
            stormglass_tokio::task::yield_now().await;
            time::advance(ms(10)).await;
            saw!(saw, timeout(ms(1), task).await.is_ok());
        });
    }
    missed_ticks_burst => ["[(0, 0), (10, 10), (20, 35), (30, 35), (40, 40), (50, 50)]"], |saw| {
        paused(async { saw!(saw, ticks(MissedTickBehavior::Burst).await) });
    }
    missed_ticks_delay => ["[(0, 0), (10, 10), (20, 35), (45, 45), (55, 55), (65, 65)]"], |saw| {
        paused(async { saw!(saw, ticks(MissedTickBehavior::Delay).await) });
    }
    missed_ticks_are_skipped => ["[(0, 0), (10, 10), (20, 35), (40, 40), (50, 50), (60, 60)]"], |saw| {
        paused(async { saw!(saw, ticks(MissedTickBehavior::Skip).await) });
    }
    a_sleep_that_is_moved_to_the_past_wakes_there_and_then => ["false", "true", "true", "false"], |saw| {
        paused(async {
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut cx = Context::from_waker(&waker);
            let start = Instant::now();
            let mut sleep = Box::pin(time::sleep(ms(100)));
            assert!(sleep.as_mut().poll(&mut cx).is_pending());
            time::advance(ms(80)).await;
            saw!(saw, woken.take());
            sleep.as_mut().reset(start + ms(64));
            saw!(saw, woken.take());
            saw!(saw, sleep.as_mut().poll(&mut cx).is_ready());
            saw!(saw, woken.take());
        });
    }
    an_interval_can_be_reset => ["[0, 14, 24, 24, 31, 43]"], |saw| {
        paused(async {
            let start = Instant::now();
            let mut interval = time::interval(ms(10));
            let mut seen = vec![interval.tick().await];
            time::advance(ms(4)).await;
            interval.reset();
            seen.push(interval.tick().await);
            seen.push(interval.tick().await);
            interval.reset_immediately();
            seen.push(interval.tick().await);
            interval.reset_after(ms(7));
            seen.push(interval.tick().await);
            interval.reset_at(Instant::now() + ms(12));
            seen.push(interval.tick().await);
            saw!(saw, seen.iter().map(|t| (*t - start).as_millis()).collect::<Vec<_>>());
        });
    }
    interval_at_begins_where_it_is_told => ["[30, 40]"], |saw| {
        paused(async {
            let start = Instant::now();
            let mut interval = time::interval_at(start + ms(30), ms(10));
            let seen = [interval.tick().await, interval.tick().await];
            saw!(saw, seen.map(|t| (t - start).as_millis()));
        });
    }
    a_timeout_lasts_exactly_its_time => ["true", "40ms"], |saw| {
        paused(async {
            let start = Instant::now();
            saw!(saw, timeout(ms(40), pending::<()>()).await.is_err());
            saw!(saw, start.elapsed());
        });
    }
    the_shorter_of_two_sleeps_comes_first => ["\"short\"", "10ms"], |saw| {
        paused(async {
            let start = Instant::now();
            let first = stormglass_tokio::select! {
                () = time::sleep(ms(20)) => "long",
                () = time::sleep(ms(10)) => "short",
            };
            saw!(saw, first, start.elapsed());
        });
    }
    pause_twice_is_refused => ["\"panic: time is already frozen\""], |saw| {
        paused(async { saw!(saw, panic_of(time::pause)) });
    }
    resume_of_a_running_clock_is_refused => ["\"panic: time is not frozen\""], |saw| {
        one(async { saw!(saw, panic_of(time::resume)) });
    }
    a_resumed_clock_goes_on_from_what_it_showed => ["true", "true"], |saw| {
        paused(async {
            let start = Instant::now();
            time::advance(Duration::from_secs(100)).await;
            time::resume();
            saw!(saw, start.elapsed() >= Duration::from_secs(100));
            let resumed = Instant::now();
            time::sleep(ms(3)).await;
            saw!(saw, resumed.elapsed() >= ms(3) && resumed.elapsed() < Duration::from_secs(50));
        });
    }
    a_running_clock_can_be_paused => ["60s"], |saw| {
        one(async {
            time::pause();
            let start = Instant::now();
            time::advance(Duration::from_secs(60)).await;
            saw!(saw, start.elapsed());
        });
    }
    a_runtime_of_several_threads_cannot_pause => [
        "\"panic: `time::pause()` requires the `current_thread` Tokio runtime\"",
    ], |saw| {
        several(async { saw!(saw, panic_of(time::pause)) });
    }
    a_runtime_of_several_threads_cannot_begin_paused => [
        "\"panic: `time::pause()` requires the `current_thread` Tokio runtime\"",
    ], |saw| {
        saw!(saw, panic_of(|| Builder::new_multi_thread().enable_all().start_paused(true).build()));
    }
    pause_needs_a_runtime => ["\"panic: time cannot be frozen from outside the Tokio runtime\""], |saw| {
        saw!(saw, panic_of(time::pause));
    }
}
