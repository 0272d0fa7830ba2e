//! What becomes of one packet on its link: the decisions, and the link's own queue.

use std::collections::BTreeMap;

use stormglass_kernel::{Decisions, Kernel, Site, mix, saturating_nanos};

use crate::counter::Counters;
use crate::flow::{
    CORRUPT, DELAY, DETOUR, DUPLICATE, FAULT_CORRUPT, FAULT_DELAY, FAULT_DUPLICATE, FAULT_LOSS, FAULT_REORDER, LOSS,
    REORDER, SHAPE, UNDETECTED, fault_site,
};
use crate::link::{DropReason, LinkOptions, Path};
use crate::rule::{Impairment, Pair, Rules};

/// Bytes of an IP header, and of the headers before a datagram's payload.
const IP_HEADER: u32 = 20;
const FRAGMENT: u64 = 0x6672_6167;
const COPY: u64 = 0x636f_7079;

/// Whether and when a packet arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transit {
    pub(crate) delay_ns: u64,
    /// Whether it may overtake earlier packets of its flow.
    pub(crate) reorders: bool,
    /// When a second copy arrives, if there is one.
    pub(crate) copy_ns: Option<u64>,
    pub(crate) damage: Damage,
}

/// A packet that leaves now: on which link, which packet of which flow, how long with its IP header.
struct Leaving<'a> {
    kernel: &'a Kernel,
    pair: Pair,
    site: Site,
    ordinal: u64,
    bytes: u32,
}

/// What the link does to a packet's bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damage {
    None,
    /// The checksum tells.
    Caught,
    /// Two bits flip so that the checksum stays valid: random bits to choose them.
    Undetected(u64),
}

/// Every link, its transmitter, and the rules upon them.
#[derive(Debug)]
pub(crate) struct Links {
    default: Path,
    loopback: Path,
    pairs: BTreeMap<Pair, Path>,
    /// Until when each link's transmitter is busy, in nanoseconds. Only its sender uses it.
    busy_until: BTreeMap<Pair, u64>,
    pub(crate) rules: Rules,
}

impl Links {
    #[inline]
    pub(crate) fn new(default: LinkOptions) -> Self {
        Self {
            default: default.into(),
            loopback: Path::loopback(),
            pairs: BTreeMap::new(),
            busy_until: BTreeMap::new(),
            rules: Rules::default(),
        }
    }

    /// Changes one link, or makes it an ordinary one again.
    pub(crate) fn set(&mut self, pair: Pair, options: Option<LinkOptions>) {
        match options {
            Some(options) => self.pairs.insert(pair, options.into()),
            None => self.pairs.remove(&pair),
        };
    }

    pub(crate) fn set_default(&mut self, options: LinkOptions) {
        self.default = options.into();
    }

    #[inline]
    fn path(&self, pair: Pair) -> &Path {
        match pair {
            (from, to) if from == to => &self.loopback,
            _ if self.pairs.is_empty() => &self.default,
            _ => self.pairs.get(&pair).unwrap_or(&self.default),
        }
    }

    /// Bytes of the largest IP packet on a link.
    #[inline]
    pub(crate) fn mtu(&self, pair: Pair) -> u32 {
        self.path(pair).mtu
    }

    /// Decides about packet `ordinal` of the flow at `site`, which leaves now and has `bytes` with its IP header.
    #[inline]
    pub(crate) fn transit(
        &mut self,
        kernel: &Kernel,
        counters: &mut Counters,
        pair: Pair,
        (site, ordinal): (Site, u64),
        bytes: u32,
    ) -> Result<Transit, DropReason> {
        let path = self.path(pair);
        let decisions = kernel.decisions();
        let transit = if path.plain {
            let high = path.latency_ns.saturating_add(path.jitter_ns);
            let delay_ns = decisions.range(DELAY, site, ordinal, path.latency_ns, high);
            if decisions.chance(LOSS, site, ordinal, path.loss_ppm) {
                return Err(DropReason::Lost);
            }
            Transit { delay_ns, reorders: path.reorders, copy_ns: None, damage: Damage::None }
        } else {
            let path = *path;
            self.impaired(kernel, counters, pair, &path, (site, ordinal), bytes)?
        };
        if self.rules.is_empty() || pair.0 == pair.1 {
            Ok(transit)
        } else {
            self.faults(kernel, counters, pair, (site, ordinal), bytes, transit)
        }
    }

