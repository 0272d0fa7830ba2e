//! What the network still holds for one node: for tests that nothing stays behind.

use stormglass_kernel::NodeId;

use crate::net::Net;

/// Counts of what one node's machine holds, and of what is under way anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Residue {
    /// Sockets of every kind.
    pub sockets: usize,
    /// Slots for sockets, used or free.
    pub slots: usize,
    /// TCP connections that packets can find.
    pub connections: usize,
    /// Connections in TIME_WAIT.
    pub time_wait: usize,
    /// Ports that connections use.
    pub ports: usize,
    /// Packets under way in the whole network.
    pub packets: usize,
    /// Slots for packets, used or free.
    pub packet_slots: usize,
}

impl Net {
    /// What is held for a node.
    #[must_use]
    pub fn residue(&self, node: NodeId) -> Residue {
        let (packets, packet_slots) = self.wire.packets.counts();
        let held = self.hosts.get(node.index()).map(crate::host::Host::residue).unwrap_or_default();
        Residue { packets, packet_slots, ..held }
    }
}
