//! One ordinary tokio program in a world of its own.
//!
//! A `#[tokio::test]` or `#[tokio::main]` that is compiled against simulated tokio asks [`Asked::of_process`] whether it is
//! to run in a simulation; if so [`simulate`] seals its thread, builds a world with one node, runs the program's body as
//! that node's main task under the seed, and leaves an [`Ended`] for whoever started the process.
//!
//! A program that builds a runtime itself becomes part of a simulation with it: see [`stay`].
//!
//! It also holds what every sealed run needs, with or without scenarios: the answers of the simulation to libc's
//! symbols ([`seal_thread`], [`leaked`]). It is below the tokio façade, so that the façade can be built as `tokio` itself;
//! it knows no scenario, no fault plan and no campaign.

#![forbid(unsafe_code)]

mod asked;
mod ended;
mod files;
mod guest;
mod hooks;
mod node_locals;
mod printing;
mod simulate;
mod stranded;
mod surroundings;
mod threads;
mod whole;

pub use asked::{Asked, ENDED_VARIABLE, LISTING_VARIABLE, SEED_VARIABLE, TIME_VARIABLE};
pub use ended::{Begun, Ended, How, UnreadableEnd};
pub use guest::{Stay, stay};
pub use hooks::{leaked, leaked_by_thread, seal_thread, spawn_node_thread};
pub use node_locals::{shared_and_used, switch};
pub use simulate::{is_to_be_simulated, simulate};
pub use surroundings::Surroundings;
