//! Causal stability: to take one fault out of a plan changes only what is causally after it.
//!
//! ChainFire in a storm, twice: once as the seed draws it, once without one of its faults. Both traces are compared node by
//! node. ChainFire draws its randomness through `getrandom`, which is each node's own, so that no further causes are
//! allowed for.

mod made_up;
mod run;
mod stability;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use stormglass::faults::{FaultId, Plan, Profile, Protocol};
use stormglass::harness::{RunRequest, Status, Worker};
use stormglass::kernel::{Record, VirtualTime};
use stormglass::prelude::*;

use crate::cluster::{API_PORT, Cluster};
use crate::judging::{checks, evidence, request, worker};
use crate::workload::{Book, Load};
use made_up::{a_difference_without_a_cause_is_reported, differences_with_a_cause_are_explained};
use run::{Run, injector, read};
use stability::{Cause, Difference, explain};

checks!(
    a_fault_taken_out_of_a_plan_changes_only_what_is_causally_after_it,
    differences_with_a_cause_are_explained,
    a_difference_without_a_cause_is_reported,
);

/// How many pairs of a seed and a fault are tried.
const PAIRS_VARIABLE: &str = "STORMGLASS_CAUSES";
const PAIRS: u64 = 30;

/// Runs are compared up to here. Both go on for a little longer, since the end of a run ends every task.
const END: Duration = Duration::from_secs(11);

/// Five nodes of ChainFire, three clients, and ten seconds of weather. Nothing is judged.
#[stormglass::scenario(time = "60s", families("network", "process"), tags("selftest"))]
async fn storms_without_a_verdict(sim: Sim) {
    sim.keep_going();
    let cluster = Cluster::of(&sim, 5);
    let storm = swarm()
        .network()
        .process()
        .profile(Profile::Storm)
        .sparing(minority(cluster.names()))
        .port(Protocol::Tcp, API_PORT)
        .between(Duration::from_secs(2), Duration::from_secs(10));
    sim.storm(storm);
    let load = Load { clients: 3, rate: 60, keys: 5, duration: END };
    tokio::spawn(async move { Book::new().run(&cluster, load).await });
    sim.sleep(END + Duration::from_millis(1)).await;
}

/// Runs a request with its trace on. Gives the plan and the trace.
fn traced(worker: &mut Worker, request: &RunRequest, path: &Path) -> (Plan, Vec<Record>) {
    let request = RunRequest { trace_to: Some(path.to_owned()), ..request.clone() };
    let report = worker.run("storms_without_a_verdict", &request, false).expect("the worker lives");
    assert_ne!(report.status, Status::Unknown, "{}", evidence(&report));
    let plan = report.record.plan.parse::<Plan>().expect("a recorded plan can be read");
    (plan, read(path))
}

fn start(plan: &Plan, id: FaultId) -> Duration {
    plan.get(id).expect("a fault of the plan").start()
}

fn pairs() -> u64 {
    std::env::var(PAIRS_VARIABLE).map_or(PAIRS, |n| n.parse().expect("STORMGLASS_CAUSES is a number of pairs"))
}

fn a_fault_taken_out_of_a_plan_changes_only_what_is_causally_after_it() {
    let folder = tempfile::tempdir().expect("a folder for traces");
    let paths = [folder.path().join("with.trace"), folder.path().join("without.trace")];
    let mut worker = worker();
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    let mut compared = 0;
    for seed in 1..=pairs() {
        let whole = request(&mut worker, "storms_without_a_verdict", seed);
        let (plan, with) = traced(&mut worker, &whole, &paths[0]);
        let faults = removable(&plan);
        let Some(id) = faults.get(seed as usize * 7 % faults.len().max(1)).copied() else { continue };
        compared += 1;
        let (rest, without) = traced(&mut worker, &RunRequest { drop: vec![id.to_string()], ..whole }, &paths[1]);
        assert_eq!(rest.to_string(), plan.without(id).to_string(), "the plan without {id}");
        let injector = injector(&with, id);
        let end = VirtualTime::ZERO + END;
        let (with, without) = (Run::new(&with, injector, end), Run::new(&without, injector, end));
        if let Some(other) = faults.iter().find(|other| start(&plan, **other) > start(&plan, id)) {
            let blamed = explain(&plan, *other, &with, &without);
            assert!(blamed.iter().any(|d| d.cause.is_none()), "seed {seed}: {other} cannot be to blame for {id}");
        }
        for difference in explain(&plan, id, &with, &without) {
            *causes.entry(word(&difference)).or_default() += 1;
            if difference.cause.is_none() {
                let fault = plan.get(id).map(|fault| format!("{:?}", fault.action())).unwrap_or_default();
                violations.push(format!("seed {seed}, fault {id} ({fault}):\n  {difference}"));
            }
        }
    }
    eprintln!("{compared} faults taken out; first differences by cause: {causes:?}");
    assert!(violations.is_empty(), "{} differences have no cause:\n{}", violations.len(), violations.join("\n"));
    let reached = |how: &str| causes.get(how).copied().unwrap_or_default();
    assert!(compared * 2 > pairs(), "most storms have a fault to take out, and not {compared} of {}", pairs());
    assert!(reached("delivery") > compared, "a fault is heard of by more than one node on average: {causes:?}");
}

/// The faults that the driver can leave out without a trace of it until they are due. It sleeps until the next step of its
/// plan, so that it must have a later one: without any it would not look at its clock, nor set a timer.
fn removable(plan: &Plan) -> Vec<FaultId> {
    let steps = plan.timeline();
    let later = |id: FaultId, start: Duration| steps.iter().any(|step| step.id != id && step.at > start);
    plan.iter().filter(|planned| later(planned.id, planned.fault.start())).map(|planned| planned.id).collect()
}

fn word(difference: &Difference) -> &'static str {
    match difference.cause {
        Some(Cause::Injection) => "injection",
        Some(Cause::LifeCycle) => "life cycle",
        Some(Cause::Slowness) => "slowness",
        Some(Cause::Want) => "want",
        Some(Cause::Transit) => "transit",
        Some(Cause::Delivery(_)) => "delivery",
        Some(Cause::Edge(_)) => "edge",
        Some(Cause::Content(_)) => "content",
        None => "none",
    }
}
