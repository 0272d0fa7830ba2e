//! A capture of the run: every packet that left a node, as pcapng that Wireshark and tshark read.
//!
//! A packet is written once, by the interface of the node that sent it and at the instant it left, so that a lost segment
//! and its retransmission are both seen and nothing is seen twice. A packet whose fate was known when it left says so in a
//! comment. What a capture holds that the simulation only implies: checksums, which are computed, the scale of windows, and
//! the pieces of a datagram beyond the link's MTU. Writing it never influences the run.

use std::io::{self, Write};
use std::time::Duration;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::{
    Icmpv4Type, IpFragOffset, IpNumber, Ipv4Header, PacketBuilder, TcpHeader, TcpOptionElement, UdpHeader,
};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, Endianness, PcapError};
use stormglass_kernel::{Kernel, NodeId, WALL_CLOCK_START_NS};

use crate::link::DropReason;
use crate::packet::{Body, Flags, Packet, Segment};

/// What windows are shifted by, as a SYN says: 128 times 65,535 bytes are more than any buffer here.
const WINDOW_SHIFT: u8 = 7;
/// A nanosecond's exponent, for `if_tsresol`.
const NANOSECONDS: u8 = 9;
const TTL: u8 = 64;
const IP_HEADER: usize = 20;

/// Where captured packets go.
pub(crate) struct Capture {
    writer: PcapNgWriter<Box<dyn Write + Send>>,
    /// Each node's interface, in order of nodes; the first packet of a node makes it.
    interfaces: Vec<Option<u32>>,
    interface_count: u32,
    /// IP's identification of each node's next packet: fragments are put together by it.
    identifications: Vec<u16>,
    problem: Option<String>,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl Capture {
    /// Writes the header.
    pub(crate) fn new(sink: Box<dyn Write + Send>) -> io::Result<Self> {
        Ok(Self {
            writer: PcapNgWriter::with_endianness(sink, Endianness::Little).map_err(to_io)?,
            interfaces: Vec::new(),
            interface_count: 0,
            identifications: Vec::new(),
            problem: None,
        })
    }

    /// What kept packets from being written, if anything did. Nothing is written after it.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Takes a packet that leaves now over a link of this MTU, and its fate as far as it is known.
    #[cold]
    pub(crate) fn packet(&mut self, kernel: &Kernel, packet: &Packet, mtu: u32, fate: Result<bool, DropReason>) {
        if self.problem.is_none()
            && let Err(error) = self.write(kernel, packet, mtu, fate)
        {
            self.problem = Some(error.to_string());
        }
    }

    fn write(
        &mut self,
        kernel: &Kernel,
        packet: &Packet,
        mtu: u32,
        fate: Result<bool, DropReason>,
    ) -> Result<(), PcapError> {
        let interface_id = self.interface(kernel, packet.from)?;
        let identification = &mut self.identifications[packet.from.index()];
        *identification = identification.wrapping_add(1);
        let frames = frames(packet, mtu as usize, *identification)
            .map_err(|error| PcapError::IoError(io::Error::other(error)))?;
        let timestamp = Duration::from_nanos(WALL_CLOCK_START_NS + kernel.now().as_nanos());
        let comment = match fate {
            Ok(false) => None,
            Ok(true) => Some("the link damages this packet".to_owned()),
            Err(reason) => Some(format!("the link drops this packet: {reason:?}")),
        };
        for frame in frames {
            let comment = comment.clone().map(|text| EnhancedPacketOption::Comment(text.into()));
            let block = EnhancedPacketBlock {
                interface_id,
                timestamp,
                original_len: frame.len() as u32,
                data: frame.into(),
                options: comment.into_iter().collect(),
            };
            self.writer.write_pcapng_block(block)?;
        }
        Ok(())
    }

    fn interface(&mut self, kernel: &Kernel, node: NodeId) -> Result<u32, PcapError> {
        if self.interfaces.len() <= node.index() {
            self.interfaces.resize(node.index() + 1, None);
            self.identifications.resize(node.index() + 1, 0);
        }
        if let Some(id) = self.interfaces[node.index()] {
            return Ok(id);
        }
        let name = kernel.node(node).name().to_string();
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(name.into()),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        };
        self.writer.write_pcapng_block(block)?;
        let id = self.interface_count;
        self.interface_count += 1;
        self.interfaces[node.index()] = Some(id);
        Ok(id)
    }
}

