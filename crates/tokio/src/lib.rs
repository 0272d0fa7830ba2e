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

#[cfg(not(feature = "sim"))]
pub use real_tokio::*;

#[cfg(all(feature = "sim", tokio_unstable))]
compile_error!("simulated tokio has no part of what tokio has under `--cfg tokio_unstable`: build without that flag");

#[cfg(feature = "sim")]
pub mod fs;
#[cfg(feature = "sim")]
pub mod io;
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod macros;
#[cfg(feature = "sim")]
pub mod net;
#[cfg(feature = "sim")]
pub mod process;
#[cfg(feature = "sim")]
pub mod runtime;
#[cfg(feature = "sim")]
pub mod signal;
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod support;
#[cfg(feature = "sim")]
pub mod task;
#[cfg(feature = "sim")]
pub mod time;

#[cfg(feature = "sim")]
mod budget {
    //! The cooperative budget, for operations that say afterwards whether they had to wait.
    pub(crate) use crate::task::coop::{made_no_progress, poll_take as poll_proceed};
}

#[cfg(feature = "sim")]
pub use real_tokio::{join, main, pin, stream, sync, task_local, test, try_join};
#[cfg(feature = "sim")]
pub use task::spawn;
