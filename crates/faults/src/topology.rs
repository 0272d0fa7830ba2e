//! Where nodes stand: racks, zones and sites that fail together, and how far they are from each other.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;

use crate::{IntoNodes, NodeName};

/// How wide a domain of failure is, from narrow to wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Machines that share a switch and a power strip.
    Rack,
    /// Racks that share a building's power and cooling.
    Zone,
    /// Zones of one region.
    Site,
}

/// Nodes that fail together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// How wide it is.
    pub level: Level,
    /// What it is called.
    pub name: String,
    /// Who stands there.
    pub nodes: Vec<NodeName>,
}

/// A declared topology. The planner draws outages and cuts of whole domains from it, and a simulation takes the latency of
/// each link.
///
/// The latency of a link is that of [`between`](Topology::between) the domains of its two ends, if one was given (the
/// first given counts); else that [`within`](Topology::within) the narrowest level at which both ends share a domain; else
/// that of nodes [`apart`](Topology::apart). Where nothing was given a link keeps its options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    domains: Vec<Domain>,
    within: BTreeMap<Level, RangeInclusive<Duration>>,
    between: Vec<(String, String, RangeInclusive<Duration>)>,
    apart: Option<RangeInclusive<Duration>>,
}

/// Why a topology cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TopologyError {
    /// A node stands in two places.
    #[error("node `{node}` stands in two domains of the level {level}: `{one}` and `{other}`")]
    TwoPlaces {
        /// The node.
        node: NodeName,
        /// The level.
        level: Level,
        /// One place.
        one: String,
        /// The other.
        other: String,
    },
    /// Two domains are called the same.
    #[error("there are two domains called `{name}`")]
    SameName {
        /// The name.
        name: String,
    },
    /// A latency was given for a domain that there is not.
    #[error("there is no domain `{name}`; the domains are: {}", domains.join(", "))]
    NoSuchDomain {
        /// The name.
        name: String,
        /// The names that there are.
        domains: Vec<String>,
    },
    /// A domain names a node that there is not.
    #[error("domain `{domain}` names node `{node}`, which does not exist")]
    UnknownNode {
        /// The domain.
        domain: String,
        /// The node.
        node: NodeName,
    },
}

impl Topology {
    /// Nobody stands anywhere.
    #[must_use]
    pub fn new() -> Topology {
        Topology::default()
    }

    /// Adds a domain.
    #[must_use]
    pub fn domain(mut self, level: Level, name: impl Into<String>, nodes: impl IntoNodes) -> Topology {
        self.domains.push(Domain { level, name: name.into(), nodes: nodes.into_nodes() });
        self
    }

    /// How long a packet is under way between nodes that share a domain of this level and none that is narrower, one way:
    /// uniform from the least to the most.
    #[must_use]
    pub fn within(mut self, level: Level, latency: RangeInclusive<Duration>) -> Topology {
        self.within.insert(level, latency);
        self
    }

    /// How long a packet is under way between these two domains, either way.
    #[must_use]
    pub fn between(
        mut self,
        one: impl Into<String>,
        other: impl Into<String>,
        latency: RangeInclusive<Duration>,
    ) -> Self {
        self.between.push((one.into(), other.into(), latency));
        self
    }

    /// How long a packet is under way between nodes that share no domain.
    #[must_use]
    pub fn apart(mut self, latency: RangeInclusive<Duration>) -> Topology {
        self.apart = Some(latency);
        self
    }

    /// The domains, as they were added.
    #[must_use]
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// How long a packet is under way from one node to another, one way; `None` where nothing was said.
    #[must_use]
    pub fn latency(&self, from: &NodeName, to: &NodeName) -> Option<RangeInclusive<Duration>> {
        let stands_in = |node: &NodeName, name: &str| self.domain_of(name).is_some_and(|d| d.nodes.contains(node));
        let joins = |one: &str, other: &str| {
            stands_in(from, one) && stands_in(to, other) || stands_in(from, other) && stands_in(to, one)
        };
        let given = self.between.iter().find(|(one, other, _)| one != other && joins(one, other));
        if let Some((_, _, latency)) = given {
            return Some(latency.clone());
        }
        let shared = self.domains.iter().filter(|domain| domain.nodes.contains(from) && domain.nodes.contains(to));
        let narrowest = shared.map(|domain| domain.level).filter(|level| self.within.contains_key(level)).min();
        narrowest.and_then(|level| self.within.get(&level)).or(self.apart.as_ref()).cloned()
    }

