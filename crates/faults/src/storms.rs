//! Everything that strikes in one run: the plan, scripted faults, and nemeses, each with its injector.
//!
//! A simulation keeps [`Storms`] in its own state, most often behind a lock, and says through [`Stormy`] how to get at them
//! and at the world. Whatever acts takes its injector out first, so that nothing is locked while the world changes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::trigger::names;
use crate::{
    Budget, Fault, FaultId, FaultRecord, InjectError, Injector, Missing, Nemesis, Observed, Plan, PlanError, Trigger,
    World,
};

/// Ids of scripted faults start here, so that a plan's faults keep theirs.
const SCRIPTED: u32 = 8_000_000;

/// The injectors of a run, by number in the order in which they were started.
#[derive(Default)]
pub struct Storms {
    /// `None` while it acts.
    injectors: Vec<Option<Injector>>,
    scripted: u32,
    /// The injector of the plan, which faults of nemeses join.
    storm: Option<usize>,
    nemeses: Vec<Box<dyn Nemesis + Send>>,
    observed: Vec<Observed>,
    /// The events that some fault waits for.
    awaited: BTreeSet<String>,
}

/// Why a scripted fault cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It makes no sense.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It does not fit the world.
    #[error(transparent)]
    Inject(#[from] InjectError),
}

impl std::fmt::Debug for Storms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storms").field("injectors", &self.injectors.len()).finish_non_exhaustive()
    }
}

impl Storms {
    /// Whether anyone wants to be shown this event.
    #[must_use]
    pub fn cares_for(&self, event: &Observed) -> bool {
        !self.nemeses.is_empty() || self.awaited.iter().any(|awaited| names(awaited, event))
    }

    /// Whether some fault waits for an event of this name.
    #[must_use]
    pub fn awaits(&self, event: &str) -> bool {
        self.awaited.contains(event)
    }

    /// Whether some fault waits for syncs of files.
    #[must_use]
    pub fn awaits_syncs(&self) -> bool {
        self.awaited.iter().any(|awaited| Trigger::is_of_syncs(awaited))
    }

    /// Whether anyone waits for events at all.
    #[must_use]
    pub fn listens(&self) -> bool {
        !self.nemeses.is_empty() || !self.awaited.is_empty()
    }

    /// Keeps an event until [`Stormy::react`].
    pub fn observe(&mut self, event: Observed) {
        self.observed.push(event);
    }

    /// Lets a nemesis loose, within a budget together with the plan; `None` before there is a plan to join.
    pub fn join(&mut self, budget: Budget, nemesis: Box<dyn Nemesis + Send>) -> Option<()> {
        let storm = self.injectors.get_mut(self.storm?)?.as_mut()?;
        storm.spare(budget);
        self.nemeses.push(nemesis);
        Some(())
    }

    fn start(&mut self, injector: Injector) -> usize {
        self.awaited.extend(injector.awaited().into_iter().map(str::to_owned));
        self.injectors.push(Some(injector));
        self.injectors.len() - 1
    }

    /// What became of every fault as far as is known without asking the world again, in order of their ids.
    #[must_use]
    pub fn last_records(&self) -> Vec<FaultRecord> {
        let mut records: Vec<FaultRecord> = self.injectors.iter().flatten().flat_map(Injector::records).collect();
        records.sort_by_key(|record| record.id);
        records
    }

    /// Whether something was observed that nobody has been shown yet.
    #[must_use]
    pub fn has_observed(&self) -> bool {
        !self.observed.is_empty()
    }

    /// The instant of an injector's next step.
    #[must_use]
    pub fn next_at(&self, index: usize) -> Option<Duration> {
        self.injectors.get(index)?.as_ref()?.next_at()
    }
}

/// A simulation that storms strike. All but the two required methods are the same for every simulation.
pub trait Stormy {
    /// How faults act on it.
    type World: World;

    /// The world as it is now.
    fn world(&self) -> Self::World;

    /// Looks at the storms, or changes them. Nothing of the simulation may be used meanwhile.
    fn storms<R>(&self, act: impl FnOnce(&mut Storms) -> R) -> R;

