//! Channels and locks, which are tokio's own, among tasks of one node.

use std::sync::Arc;
use std::time::Duration;

use stormglass_tokio::spawn;
use stormglass_tokio::sync::{Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use stormglass_tokio::task::{JoinSet, spawn_blocking};
use stormglass_tokio::time::{self, Instant, timeout};

use crate::seeing::{one, paused};
use crate::{behaviours, saw};

behaviours! {
    a_channel_keeps_order => ["[0, 1, 2, 3, 4]"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(2);
            spawn(async move {
                for n in 0..5 {
                    tell.send(n).await.expect("it is received");
                }
            });
            let mut all = Vec::new();
            while let Some(n) = told.recv().await {
                all.push(n);
            }
            saw!(saw, all);
        });
    }
    a_full_channel_waits => ["true", "Some(1)", "Ok(())"], |saw| {
        paused(async {
            let (tell, mut told) = mpsc::channel(1);
            tell.send(1).await.expect("there is room");
            saw!(saw, timeout(Duration::from_millis(5), tell.send(2)).await.is_err());
            saw!(saw, told.recv().await);
            saw!(saw, tell.try_send(3).map_err(|e| e.to_string()));
        });
    }
    a_closed_channel_says_so => ["true", "None"], |saw| {
        one(async {
            let (tell, told) = mpsc::unbounded_channel::<u8>();
            drop(told);
            saw!(saw, tell.send(1).is_err());
            let (tell, mut told) = mpsc::channel::<u8>(1);
            drop(tell);
            saw!(saw, told.recv().await);
        });
    }
    a_oneshot_that_is_dropped_is_an_error => ["true"], |saw| {
        one(async {
            let (tell, told) = oneshot::channel::<u8>();
            drop(tell);
            saw!(saw, told.await.is_err());
        });
    }
    a_watch_shows_the_last => ["3", "true"], |saw| {
        one(async {
            let (tell, mut told) = watch::channel(0);
            for n in 1..=3 {
                tell.send(n).expect("it is watched");
            }
            told.changed().await.expect("it changed");
            saw!(saw, *told.borrow_and_update());
            drop(tell);
            saw!(saw, told.changed().await.is_err());
        });
    }
    a_broadcast_that_is_too_slow_lags => ["Err(Lagged(1))", "Ok(2)", "Ok(3)"], |saw| {
        one(async {
            let (tell, mut told) = broadcast::channel(2);
            for n in 1..=3 {
                tell.send(n).expect("somebody listens");
            }
            saw!(saw, told.recv().await, told.recv().await, told.recv().await);
        });
    }
    a_lock_is_held_by_one => ["100"], |saw| {
        one(async {
            let sum = Arc::new(Mutex::new(0));
            let mut set = JoinSet::new();
            for _ in 0..100 {
                let sum = sum.clone();
                set.spawn(async move {
                    let mut sum = sum.lock().await;
                    let before = *sum;
                    stormglass_tokio::task::yield_now().await;
                    *sum = before + 1;
                });
            }
            set.join_all().await;
            saw!(saw, *sum.lock().await);
        });
    }
    readers_share_and_a_writer_waits => ["true", "true"], |saw| {
        paused(async {
            let lock = RwLock::new(1);
            let first = lock.read().await;
            saw!(saw, lock.try_read().is_ok());
            saw!(saw, timeout(Duration::from_millis(1), lock.write()).await.is_err());
            drop(first);
        });
    }
    a_semaphore_lets_so_many_in => ["2", "30ms"], |saw| {
        paused(async {
            let start = Instant::now();
            let gate = Arc::new(Semaphore::new(2));
            saw!(saw, gate.available_permits());
            let mut set = JoinSet::new();
            for _ in 0..6 {
                let gate = gate.clone();
                set.spawn(async move {
                    let _permit = gate.acquire().await.expect("it is open");
                    time::sleep(Duration::from_millis(10)).await;
                });
            }
            set.join_all().await;
            saw!(saw, start.elapsed());
        });
    }
    a_notice_is_kept_for_one => ["true", "true"], |saw| {
        paused(async {
            let notify = Notify::new();
            notify.notify_one();
            notify.notify_one();
            saw!(saw, timeout(Duration::from_millis(1), notify.notified()).await.is_ok());
            saw!(saw, timeout(Duration::from_millis(1), notify.notified()).await.is_err());
        });
    }
    a_barrier_has_one_leader => ["1"], |saw| {
        one(async {
            let barrier = Arc::new(Barrier::new(3));
            let mut set = JoinSet::new();
            for _ in 0..3 {
                let barrier = barrier.clone();
                set.spawn(async move { barrier.wait().await.is_leader() });
            }
            saw!(saw, set.join_all().await.into_iter().filter(|leader| *leader).count());
        });
    }
    a_cell_is_filled_once => ["5", "5"], |saw| {
        one(async {
            let cell = OnceCell::new();
            saw!(saw, cell.get_or_init(|| async { 5 }).await, cell.get_or_init(|| async { 6 }).await);
        });
    }
    blocking_code_sends_to_tasks => ["Some(3)"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            let blocking = spawn_blocking(move || tell.blocking_send(3).is_ok());
            saw!(saw, told.recv().await);
            blocking.await.expect("no panic");
        });
    }
}
