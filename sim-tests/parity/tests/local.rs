//! Tasks that need not be `Send`: local sets and local runtimes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use stormglass_tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use stormglass_tokio::task::{self, JoinSet, LocalSet};
use stormglass_tokio::time;

use crate::seeing::{one, panic_of, paused};
use crate::{behaviours, saw};

behaviours! {
    a_local_set_runs_tasks_that_are_not_send => ["Ok(4)"], |saw| {
        one(LocalSet::new().run_until(async {
            let four = Rc::new(4);
            saw!(saw, task::spawn_local(async move { *four }).await.map_err(|e| e.is_panic()));
        }));
    }
    a_local_set_runs_in_order => ["[0, 1, 2, 3]"], |saw| {
        let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
        one(LocalSet::new().run_until(async {
            let all: Vec<_> = (0..4).map(|n| {
                let seen = seen.clone();
                task::spawn_local(async move { seen.borrow_mut().push(n) })
            }).collect();
            for one in all {
                one.await.expect("no panic");
            }
        }));
        saw!(saw, seen.borrow());
    }
    a_local_set_is_a_future_of_its_tasks => ["2"], |saw| {
        let count = Rc::new(Cell::new(0));
        let set = LocalSet::new();
        for _ in 0..2 {
            let count = count.clone();
            set.spawn_local(async move {
                task::yield_now().await;
                count.set(count.get() + 1);
            });
        }
        one(set);
        saw!(saw, count.get());
    }
    a_local_set_blocks_on_a_runtime => ["9"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let set = LocalSet::new();
        let nine = set.spawn_local(async { 9 });
        saw!(saw, set.block_on(&runtime, nine).expect("no panic"));
    }
    a_local_set_keeps_unfinished_tasks => ["false", "true"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let set = LocalSet::new();
        let notify = Rc::new(stormglass_tokio::sync::Notify::new());
        let copy = notify.clone();
        let waits = set.spawn_local(async move { copy.notified().await });
        set.block_on(&runtime, async { task::yield_now().await });
        saw!(saw, waits.is_finished());
        notify.notify_one();
        saw!(saw, set.block_on(&runtime, waits).is_ok());
    }
    a_local_set_that_is_dropped_drops_its_tasks => ["1", "true"], |saw| {
        let held = Rc::new(());
        let copy = held.clone();
        let set = LocalSet::new();
        let task = set.spawn_local(async move {
            let _held = copy;
            std::future::pending::<()>().await;
        });
        one(set.run_until(task::yield_now()));
        drop(set);
        saw!(saw, Rc::strong_count(&held));
        saw!(saw, one(task).is_err_and(|e| e.is_cancelled()));
    }
    a_local_set_is_entered => ["3"], |saw| {
        let set = LocalSet::new();
        let task = {
            let _guard = set.enter();
            task::spawn_local(async { 3 })
        };
        saw!(saw, one(set.run_until(task)).expect("no panic"));
    }
    a_panic_of_a_local_task_is_its_error => ["true", "1"], |saw| {
        one(LocalSet::new().run_until(async {
            saw!(saw, task::spawn_local(async { panic!("oh") }).await.is_err_and(|e| e.is_panic()));
            saw!(saw, task::spawn_local(async { 1 }).await.expect("no panic"));
        }));
    }
    a_local_task_can_be_aborted => ["true"], |saw| {
        one(LocalSet::new().run_until(async {
            let task = task::spawn_local(std::future::pending::<()>());
            task.abort();
            saw!(saw, task.await.is_err_and(|e| e.is_cancelled()));
        }));
    }
    a_local_task_may_spawn_others => ["(1, 2)"], |saw| {
        one(LocalSet::new().run_until(async {
            let both = task::spawn_local(async {
                let sent = stormglass_tokio::spawn(async { 1 }).await.expect("no panic");
                let local = task::spawn_local(async { 2 }).await.expect("no panic");
                (sent, local)
            });
            saw!(saw, both.await.expect("no panic"));
        }));
    }
    local_tasks_sleep => ["30ms"], |saw| {
        paused(LocalSet::new().run_until(async {
            let start = time::Instant::now();
            let all: Vec<_> = (1..=3).map(|n| task::spawn_local(time::sleep(Duration::from_millis(n * 10)))).collect();
            for one in all {
                one.await.expect("no panic");
            }
            saw!(saw, start.elapsed());
        }));
    }
    spawn_local_needs_a_set => [
        "\"panic: `spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`\"",
    ], |saw| {
        one(async { saw!(saw, panic_of(|| task::spawn_local(async {}))) });
    }
    a_set_of_tasks_takes_local_ones => ["[1, 2]"], |saw| {
        let local = LocalSet::new();
        one(local.run_until(async {
            let mut set = JoinSet::new();
            set.spawn_local(async { *Rc::new(1) });
            set.spawn_local_on(async { *Rc::new(2) }, &local);
            let mut all = set.join_all().await;
            all.sort_unstable();
            saw!(saw, all);
        }));
    }
    a_local_runtime_runs_local_tasks => ["5", "6"], |saw| {
        let runtime = LocalRuntime::new().expect("a runtime");
        let five = runtime.spawn_local(async { *Rc::new(5) });
        saw!(saw, runtime.block_on(five).expect("no panic"));
        saw!(saw, runtime.block_on(async { task::spawn_local(async { *Rc::new(6) }).await }).expect("no panic"));
    }
    a_local_runtime_runs_tasks_that_are_send => ["7", "8"], |saw| {
        let options = LocalOptions::default();
        let runtime = Builder::new_current_thread().enable_all().build_local(options).expect("a runtime");
        runtime.block_on(async {
            saw!(saw, stormglass_tokio::spawn(async { 7 }).await.expect("no panic"));
            saw!(saw, task::spawn_blocking(|| 8).await.expect("no panic"));
        });
    }
    a_local_runtime_of_several_threads_is_refused => [
        "\"panic: multi_thread is not supported for LocalRuntime\"",
    ], |saw| {
        saw!(saw, panic_of(|| Builder::new_multi_thread().build_local(LocalOptions::default())));
    }
}
