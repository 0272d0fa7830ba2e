//! Links: how a packet between two nodes travels, and what may become of it on the way.

use std::time::Duration;

use stormglass_kernel::saturating_nanos;

use crate::spread::{Shape, Spread};

/// How a link behaves without faults. It is one direction between two nodes; every field may change while the run goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkOptions {
    /// The least time under way, one way.
    pub latency: Duration,
    /// The scale of what is added to it, drawn per packet.
    pub jitter: Duration,
    /// How that is distributed.
    pub spread: Spread,
    /// Parts per million of packets that vanish.
    pub loss_ppm: u32,
    /// Whether jitter lets a later segment overtake an earlier one of its TCP flow. Off, a flow keeps its order, as
    /// queues on one path do. Datagrams between machines may always overtake each other.
    pub reorders: bool,
    /// Parts per million of packets that arrive twice, each with a delay of its own.
    pub duplicate_ppm: u32,
    /// Parts per million of packets that are held back by `reorder_by`, so that those behind overtake them.
    pub reorder_ppm: u32,
    /// How long such a packet is held back.
    pub reorder_by: Duration,
    /// Parts per million of packets in which bits flip. The checksums of TCP and UDP catch it: the packet is discarded
    /// where it arrives.
    pub corrupt_ppm: u32,
    /// Parts per million of corrupted packets that keep a valid checksum and arrive with other bytes than were sent. Zero
    /// unless asked for; a real 16-bit checksum lets through about 15.
    pub undetected_ppm: u32,
    /// Bytes of the largest IP packet. A TCP segment is cut to fit; a datagram beyond it travels in fragments and is lost
    /// when any of them is. Without one, segments have up to 16 KiB, as before a network card cuts them.
    pub mtu: Option<u32>,
    /// Bits per second. Each packet waits for those before it, and takes its own time on the wire.
    pub bandwidth: Option<u64>,
    /// Bytes that may wait for the wire; what comes then is dropped.
    pub queue: u32,
}

impl LinkOptions {
    /// A link of constant latency.
    #[must_use]
    pub const fn constant(latency: Duration) -> Self {
        Self {
            latency,
            jitter: Duration::ZERO,
            spread: Spread::Uniform,
            loss_ppm: 0,
            reorders: false,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_by: Duration::ZERO,
            corrupt_ppm: 0,
            undetected_ppm: 0,
            mtu: None,
            bandwidth: None,
            queue: 256 * 1024,
        }
    }
}

impl Default for LinkOptions {
    /// 500 µs to 1 ms, without loss: machines of one site.
    fn default() -> Self {
        let half = Duration::from_micros(500);
        Self { jitter: half, ..Self::constant(half) }
    }
}

/// The least MTU that a link takes, in bytes (RFC 791: every module must be able to forward 68).
const MTU_MIN: u32 = 68;

/// Link options in the unit of the hot path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) latency_ns: u64,
    pub(crate) jitter_ns: u64,
    pub(crate) loss_ppm: u32,
    pub(crate) reorders: bool,
    /// Whether there is nothing more to it.
    pub(crate) plain: bool,
    pub(crate) shape: Shape,
    pub(crate) duplicate_ppm: u32,
    pub(crate) reorder_ppm: u32,
    pub(crate) reorder_by_ns: u64,
    pub(crate) corrupt_ppm: u32,
    pub(crate) undetected_ppm: u32,
    pub(crate) mtu: u32,
    /// Bits per second; zero is without limit.
    pub(crate) bandwidth: u64,
    pub(crate) queue: u32,
}

impl From<LinkOptions> for Path {
    fn from(o: LinkOptions) -> Self {
        Self {
            latency_ns: saturating_nanos(o.latency),
            jitter_ns: saturating_nanos(o.jitter),
            loss_ppm: o.loss_ppm,
            reorders: o.reorders,
            plain: o.spread == Spread::Uniform
                && o.duplicate_ppm == 0
                && o.reorder_ppm == 0
                && o.corrupt_ppm == 0
                && o.mtu.is_none()
                && o.bandwidth.is_none(),
            shape: o.spread.into(),
            duplicate_ppm: o.duplicate_ppm,
            reorder_ppm: o.reorder_ppm,
            reorder_by_ns: saturating_nanos(o.reorder_by),
            corrupt_ppm: o.corrupt_ppm,
            undetected_ppm: o.undetected_ppm,
            mtu: o.mtu.map_or(u32::MAX, |mtu| mtu.max(MTU_MIN)),
            bandwidth: o.bandwidth.map_or(0, |bits| bits.max(1)),
            queue: o.queue,
        }
    }
}

impl Path {
    /// Inside one machine: 10 to 20 µs, and what one socket sends to another stays in order. Faults do not touch it.
    pub(crate) fn loopback() -> Self {
        let half = Duration::from_micros(10);
        LinkOptions { jitter: half, ..LinkOptions::constant(half) }.into()
    }
}

/// Why a packet did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DropReason {
    /// A cut covered its departure or its arrival.
    Cut = 1,
    /// The link or a fault lost it at random.
    Lost = 2,
    /// A filter dropped it.
    Blocked = 3,
    /// No machine with power has the address.
    NoMachine = 4,
    /// The receiving socket's queue was full.
    Overflow = 5,
    /// The link's queue was full.
    QueueFull = 6,
    /// Bits had flipped, and the checksum told.
    Corrupt = 7,
    /// A filter refused it.
    Rejected = 8,
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cut => "the link was cut",
            Self::Lost => "the link lost it",
            Self::Blocked => "a filter dropped it",
            Self::NoMachine => "no machine with power had the address",
            Self::Overflow => "the receiver's queue was full",
            Self::QueueFull => "the link's queue was full",
            Self::Corrupt => "its checksum was wrong",
            Self::Rejected => "a filter refused it",
        })
    }
}
