//! Keyed randomness: every lane of the planner draws from a stream of its own, so that lanes never disturb each other.
//!
//! All sampling is integer arithmetic. The platform's `ln` and `exp` differ between processors and C libraries, and a
//! plan must be the same wherever its seed is replayed.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{Probability, Seed};

/// Domain separation of the key derivation. Changing it changes every plan that any seed draws.
const KEY_DOMAIN: &str = "stormglass-faults stream key, version 1";

/// A deterministic source of random choices, a pure function of `(seed, domain, ordinal)`.
///
/// ChaCha8 keyed by a hash of seed and domain, with the ordinal as its stream number: two streams that differ in any of
/// the three are independent. A stream is meant for one *thing* (the 7th crash, the swarm's coin for pauses); draw for
/// another thing from another stream.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// The stream of the thing `ordinal` in `domain`, a stable label such as `plan.crash`.
    #[must_use]
    pub fn new(seed: Seed, domain: &str, ordinal: u64) -> Stream {
        let mut material = seed.0.to_le_bytes().to_vec();
        material.extend_from_slice(domain.as_bytes());
        let mut rng = ChaCha8Rng::from_seed(blake3::derive_key(KEY_DOMAIN, &material));
        rng.set_stream(ordinal);
        Stream { rng }
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A uniform number below `bound`, without bias (Lemire, *Fast Random Integer Generation in an Interval*, 2019).
    /// Zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// A uniform number of a range, both ends included. A reversed range is read the right way round.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = ordered(&range);
        match (high - low).checked_add(1) {
            Some(span) => low + self.below(span),
            None => self.bits(),
        }
    }

    /// A number of a range, both ends included, whose *magnitude* is uniform: as likely in 10–20 as in 100–200. A lower
    /// end of zero counts as one.
    pub fn log_range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = ordered(&range);
        let (low, high) = (low.max(1), high.max(1));
        exp2(self.range(log2(low)..=log2(high))).clamp(low, high)
    }

    /// A duration of a range, both ends included, with uniform magnitude; see [`Stream::log_range`]. Whole microseconds,
    /// which keeps plans legible and still falls between any two steps of a service.
    pub fn log_duration(&mut self, range: RangeInclusive<Duration>) -> Duration {
        Duration::from_micros(self.log_range(micros(*range.start())..=micros(*range.end())))
    }

    /// A uniform duration of a range, both ends included, in whole microseconds.
    pub fn duration(&mut self, range: RangeInclusive<Duration>) -> Duration {
        Duration::from_micros(self.range(micros(*range.start())..=micros(*range.end())))
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: Probability) -> bool {
        probability.happens(self.bits())
    }

    /// One of the choices, each as likely as its weight; `None` if there are none or all weigh nothing.
    pub fn weighted<'a, T>(&mut self, choices: &'a [(u32, T)]) -> Option<&'a T> {
        let total = choices.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut left = self.below(total);
        choices.iter().find_map(|(weight, choice)| match left.checked_sub(u64::from(*weight)) {
            None => Some(choice),
            Some(rest) => {
                left = rest;
                None
            }
        })
    }

    /// One of the items, all alike; `None` if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len() as u64) as usize)
    }

    /// Puts the items into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// A random subset of the given size, in the items' own order; all of them if there are not so many.
    pub fn subset<T: Clone>(&mut self, items: &[T], size: usize) -> Vec<T> {
        let mut places: Vec<usize> = (0..items.len()).collect();
        self.shuffle(&mut places);
        places.truncate(size);
        places.sort_unstable();
        places.into_iter().map(|place| items[place].clone()).collect()
    }
}

