//! Weather: plans drawn from the seed, and scripted faults.

use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use stormglass_faults::{
    Fault, FaultId, FaultRecord, Hits, Missing, NodeName, Observed, Plan, Planner, Storms, Stormy, World,
};
use stormglass_harness::Refusal;

use crate::calm::Calming;
use crate::sim::Sim;
use crate::world::MadsimWorld;

/// Why a plan with such a trigger is refused.
const NO_SYNCS: &str = "a fault of the plan waits for a sync of a file, and madsim's disk has none to tell of";

impl Stormy for Sim {
    type World = MadsimWorld;

    fn world(&self) -> MadsimWorld {
        MadsimWorld::new(self)
    }

    fn storms<R>(&self, act: impl FnOnce(&mut Storms) -> R) -> R {
        act(&mut self.shared.state.lock().storms)
    }
}

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
        {
            let mut state = self.shared.state.lock();
            state.choice = Some(drawn.choice);
            state.budgets = drawn.budgets;
        }
        self.carry_out(drawn.plan);
    }

    /// Lets a plan loose, subject to the request's own plan and drops.
    pub fn carry_out(&self, plan: Plan) {
        let plan = match self.shared.request.plan_for(plan) {
            Ok(plan) => plan,
            Err(Refusal { what, hint }) => return self.refuse_run(what, &hint),
        };
        let missing = self.shared.state.lock().missing;
        match self.start_plan(&plan, missing) {
            Ok(_) if missing == Missing::Refuse && self.storms(|storms| storms.awaits_syncs()) => {
                self.refuse_run(NO_SYNCS, "let it wait for a probe that the scenario tells, or for an instant");
            }
            Ok(index) => {
                self.shared.state.lock().plan = Some(plan);
                self.drive(index);
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
        match self.start_script(fault) {
            Ok((id, index)) => {
                self.drive(index);
                id
            }
            Err(error) => panic!("the fault cannot be: {error}"),
        }
    }

    /// Carries out what is due, and spawns a task for what is to come.
    fn drive(&self, index: usize) {
        self.step(index);
        let sim = self.clone();
        // On the node that asks: the driver, which no fault touches.
        madsim::task::spawn(async move {
            while let Some(at) = sim.storms(|storms| storms.next_at(index)) {
                madsim::time::sleep(at.saturating_sub(sim.now())).await;
                sim.step(index);
            }
        });
        self.listen();
    }

    /// Whether a fault of the plan waits for the probe of this name: to ask before telling of what happens very often.
    #[must_use]
    pub fn awaits(&self, event: &str) -> bool {
        self.shared.state.lock().storms.awaits(event)
    }

    /// Tells the faults of the plan what happened: a fault with the trigger `on:NAME` waits for the probe of that name.
    /// Callable from any node: they begin on the driver.
    pub fn tell(&self, event: Observed) {
        let mut state = self.shared.state.lock();
        if state.storms.cares_for(&event) {
            state.storms.observe(event);
            let waker = state.listener.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Spawns, once, the task on which waiting faults are shown what happened.
    fn listen(&self) {
        {
            let mut state = self.shared.state.lock();
            if state.listening || !state.storms.listens() {
                return;
            }
            state.listening = true;
        }
        let sim = self.clone();
        madsim::task::spawn(async move {
            loop {
                let observed = poll_fn(|cx| {
                    let mut state = sim.shared.state.lock();
                    if state.storms.has_observed() {
                        return Poll::Ready(());
                    }
                    state.listener = Some(cx.waker().clone());
                    Poll::Pending
                });
                observed.await;
                for index in sim.react() {
                    sim.drive(index);
                }
            }
        });
    }

    /// Ends a scripted fault and all its steps to come. Does nothing when it has ended.
    ///
    /// # Panics
    /// When the world cannot heal it, which is a mistake in Stormglass.
    pub fn heal(&self, id: FaultId) {
        self.heal_fault(id);
    }

    /// Ends every fault, drawn and scripted, and all their steps to come.
    ///
    /// # Panics
    /// When the world cannot heal, which is a mistake in Stormglass.
    pub fn heal_all(&self) {
        self.heal_everything();
    }

    /// What a fault really hit so far.
    #[must_use]
    pub fn hits(&self, id: FaultId) -> Hits {
        MadsimWorld::new(self).hits(id)
    }

    /// What became of every fault so far, in order of their ids.
    #[must_use]
    pub fn fault_records(&self) -> Vec<FaultRecord> {
        self.records()
    }

    /// Begins the calm phase: heals everything, stops all faults to come, and demands convergence within a bound.
    #[must_use = "a calm phase is judged by `until`"]
    pub fn calm(&self, within: Duration) -> Calming {
        self.heal_all();
        Calming::new(self.clone(), within)
    }
}
