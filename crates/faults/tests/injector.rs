//! An injector carries a plan out in order, heals what it began, counts what was hit, and names what it could not do.

use std::time::Duration;

use stormglass_faults::testing::{Delivery, FakeWorld};
use stormglass_faults::{
    Budget, Capabilities, EffectKind, Fault, FaultId, InjectError, Injector, Links, Missing, Observed, Plan,
    Probability, World, block_port, counter, flap, isolate, kill, latency, loss, minority, partition, pause,
    power_loss, slow,
};

const SECOND: Duration = Duration::from_secs(1);
const NODES: [&str; 3] = ["a", "b", "c"];

fn plan(faults: impl IntoIterator<Item = Fault>) -> Plan {
    Plan::of(faults).expect("valid")
}

fn inject(world: &FakeWorld, faults: impl IntoIterator<Item = Fault>) -> Injector {
    Injector::new(&plan(faults), world, Missing::Refuse).expect("possible")
}

/// Runs all steps up to an instant.
fn run_until(injector: &mut Injector, world: &mut FakeWorld, instant: Duration) {
    while let Some(at) = injector.next_at().filter(|at| *at <= instant) {
        world.advance_to(at);
        injector.step(world);
    }
    world.advance_to(instant);
}

#[test]
fn steps_are_carried_out_in_the_order_of_the_timeline() {
    let mut world = FakeWorld::new(NODES);
    let faults = [
        kill(["b", "a"]).at(2 * SECOND).lasting(2 * SECOND),
        flap("a", "b", SECOND, SECOND).at(SECOND).lasting(3 * SECOND),
    ];
    let mut injector = inject(&world, faults);
    assert_eq!(injector.next_at(), Some(SECOND));
    run_until(&mut injector, &mut world, 9 * SECOND);
    assert_eq!(injector.next_at(), None);
    assert_eq!(
        world.log(),
        [
            "1s begin f1 cut a>b,b>a",
            "2s end f1",
            "2s begin f0 kill b",
            "2s begin f0 kill a",
            "3s begin f1 cut a>b,b>a",
            "4s end f0",
            "4s end f1",
        ]
    );
}

#[test]
fn what_is_hit_is_counted_for_the_fault_that_hit_it() {
    let mut world = FakeWorld::new(NODES);
    world.set_tasks("c", 5);
    let everywhere = || Links::among(NODES);
    let faults = [
        partition("a", ["b", "c"]).at(SECOND).lasting(SECOND),
        latency(everywhere(), 20 * SECOND).at(SECOND).lasting(SECOND),
        kill("c").at(SECOND).lasting(SECOND),
        block_port("b", 2380, stormglass_faults::Direction::In).at(3 * SECOND).lasting(SECOND),
        loss(everywhere(), Probability::ONE).at(5 * SECOND).lasting(SECOND),
        slow("a", 3).at(5 * SECOND).lasting(SECOND),
    ];
    let mut injector = inject(&world, faults);
    run_until(&mut injector, &mut world, SECOND);
    assert_eq!(world.send("a", "b", 1), Delivery::Dropped);
    assert!(!world.is_up("c"));
    run_until(&mut injector, &mut world, 3 * SECOND);
    assert_eq!(world.send("a", "b", 1), Delivery::Delivered { late: Duration::ZERO }, "healed, and another port");
    assert_eq!(world.send("a", "b", 2380), Delivery::Dropped);
    assert_eq!(world.send("b", "a", 2380), Delivery::Delivered { late: Duration::ZERO });
    run_until(&mut injector, &mut world, 5 * SECOND);
    assert_eq!(world.send("b", "c", 1), Delivery::Dropped);
    run_until(&mut injector, &mut world, 9 * SECOND);

    let records = injector.records();
    let hits = |id: usize, name| records[id].hits.get(name);
    assert_eq!(hits(0, counter::PACKETS_DROPPED), 1);
    assert_eq!(hits(1, counter::PACKETS_DELAYED), 1);
    assert_eq!(hits(2, counter::TASKS_STOPPED), 5);
    assert_eq!(hits(3, counter::PACKETS_DROPPED), 1);
    assert_eq!(hits(4, counter::PACKETS_DROPPED), 1);
    assert_eq!(hits(5, counter::POLLS_SLOWED), 1);
    assert!(records.iter().all(|record| !record.vacuous));
    assert_eq!((records[0].begun_at, records[0].ended_at), (Some(SECOND), Some(2 * SECOND)));
}