    fn impaired(
        &mut self,
        kernel: &Kernel,
        counters: &mut Counters,
        pair: Pair,
        path: &Path,
        (site, ordinal): (Site, u64),
        bytes: u32,
    ) -> Result<Transit, DropReason> {
        let decisions = kernel.decisions();
        let fragments = fragments(bytes, path.mtu);
        let headers = (fragments - 1) * IP_HEADER;
        let waits_ns = self.transmit(kernel.now().as_nanos(), pair, path, bytes.saturating_add(headers));
        let Some(waits_ns) = waits_ns else {
            counters.queue_dropped += 1;
            return Err(DropReason::QueueFull);
        };
        if fragments > 1 {
            counters.fragments_sent += u64::from(fragments);
        }
        let mut delay_ns = 0;
        for i in 0..fragments {
            // The first is decided as the whole packet would be.
            let site = if i == 0 { site } else { Site::from_key(mix(site.as_u64(), FRAGMENT + u64::from(i))) };
            delay_ns = delay_ns.max(draw(decisions, path, site, ordinal));
            if decisions.chance(LOSS, site, ordinal, path.loss_ppm) {
                return Err(DropReason::Lost);
            }
        }
        let mut reorders = path.reorders;
        if decisions.chance(REORDER, site, ordinal, path.reorder_ppm) {
            counters.packets_held_back += 1;
            delay_ns = delay_ns.saturating_add(path.reorder_by_ns);
            reorders = true;
        }
        let damage = if !decisions.chance(CORRUPT, site, ordinal, path.corrupt_ppm) {
            Damage::None
        } else if decisions.chance(UNDETECTED, site, ordinal, path.undetected_ppm) {
            Damage::Undetected(mix(site.as_u64(), ordinal))
        } else {
            Damage::Caught
        };
        let copy_ns = decisions.chance(DUPLICATE, site, ordinal, path.duplicate_ppm).then(|| {
            counters.packets_duplicated += 1;
            draw(decisions, path, Site::from_key(mix(site.as_u64(), COPY)), ordinal).saturating_add(waits_ns)
        });
        Ok(Transit { delay_ns: delay_ns.saturating_add(waits_ns), reorders, copy_ns, damage })
    }

    /// Puts a packet into the link's queue. Gives how long it takes to be on the wire whole, in nanoseconds; `None` when
    /// the queue is full.
    fn transmit(&mut self, now: u64, pair: Pair, path: &Path, bytes: u32) -> Option<u64> {
        if path.bandwidth == 0 {
            return Some(0);
        }
        enqueue(self.busy_until.entry(pair).or_default(), now, path.bandwidth, path.queue, bytes)
    }

    fn faults(
        &mut self,
        kernel: &Kernel,
        counters: &mut Counters,
        pair: Pair,
        (site, ordinal): (Site, u64),
        bytes: u32,
        mut transit: Transit,
    ) -> Result<Transit, DropReason> {
        if self.rules.cuts(pair) {
            return Err(DropReason::Cut);
        }
        let Some(on) = self.rules.on_link(pair) else { return Ok(transit) };
        let (latencies, losses, impairments) = (on.latencies.clone(), on.losses.clone(), on.impairments.clone());
        let decisions = kernel.decisions();
        let mut lost = false;
        for (fault, ppm) in losses {
            if decisions.chance(FAULT_LOSS, fault_site(site, fault), ordinal, ppm) {
                self.rules.count(fault).packets_dropped += 1;
                lost = true;
            }
        }
        if lost {
            return Err(DropReason::Lost);
        }
        for (fault, extra_ns, jitter_ns) in latencies {
            let high = extra_ns.saturating_add(jitter_ns);
            let late = decisions.range(FAULT_DELAY, fault_site(site, fault), ordinal, extra_ns, high);
            transit.delay_ns = transit.delay_ns.saturating_add(late);
            transit.copy_ns = transit.copy_ns.map(|ns| ns.saturating_add(late));
            if late > 0 {
                self.rules.count(fault).packets_delayed += 1;
            }
        }
        let leaving = Leaving { kernel, pair, site, ordinal, bytes };
        for (fault, what) in impairments {
            self.impair(&leaving, counters, (fault, what), &mut transit)?;
        }
        Ok(transit)
    }

    fn impair(
        &mut self,
        leaving: &Leaving<'_>,
        counters: &mut Counters,
        (fault, what): (u32, Impairment),
        transit: &mut Transit,
    ) -> Result<(), DropReason> {
        let Leaving { kernel, pair, site, ordinal, bytes } = *leaving;
        let (decisions, own) = (kernel.decisions(), fault_site(site, fault));
        match what {
            // A packet that is doubled already is not doubled again.
            Impairment::Duplicate { ppm } => {
                if transit.copy_ns.is_none() && decisions.chance(FAULT_DUPLICATE, own, ordinal, ppm) {
                    let copy = draw(decisions, self.path(pair), Site::from_key(mix(own.as_u64(), COPY)), ordinal);
                    transit.copy_ns = Some(copy);
                    counters.packets_duplicated += 1;
                    self.rules.count(fault).packets_doubled += 1;
                }
            }
            Impairment::Corrupt { ppm } => {
                if transit.damage == Damage::None && decisions.chance(FAULT_CORRUPT, own, ordinal, ppm) {
                    transit.damage = Damage::Caught;
                    self.rules.count(fault).packets_corrupted += 1;
                }
            }
            Impairment::Reorder { ppm, by } => {
                if decisions.chance(FAULT_REORDER, own, ordinal, ppm) {
                    transit.delay_ns = transit.delay_ns.saturating_add(saturating_nanos(by));
                    transit.reorders = true;
                    counters.packets_held_back += 1;
                    self.rules.count(fault).packets_delayed += 1;
                }
            }
            Impairment::Narrow { rate, queue } => {
                let now = kernel.now().as_nanos();
                let bits = rate.saturating_mul(8).max(8);
                let Some(waits_ns) = enqueue(self.rules.busy_until(fault, pair), now, bits, queue, bytes) else {
                    counters.queue_dropped += 1;
                    self.rules.count(fault).packets_dropped += 1;
                    return Err(DropReason::QueueFull);
                };
                transit.delay_ns = transit.delay_ns.saturating_add(waits_ns);
                transit.copy_ns = transit.copy_ns.map(|ns| ns.saturating_add(waits_ns));
                self.rules.count(fault).packets_delayed += 1;
            }
        }
        Ok(())
    }
}

