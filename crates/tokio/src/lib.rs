//! tokio's API over a simulated world, and tokio itself outside one.
//!
//! A service names this package `tokio` in its manifest and writes `tokio::…` as always. Without the feature `sim`
//! this crate re-exports tokio and costs nothing. With it, each call asks whether a simulation is current on this
//! thread: if so it is simulated, otherwise it is the real tokio, so that one binary runs a service in a simulation and
//! on real sockets.
//!
//! `sync`, most of `io` and most macros are tokio's own. Not here: the worlds themselves, which are in `stormglass-net`
//! and `stormglass-disk`; and what tokio has only under `--cfg tokio_unstable`.

#![forbid(unsafe_code)]
// `tokio_unstable` is tokio's name for what this crate refuses.
#![allow(unexpected_cfgs)]

#[cfg(not(simulated))]
pub use real_tokio::*;

#[cfg(all(simulated, tokio_unstable))]
compile_error!("simulated tokio has no part of what tokio has under `--cfg tokio_unstable`: build without that flag");

#[cfg(simulated)]
pub mod fs;
#[cfg(simulated)]
pub mod io;
#[cfg(simulated)]
#[doc(hidden)]
pub mod macros;
#[cfg(simulated)]
pub mod net;
#[cfg(simulated)]
pub mod process;
#[cfg(simulated)]
pub mod runtime;
#[cfg(simulated)]
pub mod signal;
#[cfg(simulated)]
#[doc(hidden)]
pub mod support;
#[cfg(simulated)]
pub mod task;
#[cfg(simulated)]
pub mod time;

#[cfg(simulated)]
pub use real_tokio::{join, pin, stream, sync, task_local, try_join};
#[cfg(simulated)]
pub use stormglass_macros::{tokio_main as main, tokio_test as test};
#[cfg(simulated)]
pub use task::spawn;
