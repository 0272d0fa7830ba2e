//! What the faults that are open hold of the nodes, and what the past ones hit.

use std::collections::{BTreeMap, BTreeSet};

use stormglass_disk::LossReport;
use stormglass_faults::{FaultId, Hits, Link, NodeName, WorldError};
use stormglass_kernel::NodeId;
use stormglass_sys::seal::MemoryMeter;

/// What plans have done to the nodes so far.
#[derive(Default)]
pub(crate) struct WorldState {
    nodes: Vec<(NodeName, NodeId)>,
    pub(crate) holds: BTreeMap<FaultId, Vec<Held>>,
    pub(crate) hits: BTreeMap<FaultId, Hits>,
    /// Open or past power losses, for what the disks made of them.
    pub(crate) power_losses: Vec<PowerLoss>,
    miswired: bool,
    /// Nodes that no longer run version 1.
    pub(crate) versions: BTreeMap<NodeId, u32>,
    /// There while some fault limits memory.
    pub(crate) meter: Option<MemoryMeter>,
}

/// What a fault holds of the world until it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    Network,
    Down(NodeId),
    Stopping(NodeId),
    Paused(NodeId),
    Suspended(NodeId),
    Slow {
        node: NodeId,
        factor: u64,
        polls_before: u64,
    },
    Disk,
    Clock {
        node: NodeId,
        polls_before: u64,
    },
    Descriptors(NodeId),
    Memory(NodeId),
    /// What is done is done.
    Nothing,
}

/// A power loss, and what the disk had lost before it and when it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PowerLoss {
    pub(crate) fault: FaultId,
    pub(crate) node: NodeId,
    pub(crate) before: LossReport,
    pub(crate) after: Option<LossReport>,
}

impl WorldState {
    pub(crate) fn add(&mut self, name: NodeName, id: NodeId) {
        self.nodes.push((name, id));
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &NodeName> {
        self.nodes.iter().map(|(name, _)| name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (NodeName, NodeId)> {
        self.nodes.iter().cloned()
    }

    /// Which version of its program a node runs from its next boot on.
    pub(crate) fn version(&self, node: NodeId) -> u32 {
        self.versions.get(&node).copied().unwrap_or(1)
    }

    /// Whether a fault limits the memory of any node.
    pub(crate) fn limits_memory(&self) -> bool {
        self.holds.values().flatten().any(|held| matches!(held, Held::Memory(_)))
    }

    pub(crate) fn find(&self, name: &NodeName) -> Result<NodeId, WorldError> {
        let found = self.nodes.iter().find(|(n, _)| n == name).map(|&(_, id)| id);
        found.ok_or_else(|| WorldError::UnknownNode { node: name.clone(), nodes: self.names().cloned().collect() })
    }

    /// Whether a fault has asked this node to stop.
    pub(crate) fn is_stopping(&self, name: &NodeName) -> bool {
        let Ok(node) = self.find(name) else { return false };
        self.holds.values().flatten().any(|held| *held == Held::Stopping(node))
    }

    pub(crate) fn held_down(&self, node: NodeId) -> bool {
        self.holds.values().flatten().any(|h| matches!(h, Held::Down(n) | Held::Stopping(n) if *n == node))
    }

    pub(crate) fn held_suspended(&self, node: NodeId) -> bool {
        self.holds.values().flatten().any(|h| *h == Held::Suspended(node))
    }

    pub(crate) fn held_paused(&self, node: NodeId) -> bool {
        self.holds.values().flatten().any(|h| matches!(h, Held::Paused(n) | Held::Suspended(n) if *n == node))
    }

    pub(crate) fn misleads(&self, node: NodeId) -> bool {
        self.holds.values().flatten().any(|h| matches!(h, Held::Clock { node: n, .. } if *n == node))
    }

    pub(crate) fn slowness(&self, node: NodeId) -> u64 {
        let factors = self.holds.values().flatten().filter_map(|held| match held {
            Held::Slow { node: n, factor, .. } if *n == node => Some(*factor),
            _ => None,
        });
        factors.fold(1_000, u64::saturating_mul)
    }

    pub(crate) fn hit(&mut self, id: FaultId, counter: &'static str, count: u64) {
        self.hits.entry(id).or_default().add(counter, count);
    }

    /// From now on cuts act on the wrong links: a broken control, which the demand that faults hit must catch.
    pub(crate) fn miswire(&mut self) {
        self.miswired = true;
    }

    pub(crate) fn pairs(&self, links: &BTreeSet<Link>) -> Result<Vec<(NodeId, NodeId)>, WorldError> {
        let pairs = links.iter().map(|link| Ok((self.find(&link.from)?, self.find(&link.to)?)));
        let pairs: Vec<(NodeId, NodeId)> = pairs.collect::<Result<_, _>>()?;
        // A node's link to itself carries nothing: loopback does not pass it.
        Ok(if self.miswired { pairs.into_iter().map(|(from, _)| (from, from)).collect() } else { pairs })
    }
}
