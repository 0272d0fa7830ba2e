//! Processes: one forked child per seed, so that statics, addresses, leaks and crashes are that seed's own.
//!
//! A worker is a single-threaded fork server. It calls [`reexec_without_aslr`] first, then [`fork_case`] for each case
//! and
//! [`Child::wait`]s; [`ChildEnd::crash_cause`] names every way to die. Forking needs Linux; elsewhere [`fork_case`]
//! answers [`ForkError::Unsupported`].

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
mod environment;
mod fork;
mod interrupt;
#[cfg(target_os = "linux")]
mod launch;
mod limits;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod rlimit;
mod usage;
pub mod watchdog;

pub use aslr::{Aslr, reexec_without_aslr};
pub use cause::CrashCause;
pub use child::Child;
pub use fork::{ChildEnd, EXIT_PANICKED, EXIT_SETUP, End, ForkError, ResultPipe, fork_case};
pub use interrupt::{EXIT_INTERRUPTED, install_interrupt_flag, interrupted};
pub use limits::{Capture, Limits};
pub use usage::{available_cores, process_cpu_time, thread_cpu_time};
