//! How rough the weather is. All numbers of the planner that are a matter of taste and not of kind stand here.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Probability;

/// How often faults come. What each of them is like does not depend on it.
///
/// | | pace of a lane (mean gap, drawn per seed) | storms | lulls |
/// |---|---|---|---|
/// | `Calm` | 10–60 s | 2–6 s | 4–12 s |
/// | `Rough` | 4–30 s | 3–15 s | 0.5–5 s |
/// | `Storm` | 1.5–10 s | 5–25 s | 0.2–2 s |
///
/// Gaps are counted in stormy time. A gap is between a quarter and twice the lane's mean. Ranges are drawn with uniform
/// magnitude. Faults begin in storms only, but may last into a lull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Now and then something happens.
    Calm,
    /// The usual: several lanes, long and short gaps, quiet spells in which a cluster makes progress.
    #[default]
    Rough,
    /// Hardly a moment without faults.
    Storm,
}

impl Profile {
    /// Mean gap of a lane.
    pub(super) fn pace(self) -> RangeInclusive<Duration> {
        match self {
            Profile::Calm => millis(10_000, 60_000),
            Profile::Rough => millis(4_000, 30_000),
            Profile::Storm => millis(1_500, 10_000),
        }
    }

    pub(super) fn storm(self) -> RangeInclusive<Duration> {
        match self {
            Profile::Calm => millis(2_000, 6_000),
            Profile::Rough => millis(3_000, 15_000),
            Profile::Storm => millis(5_000, 25_000),
        }
    }

    pub(super) fn lull(self) -> RangeInclusive<Duration> {
        match self {
            Profile::Calm => millis(4_000, 12_000),
            Profile::Rough => millis(500, 5_000),
            Profile::Storm => millis(200, 2_000),
        }
    }
}

/// How many lanes a seed switches on: a few, about a third, or most. Weights first. Bugs that need two kinds of faults and
/// the absence of a third need the few as much as the many (Groce and others, *Swarm Testing*, 2012).
pub(super) const DENSITIES: [(u32, Probability); 3] =
    [(3, Probability::percent::<12>()), (5, Probability::percent::<35>()), (2, Probability::percent::<75>())];

/// A range of milliseconds.
pub(super) fn millis(low: u64, high: u64) -> RangeInclusive<Duration> {
    Duration::from_millis(low)..=Duration::from_millis(high)
}

/// A range of microseconds.
pub(super) fn micros(low: u64, high: u64) -> RangeInclusive<Duration> {
    Duration::from_micros(low)..=Duration::from_micros(high)
}
