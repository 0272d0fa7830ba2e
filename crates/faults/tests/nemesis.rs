//! The leader hunter strikes whoever was just elected, as often as it may and no more.

use std::time::Duration;

use stormglass_faults::testing::{Delivery, FakeWorld};
use stormglass_faults::{
    Action, Fault, Injector, LeaderHunter, Missing, Nemesis, Observed, Plan, Seed, Strike, World, minority,
};

const NODES: [&str; 3] = ["a", "b", "c"];

fn elected(node: &str, term: u64) -> Observed {
    Observed::Probe { node: node.into(), name: "BecameLeader".into(), value: term }
}

#[test]
fn each_leader_is_isolated_until_the_strikes_are_used_up() {
    let mut hunter = LeaderHunter::new(Seed(3), Strike::Isolate, NODES).at_most(2);
    let strikes: Vec<Vec<Fault>> =
        [elected("a", 1), elected("c", 2), elected("b", 3)].iter().map(|event| hunter.observe(event)).collect();
    assert_eq!(strikes.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 0]);
    let expected = Action::IsolateOne { node: "c".into(), others: vec!["a".into(), "b".into()] };
    assert_eq!(strikes[1][0].action(), &expected);
    assert!(strikes.iter().flatten().all(|fault| fault.check().is_ok()));
    assert_ne!(strikes[0][0].start(), strikes[1][0].start(), "each strike draws for itself");
}

#[test]
fn other_events_and_strangers_are_let_be() {
    let mut hunter = LeaderHunter::new(Seed(3), Strike::Kill, NODES);
    let other = Observed::Probe { node: "a".into(), name: "SteppedDown".into(), value: 1 };
    for event in
        [other, Observed::Fsync { node: "a".into(), n: 9, path: "/log".into() }, Observed::Tick, elected("stranger", 1)]
    {
        assert_eq!(hunter.observe(&event), []);
    }
    assert_eq!(hunter.observe(&elected("a", 1)).len(), 1);
}

#[test]
fn the_same_seed_strikes_alike() {
    let strikes = |seed| {
        let mut hunter = LeaderHunter::new(Seed(seed), Strike::PowerLoss, NODES);
        [elected("a", 1), elected("b", 2)].iter().flat_map(|event| hunter.observe(event)).collect::<Vec<_>>()
    };
    assert_eq!(strikes(1), strikes(1));
    assert_ne!(strikes(1), strikes(2));
}

#[test]
fn a_strike_goes_through_the_injector_and_hits_the_leader() {
    let mut world = FakeWorld::new(NODES);
    let mut injector = Injector::new(&Plan::new(), &world, Missing::Refuse).expect("empty").sparing(minority(NODES));
    let instant = Duration::from_millis(5);
    let mut hunter =
        LeaderHunter::new(Seed(1), Strike::Isolate, NODES).after(instant..=instant).lasting(instant..=instant);
    world.advance_to(Duration::from_secs(1));
    injector.react(hunter.observe(&elected("b", 1)), &world);
    assert_eq!(injector.next_at(), Some(Duration::from_millis(1_005)));
    world.advance_to(Duration::from_millis(1_005));
    injector.step(&mut world);
    assert_eq!(world.send("b", "a", 1), Delivery::Dropped);
    assert_eq!(world.send("a", "c", 1), Delivery::Delivered { late: Duration::ZERO });
    world.advance_to(Duration::from_millis(1_010));
    injector.step(&mut world);
    assert_eq!(world.send("b", "a", 1), Delivery::Delivered { late: Duration::ZERO });
    let record = &injector.records()[0];
    assert!(!record.vacuous && record.ended_at == Some(world.now()));
    assert!(record.text.ends_with("isolate-one b | a,c label=\"isolate the leader\""), "{}", record.text);
}

#[test]
fn a_mixed_hunter_uses_every_strike_it_was_given() {
    let strikes = [Strike::Isolate, Strike::Mute, Strike::Kill, Strike::PowerLoss, Strike::Pause, Strike::Blackout];
    let mut hunter = LeaderHunter::mixed(Seed(1), &strikes, NODES).at_most(100);
    let struck: Vec<Fault> = (0..100).flat_map(|term| hunter.observe(&elected("b", term))).collect();
    let others = || vec!["a".into(), "c".into()];
    let expected = [
        Action::IsolateOne { node: "b".into(), others: others() },
        Action::OneWay { from: vec!["b".into()], to: others() },
        Action::Crash { nodes: vec!["b".into()] },
        Action::PowerLoss { nodes: vec!["b".into()] },
        Action::Pause { nodes: vec!["b".into()] },
        Action::PowerLoss { nodes: NODES.map(Into::into).to_vec() },
    ];
    for action in &expected {
        assert!(struck.iter().any(|fault| fault.action() == action), "{action:?} is missing");
    }
    assert!(struck.iter().all(|fault| expected.contains(fault.action())));
    assert!(LeaderHunter::mixed(Seed(1), &[], NODES).observe(&elected("b", 1)).is_empty());
}
