//! The planner draws plans that are valid, within budget, independent where they claim to be, and rich enough.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stormglass_faults::{
    Action, Budget, Capabilities, Drawn, EffectKind, Family, Fault, FaultId, Kind, NodeName, Pattern, Plan, Planner,
    PlannerError, Profile, Protocol, Seed, Unavailable, minority, swarm,
};

const SECOND: Duration = Duration::from_secs(1);

fn nodes(count: usize) -> Vec<NodeName> {
    NodeName::numbered("n", count)
}

fn planner() -> Planner {
    swarm().everything().port(Protocol::Tcp, 2380).between(SECOND, 50 * SECOND)
}

fn draw(planner: &Planner, seed: u64, count: usize) -> Drawn {
    planner.draw(Seed(seed), nodes(count)).expect("drawn")
}

fn faults_of(plan: &Plan, family: Family) -> BTreeMap<FaultId, Fault> {
    plan.iter().filter(|planned| planned.fault.family() == family).map(|p| (p.id, p.fault.clone())).collect()
}

#[test]
fn ten_thousand_seeds_stay_within_their_budget() {
    let profiles = [Profile::Calm, Profile::Rough, Profile::Storm];
    for seed in 0..10_000u64 {
        let count = [3, 5, 4, 7][(seed % 4) as usize];
        let planner = planner().profile(profiles[(seed / 4 % 3) as usize]);
        let drawn = draw(&planner, seed, count);
        if let Err(error) = minority(nodes(count)).check(&drawn.plan) {
            panic!("seed {}: {error}\n{}", Seed(seed), drawn.plan);
        }
        for planned in &drawn.plan {
            assert!(planned.fault.start() >= SECOND && planned.fault.end().is_some_and(|end| end <= 50 * SECOND));
        }
    }
}

#[test]
fn a_budget_that_counts_cuts_is_kept_too() {
    for seed in 0..300 {
        let budget = minority(nodes(5)).counting_cuts();
        let drawn = draw(&planner().sparing(budget.clone()), seed, 5);
        budget.check(&drawn.plan).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", drawn.plan));
    }
    let without =
        (0..300).filter(|seed| minority(nodes(5)).counting_cuts().check(&draw(&planner(), *seed, 5).plan).is_err());
    assert!(without.count() > 20, "the budget has something to do");
}

#[test]
fn several_budgets_are_kept_at_once() {
    let all = nodes(6);
    let (left, right) = (minority(&all[..3]), minority(&all[3..]));
    let mut both_out = 0;
    for seed in 0..500 {
        let drawn = draw(&planner().sparing(left.clone()).sparing(right.clone()), seed, 6);
        assert_eq!((left.check(&drawn.plan), right.check(&drawn.plan)), (Ok(()), Ok(())));
        both_out += u32::from(Budget::at_most(1, &all).check(&drawn.plan).is_err());
    }
    assert!(both_out > 50, "one of each group may be out at once: {both_out}");
}

#[test]
fn the_same_seed_draws_the_same_plan_and_another_draws_another() {
    for seed in 0..50 {
        assert_eq!(draw(&planner(), seed, 5), draw(&planner(), seed, 5));
        assert_ne!(draw(&planner(), seed, 5).plan, draw(&planner(), seed + 1, 5).plan);
    }
}

#[test]
fn what_is_drawn_parses_back_from_its_text() {
    for seed in 0..200 {
        let plan = draw(&planner(), seed, 5).plan;
        assert_eq!(plan.to_string().parse(), Ok(plan));
    }
}

#[test]
fn adding_a_family_changes_no_fault_of_another() {
    for seed in 0..500 {
        let both = draw(&planner(), seed, 5);
        let may = |planner: Planner| {
            draw(&planner.port(Protocol::Tcp, 2380).between(SECOND, 50 * SECOND).may_be_empty(), seed, 5)
        };
        let (network, process) = (may(swarm().network()), may(swarm().process()));
        for (family, alone) in [(Family::Network, network), (Family::Process, process)] {
            let together = faults_of(&both.plan, family);
            for (id, fault) in faults_of(&alone.plan, family) {
                assert_eq!(together.get(&id), Some(&fault), "seed {seed}, {id}");
            }
        }
    }
}

#[test]
fn no_plan_is_empty_unless_asked_and_some_are_then() {
    let mut empty = 0;
    for seed in 0..1_000 {
        let wide = draw(&planner(), seed, 3);
        assert!(!wide.plan.is_empty(), "seed {seed}: {wide:?}");
        let narrow = swarm().kind(Kind::Crash).between(SECOND, 2 * SECOND);
        assert!(!draw(&narrow, seed, 3).plan.is_empty(), "seed {seed}");
        empty += u32::from(draw(&narrow.may_be_empty(), seed, 3).plan.is_empty());
    }
    assert!(empty > 200, "{empty}");
}

#[test]
fn seeds_differ_in_how_much_is_on() {
    let mut sizes = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for seed in 0..2_000 {
        let choice = draw(&planner(), seed, 5).choice;
        *sizes.entry(choice.kinds.len()).or_insert(0u32) += 1;
        seen.extend(choice.kinds);
    }
    let between = |low, high| sizes.range(low..=high).map(|(_, count)| count).sum::<u32>();
    assert!(between(1, 5) > 400, "few kinds: {sizes:?}");
    assert!(between(6, 17) > 500, "some kinds: {sizes:?}");
    assert!(between(18, 31) > 300, "most kinds: {sizes:?}");
    assert_eq!(seen.len(), Kind::ALL.len(), "every kind comes up");
}

