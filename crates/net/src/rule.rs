//! Fault rules: what faults do to links and ports, each with its own count of what it hit.
//!
//! Rules are held by the number of their fault, and several may cover one link. A link is cut while *any* cut covers
//! it; extra latencies add up; losses are independent. So the end of one fault never heals another.
//!
//! A **cut** drops a packet whose departure or whose arrival falls within it: what is under way when the link breaks
//! is lost, and what is sent into the break is too. A packet that leaves before and arrives after a short cut passes.

use std::collections::BTreeMap;
use std::time::Duration;

use stormglass_kernel::{NodeId, saturating_nanos};

use crate::filter::{Action, Direction, Filter};
use crate::packet::{Packet, Protocol};

/// An ordered pair of nodes: who sends, who receives.
pub type Pair = (NodeId, NodeId);

/// What a fault hit so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RuleHits {
    /// Packets that it dropped, or would have: each of several cuts over one link counts the packet.
    pub packets_dropped: u64,
    /// Packets that it held back.
    pub packets_delayed: u64,
    /// Packets that it made arrive twice.
    pub packets_doubled: u64,
    /// Packets of which it flipped bits.
    pub packets_corrupted: u64,
}

/// What a fault makes of a link beyond cuts, delays and losses. Each is decided for each packet by itself, on top of what the
/// link's own options do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Impairment {
    /// So many of a million packets arrive twice, the copy with a delay of its own.
    Duplicate {
        /// Parts per million.
        ppm: u32,
    },
    /// Bits flip in so many of a million packets; their checksums tell.
    Corrupt {
        /// Parts per million.
        ppm: u32,
    },
    /// So many of a million packets are held back, and overtaken.
    Reorder {
        /// Parts per million.
        ppm: u32,
        /// For how long.
        by: Duration,
    },
    /// No more passes, headers included, and what cannot wait is dropped.
    Narrow {
        /// Bytes a second; at least 1.
        rate: u64,
        /// Bytes that may wait.
        queue: u32,
    },
}

#[derive(Clone, Debug)]
enum Rule {
    Cut(Vec<Pair>),
    Latency { pairs: Vec<Pair>, extra_ns: u64, jitter_ns: u64 },
    Loss { pairs: Vec<Pair>, ppm: u32 },
    Impair { pairs: Vec<Pair>, what: Impairment },
    Filter(Filter),
}

/// What covers one link now, in order of fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct OnLink {
    pub(crate) cuts: Vec<u32>,
    /// Fault, extra, jitter; in nanoseconds.
    pub(crate) latencies: Vec<(u32, u64, u64)>,
    /// Fault, parts per million.
    pub(crate) losses: Vec<(u32, u32)>,
    pub(crate) impairments: Vec<(u32, Impairment)>,
}

/// Rules in force.
#[derive(Debug, Default)]
pub struct Rules {
    rules: BTreeMap<u32, Vec<Rule>>,
    hits: BTreeMap<u32, RuleHits>,
    links: BTreeMap<Pair, OnLink>,
    filters: Vec<(u32, Filter)>,
    /// Until when each narrowed link's transmitter is busy, in nanoseconds, for each fault that narrows it.
    busy_until: BTreeMap<(u32, Pair), u64>,
}

impl Rules {
    /// Cuts links: see the head of this file for which packets that drops.
    pub fn cut(&mut self, fault: u32, pairs: &[Pair]) {
        self.add(fault, Rule::Cut(pairs.to_vec()));
    }

    /// Delays every packet on the links by `extra`, and on top by a uniform draw from zero to `jitter`; one way.
    pub fn add_latency(&mut self, fault: u32, pairs: &[Pair], extra: Duration, jitter: Duration) {
        let (extra_ns, jitter_ns) = (saturating_nanos(extra), saturating_nanos(jitter));
        self.add(fault, Rule::Latency { pairs: pairs.to_vec(), extra_ns, jitter_ns });
    }

    /// Loses `ppm` of a million packets on the links, each for itself.
    pub fn add_loss(&mut self, fault: u32, pairs: &[Pair], ppm: u32) {
        self.add(fault, Rule::Loss { pairs: pairs.to_vec(), ppm });
    }

    /// Impairs the links.
    pub fn impair(&mut self, fault: u32, pairs: &[Pair], what: Impairment) {
        self.add(fault, Rule::Impair { pairs: pairs.to_vec(), what });
    }

