//! From a fault to the primitive steps that carry it out.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{Action, Effect, Fault, FaultId, Link, Links, NodeName};

/// One primitive step of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin an effect.
    Begin(Effect),
    /// End all effects that the fault holds.
    End,
}

/// A step with its instant and its fault; what [`Plan::timeline`](crate::Plan::timeline) lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// Virtual time since the start of the run.
    pub at: Duration,
    /// Whose step it is.
    pub id: FaultId,
    /// What to do.
    pub step: Step,
}

impl Fault {
    /// Its primitive steps, in order of time. Each beginning is followed by an end, but for a fault that lasts until calm.
    #[must_use]
    pub fn timeline(&self) -> Vec<(Duration, Step)> {
        let mut steps = Vec::new();
        if let (Action::Flap { left, right, cut, healed }, Some(end)) = (self.action(), self.end()) {
            let effect = Effect::Cut { links: Links::between(left, right).pairs() };
            let mut at = self.start();
            while at < end {
                steps.push((at, Step::Begin(effect.clone())));
                let healing = at.saturating_add(*cut).min(end);
                steps.push((healing, Step::End));
                at = healing.saturating_add(*healed);
            }
            return steps;
        }
        if let (Action::Starve { nodes, period, runs }, Some(end)) = (self.action(), self.end()) {
            let mut at = self.start();
            while at < end {
                let starving = at.saturating_add(*period - *runs).min(end);
                steps.extend(nodes.iter().map(|node| (at, Step::Begin(Effect::Starve { node: node.clone() }))));
                steps.push((starving, Step::End));
                at = at.saturating_add(*period);
            }
            return steps;
        }
        steps.extend(self.effects().into_iter().map(|effect| (self.start(), Step::Begin(effect))));
        steps.extend(self.end().map(|end| (end, Step::End)));
        steps
    }

    /// The effects that it holds while it is on.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let each =
            |nodes: &[NodeName], effect: &dyn Fn(NodeName) -> Effect| nodes.iter().cloned().map(effect).collect();
        match self.action() {
            Action::PartitionHalves { left, right }
            | Action::Bridge { left, right, .. }
            | Action::Flap { left, right, .. } => vec![Effect::Cut { links: Links::between(left, right).pairs() }],
            Action::IsolateOne { node, others } => {
                vec![Effect::Cut { links: Links::between([node], others).pairs() }]
            }
            Action::MajorityRing { ring } => vec![Effect::Cut { links: beyond_neighbours(ring) }],
            Action::OneWay { from, to } => vec![Effect::Cut { links: Links::one_way(from, to).pairs() }],
            Action::LatencySpike { links, extra, jitter } => {
                vec![Effect::Latency { links: links.pairs(), extra: *extra, jitter: *jitter }]
            }
            Action::Loss { links, probability } => {
                vec![Effect::Loss { links: links.pairs(), probability: *probability }]
            }
            Action::PortBlock { node, port, protocol, direction } => {
                let (node, port) = (node.clone(), *port);
                vec![Effect::BlockPort { node, port, protocol: *protocol, direction: *direction }]
            }
            Action::Crash { nodes } | Action::Restart { nodes } => each(nodes, &|node| Effect::Kill { node }),
            Action::PowerLoss { nodes } => each(nodes, &|node| Effect::PowerLoss { node }),
            Action::GracefulStop { nodes } => each(nodes, &|node| Effect::Stop { node }),
            Action::Suspend { nodes } => each(nodes, &|node| Effect::Suspend { node }),
            Action::Pause { nodes } => each(nodes, &|node| Effect::Pause { node }),
            Action::Slow { nodes, factor } => each(nodes, &|node| Effect::Slow { node, factor: *factor }),
            Action::Disk { nodes, fault } => each(nodes, &|node| Effect::Disk { node, fault: *fault }),
            Action::Clock { nodes, fault } => each(nodes, &|node| Effect::Clock { node, fault: *fault }),
            Action::Impair { links, fault } => vec![Effect::Impair { links: links.pairs(), fault: *fault }],
            Action::Names { nodes, fault } => each(nodes, &|node| Effect::Names { node, fault: fault.clone() }),
            Action::Starve { nodes, .. } => each(nodes, &|node| Effect::Starve { node }),
            Action::NoDescriptors { nodes, left } => each(nodes, &|node| Effect::Descriptors { node, left: *left }),
            Action::NoMemory { nodes, left, refuses } => {
                each(nodes, &|node| Effect::Memory { node, left: *left, refuses: *refuses })
            }
            Action::Upgrade { nodes, to } => {
                let both = |node: &NodeName| {
                    [Effect::Stop { node: node.clone() }, Effect::Upgrade { node: node.clone(), to: *to }]
                };
                nodes.iter().flat_map(both).collect()
            }
            Action::DiskReplaced { nodes } => {
                let both = |node: &NodeName| {
                    [Effect::PowerLoss { node: node.clone() }, Effect::NewDisk { node: node.clone() }]
                };
                nodes.iter().flat_map(both).collect()
            }
            Action::DiskSwap { nodes } => {
                let mut effects = each(nodes, &|node| Effect::PowerLoss { node });
                if let [one, other] = &nodes[..] {
                    effects.push(Effect::SwapDisks { node: one.clone(), with: other.clone() });
                }
                effects
            }
        }
    }
}

