//! Flows: one direction of one conversation, which names the place of every decision about its packets.
//!
//! A TCP connection is numbered by the node that opened it. What the opener sends is `n1>n3 tcp#4`, what comes back
//! `n1<n3 tcp#4`; the number travels in the SYN, so that the far end needs no state of the opener. Datagrams are named
//! by their source port: `n1>n3 udp#5353`.

use stormglass_kernel::{Domain, Kernel, NodeId, Point, Site, VirtualTime, mix};

/// How long a packet is under way: ordinal = the packet's number in its flow, value in nanoseconds.
pub const DELAY: Point = Point::new(Domain::Net, "delay");
/// Whether the link loses a packet: ordinal = the packet's number in its flow.
pub const LOSS: Point = Point::new(Domain::Net, "loss");
/// The random bits of a delay whose distribution is not uniform; an override of the delay goes before it.
pub const SHAPE: Point = Point::new(Domain::Net, "shape");
/// More random bits of such a delay.
pub const DETOUR: Point = Point::new(Domain::Net, "detour");
/// Whether a packet arrives twice: ordinal = the packet's number in its flow.
pub const DUPLICATE: Point = Point::new(Domain::Net, "duplicate");
/// Whether a packet is held back, so that others overtake it.
pub const REORDER: Point = Point::new(Domain::Net, "reorder");
/// Whether bits of a packet flip.
pub const CORRUPT: Point = Point::new(Domain::Net, "corrupt");
/// Whether its checksum misses that.
pub const UNDETECTED: Point = Point::new(Domain::Net, "undetected");
/// How much a fault delays a packet on top: site = the flow and the fault, value in nanoseconds.
pub const FAULT_DELAY: Point = Point::new(Domain::Net, "fault-delay");
/// Whether a fault loses a packet: site = the flow and the fault.
pub const FAULT_LOSS: Point = Point::new(Domain::Net, "fault-loss");
/// Whether a fault doubles a packet: site = the flow and the fault.
pub const FAULT_DUPLICATE: Point = Point::new(Domain::Net, "fault-duplicate");
/// Whether a fault corrupts a packet: site = the flow and the fault.
pub const FAULT_CORRUPT: Point = Point::new(Domain::Net, "fault-corrupt");
/// Whether a fault holds a packet back: site = the flow and the fault.
pub const FAULT_REORDER: Point = Point::new(Domain::Net, "fault-reorder");
/// The first ephemeral port tried: site = the node, ordinal = its draw.
pub const PORT: Point = Point::new(Domain::Net, "port");
/// Where a connection's sequence numbers begin: site = the flow.
pub const SEQUENCE: Point = Point::new(Domain::Net, "sequence");

/// One direction of one conversation.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) site: Site,
    /// The number of the next packet.
    pub(crate) next: u64,
    /// When the last packet arrives or would have: a later one of a stream does not overtake it.
    pub(crate) arrives: VirtualTime,
}

impl Flow {
    fn new(from: NodeId, to: NodeId, site: Site) -> Self {
        Self { from, to, site, next: 0, arrives: VirtualTime::ZERO }
    }

    /// The direction in which the opener of a connection sends.
    pub(crate) fn opener(kernel: &Kernel, opener: NodeId, acceptor: NodeId, number: u32) -> Self {
        Self::new(opener, acceptor, tcp_site(kernel, opener, '>', acceptor, number))
    }

    /// The direction in which the acceptor of a connection sends.
    pub(crate) fn acceptor(kernel: &Kernel, opener: NodeId, acceptor: NodeId, number: u32) -> Self {
        Self::new(acceptor, opener, tcp_site(kernel, opener, '<', acceptor, number))
    }

    /// Datagrams from a port of one node to another node.
    pub(crate) fn datagrams(kernel: &Kernel, from: NodeId, port: u16, to: NodeId) -> Self {
        let name = format!("{}>{} udp#{port}", kernel.node(from).name(), kernel.node(to).name());
        Self::new(from, to, Site::named(&name))
    }

    /// The answer of a machine that knows of no conversation, to packet `ordinal` of the flow at `site`. It keeps no
    /// state: the packet that provoked it names the decisions about it.
    pub(crate) fn answer(from: NodeId, to: NodeId, site: Site, ordinal: u64) -> Self {
        let site = Site::from_key(mix(site.as_u64(), ANSWER));
        Self { next: ordinal, ..Self::new(from, to, site) }
    }
}

impl Flow {
    /// What a copy of a packet leads to is another flow than what the packet itself does: both may come, one after the other.
    pub(crate) fn of_copy(self) -> Self {
        Self { site: Site::from_key(mix(self.site.as_u64(), COPY)), ..self }
    }
}

const COPY: u64 = 0x636f_7079;
const ANSWER: u64 = 0x616e_7377_6572;

fn tcp_site(kernel: &Kernel, opener: NodeId, arrow: char, acceptor: NodeId, number: u32) -> Site {
    Site::named(&format!("{}{arrow}{} tcp#{number}", kernel.node(opener).name(), kernel.node(acceptor).name()))
}

/// Where a fault decides about packets of a flow: other faults' draws do not depend on it.
pub(crate) fn fault_site(flow: Site, fault: u32) -> Site {
    Site::from_key(mix(flow.as_u64(), u64::from(fault)))
}
