//! What product code says of itself reaches the record: properties met and broken, comparisons that came close, rare paths and
//! rare sizes, each of them off until a scenario asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use stormglass::harness::{Campaign, CaseReport, Closest, Exit, SeedRange, Status, WorkerCommand};
use stormglass::prelude::*;
use stormglass::probes::{
    always, always_at_most, always_or_unreached, buggify, knob, reachable, sometimes, sometimes_greater_than,
    unreachable,
};

use crate::judging::{binary, checks, evidence, report, request, worker};

checks!(
    properties_are_known_before_they_are_met,
    a_broken_property_fails_the_run_and_says_where,
    what_must_not_be_reached_fails_the_run_and_panics_nobody,
    a_process_that_is_dead_meets_nothing,
    rare_paths_and_sizes_are_off_until_asked_for,
    rare_paths_and_sizes_are_drawn_by_the_seed,
    a_campaign_demands_what_its_scenario_demands,
);

/// The product: a queue with a limit.
fn push(queue: &mut Vec<u64>, entry: u64) -> bool {
    let limit = knob!("product: queue length", 64, [1, 2, 7]);
    if queue.len() >= limit || buggify!("product: queue says that it is full", 0.5) {
        reachable!("product: the queue refuses");
        return false;
    }
    queue.push(entry);
    always_at_most!(queue.len(), limit, "product: the queue keeps its limit");
    sometimes!(queue.len() == limit, "product: the queue is full to the last place");
    sometimes_greater_than!(queue.len(), 1_000, "product: the queue is endless");
    always_or_unreached!(entry < 1_000, "product: entries are small");
    true
}

async fn pushes(sim: Sim, ask: bool) {
    if ask {
        sim.buggify();
        sim.knobs();
    }
    sim.node("n1", |_| async {
        let mut queue = Vec::new();
        for entry in 0..20 {
            push(&mut queue, entry);
        }
        std::future::pending::<()>().await;
    });
    sim.sleep(Duration::from_secs(1)).await;
}

#[stormglass::scenario(tags("selftest"), properties("selftest::product"))]
async fn pushes_in_a_plain_world(sim: Sim) {
    pushes(sim, false).await;
}

#[stormglass::scenario(tags("selftest"), properties("selftest::product"), sometimes_within = 4)]
async fn pushes_in_a_rare_world(sim: Sim) {
    pushes(sim, true).await;
}

#[stormglass::scenario(tags("selftest"))]
async fn breaks_its_word(sim: Sim) {
    sim.node("n7", |_| async {
        for length in 0..5 {
            always!(length < 3, "broken: it stays short", "it is {length} long");
        }
        std::future::pending::<()>().await;
    });
    sim.sleep(Duration::from_secs(1)).await;
}

#[stormglass::scenario(tags("selftest"))]
async fn reaches_what_is_unreachable(sim: Sim) {
    sim.node("n1", |_| async {
        unreachable!("broken: nobody comes here");
        std::future::pending::<()>().await;
    });
    sim.sleep(Duration::from_secs(1)).await;
}

/// Speaks in a `Drop` that a crash runs.
struct LastWords;

impl Drop for LastWords {
    fn drop(&mut self) {
        sometimes!(true, "dead: it speaks");
        always!(false, "dead: it breaks its word");
    }
}

#[stormglass::scenario(tags("selftest"), properties("selftest::product"))]
async fn dies_speaking(sim: Sim) {
    sim.node("n1", |_| async {
        let _words = LastWords;
        std::future::pending::<()>().await;
    });
    sim.inject(stormglass::faults::kill(["n1"]).at(Duration::from_millis(10)).lasting(Duration::from_secs(10)));
    sim.sleep(Duration::from_secs(1)).await;
}

fn properties_are_known_before_they_are_met() {
    let told = report("pushes_in_a_plain_world", |_| {});
    assert_eq!(told.status, Status::Pass, "{}", evidence(&told));
    let met = |name: &str| told.record.sometimes.get(name).copied();
    assert_eq!(met("always: product: the queue keeps its limit"), Some(true));
    assert_eq!(met("sometimes: product: the queue is full to the last place"), Some(false));
    assert_eq!(met("reachable: product: the queue refuses"), Some(false), "known, though nothing reached it");
    assert_eq!(met("always_or_unreached: product: entries are small"), None, "nothing is demanded of it");
    let closest = &told.record.closest;
    assert_eq!(closest["always: product: the queue keeps its limit"], Closest { margin: 44, most: false });
    assert_eq!(closest["sometimes: product: the queue is endless"], Closest { margin: -980, most: true });
}

