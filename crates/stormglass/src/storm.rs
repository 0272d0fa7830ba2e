//! Weather: plans drawn from the seed, scripted faults, and the calm after them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use stormglass_check::Evidence;
use stormglass_disk::{Disk, SyncEnd};
use stormglass_faults::{
    Budget, Calm, Convergence, Fault, FaultId, FaultRecord, Hits, Missing, Nemesis, NodeName, Observed, Plan, Planner,
    Storms, Stormy, World, power_loss,
};
use stormglass_harness::{Refusal, converge};
use stormglass_kernel::{self as kernel, NodeId};
use stormglass_tokio::time::sleep;

use crate::sim::Sim;
use crate::standstill::Standstill;
use crate::world::KernelWorld;

/// A cluster that has not come to rest after this part of its time is looked at.
const EARLY: u32 = 4;

impl Stormy for Sim {
    type World = KernelWorld;

    fn world(&self) -> KernelWorld {
        KernelWorld::new(self)
    }

    fn storms<R>(&self, act: impl FnOnce(&mut Storms) -> R) -> R {
        act(&mut self.shared.state.lock().storms)
    }
}

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
        match self.start_plan(&plan, Missing::Refuse) {
            Ok(index) => {
                self.shared.state.lock().plan = Some(plan);
                self.drive(index);
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
        match self.start_script(fault) {
            Ok((id, index)) => {
                self.drive(index);
                id
            }
            Err(error) => panic!("the fault cannot be: {error}"),
        }
    }

    /// Begins a scripted fault, waits, and heals it.
    pub async fn inject_for(&self, fault: Fault, duration: Duration) -> FaultId {
        let id = self.inject(fault);
        sleep(duration).await;
        self.heal(id);
        id
    }

    /// Carries out what is due, and spawns a task for what is to come.
    fn drive(&self, index: usize) {
        self.step(index);
        let sim = self.clone();
        kernel::spawn_local(async move {
            while let Some(at) = sim.storms(|storms| storms.next_at(index)) {
                sleep(at.saturating_sub(sim.now())).await;
                sim.step(index);
            }
        });
        if self.storms(|storms| storms.awaits_syncs()) {
            self.listen_to_disks();
        }
        self.listen();
    }

    /// Spawns, once, the task on which nemeses and waiting faults are shown what happened.
    fn listen(&self) {
        let told = {
            let mut state = self.shared.state.lock();
            if state.listening || !state.storms.listens() {
                return;
            }
            state.listening = true;
            Arc::clone(&state.told)
        };
        let sim = self.clone();
        kernel::spawn_local(async move {
            loop {
                told.notified().await;
                for index in Stormy::react(&sim) {
                    sim.drive(index);
                }
            }
        });
    }

    /// Spawns, once, the task that tells when syncs of files have ended.
    fn listen_to_disks(&self) {
        if std::mem::replace(&mut self.shared.state.lock().listening_to_disks, true) {
            return;
        }
        // Now, and not when the task is polled first: nodes may be.
        kernel::with(|u| u.get::<Disk>().map(|(disk, _)| disk.watch_syncs()));
        let sim = self.clone();
        kernel::spawn_local(async move {
            let mut counts: BTreeMap<NodeId, u64> = BTreeMap::new();
            loop {
                let synced = poll_fn(|cx| {
                    kernel::with(|u| match u.get::<Disk>() {
                        Some((disk, kernel)) => disk.poll_synced(kernel, cx.waker()),
                        None => Poll::Pending,
                    })
                });
                let SyncEnd { node, path } = synced.await;
                let n = counts.entry(node).or_default();
                *n += 1;
                let name = kernel::with(|u| NodeName::from(&**u.kernel.node(node).name()));
                let path = path.map_or_else(String::new, |path| path.to_string_lossy().into_owned());
                sim.tell(Observed::Fsync { node: name, n: *n, path });
            }
        });
    }

    /// Lets a nemesis loose: it is shown what [`Sim::tell`] tells, and its faults join the drawn plan, within `budget`
    /// together with it. What it adds depends on the run, so its wakes are causal edges.
    ///
    /// # Panics
    /// Before a storm has begun, which its faults would join.
    pub fn nemesis(&self, budget: Budget, nemesis: impl Nemesis + Send + 'static) {
        let joined = self.storms(|storms| storms.join(budget, Box::new(nemesis)));
        assert!(joined.is_some(), "a nemesis joins a storm: call `storm` first");
        self.listen();
    }

    /// Tells the nemeses what happened, and the faults of the plan that wait for it: a fault with the trigger `on:NAME` waits
    /// for the probe of that name. Callable from any node: they act on the driver.
    pub fn tell(&self, event: Observed) {
        let mut state = self.shared.state.lock();
        if let Observed::Probe { node, name, .. } = &event {
            *state.heard_of.entry((node.clone(), name.clone())).or_default() += 1;
        }
        if !state.storms.cares_for(&event) {
            return;
        }
        state.storms.observe(event);
        let told = Arc::clone(&state.told);
        drop(state);
        told.notify_one();
    }

    /// Whether a fault of the plan waits for the probe of this name: to ask before telling of what happens very often.
    #[must_use]
    pub fn awaits(&self, event: &str) -> bool {
        self.shared.state.lock().storms.awaits(event)
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
        KernelWorld::new(self).hits(id)
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
        let core = self.shared.state.lock().world.names().cloned().collect();
        Calming { sim: self.clone(), calm: Calm::new(self.now(), within), core }
    }

    /// As [`Sim::calm`], but of the nodes of `budget` only a core, drawn by the seed, is left: as many as may be out at once (a
    /// minority, where all may be) lose power now and for good. What is said to tolerate their loss must come to rest without them.
    #[must_use = "a calm phase is judged by `until`"]
    pub fn calm_with_core(&self, budget: &Budget, within: Duration) -> Calming {
        let mut calming = self.calm(within);
        let mut nodes = budget.nodes().to_vec();
        let most = nodes.len().saturating_sub(1);
        let out = if budget.out_max() > most { most / 2 } else { budget.out_max() };
        let dead: Vec<NodeName> = (0..out as u64)
            .map(|nth| {
                let last = nodes.len() as u64 - 1;
                nodes.remove(self.choose("outside the core", "calm", nth, 0, last) as usize)
            })
            .collect();
        if !dead.is_empty() {
            self.inject(power_loss(dead.clone()));
        }
        calming.core.retain(|node| !dead.contains(node));
        calming
    }
}