    /// Drops packets to one destination port at one node. What stays inside the node is not filtered.
    pub fn block_port(&mut self, fault: u32, node: NodeId, port: u16, protocol: Protocol, direction: Direction) {
        let every = Filter::everything(node, direction);
        self.filter(fault, Filter { destination_port: Some(port), protocol: Some(protocol), ..every });
    }

    /// Adds a firewall rule.
    pub fn filter(&mut self, fault: u32, filter: Filter) {
        self.add(fault, Rule::Filter(filter));
    }

    /// Ends every rule of a fault. Says whether there was one. Its counts stay.
    pub fn remove(&mut self, fault: u32) -> bool {
        let there = self.rules.remove(&fault).is_some();
        self.busy_until.retain(|(of, _), _| *of != fault);
        self.rebuild();
        there
    }

    /// What a fault hit so far; zero for one that never began.
    #[must_use]
    pub fn hits(&self, fault: u32) -> RuleHits {
        self.hits.get(&fault).copied().unwrap_or_default()
    }

    fn add(&mut self, fault: u32, rule: Rule) {
        self.rules.entry(fault).or_default().push(rule);
        self.rebuild();
    }

    /// Rules change rarely and are asked often: what covers each link and port is worked out here.
    fn rebuild(&mut self) {
        self.links.clear();
        self.filters.clear();
        for (&fault, rules) in &self.rules {
            for rule in rules {
                match rule {
                    Rule::Cut(pairs) => {
                        pairs.iter().for_each(|&p| self.links.entry(p).or_default().cuts.push(fault));
                    }
                    Rule::Latency { pairs, extra_ns, jitter_ns } => pairs.iter().for_each(|&p| {
                        self.links.entry(p).or_default().latencies.push((fault, *extra_ns, *jitter_ns));
                    }),
                    Rule::Loss { pairs, ppm } => {
                        pairs.iter().for_each(|&p| self.links.entry(p).or_default().losses.push((fault, *ppm)));
                    }
                    Rule::Impair { pairs, what } => {
                        pairs.iter().for_each(|&p| self.links.entry(p).or_default().impairments.push((fault, *what)));
                    }
                    Rule::Filter(filter) => self.filters.push((fault, *filter)),
                }
            }
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn on_link(&self, pair: Pair) -> Option<&OnLink> {
        self.links.get(&pair)
    }

    /// Whether a cut covers the link. Counts the packet if so.
    pub(crate) fn cuts(&mut self, pair: Pair) -> bool {
        let Self { links, hits, .. } = self;
        let Some(on) = links.get(&pair).filter(|on| !on.cuts.is_empty()) else { return false };
        on.cuts.iter().for_each(|&fault| hits.entry(fault).or_default().packets_dropped += 1);
        true
    }

    /// What the filters on one side of a machine do with a packet, if any matches: the first one says. Each that matches
    /// counts it.
    pub(crate) fn filtered(&mut self, packet: &Packet, side: Direction) -> Option<Action> {
        let Self { filters, hits, .. } = self;
        let mut action = None;
        for (fault, filter) in filters.iter().filter(|(_, filter)| filter.matches(packet, side)) {
            hits.entry(*fault).or_default().packets_dropped += 1;
            action.get_or_insert(filter.action);
        }
        action
    }

    pub(crate) fn count(&mut self, fault: u32) -> &mut RuleHits {
        self.hits.entry(fault).or_default()
    }

    pub(crate) fn busy_until(&mut self, fault: u32, pair: Pair) -> &mut u64 {
        self.busy_until.entry((fault, pair)).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::from_index(1);
    const B: NodeId = NodeId::from_index(2);

    #[test]
    fn the_end_of_one_cut_does_not_heal_another() {
        let mut rules = Rules::default();
        rules.cut(1, &[(A, B)]);
        rules.cut(2, &[(A, B), (B, A)]);
        assert!(rules.cuts((A, B)) && rules.cuts((B, A)));
        assert!(rules.remove(1));
        assert!(rules.cuts((A, B)));
        assert!(rules.remove(2) && !rules.remove(2));
        assert!(!rules.cuts((A, B)) && rules.is_empty());
        assert_eq!([1, 2, 3].map(|f| rules.hits(f).packets_dropped), [1, 3, 0]);
    }
}
