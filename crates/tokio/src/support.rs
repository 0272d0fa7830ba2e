//! What the macros of this crate expand to, and what a simulation may ask of the façade. Not part of tokio's API.

use std::future::Future;

use crate::task::coop;

pub use crate::io::console::{Console, Stream, captured, give_input};
pub use crate::macros::branch;
pub use real_tokio::select;
pub use real_tokio::{main as real_main, test as real_test};
use stormglass_program::Surroundings;
pub use stormglass_program::is_to_be_simulated;

/// Runs one program in a simulation of its own, with a runtime of this thread alone: [`stormglass_program::simulate`].
pub fn simulate<F>(body: impl FnOnce() -> F + 'static) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    stormglass_program::simulate(body, SURROUNDINGS)
}

/// What a simulation whose programs see this crate is to run within, so that each of its polls has a cooperative budget.
pub const SURROUNDINGS: Surroundings = Surroundings { before_poll: refill, around_run: within_budget };

fn refill() {
    coop::refill();
}

fn within_budget(run: &mut dyn FnMut()) {
    coop::with_budget(run);
}