fn to_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

type BuildError = Box<dyn std::error::Error + Send + Sync>;

/// The IP packets in which a packet travels.
fn frames(packet: &Packet, mtu: usize, identification: u16) -> Result<Vec<Vec<u8>>, BuildError> {
    let (source, destination) = (packet.source.ip().octets(), packet.destination.ip().octets());
    let ports = (packet.source.port(), packet.destination.port());
    let mut ip = Ipv4Header::new(0, TTL, IpNumber::UDP, source, destination)?;
    ip.identification = identification;
    let content = match &packet.body {
        Body::PortUnreachable => return Ok(vec![port_unreachable(packet)?]),
        Body::Segment(segment) => {
            ip.protocol = IpNumber::TCP;
            ip.dont_fragment = true;
            let mut header = tcp_header(segment, ports, !packet.payload.is_empty(), mtu)?;
            header.checksum = header.calc_checksum_ipv4(&ip, &packet.payload)?;
            [&header.to_bytes()[..], &packet.payload].concat()
        }
        Body::Datagram => {
            ip.dont_fragment = false;
            let header = UdpHeader::with_ipv4_checksum(ports.0, ports.1, &ip, &packet.payload)?;
            [&header.to_bytes()[..], &packet.payload].concat()
        }
    };
    if content.len() + IP_HEADER <= mtu || ip.dont_fragment {
        return Ok(vec![frame(&mut ip, &content)?]);
    }
    let step = (mtu - IP_HEADER) & !7;
    let count = content.len().div_ceil(step);
    content
        .chunks(step)
        .enumerate()
        .map(|(i, piece)| {
            ip.fragment_offset = IpFragOffset::try_new((i * step / 8) as u16)?;
            ip.more_fragments = i + 1 < count;
            frame(&mut ip, piece)
        })
        .collect()
}

fn frame(ip: &mut Ipv4Header, content: &[u8]) -> Result<Vec<u8>, BuildError> {
    ip.set_payload_len(content.len())?;
    ip.header_checksum = ip.calc_header_checksum();
    Ok([&ip.to_bytes()[..], content].concat())
}

fn tcp_header(
    segment: &Segment,
    (source, destination): (u16, u16),
    carries_data: bool,
    mtu: usize,
) -> Result<TcpHeader, BuildError> {
    let flags = segment.flags;
    let opening = flags.has(Flags::SYN);
    let window = if opening { segment.window } else { segment.window.div_ceil(1 << WINDOW_SHIFT) };
    let window = u16::try_from(window).unwrap_or(u16::MAX);
    // The wire has 32 bits for places in the stream.
    let mut header = TcpHeader::new(source, destination, segment.seq as u32, window);
    header.syn = opening;
    header.fin = flags.has(Flags::FIN);
    header.rst = flags.has(Flags::RST);
    header.psh = carries_data;
    header.ack = flags.has(Flags::ACK);
    if header.ack {
        header.acknowledgment_number = segment.ack as u32;
    }
    if opening {
        let largest = u16::try_from(mtu.saturating_sub(40)).unwrap_or(u16::MAX);
        let options = [
            TcpOptionElement::MaximumSegmentSize(largest),
            TcpOptionElement::Noop,
            TcpOptionElement::WindowScale(WINDOW_SHIFT),
        ];
        header.set_options(&options)?;
    }
    Ok(header)
}

/// The error carries the header of what it answers (RFC 792).
fn port_unreachable(packet: &Packet) -> Result<Vec<u8>, BuildError> {
    let (source, destination) = (packet.source.ip().octets(), packet.destination.ip().octets());
    let mut ip = Ipv4Header::new(8, TTL, IpNumber::UDP, destination, source)?;
    ip.header_checksum = ip.calc_header_checksum();
    let udp = UdpHeader::with_ipv4_checksum(packet.destination.port(), packet.source.port(), &ip, &[])?;
    let cause = [&ip.to_bytes()[..], &udp.to_bytes()].concat();
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(source, destination, TTL)
        .icmpv4(Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port))
        .write(&mut bytes, &cause)?;
    Ok(bytes)
}
