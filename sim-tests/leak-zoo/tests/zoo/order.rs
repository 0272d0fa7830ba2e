//! Orders that somebody has to choose: among ready branches, among sleepers, among tasks.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::animal::{Nature, animals};

const ROUNDS: usize = 32;

animals! {
    tokio_select_of_ready_branches: Nature::Stable, varies, {
        let mut chosen = Vec::new();
        for _ in 0..ROUNDS {
            chosen.push(tokio::select! { () = async {} => 'a', () = async {} => 'b', () = async {} => 'c' });
        }
        [chosen]
    };
    futures_select_of_ready_branches: Nature::Stable, varies, {
        let mut chosen = Vec::new();
        for _ in 0..ROUNDS {
            let (mut a, mut b) = (async {}.boxed().fuse(), async {}.boxed().fuse());
            chosen.push(futures::select! { () = a => 'a', () = b => 'b' });
        }
        [chosen]
    };
    tokio_watch_wake_order: Nature::Stable, varies, {
        let (sender, receiver) = watch::channel(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for n in 0..ROUNDS {
            let (mut receiver, order) = (receiver.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                let _ = receiver.changed().await;
                order.lock().expect("nobody panics").push(n);
            });
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let _ = sender.send(1);
        while tasks.join_next().await.is_some() {}
        [order.lock().expect("nobody panics").clone()]
    };
    tokio_notify_wake_order: Nature::Stable, varies, {
        let notify = Arc::new(Notify::new());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for n in 0..ROUNDS {
            let (notify, order) = (Arc::clone(&notify), Arc::clone(&order));
            tasks.spawn(async move {
                notify.notified().await;
                order.lock().expect("nobody panics").push(n);
            });
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        notify.notify_waiters();
        while tasks.join_next().await.is_some() {}
        [order.lock().expect("nobody panics").clone()]
    };
    tokio_join_set_order: Nature::Stable, varies, {
        let mut tasks = JoinSet::new();
        for n in 0..ROUNDS {
            tasks.spawn(async move {
                tokio::task::yield_now().await;
                n
            });
        }
        [tasks.join_all().await]
    };
    tokio_blocking_calls: Nature::Stable, constant, {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        let threads = [3_u64, 1, 2].map(|n| {
            let (order, tell) = (Arc::clone(&order), tell.clone());
            tokio::task::spawn_blocking(move || {
                std::thread::sleep(std::time::Duration::from_millis(n));
                order.lock().expect("nobody panics").push(n);
                let _ = tell.blocking_send(n);
            })
        });
        drop(tell);
        let heard = tokio::task::spawn_blocking(move || {
            let mut heard = Vec::new();
            while let Some(n) = told.blocking_recv() {
                heard.push(n);
            }
            heard
        });
        for thread in threads {
            let _ = thread.await;
        }
        let mut seen = heard.await.unwrap_or_default();
        seen.extend(order.lock().expect("nobody panics").iter());
        seen
    };
    tokio_spawn_blocking: Nature::Stable, constant, {
        let one = tokio::task::spawn_blocking(|| 1);
        let two = tokio::task::spawn_blocking(|| 2);
        [one.await.unwrap_or(0), two.await.unwrap_or(0)]
    };
}
