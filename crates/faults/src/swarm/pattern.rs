//! Patterns: faults that belong together, because the bug needs them in that order and close by.
//!
//! Independent faults rarely crash a node while it recovers, or take the leader of one term right after that of the
//! last. Patterns do, and leave to chance who and exactly when.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network::{moment, split};
use super::process::strike;
use super::profile::{micros, millis};
use crate::{Domain, Family, Fault, Kind, NodeName, Stream, isolate, partition};

/// Faults that come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pattern {
    /// Two to four nodes go down within a second: at any instants if the budget allows, else one after another.
    CrashBurst,
    /// One node goes down two to four times, each time soon after it came back, so while it recovers or rejoins.
    CrashAgain,
    /// Every node goes down once, each soon after the one before came back: leaders of consecutive terms among them.
    RollingCrashes,
    /// All nodes go down at the same instant. Needs a budget that allows it; all come back with their disks.
    AllAtOnce,
    /// Two to four partitions in a row, each along another line.
    ShiftingPartitions,
    /// While a partition is on, or just after it heals, a node goes down.
    CrashInPartition,
    /// A node is paused, and cut off at about the time when it resumes.
    PauseThenIsolate,
    /// Some nodes are cut off one after another, and come back in another order (FoundationDB's swizzle-clogging).
    Swizzle,
    /// Every node is told to stop and starts again, each when the one before is back.
    RollingRestart,
    /// Processes restart again and again, now this one, now that one, before anyone has settled.
    RestartStorm,
    /// Every node is told to stop and starts as the next version, each when the one before is back.
    RollingUpgrade,
    /// A whole rack, zone or site goes down at one instant.
    DomainOutage,
    /// A whole rack, zone or site is cut off from everyone else.
    DomainCut,
}

/// The kinds with which a pattern takes nodes down, and how often. Power losses more: they lose what was not synced.
const CRASHES: [(u32, Kind); 2] = [(1, Kind::Crash), (2, Kind::PowerLoss)];

/// The most faults of one pattern; a rolling crash of a larger cluster stops there.
pub(super) const BLOWS_MAX: usize = 32;

impl Pattern {
    /// Every pattern, in order. The order is also that of the planner's lanes: new patterns go to the end.
    pub const ALL: [Pattern; 13] = [
        Pattern::CrashBurst,
        Pattern::CrashAgain,
        Pattern::RollingCrashes,
        Pattern::AllAtOnce,
        Pattern::ShiftingPartitions,
        Pattern::CrashInPartition,
        Pattern::PauseThenIsolate,
        Pattern::Swizzle,
        Pattern::RollingRestart,
        Pattern::RestartStorm,
        Pattern::RollingUpgrade,
        Pattern::DomainOutage,
        Pattern::DomainCut,
    ];

