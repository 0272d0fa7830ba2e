//! Primitive effects: the small vocabulary that a simulator must know, into which every fault is translated.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::text::write::Shown;
use crate::{ClockFault, DiskFault, EffectKind, Link, NodeName, Probability};

/// Which transport a port belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// On which side of a node packets are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Packets that arrive at the node, for the port (`iptables -A INPUT --dport`).
    In,
    /// Packets that leave the node, for the port of anyone else (`iptables -A OUTPUT --dport`).
    Out,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Direction::In => "in",
            Direction::Out => "out",
        })
    }
}

/// One thing that a [`World`](crate::World) does when told to, and undoes when told to.
///
/// # Effects that overlap
///
/// Effects are held by fault id, and several may be open on one thing. A link is cut while *any* open cut covers it; extra
/// latencies add up; losses are independent; a node is down while *any* open kill, power loss or stop covers it, paused
/// while any open pause does; slow-downs multiply. So the end of one fault never heals another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Drop every packet on these links, whatever its protocol. A partition holds both directions of each pair.
    Cut {
        /// The links that are cut.
        links: BTreeSet<Link>,
    },
    /// Delay packets on these links.
    Latency {
        /// The links that are slowed.
        links: BTreeSet<Link>,
        /// Added to every packet, one way.
        extra: Duration,
        /// Added on top, uniform from zero to this, drawn per packet.
        jitter: Duration,
    },
    /// Drop packets on these links at random.
    Loss {
        /// The links that lose.
        links: BTreeSet<Link>,
        /// Of each packet to be dropped, each for itself.
        probability: Probability,
    },
    /// Drop packets to one port at one node, silently, as `iptables … -j DROP` does.
    BlockPort {
        /// Whose packets.
        node: NodeName,
        /// The destination port.
        port: u16,
        /// Of this transport only.
        protocol: Protocol,
        /// Arriving at the node or leaving it.
        direction: Direction,
    },
    /// Kill the process, as `kill -9`: peers see its sockets close and the page cache survives. Ends by a restart on the
    /// same disk.
    Kill {
        /// Which node.
        node: NodeName,
    },
    /// Cut the machine's power: peers hear nothing and unsynced data is at the disk model's mercy. Ends by a restart on
    /// the same disk.
    PowerLoss {
        /// Which node.
        node: NodeName,
    },
    /// Ask the process to stop (SIGTERM). Ends by a restart on the same disk.
    Stop {
        /// Which node.
        node: NodeName,
    },
    /// Stop the process in its tracks (SIGSTOP, or a long collection pause): time passes, the node does nothing, packets
    /// pile up. Ends by SIGCONT.
    Pause {
        /// Which node.
        node: NodeName,
    },
    /// Make the node's processor slower.
    Slow {
        /// Which node.
        node: NodeName,
        /// How many times longer everything takes; at least 2.
        factor: u32,
    },
    /// Make the node's disk fail.
    Disk {
        /// Which node.
        node: NodeName,
        /// How.
        fault: DiskFault,
    },
    /// Make the node's clocks go wrong.
    Clock {
        /// Which node.
        node: NodeName,
        /// How.
        fault: ClockFault,
    },
}

impl Effect {
    /// Which of a world's capabilities it needs.
    #[must_use]
    pub fn kind(&self) -> EffectKind {
        match self {
            Effect::Cut { .. } => EffectKind::Cut,
            Effect::Latency { .. } => EffectKind::Latency,
            Effect::Loss { .. } => EffectKind::Loss,
            Effect::BlockPort { .. } => EffectKind::BlockPort,
            Effect::Kill { .. } => EffectKind::Kill,
            Effect::PowerLoss { .. } => EffectKind::PowerLoss,
            Effect::Stop { .. } => EffectKind::Stop,
            Effect::Pause { .. } => EffectKind::Pause,
            Effect::Slow { .. } => EffectKind::Slow,
            Effect::Disk { .. } => EffectKind::Disk,
            Effect::Clock { .. } => EffectKind::Clock,
        }
    }

    /// The links acted on; empty for an effect on a node.
    #[must_use]
    pub fn links(&self) -> Option<&BTreeSet<Link>> {
        match self {
            Effect::Cut { links } | Effect::Latency { links, .. } | Effect::Loss { links, .. } => Some(links),
            _ => None,
        }
    }

    /// The node acted on; `None` for an effect on links.
    #[must_use]
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Effect::Cut { .. } | Effect::Latency { .. } | Effect::Loss { .. } => None,
            Effect::BlockPort { node, .. }
            | Effect::Kill { node }
            | Effect::PowerLoss { node }
            | Effect::Stop { node }
            | Effect::Pause { node }
            | Effect::Slow { node, .. }
            | Effect::Disk { node, .. }
            | Effect::Clock { node, .. } => Some(node),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        if let Some(links) = self.links() {
            for (at, link) in links.iter().enumerate() {
                let comma = if at == 0 { " " } else { "," };
                write!(f, "{comma}{}>{}", Shown(&link.from), Shown(&link.to))?;
            }
        }
        if let Some(node) = self.node() {
            write!(f, " {}", Shown(node))?;
        }
        match self {
            Effect::Latency { extra, jitter, .. } => write!(f, " extra={} jitter={}", Shown(extra), Shown(jitter)),
            Effect::Loss { probability, .. } => write!(f, " probability={probability}"),
            Effect::BlockPort { port, protocol, direction, .. } => write!(f, " {protocol}/{port} {direction}"),
            Effect::Slow { factor, .. } => write!(f, " factor={factor}"),
            Effect::Disk { fault, .. } => write!(f, " {}{fault}", fault.kind()),
            Effect::Clock { fault, .. } => write!(f, " {}{fault}", fault.kind()),
            _ => Ok(()),
        }
    }
}
