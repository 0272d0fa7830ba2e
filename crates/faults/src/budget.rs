//! What a system is said to tolerate. Within it a lost write is a bug; outside it, an excuse.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::text::write::Shown;
use crate::world::list;
use crate::{Effect, FaultId, IntoNodes, Link, NodeName, Plan, Probability, Scheduled, Step};

/// How many of a group's nodes may be out of service at one instant.
///
/// A node is out while it is killed, without power, stopped or paused; these count together, and a node counts once
/// however many faults hold it. A node that restarts at an instant makes room for another at that same instant.
///
/// Partitions do not count, whatever they cut: they heal, and no acknowledged write may depend on when.
/// [`counting_cuts`](Budget::counting_cuts) makes them count, for scenarios that demand progress during faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    nodes: Vec<NodeName>,
    out_max: usize,
    cuts: bool,
    damaged_max: Option<usize>,
}

/// Where a plan leaves a budget.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// Too many nodes are down or paused at once.
    #[error(
        "at {}, {} of {of} nodes are down or paused ({}) and the budget allows {out_max}; faults on then: {}",
        Shown(at), out.len(), list(out), ids(faults)
    )]
    TooManyOut {
        /// The instant, in virtual time since the start.
        at: Duration,
        /// The nodes that are out.
        out: Vec<NodeName>,
        /// How many the group has.
        of: usize,
        /// How many may be out.
        out_max: usize,
        /// The faults that hold an effect at that instant.
        faults: Vec<FaultId>,
    },
    /// No node reaches enough others, both ways.
    #[error(
        "at {}, no node is in touch with more than {reach} of {of} nodes, itself included, \
         and the budget demands {}; faults on then: {}",
        Shown(at), of - out_max, ids(faults)
    )]
    NoCore {
        /// The instant, in virtual time since the start.
        at: Duration,
        /// The most that any running node reaches.
        reach: usize,
        /// How many the group has.
        of: usize,
        /// How many may be missing.
        out_max: usize,
        /// The faults that hold an effect at that instant.
        faults: Vec<FaultId>,
    },
    /// Too many disks are damaged.
    #[error(
        "at {}, the disks of {} nodes have been damaged ({}) and the budget allows {damaged_max}; by faults {}",
        Shown(at), damaged.len(), list(damaged), ids(faults)
    )]
    TooManyDamaged {
        /// When the last of them is damaged, in virtual time since the start.
        at: Duration,
        /// The nodes whose disks are.
        damaged: Vec<NodeName>,
        /// How many may be.
        damaged_max: usize,
        /// The faults that do it.
        faults: Vec<FaultId>,
    },
}

/// A minority of these nodes may be out: [`Budget::minority`].
#[must_use]
pub fn minority(nodes: impl IntoNodes) -> Budget {
    Budget::minority(nodes)
}

impl Budget {
    /// Fewer than half of the nodes may be out at once.
    #[must_use]
    pub fn minority(nodes: impl IntoNodes) -> Budget {
        let nodes = nodes.into_nodes();
        Budget::at_most(nodes.len().saturating_sub(1) / 2, nodes)
    }

    /// So many of the nodes may be out at once.
    #[must_use]
    pub fn at_most(out_max: usize, nodes: impl IntoNodes) -> Budget {
        let mut nodes = nodes.into_nodes();
        nodes.sort_unstable();
        nodes.dedup();
        let out_max = out_max.min(nodes.len());
        Budget { nodes, out_max, cuts: false, damaged_max: None }
    }

    /// Any number of nodes may be out at once, since all come back with their disks: safety must hold, progress need not.
    #[must_use]
    pub fn restarts_unbounded(nodes: impl IntoNodes) -> Budget {
        Budget::at_most(usize::MAX, nodes)
    }

    /// Counts partitions too: at every instant some running node must reach, both ways and directly, all but as many nodes
    /// as may be out. Links that lose every packet are cut; blocked ports, delays and lesser losses are not.
    #[must_use]
    pub fn counting_cuts(mut self) -> Budget {
        self.cuts = true;
        self
    }

    /// One good copy: of everything that all its nodes hold, one disk keeps what it was given. In the whole course of a plan the
    /// disks of all nodes but one may lie, rot, mix up places, be replaced or swapped, and no others.
    #[must_use]
    pub fn one_good_copy(self) -> Budget {
        let others = self.nodes.len().saturating_sub(1);
        self.damaging_at_most(others)
    }