/// The links of a ring that are longer than a node's reach. The reach, on either side, is half of what a majority needs
/// beside the node itself, rounded up.
fn beyond_neighbours(ring: &[NodeName]) -> BTreeSet<Link> {
    let reach = (ring.len() / 2).div_ceil(2);
    let mut links = BTreeSet::new();
    for (at, from) in ring.iter().enumerate() {
        for (there, to) in ring.iter().enumerate() {
            let apart = at.abs_diff(there);
            if apart.min(ring.len() - apart) > reach {
                links.insert(Link { from: from.clone(), to: to.clone() });
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flap, isolate, majority_ring, one_way, power_loss};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_fault_begins_every_effect_and_ends_once() {
        let steps = power_loss(["a", "b"]).at(SECOND).lasting(SECOND).timeline();
        let begin = |node: &str| (SECOND, Step::Begin(Effect::PowerLoss { node: node.into() }));
        assert_eq!(steps, [begin("a"), begin("b"), (2 * SECOND, Step::End)]);
        assert_eq!(power_loss(["a"]).timeline().len(), 1, "until calm there is no end");
    }

    #[test]
    fn a_flap_cuts_and_heals_in_turn_and_is_healed_at_its_end() {
        let steps = flap(["a"], ["b"], SECOND, 2 * SECOND).at(SECOND).lasting(4 * SECOND).timeline();
        let times: Vec<(u64, bool)> =
            steps.iter().map(|(at, step)| (at.as_secs(), matches!(step, Step::Begin(_)))).collect();
        assert_eq!(times, [(1, true), (2, false), (4, true), (5, false)]);
    }

    #[test]
    fn on_a_ring_every_node_sees_a_majority_and_not_everyone() {
        for size in 4..=9 {
            let ring = NodeName::numbered("n", size);
            let effects = majority_ring(&ring).effects();
            let cut = effects[0].links().expect("a cut");
            for node in &ring {
                let seen = size - cut.iter().filter(|link| link.from == *node).count();
                assert!(seen > size / 2 && seen < size, "{node} of {size} sees {seen}");
            }
        }
    }

    #[test]
    fn isolation_cuts_both_ways_and_one_way_does_not() {
        let links = |fault: Fault| fault.effects()[0].links().expect("a cut").len();
        assert_eq!(links(isolate("a", ["b", "c"])), 4);
        assert_eq!(links(one_way(["a"], ["b", "c"])), 2);
    }
}
