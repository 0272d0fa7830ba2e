//! Blocking code: closures on threads, and blocking in place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stormglass_tokio::runtime::{Builder, Handle};
use stormglass_tokio::sync::{mpsc, oneshot};
use stormglass_tokio::{spawn, task, time};

use crate::seeing::{one, panic_of, several};
use crate::{behaviours, saw};

behaviours! {
    blocking_code_gives_its_output => ["Ok(3)"], |saw| {
        one(async { saw!(saw, task::spawn_blocking(|| 3).await.map_err(|e| e.is_panic())) });
    }
    blocking_code_panics_as_tasks_do => ["true", "Some(\"oh\")"], |saw| {
        one(async {
            let error = task::spawn_blocking(|| panic!("oh")).await.expect_err("it panics");
            saw!(saw, error.is_panic(), error.into_panic().downcast_ref::<&str>());
        });
    }
    blocking_code_is_on_another_thread => ["true"], |saw| {
        one(async {
            let here = std::thread::current().id();
            let there = task::spawn_blocking(|| std::thread::current().id()).await.expect("no panic");
            saw!(saw, here != there);
        });
    }
    blocking_code_may_block_on_futures => ["7"], |saw| {
        one(async {
            let handle = Handle::current();
            let seven = task::spawn_blocking(move || {
                handle.block_on(async {
                    time::sleep(Duration::from_millis(1)).await;
                    7
                })
            });
            saw!(saw, seven.await.expect("no panic"));
        });
    }
    blocking_code_may_wait_for_a_task => ["[1, 2, 3]"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            let all = task::spawn_blocking(move || {
                Handle::current().block_on(async {
                    let mut all = Vec::new();
                    while let Some(n) = told.recv().await {
                        all.push(n);
                    }
                    all
                })
            });
            for n in 1..=3 {
                tell.send(n).await.expect("it is received");
            }
            drop(tell);
            saw!(saw, all.await.expect("no panic"));
        });
    }
    blocking_code_may_spawn_tasks => ["6"], |saw| {
        one(async {
            let task = task::spawn_blocking(|| spawn(async { 6 })).await.expect("no panic");
            saw!(saw, task.await.expect("no panic"));
        });
    }
    blocking_code_that_has_begun_cannot_be_aborted => ["Ok(1)"], |saw| {
        one(async {
            let (begun, has_begun) = oneshot::channel();
            let (go, told) = oneshot::channel::<()>();
            let blocking = task::spawn_blocking(move || {
                let _ = begun.send(());
                Handle::current().block_on(async {
                    let _ = told.await;
                });
                1
            });
            has_begun.await.expect("it begins");
            blocking.abort();
            task::yield_now().await;
            let _ = go.send(());
            saw!(saw, blocking.await.map_err(|e| e.is_cancelled()));
        });
    }
    blocking_code_that_waits_for_a_thread_can_be_aborted => ["true", "Ok(1)"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().expect("a runtime");
        runtime.block_on(async {
            let (begun, has_begun) = oneshot::channel();
            let (go, told) = oneshot::channel::<()>();
            let first = task::spawn_blocking(move || {
                let _ = begun.send(());
                Handle::current().block_on(async {
                    let _ = told.await;
                });
                1
            });
            has_begun.await.expect("it begins");
            let second = task::spawn_blocking(|| 2);
            task::yield_now().await;
            second.abort();
            let _ = go.send(());
            saw!(saw, second.await.is_err_and(|e| e.is_cancelled()));
            saw!(saw, first.await.map_err(|e| e.is_cancelled()));
        });
    }
    no_more_blocking_code_runs_than_there_are_threads => ["2"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(2).build().expect("a runtime");
        runtime.block_on(async {
            let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let all: Vec<_> = (0..6).map(|_| {
                let (now, most) = (now.clone(), most.clone());
                task::spawn_blocking(move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    Handle::current().block_on(time::sleep(Duration::from_millis(20)));
                    now.fetch_sub(1, Ordering::SeqCst);
                })
            }).collect();
            for one in all {
                one.await.expect("no panic");
            }
            saw!(saw, most.load(Ordering::SeqCst));
        });
    }
    hooks_of_threads_are_called => ["(1, 1)"], |saw| {
        let (starts, stops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (start, stop) = (starts.clone(), stops.clone());
        let runtime = Builder::new_current_thread()
            .on_thread_start(move || { start.fetch_add(1, Ordering::SeqCst); })
            .on_thread_stop(move || { stop.fetch_add(1, Ordering::SeqCst); })
            .build()
            .expect("a runtime");
        runtime.block_on(async { task::spawn_blocking(|| ()).await.expect("no panic") });
        drop(runtime);
        saw!(saw, (starts.load(Ordering::SeqCst), stops.load(Ordering::SeqCst)));
    }
    block_in_place_may_block_on_several_threads => ["5"], |saw| {
        several(async {
            saw!(saw, task::block_in_place(|| Handle::current().block_on(async { 5 })));
        });
    }
    block_in_place_needs_several_threads => [
        "\"panic: can call blocking only when running on the multi-threaded runtime\"",
    ], |saw| {
        one(async { saw!(saw, panic_of(|| task::block_in_place(|| 1))) });
    }
    block_in_place_outside_a_runtime_just_runs => ["2"], |saw| {
        saw!(saw, task::block_in_place(|| 2));
    }
    spawn_blocking_needs_a_runtime => [
        "\"panic: there is no reactor running, must be called from the context of a Tokio 1.x runtime\"",
    ], |saw| {
        saw!(saw, panic_of(|| task::spawn_blocking(|| 1)));
    }
}
