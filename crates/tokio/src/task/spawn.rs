//! Spawning a task: on the current runtime, in a simulation and outside one.

use std::future::Future;
use std::sync::Arc;

use stormglass_kernel as kernel;

use super::JoinHandle;
use crate::runtime::Member;
use crate::runtime::context::{self, Scope};

/// Spawns a task: on the current node in a simulation, on the current tokio runtime outside one.
///
/// # Panics
/// Where no runtime is current, as tokio's does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match context::current() {
        Some(scope) => spawn_in(&scope, future),
        None => JoinHandle::real(real_tokio::spawn(future)),
    }
}

/// Spawns a task on a runtime of this simulation.
#[track_caller]
pub(crate) fn spawn_in<F>(scope: &Scope, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match scope {
        Scope::Node => JoinHandle::simulated(kernel::spawn_beside_main(future), None),
        Scope::Built(built) => {
            let Some(membership) = Arc::clone(built).join() else {
                drop(future);
                return JoinHandle::simulated(kernel::JoinHandle::cancelled(), None);
            };
            let place = membership.place;
            let handle = JoinHandle::simulated(kernel::spawn(Member::new(future, membership)), None);
            built.note(place, handle.abort_handle());
            handle
        }
    }
}