#[test]
fn a_fault_on_the_wrong_node_is_reported_as_vacuous() {
    let mut world = FakeWorld::new(NODES);
    world.set_tasks("b", 0);
    let faults = [
        isolate("c", NODES).must_hit().at(SECOND).lasting(SECOND),
        isolate("a", NODES).must_hit().at(SECOND).lasting(SECOND),
        kill("b").at(3 * SECOND).lasting(SECOND),
        kill("a").at(9 * SECOND),
    ];
    let mut injector = inject(&world, faults);
    run_until(&mut injector, &mut world, SECOND);
    world.send("a", "b", 1); // Only a ever sends.
    run_until(&mut injector, &mut world, 5 * SECOND);
    let records = injector.records();
    let verdicts: Vec<(bool, bool)> = records.iter().map(|record| (record.vacuous, record.demand_met())).collect();
    assert_eq!(verdicts, [(true, false), (false, true), (true, true), (false, true)]);
    assert_eq!(records[3].begun_at, None, "what never began is not vacuous but unreached");
}

#[test]
fn the_end_of_one_fault_does_not_heal_another() {
    let mut world = FakeWorld::new(NODES);
    let faults = [
        kill("a").at(SECOND).lasting(4 * SECOND),
        power_loss("a").at(2 * SECOND).lasting(SECOND),
        pause("b").at(SECOND).lasting(SECOND),
    ];
    let mut injector = inject(&world, faults);
    run_until(&mut injector, &mut world, SECOND);
    assert!(world.is_paused("b"));
    run_until(&mut injector, &mut world, 4 * SECOND);
    assert!(!world.is_up("a") && !world.is_paused("b"));
    run_until(&mut injector, &mut world, 5 * SECOND);
    assert!(world.is_up("a"));
}

#[test]
fn calm_heals_everything_and_cancels_what_was_to_come() {
    let mut world = FakeWorld::new(NODES);
    let faults = [kill("a").at(SECOND), isolate("b", NODES).at(SECOND).lasting(9 * SECOND), pause("c").at(5 * SECOND)];
    let mut injector = inject(&world, faults);
    run_until(&mut injector, &mut world, 3 * SECOND);
    assert_eq!(injector.open(), [FaultId(0), FaultId(1)].into());
    injector.heal_all(&mut world).expect("healed");
    assert!(world.is_up("a"));
    assert_eq!(world.send("a", "b", 1), Delivery::Delivered { late: Duration::ZERO });
    assert_eq!((injector.next_at(), injector.open().len()), (None, 0));
    let records = injector.records();
    assert_eq!(records[0].ended_at, Some(3 * SECOND));
    assert_eq!(records[2].begun_at, None);
    let late = injector.react([kill("a")], &world);
    assert_eq!(injector.next_at(), None);
    let record = injector.records().into_iter().find(|record| record.id == late[0]).expect("recorded");
    assert_eq!(record.refused.as_deref(), Some("it came after calm began"));
}

#[test]
fn a_world_that_lacks_an_effect_refuses_the_plan_before_anything_happens() {
    let available = Capabilities::all().without(EffectKind::PowerLoss);
    let world = FakeWorld::new(NODES).capable_of(available);
    let faults = plan([kill("a").lasting(SECOND), power_loss("b").at(SECOND).lasting(SECOND)]);
    let error = Injector::new(&faults, &world, Missing::Refuse).expect_err("no power loss");
    assert_eq!(
        error.to_string(),
        "fault f1 (`1.000s +1s power-loss b`) needs the effect `power-loss`, which this world lacks; \
         it has: cut, latency, loss, block-port, kill, stop, pause, slow, disk, clock, \
         impair, names, starve, descriptors, memory, suspend, upgrade, new-disk, swap-disks"
    );
    assert!(world.log().is_empty());
}

