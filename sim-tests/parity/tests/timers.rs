//! Timers on a running clock. Only lower bounds and orders are looked at: a real machine is as slow as it likes.

use std::future::pending;
use std::time::Duration;

use stormglass_tokio::task::JoinSet;
use stormglass_tokio::time::{self, Instant, MissedTickBehavior, timeout, timeout_at};

use crate::seeing::{one, panic_of};
use crate::{behaviours, saw};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

behaviours! {
    sleep_takes_at_least_its_time => ["true"], |saw| {
        one(async {
            let start = Instant::now();
            time::sleep(ms(3)).await;
            saw!(saw, start.elapsed() >= ms(3));
        });
    }
    sleepers_wake_in_order_of_their_deadlines => ["[1, 2, 3]"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            for n in [3_u64, 1, 2] {
                set.spawn(async move {
                    time::sleep(ms(n * 8)).await;
                    n
                });
            }
            let mut order = Vec::new();
            while let Some(Ok(n)) = set.join_next().await {
                order.push(n);
            }
            saw!(saw, order);
        });
    }
    sleep_of_no_time_is_ready_at_once => ["true"], |saw| {
        one(async {
            let sleep = time::sleep(Duration::ZERO);
            let mut sleep = std::pin::pin!(sleep);
            sleep.as_mut().await;
            saw!(saw, sleep.is_elapsed());
        });
    }
    sleep_is_not_elapsed_before_it_is_polled => ["false", "true"], |saw| {
        one(async {
            let mut sleep = Box::pin(time::sleep(ms(1)));
            saw!(saw, sleep.is_elapsed());
            sleep.as_mut().await;
            saw!(saw, sleep.is_elapsed());
        });
    }
    sleep_can_be_moved => ["true", "false", "true"], |saw| {
        one(async {
            let start = Instant::now();
            let mut sleep = Box::pin(time::sleep(ms(1)));
            sleep.as_mut().reset(start + ms(5));
            saw!(saw, sleep.deadline() == start + ms(5));
            saw!(saw, sleep.is_elapsed());
            sleep.as_mut().await;
            saw!(saw, start.elapsed() >= ms(5));
        });
    }
    sleep_can_be_used_again_after_a_reset => ["true", "false", "true"], |saw| {
        one(async {
            let mut sleep = Box::pin(time::sleep(ms(1)));
            sleep.as_mut().await;
            saw!(saw, sleep.is_elapsed());
            sleep.as_mut().reset(Instant::now() + ms(2));
            saw!(saw, sleep.is_elapsed());
            sleep.as_mut().await;
            saw!(saw, sleep.is_elapsed());
        });
    }
    a_very_long_sleep_can_be_made_and_dropped => ["true"], |saw| {
        one(async {
            let sleep = time::sleep(Duration::MAX);
            saw!(saw, sleep.deadline() > Instant::now() + Duration::from_secs(86_400 * 365 * 10));
        });
    }
    timeout_gives_what_was_ready => ["Ok(7)"], |saw| {
        one(async { saw!(saw, timeout(ms(100), async { 7 }).await) });
    }
    timeout_gives_up => ["Err(Elapsed(()))", "deadline has elapsed"], |saw| {
        one(async {
            let result = timeout(ms(1), pending::<()>()).await;
            saw!(saw, result);
            saw.push(result.expect_err("it is pending").to_string());
        });
    }
    timeout_of_no_time_still_polls_once => ["Ok(1)", "true"], |saw| {
        one(async {
            saw!(saw, timeout(Duration::ZERO, async { 1 }).await);
            saw!(saw, timeout(Duration::ZERO, pending::<()>()).await.is_err());
        });
    }
    timeout_at_a_past_instant_still_polls_once => ["Ok(1)", "true"], |saw| {
        one(async {
            let past = Instant::now();
            time::sleep(ms(1)).await;
            saw!(saw, timeout_at(past, async { 1 }).await);
            saw!(saw, timeout_at(past, pending::<()>()).await.is_err());
        });
    }
    timeout_of_for_ever_waits => ["Ok(Ok(()))"], |saw| {
        one(async { saw!(saw, timeout(Duration::MAX, timeout(ms(50), time::sleep(ms(1)))).await) });
    }
    timeout_gives_its_future_back => ["5", "6"], |saw| {
        one(async {
            let mut timed = timeout(ms(10), std::future::ready(5));
            saw!(saw, timed.get_ref().clone().await);
            *timed.get_mut() = std::future::ready(6);
            saw!(saw, timed.into_inner().await);
        });
    }
    elapsed_is_an_error_of_io => ["TimedOut"], |saw| {
        one(async {
            let elapsed = timeout(ms(1), pending::<()>()).await.expect_err("it is pending");
            saw!(saw, std::io::Error::from(elapsed).kind());
        });
    }
    the_first_tick_is_at_once => ["true", "true"], |saw| {
        one(async {
            let start = Instant::now();
            let mut interval = time::interval(ms(4));
            let first = interval.tick().await;
            saw!(saw, first >= start && first <= Instant::now());
            let second = interval.tick().await;
            saw!(saw, second == first + ms(4));
        });
    }
    an_interval_of_no_time_is_refused => ["\"panic: `period` must be non-zero.\""], |saw| {
        one(async { saw!(saw, panic_of(|| time::interval(Duration::ZERO))) });
    }
    an_interval_bursts_unless_told_otherwise => ["Burst", "Burst", "Skip", "4ms"], |saw| {
        one(async {
            saw!(saw, MissedTickBehavior::default());
            let mut interval = time::interval(ms(4));
            saw!(saw, interval.missed_tick_behavior());
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            saw!(saw, interval.missed_tick_behavior());
            saw!(saw, interval.period());
        });
    }
    instants_count_as_stds_do => ["0ns", "None", "0ns", "2ms", "true", "true"], |saw| {
        one(async {
            let now = Instant::now();
            let later = now + ms(2);
            saw!(saw, now.duration_since(later));
            saw!(saw, now.checked_duration_since(later));
            saw!(saw, now.saturating_duration_since(later));
            saw!(saw, later - now);
            saw!(saw, later.checked_sub(ms(2)) == Some(now));
            saw!(saw, now.checked_add(Duration::MAX).is_none());
        });
    }
    instants_go_to_std_and_back => ["true", "true"], |saw| {
        one(async {
            let now = Instant::now();
            saw!(saw, Instant::from_std(now.into_std()) == now);
            saw!(saw, Instant::from(std::time::Instant::from(now)) == now);
        });
    }
    timers_need_a_runtime => [
        "\"panic: there is no reactor running, must be called from the context of a Tokio 1.x runtime\"",
    ], |saw| {
        saw!(saw, panic_of(|| time::sleep(ms(1))));
    }
    timers_need_a_runtime_with_time => ["\"panic: A Tokio 1.x context was found, but timers are disabled\""], |saw| {
        let runtime = stormglass_tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { saw!(saw, panic_of(|| time::sleep(ms(1)))) });
    }
}
