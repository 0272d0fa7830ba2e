//! The seed: one number that is the whole weather of a run, and the ways people write it down.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// The number from which every random choice of a run is derived.
///
/// Printed as 16 hexadecimal digits and written as that string in JSON and TOML, whose numbers cannot carry 64 bits.
///
/// # How text is read
///
/// | text | read as |
/// |---|---|
/// | `0x` and 1 to 16 hexadecimal digits | hexadecimal |
/// | exactly 16 hexadecimal digits | hexadecimal, **even if all of them are decimal digits** |
/// | exactly 40 hexadecimal digits (a git commit) | its first 16 digits, hexadecimal |
/// | any other number of decimal digits | decimal |
///
/// The one ambiguity is a text of 16 decimal digits. It is hexadecimal, because that is how a seed prints, and what is
/// printed must parse back to itself. Nothing is trimmed and nothing is guessed: `abc` is an error and not `0xabc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

/// Why a text is not a seed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SeedError {
    /// There was no text.
    #[error("an empty text is not a seed: write a decimal number, 0x and hexadecimal digits, or 16 hexadecimal digits")]
    Empty,
    /// A decimal number, or the digits after `0x`, need more than 64 bits.
    #[error("seed `{text}` does not fit into 64 bits: the largest is 18446744073709551615 or 0xffffffffffffffff")]
    TooLarge {
        /// The text as it was given.
        text: String,
    },
    /// Hexadecimal digits without `0x`, and neither 16 nor 40 of them.
    #[error(
        "seed `{text}` has {digits} hexadecimal digits: write 0x before them, \
         or all 16 digits of a seed, or all 40 of a git commit"
    )]
    HexLength {
        /// The text as it was given.
        text: String,
        /// How many digits it has.
        digits: usize,
    },
    /// A character that no seed contains.
    #[error("seed `{text}` has `{found}` at character {position}, where a digit was expected")]
    Character {
        /// The text as it was given.
        text: String,
        /// The offending character.
        found: char,
        /// Its place, counted from 1.
        position: usize,
    },
    /// `0x` with nothing after it.
    #[error("seed `{text}` has no digit after 0x")]
    NoDigits {
        /// The text as it was given.
        text: String,
    },
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:016x}", self.0))
    }
}

impl From<u64> for Seed {
    fn from(value: u64) -> Seed {
        Seed(value)
    }
}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Seed, SeedError> {
        if text.is_empty() {
            return Err(SeedError::Empty);
        }
        let too_large = || SeedError::TooLarge { text: text.to_owned() };
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            if digits.is_empty() {
                return Err(SeedError::NoDigits { text: text.to_owned() });
            }
            all_hex(text, digits, 2)?;
            // Leading zeros past 16 digits would be harmless, but a text that long is a slip: refuse it.
            return if digits.len() > 16 { Err(too_large()) } else { hex(digits).ok_or_else(too_large) };
        }
        all_hex(text, text, 0)?;
        match text.len() {
            16 => hex(text).ok_or_else(too_large),
            40 => hex(&text[..16]).ok_or_else(too_large),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Seed).map_err(|_| too_large()) // digits only: overflow is all that can fail
            }
            digits => Err(SeedError::HexLength { text: text.to_owned(), digits }),
        }
    }
}

fn hex(digits: &str) -> Option<Seed> {
    u64::from_str_radix(digits, 16).ok().map(Seed)
}

fn all_hex(text: &str, digits: &str, skipped: usize) -> Result<(), SeedError> {
    match digits.chars().enumerate().find(|(_, found)| !found.is_ascii_hexdigit()) {
        None => Ok(()),
        Some((at, found)) => Err(SeedError::Character { text: text.to_owned(), found, position: skipped + at + 1 }),
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seed, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_prints_as_sixteen_digits_and_parses_back() {
        for value in [0, 1, 0x1234_5678_9012_3456, u64::MAX] {
            let text = Seed(value).to_string();
            assert_eq!(text.len(), 16);
            assert_eq!(text.parse(), Ok(Seed(value)));
        }
    }

    #[test]
    fn every_documented_form_is_read() {
        assert_eq!("42".parse(), Ok(Seed(42)));
        assert_eq!("0x2A".parse(), Ok(Seed(42)));
        assert_eq!("000000000000002a".parse(), Ok(Seed(42)));
        assert_eq!("da39a3ee5e6b4b0d3255bfef95601890afd80709".parse(), Ok(Seed(0xda39_a3ee_5e6b_4b0d)));
        assert_eq!("18446744073709551615".parse(), Ok(Seed(u64::MAX)));
    }

    #[test]
    fn sixteen_decimal_digits_are_hexadecimal_and_fifteen_are_decimal() {
        assert_eq!("1000000000000000".parse(), Ok(Seed(0x1000_0000_0000_0000)));
        assert_eq!("100000000000000".parse(), Ok(Seed(100_000_000_000_000)));
    }

    #[test]
    fn what_is_no_seed_says_why() {
        assert_eq!("".parse::<Seed>(), Err(SeedError::Empty));
        assert_eq!("abc".parse::<Seed>(), Err(SeedError::HexLength { text: "abc".into(), digits: 3 }));
        assert_eq!("12 ".parse::<Seed>(), Err(SeedError::Character { text: "12 ".into(), found: ' ', position: 3 }));
        assert_eq!("0x".parse::<Seed>(), Err(SeedError::NoDigits { text: "0x".into() }));
        for large in ["18446744073709551616", "0x10000000000000000"] {
            assert_eq!(large.parse::<Seed>(), Err(SeedError::TooLarge { text: large.into() }));
        }
        assert!("-1".parse::<Seed>().is_err() && "é".parse::<Seed>().is_err());
    }

    #[test]
    fn json_holds_a_string() {
        assert_eq!(serde_json::to_string(&Seed(42)).expect("writes"), "\"000000000000002a\"");
        assert_eq!(serde_json::from_str::<Seed>("\"42\"").expect("reads"), Seed(42));
        assert!(serde_json::from_str::<Seed>("42").is_err(), "a number may have lost bits already");
    }
}
