//! Weather: plans drawn from the seed, and scripted faults.

use std::time::Duration;

use stormglass_faults::{Fault, FaultId, FaultRecord, Hits, Injector, Missing, NodeName, Plan, Planner, World};
use stormglass_harness::Refusal;

use crate::calm::Calming;
use crate::sim::Sim;
use crate::world::MadsimWorld;

/// Ids of scripted faults start here, so that a plan's faults keep theirs.
const SCRIPTED: u32 = 8_000_000;

impl Sim {
    /// What becomes of faults in plans that madsim cannot carry out: the run is refused (so it is unless told otherwise), or
    /// they are left out, and the records of the faults say so.
    pub fn missing(&self, missing: Missing) {
        self.shared.state.lock().missing = missing;
    }

    /// Draws a plan from the seed and lets it loose on the nodes there are. A plan given with the request replaces the
    /// drawn one; faults that the request drops are left out.
    ///
    /// # Panics
    /// When the planner cannot draw: a mistake of the scenario, told by the planner.
    pub fn storm(&self, planner: Planner) {
        let nodes: Vec<NodeName> = self.shared.state.lock().books.names().cloned().collect();
        let drawn = match planner.draw(self.seed(), nodes) {
            Ok(drawn) => drawn,
            Err(error) => panic!("the storm cannot be drawn: {error}"),
        };
        self.shared.state.lock().choice = Some(drawn.choice);
        self.carry_out(drawn.plan);
    }

    /// Lets a plan loose, subject to the request's own plan and drops.
    pub fn carry_out(&self, plan: Plan) {
        let plan = match self.shared.request.plan_for(plan) {
            Ok(plan) => plan,
            Err(Refusal { what, hint }) => return self.refuse_run(what, &hint),
        };
        let missing = self.shared.state.lock().missing;
        match Injector::new(&plan, &MadsimWorld::new(self), missing) {
            Ok(injector) => {
                self.shared.state.lock().plan = Some(plan);
                self.start(injector);
            }
            Err(error) => self.refuse_run(error.to_string(), "mend the plan, or let the scenario drop what is missing"),
        }
    }

    /// Begins a scripted fault now (or `fault.start()` from now). Gives the id that [`Sim::heal`] takes.
    ///
    /// # Panics
    /// When the fault cannot be: an unknown node, an empty target, an effect that madsim lacks. It is a mistake of the
    /// scenario, told in words.
    #[track_caller]
    pub fn inject(&self, fault: Fault) -> FaultId {
        let id = {
            let mut state = self.shared.state.lock();
            state.scripts += 1;
            FaultId(SCRIPTED + state.scripts)
        };
        let fault = fault.clone().at(self.now() + fault.start());
        let mut plan = Plan::new();
        if let Err(error) = plan.insert(id, fault) {
            panic!("the fault cannot be: {error}");
        }
        match Injector::new(&plan, &MadsimWorld::new(self), Missing::Refuse) {
            Ok(injector) => self.start(injector),
            Err(error) => panic!("the fault cannot be: {error}"),
        }
        id
    }

    fn start(&self, injector: Injector) {
        let index = {
            let mut state = self.shared.state.lock();
            state.injectors.push(injector);
            state.injectors.len() - 1
        };
        self.step(index);
        let sim = self.clone();
        // On the node that asks: the driver, which no fault touches.
        madsim::task::spawn(async move {
            while let Some(at) = sim.next_of(index) {
                madsim::time::sleep(at.saturating_sub(sim.now())).await;
                sim.step(index);
            }
        });
    }

    fn next_of(&self, index: usize) -> Option<Duration> {
        self.shared.state.lock().injectors[index].next_at()
    }

    /// Takes an injector out while it acts, so that nothing is locked while the world changes.
    fn with_injector<T>(&self, index: usize, f: impl FnOnce(&mut Injector, &mut MadsimWorld) -> T) -> T {
        let mut world = MadsimWorld::new(self);
        let Ok(idle) = Injector::new(&Plan::new(), &world, Missing::Refuse) else {
            unreachable!("an empty plan names nothing")
        };
        let mut injector = std::mem::replace(&mut self.shared.state.lock().injectors[index], idle);
        let result = f(&mut injector, &mut world);
        self.shared.state.lock().injectors[index] = injector;
        result
    }

    fn step(&self, index: usize) {
        self.with_injector(index, |injector, world| injector.step(world));
    }

    /// Ends a scripted fault and all its steps to come. Does nothing when it has ended.
    ///
    /// # Panics
    /// When the world cannot heal it, which is a mistake in Stormglass.
    pub fn heal(&self, id: FaultId) {
        let count = self.shared.state.lock().injectors.len();
        for index in 0..count {
            let open = self.shared.state.lock().injectors[index].open().contains(&id);
            if open {
                self.heal_one(index);
            }
        }
    }

    /// Ends every fault, drawn and scripted, and all their steps to come.
    ///
    /// # Panics
    /// When the world cannot heal, which is a mistake in Stormglass.
    pub fn heal_all(&self) {
        let count = self.shared.state.lock().injectors.len();
        (0..count).for_each(|index| self.heal_one(index));
    }

    fn heal_one(&self, index: usize) {
        let healed = self.with_injector(index, |injector, world| injector.heal_all(world));
        assert!(healed.is_ok(), "{healed:?}");
    }

    /// What a fault really hit so far.
    #[must_use]
    pub fn hits(&self, id: FaultId) -> Hits {
        MadsimWorld::new(self).hits(id)
    }

    /// What became of every fault so far, in order of their ids.
    #[must_use]
    pub fn fault_records(&self) -> Vec<FaultRecord> {
        let count = self.shared.state.lock().injectors.len();
        let records = (0..count).flat_map(|index| {
            self.with_injector(index, |injector, world| {
                injector.refresh(world);
                injector.records()
            })
        });
        let mut records: Vec<FaultRecord> = records.collect();
        records.sort_by_key(|record| record.id);
        records
    }

    /// Begins the calm phase: heals everything, stops all faults to come, and demands convergence within a bound.
    #[must_use = "a calm phase is judged by `until`"]
    pub fn calm(&self, within: Duration) -> Calming {
        self.heal_all();
        Calming::new(self.clone(), within)
    }
}
