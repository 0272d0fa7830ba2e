//! What a seed switched on, for people who read a failure and for campaigns that count what they tried.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Pattern;
use crate::{EffectKind, Family, Kind, Probability};

/// The swarm's choice in one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwarmChoice {
    /// With which probability each lane was switched on.
    pub density: Probability,
    /// The kinds that are on.
    pub kinds: BTreeSet<Kind>,
    /// The patterns that are on.
    pub patterns: BTreeSet<Pattern>,
    /// The kinds that could have been on but are not.
    pub kinds_off: BTreeSet<Kind>,
    /// The patterns that could have been on but are not.
    pub patterns_off: BTreeSet<Pattern>,
    /// What was asked for but cannot be had here, by its name.
    pub unavailable: BTreeMap<String, Unavailable>,
}

/// Why a kind or a pattern cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unavailable {
    /// There are too few nodes for it to mean anything.
    TooFewNodes {
        /// How many it needs.
        needed: usize,
    },
    /// The world lacks an effect.
    Effect(#[serde(skip, default = "any_effect")] EffectKind),
    /// No port was named that could be blocked.
    NoPorts,
    /// The budget has no room for it at all.
    Budget,
}

fn any_effect() -> EffectKind {
    EffectKind::Cut
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unavailable::TooFewNodes { needed } => write!(f, "needs at least {needed} nodes"),
            Unavailable::Effect(effect) => write!(f, "needs the effect `{effect}`, which this world lacks"),
            Unavailable::NoPorts => f.write_str("needs ports to block: name them to the planner"),
            Unavailable::Budget => f.write_str("takes more nodes out than the budget ever allows"),
        }
    }
}

impl SwarmChoice {
    /// The families of which something is on.
    #[must_use]
    pub fn families(&self) -> BTreeSet<Family> {
        let kinds = self.kinds.iter().map(|kind| kind.family());
        kinds.chain(self.patterns.iter().flat_map(|pattern| pattern.families())).collect()
    }
}

impl fmt::Display for SwarmChoice {
    /// `on: crash, pause, rolling-crashes; off: …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |kinds: &BTreeSet<Kind>, patterns: &BTreeSet<Pattern>| {
            let kinds = kinds.iter().map(|kind| kind.name());
            let all: Vec<&str> = kinds.chain(patterns.iter().map(|pattern| pattern.name())).collect();
            if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
        };
        let (on, off) = (list(&self.kinds, &self.patterns), list(&self.kinds_off, &self.patterns_off));
        write!(f, "on: {on}; off: {off}")
    }
}
