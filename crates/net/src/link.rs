//! Links: how long a packet between two nodes is under way, and whether it arrives at all.

use std::collections::BTreeMap;
use std::time::Duration;

use stormglass_kernel::{Kernel, Site, saturating_nanos};

use crate::flow::{DELAY, FAULT_DELAY, FAULT_LOSS, LOSS, fault_site};
use crate::rule::{Pair, Rules};

/// How a link behaves without faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkOptions {
    /// The least time under way, one way.
    pub latency: Duration,
    /// Added to it: uniform from zero to this, drawn per packet.
    pub jitter: Duration,
    /// Parts per million of packets that vanish.
    pub loss_ppm: u32,
    /// Whether jitter lets a later segment overtake an earlier one of its TCP flow. Off, a flow keeps its order, as
    /// queues on one path do. Datagrams may always overtake each other.
    pub reorders: bool,
}

impl LinkOptions {
    /// A link of constant latency.
    #[must_use]
    pub const fn constant(latency: Duration) -> Self {
        Self { latency, jitter: Duration::ZERO, loss_ppm: 0, reorders: false }
    }
}

impl Default for LinkOptions {
    /// 500 µs to 1 ms, without loss: machines of one site.
    fn default() -> Self {
        let half = Duration::from_micros(500);
        Self { jitter: half, ..Self::constant(half) }
    }
}

/// Inside one machine: 10 to 20 µs. Faults do not touch it.
const LOOPBACK: Nanos = Nanos { latency: 10_000, jitter: 10_000, loss_ppm: 0, reorders: false };

/// Link options in the unit of the hot path.
#[derive(Clone, Copy, Debug)]
struct Nanos {
    latency: u64,
    jitter: u64,
    loss_ppm: u32,
    reorders: bool,
}

impl From<LinkOptions> for Nanos {
    fn from(options: LinkOptions) -> Self {
        let LinkOptions { latency, jitter, loss_ppm, reorders } = options;
        Self { latency: saturating_nanos(latency), jitter: saturating_nanos(jitter), loss_ppm, reorders }
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
    /// A filter on a port dropped it.
    Blocked = 3,
    /// No machine with power has the address.
    NoMachine = 4,
    /// The receiving socket's queue was full.
    Overflow = 5,
}

/// Whether and when a packet arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transit {
    pub(crate) delay_ns: u64,
    /// Whether it may overtake earlier packets of its flow.
    pub(crate) reorders: bool,
}

/// Every link, and the rules upon them.
#[derive(Debug)]
pub(crate) struct Links {
    default: Nanos,
    pairs: BTreeMap<Pair, Nanos>,
    pub(crate) rules: Rules,
}

impl Links {
    pub(crate) fn new(default: LinkOptions) -> Self {
        Self { default: default.into(), pairs: BTreeMap::new(), rules: Rules::default() }
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

    /// Decides about packet `ordinal` of the flow at `site`, which leaves now.
    #[inline]
    pub(crate) fn transit(
        &mut self,
        kernel: &Kernel,
        pair: Pair,
        site: Site,
        ordinal: u64,
    ) -> Result<Transit, DropReason> {
        let link = match pair {
            (from, to) if from == to => LOOPBACK,
            _ if self.pairs.is_empty() => self.default,
            _ => self.pairs.get(&pair).copied().unwrap_or(self.default),
        };
        let decisions = kernel.decisions();
        let high = link.latency.saturating_add(link.jitter);
        let delay_ns = decisions.range(DELAY, site, ordinal, link.latency, high);
        if decisions.chance(LOSS, site, ordinal, link.loss_ppm) {
            return Err(DropReason::Lost);
        }
        let transit = Transit { delay_ns, reorders: link.reorders };
        if self.rules.is_empty() || pair.0 == pair.1 {
            Ok(transit)
        } else {
            self.faults(kernel, pair, site, ordinal, transit)
        }
    }

    fn faults(
        &mut self,
        kernel: &Kernel,
        pair: Pair,
        site: Site,
        ordinal: u64,
        mut transit: Transit,
    ) -> Result<Transit, DropReason> {
        if self.rules.cuts(pair) {
            return Err(DropReason::Cut);
        }
        let Some(on) = self.rules.on_link(pair) else { return Ok(transit) };
        let (latencies, losses) = (on.latencies.clone(), on.losses.clone());
        let decisions = kernel.decisions();
        let mut lost = false;
        for (fault, ppm) in losses {
            if decisions.chance(FAULT_LOSS, fault_site(site, fault), ordinal, ppm) {
                self.rules.count_dropped(fault);
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
            if late > 0 {
                self.rules.count_delayed(fault);
            }
        }
        Ok(transit)
    }
}