/// The calm phase of a run.
#[derive(Debug)]
pub struct Calming {
    sim: Sim,
    calm: Calm,
    core: Vec<NodeName>,
}

impl Calming {
    /// The nodes that are left: all of them, unless the calm is one [with a core](Sim::calm_with_core).
    #[must_use]
    pub fn core(&self) -> &[NodeName] {
        &self.core
    }

    /// Asks `converged` until it is reached or the bound has passed. Gives how long it took.
    ///
    /// # Errors
    /// The reasons that were pending at the bound, as evidence of the oracle `convergence`, and what can be seen of their causes:
    /// how busy the nodes were, what was told again and again, who waits for what since when, who is woken in vain, what the
    /// network lost for good, and which faults are still in effect.
    pub async fn until(self, mut converged: impl AsyncFnMut() -> Convergence) -> Result<Duration, Evidence> {
        let sim = &self.sim;
        let until = self.calm.until();
        let late = sim.now() + until.saturating_sub(sim.now()) / EARLY;
        let mut standstill = Standstill::begin(sim);
        let mut is_late = false;
        let looked = async || {
            let convergence = converged().await;
            if !convergence.is_reached() && sim.now() >= late {
                if std::mem::replace(&mut is_late, true) {
                    standstill.look(sim);
                } else {
                    standstill.begin_again(sim);
                }
            }
            convergence
        };
        let ended = converge(self.calm, || sim.now(), sleep, looked).await;
        ended.map_err(|mut evidence| {
            let why = standstill.explain(sim, &evidence.details);
            evidence.details.extend(why);
            evidence
        })
    }
}