fn a_broken_property_fails_the_run_and_says_where() {
    let told = report("breaks_its_word", |_| {});
    assert_eq!((told.status, told.record.oracle.as_str()), (Status::Fail, "always"));
    let evidence = evidence(&told);
    for part in ["broken: it stays short, on n7", "product.rs:", "it is 3 long"] {
        assert!(evidence.contains(part), "{part} is not in: {evidence}");
    }
}

fn what_must_not_be_reached_fails_the_run_and_panics_nobody() {
    let told = report("reaches_what_is_unreachable", |_| {});
    assert_eq!((told.status, told.record.oracle.as_str()), (Status::Fail, "unreachable"), "{}", evidence(&told));
}

fn a_process_that_is_dead_meets_nothing() {
    let told = report("dies_speaking", |_| {});
    assert_eq!(told.status, Status::Pass, "{}", evidence(&told));
    assert_eq!(told.record.faults[0].hits, 1, "the kill hit");
    assert!(!told.record.sometimes["sometimes: dead: it speaks"]);
}

fn rare_paths_and_sizes_are_off_until_asked_for() {
    let mut worker = worker();
    for seed in 0..20 {
        let request = request(&mut worker, "pushes_in_a_plain_world", seed);
        let told = worker.run("pushes_in_a_plain_world", &request, false).expect("the worker lives");
        assert!(told.record.features.is_empty(), "{:?}", told.record.features);
        assert!(taken(&told).is_none());
    }
}

fn taken(told: &CaseReport) -> Option<u64> {
    told.record.counters.get("buggify: product: queue says that it is full").copied()
}

fn rare_paths_and_sizes_are_drawn_by_the_seed() {
    let mut worker = worker();
    let (mut armed, mut turned) = (0, BTreeSet::new());
    for seed in 0..64 {
        let request = request(&mut worker, "pushes_in_a_rare_world", seed);
        let told = worker.run("pushes_in_a_rare_world", &request, false).expect("the worker lives");
        assert_eq!(told.status, Status::Pass, "{}", evidence(&told));
        let again = worker.run("pushes_in_a_rare_world", &request, false).expect("the worker lives");
        assert_eq!(told.record.digest, again.record.digest);
        assert_eq!(told.record.counters, again.record.counters);
        armed += u32::from(taken(&told).is_some());
        turned.extend(told.record.features.iter().find(|feature| feature.starts_with("knob: ")).cloned());
    }
    // A quarter of 64 seeds: 16, and three standard deviations of it either way.
    assert!((6..=26).contains(&armed), "{armed} of 64 seeds took the rare path");
    assert_eq!(turned.len(), 3, "every rare size was used: {turned:?}");
}

fn a_campaign_demands_what_its_scenario_demands() {
    let folder = tempfile::tempdir().expect("a folder for the ledger");
    let mut asked = worker();
    let scenario = "pushes_in_a_rare_world";
    let info = asked.list().expect("a worker lists its scenarios").into_iter().find(|info| info.name == scenario);
    let info = info.expect("the scenario is there");
    let campaign = |seeds, name: &str| Campaign {
        worker: WorkerCommand::new(binary()),
        scenario: scenario.to_owned(),
        params: BTreeMap::new(),
        limits: info.limits.clone(),
        seeds: SeedRange { first: 0, end: Some(seeds) },
        budget: None,
        jobs: NonZeroUsize::MIN,
        failures_max: None,
        sometimes_within: info.sometimes_within,
        check_every: None,
        folder: folder.path().join(name),
        fresh: false,
    };
    let few = campaign(3, "few").run(&mut (), &|| false).expect("the campaign runs");
    assert_eq!(few.exit(), Exit::Passed, "three seeds are too few to demand it");
    let many = campaign(40, "many").run(&mut (), &|| false).expect("the campaign runs");
    assert_eq!(many.summary.failed, 0);
    // No queue of this product is endless, and a process that is dead says nothing.
    let never: Vec<&str> = many.summary.never_met().collect();
    assert!(never.contains(&"sometimes: product: the queue is endless"), "{never:?}");
    assert!(!never.contains(&"sometimes: product: the queue is full to the last place"), "{never:?}");
    assert_eq!(many.exit(), Exit::SeedFailed);
}
