//! The thread that a simulation runs on.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::current::host;
use super::traps;

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
