//! What plans have done to the nodes so far: who holds what, and what it hit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use madsim::task::NodeId;
use stormglass_faults::{FaultId, Hits, NodeName, WorldError};

/// Counters that madsim's world has beside the common ones.
pub(crate) mod counter {
    /// Links that were cut: madsim does not count what it drops on them.
    pub(crate) const LINKS_CUT: &str = "links cut";
    /// Messages that were on their way while every link was slow or lossy.
    pub(crate) const MESSAGES_EXPOSED: &str = "messages exposed";
}

/// What a fault holds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Held {
    Cut(BTreeSet<(NodeId, NodeId)>),
    Latency { extra: Duration, jitter: Duration, messages_before: u64 },
    Loss { probability: f64, messages_before: u64 },
    Down(NodeId),
    Paused { node: NodeId, tasks: u64 },
}

#[derive(Default)]
pub(crate) struct Books {
    nodes: Vec<(NodeName, NodeId)>,
    pub(crate) holds: BTreeMap<FaultId, Vec<Held>>,
    pub(crate) hits: BTreeMap<FaultId, Hits>,
}

impl Books {
    pub(crate) fn add(&mut self, name: NodeName, id: NodeId) {
        self.nodes.push((name, id));
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &NodeName> {
        self.nodes.iter().map(|(name, _)| name)
    }

    pub(crate) fn find(&self, name: &NodeName) -> Result<NodeId, WorldError> {
        let found = self.nodes.iter().find(|(n, _)| n == name).map(|&(_, id)| id);
        found.ok_or_else(|| WorldError::UnknownNode { node: name.clone(), nodes: self.names().cloned().collect() })
    }

    pub(crate) fn all_holds(&self) -> impl Iterator<Item = &Held> {
        self.holds.values().flatten()
    }

    pub(crate) fn is_down(&self, node: NodeId) -> bool {
        self.all_holds().any(|held| *held == Held::Down(node))
    }

    pub(crate) fn is_paused(&self, node: NodeId) -> bool {
        self.all_holds().any(|held| matches!(held, Held::Paused { node: n, .. } if *n == node))
    }

    pub(crate) fn is_cut(&self, link: (NodeId, NodeId)) -> bool {
        self.all_holds().any(|held| matches!(held, Held::Cut(links) if links.contains(&link)))
    }

    /// What every link adds to a message's way, least and most, and how likely it loses one.
    pub(crate) fn weather(&self) -> (Duration, Duration, f64) {
        let mut weather = (Duration::ZERO, Duration::ZERO, 0.0);
        for held in self.all_holds() {
            match held {
                Held::Latency { extra, jitter, .. } => {
                    weather.0 += *extra;
                    weather.1 += *extra + *jitter;
                }
                // Losses are independent.
                Held::Loss { probability, .. } => weather.2 = 1.0 - (1.0 - weather.2) * (1.0 - probability),
                _ => {}
            }
        }
        weather
    }

    pub(crate) fn hit(&mut self, id: FaultId, counter: &'static str, count: u64) {
        self.hits.entry(id).or_default().add(counter, count);
    }
}
