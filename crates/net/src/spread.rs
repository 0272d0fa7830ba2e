//! How delays are distributed, and draws from it. Nothing here asks the processor's own mathematics, whose last digits
//! differ between machines: the logarithms are `libm`'s.

use std::time::Duration;

use stormglass_kernel::saturating_nanos;

/// The distribution of what a link adds to its least latency. `jitter` of the link is its scale.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Spread {
    /// Uniform from zero to `jitter`. With no jitter: constant.
    #[default]
    Uniform,
    /// Exponential with the mean `jitter`: queues of many small delays.
    Exponential,
    /// Log-normal with the median `jitter`: the long tail of wide-area paths.
    LogNormal {
        /// Thousandths of the standard deviation of the delay's logarithm; 1,000 is a factor of e.
        sigma_thousandths: u32,
    },
    /// Uniform from zero to `jitter`, and for some packets a detour on top.
    Bimodal {
        /// The detour, one way.
        detour: Duration,
        /// Parts per million of packets that take it.
        detour_ppm: u32,
    },
}

/// The same in the unit of the hot path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Uniform,
    Exponential,
    LogNormal { sigma: f64 },
    Bimodal { detour_ns: u64, detour_ppm: u32 },
}

impl From<Spread> for Shape {
    fn from(spread: Spread) -> Self {
        match spread {
            Spread::Uniform => Self::Uniform,
            Spread::Exponential => Self::Exponential,
            Spread::LogNormal { sigma_thousandths } => {
                Self::LogNormal { sigma: f64::from(sigma_thousandths) / 1_000.0 }
            }
            Spread::Bimodal { detour, detour_ppm } => Self::Bimodal { detour_ns: saturating_nanos(detour), detour_ppm },
        }
    }
}

/// No draw is longer: an hour, as no packet lives longer than its time to live lets it.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// A number in (0, 1), never its ends.
fn open_unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

/// `bits` as a number in `0..=high`.
fn below(bits: u64, high: u64) -> u64 {
    ((u128::from(bits) * (u128::from(high) + 1)) >> 64) as u64
}

impl Shape {
    /// What is added to the least latency, in nanoseconds, given the link's scale and two words of random bits.
    pub(crate) fn draw(self, scale_ns: u64, bits: u64, more: u64) -> u64 {
        let drawn = match self {
            Self::Uniform => return below(bits, scale_ns),
            Self::Bimodal { detour_ns, detour_ppm } => {
                let takes_it = below(more, 999_999) < u64::from(detour_ppm);
                return below(bits, scale_ns).saturating_add(if takes_it { detour_ns } else { 0 });
            }
            Self::Exponential => -libm::log(open_unit(bits)) * scale_ns as f64,
            Self::LogNormal { sigma } => {
                // Box and Muller.
                let radius = libm::sqrt(-2.0 * libm::log(open_unit(bits)));
                let normal = radius * libm::cos(2.0 * std::f64::consts::PI * open_unit(more));
                libm::exp(sigma * normal) * scale_ns as f64
            }
        };
        (drawn as u64).min(LONGEST_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_kernel::mix;

    const MS: u64 = 1_000_000;

    fn draws(spread: Spread) -> Vec<u64> {
        let shape = Shape::from(spread);
        let mut all: Vec<u64> = (0..100_000).map(|i| shape.draw(10 * MS, mix(1, i), mix(2, i))).collect();
        all.sort_unstable();
        all
    }

    fn mean(all: &[u64]) -> u64 {
        all.iter().sum::<u64>() / all.len() as u64
    }

    #[test]
    fn each_distribution_has_the_mean_median_and_tail_of_its_law() {
        let uniform = draws(Spread::Uniform);
        assert!((4_950 * MS / 1_000..5_050 * MS / 1_000).contains(&mean(&uniform)));
        assert!(uniform[99_999] <= 10 * MS);
        let exponential = draws(Spread::Exponential);
        assert!((9_800 * MS / 1_000..10_200 * MS / 1_000).contains(&mean(&exponential)), "{}", mean(&exponential));
        // The median of an exponential is its mean times ln 2, its 99th percentile 4.6 times the mean.
        assert!((6_800 * MS / 1_000..7_060 * MS / 1_000).contains(&exponential[50_000]));
        assert!((44 * MS..48 * MS).contains(&exponential[99_000]));
        let log_normal = draws(Spread::LogNormal { sigma_thousandths: 500 });
        assert!((9_850 * MS / 1_000..10_150 * MS / 1_000).contains(&log_normal[50_000]));
        // One standard deviation up is a factor of e^0.5.
        assert!((16 * MS..17 * MS).contains(&log_normal[84_134]));
        let bimodal = draws(Spread::Bimodal { detour: Duration::from_millis(100), detour_ppm: 50_000 });
        let slow = bimodal.iter().filter(|&&d| d >= 100 * MS).count();
        assert!((4_700..5_300).contains(&slow), "{slow} of 100,000 at 5 %");
        assert!(bimodal.iter().all(|&d| d <= 10 * MS || d >= 100 * MS));
    }

    #[test]
    fn draws_are_the_same_on_every_machine() {
        let draw = |spread: Spread| Shape::from(spread).draw(1_000_000, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        assert_eq!(draw(Spread::Exponential), 5_416_100);
        assert_eq!(draw(Spread::LogNormal { sigma_thousandths: 1_000 }), 26_841_459);
    }
}
