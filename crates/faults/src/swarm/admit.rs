//! Brings drawn groups before the budgets, one by one, and moves them to other nodes or drops them where they do not fit.

use std::time::Duration;

use super::{Dropped, Group};
use crate::plan::{scheduled, sort};
use crate::{Budget, Fault, FaultId, NodeName, Scheduled};

/// What was let in so far.
pub(super) struct Admission<'a> {
    budgets: &'a [Budget],
    /// When which node is out; a node is never out twice at a time.
    out: Vec<Outage>,
    /// The steps let in, kept only for budgets that count cuts or damage.
    steps: Option<Vec<Scheduled>>,
    pub(super) admitted: Vec<(FaultId, Fault)>,
    pub(super) dropped: Vec<Dropped>,
}

#[derive(Clone, Debug)]
struct Outage {
    node: NodeName,
    start: Duration,
    end: Duration,
}

impl<'a> Admission<'a> {
    pub(super) fn new(budgets: &'a [Budget]) -> Admission<'a> {
        let steps = budgets.iter().any(Budget::needs_steps).then(Vec::new);
        Admission { budgets, out: Vec::new(), steps, admitted: Vec::new(), dropped: Vec::new() }
    }

    /// Lets a group in as it fits first: variants in order, and for each the nodes in their order, then rotated.
    pub(super) fn consider(&mut self, group: &Group, until: Duration) {
        let turns = group.order.len().max(1);
        for variant in 0..group.variants {
            for turn in 0..turns {
                let mut order = group.order.clone();
                if !order.is_empty() {
                    order.rotate_left(turn);
                }
                let faults: Vec<Fault> =
                    (group.build)(&order, variant).into_iter().filter_map(|fault| clip(fault, until)).collect();
                if self.fits(group.id, &faults) {
                    self.admitted.extend(numbered(group.id, faults));
                    return;
                }
            }
        }
        let faults: Vec<Fault> =
            (group.build)(&group.order, 0).into_iter().filter_map(|fault| clip(fault, until)).collect();
        self.dropped.extend(numbered(group.id, faults).map(|(id, fault)| Dropped { id, fault }));
    }

    /// Whether the faults fit beside what is in; if so they are booked.
    fn fits(&mut self, id: u32, faults: &[Fault]) -> bool {
        let before = self.out.len();
        for fault in faults {
            let (start, end) = (fault.start(), fault.end().unwrap_or(Duration::MAX));
            for node in fault.action().downed() {
                if !self.has_room(node, start, end) {
                    self.out.truncate(before);
                    return false;
                }
                self.out.push(Outage { node: node.clone(), start, end });
            }
        }
        let Some(steps) = &self.steps else { return true };
        let mut steps = steps.clone();
        steps.extend(numbered(id, faults.to_vec()).flat_map(|(id, fault)| scheduled(id, &fault).collect::<Vec<_>>()));
        sort(&mut steps);
        if self.budgets.iter().any(|budget| budget.check_steps(&steps).is_err()) {
            self.out.truncate(before);
            return false;
        }
        self.steps = Some(steps);
        true
    }

    /// Whether a node can be out from `start` to `end`: it is not out already, and at no instant within are more nodes
    /// out than a budget allows. Since numbers rise only where an outage begins, those instants are all that matter.
    fn has_room(&self, node: &NodeName, start: Duration, end: Duration) -> bool {
        let beside: Vec<&Outage> = self.out.iter().filter(|other| other.start < end && start < other.end).collect();
        if beside.iter().any(|other| other.node == *node) {
            return false;
        }
        self.budgets.iter().filter(|budget| budget.nodes().contains(node)).all(|budget| {
            let beside = || beside.iter().filter(|other| budget.nodes().contains(&other.node));
            let instants = beside().map(|other| other.start.max(start)).chain([start]);
            let most = instants.map(|at| beside().filter(|other| other.start <= at && at < other.end).count()).max();
            most.unwrap_or(0) < budget.out_max()
        })
    }
}

fn numbered(first: u32, faults: Vec<Fault>) -> impl Iterator<Item = (FaultId, Fault)> {
    faults.into_iter().enumerate().map(move |(at, fault)| (FaultId(first.saturating_add(at as u32)), fault))
}

/// Cuts a fault off at the end of the window; `None` if nothing of it is left.
fn clip(fault: Fault, until: Duration) -> Option<Fault> {
    if fault.start() >= until {
        return None;
    }
    let left = until - fault.start();
    let lasting = fault.duration().unwrap_or(left).min(left);
    Some(fault.lasting(lasting))
}
