//! Primitive effects: the small vocabulary that a simulator must know, into which every fault is translated.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::text::write::Shown;
use crate::{ClockFault, DiskFault, EffectKind, Link, LinkFault, NameFault, NodeName, Probability};

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
    /// Duplicate, corrupt or hold back packets on these links, or make the links narrow.
    Impair {
        /// The links.
        links: BTreeSet<Link>,
        /// How.
        fault: LinkFault,
    },
    /// Make lookups of names by one node fail or give an old address.
    Names {
        /// Who asks.
        node: NodeName,
        /// What becomes of the question.
        fault: NameFault,
    },
    /// Keep the process from the processor: as a pause to itself, but the machine is not out of service.
    Starve {
        /// Which node.
        node: NodeName,
    },
    /// Leave the process so many file descriptors more than it has open; then `EMFILE`.
    Descriptors {
        /// Which node.
        node: NodeName,
        /// How many.
        left: u32,
    },
    /// Suspend the machine.
    Suspend {
        /// Which node.
        node: NodeName,
    },
    /// Leave the process so much memory more than it has: one that asks for more is killed. Or let single allocations fail.
    Memory {
        /// Which node.
        node: NodeName,
        /// Bytes that it may still allocate.
        left: Option<u64>,
        /// Allocations of at least so many bytes fail.
        refuses: Option<u64>,
    },
    /// From its next boot on the node runs another version. Nothing undoes it but another upgrade.
    Upgrade {
        /// Which node.
        node: NodeName,
        /// Its version then.
        to: u32,
    },
    /// Put an empty disk in place of the machine's, which must be without power. Nothing undoes it.
    NewDisk {
        /// Which node.
        node: NodeName,
    },
    /// Swap the disks of two machines, which must be without power. Nothing undoes it.
    SwapDisks {
        /// One machine.
        node: NodeName,
        /// The other.
        with: NodeName,
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
            Effect::Impair { .. } => EffectKind::Impair,
            Effect::Names { .. } => EffectKind::Names,
            Effect::Starve { .. } => EffectKind::Starve,
            Effect::Descriptors { .. } => EffectKind::Descriptors,
            Effect::Memory { .. } => EffectKind::Memory,
            Effect::Suspend { .. } => EffectKind::Suspend,
            Effect::Upgrade { .. } => EffectKind::Upgrade,
            Effect::NewDisk { .. } => EffectKind::NewDisk,
            Effect::SwapDisks { .. } => EffectKind::SwapDisks,
        }
    }

    /// The links acted on; empty for an effect on a node.
    #[must_use]
    pub fn links(&self) -> Option<&BTreeSet<Link>> {
        match self {
            Effect::Cut { links }
            | Effect::Latency { links, .. }
            | Effect::Loss { links, .. }
            | Effect::Impair { links, .. } => Some(links),
            _ => None,
        }
    }

    /// The nodes whose disks lose by it what was durable.
    pub fn damaged(&self) -> impl Iterator<Item = &NodeName> {
        let (one, other) = match self {
            Effect::Disk { node, fault } if fault.damages() => (Some(node), None),
            Effect::NewDisk { node } => (Some(node), None),
            Effect::SwapDisks { node, with } => (Some(node), Some(with)),
            _ => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// The node acted on; `None` for an effect on links.
    #[must_use]
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Effect::Cut { .. } | Effect::Latency { .. } | Effect::Loss { .. } | Effect::Impair { .. } => None,
            Effect::BlockPort { node, .. }
            | Effect::Kill { node }
            | Effect::PowerLoss { node }
            | Effect::Stop { node }
            | Effect::Pause { node }
            | Effect::Slow { node, .. }
            | Effect::Disk { node, .. }
            | Effect::Clock { node, .. }
            | Effect::Names { node, .. }
            | Effect::Starve { node }
            | Effect::Descriptors { node, .. }
            | Effect::Memory { node, .. }
            | Effect::Suspend { node }
            | Effect::Upgrade { node, .. }
            | Effect::NewDisk { node }
            | Effect::SwapDisks { node, .. } => Some(node),
        }
    }
}

/// The words of a want of memory in a plan's text.
pub(crate) fn memory_words(f: &mut fmt::Formatter<'_>, left: Option<u64>, refuses: Option<u64>) -> fmt::Result {
    for (word, bytes) in [("left", left), ("refuses", refuses)] {
        if let Some(bytes) = bytes {
            write!(f, " {word}={bytes}")?;
        }
    }
    Ok(())
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
            Effect::Impair { fault, .. } => write!(f, " {}{fault}", fault.kind()),
            Effect::Names { fault, .. } => write!(f, " {}{fault}", fault.kind()),
            Effect::Descriptors { left, .. } => write!(f, " left={left}"),
            Effect::Memory { left, refuses, .. } => memory_words(f, *left, *refuses),
            Effect::Upgrade { to, .. } => write!(f, " to={to}"),
            Effect::SwapDisks { with, .. } => write!(f, " with {}", Shown(with)),
            _ => Ok(()),
        }
    }
}
