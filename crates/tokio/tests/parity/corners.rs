//! Tasks, timers and what tells tasks of each other, in the corners: abort and drop at odd moments, payloads of panics,
//! listeners that lag, waits that are given up.

use std::any::Any;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{FutureExt, poll};
use stormglass_tokio::spawn;
use stormglass_tokio::sync::{Notify, OnceCell, RwLock, Semaphore, SetOnce, broadcast, mpsc, oneshot, watch};
use stormglass_tokio::task::{JoinSet, LocalSet, spawn_blocking, spawn_local, yield_now};
use stormglass_tokio::time::{self, Instant, MissedTickBehavior, sleep, timeout};

use crate::seeing::{one, paused, several};
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
    a_lagging_listener_hears_how_much_it_missed => [
        "Err(Lagged(3))", "Ok(3)", "Ok(4)", "Err(Empty)", "Err(Closed)"
    ], |saw| {
        one(async {
            let (tell, mut told) = broadcast::channel(2);
            for n in 0..5 {
                tell.send(n).expect("heard");
            }
            saw!(saw, told.recv().await, told.recv().await, told.recv().await, told.try_recv());
            drop(tell);
            saw!(saw, told.recv().await);
        });
    }
    a_listener_that_subscribes_again => ["(2, 0)", "2", "Ok(9)", "Ok(1)"], |saw| {
        one(async {
            let (tell, mut told) = broadcast::channel(4);
            tell.send(1).expect("heard");
            tell.send(2).expect("heard");
            let mut again = told.resubscribe();
            saw!(saw, (told.len(), again.len()), tell.receiver_count());
            tell.send(9).expect("heard");
            saw!(saw, again.recv().await, told.recv().await);
        });
    }
    a_broadcast_to_nobody => ["true", "0", "Ok(1)"], |saw| {
        one(async {
            let (tell, told) = broadcast::channel(4);
            drop(told);
            saw!(saw, tell.send(1).is_err(), tell.receiver_count());
            let _told = tell.subscribe();
            saw!(saw, tell.send(2));
        });
    }
    a_watch_that_lags_sees_the_last_only => ["Ok(())", "4", "Ok(false)", "true"], |saw| {
        one(async {
            let (tell, mut told) = watch::channel(0);
            for n in 1..5 {
                tell.send(n).expect("watched");
            }
            saw!(saw, told.changed().await, *told.borrow_and_update(), told.has_changed());
            drop(tell);
            saw!(saw, told.changed().await.is_err());
        });
    }
    a_watch_marked_by_hand => ["Ok(true)", "false", "(true, true)", "2"], |saw| {
        one(async {
            let (tell, mut told) = watch::channel(0);
            told.mark_changed();
            saw!(saw, told.has_changed());
            told.mark_unchanged();
            saw!(saw, tell.send_if_modified(|_| false));
            let still = told.has_changed().is_ok_and(|changed| !changed);
            let modified = tell.send_if_modified(|n| {
                *n = 1;
                true
            });
            saw!(saw, (still, modified));
            saw!(saw, tell.send_replace(2) + told.wait_for(|n| *n == 2).await.map_or(0, |n| *n) - 1);
        });
    }
    a_watch_waits_for_all_to_go => ["true", "Ok(())"], |saw| {
        paused(async {
            let (tell, told) = watch::channel(0);
            saw!(saw, timeout(ms(5), tell.closed()).await.is_err());
            drop(told);
            saw!(saw, timeout(ms(5), tell.closed()).await);
        });
    }
    notices_do_not_add_up => ["true", "false"], |saw| {
        one(async {
            let notify = Notify::new();
            notify.notify_one();
            notify.notify_one();
            saw!(saw, notify.notified().now_or_never().is_some(), notify.notified().now_or_never().is_some());
        });
    }
    a_notice_to_all_reaches_who_was_there => ["(true, true)", "false"], |saw| {
        one(async {
            let notify = Notify::new();
            let (mut polled, before) = (Box::pin(notify.notified()), notify.notified());
            let _ = poll!(polled.as_mut());
            notify.notify_waiters();
            saw!(saw, (polled.now_or_never().is_some(), before.now_or_never().is_some()));
            saw!(saw, notify.notified().now_or_never().is_some());
        });
    }
    a_notice_that_is_given_up_goes_to_the_next => ["[false, true]", "true"], |saw| {
        one(async {
            let notify = Notify::new();
            let (mut first, mut second) = (Box::pin(notify.notified()), Box::pin(notify.notified()));
            let _ = (poll!(first.as_mut()), poll!(second.as_mut()));
            notify.notify_one();
            // It was the first one's, and it never looks.
            let early = second.as_mut().now_or_never().is_some();
            drop(first);
            saw!(saw, [early, second.as_mut().now_or_never().is_some()]);
            let mut enabled = Box::pin(notify.notified());
            enabled.as_mut().enable();
            notify.notify_waiters();
            saw!(saw, enabled.now_or_never().is_some());
        });
    }
    the_last_to_wait_is_told_first_when_asked_so => ["[false, true]"], |saw| {
        one(async {
            let notify = Notify::new();
            let (mut first, mut second) = (Box::pin(notify.notified()), Box::pin(notify.notified()));
            let _ = (poll!(first.as_mut()), poll!(second.as_mut()));
            notify.notify_last();
            saw!(saw, [first.now_or_never().is_some(), second.now_or_never().is_some()]);
        });
    }
    a_reserved_place_is_given_back => ["0", "1", "true", "Some(3)"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            let permit = tell.reserve().await.expect("room");
            saw!(saw, tell.capacity());
            drop(permit);
            saw!(saw, tell.capacity());
            let permit = tell.clone().reserve_owned().await.expect("room");
            saw!(saw, tell.try_send(1).is_err());
            drop(permit.send(3));
            saw!(saw, told.recv().await);
        });
    }
    a_send_that_is_given_up_sends_nothing => ["Some(1)", "Err(Empty)"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            tell.send(1).await.expect("room");
            let mut second = Box::pin(tell.send(2));
            let _ = poll!(second.as_mut());
            drop(second);
            saw!(saw, told.recv().await, told.try_recv());
        });
    }
    a_channel_closed_by_its_reader => ["Some(1)", "None", "true", "true"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(4);
            tell.send(1).await.expect("room");
            told.close();
            saw!(saw, told.recv().await, told.recv().await, tell.send(2).await.is_err(), tell.is_closed());
        });
    }
    a_weak_sender_keeps_nothing_open => ["true", "None", "true"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel::<u8>(4);
            let weak = tell.downgrade();
            saw!(saw, weak.upgrade().is_some());
            drop(tell);
            saw!(saw, told.recv().await, weak.upgrade().is_none());
        });
    }
    a_oneshot_closed_by_its_reader => ["true", "Err(Empty)", "Err(Closed)", "Err(9)"], |saw| {
        one(async {
            let (mut tell, mut told) = oneshot::channel::<u8>();
            let waits = timeout(ms(5), tell.closed()).await.is_err();
            saw!(saw, waits, told.try_recv());
            told.close();
            saw!(saw, told.try_recv(), tell.send(9));
        });
    }
    a_closed_semaphore => ["true", "true", "true"], |saw| {
        one(async {
            let gate = Arc::new(Semaphore::new(0));
            let waiting = spawn({
                let gate = gate.clone();
                async move { gate.acquire().await.is_err() }
            });
            yield_now().await;
            gate.close();
            saw!(saw, waiting.await.expect("no panic"), gate.try_acquire().is_err(), gate.is_closed());
        });
    }
    who_wants_many_permits_is_not_passed_over => ["(false, false)", "(true, false)", "1"], |saw| {
        one(async {
            let gate = Semaphore::new(1);
            let (mut many, mut few) = (Box::pin(gate.acquire_many(3)), Box::pin(gate.acquire()));
            let first = (poll!(many.as_mut()).is_ready(), poll!(few.as_mut()).is_ready());
            saw!(saw, first);
            gate.add_permits(2);
            let permit = many.as_mut().now_or_never();
            saw!(saw, (permit.is_some(), few.as_mut().now_or_never().is_some()));
            if let Some(Ok(permit)) = permit {
                permit.forget();
            }
            gate.add_permits(2);
            drop(few);
            saw!(saw, gate.available_permits() - 1);
        });
    }
    a_writer_becomes_a_reader => ["6", "true", "false"], |saw| {
        one(async {
            let lock = RwLock::new(5);
            let mut write = lock.write().await;
            *write += 1;
            let read = write.downgrade();
            saw!(saw, *read, lock.try_read().is_ok(), lock.try_write().is_ok());
        });
    }
    a_waiting_writer_keeps_readers_out => ["true", "true"], |saw| {
        one(async {
            let lock = RwLock::new(());
            let read = lock.read().await;
            let mut write = Box::pin(lock.write());
            let _ = poll!(write.as_mut());
            saw!(saw, lock.read().now_or_never().is_none());
            drop((read, write));
            saw!(saw, lock.read().now_or_never().is_some());
        });
    }
    a_cell_that_failed_is_tried_again => ["Err(1)", "Ok(2)", "Ok(2)"], |saw| {
        one(async {
            let cell = OnceCell::new();
            saw!(saw, cell.get_or_try_init(|| async { Err::<u8, u8>(1) }).await);
            saw!(saw, cell.get_or_try_init(|| async { Ok::<u8, u8>(2) }).await);
            saw!(saw, cell.get_or_try_init(|| async { Err::<u8, u8>(3) }).await);
        });
    }
    a_value_that_is_set_once => ["Err(SetOnceError(2))", "1"], |saw| {
        several(async {
            let once = Arc::new(SetOnce::new());
            let waiting = spawn({
                let once = once.clone();
                async move { *once.wait().await }
            });
            once.set(1).expect("new");
            saw!(saw, once.set(2), waiting.await.expect("no panic"));
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