/// Puts a packet into a queue before a wire of so many bits a second. Gives how long it takes to be on the wire whole, in
/// nanoseconds; `None` when the queue, of so many bytes, is full.
fn enqueue(busy_until: &mut u64, now: u64, bandwidth: u64, queue: u32, bytes: u32) -> Option<u64> {
    let waits = busy_until.saturating_sub(now);
    let queued_bits = u128::from(waits) * u128::from(bandwidth) / 1_000_000_000;
    // A packet on an idle wire needs no queue.
    if waits > 0 && queued_bits / 8 + u128::from(bytes) > u128::from(queue) {
        return None;
    }
    let own = (u128::from(bytes) * 8 * 1_000_000_000).div_ceil(u128::from(bandwidth));
    let takes = waits.saturating_add(u64::try_from(own).unwrap_or(u64::MAX));
    *busy_until = now.saturating_add(takes);
    Some(takes)
}

/// How long one packet is under way. The decision has one key, whatever the distribution, so that an override gives the
/// nanoseconds themselves.
fn draw(decisions: &Decisions, path: &Path, site: Site, ordinal: u64) -> u64 {
    if let Some(ns) = decisions.replaced(DELAY, site, ordinal) {
        return ns;
    }
    let (bits, more) = (decisions.bits(SHAPE, site, ordinal), decisions.bits(DETOUR, site, ordinal));
    path.latency_ns.saturating_add(path.shape.draw(path.jitter_ns, bits, more))
}

/// In how many fragments a packet of `bytes` travels: each but the last carries a multiple of eight bytes (RFC 791).
fn fragments(bytes: u32, mtu: u32) -> u32 {
    if bytes <= mtu {
        return 1;
    }
    (bytes - IP_HEADER).div_ceil((mtu - IP_HEADER) & !7)
}

/// Flips one bit up in one 16-bit word and the same bit down in another, so that the ones' complement sum of RFC 1071 stays
/// what it was. Says whether there was such a pair: some payloads have none, and then the checksum tells.
pub(crate) fn flip_undetected(payload: &mut [u8], bits: u64) -> bool {
    let words = payload.len() / 2;
    for attempt in 0..64 {
        let bits = mix(bits, attempt);
        let (bit, half) = (1_u8 << (bits & 7), (bits >> 3 & 1) as usize);
        let word = |shift: u32| (bits >> shift) as usize % words.max(1) * 2 + half;
        let (one, other) = (word(8), word(36));
        if words > 0 && (payload[one] ^ payload[other]) & bit != 0 {
            payload[one] ^= bit;
            payload[other] ^= bit;
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(payload: &[u8]) -> u16 {
        let mut sum: u32 = 0;
        for pair in payload.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn what_slips_through_has_the_checksum_of_what_was_sent() {
        for seed in 0..200 {
            let sent: Vec<u8> = (0..37).map(|i| mix(seed, i) as u8).collect();
            let mut got = sent.clone();
            assert!(flip_undetected(&mut got, seed));
            assert_ne!(got, sent);
            assert_eq!(sum(&got), sum(&sent));
        }
        assert!(!flip_undetected(&mut [0; 64], 1) && !flip_undetected(&mut [7], 1));
    }

    #[test]
    fn fragments_carry_multiples_of_eight_bytes() {
        // 1,480 bytes fit one packet of 1,500; 2,960 fill two; one byte more needs a third.
        assert_eq!([1_500, 1_501, 2_980, 2_981].map(|bytes| fragments(bytes, 1_500)), [1, 2, 2, 3]);
        assert_eq!(fragments(65_535, 68), 1_365);
    }

    #[test]
    fn a_queue_lets_packets_out_one_after_the_other_and_drops_what_does_not_fit() {
        let pair = (stormglass_kernel::NodeId::from_index(1), stormglass_kernel::NodeId::from_index(2));
        let options = LinkOptions {
            bandwidth: Some(8_000_000),
            queue: 3_000,
            ..LinkOptions::constant(std::time::Duration::ZERO)
        };
        let mut links = Links::new(options);
        let path = *links.path(pair);
        // A byte takes a microsecond.
        let mut send = |now_us: u64| links.transmit(now_us * 1_000, pair, &path, 1_000).map(|ns| ns / 1_000);
        assert_eq!([send(0), send(0), send(0), send(0)], [Some(1_000), Some(2_000), Some(3_000), None]);
        assert_eq!([send(1_000), send(1_000)], [Some(3_000), None]);
        assert_eq!(send(50_000), Some(1_000));
    }
}
