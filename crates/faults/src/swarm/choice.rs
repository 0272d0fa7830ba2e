//! What a seed switches on: the coins, and their record for people who read a failure and for campaigns that count what
//! they tried.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::profile::DENSITIES;
use super::{Pattern, Planner, PlannerError, network};
use crate::{Budget, EffectKind, Family, Kind, NodeName, Probability, Seed, Stream};

/// The swarm's choice in one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    Effect(EffectKind),
    /// No port was named that could be blocked.
    NoPorts,
    /// No topology was given.
    NoTopology,
    /// The budget has no room for it at all.
    Budget,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unavailable::TooFewNodes { needed } => write!(f, "needs at least {needed} nodes"),
            Unavailable::Effect(effect) => write!(f, "needs the effect `{effect}`, which this world lacks"),
            Unavailable::NoTopology => f.write_str("needs domains of failure: give the planner a topology"),
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

impl Planner {
    /// Tosses the coins.
    pub(super) fn choose(
        &self,
        seed: Seed,
        nodes: &[NodeName],
        budgets: &[Budget],
    ) -> Result<SwarmChoice, PlannerError> {
        let mut stream = Stream::new(seed, "swarm.density", 0);
        let density = stream.weighted(&DENSITIES).copied().unwrap_or(Probability::ONE);
        let density = if self.all_on { Probability::ONE } else { density };
        let mut choice = SwarmChoice { density, ..SwarmChoice::default() };
        let coin = |name: &str| Stream::new(seed, &format!("swarm.{name}"), 0).bits();
        for kind in &self.kinds {
            if let Some(why) = self.unavailable(*kind, nodes, budgets) {
                choice.unavailable.insert(kind.name().to_owned(), why);
            } else if density.happens(coin(kind.name())) {
                choice.kinds.insert(*kind);
            } else {
                choice.kinds_off.insert(*kind);
            }
        }
        let available: BTreeSet<Kind> = choice.kinds.union(&choice.kinds_off).copied().collect();
        for pattern in Pattern::ALL.into_iter().filter(|_| self.patterns) {
            let can_crash = !pattern.crashes() || !Pattern::crash_kinds(&available).is_empty();
            if !can_crash || !pattern.needs().iter().all(|kind| available.contains(kind)) {
                continue;
            }
            let all_out = || {
                nodes.iter().all(|node| {
                    budgets
                        .iter()
                        .all(|budget| !budget.nodes().contains(node) || budget.out_max() == budget.nodes().len())
                })
            };
            if pattern.needs_topology() && self.topology.domains().is_empty() {
                choice.unavailable.insert(pattern.name().to_owned(), Unavailable::NoTopology);
            } else if nodes.len() < pattern.nodes_min() {
                let why = Unavailable::TooFewNodes { needed: pattern.nodes_min() };
                choice.unavailable.insert(pattern.name().to_owned(), why);
            } else if pattern == Pattern::AllAtOnce && !all_out() {
                choice.unavailable.insert(pattern.name().to_owned(), Unavailable::Budget);
            } else if density.happens(coin(pattern.name())) {
                choice.patterns.insert(pattern);
            } else {
                choice.patterns_off.insert(pattern);
            }
        }
        if choice.kinds.is_empty() && choice.patterns.is_empty() && !self.may_be_empty {
            // The kind that came closest to being on.
            let closest = choice.kinds_off.iter().min_by_key(|kind| coin(kind.name())).copied();
            match closest {
                Some(kind) => {
                    choice.kinds_off.remove(&kind);
                    choice.kinds.insert(kind);
                }
                None if self.kinds.is_empty() => return Err(PlannerError::NothingAsked),
                None => return Err(PlannerError::NothingAvailable { choice: Box::new(choice) }),
            }
        }
        Ok(choice)
    }

    fn unavailable(&self, kind: Kind, nodes: &[NodeName], budgets: &[Budget]) -> Option<Unavailable> {
        let needed = network::nodes_min(kind);
        if nodes.len() < needed {
            return Some(Unavailable::TooFewNodes { needed });
        }
        if let Some(effect) = effect_of(kind).filter(|effect| !self.capabilities.has(*effect)) {
            return Some(Unavailable::Effect(effect));
        }
        if kind == Kind::PortBlock && self.ports.is_empty() {
            return Some(Unavailable::NoPorts);
        }
        let has_room = |group: &[&NodeName]| {
            budgets.iter().all(|budget| group.iter().filter(|n| budget.nodes().contains(n)).count() <= budget.out_max())
        };
        let mut pairs =
            nodes.iter().enumerate().flat_map(|(at, one)| nodes[..at].iter().map(move |other| [one, other]));
        if kind == Kind::DiskSwap && !pairs.any(|pair| has_room(&pair)) {
            return Some(Unavailable::Budget);
        }
        (kind.downs_nodes() && !nodes.iter().any(|node| has_room(&[node]))).then_some(Unavailable::Budget)
    }
}

/// The effect that a kind needs of a world.
fn effect_of(kind: Kind) -> Option<EffectKind> {
    Some(match kind {
        Kind::PartitionHalves | Kind::IsolateOne | Kind::MajorityRing | Kind::Bridge | Kind::OneWay | Kind::Flap => {
            EffectKind::Cut
        }
        Kind::LatencySpike => EffectKind::Latency,
        Kind::Loss => EffectKind::Loss,
        Kind::PortBlock => EffectKind::BlockPort,
        Kind::Crash | Kind::Restart => EffectKind::Kill,
        Kind::PowerLoss => EffectKind::PowerLoss,
        Kind::GracefulStop => EffectKind::Stop,
        Kind::Pause => EffectKind::Pause,
        Kind::Suspend => EffectKind::Suspend,
        Kind::Slow => EffectKind::Slow,
        Kind::Duplication | Kind::Corruption | Kind::Reordering | Kind::Bandwidth => EffectKind::Impair,
        Kind::DnsSilent | Kind::DnsUnknown | Kind::DnsStale => EffectKind::Names,
        Kind::Starve => EffectKind::Starve,
        Kind::NoDescriptors => EffectKind::Descriptors,
        Kind::NoMemory => EffectKind::Memory,
        Kind::Upgrade => EffectKind::Upgrade,
        Kind::DiskReplaced => EffectKind::NewDisk,
        Kind::DiskSwap => EffectKind::SwapDisks,
        kind if kind.family() == Family::Clock => EffectKind::Clock,
        _ => EffectKind::Disk,
    })
}