    /// Its name, which is also the label of its faults.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Pattern::CrashBurst => "crash-burst",
            Pattern::CrashAgain => "crash-again",
            Pattern::RollingCrashes => "rolling-crashes",
            Pattern::AllAtOnce => "all-at-once",
            Pattern::ShiftingPartitions => "shifting-partitions",
            Pattern::CrashInPartition => "crash-in-partition",
            Pattern::PauseThenIsolate => "pause-then-isolate",
            Pattern::Swizzle => "swizzle",
            Pattern::RollingRestart => "rolling-restart",
            Pattern::RestartStorm => "restart-storm",
            Pattern::RollingUpgrade => "rolling-upgrade",
            Pattern::DomainOutage => "domain-outage",
            Pattern::DomainCut => "domain-cut",
        }
    }

    /// The families whose faults it uses.
    #[must_use]
    pub fn families(self) -> BTreeSet<Family> {
        self.needs().iter().map(|kind| kind.family()).chain(self.crashes().then_some(Family::Process)).collect()
    }

    /// The kinds without which it cannot be.
    pub(super) fn needs(self) -> &'static [Kind] {
        match self {
            Pattern::ShiftingPartitions | Pattern::CrashInPartition => &[Kind::PartitionHalves],
            Pattern::PauseThenIsolate => &[Kind::Pause, Kind::IsolateOne],
            Pattern::Swizzle => &[Kind::IsolateOne],
            Pattern::RollingRestart => &[Kind::GracefulStop],
            Pattern::RestartStorm => &[Kind::Restart],
            Pattern::RollingUpgrade => &[Kind::Upgrade],
            Pattern::DomainCut => &[Kind::PartitionHalves],
            _ => &[],
        }
    }

    /// Whether it needs one of the kinds that take a node down.
    pub(super) fn crashes(self) -> bool {
        match self {
            Pattern::CrashBurst
            | Pattern::CrashAgain
            | Pattern::RollingCrashes
            | Pattern::AllAtOnce
            | Pattern::CrashInPartition
            | Pattern::DomainOutage => true,
            Pattern::ShiftingPartitions
            | Pattern::PauseThenIsolate
            | Pattern::Swizzle
            | Pattern::RollingRestart
            | Pattern::RestartStorm
            | Pattern::RollingUpgrade
            | Pattern::DomainCut => false,
        }
    }

    /// Whether it needs to know which nodes stand together.
    pub(super) fn needs_topology(self) -> bool {
        matches!(self, Pattern::DomainOutage | Pattern::DomainCut)
    }

    /// How many nodes it needs to mean anything.
    pub(super) fn nodes_min(self) -> usize {
        match self {
            Pattern::CrashAgain | Pattern::AllAtOnce => 1,
            Pattern::ShiftingPartitions | Pattern::Swizzle => 3,
            _ => 2,
        }
    }

    /// The kinds that take a node down, of those that are available.
    pub(super) fn crash_kinds(available: &BTreeSet<Kind>) -> Vec<(u32, Kind)> {
        CRASHES.into_iter().filter(|(_, kind)| available.contains(kind)).collect()
    }

    /// In how many ways [`Sketch::build`] can make it.
    pub(super) fn variants(self, domains: usize) -> usize {
        match self {
            Pattern::CrashBurst => 2,
            // Another domain may fit where one does not.
            Pattern::DomainOutage => domains,
            _ => 1,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One crash of a pattern.
#[derive(Clone, Copy, Debug)]
struct Blow {
    kind: Kind,
    down: Duration,
    /// From the end of the blow before.
    gap: Duration,
    /// From the start of the pattern, where blows may overlap.
    offset: Duration,
}

/// One pattern with all its draws made, but for the nodes.
pub(super) struct Sketch {
    pattern: Pattern,
    start: Duration,
    nodes: Vec<NodeName>,
    blows: Vec<Blow>,
    network: Vec<Fault>,
    /// Of a pattern of domains: those that there are, in order of preference.
    domains: Vec<Domain>,
}

impl Sketch {
    /// Draws a pattern that starts at an instant. `crashes` are the kinds that it may take nodes down with.
    pub(super) fn draw(
        pattern: Pattern,
        start: Duration,
        stream: &mut Stream,
        nodes: &[NodeName],
        crashes: &[(u32, Kind)],
        domains: &[Domain],
    ) -> Sketch {
        let mut sketch = Sketch {
            pattern,
            start,
            nodes: nodes.to_vec(),
            blows: Vec::new(),
            network: Vec::new(),
            domains: Vec::new(),
        };
        let several = stream.range(2..=4) as usize;
        // Drawn only by patterns that use it: what others draw must not depend on which crashes there are.
        let kind = if pattern.crashes() { stream.weighted(crashes).copied() } else { None }.unwrap_or(Kind::Crash);
        match pattern {
            Pattern::CrashBurst => {
                for blow in 0..several {
                    let kind = stream.weighted(crashes).copied().unwrap_or(kind);
                    let offset = stream.duration(micros(0, 900_000));
                    // The first comes at the start, so that some of the pattern is within the window.
                    let offset = if blow == 0 { Duration::ZERO } else { offset };
                    let blow = Blow { kind, down: stream.log_duration(millis(20, 250)), gap: moment(stream), offset };
                    sketch.blows.push(blow);
                }
            }
            Pattern::CrashAgain => sketch.in_a_row(several, kind, millis(10, 300), micros(200, 500_000), stream),
            Pattern::RollingCrashes => {
                sketch.in_a_row(nodes.len().min(BLOWS_MAX), kind, millis(20, 800), micros(200, 800_000), stream)
            }
            Pattern::AllAtOnce => sketch.in_a_row(1, kind, millis(50, 3_000), micros(200, 500_000), stream),
            Pattern::ShiftingPartitions => {
                let mut at = start;
                for _ in 0..several {
                    let (left, right) = split(stream, nodes);
                    let lasting = stream.log_duration(millis(200, 2_500));
                    sketch.network.push(partition(left, right).at(at).lasting(lasting));
                    at = at + lasting + moment(stream);
                }
            }
            Pattern::CrashInPartition => {
                let (left, right) = split(stream, nodes);
                let lasting = stream.log_duration(millis(500, 6_000));
                sketch.network.push(partition(left, right).at(start).lasting(lasting));
                // Anywhere within, or in one of four cases just after the heal.
                let late = stream.below(4) == 0;
                let offset = if late { lasting + moment(stream) } else { stream.duration(Duration::ZERO..=lasting) };
                let down = stream.log_duration(millis(50, 3_000));
                sketch.blows.push(Blow { kind, down, gap: Duration::ZERO, offset });
            }
            Pattern::PauseThenIsolate => {
                let down = stream.log_duration(millis(400, 3_000));
                sketch.blows.push(Blow { kind: Kind::Pause, down, gap: Duration::ZERO, offset: Duration::ZERO });
                let around = stream.duration(micros(0, 200_000));
                let cut_at = (start + down + around).saturating_sub(Duration::from_millis(100)).max(start);
                // The node is filled in when it is known.
                let anyone = nodes.first().cloned().unwrap_or_else(|| "".into());
                let lasting = stream.log_duration(millis(300, 4_000));
                sketch.network.push(isolate(anyone, nodes).at(cut_at).lasting(lasting));
            }
            Pattern::Swizzle => sketch.network = swizzle(start, stream, nodes),
            Pattern::RollingRestart => sketch.in_a_row(
                nodes.len().min(BLOWS_MAX),
                Kind::GracefulStop,
                millis(50, 1_500),
                micros(200, 800_000),
                stream,
            ),
            Pattern::RestartStorm => {
                let blows = stream.range(6..=20) as usize;
                sketch.in_a_row(blows, Kind::Restart, millis(1, 50), millis(1, 300), stream);
            }
            Pattern::RollingUpgrade => sketch.in_a_row(
                nodes.len().min(BLOWS_MAX),
                Kind::Upgrade,
                millis(50, 1_500),
                micros(200, 2_000_000),
                stream,
            ),
            Pattern::DomainOutage => {
                sketch.in_a_row(1, kind, millis(100, 5_000), micros(200, 500_000), stream);
                sketch.domains = domains.to_vec();
                stream.shuffle(&mut sketch.domains);
            }
            Pattern::DomainCut => {
                let lasting = stream.log_duration(millis(300, 8_000));
                if let Some(domain) = stream.pick(domains) {
                    let inside = |node: &NodeName| domain.nodes.contains(node);
                    let (inside, outside): (Vec<_>, Vec<_>) = nodes.iter().cloned().partition(inside);
                    if !inside.is_empty() && !outside.is_empty() {
                        sketch.network.push(partition(inside, outside).at(start).lasting(lasting));
                    }
                }
            }
        }
        sketch
    }

    fn in_a_row(
        &mut self,
        count: usize,
        kind: Kind,
        down: std::ops::RangeInclusive<Duration>,
        gap: std::ops::RangeInclusive<Duration>,
        stream: &mut Stream,
    ) {
        for _ in 0..count {
            let (down, gap) = (stream.log_duration(down.clone()), stream.log_duration(gap.clone()));
            self.blows.push(Blow { kind, down, gap, offset: Duration::ZERO });
        }
    }

    /// The faults, for nodes in an order of preference.
    pub(super) fn build(&self, order: &[NodeName], variant: usize) -> Vec<Fault> {
        let Some(first) = order.first() else { return Vec::new() };
        let node_of = |blow: usize| order.get(blow % order.len()).unwrap_or(first);
        let one = |blow: &Blow, node: &NodeName, at: Duration| {
            strike(blow.kind, std::slice::from_ref(node), 2).at(at).lasting(blow.down)
        };
        let mut faults = self.network.clone();
        let in_a_row = |same: bool| {
            let mut at = self.start;
            let blows = self.blows.iter().enumerate();
            blows
                .map(|(number, blow)| {
                    let fault = one(blow, if same { first } else { node_of(number) }, at);
                    at = at + blow.down + blow.gap;
                    fault
                })
                .collect::<Vec<_>>()
        };
        match self.pattern {
            Pattern::CrashBurst if variant == 0 => {
                let blows = self.blows.iter().enumerate();
                faults.extend(blows.map(|(number, blow)| one(blow, node_of(number), self.start + blow.offset)));
            }
            Pattern::CrashBurst
            | Pattern::RollingCrashes
            | Pattern::RollingRestart
            | Pattern::RestartStorm
            | Pattern::RollingUpgrade => faults.extend(in_a_row(false)),
            Pattern::DomainOutage => {
                let domain = self.domains.get(variant);
                let struck = |node: &&NodeName| domain.is_some_and(|domain| domain.nodes.contains(node));
                let struck: Vec<NodeName> = self.nodes.iter().filter(struck).cloned().collect();
                let together = |blow: &Blow| strike(blow.kind, &struck, 2).at(self.start).lasting(blow.down);
                faults.extend(self.blows.iter().filter(|_| !struck.is_empty()).map(together));
            }
            Pattern::CrashAgain => faults.extend(in_a_row(true)),
            Pattern::AllAtOnce => {
                let together = |blow: &Blow| strike(blow.kind, order, 2).at(self.start).lasting(blow.down);
                faults.extend(self.blows.iter().map(together));
            }
            Pattern::ShiftingPartitions | Pattern::Swizzle | Pattern::DomainCut => {}
            Pattern::CrashInPartition => {
                faults.extend(self.blows.iter().map(|blow| one(blow, first, self.start + blow.offset)));
            }
            Pattern::PauseThenIsolate => {
                let again = |cut: &Fault| {
                    isolate(first, &self.nodes).at(cut.start()).lasting(cut.duration().unwrap_or_default())
                };
                faults = self.network.iter().map(again).collect();
                faults.extend(self.blows.iter().map(|blow| one(blow, first, self.start)));
            }
        }
        faults.into_iter().map(|fault| fault.labelled(self.pattern.name())).collect()
    }
}

/// Two or more nodes, cut off one after another within 4 s and back in another order: a node that was cut off first may be
/// the last one back, or the first.
fn swizzle(start: Duration, stream: &mut Stream, nodes: &[NodeName]) -> Vec<Fault> {
    let count = stream.range(2..=(nodes.len() as u64).clamp(2, BLOWS_MAX as u64)) as usize;
    let mut clogged = stream.subset(nodes, count);
    stream.shuffle(&mut clogged);
    let step = stream.log_duration(millis(20, 1_000)).min(Duration::from_secs(4) / count as u32);
    let mut places: Vec<u32> = (0..count as u32).collect();
    stream.shuffle(&mut places);
    let all_cut = start + step * count as u32 + moment(stream);
    let cuts = clogged.iter().zip(places).enumerate().map(|(order, (node, place))| {
        // The first comes at the start, so that some of the pattern is within the window.
        let from = start + step * order as u32;
        let until = all_cut + step * place;
        isolate(node, nodes).at(from).lasting(until - from)
    });
    cuts.collect()
}
