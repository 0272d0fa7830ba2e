//! Weather: plans drawn from the seed, scripted faults, and the calm after them.

use std::sync::Arc;
use std::time::Duration;

use stormglass_check::Evidence;
use stormglass_faults::{
    Budget, Calm, Convergence, Fault, FaultId, FaultRecord, Hits, Injector, Missing, Nemesis, NodeName, Observed, Plan,
    Planner, World,
};
use stormglass_harness::{Refusal, converge};
use stormglass_kernel as kernel;
use stormglass_tokio::time::sleep;

use crate::sim::Sim;
use crate::world::KernelWorld;

/// Ids of scripted faults start here, so that a plan's faults keep theirs.
const SCRIPTED: u32 = 8_000_000;

impl Sim {
    /// Draws a plan from the seed and lets it loose on the nodes there are. A plan given with the request replaces the
    /// drawn one; faults that the request drops are left out.
    ///
    /// # Panics
    /// When the planner cannot draw: a mistake of the scenario, told by the planner.
    pub fn storm(&self, planner: Planner) {
        let nodes: Vec<NodeName> = self.shared.state.lock().world.names().cloned().collect();
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
        let injector = Injector::new(&plan, &KernelWorld::new(self), Missing::Refuse);
        match injector {
            Ok(injector) => {
                self.shared.state.lock().plan = Some(plan);
                let index = self.start(injector);
                self.shared.state.lock().storm = Some(index);
            }
            Err(error) => self.refuse_run(error.to_string(), "mend the plan"),
        }
    }

    /// Begins a scripted fault now (or `fault.start()` from now). Gives the id that [`Sim::heal`] takes.
    ///
    /// # Panics
    /// When the fault cannot be: an unknown node, an empty target. It is a mistake of the scenario, told in words.
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
        match Injector::new(&plan, &KernelWorld::new(self), Missing::Refuse) {
            Ok(injector) => {
                self.start(injector);
            }
            Err(error) => panic!("the fault cannot be: {error}"),
        }
        id
    }

    /// Begins a scripted fault, waits, and heals it.
    pub async fn inject_for(&self, fault: Fault, duration: Duration) -> FaultId {
        let id = self.inject(fault);
        sleep(duration).await;
        self.heal(id);
        id
    }

    fn start(&self, injector: Injector) -> usize {
        let index = {
            let mut state = self.shared.state.lock();
            state.injectors.push(injector);
            state.injectors.len() - 1
        };
        self.drive(index);
        index
    }

    /// Carries out what is due, and spawns a task for what is to come.
    fn drive(&self, index: usize) {
        self.step(index);
        let sim = self.clone();
        kernel::spawn_local(async move {
            while let Some(at) = sim.next_of(index) {
                sleep(at.saturating_sub(sim.now())).await;
                sim.step(index);
            }
        });
    }

    /// Lets a nemesis loose: it is shown what [`Sim::tell`] tells, and its faults join the drawn plan, within `budget`
    /// together with it. What it adds depends on the run, so its wakes are causal edges.
    ///
    /// # Panics
    /// Before a storm has begun, which its faults would join.
    pub fn nemesis(&self, budget: Budget, nemesis: impl Nemesis + Send + 'static) {
        let mut state = self.shared.state.lock();
        let Some(storm) = state.storm else { panic!("a nemesis joins a storm: call `storm` first") };
        state.injectors[storm].spare(budget);
        state.nemeses.push(Box::new(nemesis));
        let first = state.nemeses.len() == 1;
        let told = Arc::clone(&state.told);
        drop(state);
        if !first {
            return;
        }
        let sim = self.clone();
        kernel::spawn_local(async move {
            loop {
                told.notified().await;
                sim.react(storm);
            }
        });
    }

    /// Tells the nemeses what happened. Callable from any node: they act on the driver.
    pub fn tell(&self, event: Observed) {
        let mut state = self.shared.state.lock();
        if state.nemeses.is_empty() {
            return;
        }
        state.observed.push(event);
        let told = Arc::clone(&state.told);
        drop(state);
        told.notify_one();
    }

    fn react(&self, storm: usize) {
        let (mut nemeses, events) = {
            let mut state = self.shared.state.lock();
            (std::mem::take(&mut state.nemeses), std::mem::take(&mut state.observed))
        };
        let faults: Vec<Fault> = events
            .iter()
            .flat_map(|event| nemeses.iter_mut().flat_map(|n| n.observe(event)).collect::<Vec<_>>())
            .collect();
        self.shared.state.lock().nemeses.append(&mut nemeses);
        if !faults.is_empty() {
            self.with_injector(storm, |injector, world| injector.react(faults, world));
            self.drive(storm);
        }
    }

    fn next_of(&self, index: usize) -> Option<Duration> {
        self.shared.state.lock().injectors[index].next_at()
    }

    /// Takes an injector out while it acts, so that nothing is locked while the world changes.
    fn with_injector<T>(&self, index: usize, f: impl FnOnce(&mut Injector, &mut KernelWorld) -> T) -> T {
        let idle = Injector::new(&Plan::new(), &KernelWorld::new(self), Missing::Refuse);
        let Ok(idle) = idle else { unreachable!("an empty plan names nothing") };
        let mut injector = std::mem::replace(&mut self.shared.state.lock().injectors[index], idle);
        let result = f(&mut injector, &mut KernelWorld::new(self));
        self.shared.state.lock().injectors[index] = injector;
        result
    }

    fn step(&self, index: usize) {
        self.with_injector(index, |injector, world| {
            injector.step(world);
        });
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
                let healed = self.with_injector(index, |injector, world| injector.heal_all(world));
                assert!(healed.is_ok(), "{healed:?}");
            }
        }
    }

    /// Ends every fault, drawn and scripted, and all their steps to come.
    ///
    /// # Panics
    /// When the world cannot heal, which is a mistake in Stormglass.
    pub fn heal_all(&self) {
        let count = self.shared.state.lock().injectors.len();
        for index in 0..count {
            let healed = self.with_injector(index, |injector, world| injector.heal_all(world));
            assert!(healed.is_ok(), "{healed:?}");
        }
    }

    /// What a fault really hit so far.
    #[must_use]
    pub fn hits(&self, id: FaultId) -> Hits {
        KernelWorld::new(self).hits(id)
    }

    /// What became of every fault so far, in order of their ids.
    #[must_use]
    pub fn fault_records(&self) -> Vec<FaultRecord> {
        let count = self.shared.state.lock().injectors.len();
        let mut records: Vec<FaultRecord> = (0..count)
            .flat_map(|index| {
                self.with_injector(index, |injector, world| {
                    injector.refresh(world);
                    injector.records()
                })
            })
            .collect();
        records.sort_by_key(|record| record.id);
        records
    }

    /// Begins the calm phase: heals everything, stops all faults to come, and demands convergence within a bound.
    #[must_use = "a calm phase is judged by `until`"]
    pub fn calm(&self, within: Duration) -> Calming {
        self.heal_all();
        Calming { sim: self.clone(), calm: Calm::new(self.now(), within) }
    }
}

/// The calm phase of a run.
#[derive(Debug)]
pub struct Calming {
    sim: Sim,
    calm: Calm,
}

impl Calming {
    /// Asks `converged` until it is reached or the bound has passed. Gives how long it took.
    ///
    /// # Errors
    /// The reasons that were pending at the bound, as evidence of the oracle `convergence`.
    pub async fn until(self, converged: impl AsyncFnMut() -> Convergence) -> Result<Duration, Evidence> {
        let sim = &self.sim;
        converge(self.calm, || sim.now(), sleep, converged).await
    }
}