fn ordered(range: &RangeInclusive<u64>) -> (u64, u64) {
    let (start, end) = (*range.start(), *range.end());
    (start.min(end), start.max(end))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Binary digits after the point of a logarithm.
const FRACTION: u32 = 16;

/// `ROOTS[k]` is 2 to the power 2^-(k+1), with 62 binary digits after the point.
const ROOTS: [u64; FRACTION as usize] = {
    let mut roots = [0; FRACTION as usize];
    let mut root = 2u128 << 62;
    let mut at = 0;
    while at < roots.len() {
        root = (root << 62).isqrt();
        roots[at] = root as u64;
        at += 1;
    }
    roots
};

/// Binary logarithm of a positive number, rounded down, with [`FRACTION`] binary digits.
fn log2(number: u64) -> u64 {
    let whole = number.max(1).ilog2();
    let mut mantissa = u128::from(number.max(1)) << (63 - whole);
    let mut log = u64::from(whole);
    for _ in 0..FRACTION {
        mantissa = (mantissa * mantissa) >> 63;
        let carry = mantissa >> 64;
        mantissa >>= carry;
        log = log << 1 | carry as u64;
    }
    log
}

/// Two to a power with [`FRACTION`] binary digits, rounded to the nearest; the largest number if that does not fit.
fn exp2(power: u64) -> u64 {
    let whole = power >> FRACTION;
    if whole > 63 {
        return u64::MAX;
    }
    let mut mantissa = 1u128 << 62;
    for (at, root) in ROOTS.iter().enumerate() {
        if power >> (FRACTION as usize - 1 - at) & 1 == 1 {
            mantissa = (mantissa * u128::from(*root)) >> 62;
        }
    }
    u64::try_from(((mantissa << whole) + (1 << 61)) >> 62).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(ordinal: u64) -> Stream {
        Stream::new(Seed(7), "test", ordinal)
    }

    #[test]
    fn a_stream_depends_on_seed_domain_and_ordinal_and_on_nothing_else() {
        let first = |seed, domain, ordinal| Stream::new(Seed(seed), domain, ordinal).bits();
        assert_eq!(first(1, "a", 0), first(1, "a", 0));
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1), first(1, "aa", 0)];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one));
        }
    }

    /// Plans of old seeds must stay what they were: these numbers may only change with a note to users.
    #[test]
    fn the_expansion_of_a_seed_is_pinned() {
        let mut stream = Stream::new(Seed(0x5eed), "plan.crash", 3);
        let drawn: Vec<u64> = (0..3).map(|_| stream.bits()).collect();
        assert_eq!(drawn, [8015286852805854184, 9527037284828303703, 556940856252143454]);
    }

    #[test]
    fn logarithms_are_inverse_to_powers_within_a_few_parts_in_a_hundred_thousand() {
        for number in [1, 2, 3, 10, 1_000, 999_983, 1 << 40, u64::MAX / 3] {
            let back = exp2(log2(number));
            let off = number.abs_diff(back);
            assert!(u128::from(off) * 40_000 <= u128::from(number), "{number} became {back}");
        }
        assert_eq!((log2(8), exp2(3 << FRACTION)), (3 << FRACTION, 8));
    }

    #[test]
    fn magnitudes_are_uniform() {
        let mut decades = [0u32; 3];
        let mut stream = stream(0);
        for _ in 0..30_000 {
            let drawn = stream.log_range(10..=9_999);
            decades[drawn.ilog10() as usize - 1] += 1;
        }
        assert!(decades.iter().all(|count| count.abs_diff(10_000) < 500), "{decades:?}");
    }

    #[test]
    fn ranges_hold_their_ends_and_both_are_reached() {
        let mut stream = stream(1);
        let drawn: Vec<u64> = (0..200).map(|_| stream.range(3..=5)).collect();
        assert!(drawn.iter().all(|number| (3..=5).contains(number)));
        assert!([3, 4, 5].iter().all(|number| drawn.contains(number)));
        assert!((3..=5).contains(&stream.range(RangeInclusive::new(5, 3))));
        assert_eq!((stream.range(9..=9), stream.log_range(9..=9), stream.below(0)), (9, 9, 0));
    }

    #[test]
    fn weights_are_kept() {
        let mut stream = stream(2);
        let mut counts = [0u32; 3];
        for _ in 0..10_000 {
            counts[*stream.weighted(&[(1, 0), (0, 1), (3, 2)]).expect("some weight")] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!(counts[0].abs_diff(2_500) < 200, "{counts:?}");
        assert_eq!(stream.weighted::<u8>(&[]), None);
        assert_eq!(stream.weighted(&[(0, 'x')]), None);
    }

    #[test]
    fn a_subset_has_its_size_and_keeps_the_order() {
        let mut stream = stream(3);
        for size in 0..=6 {
            let subset = stream.subset(&[1, 2, 3, 4, 5], size);
            assert_eq!(subset.len(), size.min(5));
            assert!(subset.is_sorted_by(|a, b| a < b));
        }
    }
}