    /// In the whole course of a plan the disks of at most so many nodes may be damaged, and always the same ones: what a disk
    /// lost does not come back when the fault ends. Without it any disk may.
    #[must_use]
    pub fn damaging_at_most(mut self, disks: usize) -> Budget {
        self.damaged_max = Some(disks.min(self.nodes.len()));
        self
    }

    /// How many of the nodes' disks may be damaged; `None` where that is not limited.
    #[must_use]
    pub fn damaged_max(&self) -> Option<usize> {
        self.damaged_max
    }

    /// Whether more than which nodes are out at one instant counts.
    pub(crate) fn needs_steps(&self) -> bool {
        self.cuts || self.damaged_max.is_some()
    }

    /// The nodes it speaks of, in order of their names.
    #[must_use]
    pub fn nodes(&self) -> &[NodeName] {
        &self.nodes
    }

    /// How many of them may be out at once; at most all.
    #[must_use]
    pub fn out_max(&self) -> usize {
        self.out_max
    }

    /// Whether partitions count.
    #[must_use]
    pub fn counts_cuts(&self) -> bool {
        self.cuts
    }

    /// Verifies a whole plan, through its primitive steps and so without trusting whoever made it.
    ///
    /// # Errors
    /// [`BudgetError`] of the first instant at which the plan leaves the budget.
    pub fn check(&self, plan: &Plan) -> Result<(), BudgetError> {
        self.check_steps(&plan.timeline())
    }

