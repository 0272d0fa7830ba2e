//! Runtimes: how they are built, entered, nested and shut down.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use stormglass_tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor, worker_index};
use stormglass_tokio::{task, time};

use crate::seeing::{one, panic_of, several};
use crate::{behaviours, saw};

fn flavor(flavor: &RuntimeFlavor) -> &'static str {
    match flavor {
        RuntimeFlavor::CurrentThread => "current thread",
        RuntimeFlavor::MultiThread => "several threads",
        _ => "another",
    }
}

behaviours! {
    block_on_gives_the_output => ["3"], |saw| {
        saw!(saw, Runtime::new().expect("a runtime").block_on(async { 3 }));
    }
    the_thread_that_drives_a_runtime_of_one_is_its_worker => ["Some(0)", "Some(0)", "None", "None"], |saw| {
        let inside = async {
            saw!(saw, worker_index());
            saw!(saw, stormglass_tokio::spawn(async { worker_index() }).await.expect("no panic"));
            saw!(saw, task::spawn_blocking(worker_index).await.expect("no panic"));
        };
        one(inside);
        several(async { saw!(saw, worker_index()) });
    }
    block_on_takes_what_is_borrowed_and_not_send => ["\"ab\""], |saw| {
        let mut text = std::rc::Rc::new(String::from("a"));
        one(async { std::rc::Rc::get_mut(&mut text).expect("the only one").push('b') });
        saw!(saw, text);
    }
    block_on_within_block_on_is_refused => ["\"panic: Cannot start a runtime from within a runtime\""], |saw| {
        one(async { saw!(saw, panic_of(|| Handle::current().block_on(async {}))) });
    }
    block_on_within_a_task_is_refused => ["\"panic: Cannot start a runtime from within a runtime\""], |saw| {
        let said = one(async {
            stormglass_tokio::spawn(async { panic_of(|| Handle::current().block_on(async {})) }).await
        });
        saw!(saw, said.expect("no panic"));
    }
    another_runtime_within_block_on_is_refused_too => ["\"panic: Cannot start a runtime from within a runtime\""], |saw| {
        let other = Builder::new_current_thread().build().expect("a runtime");
        one(async { saw!(saw, panic_of(|| other.block_on(async {}))) });
    }
    a_runtime_dropped_within_a_task_panics => [
        "\"panic: Cannot drop a runtime in a context where blocking is not allowed\"",
    ], |saw| {
        let other = Builder::new_current_thread().build().expect("a runtime");
        one(async { saw!(saw, panic_of(|| drop(other))) });
    }
    a_runtime_can_be_shut_down_within_a_task => ["\"no panic\""], |saw| {
        let other = Builder::new_current_thread().build().expect("a runtime");
        one(async { saw!(saw, panic_of(|| other.shutdown_background())) });
    }
    no_runtime_is_current_outside_one => ["true", "true", "\"panic: there is no reactor running, must be called from the \
        context of a Tokio 1.x runtime\""], |saw| {
        saw!(saw, Handle::try_current().is_err_and(|e| e.is_missing_context()));
        saw!(saw, panic_of(Handle::current).contains("there is no reactor running"));
        saw!(saw, panic_of(|| stormglass_tokio::spawn(async {})));
    }
    an_entered_runtime_is_current => ["true", "Ok(2)", "true"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let task = {
            let _guard = runtime.enter();
            saw!(saw, Handle::try_current().is_ok_and(|h| h.id() == runtime.handle().id()));
            stormglass_tokio::spawn(async { 2 })
        };
        saw!(saw, runtime.block_on(task).map_err(|e| e.is_panic()));
        saw!(saw, Handle::try_current().is_err());
    }
    runtimes_are_entered_one_within_another => ["true", "true"], |saw| {
        let first = Builder::new_current_thread().build().expect("a runtime");
        let second = Builder::new_current_thread().build().expect("a runtime");
        let _outer = first.enter();
        {
            let _inner = second.enter();
            saw!(saw, Handle::current().id() == second.handle().id());
        }
        saw!(saw, Handle::current().id() == first.handle().id());
    }
    ids_tell_runtimes_apart => ["true", "false"], |saw| {
        let first = Builder::new_current_thread().build().expect("a runtime");
        let second = Builder::new_current_thread().build().expect("a runtime");
        saw!(saw, first.handle().id() == first.handle().clone().id());
        saw!(saw, first.handle().id() == second.handle().id());
    }
    a_task_sees_its_runtime => ["true"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let id = runtime.handle().id();
        saw!(saw, runtime.block_on(async { stormglass_tokio::spawn(async { Handle::current().id() }).await }).ok() == Some(id));
    }
    flavors_are_what_was_asked_for => ["\"current thread\"", "\"several threads\""], |saw| {
        one(async { saw!(saw, flavor(&Handle::current().runtime_flavor())) });
        several(async { saw!(saw, flavor(&Handle::current().runtime_flavor())) });
    }
    a_runtime_has_the_name_it_was_given => ["Some(\"main\")", "None"], |saw| {
        let named = Builder::new_current_thread().name("main").build().expect("a runtime");
        saw!(saw, named.handle().name());
        let nameless = Builder::new_current_thread().build().expect("a runtime");
        saw!(saw, nameless.handle().name());
    }
    a_runtime_that_is_dropped_drops_its_tasks => ["1", "true"], |saw| {
        let held = Arc::new(());
        let copy = held.clone();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let task = runtime.spawn(async move {
            let _held = copy;
            pending::<()>().await;
        });
        runtime.block_on(task::yield_now());
        drop(runtime);
        saw!(saw, Arc::strong_count(&held));
        saw!(saw, one(task).is_err_and(|e| e.is_cancelled()));
    }
    a_task_spawned_after_the_end_is_cancelled => ["true"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        drop(runtime);
        let task = handle.spawn(async {});
        saw!(saw, one(task).is_err_and(|e| e.is_cancelled()));
    }
    blocking_code_after_the_end_is_cancelled => ["true"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        drop(runtime);
        let task = handle.spawn_blocking(|| ());
        saw!(saw, one(task).is_err_and(|e| e.is_cancelled()));
    }
    a_runtime_blocks_twice => ["1", "2"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let task = runtime.spawn(async { 2 });
        saw!(saw, runtime.block_on(async { 1 }), runtime.block_on(task).expect("no panic"));
    }
    a_panic_goes_through_block_on => ["\"panic: oh\""], |saw| {
        saw!(saw, panic_of(|| one(async { panic!("oh") })));
    }
    a_runtime_goes_on_after_a_panic => ["\"panic: oh\"", "1"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        saw!(saw, panic_of(|| runtime.block_on(async { panic!("oh") })));
        saw!(saw, runtime.block_on(async { 1 }));
    }
    metrics_count_tasks => ["0", "1", "1", "0"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let metrics = runtime.metrics();
        saw!(saw, metrics.num_alive_tasks(), metrics.num_workers());
        let task = runtime.spawn(pending::<()>());
        saw!(saw, metrics.num_alive_tasks());
        task.abort();
        let _ = runtime.block_on(task);
        saw!(saw, runtime.metrics().num_alive_tasks());
    }
    metrics_know_the_workers => ["2"], |saw| {
        several(async { saw!(saw, Handle::current().metrics().num_workers()) });
    }
    no_workers_are_refused => ["\"panic: Worker threads cannot be set to 0\"", "\"panic: Max blocking threads cannot be \
        set to 0\""], |saw| {
        saw!(saw, panic_of(|| { Builder::new_multi_thread().worker_threads(0); }));
        saw!(saw, panic_of(|| { Builder::new_multi_thread().max_blocking_threads(0); }));
    }
    intervals_of_nothing_are_refused => ["\"panic: global_queue_interval must be greater than 0\"",
        "\"panic: event_interval must be greater than 0\""], |saw| {
        saw!(saw, panic_of(|| { Builder::new_current_thread().global_queue_interval(0); }));
        saw!(saw, panic_of(|| { Builder::new_current_thread().event_interval(0); }));
    }
    a_shutdown_with_a_limit_ends => ["true"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let task = runtime.spawn(async { time::sleep(Duration::from_secs(1_000)).await });
        runtime.shutdown_timeout(Duration::from_millis(5));
        saw!(saw, one(task).is_err_and(|e| e.is_cancelled()));
    }
    a_handle_outlives_its_task => ["4"], |saw| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.block_on(async { Handle::current() });
        saw!(saw, handle.block_on(async { 4 }));
    }
}
