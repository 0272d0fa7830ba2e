//! The wire: packets leave one host and arrive at another, or do not.

use std::net::SocketAddrV4;

use stormglass_kernel::{Kernel, Kind, WorldEvent, WorldId};

use crate::counter::Counters;
use crate::flow::Flow;
use crate::link::{DropReason, Links};
use crate::net::NetOptions;
use crate::packet::{Body, Flags, Packet, Packets, Protocol};
use crate::rule::Direction;

/// A packet reaches its node: a = its number among the packets under way.
pub(crate) const ARRIVE: u8 = 0;
/// What a poll did with a socket leaves its node: a = the socket, b = its node.
pub(crate) const OUTPUT: u8 = 1;
/// A connection's earliest timer is due: a = the socket.
pub(crate) const TIMER: u8 = 2;

/// Everything between hosts.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) packets: Packets,
    pub(crate) links: Links,
    pub(crate) counters: Counters,
    /// Bytes of the send and receive buffers of new connections.
    pub(crate) buffers: (usize, usize),
}

impl Wire {
    pub(crate) fn new(options: NetOptions) -> Self {
        Self {
            packets: Packets::default(),
            links: Links::new(options.links),
            counters: Counters::default(),
            buffers: (options.send_buffer.max(1), options.receive_buffer.max(1)),
        }
    }

    /// Sends the next packet of `flow`, now.
    #[inline]
    pub(crate) fn send(
        &mut self,
        kernel: &mut Kernel,
        flow: &mut Flow,
        source: SocketAddrV4,
        destination: SocketAddrV4,
        body: Body,
        payload: Vec<u8>,
    ) {
        let ordinal = flow.next;
        flow.next += 1;
        kernel.trace_on(flow.from, Kind::PACKET_SENT, flow.site.as_u64(), ordinal);
        self.counters.bytes_sent += payload.len() as u64;
        match body {
            Body::Segment(segment) => {
                self.counters.segments_sent += 1;
                self.counters.resets += u64::from(segment.flags.has(Flags::RST));
            }
            Body::Datagram => self.counters.datagrams_sent += 1,
            Body::PortUnreachable => {}
        }
        let (from, to, site) = (flow.from, flow.to, flow.site);
        let packet = Packet { from, to, source, destination, site, ordinal, body, payload };
        // The draws come first, so that a filter does not change what they are for other packets.
        let transit = self.links.transit(kernel, (from, to), site, ordinal);
        let outside = from != to && !self.links.rules.is_empty();
        if outside && self.links.rules.blocks(from, packet.protocol(), Direction::Out, destination.port()) {
            return self.drop(kernel, packet, DropReason::Blocked);
        }
        let transit = match transit {
            Ok(transit) => transit,
            Err(reason) => return self.drop(kernel, packet, reason),
        };
        let mut at = kernel.now().after_nanos(transit.delay_ns);
        if !transit.reorders && packet.protocol() == Protocol::Tcp {
            at = at.max(flow.arrives);
            flow.arrives = at;
        }
        let a = u64::from(self.packets.insert(packet));
        kernel.schedule(at, to, WorldEvent { world: WorldId::NET, kind: ARRIVE, a, b: 0 });
    }

    /// Takes a packet that reaches its node now, unless a cut or a filter keeps it away.
    #[inline]
    pub(crate) fn arrive(&mut self, kernel: &mut Kernel, slot: u32) -> Option<Packet> {
        let packet = self.packets.take(slot)?;
        if packet.from != packet.to && !self.links.rules.is_empty() {
            let rules = &mut self.links.rules;
            let reason = if rules.cuts((packet.from, packet.to)) {
                Some(DropReason::Cut)
            } else if rules.blocks(packet.to, packet.protocol(), Direction::In, packet.destination.port()) {
                Some(DropReason::Blocked)
            } else {
                None
            };
            if let Some(reason) = reason {
                self.drop(kernel, packet, reason);
                return None;
            }
        }
        Some(packet)
    }

    /// Notes that a packet has reached a machine that takes it.
    #[inline]
    pub(crate) fn delivered(&mut self, kernel: &mut Kernel, packet: &Packet) {
        kernel.trace_on(packet.to, Kind::PACKET_DELIVERED, packet.site.as_u64(), packet.ordinal);
    }

    /// Loses a packet.
    pub(crate) fn drop(&mut self, kernel: &mut Kernel, packet: Packet, reason: DropReason) {
        self.counters.packets_dropped += 1;
        // Operand b: the ordinal above, the reason in the lowest four bits.
        kernel.trace(Kind::PACKET_DROPPED, packet.site.as_u64(), packet.ordinal << 4 | reason as u64);
        self.packets.recycle(packet.payload);
    }
}