    /// Whether it makes sense for these nodes.
    ///
    /// # Errors
    /// [`TopologyError`] names what is wrong.
    pub fn check(&self, nodes: &[NodeName]) -> Result<(), TopologyError> {
        let mut places: BTreeMap<(Level, &NodeName), &str> = BTreeMap::new();
        for (at, domain) in self.domains.iter().enumerate() {
            if self.domains[..at].iter().any(|other| other.name == domain.name) {
                return Err(TopologyError::SameName { name: domain.name.clone() });
            }
            for node in &domain.nodes {
                if !nodes.contains(node) {
                    return Err(TopologyError::UnknownNode { domain: domain.name.clone(), node: node.clone() });
                }
                if let Some(one) = places.insert((domain.level, node), &domain.name) {
                    let (one, other) = (one.to_owned(), domain.name.clone());
                    return Err(TopologyError::TwoPlaces { node: node.clone(), level: domain.level, one, other });
                }
            }
        }
        for name in self.between.iter().flat_map(|(one, other, _)| [one, other]) {
            if self.domain_of(name).is_none() {
                let domains = self.domains.iter().map(|domain| domain.name.clone()).collect();
                return Err(TopologyError::NoSuchDomain { name: name.clone(), domains });
            }
        }
        Ok(())
    }

    fn domain_of(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Rack => "rack",
            Level::Zone => "zone",
            Level::Site => "site",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(least: u64, most: u64) -> RangeInclusive<Duration> {
        Duration::from_millis(least)..=Duration::from_millis(most)
    }

    fn world() -> Topology {
        Topology::new()
            .domain(Level::Zone, "eu-1", ["a", "b"])
            .domain(Level::Zone, "eu-2", ["c"])
            .domain(Level::Site, "eu", ["a", "b", "c"])
            .domain(Level::Site, "us", ["d"])
            .domain(Level::Site, "ap", ["e"])
            .within(Level::Zone, ms(0, 1))
            .within(Level::Site, ms(1, 2))
            .between("eu", "us", ms(40, 45))
            .apart(ms(80, 90))
    }

    #[test]
    fn the_narrowest_shared_domain_gives_the_latency_and_a_given_pair_goes_before() {
        let topology = world();
        let latency = |from: &str, to: &str| topology.latency(&from.into(), &to.into());
        assert_eq!(latency("a", "b"), Some(ms(0, 1)));
        assert_eq!(latency("a", "c"), Some(ms(1, 2)));
        assert_eq!((latency("a", "d"), latency("d", "c")), (Some(ms(40, 45)), Some(ms(40, 45))));
        assert_eq!(latency("d", "e"), Some(ms(80, 90)));
        assert_eq!(Topology::new().latency(&"a".into(), &"b".into()), None);
    }

    #[test]
    fn what_makes_no_sense_is_told_by_name() {
        let nodes = ["a", "b", "c", "d", "e"].map(NodeName::from);
        let told = |topology: Topology| topology.check(&nodes).map_err(|error| error.to_string());
        assert_eq!(told(world()), Ok(()));
        let twice = "node `a` stands in two domains of the level zone: `eu-1` and `x`";
        assert_eq!(told(world().domain(Level::Zone, "x", ["a"])), Err(twice.to_owned()));
        assert!(told(world().domain(Level::Rack, "eu", ["a"])).is_err_and(|e| e.contains("two domains called `eu`")));
        assert!(told(world().domain(Level::Rack, "x", ["z"])).is_err_and(|e| e.contains("names node `z`")));
        assert!(
            told(world().between("eu", "mars", ms(1, 1))).is_err_and(|e| e.contains("no domain `mars`; the domains"))
        );
    }
}
