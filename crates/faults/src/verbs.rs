//! One plain verb per fault, for scenarios that script their weather rather than draw it.
//!
//! Targets are given as one node or as many: `kill("n1")`, `kill(["n1", "n2"])`, `kill(&leaders)`. Each verb makes
//! a fault that starts with the run and lasts until calm; [`Fault::at`] and [`Fault::lasting`] place it.
//! Whether the targets make sense is checked when the fault enters a [`Plan`](crate::Plan).

use std::time::Duration;

use crate::{Action, ClockFault, Direction, DiskFault, Fault, IntoNodes, Links, NodeName, Probability, Protocol};

/// Two groups that do not hear each other.
#[must_use]
pub fn partition(left: impl IntoNodes, right: impl IntoNodes) -> Fault {
    Fault::new(Action::PartitionHalves { left: left.into_nodes(), right: right.into_nodes() })
}

/// One node that none of the others hears, nor it them. The node itself may stand among the others, so that
/// `isolate(leader, &all_nodes)` works.
#[must_use]
pub fn isolate(node: impl Into<NodeName>, others: impl IntoNodes) -> Fault {
    let node = node.into();
    let others = others.into_nodes().into_iter().filter(|other| *other != node).collect();
    Fault::new(Action::IsolateOne { node, others })
}

/// Every node sees a majority and no two the same.
#[must_use]
pub fn majority_ring(ring: impl IntoNodes) -> Fault {
    Fault::new(Action::MajorityRing { ring: ring.into_nodes() })
}

/// Two groups cut from each other, and one node that both still see.
#[must_use]
pub fn bridge(node: impl Into<NodeName>, left: impl IntoNodes, right: impl IntoNodes) -> Fault {
    Fault::new(Action::Bridge { node: node.into(), left: left.into_nodes(), right: right.into_nodes() })
}

/// What `from` sends to `to` is dropped; what comes back is not.
#[must_use]
pub fn one_way(from: impl IntoNodes, to: impl IntoNodes) -> Fault {
    Fault::new(Action::OneWay { from: from.into_nodes(), to: to.into_nodes() })
}

/// A partition that lasts `cut`, is healed for `healed`, and so on. Needs a duration.
#[must_use]
pub fn flap(left: impl IntoNodes, right: impl IntoNodes, cut: Duration, healed: Duration) -> Fault {
    Fault::new(Action::Flap { left: left.into_nodes(), right: right.into_nodes(), cut, healed })
}

/// Packets on the links are late by `extra`, one way, with as much jitter as a tenth of that.
#[must_use]
pub fn latency(links: Links, extra: Duration) -> Fault {
    Fault::new(Action::LatencySpike { links, extra, jitter: extra / 10 })
}

/// Packets on the links are lost with this probability, each for itself.
#[must_use]
pub fn loss(links: Links, probability: Probability) -> Fault {
    Fault::new(Action::Loss { links, probability })
}

/// TCP packets to one port are dropped at the node, arriving or leaving.
#[must_use]
pub fn block_port(node: impl Into<NodeName>, port: u16, direction: Direction) -> Fault {
    Fault::new(Action::PortBlock { node: node.into(), port, protocol: Protocol::Tcp, direction })
}

/// The processes die at once, as by `kill -9`, and restart when the fault ends.
#[must_use]
pub fn kill(nodes: impl IntoNodes) -> Fault {
    Fault::new(Action::Crash { nodes: nodes.into_nodes() })
}

/// The machines lose power at once and boot when the fault ends.
#[must_use]
pub fn power_loss(nodes: impl IntoNodes) -> Fault {
    Fault::new(Action::PowerLoss { nodes: nodes.into_nodes() })
}

/// The processes die and are restarted by their supervisor ten milliseconds later.
#[must_use]
pub fn restart(nodes: impl IntoNodes) -> Fault {
    Fault::new(Action::Restart { nodes: nodes.into_nodes() }).lasting(Duration::from_millis(10))
}

/// The processes get SIGTERM and restart when the fault ends.
#[must_use]
pub fn graceful_stop(nodes: impl IntoNodes) -> Fault {
    Fault::new(Action::GracefulStop { nodes: nodes.into_nodes() })
}

/// The processes stand still and go on when the fault ends.
#[must_use]
pub fn pause(nodes: impl IntoNodes) -> Fault {
    Fault::new(Action::Pause { nodes: nodes.into_nodes() })
}

/// Everything on the nodes takes `factor` times as long.
#[must_use]
pub fn slow(nodes: impl IntoNodes, factor: u32) -> Fault {
    Fault::new(Action::Slow { nodes: nodes.into_nodes(), factor })
}

/// The nodes' disks fail.
#[must_use]
pub fn disk(nodes: impl IntoNodes, fault: DiskFault) -> Fault {
    Fault::new(Action::Disk { nodes: nodes.into_nodes(), fault })
}

/// The nodes' clocks go wrong.
#[must_use]
pub fn clock(nodes: impl IntoNodes, fault: ClockFault) -> Fault {
    Fault::new(Action::Clock { nodes: nodes.into_nodes(), fault })
}