    /// Starts a plan. Gives the number of its injector, whose steps the simulation is to take when they are due.
    ///
    /// # Errors
    /// As [`Injector::new`].
    fn start_plan(&self, plan: &Plan, missing: Missing) -> Result<usize, InjectError> {
        let injector = Injector::new(plan, &self.world(), missing)?;
        Ok(self.storms(|storms| {
            let index = storms.start(injector);
            storms.storm = Some(index);
            index
        }))
    }

    /// Starts a scripted fault, its start counted from now. Gives its id and the number of its injector.
    ///
    /// # Errors
    /// The fault makes no sense, or does not fit the world.
    fn start_script(&self, fault: Fault) -> Result<(FaultId, usize), ScriptError> {
        let world = self.world();
        let id = self.storms(|storms| {
            storms.scripted += 1;
            FaultId(SCRIPTED + storms.scripted)
        });
        // A trigger's own delay counts from when it happens.
        let since = if fault.trigger().is_some() { Duration::ZERO } else { world.now() };
        let start = since.saturating_add(fault.start());
        let mut plan = Plan::new();
        plan.insert(id, fault.at(start))?;
        let injector = Injector::new(&plan, &world, Missing::Refuse)?;
        Ok((id, self.storms(|storms| storms.start(injector))))
    }

    /// Takes an injector out while it acts. Does nothing if it is out already.
    fn with_injector<R>(&self, index: usize, act: impl FnOnce(&mut Injector, &mut Self::World) -> R) -> Option<R> {
        let mut injector = self.storms(|storms| storms.injectors.get_mut(index)?.take())?;
        let result = act(&mut injector, &mut self.world());
        self.storms(|storms| storms.injectors[index] = Some(injector));
        Some(result)
    }

    /// Carries out what is due of one injector.
    fn step(&self, index: usize) {
        self.with_injector(index, |injector, world| injector.step(world));
    }

    /// Shows nemeses and waiting faults what was observed. Gives the injectors that have something new to do.
    fn react(&self) -> BTreeSet<usize> {
        let (mut nemeses, events, count, storm) = self.storms(|storms| {
            let taken = (std::mem::take(&mut storms.nemeses), std::mem::take(&mut storms.observed));
            (taken.0, taken.1, storms.injectors.len(), storms.storm)
        });
        let mut changed = BTreeSet::new();
        for event in &events {
            for index in 0..count {
                let fired = self.with_injector(index, |injector, world| injector.observe(event, world));
                if fired.is_some_and(|fired| !fired.is_empty()) {
                    changed.insert(index);
                }
            }
            let faults: Vec<Fault> = nemeses.iter_mut().flat_map(|nemesis| nemesis.observe(event)).collect();
            if let Some(storm) = storm.filter(|_| !faults.is_empty()) {
                self.with_injector(storm, |injector, world| injector.react(faults, world));
                changed.insert(storm);
            }
        }
        self.storms(|storms| storms.nemeses.append(&mut nemeses));
        changed
    }

    /// Ends a scripted fault and all its steps to come. Does nothing when it has ended.
    ///
    /// # Panics
    /// When the world cannot heal it, which is a mistake of the world.
    fn heal_fault(&self, id: FaultId) {
        let count = self.storms(|storms| storms.injectors.len());
        for index in 0..count {
            let open = self.with_injector(index, |injector, _| injector.open().contains(&id));
            if open == Some(true) {
                self.heal_injector(index);
            }
        }
    }

    /// Ends every fault and all their steps to come.
    ///
    /// # Panics
    /// When the world cannot heal, which is a mistake of the world.
    fn heal_everything(&self) {
        let count = self.storms(|storms| storms.injectors.len());
        (0..count).for_each(|index| self.heal_injector(index));
    }

    /// Ends every fault of one injector.
    ///
    /// # Panics
    /// When the world cannot heal, which is a mistake of the world.
    fn heal_injector(&self, index: usize) {
        let healed = self.with_injector(index, |injector, world| injector.heal_all(world));
        assert!(!matches!(healed, Some(Err(_))), "{healed:?}");
    }

    /// What became of every fault so far, in order of their ids.
    fn records(&self) -> Vec<FaultRecord> {
        let count = self.storms(|storms| storms.injectors.len());
        let mut records = Vec::new();
        for index in 0..count {
            let of_this = self.with_injector(index, |injector, world| {
                injector.refresh(world);
                injector.records()
            });
            records.extend(of_this.into_iter().flatten());
        }
        records.sort_by_key(|record| record.id);
        records
    }
}