    /// As [`check`](Budget::check), for steps in the order of a timeline.
    pub(crate) fn check_steps(&self, steps: &[Scheduled]) -> Result<(), BudgetError> {
        self.check_damage(steps)?;
        let mut open: BTreeMap<FaultId, Vec<&Effect>> = BTreeMap::new();
        for (at, scheduled) in steps.iter().enumerate() {
            match &scheduled.step {
                Step::End => {
                    open.remove(&scheduled.id);
                }
                Step::Begin(effect) => {
                    open.entry(scheduled.id).or_default().push(effect);
                    // Only the state after the last step of an instant lasts; before it there may be less, never more.
                    if steps.get(at + 1).is_none_or(|next| next.at > scheduled.at) {
                        self.check_instant(scheduled.at, &open)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn check_damage(&self, steps: &[Scheduled]) -> Result<(), BudgetError> {
        let Some(damaged_max) = self.damaged_max else { return Ok(()) };
        let (mut damaged, mut faults) = (BTreeSet::new(), BTreeSet::new());
        for scheduled in steps {
            let Step::Begin(effect) = &scheduled.step else { continue };
            for node in effect.damaged().filter(|node| self.nodes.contains(node)) {
                damaged.insert(node.clone());
                faults.insert(scheduled.id);
            }
            if damaged.len() > damaged_max {
                let (damaged, faults) = (damaged.into_iter().collect(), faults.into_iter().collect());
                return Err(BudgetError::TooManyDamaged { at: scheduled.at, damaged, damaged_max, faults });
            }
        }
        Ok(())
    }

    fn check_instant(&self, at: Duration, open: &BTreeMap<FaultId, Vec<&Effect>>) -> Result<(), BudgetError> {
        let effects = || open.values().flatten().copied();
        let takes_out = |effect: &Effect| {
            matches!(
                effect,
                Effect::Kill { .. }
                    | Effect::PowerLoss { .. }
                    | Effect::Stop { .. }
                    | Effect::Pause { .. }
                    | Effect::Suspend { .. }
                    | Effect::Memory { left: Some(_), .. }
            )
        };
        let held: BTreeSet<&NodeName> = effects().filter(|effect| takes_out(effect)).filter_map(Effect::node).collect();
        let (of, out_max) = (self.nodes.len(), self.out_max);
        let out: Vec<NodeName> = self.nodes.iter().filter(|node| held.contains(node)).cloned().collect();
        let faults = || open.keys().copied().collect();
        if out.len() > out_max {
            return Err(BudgetError::TooManyOut { at, out, of, out_max, faults: faults() });
        }
        if !self.cuts {
            return Ok(());
        }
        let severs = |effect: &&Effect| match effect {
            Effect::Cut { .. } => true,
            Effect::Loss { probability, .. } => *probability == Probability::ONE,
            _ => false,
        };
        let cut: BTreeSet<&Link> = effects().filter(severs).filter_map(Effect::links).flatten().collect();
        let severed = |from: &NodeName, to: &NodeName| cut.contains(&Link { from: from.clone(), to: to.clone() });
        let up: Vec<&NodeName> = self.nodes.iter().filter(|node| !held.contains(node)).collect();
        let reach_of =
            |node: &NodeName| up.iter().filter(|other| !severed(node, other) && !severed(other, node)).count();
        let reach = up.iter().map(|node| reach_of(node)).max().unwrap_or(0);
        if reach.saturating_add(out_max) < of {
            return Err(BudgetError::NoCore { at, reach, of, out_max, faults: faults() });
        }
        Ok(())
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} of {} nodes ({}) out at once", self.out_max, self.nodes.len(), list(&self.nodes))?;
        if self.cuts {
            f.write_str(", cut off counts as out")?;
        }
        match self.damaged_max {
            Some(disks) => write!(f, ", at most {disks} of their disks damaged"),
            None => Ok(()),
        }
    }
}

fn ids(faults: &[FaultId]) -> String {
    faults.iter().map(FaultId::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, disk, isolate, kill, one_way, pause, power_loss, swap_disks};

    const SECOND: Duration = Duration::from_secs(1);
    const NODES: [&str; 3] = ["a", "b", "c"];

    fn plan(faults: impl IntoIterator<Item = Fault>) -> Plan {
        Plan::of(faults).expect("valid")
    }

    #[test]
    fn a_minority_is_less_than_half() {
        let sizes: Vec<usize> = (0..=7).map(|n| minority(NodeName::numbered("n", n)).out_max()).collect();
        assert_eq!(sizes, [0, 0, 0, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn overlap_is_found_whatever_takes_the_nodes_out() {
        let faults = [kill("a").at(SECOND).lasting(2 * SECOND), pause("b").at(2 * SECOND).lasting(2 * SECOND)];
        let error = minority(NODES).check(&plan(faults.clone())).expect_err("two of three are out");
        assert_eq!(
            error.to_string(),
            "at 2s, 2 of 3 nodes are down or paused (a, b) and the budget allows 1; faults on then: f0, f1"
        );
        assert_eq!(Budget::restarts_unbounded(NODES).check(&plan(faults.clone())), Ok(()));
        assert_eq!(minority(["a", "c", "d"]).check(&plan(faults)), Ok(()), "only its own nodes count");
    }

    #[test]
    fn a_restart_makes_room_at_the_same_instant() {
        let faults = [kill("a").lasting(SECOND), kill("b").at(SECOND).lasting(SECOND)];
        assert_eq!(minority(NODES).check(&plan(faults)), Ok(()));
        assert!(minority(NODES).check(&plan([kill("a"), kill("b").at(SECOND)])).is_err(), "calm may never come");
    }

    #[test]
    fn one_node_counts_once() {
        let faults = [kill("a").lasting(SECOND), pause("a").lasting(2 * SECOND)];
        assert_eq!(minority(NODES).check(&plan(faults)), Ok(()));
    }

    #[test]
    fn one_good_copy_is_left_however_late_the_last_disk_is_damaged() {
        let rots = |node: &str, at: u32| disk(node, crate::DiskFault::LyingSync).at(at * SECOND).lasting(SECOND);
        let all = [rots("a", 0), rots("b", 5), rots("a", 9), rots("c", 20)];
        assert_eq!(minority(NODES).check(&plan(all.clone())), Ok(()), "not limited unless asked");
        assert_eq!(
            minority(NODES).one_good_copy().check(&plan(all[..3].to_vec())),
            Ok(()),
            "one node twice counts once"
        );
        let error = minority(NODES).one_good_copy().check(&plan(all)).expect_err("no good copy is left");
        assert_eq!(
            error.to_string(),
            "at 20s, the disks of 3 nodes have been damaged (a, b, c) and the budget allows 2; by faults f0, f1, f2, f3"
        );
        let swapped = plan([power_loss(["a", "b"]).lasting(2 * SECOND), swap_disks("a", "b").at(SECOND)]);
        assert!(minority(NODES).damaging_at_most(1).check(&swapped).is_err(), "a swap damages both");
    }

    #[test]
    fn partitions_count_only_when_asked() {
        let faults = plan([isolate("a", NODES).lasting(SECOND), kill("b").lasting(SECOND)]);
        assert_eq!(minority(NODES).check(&faults), Ok(()));
        let error = minority(NODES).counting_cuts().check(&faults).expect_err("c is alone");
        assert!(matches!(error, BudgetError::NoCore { reach: 1, of: 3, out_max: 1, .. }), "{error}");
        let half = plan([one_way("a", ["b"]).lasting(SECOND)]);
        assert_eq!(minority(NODES).counting_cuts().check(&half), Ok(()), "c still reaches both");
    }
}
