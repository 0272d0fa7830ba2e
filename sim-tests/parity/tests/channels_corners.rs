//! What tells tasks of each other, in the corners: listeners that lag, waits that are given up, ends that close early.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, poll};
use stormglass_tokio::spawn;
use stormglass_tokio::sync::{Notify, OnceCell, RwLock, Semaphore, SetOnce, broadcast, mpsc, oneshot, watch};
use stormglass_tokio::task::yield_now;
use stormglass_tokio::time::timeout;

use crate::seeing::{one, paused, several};
use crate::{behaviours, saw};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

behaviours! {
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
}
