//! A node's clock: an offset and a rate over virtual time, changed in steps.

use crate::time::VirtualTime;

/// A clock that reads `base + (t - since) × rate`. Rates are exact integers: one plus `drift_ppb` billionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    base_ns: u64,
    since: VirtualTime,
    drift_ppb: i64,
}

/// The greatest drift that a clock takes, in billionths: half speed to one and a half times.
pub const DRIFT_PPB_MAX: i64 = 500_000_000;

impl Clock {
    /// A clock that read `base_ns` when the simulation began and keeps perfect time.
    #[must_use]
    pub const fn starting_at(base_ns: u64) -> Self {
        Self { base_ns, since: VirtualTime::ZERO, drift_ppb: 0 }
    }

    /// What the clock shows at `t`, in nanoseconds of its own.
    #[inline]
    #[must_use]
    pub fn read_ns(&self, t: VirtualTime) -> u64 {
        let passed = t.as_nanos().saturating_sub(self.since.as_nanos());
        if self.drift_ppb == 0 { self.base_ns.saturating_add(passed) } else { self.read_drifting(passed) }
    }

    #[cold]
    fn read_drifting(&self, passed: u64) -> u64 {
        let rate = (1_000_000_000 + self.drift_ppb) as u128;
        self.base_ns.saturating_add((u128::from(passed) * rate / 1_000_000_000) as u64)
    }

    /// The first instant at which the clock shows `ns` or more; [`VirtualTime::ZERO`] or the past if it already has.
    #[inline]
    #[must_use]
    pub fn when_ns(&self, ns: u64) -> VirtualTime {
        let ahead = ns.saturating_sub(self.base_ns);
        if self.drift_ppb == 0 {
            return self.since.after_nanos(ahead);
        }
        let rate = (1_000_000_000 + self.drift_ppb) as u128;
        let passed = (u128::from(ahead) * 1_000_000_000).div_ceil(rate);
        self.since.after_nanos(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// From `now` on, the clock runs at one plus `drift_ppb` billionths, held within [`DRIFT_PPB_MAX`].
    pub fn set_drift(&mut self, now: VirtualTime, drift_ppb: i64) {
        self.base_ns = self.read_ns(now);
        self.since = now;
        self.drift_ppb = drift_ppb.clamp(-DRIFT_PPB_MAX, DRIFT_PPB_MAX);
    }

    /// At `now` the clock jumps by `step_ns`. A monotonic clock must only be stepped forward.
    pub fn step(&mut self, now: VirtualTime, step_ns: i64) {
        self.base_ns = self.read_ns(now).saturating_add_signed(step_ns);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn when_is_the_first_instant_at_which_the_clock_shows_the_time(
            base in 0..1_u64 << 60, since in 0..1_u64 << 40, drift in -DRIFT_PPB_MAX..=DRIFT_PPB_MAX, ahead in 1..1_u64 << 40,
        ) {
            let mut clock = Clock::starting_at(base);
            clock.set_drift(VirtualTime::from_nanos(since), drift);
            let target = clock.read_ns(VirtualTime::from_nanos(since)) + ahead;
            let when = clock.when_ns(target);
            prop_assert!(clock.read_ns(when) >= target);
            prop_assert!(clock.read_ns(VirtualTime::from_nanos(when.as_nanos() - 1)) < target);
        }
    }

    #[test]
    fn a_fast_clock_gains_what_its_drift_says() {
        let mut clock = Clock::starting_at(0);
        clock.set_drift(VirtualTime::ZERO, 100_000);
        assert_eq!(clock.read_ns(VirtualTime::from_nanos(10_000_000_000)), 10_001_000_000);
    }

    #[test]
    fn a_step_moves_the_clock_once() {
        let mut clock = Clock::starting_at(1_000);
        clock.step(VirtualTime::from_nanos(10), -500);
        assert_eq!(clock.read_ns(VirtualTime::from_nanos(10)), 510);
        assert_eq!(clock.read_ns(VirtualTime::from_nanos(20)), 520);
    }
}
