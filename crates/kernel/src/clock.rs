//! A node's clock: an offset and a rate over virtual time, changed in steps, bent by a slew, stopped, or made to jump to and
//! fro.

use crate::time::VirtualTime;

/// A clock that reads `base + (t - since) × rate`. Rates are exact integers: one plus `drift_ppb` billionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    base_ns: u64,
    since: VirtualTime,
    drift_ppb: i64,
    bend: Bend,
}

/// What a clock does besides running at its rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bend {
    None,
    /// It makes up for an offset: until then it runs faster or slower by so much.
    Slew {
        until: VirtualTime,
        by_ppb: i64,
    },
    /// It stands still.
    Frozen,
    /// It shows so much more or less in every second period.
    Strobe {
        by_ns: i64,
        period_ns: u64,
    },
}

/// The greatest drift that a clock takes, in billionths: half speed to one and a half times.
pub const DRIFT_PPB_MAX: i64 = 500_000_000;

/// How fast a clock is slewed: adjtime(3) and NTP move it by at most 500 millionths, 0.5 ms in a second.
pub const SLEW_PPB: i64 = 500_000;

const BILLION: u128 = 1_000_000_000;

fn scaled(passed_ns: u64, rate_ppb: i64) -> u64 {
    if rate_ppb == 0 {
        return passed_ns;
    }
    let rate = (BILLION as i128 + i128::from(rate_ppb)).max(1) as u128;
    u64::try_from(u128::from(passed_ns) * rate / BILLION).unwrap_or(u64::MAX)
}

/// The least time in which a clock of this rate moves by `ahead_ns`.
fn unscaled(ahead_ns: u64, rate_ppb: i64) -> u64 {
    if rate_ppb == 0 {
        return ahead_ns;
    }
    let rate = (BILLION as i128 + i128::from(rate_ppb)).max(1) as u128;
    u64::try_from((u128::from(ahead_ns) * BILLION).div_ceil(rate)).unwrap_or(u64::MAX)
}

impl Clock {
    /// A clock that read `base_ns` when the simulation began and keeps perfect time.
    #[must_use]
    pub const fn starting_at(base_ns: u64) -> Self {
        Self { base_ns, since: VirtualTime::ZERO, drift_ppb: 0, bend: Bend::None }
    }

    /// What the clock shows at `t`, in nanoseconds of its own.
    #[inline]
    #[must_use]
    pub fn read_ns(&self, t: VirtualTime) -> u64 {
        let passed = t.as_nanos().saturating_sub(self.since.as_nanos());
        match self.bend {
            Bend::None if self.drift_ppb == 0 => self.base_ns.saturating_add(passed),
            _ => self.read_bent(passed),
        }
    }

    #[cold]
    fn read_bent(&self, passed: u64) -> u64 {
        let straight = |passed| self.base_ns.saturating_add(scaled(passed, self.drift_ppb));
        match self.bend {
            Bend::None => straight(passed),
            Bend::Frozen => self.base_ns,
            Bend::Slew { until, by_ppb } => {
                let slewed = passed.min(until.as_nanos() - self.since.as_nanos());
                let then = self.base_ns.saturating_add(scaled(slewed, self.drift_ppb + by_ppb));
                then.saturating_add(scaled(passed - slewed, self.drift_ppb))
            }
            Bend::Strobe { by_ns, period_ns } => {
                let off = if passed / period_ns % 2 == 1 { by_ns } else { 0 };
                straight(passed).saturating_add_signed(off)
            }
        }
    }

    /// The first instant at which the clock shows `ns` or more; [`VirtualTime::ZERO`] or the past if it already has, and the
    /// end of time if it never will. Of a clock that jumps to and fro: as though it did not.
    #[inline]
    #[must_use]
    pub fn when_ns(&self, ns: u64) -> VirtualTime {
        let ahead = ns.saturating_sub(self.base_ns);
        match self.bend {
            Bend::None if self.drift_ppb == 0 => self.since.after_nanos(ahead),
            _ => self.when_bent(ahead),
        }
    }

    #[cold]
    fn when_bent(&self, ahead: u64) -> VirtualTime {
        let passed = match self.bend {
            Bend::None | Bend::Strobe { .. } => unscaled(ahead, self.drift_ppb),
            Bend::Frozen if ahead == 0 => 0,
            Bend::Frozen => u64::MAX,
            Bend::Slew { until, by_ppb } => {
                let slewed = until.as_nanos() - self.since.as_nanos();
                let gained = scaled(slewed, self.drift_ppb + by_ppb);
                match ahead.checked_sub(gained) {
                    Some(rest) if rest > 0 => slewed.saturating_add(unscaled(rest, self.drift_ppb)),
                    _ => unscaled(ahead, self.drift_ppb + by_ppb),
                }
            }
        };
        self.since.after_nanos(passed)
    }

