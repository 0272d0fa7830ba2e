//! A range of seeds, as `--seeds A..B` gives it and a ledger's header keeps it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::Seed;

/// The seeds from `first` up to but not including `end`, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first seed.
    pub first: u64,
    /// The seed after the last; `None` goes on to the end of the seeds.
    pub end: Option<u64>,
}

/// Not a range of seeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a range of seeds: {what}; write A..B (B excluded), A..=B, A.. or N for 0..N")]
pub struct SeedRangeError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub what: String,
}

impl SeedRange {
    /// How many seeds the range has; `None` where it has no end.
    pub fn len(&self) -> Option<u64> {
        self.end.map(|end| end.saturating_sub(self.first))
    }

    /// Whether the range has no seed at all.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Whether `seed` lies in the range.
    pub fn contains(&self, seed: u64) -> bool {
        seed >= self.first && self.end.is_none_or(|end| seed < end)
    }

    /// The seeds in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<> {
        let (first, end) = (self.first, self.end);
        std::iter::successors(Some(first), |seed| seed.checked_add(1))
            .take_while(move |seed| end.is_none_or(|end| *seed < end))
    }
}

impl fmt::Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}..{end}", self.first),
            None => write!(f, "{}..", self.first),
        }
    }
}

impl FromStr for SeedRange {
    type Err = SeedRangeError;

    fn from_str(text: &str) -> Result<Self, SeedRangeError> {
        let bad = |what: String| SeedRangeError { text: text.to_owned(), what };
        let seed = |part: &str| part.trim().parse::<Seed>().map(|seed| seed.0).map_err(|error| bad(error.to_string()));
        let Some((left, right)) = text.split_once("..") else {
            return Ok(SeedRange { first: 0, end: Some(seed(text)?) });
        };
        let first = if left.trim().is_empty() { 0 } else { seed(left)? };
        let end = match right.strip_prefix('=') {
            // After the last seed of all comes none: a range that reaches it has no end.
            Some(last) => seed(last)?.checked_add(1),
            None if right.trim().is_empty() => None,
            None => Some(seed(right)?),
        };
        if end.is_some_and(|end| end < first) {
            return Err(bad("it ends before it begins".to_owned()));
        }
        Ok(SeedRange { first, end })
    }
}

impl Serialize for SeedRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SeedRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_prints_as_it_is_written() {
        for text in ["0..10", "5..", "7..7"] {
            assert_eq!(text.parse::<SeedRange>().unwrap().to_string(), text);
        }
        assert_eq!("12".parse::<SeedRange>().unwrap().to_string(), "0..12");
        assert_eq!("..=3".parse::<SeedRange>().unwrap().to_string(), "0..4");
        assert_eq!("0x10..0x12".parse::<SeedRange>().unwrap().iter().collect::<Vec<_>>(), [16, 17]);
    }

    #[test]
    fn a_range_can_reach_the_last_seed_of_all() {
        let range: SeedRange = "18446744073709551614..=18446744073709551615".parse().unwrap();
        assert_eq!(range.iter().collect::<Vec<_>>(), [u64::MAX - 1, u64::MAX]);
        assert!(range.contains(u64::MAX));
    }

    #[test]
    fn what_is_not_a_range_says_what_is() {
        let error = "9..3".parse::<SeedRange>().unwrap_err().to_string();
        assert!(error.contains("ends before it begins") && error.contains("A..B"), "{error}");
        let error = "a..b".parse::<SeedRange>().unwrap_err().to_string();
        assert!(error.contains("seed `a`") && error.contains("A..B"), "{error}");
    }
}
