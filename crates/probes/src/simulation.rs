//! The catalogue of a binary's places, and the simulation that they speak to.

use std::sync::OnceLock;

use crate::{Measure, Site};

/// Every place that was linked into this binary. Link order is arbitrary: sort before anything is shown.
///
/// A place is here if the function around it was compiled into the binary; a generic function counts once.
#[linkme::distributed_slice]
pub static SITES: [Site];

/// A simulation, as product code sees it. Each method is called on the thread that runs the code, and answers for the run
/// that is current there, if one is.
pub trait Simulation: Sync {
    /// `site` was looked at. `held` is what it claimed to hold; `detail` says more where it did not; `margin` is how far it
    /// was from the other answer, never less than zero when it held, where the property is a comparison.
    fn observed(&self, site: &'static Site, held: bool, margin: Option<i64>, detail: &dyn Fn() -> String);

    /// Whether the rare path at `site` is to be taken this time, if it is armed in this run: so many calls in a million.
    fn armed(&self, site: &'static Site, millionths: u32) -> bool;

    /// Which of `rare` sizes the knob at `site` has in this run; `None` for its default.
    fn chosen(&self, site: &'static Site, rare: usize) -> Option<usize>;
}

static SIMULATION: OnceLock<&'static dyn Simulation> = OnceLock::new();

/// Makes product code speak to `simulation`, for the life of this process. The first call counts; later ones change nothing.
pub fn set_simulation(simulation: &'static dyn Simulation) {
    let _ = SIMULATION.set(simulation);
}

#[doc(hidden)]
pub fn observed(
    site: &'static Site,
    held: bool,
    sides: Option<(&dyn Measure, &dyn Measure)>,
    detail: &dyn Fn() -> String,
) {
    if let Some(simulation) = SIMULATION.get() {
        let margin = sides.map(|(left, right)| {
            let apart = left.measure().saturating_sub(right.measure()).unsigned_abs();
            let apart = i64::try_from(apart).unwrap_or(i64::MAX);
            if held { apart } else { -apart }
        });
        simulation.observed(site, held, margin, detail);
    }
}

#[doc(hidden)]
#[must_use]
pub fn armed(site: &'static Site, millionths: u32) -> bool {
    SIMULATION.get().is_some_and(|simulation| simulation.armed(site, millionths))
}

#[doc(hidden)]
#[must_use]
pub fn chosen(site: &'static Site, rare: usize) -> Option<usize> {
    SIMULATION.get().and_then(|simulation| simulation.chosen(site, rare)).filter(|chosen| *chosen < rare)
}