    /// Begins anew at `now`, from what the clock shows. A slew that has not ended goes on.
    fn rebase(&mut self, now: VirtualTime) {
        let jumping = matches!(self.bend, Bend::Strobe { .. });
        let shown = if jumping { Self { bend: Bend::None, ..*self }.read_ns(now) } else { self.read_ns(now) };
        (self.base_ns, self.since) = (shown, now);
        if matches!(self.bend, Bend::Slew { until, .. } if until <= now) {
            self.bend = Bend::None;
        }
    }

    /// From `now` on, the clock runs at one plus `drift_ppb` billionths, held within [`DRIFT_PPB_MAX`].
    pub fn set_drift(&mut self, now: VirtualTime, drift_ppb: i64) {
        self.rebase(now);
        self.drift_ppb = drift_ppb.clamp(-DRIFT_PPB_MAX, DRIFT_PPB_MAX);
    }

    /// The rate, in billionths more or less than one; a slew left out.
    #[must_use]
    pub fn drift_ppb(&self) -> i64 {
        self.drift_ppb
    }

    /// At `now` the clock jumps by `step_ns`. A monotonic clock must only be stepped forward.
    pub fn step(&mut self, now: VirtualTime, step_ns: i64) {
        self.rebase(now);
        self.base_ns = self.base_ns.saturating_add_signed(step_ns);
    }

    /// From `now` on the clock makes up for an offset of `by_ns`, at [`SLEW_PPB`], as NTP does: it never jumps, and never
    /// goes back. A slew that is under way is given up where it is.
    pub fn slew(&mut self, now: VirtualTime, by_ns: i64) {
        self.rebase(now);
        let by_ppb = SLEW_PPB * by_ns.signum();
        let lasts = u128::from(by_ns.unsigned_abs()) * BILLION / SLEW_PPB.unsigned_abs() as u128;
        let until = now.after_nanos(u64::try_from(lasts).unwrap_or(u64::MAX));
        self.bend = if by_ns == 0 { Bend::None } else { Bend::Slew { until, by_ppb } };
    }

    /// At `now` the clock stops: a monotonic one does while its machine is suspended (clock_gettime(2): `CLOCK_MONOTONIC`
    /// "does not count time that the system is suspended").
    pub fn freeze(&mut self, now: VirtualTime) {
        self.rebase(now);
        self.bend = Bend::Frozen;
    }

    /// From `now` on the clock shows `by_ns` more in every second period of `period_ns`, the second one first. For wall
    /// clocks alone.
    pub fn strobe(&mut self, now: VirtualTime, by_ns: i64, period_ns: u64) {
        self.rebase(now);
        self.bend = Bend::Strobe { by_ns, period_ns: period_ns.max(1) };
    }

    /// From `now` on the clock runs evenly at its rate, from what it shows: thawed, its slew given up, jumping no more.
    pub fn run_evenly(&mut self, now: VirtualTime) {
        self.rebase(now);
        self.bend = Bend::None;
    }

    /// Sees to it that the clock does not show less at `now` than it did.
    pub(crate) fn hold_to(&mut self, now: VirtualTime, least_ns: u64) {
        let behind = least_ns.saturating_sub(self.read_ns(now));
        self.base_ns = self.base_ns.saturating_add(behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_slew_makes_up_for_its_offset_and_then_ends() {
        for by_ns in [1_000_000, -1_000_000] {
            let mut clock = Clock::starting_at(0);
            clock.slew(VirtualTime::ZERO, by_ns);
            // A millisecond at half a millisecond per second.
            assert_eq!(clock.read_ns(VirtualTime::from_nanos(1_000_000_000)) as i64, 1_000_000_000 + by_ns / 2);
            assert_eq!(clock.read_ns(VirtualTime::from_nanos(2_000_000_000)) as i64, 2_000_000_000 + by_ns);
            assert_eq!(clock.read_ns(VirtualTime::from_nanos(9_000_000_000)) as i64, 9_000_000_000 + by_ns);
        }
    }

    #[test]
    fn a_frozen_clock_stands_still_and_goes_on_from_there() {
        let mut clock = Clock::starting_at(5);
        clock.freeze(VirtualTime::from_nanos(10));
        assert_eq!(clock.read_ns(VirtualTime::from_nanos(1_000)), 15);
        assert_eq!(clock.when_ns(16), VirtualTime::from_nanos(u64::MAX));
        clock.run_evenly(VirtualTime::from_nanos(1_000));
        assert_eq!(clock.when_ns(16), VirtualTime::from_nanos(1_001));
    }

    #[test]
    fn a_strobe_jumps_to_and_fro_and_leaves_nothing() {
        let mut clock = Clock::starting_at(0);
        clock.strobe(VirtualTime::ZERO, 500, 100);
        let shown = [50, 150, 250, 350].map(|t| clock.read_ns(VirtualTime::from_nanos(t)));
        assert_eq!(shown, [50, 650, 250, 850]);
        clock.run_evenly(VirtualTime::from_nanos(350));
        assert_eq!(clock.read_ns(VirtualTime::from_nanos(400)), 400);
    }
}
