//! The thread that a simulation runs on.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::current::host;

/// Starts a real thread for a simulation, named `simulation`, with `stack_bytes` of stack.
///
/// A simulation wants a fresh thread: `std` draws the keys of `RandomState` once per thread, and so draws them from
/// the [`Hooks`](super::Hooks), if the first thing that `f` does is to [`enter`](super::enter).
///
/// # Errors
///
/// What the system says when it cannot start a thread.
pub fn spawn_simulation_thread<T: Send + 'static>(
    stack_bytes: usize,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    host(|| Builder::new().name("simulation".to_owned()).stack_size(stack_bytes).spawn(f))
}
