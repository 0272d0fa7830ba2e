//! Causal stability, checked: why each node of two runs, one with a fault and one without, first did something else.
//!
//! The rule: a node's first difference is a direct hit of the fault; or a delivery (or a missing one) of a packet that the
//! fault hit on its way, or that comes from a node which was different already; or a wake by such a node through shared
//! memory. A trace tells packets by flow and ordinal and not by what is in them. So a node may also differ after a packet
//! that looks the same in both runs, if its sender was different when it sent it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use stormglass::faults::{Effect, FaultId, NodeName, Plan, Step};
use stormglass::kernel::{Kind, NodeId, Record, VirtualTime};

use super::run::{PacketId, Run};

/// Why a node first did something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The driver carried out the fault, or did not.
    Injection,
    /// The fault stopped, booted, paused or signalled the node.
    LifeCycle,
    /// The fault slowed its processor.
    Slowness,
    /// The fault misled its lookups of names, or left it no descriptors or memory.
    Want,
    /// The fault dropped or delayed a packet to it, or one of the same flow before that.
    Transit,
    /// A packet came, or did not come, from a node that was different already.
    Delivery(NodeId),
    /// A node that was different already woke it through shared memory.
    Edge(NodeId),
    /// A packet came as in the other run, from a node that was different already: there was something else in it.
    Content(NodeId),
}

/// A node's first difference.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) node: NodeId,
    /// Place in its log.
    pub(crate) index: usize,
    /// What it did with the fault.
    pub(crate) with: Option<Record>,
    /// What it did without it.
    pub(crate) without: Option<Record>,
    /// `None` is a violation.
    pub(crate) cause: Option<Cause>,
}

impl Difference {
    /// The earlier of the two records: the other one may be far in the future.
    fn candidates(&self) -> Vec<(Record, bool)> {
        let with = self.with.map(|record| (record, true));
        let without = self.without.map(|record| (record, false));
        let first = [with, without].into_iter().flatten().map(|(record, _)| record.at).min();
        [with, without].into_iter().flatten().filter(|(record, _)| Some(record.at) == first).collect()
    }

    fn at(&self) -> VirtualTime {
        self.candidates().first().map_or(VirtualTime::MAX, |(record, _)| record.at)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |record: &Option<Record>| match record {
            Some(r) => format!("{} {} a={:016x} b={}", r.at, r.kind.name(), r.a, r.b),
            None => "(nothing more)".to_owned(),
        };
        writeln!(f, "node {} first differs at its record {}, cause: {:?}", name(self.node), self.index, self.cause)?;
        writeln!(f, "    with the fault:    {}", shown(&self.with))?;
        write!(f, "    without the fault: {}", shown(&self.without))
    }
}

fn name(node: NodeId) -> NodeName {
    match node.index() {
        0 => NodeName::from("driver"),
        n => NodeName::from(format!("n{n}").as_str()),
    }
}

/// One primitive step of the fault, from the instant it was due to the instant the driver came to it.
struct Stretch {
    effect: Effect,
    begin: (VirtualTime, VirtualTime),
    end: (VirtualTime, VirtualTime),
}

fn instant(since_start: Duration) -> VirtualTime {
    VirtualTime::ZERO + since_start
}

/// The stretches of time in which `fault` was on. The plan tells what and when, the trace when really.
fn stretches(plan: &Plan, fault: FaultId, with: &Run) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let steps = plan.timeline().into_iter().filter(|step| step.id == fault);
    let empty = Vec::new();
    let mut traced = with.faults.get(&fault).unwrap_or(&empty).iter();
    for scheduled in steps {
        let due = instant(scheduled.at);
        // A step that the run did not come to has no record.
        match scheduled.step {
            Step::Begin(effect) => {
                let Some((record, true)) = traced.next() else { break };
                let never = (VirtualTime::MAX, VirtualTime::MAX);
                stretches.push(Stretch { effect, begin: (due, record.at), end: never });
            }
            Step::End => {
                // Effects of one fault that began together end together, with one record.
                let Some((record, false)) = traced.next() else { break };
                for open in stretches.iter_mut().filter(|s| s.end.0 == VirtualTime::MAX) {
                    open.end = (due, record.at);
                }
            }
        }
    }
    stretches
}

/// Explains the first difference of every node that differs between a run with `fault` and one without it.
pub(crate) fn explain(plan: &Plan, fault: FaultId, with: &Run, without: &Run) -> Vec<Difference> {
    let firsts: BTreeMap<NodeId, Difference> = with
        .nodes()
        .chain(without.nodes())
        .filter_map(|node| Some((node, first_difference(node, with.log(node), without.log(node))?)))
        .collect();
    let comparison = Comparison { stretches: stretches(plan, fault, with), with, without, firsts: &firsts };
    firsts.values().map(|first| Difference { cause: comparison.cause(first), ..first.clone() }).collect()
}

fn first_difference(node: NodeId, with: &[Record], without: &[Record]) -> Option<Difference> {
    let common = with.iter().zip(without).take_while(|(a, b)| a == b).count();
    let (with, without) = (with.get(common).copied(), without.get(common).copied());
    (with.is_some() || without.is_some()).then_some(Difference { node, index: common, with, without, cause: None })
}

struct Comparison<'a> {
    stretches: Vec<Stretch>,
    with: &'a Run,
    without: &'a Run,
    firsts: &'a BTreeMap<NodeId, Difference>,
}

