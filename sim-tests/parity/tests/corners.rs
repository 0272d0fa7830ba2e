//! Tasks and timers in the corners: abort and drop at odd moments, payloads of panics, deadlines that move.

use std::any::Any;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{FutureExt, poll};
use stormglass_tokio::spawn;
use stormglass_tokio::sync::oneshot;
use stormglass_tokio::task::{JoinSet, LocalSet, spawn_blocking, spawn_local, yield_now};
use stormglass_tokio::time::{self, Instant, MissedTickBehavior, sleep, timeout};

use crate::seeing::{one, paused};
use crate::{behaviours, saw};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a panic carried.
fn payload(payload: Box<dyn Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return format!("str {text}");
    }
    if let Some(text) = payload.downcast_ref::<String>() {
        return format!("string {text}");
    }
    payload.downcast_ref::<u32>().map_or_else(|| "something".to_owned(), |n| format!("number {n}"))
}

/// Counts how often it is dropped.
struct Counts(Arc<AtomicU32>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

behaviours! {
    payloads_of_panics => ["\"str plain\"", "\"string formed 1\"", "\"number 7\"", "\"string in a thread 2\""], |saw| {
        one(async {
            let plain = spawn(async { panic!("plain") }).await;
            saw!(saw, payload(plain.expect_err("a panic").into_panic()));
            let formed = spawn(async { panic!("formed {}", std::hint::black_box(1)) }).await;
            saw!(saw, payload(formed.expect_err("a panic").into_panic()));
            let number = spawn(async { panic_any(7_u32) }).await;
            saw!(saw, payload(number.expect_err("a panic").into_panic()));
            let thread = spawn_blocking(|| panic!("in a thread {}", std::hint::black_box(2))).await;
            saw!(saw, payload(thread.expect_err("a panic").into_panic()));
        });
    }
    a_panic_goes_on_where_it_is_resumed => ["\"number 3\""], |saw| {
        one(async {
            let outer = spawn(async {
                let inner = spawn(async { panic_any(3_u32) }).await.expect_err("a panic");
                std::panic::resume_unwind(inner.into_panic());
            });
            saw!(saw, payload(outer.await.expect_err("a panic").into_panic()));
        });
    }
    a_panic_while_a_task_is_dropped => ["true", "true"], |saw| {
        one(async {
            struct Loud;
            impl Drop for Loud {
                fn drop(&mut self) {
                    if !std::thread::panicking() {
                        panic!("while dropped");
                    }
                }
            }
            let task = spawn(async {
                let _loud = Loud;
                pending::<()>().await;
            });
            yield_now().await;
            task.abort();
            let error = task.await.expect_err("no output");
            saw!(saw, error.is_panic() || error.is_cancelled(), !error.to_string().is_empty());
        });
    }
    aborted_twice_and_after_the_end => ["true", "true", "5"], |saw| {
        one(async {
            let task = spawn(pending::<()>());
            let abort = task.abort_handle();
            abort.abort();
            abort.abort();
            saw!(saw, task.await.is_err_and(|error| error.is_cancelled()), abort.is_finished());
            let task = spawn(async { 5 });
            while !task.is_finished() {
                yield_now().await;
            }
            task.abort();
            saw!(saw, task.await.expect("it has ended"));
        });
    }
    aborted_before_its_first_poll => ["true", "1", "0"], |saw| {
        one(async {
            let (drops, polls) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let (held, polled) = (Counts(drops.clone()), polls.clone());
            let task = spawn(async move {
                let _held = held;
                polled.fetch_add(1, Ordering::Relaxed);
            });
            task.abort();
            saw!(saw, task.await.is_err_and(|error| error.is_cancelled()));
            saw!(saw, drops.load(Ordering::Relaxed), polls.load(Ordering::Relaxed));
        });
    }
    a_task_that_aborts_itself => ["true", "1"], |saw| {
        one(async {
            let (tell, told) = oneshot::channel::<stormglass_tokio::task::AbortHandle>();
            let turns = Arc::new(AtomicU32::new(0));
            let count = turns.clone();
            let task = spawn(async move {
                told.await.expect("sent").abort();
                count.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                count.fetch_add(1, Ordering::Relaxed);
            });
            tell.send(task.abort_handle()).expect("awaited");
            saw!(saw, task.await.is_err_and(|error| error.is_cancelled()), turns.load(Ordering::Relaxed));
        });
    }
    a_handle_outlives_an_aborted_set => ["3", "true", "0", "true"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            let handles: Vec<_> = (0..3).map(|_| set.spawn(pending::<()>())).collect();
            saw!(saw, set.len());
            set.abort_all();
            let mut all = true;
            while let Some(done) = set.join_next().await {
                all &= done.is_err_and(|error| error.is_cancelled());
            }
            saw!(saw, all, set.len(), handles.iter().all(|handle| handle.is_finished()));
        });
    }
    one_task_of_a_set_is_aborted => ["[1, 2]", "1"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            let never = set.spawn(pending::<u32>());
            set.spawn(async { 1 });
            set.spawn(async { 2 });
            never.abort();
            let (mut ends, mut cancelled) = (Vec::new(), 0);
            while let Some(done) = set.join_next().await {
                match done {
                    Ok(n) => ends.push(n),
                    Err(_) => cancelled += 1,
                }
            }
            ends.sort_unstable();
            saw!(saw, ends, cancelled);
        });
    }
    a_set_of_tasks_that_panic => ["[\"cancelled\", \"ok\", \"panic\"]"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            set.spawn(async { panic!("one") });
            set.spawn(async {});
            set.spawn(pending()).abort();
            let mut ends = Vec::new();
            while let Some(done) = set.join_next().await {
                ends.push(match done {
                    Ok(()) => "ok",
                    Err(error) if error.is_panic() => "panic",
                    Err(_) => "cancelled",
                });
            }
            ends.sort_unstable();
            saw!(saw, ends);
        });
    }
    join_all_panics_with_a_task => ["true"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            set.spawn(async { panic!("one") });
            set.spawn(async {});
            saw!(saw, AssertUnwindSafe(set.join_all()).catch_unwind().await.is_err());
        });
    }
    a_local_set_dropped_within_itself => ["[0, 1, 2]"], |saw| {
        let drops = Arc::new(AtomicU32::new(0));
        one(async {
            let local = LocalSet::new();
            let mut seen = vec![drops.load(Ordering::Relaxed)];
            for _ in 0..2 {
                let held = Counts(drops.clone());
                local.spawn_local(async move {
                    let _held = held;
                    pending::<()>().await;
                });
            }
            let first = local.run_until(async {
                let held = Counts(drops.clone());
                let task = spawn_local(async move {
                    let _held = held;
                    pending::<()>().await;
                });
                yield_now().await;
                task.abort();
                let _ = task.await;
                drops.load(Ordering::Relaxed)
            });
            seen.push(first.await);
            drop(local);
            seen.push(drops.load(Ordering::Relaxed) - 1);
            saw!(saw, seen);
        });
    }
    sleep_moved_while_it_waits => ["(30, true)", "(5, true)", "true"], |saw| {
        paused(async {
            let start = Instant::now();
            let mut nap = Box::pin(sleep(ms(10)));
            let _ = poll!(nap.as_mut());
            nap.as_mut().reset(start + ms(30));
            nap.as_mut().await;
            saw!(saw, (start.elapsed().as_millis(), nap.is_elapsed()));
            let start = Instant::now();
            nap.as_mut().reset(start + ms(50));
            let _ = poll!(nap.as_mut());
            nap.as_mut().reset(start + ms(5));
            nap.as_mut().await;
            saw!(saw, (start.elapsed().as_millis(), nap.is_elapsed()));
            // Back in time: it is over at once.
            nap.as_mut().reset(start);
            saw!(saw, nap.as_mut().now_or_never().is_some());
        });
    }
    sleep_moved_from_another_task => ["20"], |saw| {
        paused(async {
            let start = Instant::now();
            let nap = Arc::new(stormglass_tokio::sync::Mutex::new(Box::pin(sleep(ms(100)))));
            nap.lock().await.as_mut().reset(start + ms(20));
            let other = nap.clone();
            spawn(async move { other.lock().await.as_mut().await }).await.expect("no panic");
            saw!(saw, start.elapsed().as_millis());
        });
    }
    timeouts_within_timeouts => ["(\"outer\", 10)", "(\"inner\", 5)", "(\"inner\", 5)"], |saw| {
        paused(async {
            for (outer, inner) in [(10, 20), (20, 5), (5, 5)] {
                let start = Instant::now();
                let ended = match timeout(ms(outer), timeout(ms(inner), pending::<()>())).await {
                    Err(_) => "outer",
                    Ok(_) => "inner",
                };
                saw!(saw, (ended, start.elapsed().as_millis()));
            }
        });
    }
    what_is_ready_at_the_deadline_counts => ["Ok(())", "Err(Elapsed(()))"], |saw| {
        paused(async {
            saw!(saw, timeout(ms(10), sleep(ms(10))).await);
            saw!(saw, timeout(ms(10), sleep(ms(11))).await);
        });
    }
    an_interval_after_a_long_pause => ["[0, 5, 5, 5]", "[0, 5, 6, 7]", "[0, 5, 6, 7]"], |saw| {
        for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
            paused(async {
                let start = Instant::now();
                let mut interval = time::interval(ms(1_000));
                interval.set_missed_tick_behavior(behavior);
                interval.tick().await;
                let mut seen = vec![0];
                time::advance(ms(5_000)).await;
                for _ in 0..3 {
                    interval.tick().await;
                    seen.push(start.elapsed().as_secs());
                }
                saw!(saw, seen);
            });
        }
    }
    an_interval_knows_its_period => ["10ms", "Burst", "Skip"], |saw| {
        one(async {
            let mut interval = time::interval(ms(10));
            saw!(saw, interval.period(), interval.missed_tick_behavior());
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            saw!(saw, interval.missed_tick_behavior());
        });
    }
    a_runtime_dropped_while_a_thread_sleeps => ["true"], |saw| {
        let done = Arc::new(AtomicU32::new(0));
        let late = done.clone();
        let runtime = stormglass_tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let (tell, told) = oneshot::channel();
            spawn_blocking(move || {
                tell.send(()).expect("awaited");
                std::thread::sleep(ms(30));
                late.fetch_add(1, Ordering::Relaxed);
            });
            told.await.expect("it begins");
        });
        // Waits for it.
        drop(runtime);
        saw!(saw, done.load(Ordering::Relaxed) == 1);
    }
    polled_after_the_end => ["true"], |saw| {
        one(async {
            let mut task = spawn(async { 1 });
            let _ = (&mut task).await;
            saw!(saw, catch_unwind(AssertUnwindSafe(|| (&mut task).now_or_never())).is_err());
        });
    }
}
