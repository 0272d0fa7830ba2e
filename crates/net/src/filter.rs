//! Firewall rules, as `iptables` has them: which packets a node's machine drops or refuses.

use stormglass_kernel::NodeId;

use crate::packet::{Packet, Protocol};

/// On which side of a node a filter acts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Direction {
    /// Packets that arrive at the node: `iptables -A INPUT`.
    In,
    /// Packets that leave the node: `iptables -A OUTPUT`.
    Out,
}

/// What a filter does with a packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Action {
    /// Nobody is told: `-j DROP`.
    #[default]
    Drop,
    /// The sender is told: a reset for TCP (`-j REJECT --reject-with tcp-reset`), an unreachable port for UDP.
    Reject,
}

/// A rule on one node's machine. What is `None` matches every packet. Loopback passes no filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filter {
    /// The node whose machine has the rule.
    pub at: NodeId,
    /// On which side.
    pub direction: Direction,
    /// The sender.
    pub source: Option<NodeId>,
    /// The receiver.
    pub destination: Option<NodeId>,
    /// The port it comes from.
    pub source_port: Option<u16>,
    /// The port it goes to.
    pub destination_port: Option<u16>,
    /// The transport.
    pub protocol: Option<Protocol>,
    /// What becomes of it.
    pub action: Action,
}

impl Filter {
    /// Drops everything on one side of a node's machine.
    #[must_use]
    pub const fn everything(at: NodeId, direction: Direction) -> Self {
        Self {
            at,
            direction,
            source: None,
            destination: None,
            source_port: None,
            destination_port: None,
            protocol: None,
            action: Action::Drop,
        }
    }

    /// Whether it matches a packet that is at `side` of its machine.
    pub(crate) fn matches(&self, packet: &Packet, side: Direction) -> bool {
        let machine = match side {
            Direction::In => packet.to,
            Direction::Out => packet.from,
        };
        self.direction == side
            && self.at == machine
            && self.source.is_none_or(|node| node == packet.from)
            && self.destination.is_none_or(|node| node == packet.to)
            && self.source_port.is_none_or(|port| port == packet.source.port())
            && self.destination_port.is_none_or(|port| port == packet.destination.port())
            && self.protocol.is_none_or(|protocol| protocol == packet.protocol())
    }
}