#[test]
fn faults_that_cannot_be_are_dropped_and_reported_when_so_chosen() {
    let mut world = FakeWorld::new(NODES).capable_of(Capabilities::of([EffectKind::Kill]));
    let faults = plan([power_loss("b").lasting(SECOND), kill("a").lasting(SECOND)]);
    let mut injector = Injector::new(&faults, &world, Missing::Drop).expect("dropped");
    run_until(&mut injector, &mut world, 2 * SECOND);
    assert_eq!(world.log(), ["0ns begin f1 kill a", "1s end f1"]);
    let records = injector.records();
    assert!(records[0].refused.as_ref().is_some_and(|why| why.contains("power-loss")) && !records[0].vacuous);
    assert_eq!(records[1].refused, None);
}

#[test]
fn a_node_that_does_not_exist_is_always_an_error() {
    let world = FakeWorld::new(NODES);
    let error = Injector::new(&plan([kill("d")]), &world, Missing::Drop).expect_err("no such node");
    let nodes = world.nodes();
    let expected =
        InjectError::UnknownNode { id: FaultId(0), text: "0.000s +calm crash d".into(), node: "d".into(), nodes };
    assert_eq!(error, expected);
}

#[test]
fn what_the_world_refuses_during_the_run_is_noted_and_the_rest_goes_on() {
    let mut world = FakeWorld::new(NODES);
    world.refuse("a");
    let faults = [
        flap("a", "b", SECOND, SECOND).lasting(5 * SECOND),
        kill(["a", "c"]).lasting(SECOND).must_hit(),
        kill("b").lasting(SECOND),
    ];
    let mut injector = inject(&world, faults);
    run_until(&mut injector, &mut world, 9 * SECOND);
    let records = injector.records();
    assert_eq!(records[0].refused.as_deref(), Some("effect `cut` was refused: a refuses"), "each reason once");
    assert_eq!(records[0].begun_at, None);
    assert!(records[1].begun_at.is_some() && !records[1].demand_met(), "only a part of it was done");
    assert_eq!(records[2].refused, None);
    assert_eq!(world.log(), ["0ns begin f1 kill c", "0ns begin f2 kill b", "1s end f1", "1s end f2"]);
}

#[test]
fn reactive_faults_stay_within_the_budget_of_the_plan() {
    let mut world = FakeWorld::new(NODES);
    let mut injector = inject(&world, [kill("a").at(5 * SECOND).lasting(SECOND)]).sparing(minority(NODES));
    run_until(&mut injector, &mut world, SECOND);
    let ids = injector.react(
        [
            kill("b").at(SECOND).lasting(3 * SECOND),
            kill("c").at(SECOND).lasting(SECOND),
            kill("c").at(3 * SECOND).lasting(2 * SECOND),
            kill("nobody").lasting(SECOND),
        ],
        &world,
    );
    assert!(ids.iter().all(|id| id.is_reactive()) && ids.is_sorted());
    run_until(&mut injector, &mut world, 9 * SECOND);
    let refused: Vec<Option<String>> =
        injector.records().into_iter().filter(|record| record.id.is_reactive()).map(|record| record.refused).collect();
    assert_eq!(refused[0], None);
    assert!(refused[1].as_ref().is_some_and(|why| why.starts_with("over budget: at 2s, 2 of 3 nodes")), "{refused:?}");
    assert!(refused[2].as_ref().is_some_and(|why| why.starts_with("over budget: at 4s")), "{refused:?}");
    assert!(refused[3].as_ref().is_some_and(|why| why.contains("names node `nobody`")), "{refused:?}");
    assert_eq!(world.log()[0], "2s begin f16777216 kill b", "starts count from the observation");
    assert_eq!(Budget::minority(NODES).out_max(), 1);
}