impl Comparison<'_> {
    fn cause(&self, first: &Difference) -> Option<Cause> {
        let found = first.candidates().into_iter().find_map(|(event, has_fault)| self.of_event(event, has_fault));
        found.or_else(|| self.content(first))
    }

    fn of_event(&self, event: Record, has_fault: bool) -> Option<Cause> {
        if event.node == NodeId::DRIVER && self.is_step(event.at) {
            return Some(Cause::Injection);
        }
        match event.kind {
            Kind::DOWN | Kind::BOOT | Kind::PAUSE | Kind::SIGNAL
                if self.is_step_on(event.node, event.at) || self.holds(event.node, event.at) =>
            {
                Some(Cause::LifeCycle)
            }
            Kind::PACKET_DELIVERED => self.delivery(event, has_fault),
            Kind::EDGE => {
                let from = NodeId::from_index(u16::try_from(event.b).ok()?);
                let earlier = self.firsts.get(&from).is_some_and(|first| first.at() <= event.at);
                (earlier && from != event.node).then_some(Cause::Edge(from))
            }
            _ => self.slowness(event).or_else(|| self.want(event)),
        }
    }

    fn is_step(&self, at: VirtualTime) -> bool {
        self.stretches
            .iter()
            .flat_map(|s| [s.begin, s.end])
            .any(|(due, done)| due <= at && at <= done && done < VirtualTime::MAX)
    }

    fn is_step_on(&self, node: NodeId, at: VirtualTime) -> bool {
        let on = |s: &&Stretch| s.effect.node() == Some(&name(node));
        let steps = self.stretches.iter().filter(on).flat_map(|s| [s.begin, s.end]);
        steps.into_iter().any(|(due, done)| due <= at && at <= done && done < VirtualTime::MAX)
    }

    /// Whether the fault keeps a node down or paused at that instant: another fault then neither takes it down or pauses it, nor
    /// lets it go on.
    fn holds(&self, node: NodeId, at: VirtualTime) -> bool {
        let keeps = |s: &Stretch| {
            matches!(
                s.effect,
                Effect::Kill { .. }
                    | Effect::PowerLoss { .. }
                    | Effect::Stop { .. }
                    | Effect::Pause { .. }
                    | Effect::Starve { .. }
                    | Effect::Suspend { .. }
                    | Effect::Memory { .. }
            ) && s.effect.node() == Some(&name(node))
        };
        self.stretches.iter().any(|s| keeps(s) && s.begin.0 <= at && at <= s.end.1)
    }

    fn slowness(&self, event: Record) -> Option<Cause> {
        let slows = |s: &Stretch| matches!(&s.effect, Effect::Slow { node, .. } if *node == name(event.node));
        self.stretches.iter().any(|s| slows(s) && s.begin.0 <= event.at).then_some(Cause::Slowness)
    }

    fn want(&self, event: Record) -> Option<Cause> {
        let wants = |s: &Stretch| {
            let of_node =
                matches!(&s.effect, Effect::Names { .. } | Effect::Descriptors { .. } | Effect::Memory { .. });
            of_node && s.effect.node() == Some(&name(event.node))
        };
        self.stretches.iter().any(|s| wants(s) && s.begin.0 <= event.at).then_some(Cause::Want)
    }

    fn delivery(&self, event: Record, has_fault: bool) -> Option<Cause> {
        let packet = (event.a, event.b);
        let (here, there) = if has_fault { (self.with, self.without) } else { (self.without, self.with) };
        let sent = here.sent.get(&packet)?;
        if there.sent.get(&packet).is_some_and(|other| other.record == sent.record) {
            return self.was_hit(packet).then_some(Cause::Transit);
        }
        let sender = self.firsts.get(&sent.node)?;
        (sent.node != event.node && sender.index <= sent.index).then_some(Cause::Delivery(sent.node))
    }

    /// Whether the fault hit a packet that was sent alike in both runs, or an earlier one of its flow, which it must wait
    /// for.
    fn was_hit(&self, (flow, ordinal): PacketId) -> bool {
        let of_flow = self.with.sent.range((flow, 0)..=(flow, ordinal));
        of_flow.into_iter().any(|(packet, sent)| {
            // A packet that was doubled is delivered twice.
            let fates = [self.with, self.without].map(|run| run.arrivals(*packet));
            let to = [self.with, self.without].iter().find_map(|run| run.receiver(*packet));
            let alike = self.without.sent.get(packet).is_some_and(|other| other.record == sent.record);
            alike
                && fates[0] != fates[1]
                && to.is_some_and(|to| self.covers(sent.node, to, sent.record.at, fates[1].last().copied()))
        })
    }

    /// Whether the fault covers a packet that left at `sent` and, without the fault, arrived at `arrived`.
    fn covers(&self, from: NodeId, to: NodeId, sent: VirtualTime, arrived: Option<VirtualTime>) -> bool {
        let (from, to) = (name(from), name(to));
        self.stretches.iter().any(|s| {
            let on_its_way = match &s.effect {
                Effect::BlockPort { node, .. } | Effect::Suspend { node } => *node == from || *node == to,
                effect => effect.links().is_some_and(|links| links.iter().any(|l| l.from == from && l.to == to)),
            };
            on_its_way && sent <= s.end.1 && arrived.is_none_or(|at| s.begin.0 <= at)
        })
    }

    /// The last packet before the difference that came alike in both runs from a node that was different when it sent it.
    fn content(&self, first: &Difference) -> Option<Cause> {
        let common = &self.with.log(first.node)[..first.index];
        let deliveries = common.iter().rev().filter(|record| record.kind == Kind::PACKET_DELIVERED);
        let mut senders = deliveries.filter_map(|record| self.with.sent.get(&(record.a, record.b)));
        let different = |node: NodeId, index: usize| self.firsts.get(&node).is_some_and(|sender| sender.index <= index);
        senders.find(|s| s.node != first.node && different(s.node, s.index)).map(|s| Cause::Content(s.node))
    }
}
