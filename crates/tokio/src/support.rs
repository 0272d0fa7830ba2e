//! What the macros of this crate expand to, and what a simulation may ask of the façade. Not part of tokio's API.

pub use crate::io::console::{Console, Stream, captured, give_input};
pub use crate::macros::branch;
pub use real_tokio::select;
