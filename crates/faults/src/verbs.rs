//! One plain verb per fault, for scenarios that script their weather rather than draw it.
//!
//! Targets are given as one node or as many: `kill("n1")`, `kill(["n1", "n2"])`, `kill(&leaders)`. Each verb makes
//! a fault that starts with the run and lasts until calm; [`Fault::at`] and [`Fault::lasting`] place it.
//! Whether the targets make sense is checked when the fault enters a [`Plan`](crate::Plan).

use std::time::Duration;

use crate::{
    Action, ClockFault, Direction, DiskFault, Fault, IntoNodes, LinkFault, Links, NameFault, NodeName, Probability,
    Protocol,
};

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

/// Packets on the links are duplicated, corrupted or held back, or the links are narrow.
#[must_use]
pub fn impair(links: Links, fault: LinkFault) -> Fault {
    Fault::new(Action::Impair { links, fault })
}

/// The nodes cannot look names up, or get old addresses.
#[must_use]
pub fn names(nodes: impl IntoNodes, fault: NameFault) -> Fault {
    Fault::new(Action::Names { nodes: nodes.into_nodes(), fault })
}

/// The processes get the processor for `runs` of each `period`. Needs a duration.
#[must_use]
pub fn starve(nodes: impl IntoNodes, period: Duration, runs: Duration) -> Fault {
    Fault::new(Action::Starve { nodes: nodes.into_nodes(), period, runs })
}

/// The machines are suspended, as a laptop whose lid is closed or a virtual machine that is moved: nothing of them runs, packets to and from
/// them are lost, and their monotonic clocks stand still, so that a timer goes off as much later (clock_gettime(2)). When they wake,
/// their wall clocks show how late it is.
#[must_use]
pub fn suspend(nodes: impl IntoNodes) -> Fault {
    Fault::new(Action::Suspend { nodes: nodes.into_nodes() })
}

/// The processes can allocate `left` bytes more, whatever they free meanwhile. One that asks for more is killed when the poll ends in
/// which it asked, as the kernel's out-of-memory killer would do it, and starts again when the fault ends.
#[must_use]
pub fn no_memory(nodes: impl IntoNodes, left: u64) -> Fault {
    Fault::new(Action::NoMemory { nodes: nodes.into_nodes(), left: Some(left), refuses: None })
}

/// Allocations of at least `bytes` fail. Rust's collections abort the process then, and with it the run, but where the
/// program asks with `try_reserve` or its like: for those that do.
#[must_use]
pub fn failing_allocations(nodes: impl IntoNodes, bytes: u64) -> Fault {
    Fault::new(Action::NoMemory { nodes: nodes.into_nodes(), left: None, refuses: Some(bytes) })
}

/// The processes can open `left` more file descriptors, sockets among them, and then get `EMFILE`.
#[must_use]
pub fn no_descriptors(nodes: impl IntoNodes, left: u32) -> Fault {
    Fault::new(Action::NoDescriptors { nodes: nodes.into_nodes(), left })
}

/// The processes get SIGTERM and start as version `to` when the fault ends.
#[must_use]
pub fn upgrade(nodes: impl IntoNodes, to: u32) -> Fault {
    Fault::new(Action::Upgrade { nodes: nodes.into_nodes(), to })
}

/// The machines lose power and boot with an empty disk when the fault ends.
#[must_use]
pub fn replace_disk(nodes: impl IntoNodes) -> Fault {
    Fault::new(Action::DiskReplaced { nodes: nodes.into_nodes() })
}

/// Two machines lose power, and each boots with the disk of the other when the fault ends.
#[must_use]
pub fn swap_disks(one: impl Into<NodeName>, other: impl Into<NodeName>) -> Fault {
    Fault::new(Action::DiskSwap { nodes: vec![one.into(), other.into()] })
}
