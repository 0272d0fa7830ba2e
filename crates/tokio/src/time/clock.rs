//! Pausing, advancing and resuming the clock, as tests do.
//!
//! A node's clock is paused for the whole node, until it is resumed or the runtime that paused it is gone. What a paused clock does is in the kernel; here are tokio's rules of who
//! may pause it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stormglass_kernel::{PauseError, saturating_nanos, try_with};

use crate::runtime::Built;
use crate::runtime::context::{self, Scope};

/// Pauses the clock. It moves on by [`advance`], and to the earliest timer when the program has nothing to do.
///
/// # Panics
/// When it is paused already, outside a runtime, and in one of several threads. The runtime that a node has without building
/// one can be paused.
#[track_caller]
pub fn pause() {
    match context::current() {
        None => real_tokio::time::pause(),
        Some(Scope::Built(built)) => pause_for(&built),
        Some(Scope::Node) => changed(try_with(|u| u.kernel.pause_timer_clock())),
    }
}

/// Pauses the clock of a runtime that is being built, or has been.
#[track_caller]
pub(crate) fn pause_for(built: &Built) {
    assert!(
        !built.settings.several,
        "`time::pause()` requires the `current_thread` Tokio runtime. This is the default Runtime used by `#[tokio::test]."
    );
    let paused = try_with(|u| u.kernel.pause_timer_clock());
    // Another runtime of the node may have paused it: outside a simulation that is another clock.
    if built.has_paused.swap(true, Ordering::Relaxed) {
        changed(paused);
    }
}

/// What a runtime has paused runs on when the runtime goes.
pub(crate) fn resume_for(built: &Built) {
    if built.has_paused.swap(false, Ordering::Relaxed) {
        let _ = try_with(|u| u.kernel.resume_timer_clock());
    }
}

/// Lets a paused clock run on from what it shows.
///
/// # Panics
/// When it is not paused, and outside a runtime.
#[track_caller]
pub fn resume() {
    match context::current() {
        None => real_tokio::time::resume(),
        Some(scope) => {
            if let Scope::Built(built) = scope {
                built.has_paused.store(false, Ordering::Relaxed);
            }
            changed(try_with(|u| u.kernel.resume_timer_clock()));
        }
    }
}

/// Moves a paused clock on by `duration`; timers that are due then go off once the caller lets others run.
///
/// # Panics
/// When it is not paused, and outside a runtime.
pub async fn advance(duration: Duration) {
    if context::current().is_none() {
        return real_tokio::time::advance(duration).await;
    }
    changed(try_with(|u| u.kernel.advance_timer_clock(saturating_nanos(duration))));
    crate::task::yield_now().await;
}

#[track_caller]
fn changed(result: Option<Result<(), PauseError>>) {
    if let Some(Err(error)) = result {
        panic!("{error}");
    }
}
