//! Draws network faults. The ranges suit a Raft cluster with election timeouts of 150–600 ms: the shortest faults end
//! before anyone notices, the longest outlast several elections.

use std::time::Duration;

use super::profile::{micros, millis};
use crate::{
    Action, Direction, Fault, Kind, LinkFault, Links, NameFault, NodeName, Probability, Protocol, Stream, bridge, flap,
    isolate, majority_ring, one_way, partition,
};

/// Draws one fault of a network kind, without its place in time but with its duration.
pub(super) fn draw(kind: Kind, stream: &mut Stream, nodes: &[NodeName], ports: &[(Protocol, u16)]) -> Option<Fault> {
    let cut = millis(300, 10_000);
    let fault = match kind {
        Kind::PartitionHalves => {
            let (left, right) = split(stream, nodes);
            partition(left, right).lasting(stream.log_duration(cut))
        }
        Kind::IsolateOne => {
            let node = stream.pick(nodes)?.clone();
            isolate(node, nodes).lasting(stream.log_duration(cut))
        }
        Kind::MajorityRing => {
            let mut ring = nodes.to_vec();
            stream.shuffle(&mut ring);
            majority_ring(ring).lasting(stream.log_duration(cut))
        }
        Kind::Bridge => {
            let node = stream.pick(nodes)?;
            let others: Vec<NodeName> = nodes.iter().filter(|other| *other != node).cloned().collect();
            let left = stream.subset(&others, others.len() / 2);
            let right: Vec<NodeName> = others.into_iter().filter(|other| !left.contains(other)).collect();
            bridge(node, left, right).lasting(stream.log_duration(cut))
        }
        Kind::OneWay => {
            let (small, large) = split(stream, nodes);
            let muted = stream.below(2) == 0;
            let fault = if muted { one_way(small, large) } else { one_way(large, small) };
            fault.lasting(stream.log_duration(cut))
        }
        Kind::Flap => {
            let (left, right) = split(stream, nodes);
            let (on, off) = (stream.log_duration(millis(100, 1_000)), stream.log_duration(millis(100, 1_000)));
            flap(left, right, on, off).lasting(stream.log_duration(millis(1_000, 6_000)))
        }
        Kind::LatencySpike => {
            let links = links(stream, nodes);
            let extra = stream.log_duration(millis(10, 500));
            let jitter = stream.duration(Duration::ZERO..=extra);
            Fault::new(Action::LatencySpike { links, extra, jitter }).lasting(stream.log_duration(millis(300, 8_000)))
        }
        Kind::Loss => {
            let links = links(stream, nodes);
            // One to thirty percent, in tenths of a percent.
            let ppm = stream.log_range(10..=300) as u32 * 1_000;
            let probability = Probability::from_ppm(ppm).ok()?;
            Fault::new(Action::Loss { links, probability }).lasting(stream.log_duration(millis(500, 10_000)))
        }
        Kind::PortBlock => {
            let node = stream.pick(nodes)?.clone();
            let (protocol, port) = *stream.pick(ports)?;
            let direction = if stream.below(2) == 0 { Direction::In } else { Direction::Out };
            Fault::new(Action::PortBlock { node, port, protocol, direction })
                .lasting(stream.log_duration(millis(300, 8_000)))
        }
        Kind::Duplication | Kind::Corruption | Kind::Reordering | Kind::Bandwidth => {
            let links = links(stream, nodes);
            let fault = impairment(kind, stream)?;
            Fault::new(Action::Impair { links, fault }).lasting(stream.log_duration(millis(500, 10_000)))
        }
        Kind::DnsSilent | Kind::DnsUnknown | Kind::DnsStale => {
            let count = stream.range(1..=nodes.len() as u64) as usize;
            let askers = stream.subset(nodes, count);
            let fault = match kind {
                Kind::DnsSilent => NameFault::Silent,
                Kind::DnsUnknown => NameFault::Unknown,
                _ => {
                    let mut pair = stream.subset(nodes, 2);
                    let answer = pair.pop()?;
                    NameFault::Stale { name: pair.pop()?, answer }
                }
            };
            Fault::new(Action::Names { nodes: askers, fault }).lasting(stream.log_duration(millis(300, 10_000)))
        }
        _ => return None,
    };
    Some(fault)
}

/// How much of it: copies and packets held back (by 0.1 to 50 ms) 1–50 %, corruption 0.1–20 %, 4 KB to 4 MB a second with room
/// for 4 to 256 KiB; all with uniform magnitude.
fn impairment(kind: Kind, stream: &mut Stream) -> Option<LinkFault> {
    // In tenths of a percent.
    let tenths = stream.log_range(if kind == Kind::Corruption { 1..=200 } else { 10..=500 });
    let probability = Probability::from_ppm(tenths as u32 * 1_000).ok()?;
    Some(match kind {
        Kind::Duplication => LinkFault::Duplication(probability),
        Kind::Corruption => LinkFault::Corruption(probability),
        Kind::Reordering => LinkFault::Reordering { probability, by: stream.log_duration(micros(100, 50_000)) },
        _ => {
            let rate = stream.log_range(4_000..=4_000_000);
            LinkFault::Bandwidth { rate, queue: stream.log_range(4_096..=262_144) as u32 }
        }
    })
}

/// How many nodes a kind needs to mean anything.
pub(super) fn nodes_min(kind: Kind) -> usize {
    match kind {
        Kind::MajorityRing => 4,
        Kind::Bridge => 3,
        Kind::PortBlock => 1,
        Kind::DiskSwap => 2,
        _ if kind.family() == crate::Family::Network => 2,
        _ => 1,
    }
}

/// A random split in two; the first part is a minority, or a half of an even number.
pub(super) fn split(stream: &mut Stream, nodes: &[NodeName]) -> (Vec<NodeName>, Vec<NodeName>) {
    let small = stream.range(1..=(nodes.len() as u64 / 2).max(1)) as usize;
    let left = stream.subset(nodes, small);
    let right = nodes.iter().filter(|node| !left.contains(node)).cloned().collect();
    (left, right)
}

/// All links, those of one node, or one of them in one direction.
fn links(stream: &mut Stream, nodes: &[NodeName]) -> Links {
    let Some(node) = stream.pick(nodes) else { return Links::among(nodes) };
    let others: Vec<NodeName> = nodes.iter().filter(|other| *other != node).cloned().collect();
    match stream.below(5) {
        0 | 1 => Links::among(nodes),
        2 | 3 => Links::between(node, others),
        _ => Links::one_way(node, stream.subset(&others, 1)),
    }
}

/// A short while between faults that belong together.
pub(super) fn moment(stream: &mut Stream) -> Duration {
    stream.log_duration(micros(200, 200_000))
}
