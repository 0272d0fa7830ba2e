//! What became of each fault of a plan, for verdicts and reports.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Family, FaultId, Hits, Kind};

/// One fault's fate in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its id.
    pub id: FaultId,
    /// Its line of text, without the id.
    pub text: String,
    /// The line as it was carried out, for a fault with a trigger: who `@it` was, and when.
    #[serde(default)]
    pub struck: Option<String>,
    /// Its kind.
    pub kind: Kind,
    /// Its family.
    pub family: Family,
    /// When it began, in virtual time; `None` if the run ended before, or if it was refused. Nanoseconds when serialized.
    #[serde(with = "nanos")]
    pub begun_at: Option<Duration>,
    /// When it last ended, by itself or by calm; `None` if it never did. Nanoseconds when serialized.
    #[serde(with = "nanos")]
    pub ended_at: Option<Duration>,
    /// What it hit.
    pub hits: Hits,
    /// It began and hit nothing: it proves nothing.
    pub vacuous: bool,
    /// The scenario demands that it hit something.
    pub must_hit: bool,
    /// Why it, or a part of it, was not carried out.
    pub refused: Option<String>,
}

impl FaultRecord {
    /// Whether a run that demanded this fault can count: it began, in full, and hit.
    #[must_use]
    pub fn demand_met(&self) -> bool {
        !self.must_hit || (self.begun_at.is_some() && !self.vacuous && self.refused.is_none())
    }
}

/// Durations as whole nanoseconds, which every reader of JSON keeps exact for half a year of virtual time.
mod nanos {
    use super::{Deserialize, Duration, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_nanos))
    }
}
