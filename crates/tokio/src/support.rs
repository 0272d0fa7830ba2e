//! What the macros of this crate expand to, and what a simulation may ask of the façade. Not part of tokio's API.

pub use crate::io::console::{Console, Stream, captured, give_input};
pub use crate::macros::branch;
pub use real_tokio::select;
pub use real_tokio::{main as real_main, test as real_test};
pub use stormglass_program::{is_to_be_simulated, simulate};
