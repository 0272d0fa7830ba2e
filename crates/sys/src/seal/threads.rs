//! The thread that a simulation runs on.

use std::cell::Cell;
use std::io;
use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle};

use super::current::host;
use super::traps;

thread_local! {
    /// How much stack this thread has, from when somebody vouched that nothing has run on it until somebody takes it.
    static FRESH_STACK_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Vouches that no code on trial has run on this thread, whose stack has `stack_bytes`: the next
/// [`on_fresh_thread`] here needs no other one.
pub fn vouch_for_thread(stack_bytes: usize) {
    FRESH_STACK_BYTES.set(stack_bytes);
}

/// Runs `f` on a thread that nothing ran on before and that has a stack of `stack_bytes`: on the calling one where
/// somebody has [vouched](vouch_for_thread) for it, once, and else on a [new one](spawn_simulation_thread).
///
/// # Errors
///
/// What the system says when it cannot start a thread.
///
/// # Panics
///
/// With what `f` panicked with.
pub fn on_fresh_thread<T: Send + 'static>(stack_bytes: usize, f: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    if FRESH_STACK_BYTES.take() >= stack_bytes {
        return Ok(f());
    }
    let thread = spawn_simulation_thread(stack_bytes, f)?;
    Ok(thread.join().unwrap_or_else(|payload| resume_unwind(payload)))
}

/// Starts a real thread for a simulation, named `simulation`, with `stack_bytes` of stack.
///
/// A simulation wants a fresh thread: `std` draws the keys of `RandomState` once per thread, and so draws them from
/// the [`Hooks`](super::Hooks), if the first thing that `f` does is to [`enter`](super::enter). Where this thread is
/// [armed](super::arm_traps), the new one is too.
///
/// # Errors
///
/// What the system says when it cannot start a thread.
pub fn spawn_simulation_thread<T: Send + 'static>(
    stack_bytes: usize,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let armed = traps::to_inherit();
    let f = move || {
        let _traps = armed.map(|by| traps::arm_traps(Some(by)));
        f()
    };
    host(|| Builder::new().name("simulation".to_owned()).stack_size(stack_bytes).spawn(f))
}
