//! A probability that is exact: an integer count of millionths, so that plans round-trip and processors agree.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

const WHOLE: u32 = 1_000_000;

/// A number from 0 to 1 in steps of one millionth (ppm).
///
/// Printed as a percentage (`5%`, `0.0001%`); read from a percentage with at most four decimals or from a fraction with
/// at most six (`0.05`). More decimals are an error rather than rounded, since what is printed must be what was meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

/// Why a text or a number is not a probability.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProbabilityError {
    /// It is greater than one.
    #[error("probability `{given}` is greater than 1: write a fraction from 0 to 1 or a percentage from 0% to 100%")]
    TooLarge {
        /// What was given.
        given: String,
    },
    /// It needs steps finer than one millionth.
    #[error("probability `{given}` is finer than one millionth: at most 4 decimals before % and 6 without")]
    TooFine {
        /// What was given.
        given: String,
    },
    /// It is no number.
    #[error("`{given}` is not a probability: write it as `5%` or `0.05`")]
    NotANumber {
        /// What was given.
        given: String,
    },
}

impl Probability {
    /// What never happens.
    pub const ZERO: Probability = Probability(0);
    /// What always happens.
    pub const ONE: Probability = Probability(WHOLE);

    /// A whole percentage, checked when compiled: `Probability::percent::<5>()`.
    #[must_use]
    pub const fn percent<const PERCENT: u32>() -> Probability {
        const { assert!(PERCENT <= 100, "a probability is at most 100 percent") };
        Probability(PERCENT * (WHOLE / 100))
    }

    /// From millionths.
    ///
    /// # Errors
    /// [`ProbabilityError::TooLarge`] above 1,000,000.
    pub fn from_ppm(ppm: u32) -> Result<Probability, ProbabilityError> {
        if ppm > WHOLE {
            return Err(ProbabilityError::TooLarge { given: format!("{ppm} ppm") });
        }
        Ok(Probability(ppm))
    }

    /// In millionths, 0 to 1,000,000.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// Whether an event of this probability happens, given 64 uniform random bits. Integer arithmetic only.
    #[must_use]
    pub const fn happens(self, bits: u64) -> bool {
        ((bits as u128 * WHOLE as u128) >> 64) < self.0 as u128
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return f.pad(&format!("{whole}%"));
        }
        let decimals = format!("{rest:04}");
        f.pad(&format!("{whole}.{}%", decimals.trim_end_matches('0')))
    }
}

impl FromStr for Probability {
    type Err = ProbabilityError;

    fn from_str(text: &str) -> Result<Probability, ProbabilityError> {
        let given = || text.to_owned();
        let (number, decimals_max) = match text.strip_suffix('%') {
            Some(number) => (number, 4),
            None => (text, 6),
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(ProbabilityError::NotANumber { given: given() });
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > decimals_max {
            return Err(ProbabilityError::TooFine { given: given() });
        }
        let scaled = format!("{whole}{decimals:0<decimals_max$}");
        match scaled.parse::<u32>() {
            Ok(ppm) if ppm <= WHOLE => Ok(Probability(ppm)),
            _ => Err(ProbabilityError::TooLarge { given: given() }),
        }
    }
}

impl Serialize for Probability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Probability, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_fractions_are_the_same_value() {
        for (text, ppm) in [("5%", 50_000), ("0.05", 50_000), ("0.0001%", 1), ("0.000001", 1), ("1", 1_000_000)] {
            assert_eq!(text.parse::<Probability>().map(Probability::ppm), Ok(ppm), "{text}");
        }
        assert_eq!(Probability::percent::<5>().ppm(), 50_000);
    }

    #[test]
    fn every_value_prints_and_parses_back() {
        for ppm in (0..=WHOLE).step_by(37).chain([1, WHOLE]) {
            let probability = Probability::from_ppm(ppm).expect("in range");
            assert_eq!(probability.to_string().parse(), Ok(probability));
        }
    }

    #[test]
    fn what_is_not_exact_or_not_in_range_is_refused() {
        use ProbabilityError as E;
        assert_eq!("1.000001".parse::<Probability>(), Err(E::TooLarge { given: "1.000001".into() }));
        assert_eq!("101%".parse::<Probability>(), Err(E::TooLarge { given: "101%".into() }));
        assert_eq!("0.00001%".parse::<Probability>(), Err(E::TooFine { given: "0.00001%".into() }));
        for text in ["", "%", "-1", "1e-3", ".5", "1.", "NaN", "99999999999999999999.%"] {
            assert_eq!(text.parse::<Probability>(), Err(E::NotANumber { given: text.into() }), "{text}");
        }
        assert!(Probability::from_ppm(WHOLE + 1).is_err());
    }

    #[test]
    fn zero_never_happens_and_one_always_does() {
        for bits in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Probability::ZERO.happens(bits));
            assert!(Probability::ONE.happens(bits));
        }
        let half = Probability::percent::<50>();
        assert!(half.happens(u64::MAX / 2) && !half.happens(u64::MAX / 2 + 1));
    }
}
