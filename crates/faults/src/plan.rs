//! Plans: the faults of a run, each with an id that outlives the removal of others.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use crate::{Fault, FaultError, FaultId, Scheduled, Step};

/// A fault with its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Planned {
    /// Names it within its plan.
    pub id: FaultId,
    /// What happens.
    pub fault: Fault,
}

/// The faults of a run, in the order in which they were added. Prints as text and parses back; see the fault reference
/// for the form of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    faults: Vec<Planned>,
}

/// Why a fault cannot enter a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// It makes no sense.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// Its id is taken.
    #[error("there already is a fault {id} in this plan: give one of them another id, or none")]
    Taken {
        /// The id.
        id: FaultId,
    },
    /// Its id belongs to the faults that a nemesis adds.
    #[error("id {id} is out of range: the ids of a plan are below {}", FaultId::REACTIVE)]
    OutOfRange {
        /// The id.
        id: FaultId,
    },
}

impl Plan {
    /// A plan without faults.
    #[must_use]
    pub fn new() -> Plan {
        Plan::default()
    }

    /// Adds a fault under the next free id.
    ///
    /// # Errors
    /// [`PlanError`] if the fault makes no sense or ids have run out.
    pub fn push(&mut self, fault: Fault) -> Result<FaultId, PlanError> {
        let next = self.faults.iter().map(|planned| planned.id.0 + 1).max().unwrap_or(0);
        self.insert(FaultId(next), fault)
    }

    /// Adds a fault under an id of the caller's choice.
    ///
    /// # Errors
    /// [`PlanError`] if the fault makes no sense or the id cannot be had.
    pub fn insert(&mut self, id: FaultId, fault: Fault) -> Result<FaultId, PlanError> {
        fault.check()?;
        if id.is_reactive() {
            return Err(PlanError::OutOfRange { id });
        }
        if self.get(id).is_some() {
            return Err(PlanError::Taken { id });
        }
        self.faults.push(Planned { id, fault });
        Ok(id)
    }

    /// Makes a plan of faults, with ids from zero on.
    ///
    /// # Errors
    /// [`PlanError`] of the first fault that makes no sense.
    pub fn of(faults: impl IntoIterator<Item = Fault>) -> Result<Plan, PlanError> {
        let mut plan = Plan::new();
        for fault in faults {
            plan.push(fault)?;
        }
        Ok(plan)
    }

    /// The plan without one fault; all others keep their ids. The plan itself if there is no such fault.
    #[must_use]
    pub fn without(&self, id: FaultId) -> Plan {
        Plan { faults: self.faults.iter().filter(|planned| planned.id != id).cloned().collect() }
    }

    /// The faults in the plan's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Planned> {
        self.faults.iter()
    }

    /// The fault of that id.
    #[must_use]
    pub fn get(&self, id: FaultId) -> Option<&Fault> {
        self.faults.iter().find(|planned| planned.id == id).map(|planned| &planned.fault)
    }

    /// How many faults it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// When the last fault ends by itself; zero for an empty plan. Faults that last until calm count with their start.
    #[must_use]
    pub fn end(&self) -> Duration {
        let ends = self.faults.iter().map(|planned| planned.fault.end().unwrap_or(planned.fault.start()));
        ends.max().unwrap_or(Duration::ZERO)
    }

    /// How many faults of each kind it has.
    #[must_use]
    pub fn census(&self) -> BTreeMap<crate::Kind, usize> {
        let mut census = BTreeMap::new();
        for planned in &self.faults {
            *census.entry(planned.fault.kind()).or_default() += 1;
        }
        census
    }

    /// Every primitive step in the order in which it is carried out: by time; at the same time ends before beginnings, so
    /// that a node can be handed from one fault to the next within a [`Budget`](crate::Budget); then by id. The order does
    /// not depend on that of the plan. Faults that wait for a trigger are not in it.
    #[must_use]
    pub fn timeline(&self) -> Vec<Scheduled> {
        let by_the_clock = self.faults.iter().filter(|planned| planned.fault.trigger().is_none());
        let mut steps: Vec<Scheduled> =
            by_the_clock.flat_map(|planned| scheduled(planned.id, &planned.fault)).collect();
        sort(&mut steps);
        steps
    }

    pub(crate) fn sort_by_start(&mut self) {
        self.faults.sort_by_key(|planned| (planned.fault.start(), planned.id));
    }
}

/// The steps of one fault under its id.
pub(crate) fn scheduled(id: FaultId, fault: &Fault) -> impl Iterator<Item = Scheduled> {
    fault.timeline().into_iter().map(move |(at, step)| Scheduled { at, id, step })
}

/// Brings steps into the order of [`Plan::timeline`]. Steps of one fault keep their order, since a fault never ends at the
/// instant at which it begins.
pub(crate) fn sort(steps: &mut [Scheduled]) {
    steps.sort_by_key(|scheduled| (scheduled.at, matches!(scheduled.step, Step::Begin(_)), scheduled.id));
}

impl<'a> IntoIterator for &'a Plan {
    type Item = &'a Planned;
    type IntoIter = std::slice::Iter<'a, Planned>;

    fn into_iter(self) -> Self::IntoIter {
        self.faults.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kill, pause};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn removing_a_fault_leaves_the_others_as_they_were() {
        let plan = Plan::of([kill("a"), kill("b"), kill("c")].map(|fault| fault.lasting(SECOND))).expect("valid");
        let less = plan.without(FaultId(1));
        assert_eq!(less.len(), 2);
        for id in [FaultId(0), FaultId(2)] {
            assert_eq!(less.get(id), plan.get(id));
        }
        let steps: Vec<Scheduled> = plan.timeline().into_iter().filter(|step| step.id != FaultId(1)).collect();
        assert_eq!(less.timeline(), steps);
    }

    #[test]
    fn at_one_instant_ends_come_before_beginnings_and_ids_decide_the_rest() {
        let faults = [
            kill("c").at(2 * SECOND).lasting(SECOND),
            pause("b").at(SECOND).lasting(SECOND),
            kill("a").at(2 * SECOND).lasting(SECOND),
        ];
        let order = |plan: &Plan| -> Vec<(u64, u32, bool)> {
            let steps = plan.timeline();
            steps.iter().map(|s| (s.at.as_secs(), s.id.0, matches!(s.step, Step::Begin(_)))).collect()
        };
        let plan = Plan::of(faults.clone()).expect("valid");
        let expected = [(1, 1, true), (2, 1, false), (2, 0, true), (2, 2, true), (3, 0, false), (3, 2, false)];
        assert_eq!(order(&plan), expected);
        let mut turned = Plan::new();
        for (at, fault) in faults.into_iter().enumerate().rev() {
            turned.insert(FaultId(at as u32), fault).expect("valid");
        }
        assert_eq!(order(&turned), expected, "the order of the plan does not matter");
    }

    #[test]
    fn ids_are_unique_and_below_the_reactive_ones() {
        let mut plan = Plan::new();
        plan.insert(FaultId(4), kill("a")).expect("free");
        assert_eq!(plan.insert(FaultId(4), kill("b")), Err(PlanError::Taken { id: FaultId(4) }));
        assert_eq!(plan.push(kill("b")), Ok(FaultId(5)));
        let id = FaultId::REACTIVE;
        assert_eq!(plan.insert(id, kill("b")), Err(PlanError::OutOfRange { id }));
    }
}
