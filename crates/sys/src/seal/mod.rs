//! The seal: what keeps simulated code from the real clock, entropy, threads, network, disk and machine.
//!
//! A thread is put inside a simulation with [`enter`]. From then on the libc symbols that this crate defines answer
//! from the [`Hooks`], or refuse: they set an errno and record a [`Leak`] with its call site, which the kernel collects
//! with
//! [`take_leaks`] after each poll. Stormglass's own input and output goes through [`host`].
//!
//! # What is not caught
//!
//! - instructions: `rdtsc`, which [`arm_traps`] catches, and `rdrand`, which nothing does;
//! - system calls made without libc (rustix's `linux_raw` backend, Go, hand-written assembly): [`arm_traps`] catches
//!   them;
//! - what glibc does inside itself: `localtime` reads the time zone, unless a case's [environment](crate::process::Limits::environment) names one; `dlopen` its
//!   objects;
//! - reads and writes on descriptors that are already open, among them standard input, output and error;
//! - resource limits, user ids, and addresses of memory (see
//!   [`reexec_without_aslr`](crate::process::reexec_without_aslr));
//! - variadic `execl*` and `clone`.

#[cfg(sealed_tier)]
#[macro_use]
mod interpose;

#[cfg(sealed_tier)]
mod symbols {
    //! The interposed symbols, by what they reach, and the table that makes every link load them all.
    pub(super) mod descriptors;
    pub(super) mod directories;
    pub(super) mod file_calls;
    pub(super) mod file_locks;
    pub(super) mod file_rules;
    pub(super) mod files;
    pub(super) mod futex;
    pub(super) mod memory;
    pub(super) mod names;
    pub(super) mod processes;
    pub(super) mod random;
    pub(super) mod sleep;
    pub(super) mod sockets;
    pub(super) mod stats;
    pub(super) mod syscall;
    pub(super) mod system;
    pub(super) mod table;
    pub(super) mod thread_ends;
    pub(super) mod threads;
    pub(super) mod time;
    pub(super) mod users;
}

#[cfg(sealed_tier)]
mod blocks;
mod call_site;
mod current;
mod files;
mod hooks;
mod leak;
mod library_state;
mod map_keys;
mod meter;
#[cfg(sealed_tier)]
mod probes;
mod program_threads;
#[cfg(sealed_tier)]
mod renewal;
mod selftest;
mod standing;
mod threads;
mod traps;

#[cfg(sealed_tier)]
pub(crate) use blocks::know_blocks;
pub use call_site::CallSite;
#[cfg(target_os = "linux")]
pub(crate) use call_site::innermost_foreign;
pub use current::{Entered, HostMode, enter, host, host_mode, is_simulated};
pub use files::{FILE_DESCRIPTOR_MIN, FileCall, FileEntry, FileLock, FileStat, Files};
pub use hooks::{FutexWait, Hooks, Lookup, Sleep};
pub use leak::{LEAKS_KEPT, Leak, leak_count, take_leaks};
pub use library_state::{Image, LibraryState, libraries_with_state};
pub use map_keys::MapKeys;
pub use meter::{MemoryMeter, can_meter_memory, meter_memory};
pub use program_threads::{Admission, ProgramThread, see_out};
#[cfg(sealed_tier)]
pub(crate) use renewal::{Forgone, Renewal};
pub use selftest::{SelfTestError, selftest};
pub use standing::blocked_polls;
pub use threads::{on_fresh_thread, spawn_simulation_thread, vouch_for_thread};
pub use traps::{SecondLayer, SyscallTrap, Traps, arm_traps, second_layer};
