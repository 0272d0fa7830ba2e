//! Handles of tasks: outputs, panics, aborts, ids, sets.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use stormglass_tokio::task::{self, JoinSet};
use stormglass_tokio::{spawn, time};

use crate::seeing::{one, paused, several};
use crate::{behaviours, saw};

/// Without the task's id, which differs.
fn without_id(text: &str) -> String {
    text.split(' ').filter(|word| word.chars().any(|c| !c.is_ascii_hexdigit())).collect::<Vec<_>>().join(" ")
}

struct Noisy(Arc<AtomicBool>);

impl Drop for Noisy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

behaviours! {
    a_task_gives_its_output => ["Ok(3)"], |saw| {
        one(async { saw!(saw, spawn(async { 3 }).await.map_err(|e| e.is_panic())) });
    }
    a_panic_is_the_tasks_error => ["true", "false", "\"task panicked with message \\\"oh\\\"\"", "Some(\"oh\")"], |saw| {
        one(async {
            let error = spawn(async { panic!("oh") }).await.expect_err("it panics");
            saw!(saw, error.is_panic(), error.is_cancelled(), without_id(&error.to_string()));
            saw!(saw, error.into_panic().downcast_ref::<&str>());
        });
    }
    a_panic_with_a_value_keeps_the_value => ["Some(9)"], |saw| {
        one(async {
            let error = spawn(async { std::panic::panic_any(9_i32) }).await.expect_err("it panics");
            saw!(saw, error.into_panic().downcast_ref::<i32>());
        });
    }
    an_aborted_task_is_cancelled => ["true", "false", "\"task was cancelled\"", "true"], |saw| {
        one(async {
            let task = spawn(pending::<()>());
            task.abort();
            let error = task.await.expect_err("it is aborted");
            saw!(saw, error.is_cancelled(), error.is_panic(), without_id(&error.to_string()));
            saw!(saw, error.try_into_panic().is_err());
        });
    }
    a_join_error_becomes_one_of_io => ["Other", "\"task was cancelled\"", "\"task panicked\""], |saw| {
        one(async {
            let task = spawn(pending::<()>());
            task.abort();
            let error = std::io::Error::from(task.await.expect_err("it is aborted"));
            saw!(saw, error.kind(), error.to_string());
            let error = spawn(async { panic!("oh") }).await.expect_err("it panics");
            saw!(saw, std::io::Error::from(error).to_string());
        });
    }
    abort_after_the_end_changes_nothing => ["true", "Ok(1)"], |saw| {
        one(async {
            let task = spawn(async { 1 });
            while !task.is_finished() {
                task::yield_now().await;
            }
            task.abort();
            saw!(saw, task.is_finished());
            saw!(saw, task.await.map_err(|e| e.is_cancelled()));
        });
    }
    abort_drops_what_the_task_held => ["true", "true"], |saw| {
        one(async {
            let flag = Arc::new(AtomicBool::new(false));
            let noisy = Noisy(flag.clone());
            let task = spawn(async move {
                let _noisy = noisy;
                pending::<()>().await;
            });
            task::yield_now().await;
            let handle = task.abort_handle();
            handle.abort();
            saw!(saw, task.await.is_err());
            saw!(saw, flag.load(Ordering::SeqCst) && handle.is_finished());
        });
    }
    a_dropped_handle_lets_the_task_go_on => ["Ok(4)"], |saw| {
        one(async {
            let (tell, told) = stormglass_tokio::sync::oneshot::channel();
            drop(spawn(async move {
                task::yield_now().await;
                let _ = tell.send(4);
            }));
            saw!(saw, told.await);
        });
    }
    a_task_that_has_not_run_is_not_finished => ["false", "true"], |saw| {
        one(async {
            let task = spawn(async {});
            saw!(saw, task.is_finished());
            while !task.is_finished() {
                task::yield_now().await;
            }
            saw!(saw, task.is_finished());
        });
    }
    ids_are_the_tasks_own => ["true", "true", "None", "true"], |saw| {
        one(async {
            let task = spawn(async { task::id() });
            let (id, abort) = (task.id(), task.abort_handle());
            saw!(saw, abort.id() == id);
            saw!(saw, task.await.expect("no panic") == id);
            saw!(saw, task::try_id());
            let other = spawn(async { task::try_id() });
            saw!(saw, other.await.expect("no panic") != Some(id));
        });
    }
    an_error_knows_the_tasks_id => ["true"], |saw| {
        one(async {
            let task = spawn(pending::<()>());
            let id = task.id();
            task.abort();
            saw!(saw, task.await.expect_err("it is aborted").id() == id);
        });
    }
    a_set_gives_tasks_as_they_end => ["3", "[1, 2, 3]", "None", "true"], |saw| {
        paused(async {
            let mut set = JoinSet::new();
            for n in [2_u64, 3, 1] {
                set.spawn(async move {
                    time::sleep(Duration::from_millis(n)).await;
                    n
                });
            }
            saw!(saw, set.len());
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.extend(set.join_next().await.and_then(Result::ok));
            }
            saw!(saw, seen, set.join_next().await.map(|r| r.is_ok()), set.is_empty());
        });
    }
    a_set_gives_ids => ["true", "true"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            let abort = set.spawn(async { 'x' });
            let next = set.join_next_with_id().await.and_then(Result::ok);
            saw!(saw, next == Some((abort.id(), 'x')));
            let abort = set.spawn(pending());
            abort.abort();
            let error = set.join_next_with_id().await.and_then(Result::err);
            saw!(saw, error.is_some_and(|e| e.id() == abort.id()));
        });
    }
    a_set_says_what_has_ended_and_does_not_wait => ["true", "Some(5)", "true"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            saw!(saw, set.try_join_next().is_none());
            let abort = set.spawn(async { 5 });
            while !abort.is_finished() {
                task::yield_now().await;
            }
            saw!(saw, set.try_join_next().and_then(Result::ok));
            saw!(saw, set.try_join_next_with_id().is_none());
        });
    }
    a_set_that_is_dropped_aborts_its_tasks => ["true"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            let abort = set.spawn(pending::<()>());
            drop(set);
            while !abort.is_finished() {
                task::yield_now().await;
            }
            saw!(saw, abort.is_finished());
        });
    }
    a_set_can_let_its_tasks_go => ["0", "Ok(8)"], |saw| {
        one(async {
            let (tell, told) = stormglass_tokio::sync::oneshot::channel();
            let mut set = JoinSet::new();
            set.spawn(async move {
                task::yield_now().await;
                let _ = tell.send(8);
            });
            set.detach_all();
            saw!(saw, set.len());
            drop(set);
            saw!(saw, told.await);
        });
    }
    a_set_shuts_down => ["0"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            for _ in 0..3 {
                set.spawn(pending::<()>());
            }
            set.shutdown().await;
            saw!(saw, set.len());
        });
    }
    abort_all_leaves_cancelled_tasks_to_be_joined => ["2", "true"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            set.spawn(pending::<()>());
            set.spawn(pending::<()>());
            set.abort_all();
            saw!(saw, set.len());
            let mut all = true;
            while let Some(result) = set.join_next().await {
                all &= result.is_err_and(|e| e.is_cancelled());
            }
            saw!(saw, all);
        });
    }
    join_all_gives_every_output => ["[1, 2, 3]"], |saw| {
        one(async {
            let set: JoinSet<_> = (1..=3).map(|n| async move { n }).collect();
            let mut all = set.join_all().await;
            all.sort_unstable();
            saw!(saw, all);
        });
    }
    a_set_can_be_extended => ["2"], |saw| {
        one(async {
            let mut set = JoinSet::new();
            set.extend([1, 2].map(|n| async move { n }));
            saw!(saw, set.len());
        });
    }
    yield_now_lets_a_ready_task_run => ["true"], |saw| {
        one(async {
            let task = spawn(async {});
            for _ in 0..64 {
                task::yield_now().await;
            }
            saw!(saw, task.is_finished());
        });
    }
    tasks_run_on_a_runtime_of_several_threads => ["45"], |saw| {
        several(async {
            let tasks: Vec<_> = (0..10).map(|n| spawn(async move { n })).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.expect("no panic");
            }
            saw!(saw, sum);
        });
    }
    task_locals_are_the_tasks_own => ["1", "2", "true", "1"], |saw| {
        stormglass_tokio::task_local! {
            static NUMBER: u32;
        }
        one(NUMBER.scope(1, async {
            saw!(saw, NUMBER.get());
            saw!(saw, NUMBER.scope(2, async { NUMBER.get() }).await);
            saw!(saw, spawn(async { NUMBER.try_with(|_| ()).is_err() }).await.expect("no panic"));
            saw!(saw, NUMBER.get());
        }));
    }
    a_task_must_let_others_run_after_128_operations => ["128", "true"], |saw| {
        one(spawn_and_count(&mut saw));
    }
    a_task_that_turns_on_a_lock_lets_others_run => ["true"], |saw| {
        one(async {
            let done = Arc::new(stormglass_tokio::sync::Mutex::new(false));
            let other = done.clone();
            let spinning = spawn(async move { while !*other.lock().await {} });
            spawn(async move { *done.lock().await = true }).await.expect("no panic");
            saw!(saw, spinning.await.is_ok());
        });
    }
    a_task_that_feeds_itself_lets_others_run => ["true"], |saw| {
        one(async {
            let (tell, mut told) = stormglass_tokio::sync::mpsc::unbounded_channel();
            let feeding = spawn(async move {
                let mut turns = 0_u64;
                loop {
                    tell.send(turns).expect("it is received here");
                    turns += told.recv().await.map_or(0, |_| 1);
                }
            });
            spawn(async {}).await.expect("no panic");
            feeding.abort();
            saw!(saw, feeding.await.is_err_and(|error| error.is_cancelled()));
        });
    }
    channels_and_timers_share_a_budget => ["true", "true"], |saw| {
        one(async {
            let left = spawn(async {
                let (tell, mut told) = stormglass_tokio::sync::mpsc::unbounded_channel();
                for _ in 0..64 {
                    tell.send(()).expect("received here");
                    told.recv().await;
                    task::consume_budget().await;
                }
                let used = !task::coop::has_budget_remaining();
                task::yield_now().await;
                (used, task::coop::has_budget_remaining())
            });
            let (used, again) = left.await.expect("no panic");
            saw!(saw, used, again);
        });
    }
    an_unconstrained_task_need_not => ["1000"], |saw| {
        one(async {
            let count = spawn(task::unconstrained(async {
                let count = AtomicU32::new(0);
                let mut turns = std::pin::pin!(async {
                    for _ in 0..1_000 {
                        task::consume_budget().await;
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
                let _ = futures::poll!(turns.as_mut());
                count.load(Ordering::Relaxed)
            }));
            saw!(saw, count.await.expect("no panic"));
        });
    }
    what_is_pending_takes_nothing_from_the_budget => ["true"], |saw| {
        one(async {
            let left = spawn(async {
                for _ in 0..1_000 {
                    let mut wait = std::pin::pin!(task::coop::cooperative(pending::<()>()));
                    let _ = futures::poll!(wait.as_mut());
                }
                task::coop::has_budget_remaining()
            });
            saw!(saw, left.await.expect("no panic"));
        });
    }
}

async fn spawn_and_count(saw: &mut Vec<String>) {
    let counted = spawn(async {
        let mut count = 0;
        while task::coop::has_budget_remaining() {
            task::consume_budget().await;
            count += 1;
        }
        let before = task::coop::has_budget_remaining();
        task::yield_now().await;
        (count, !before && task::coop::has_budget_remaining())
    });
    let (count, again) = counted.await.expect("no panic");
    saw!(saw, count, again);
}
