//! `stormglass-sys`: the seal around simulated code, and the processes that simulations run in.
//!
//! This is the one crate of Stormglass with unsafe code. It holds two things:
//!
//! - [`seal`]: definitions of libc's symbols for clocks, entropy, threads, sockets, files and the machine. On a thread
//!   that is inside a simulation they ask the simulated world, or refuse and record a named [`seal::Leak`]; on every
//!   other thread they are the real functions.
//! - [`process`]: one forked child per seed with limits, captured output and a named cause for every way to die; the
//!   poll watchdog; re-execution without address randomisation; the interrupt flag.
//!
//! It is **not** a sandbox: hostile code can make system calls of its own. It knows nothing of the simulation kernel;
//! the kernel hands it a [`seal::Hooks`].
//!
//! The sealed tier is Linux with glibc, linked dynamically, on x86-64 and aarch64. Elsewhere the crate compiles to
//! stand-ins, and [`seal::selftest`] answers [`seal::SelfTestError::NotSealed`].

#![deny(unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]
#![deny(missing_docs)]

pub mod process;
pub mod seal;
