//! `tokio::io`: tokio's own, but for the standard streams, which each simulated node has for itself.

pub(crate) mod console;
mod std_streams;

pub use real_tokio::io::*;
pub use std_streams::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
