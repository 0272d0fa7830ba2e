//! The calm phase of a run.

use std::time::Duration;

use stormglass_check::Evidence;
use stormglass_faults::{Calm, Convergence};
use stormglass_harness::converge;

use crate::sim::Sim;

/// The calm phase of a run.
#[derive(Debug)]
pub struct Calming {
    sim: Sim,
    calm: Calm,
}

impl Calming {
    pub(crate) fn new(sim: Sim, within: Duration) -> Self {
        let calm = Calm::new(sim.now(), within);
        Self { sim, calm }
    }

    /// Asks `converged` until it is reached or the bound has passed. Gives how long it took.
    ///
    /// # Errors
    /// The reasons that were pending at the bound, as evidence of the oracle `convergence`.
    pub async fn until(self, converged: impl AsyncFnMut() -> Convergence) -> Result<Duration, Evidence> {
        let sim = &self.sim;
        converge(self.calm, || sim.now(), madsim::time::sleep, converged).await
    }
}
