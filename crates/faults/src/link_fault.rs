//! Faults of the network beyond cuts, delays and losses: links that do something to packets, and names that mislead.

use std::fmt;
use std::time::Duration;

use crate::text::write::Shown;
use crate::{Kind, NodeName, Probability};

/// What a link does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkFault {
    /// Each packet arrives twice with this probability, the copy with a delay of its own.
    Duplication(Probability),
    /// Bits of each packet flip with this probability. The checksums of TCP and UDP tell: it is discarded where it arrives.
    Corruption(Probability),
    /// Each packet is held back with this probability, so that later ones overtake it.
    Reordering {
        /// Of each packet, for itself.
        probability: Probability,
        /// For how long.
        by: Duration,
    },
    /// No more passes than so much, and what has to wait beyond the queue is dropped.
    Bandwidth {
        /// Bytes a second, headers included.
        rate: u64,
        /// Bytes that may wait.
        queue: u32,
    },
}

/// What becomes of a question for the address of a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameFault {
    /// No server answers: `EAI_AGAIN`.
    Silent,
    /// The server says that there is no such name: `EAI_NONAME`.
    Unknown,
    /// The address of another node, as an old record has it.
    Stale {
        /// The name that is asked for.
        name: NodeName,
        /// Whose address is given.
        answer: NodeName,
    },
}

impl LinkFault {
    /// The kind of this fault.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            LinkFault::Duplication(_) => Kind::Duplication,
            LinkFault::Corruption(_) => Kind::Corruption,
            LinkFault::Reordering { .. } => Kind::Reordering,
            LinkFault::Bandwidth { .. } => Kind::Bandwidth,
        }
    }

    /// A parameter with which it would do nothing: its name, its value, and what would do something.
    pub(crate) fn does_nothing(self) -> Option<(&'static str, String, &'static str)> {
        match self {
            LinkFault::Duplication(p) | LinkFault::Corruption(p) | LinkFault::Reordering { probability: p, .. }
                if p == Probability::ZERO =>
            {
                Some(("probability", p.to_string(), "it must be more than 0%"))
            }
            LinkFault::Reordering { by, .. } if by.is_zero() => Some(("by", "0s".into(), "it must be more than zero")),
            LinkFault::Bandwidth { rate: 0, .. } => {
                Some(("rate", "0".into(), "it must be at least 1 byte a second; to let nothing pass, cut the links"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for LinkFault {
    /// Its parameters, as a plan's text holds them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkFault::Duplication(p) | LinkFault::Corruption(p) => write!(f, " probability={p}"),
            LinkFault::Reordering { probability, by } => write!(f, " probability={probability} by={}", Shown(by)),
            LinkFault::Bandwidth { rate, queue } => write!(f, " rate={rate} queue={queue}"),
        }
    }
}

impl NameFault {
    /// The kind of this fault.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            NameFault::Silent => Kind::DnsSilent,
            NameFault::Unknown => Kind::DnsUnknown,
            NameFault::Stale { .. } => Kind::DnsStale,
        }
    }

    /// The nodes that it names.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        let named = match self {
            NameFault::Stale { name, answer } => [Some(name), Some(answer)],
            _ => [None, None],
        };
        named.into_iter().flatten()
    }
}

impl fmt::Display for NameFault {
    /// Its parameters, as a plan's text holds them; nothing where it has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameFault::Silent | NameFault::Unknown => Ok(()),
            NameFault::Stale { name, answer } => write!(f, " name={} answer={}", Shown(name), Shown(answer)),
        }
    }
}
