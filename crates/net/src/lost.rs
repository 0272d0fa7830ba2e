//! What the network lost for good, so that a wait for it can be explained: bytes of a connection that ended before they were
//! acknowledged or read, and datagrams that never arrived. A packet that its connection sends again is not lost.

use std::collections::VecDeque;
use std::fmt;

use stormglass_kernel::{NodeId, VirtualTime};

use crate::link::DropReason;
use crate::packet::Packet;

/// So many are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 256;

/// What was lost for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Lost {
    /// Bytes that a program had written to a connection when it ended, and that were never acknowledged. The peer may have
    /// got them all the same.
    Unacknowledged(u64),
    /// Bytes that had arrived on a connection when it ended, and that the program never read.
    Unread(u64),
    /// A datagram of this many bytes.
    Datagram(u64, DropReason),
}

/// One loss.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// When.
    pub at: VirtualTime,
    /// From where: the node and its port.
    pub from: (NodeId, u16),
    /// To where.
    pub to: (NodeId, u16),
    /// What.
    pub what: Lost,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unacknowledged(bytes) => write!(f, "{bytes} bytes that were written and not acknowledged"),
            Self::Unread(bytes) => write!(f, "{bytes} bytes that arrived and were not read"),
            Self::Datagram(bytes, reason) => write!(f, "a datagram of {bytes} bytes ({reason})"),
        }
    }
}

/// The last losses, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Losses(VecDeque<Loss>);

impl Losses {
    pub(crate) fn note(&mut self, loss: Loss) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(loss);
    }

    #[cold]
    pub(crate) fn datagram(&mut self, at: VirtualTime, packet: &Packet, reason: DropReason) {
        let what = Lost::Datagram(packet.payload.len() as u64, reason);
        let (from, to) = ((packet.from, packet.source.port()), (packet.to, packet.destination.port()));
        self.note(Loss { at, from, to, what });
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Loss> {
        self.0.iter()
    }
}