#[test]
fn records_survive_json() {
    let mut world = FakeWorld::new(NODES);
    let mut injector = inject(&world, [kill("a").at(SECOND).lasting(SECOND).labelled("first")]);
    run_until(&mut injector, &mut world, 9 * SECOND);
    let records = injector.records();
    let json = serde_json::to_string(&records).expect("writes");
    assert!(json.contains("\"begun_at\":1000000000"), "{json}");
    let read: Vec<stormglass_faults::FaultRecord> = serde_json::from_str(&json).expect("reads");
    assert_eq!(read, records);
}

/// A probe of a node.
fn probe(node: &str, name: &str) -> Observed {
    Observed::Probe { node: node.into(), name: name.into(), value: 0 }
}

#[test]
fn a_trigger_strikes_whom_it_happened_to_when_it_happened_often_enough() {
    let mut world = FakeWorld::new(["a", "b", "c"]);
    let text = "on:Won:2+1s +2s isolate-one @it | @others must-hit\non:Won@c +1s crash @it,@other2\n1s +1s pause a\n";
    let plan: Plan = text.parse().expect("a plan");
    let mut injector = Injector::new(&plan, &world, Missing::Refuse).expect("fits");
    assert_eq!(injector.awaited().into_iter().collect::<Vec<_>>(), ["Won"]);
    assert_eq!(injector.next_at(), Some(SECOND), "only what begins by the clock has a time");
    world.advance_to(10 * SECOND);
    injector.step(&mut world);
    assert_eq!(injector.observe(&probe("a", "Won"), &world), []);
    assert_eq!(injector.observe(&probe("a", "Lost"), &world), []);
    assert_eq!(injector.observe(&probe("b", "Won"), &world), [FaultId(0)]);
    assert_eq!(injector.next_at(), Some(11 * SECOND));
    world.advance_to(11 * SECOND);
    injector.step(&mut world);
    assert_eq!(world.send("b", "a", 1), Delivery::Dropped);
    assert!(matches!(world.send("a", "c", 1), Delivery::Delivered { .. }));
    assert_eq!(injector.observe(&probe("b", "Won"), &world), [], "once");
    assert_eq!(injector.observe(&probe("c", "Won"), &world), [FaultId(1)]);
    assert!(injector.awaited().is_empty());
    injector.step(&mut world);
    assert!(!world.is_up("c") && !world.is_up("b") && world.is_up("a"), "the second of the others is b");
    world.advance_to(13 * SECOND);
    injector.step(&mut world);
    injector.refresh(&world);
    let records = injector.records();
    assert_eq!(records[0].text, "on:Won:2+1s +2s isolate-one @it | @others must-hit");
    assert_eq!(records[0].struck.as_deref(), Some("11.000s +2s isolate-one b | a,c must-hit"));
    assert!(records[0].demand_met() && records[0].ended_at == Some(13 * SECOND), "{records:?}");
}

#[test]
fn what_a_trigger_leads_to_is_checked_when_it_comes() {
    let world = FakeWorld::new(["a", "b", "c"]);
    let text = "on:Won +2s crash @it,a\non:Won@a +1s crash @others\non:Never +1s crash @it must-hit\n";
    let plan: Plan = text.parse().expect("a plan");
    let mut injector = Injector::new(&plan, &world, Missing::Refuse).expect("fits").sparing(minority(["a", "b", "c"]));
    assert_eq!(injector.observe(&probe("a", "Won"), &world), [FaultId(0), FaultId(1)]);
    let refused = |at: usize| injector.records()[at].refused.clone().unwrap_or_default();
    assert!(refused(0).contains("names node `a` twice"), "{}", refused(0));
    assert!(refused(1).starts_with("over budget: "), "{}", refused(1));
    assert_eq!((injector.next_at(), injector.records()[2].demand_met()), (None, false));
    let unknown: Plan = "on:Won@z +1s crash @it".parse().expect("a plan");
    let error = Injector::new(&unknown, &world, Missing::Refuse).expect_err("no node z");
    assert!(error.to_string().contains("names node `z`, which does not exist"), "{error}");
}
