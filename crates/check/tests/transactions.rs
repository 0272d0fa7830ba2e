//! Transactions: stores that keep a level of isolation are never said to be below it, and an anomaly that was planted is
//! named, with the strongest level that is left.

#[path = "transactions/plant.rs"]
mod plant;
#[path = "transactions/store.rs"]
mod store;

use plant::{PLANTS, Plant};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use store::{Keeps, run};
use stormglass_check::model::Bytes;
use stormglass_check::{
    Access, AnomalyKind, Isolated, Isolation, Operation, Outcome, Transactions, Verdict, isolated, isolation,
};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn never_below(keeps: Keeps, level: Isolation) {
    let mut exact = 0;
    for seed in 0..10_000 {
        let history = run(&mut rng(seed), keeps, 20);
        let found = isolation(&history);
        let strongest = found.strongest.unwrap_or_else(|| panic!("seed {seed}: {:?}\n{history:#?}", found.anomalies));
        assert!(strongest >= level, "seed {seed}: {strongest}, {:?}\n{history:#?}", found.anomalies);
        assert!(found.undecided.is_none(), "seed {seed}");
        exact += usize::from(strongest == level);
    }
    assert!(exact > 100, "only {exact} histories tell the level from a stronger one");
}

#[test]
fn ten_thousand_histories_of_a_strict_serializable_store_are_strict_serializable() {
    never_below(Keeps::StrictSerializable, Isolation::StrictSerializable);
}

#[test]
fn ten_thousand_histories_of_a_serializable_store_are_serializable() {
    never_below(Keeps::Serializable, Isolation::Serializable);
}

#[test]
fn ten_thousand_histories_of_a_store_with_snapshots_have_snapshot_isolation() {
    never_below(Keeps::Snapshots, Isolation::SnapshotIsolation);
}

#[test]
fn ten_thousand_histories_of_a_store_that_reads_what_is_committed_are_read_committed() {
    never_below(Keeps::ReadCommitted, Isolation::ReadCommitted);
}

fn named(plant: &Plant, seed: u64) -> Transactions {
    let mut history = run(&mut rng(seed), Keeps::StrictSerializable, 10);
    (plant.plant)(&mut rng(seed ^ 0x91a7), &mut history);
    history
}

#[test]
fn every_planted_anomaly_is_named_in_ten_thousand_histories() {
    for plant in PLANTS {
        for seed in 0..10_000 {
            let history = named(plant, seed);
            let found = isolation(&history);
            let kinds: Vec<AnomalyKind> = found.anomalies.iter().map(|anomaly| anomaly.kind).collect();
            assert!(kinds.contains(&plant.kind), "{}, seed {seed}: {kinds:?}\n{history:#?}", plant.kind);
            let others: Vec<&AnomalyKind> = kinds.iter().filter(|kind| !plant.also.contains(kind)).collect();
            assert!(others.iter().all(|kind| **kind == plant.kind), "{}, seed {seed}: {kinds:?}", plant.kind);
            assert_eq!(found.strongest, plant.leaves, "{}, seed {seed}: {kinds:?}", plant.kind);
        }
    }
}

#[test]
fn a_violation_is_told_in_words_and_only_of_the_levels_that_it_contradicts() {
    let skew = PLANTS.iter().find(|plant| plant.kind == AnomalyKind::G2Item).expect("it is on the list");
    let history = named(skew, 3);
    assert_eq!(isolated(&history, Isolation::SnapshotIsolation), Verdict::Pass);
    let verdict = isolated(&history, Isolation::Serializable);
    let evidence = verdict.evidence().expect("write skew is not serializable");
    assert!(evidence.cause.starts_with("not serializable but at most snapshot-isolation: G2-item: T"), "{evidence}");
    assert_eq!(evidence.operations.len(), 2, "{evidence}");
    assert!(evidence.details.iter().all(|line| line.contains("(rw)")), "{evidence}");
}

/// A case of Elle's: a long ring of transactions with one anti-dependency in it, of which every link is also one of many detours.
/// There are far too many ways around it, but none without anti-dependencies.
fn ring(links: u32, detours: u32) -> Transactions {
    let mut history = Transactions::new();
    let number = |number: u32| Bytes::from(number.to_string());
    let append = |key: Bytes, value: u32| Access::Append { key, value: number(value) };
    let list = |key: Bytes, until: u32| Access::List { key, values: Some((0..until).map(number).collect()) };
    let (ring, last) = (Bytes::from("ring"), Bytes::from("last"));
    let mut add = |process: u32, told: Vec<Access>| {
        let at = history.end() + 10;
        let (outcome, returned) = (Outcome::Ok(told.clone()), Some(at + 5));
        let operation = Operation { process: process.into(), call: at, returned, op: told, outcome };
        history.push(operation).expect("it is well-formed");
    };
    for link in 0..links {
        let other = match link {
            0 => append(last.clone(), 0),
            _ if link + 1 == links => list(last.clone(), 0),
            _ => append(number(link), 0),
        };
        add(0, vec![append(ring.clone(), link), other]);
    }
    add(1, vec![list(ring.clone(), links)]);
    for link in 1..links - 1 {
        let aside = Bytes::from(format!("aside {link}"));
        for detour in 1..detours - 2 {
            add(2, vec![append(number(link), detour)]);
        }
        add(2, vec![list(number(link), detours - 2), list(aside.clone(), 0)]);
        add(2, vec![append(aside, 0), list(ring.clone(), 0)]);
    }
    history
}

#[test]
fn a_level_is_decided_where_only_what_contradicts_stronger_ones_is_too_much_to_look_for() {
    let ring = ring(1_000, 10);
    let found = isolation(&ring);
    assert!(found.undecided >= Some(Isolation::SnapshotIsolation), "{:?}", found.undecided);
    assert_eq!(isolated(&ring, Isolation::ReadCommitted), Verdict::Pass);
    let verdict = isolated(&ring, Isolation::SnapshotIsolation);
    assert!(verdict.is_fail() && verdict.to_string().contains("G-single"), "{verdict}");
}

/// What was not looked for may contradict this level and all stronger ones, and no weaker one.
#[test]
fn a_search_that_gave_up_leaves_weaker_levels_decided() {
    let given_up = Isolated {
        anomalies: Vec::new(),
        strongest: Some(Isolation::StrictSerializable),
        undecided: Some(Isolation::SnapshotIsolation),
        ordered: true,
        transactions: 0,
        dependencies: 0,
    };
    let verdict = |level| given_up.verdict(&Transactions::new(), level);
    assert!(verdict(Isolation::ReadCommitted).is_pass());
    for level in [Isolation::SnapshotIsolation, Isolation::Serializable, Isolation::StrictSerializable] {
        assert!(matches!(verdict(level), Verdict::Unknown(_)), "{level}");
    }
}
