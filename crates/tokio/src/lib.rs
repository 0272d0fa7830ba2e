//! tokio's API over a simulated world, and tokio itself outside one.
//!
//! A service names this package `tokio` in its manifest and writes `tokio::…` as always. Without the feature `sim`
//! this crate re-exports tokio and costs nothing. With it, each call asks whether a simulation is current on this
//! thread: if so it is simulated, otherwise it is the real tokio, so that one binary runs a service in a simulation and
//! on real sockets.
//!
//! `sync`, `io` and most macros are tokio's own. Not here: the worlds themselves, which are in `stormglass-net` and
//! `stormglass-disk`.

#![forbid(unsafe_code)]

#[cfg(not(simulated))]
pub use real_tokio::*;

#[cfg(simulated)]
mod budget;
#[cfg(simulated)]
pub mod fs;
#[cfg(simulated)]
mod macros;
#[cfg(simulated)]
pub mod net;
#[cfg(simulated)]
pub mod runtime;
#[cfg(simulated)]
pub mod signal;
#[cfg(simulated)]
pub mod task;
#[cfg(simulated)]
pub mod time;

#[cfg(simulated)]
pub use real_tokio::{io, join, pin, sync, task_local, try_join};
#[cfg(simulated)]
pub use stormglass_macros::{tokio_main as main, tokio_test as test};
#[cfg(simulated)]
pub use task::spawn;

#[cfg(simulated)]
#[doc(hidden)]
pub mod support {
    //! What the macros of this crate expand to.
    pub use crate::macros::branch;
    pub use real_tokio::select;
    pub use real_tokio::{main as real_main, test as real_test};
    pub use stormglass_program::{is_to_be_simulated, simulate};
}
