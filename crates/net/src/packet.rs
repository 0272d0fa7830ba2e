//! Packets under way: their headers, and the slab that holds them while the kernel's queue holds their numbers.

use std::net::SocketAddrV4;

use stormglass_kernel::{NodeId, Site};

/// Where a socket is among its host's sockets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SocketRef {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SocketRef {
    pub(crate) const NONE: Self = Self { slot: u32::MAX, generation: 0 };

    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// A transport.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP, and the ICMP errors that answer it.
    Udp,
}

/// The flags of a TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const ACK: Self = Self(1);
    pub(crate) const SYN: Self = Self(2);
    pub(crate) const FIN: Self = Self(4);
    pub(crate) const RST: Self = Self(8);
    /// A probe of a closed window. A real one is known by its old sequence number; the flag keeps an overtaken pure
    /// acknowledgement from being taken for one.
    pub(crate) const PROBE: Self = Self(16);

    /// On a SYN: it travels over IPv6.
    pub(crate) const V6: Self = Self(32);

    #[inline]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The header of a TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) flags: Flags,
    /// The first byte's place in the stream. 64 bits wide, so that it never wraps.
    pub(crate) seq: u64,
    /// The next byte that the sender expects.
    pub(crate) ack: u64,
    /// How many bytes after `ack` the sender has room for.
    pub(crate) window: u32,
    /// The connection's number at the node that opened it.
    pub(crate) number: u32,
    /// The sender's socket, for the other side to address.
    pub(crate) sender: SocketRef,
    /// The receiver's socket as far as the sender knows: saves a search, and is checked against the addresses.
    pub(crate) receiver: SocketRef,
}

/// What a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    Segment(Segment),
    Datagram,
    /// ICMP: nobody listens at the port to which the receiver of this sent a datagram.
    PortUnreachable,
}

/// A packet.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    /// The flow that it belongs to, and its number there.
    pub(crate) site: Site,
    pub(crate) ordinal: u64,
    pub(crate) body: Body,
    pub(crate) payload: Vec<u8>,
    /// Bits have flipped on the way, and the checksum tells.
    pub(crate) corrupt: bool,
    /// It is the second of two that one sending made.
    pub(crate) copy: bool,
}

impl Packet {
    /// Bytes of the whole IP packet: 20 for IP's header, then 20 for TCP's or 8 for UDP's and ICMP's.
    #[inline]
    pub(crate) fn bytes(&self) -> u32 {
        let headers = match self.body {
            Body::Segment(_) => 40,
            // The error carries the header that it answers.
            Body::PortUnreachable => 56,
            Body::Datagram => 28,
        };
        headers + self.payload.len() as u32
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.body {
            Body::Segment(_) => Protocol::Tcp,
            Body::Datagram | Body::PortUnreachable => Protocol::Udp,
        }
    }
}

const SPARE_BUFFERS_MAX: usize = 1024;
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// Packets under way, and buffers for more.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    slots: Vec<Option<Packet>>,
    free: Vec<u32>,
    spare: Vec<Vec<u8>>,
}

impl Packets {
    #[inline]
    pub(crate) fn insert(&mut self, packet: Packet) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(packet);
                slot
            }
            None => {
                self.slots.push(Some(packet));
                (self.slots.len() - 1) as u32
            }
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, slot: u32) -> Option<Packet> {
        let packet = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(packet)
    }

    /// Packets under way, and slots for them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.slots.len() - self.free.len(), self.slots.len())
    }

    /// An empty buffer for a payload.
    #[inline]
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    #[inline]
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && self.spare.len() < SPARE_BUFFERS_MAX && buffer.capacity() <= SPARE_BYTES_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}
