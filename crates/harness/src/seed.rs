//! The seed: 64 bits, and a range of them. Seeds are the only thing that tells one run of a scenario from another, so
//! every spelling a person may paste (decimal, hex, a git hash) is understood in one place.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Not a seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a seed: give a decimal number, hex (0x… or 16 digits), or a git hash (40 or 64 hex digits)")]
pub struct SeedError(pub String);

impl FromStr for Seed {
    type Err = SeedError;
    fn from_str(text: &str) -> Result<Self, SeedError> {
        let bad = || SeedError(text.to_owned());
        let hex = |digits: &str| u64::from_str_radix(digits, 16).map(Seed).map_err(|_| bad());
        if let Some(digits) = text.strip_prefix("0x") {
            return hex(digits);
        }
        match text.len() {
            16 => hex(text),
            40 | 64 => hex(text.get(..16).ok_or_else(bad)?),
            _ => text.parse().map(Seed).map_err(|_| bad()),
        }
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
