//! Blocking code. In a simulation a closure runs as a task of the node, in one piece: it may compute, and it may not
//! block on something that another task must do.

use super::JoinHandle;

/// Runs `f` where blocking is allowed.
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    if stormglass_kernel::is_current() {
        super::spawn(async move { f() })
    } else {
        JoinHandle::real(real_tokio::task::spawn_blocking(f))
    }
}

/// Runs `f` on the current thread, which may block.
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    if stormglass_kernel::is_current() { f() } else { real_tokio::task::block_in_place(f) }
}
