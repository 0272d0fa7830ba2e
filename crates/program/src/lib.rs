//! One ordinary tokio program in a world of its own.
//!
//! A `#[tokio::test]` or `#[tokio::main]` that is compiled against simulated tokio asks [`Asked::of_process`] whether it is
//! to run in a simulation; if so [`simulate`] seals its thread, builds a world with one node, runs the program's body as
//! that node's main task under the seed, and leaves an [`Ended`] for whoever started the process.
//!
//! It also holds what every sealed run needs, with or without scenarios: the answers of the simulation to libc's
//! symbols ([`seal_thread`], [`leaked`]). It is below the tokio façade, so that the façade can be built as `tokio` itself;
//! it knows no scenario, no fault plan and no campaign.

#![forbid(unsafe_code)]

mod asked;
mod ended;
mod files;
mod hooks;
mod node_locals;
mod printing;
mod simulate;
mod whole;

pub use asked::{Asked, ENDED_VARIABLE, LISTING_VARIABLE, SEED_VARIABLE, TIME_VARIABLE};
pub use ended::{Begun, Ended, How, UnreadableEnd};
pub use hooks::{leaked, seal_thread};
pub use node_locals::{shared_and_used, switch};
pub use simulate::{is_to_be_simulated, simulate};
