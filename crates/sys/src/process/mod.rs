//! Processes: one forked child per seed, so that statics, addresses, leaks and crashes are that seed's own.
//!
//! A worker is a fork server. It calls [`reexec_without_aslr`] first, then [`ForkSeat::new`], then [`ForkServer::serve`], and
//! there [`ForkServer::run`] for each case; [`ChildEnd::crash_cause`] names every way to die. [`fork_case`] is for a single one,
//! or for several side by side. Forking needs Linux; elsewhere both answer [`ForkError::Unsupported`], and a [`relay`] of
//! threads is what is left.

mod aslr;
#[cfg(target_os = "linux")]
pub(crate) mod blocked;
mod cause;
#[cfg(target_os = "linux")]
mod child;
#[cfg(not(target_os = "linux"))]
#[path = "no_child.rs"]
mod child;
#[cfg(target_os = "linux")]
mod code;
#[cfg(target_os = "linux")]
mod direct;
#[cfg(target_os = "linux")]
mod environment;
mod fork;
mod interrupt;
#[cfg(target_os = "linux")]
mod launch;
mod limits;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod region;
mod relay;
#[cfg(target_os = "linux")]
mod rlimit;
#[cfg(target_os = "linux")]
mod seat;
#[cfg(target_os = "linux")]
mod server;
#[cfg(not(target_os = "linux"))]
#[path = "no_server.rs"]
mod server;
mod usage;
pub mod watchdog;

pub use aslr::{Aslr, reexec_without_aslr};
pub use cause::CrashCause;
pub use child::Child;
pub use fork::{ChildEnd, EXIT_PANICKED, EXIT_SETUP, End, ForkError, ResultPipe, fork_case};
pub use interrupt::{EXIT_INTERRUPTED, install_interrupt_flag, interrupted};
pub use limits::{Capture, Limits};
pub use relay::{Leg, Predecessor, relay};
#[cfg(target_os = "linux")]
pub use seat::ForkSeat;
#[cfg(not(target_os = "linux"))]
pub use server::ForkSeat;
pub use server::{ForkServer, ResultSink};
pub use usage::{available_cores, process_cpu_time, thread_cpu_time};
