//! Blocking code. In a simulation each closure has a thread of its node, which runs while it holds the baton: it may
//! block on futures, and on whatever else of a node's thread gives the baton back.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stormglass_kernel as kernel;

use super::JoinHandle;
use crate::runtime::context::{self, Scope};
use crate::runtime::{Built, Member};

/// Runs `f` where blocking is allowed: on a thread of its own.
///
/// # Panics
/// Where no runtime is current, as tokio's does.
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    match context::current() {
        Some(scope) => spawn_blocking_in(&scope, f),
        None => JoinHandle::real(real_tokio::task::spawn_blocking(f)),
    }
}

/// Runs `f` on a thread of the current node, with `scope` as its runtime.
#[track_caller]
pub(crate) fn spawn_blocking_in<F, R>(scope: &Scope, f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    match scope {
        Scope::Node => {
            let handle = kernel::spawn(run(scope.clone(), Arc::clone(&begun), f));
            JoinHandle::simulated(handle, Some(begun))
        }
        Scope::Built(built) => {
            let Some(membership) = Arc::clone(built).join() else {
                drop(f);
                return JoinHandle::simulated(kernel::JoinHandle::cancelled(), Some(begun));
            };
            let place = membership.place;
            let task = in_turn(Arc::clone(built), run(scope.clone(), Arc::clone(&begun), f));
            let handle = JoinHandle::simulated(kernel::spawn(Member::new(task, membership)), Some(begun));
            built.note(place, handle.abort_handle());
            handle
        }
    }
}

/// Waits until a thread is free.
async fn in_turn<R>(built: Arc<Built>, run: impl Future<Output = R>) -> R {
    let permit = Arc::clone(&built.blocking).acquire_owned().await;
    let output = run.await;
    drop(permit);
    output
}

fn run<F, R>(scope: Scope, begun: Arc<AtomicBool>, f: F) -> impl Future<Output = R> + Send
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    kernel::run_blocking(move || {
        begun.store(true, Ordering::Relaxed);
        let _entered = context::enter(scope.clone());
        let Scope::Built(built) = scope else { return f() };
        if let Some(start) = &built.settings.on_thread_start {
            start();
        }
        let output = f();
        if let Some(stop) = &built.settings.on_thread_stop {
            stop();
        }
        output
    })
}

/// Runs `f` in place, where it may block: on a thread of a node that blocks on a runtime, and in a task of a simulated
/// `#[tokio::test]` or `main`. A task of a scenario's node runs on the thread of all nodes, which cannot be given away: there `f`
/// may compute, and blocking on a future is refused.
///
/// # Panics
/// In a runtime of the current thread's flavor, as tokio's does.
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    match context::current() {
        None => real_tokio::task::block_in_place(f),
        Some(scope) => {
            assert!(
                scope.is_of_several() || !context::is_driving(),
                "can call blocking only when running on the multi-threaded runtime"
            );
            super::coop::with_unconstrained(|| context::driving(false, f))
        }
    }
}