#[test]
fn every_pattern_comes_up_and_its_faults_survive_the_budget() {
    let mut seen = BTreeSet::new();
    let budget = Budget::restarts_unbounded(nodes(5));
    for seed in 0..400 {
        for planned in &draw(&planner().sparing(budget.clone()), seed, 5).plan {
            seen.extend(planned.fault.label().map(str::to_owned));
        }
    }
    assert_eq!(seen, Pattern::ALL.iter().map(|pattern| pattern.name().to_owned()).collect());
    let mut within = BTreeSet::new();
    for seed in 0..400 {
        let drawn = draw(&planner(), seed, 5);
        within.extend(drawn.plan.iter().filter_map(|planned| planned.fault.label().map(str::to_owned)));
        assert_eq!(drawn.choice.unavailable.get("all-at-once"), Some(&Unavailable::Budget));
    }
    assert_eq!(within.len(), Pattern::ALL.len() - 1, "{within:?}");
}

#[test]
fn an_unbounded_budget_takes_all_nodes_down_at_once() {
    let planner = planner().sparing(Budget::restarts_unbounded(nodes(3)));
    let all_out = |seed| {
        draw(&planner, seed, 3).plan.iter().any(|planned| match planned.fault.action() {
            Action::Crash { nodes } | Action::PowerLoss { nodes } => nodes.len() == 3,
            _ => false,
        })
    };
    assert!((0..200).filter(|seed| all_out(*seed)).count() > 40);
}

/// What the hardest bugs of consensus need, counted over ordinary seeds of a five-node cluster.
#[test]
fn plans_hold_what_bugs_need() {
    let (mut again, mut close, mut in_partition, mut power) = (0, 0, 0, 0);
    let seeds = 400;
    for seed in 0..seeds {
        let plan = draw(&planner(), seed, 5).plan;
        let crashes: Vec<&Fault> = plan
            .iter()
            .map(|planned| &planned.fault)
            .filter(|fault| matches!(fault.kind(), Kind::Crash | Kind::PowerLoss | Kind::Restart))
            .collect();
        let pairs =
            || crashes.iter().enumerate().flat_map(|(at, one)| crashes[at + 1..].iter().map(move |two| (one, two)));
        let gap = |one: &Fault, two: &Fault| one.start().abs_diff(two.start());
        let shared =
            |one: &Fault, two: &Fault| one.action().downed().iter().any(|node| two.action().downed().contains(node));
        again += u32::from(pairs().any(|(one, two)| gap(one, two) < SECOND && shared(one, two)));
        close += u32::from(pairs().any(|(one, two)| gap(one, two) < SECOND && !shared(one, two)));
        in_partition += u32::from(plan.iter().any(|planned| {
            let cut = &planned.fault;
            let during = |fault: &&Fault| {
                (Some(fault.start())..cut.end()).contains(&Some(fault.start())) && fault.start() >= cut.start()
            };
            cut.kind() == Kind::PartitionHalves
                && crashes.iter().any(|fault| during(fault) && Some(fault.start()) < cut.end())
        }));
        power += u32::from(crashes.iter().filter(|fault| fault.kind() == Kind::PowerLoss).count() >= 3);
    }
    for (what, count) in [("again", again), ("close", close), ("in a partition", in_partition), ("power", power)] {
        assert!(count > seeds as u32 / 8, "{what}: {count} of {seeds}");
    }
}

#[test]
fn what_cannot_be_had_is_listed_with_its_reason() {
    let lacking = Capabilities::all().without(EffectKind::PowerLoss);
    let drawn = swarm().everything().within(lacking).draw(Seed(1), nodes(3)).expect("drawn");
    let why = &drawn.choice.unavailable;
    assert_eq!(why["power-loss"], Unavailable::Effect(EffectKind::PowerLoss));
    assert_eq!(why["port-block"], Unavailable::NoPorts);
    assert_eq!(why["majority-ring"], Unavailable::TooFewNodes { needed: 4 });
    assert!(!drawn.plan.census().contains_key(&Kind::PowerLoss));
    let json = serde_json::to_string(&drawn.choice).expect("writes");
    assert_eq!(serde_json::from_str::<stormglass_faults::SwarmChoice>(&json).expect("reads"), drawn.choice);
}

#[test]
fn a_planner_that_cannot_draw_says_why() {
    assert_eq!(swarm().draw(Seed(1), nodes(3)), Err(PlannerError::NothingAsked));
    let backwards = planner().between(2 * SECOND, 2 * SECOND).draw(Seed(1), nodes(3));
    assert_eq!(backwards, Err(PlannerError::EmptyWindow { start: 2 * SECOND, end: 2 * SECOND }));
    let error = swarm().kind(Kind::Crash).draw(Seed(1), nodes(1)).expect_err("one node is no minority");
    assert_eq!(
        error.to_string(),
        "nothing that was asked for can be had: crash takes more nodes out than the budget ever allows"
    );
}

#[test]
fn rougher_profiles_hold_more_faults() {
    let total = |profile| (0..100).map(|seed| draw(&planner().profile(profile), seed, 5).plan.len()).sum::<usize>();
    let (calm, rough, storm) = (total(Profile::Calm), total(Profile::Rough), total(Profile::Storm));
    assert!(calm * 3 / 2 < rough && rough * 3 / 2 < storm, "{calm} {rough} {storm}");
}
