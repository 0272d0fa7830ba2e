//! The wire: packets leave one host and arrive at another, or do not.

use std::net::SocketAddrV4;

use stormglass_kernel::{Kernel, Kind, VirtualTime, WorldEvent, WorldId};

use crate::capture::Capture;
use crate::counter::Counters;
use crate::filter::{Action, Direction};
use crate::flow::Flow;
use crate::link::DropReason;
use crate::lost::Losses;
use crate::net::NetOptions;
use crate::packet::{Body, Flags, Packet, Packets, Protocol, Segment, SocketRef};
use crate::transit::{Damage, Links, flip_undetected};

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
    pub(crate) capture: Option<Box<Capture>>,
    pub(crate) losses: Losses,
    /// Bytes of the send and receive buffers of new connections.
    pub(crate) buffers: (usize, usize),
}

impl Wire {
    #[inline]
    pub(crate) fn new(options: NetOptions) -> Self {
        Self {
            packets: Packets::default(),
            links: Links::new(options.links),
            counters: Counters::default(),
            capture: None,
            losses: Losses::default(),
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
        let mut packet =
            Packet { from, to, source, destination, site, ordinal, body, payload, corrupt: false, copy: false };
        // The draws come first, so that a filter does not change what they are for other packets.
        let bytes = packet.bytes();
        let transit = self.links.transit(kernel, &mut self.counters, (from, to), (site, ordinal), bytes);
        let outside = from != to && !self.links.rules.is_empty();
        if outside && let Some(action) = self.links.rules.filtered(&packet, Direction::Out) {
            return self.filter_out(kernel, packet, action);
        }
        if let Some(capture) = &mut self.capture {
            let fate = transit.as_ref().map(|t| t.damage != Damage::None).map_err(|&reason| reason);
            capture.packet(kernel, &packet, self.links.mtu((from, to)), fate);
        }
        let transit = match transit {
            Ok(transit) => transit,
            Err(reason) => return self.drop(kernel, packet, reason),
        };
        let now = kernel.now();
        let mut at = now.after_nanos(transit.delay_ns);
        // Within a machine there is one queue: what one socket sends to another comes in its order, datagrams too.
        if !transit.reorders && (packet.protocol() == Protocol::Tcp || from == to) {
            at = at.max(flow.arrives);
            flow.arrives = at;
        }
        if transit.damage != Damage::None {
            self.damage(&mut packet, transit.damage);
        }
        if let Some(copy_ns) = transit.copy_ns {
            let copy = Packet { payload: packet.payload.clone(), copy: true, ..packet };
            self.schedule(kernel, now.after_nanos(copy_ns), copy);
        }
        self.schedule(kernel, at, packet);
    }

    #[inline]
    fn schedule(&mut self, kernel: &mut Kernel, at: VirtualTime, packet: Packet) {
        let to = packet.to;
        let a = u64::from(self.packets.insert(packet));
        kernel.schedule(at, to, WorldEvent { world: WorldId::NET, kind: ARRIVE, a, b: 0 });
    }

    #[cold]
    fn damage(&mut self, packet: &mut Packet, damage: Damage) {
        match damage {
            Damage::Undetected(bits) if flip_undetected(&mut packet.payload, bits) => {
                self.counters.corruption_undetected += 1;
            }
            _ => packet.corrupt = true,
        }
    }

    /// A filter of the sender's own machine keeps a packet back.
    #[cold]
    fn filter_out(&mut self, kernel: &mut Kernel, packet: Packet, action: Action) {
        if action == Action::Drop {
            return self.drop(kernel, packet, DropReason::Blocked);
        }
        if let Some(body) = refusal(&packet) {
            // The machine answers itself, at once.
            let answer = Packet {
                from: packet.from,
                to: packet.from,
                source: packet.destination,
                destination: packet.source,
                body,
                payload: Vec::new(),
                ..packet
            };
            self.schedule(kernel, kernel.now(), answer);
        }
        self.counters.packets_rejected += 1;
        self.drop(kernel, packet, DropReason::Rejected);
    }

    /// Takes a packet that reaches its node now, unless a cut or a filter keeps it away.
    #[inline]
    pub(crate) fn arrive(&mut self, kernel: &mut Kernel, slot: u32) -> Arrived {
        let Some(packet) = self.packets.take(slot) else { return Arrived::Nothing };
        if packet.corrupt {
            self.counters.packets_corrupted += 1;
            self.drop(kernel, packet, DropReason::Corrupt);
            return Arrived::Nothing;
        }
        if packet.from != packet.to && !self.links.rules.is_empty() {
            let rules = &mut self.links.rules;
            if rules.cuts((packet.from, packet.to)) {
                self.drop(kernel, packet, DropReason::Cut);
                return Arrived::Nothing;
            }
            match rules.filtered(&packet, Direction::In) {
                None => {}
                Some(Action::Drop) => {
                    self.drop(kernel, packet, DropReason::Blocked);
                    return Arrived::Nothing;
                }
                Some(Action::Reject) => {
                    self.counters.packets_rejected += 1;
                    return Arrived::Refused(packet);
                }
            }
        }
        Arrived::Packet(packet)
    }

    /// Notes that a packet has reached a machine that takes it.
    #[inline]
    pub(crate) fn delivered(&mut self, kernel: &mut Kernel, packet: &Packet) {
        kernel.trace_on(packet.to, Kind::PACKET_DELIVERED, packet.site.as_u64(), packet.ordinal);
    }

    /// Loses a packet.
    pub(crate) fn drop(&mut self, kernel: &mut Kernel, packet: Packet, reason: DropReason) {
        self.counters.packets_dropped += 1;
        if matches!(packet.body, Body::Datagram) && !packet.copy {
            self.losses.datagram(kernel.now(), &packet, reason);
        }
        // Operand b: the ordinal above, the reason in the lowest four bits.
        kernel.trace(Kind::PACKET_DROPPED, packet.site.as_u64(), packet.ordinal << 4 | reason as u64);
        self.packets.recycle(packet.payload);
    }
}

/// What became of a packet at the end of its link.
#[derive(Debug)]
pub(crate) enum Arrived {
    Packet(Packet),
    /// A filter wants the sender told.
    Refused(Packet),
    Nothing,
}

/// The answer to a packet that nobody takes: a reset (RFC 9293, 3.10.7.1), an unreachable port. Resets and errors have none.
pub(crate) fn refusal(packet: &Packet) -> Option<Body> {
    let segment = match packet.body {
        Body::Datagram => return Some(Body::PortUnreachable),
        Body::PortUnreachable => return None,
        Body::Segment(segment) if segment.flags.has(Flags::RST) => return None,
        Body::Segment(segment) => segment,
    };
    let blank = Segment::answer_to(&segment);
    let flags = segment.flags;
    let occupies = u64::from(flags.has(Flags::SYN)) + u64::from(flags.has(Flags::FIN));
    let ack = segment.seq + packet.payload.len() as u64 + occupies;
    Some(Body::Segment(if flags.has(Flags::ACK) {
        Segment { flags: Flags::RST, seq: segment.ack, ..blank }
    } else {
        Segment { flags: Flags::RST.and(Flags::ACK), ack, ..blank }
    }))
}

impl Segment {
    /// A segment without content that belongs to no socket.
    pub(crate) fn answer_to(segment: &Self) -> Self {
        Self {
            flags: Flags::default(),
            seq: 0,
            ack: 0,
            window: 0,
            number: segment.number,
            sender: SocketRef::NONE,
            receiver: segment.sender,
        }
    }
}
