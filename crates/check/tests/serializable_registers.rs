//! The gate of transactions on registers: what an exhaustive search finds in order, strictly, process by process or freely, is
//! not refused, and what it does not find in order is.

#![allow(
    clippy::ptr_arg,
    reason = "what is asked and told of a history is a `Vec`, and functions are given by pointer"
)]

#[path = "oracle/generate.rs"]
mod generate;
#[path = "serializable_registers/inferred.rs"]
mod inferred;
mod oracle;
#[path = "oracle/objects.rs"]
mod plain;

use generate::rng;
use oracle::exhaustive;
use plain::{Plain, changed, text, valid};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::model::Bytes;
use stormglass_check::{
    Access, AnomalyKind, History, Isolated, Isolation, Operation, Outcome, Transactions, isolated, isolation,
};

type Registers = BTreeMap<Bytes, Bytes>;

/// Values are written once.
fn draw(rng: &mut ChaCha8Rng, number: u32) -> Vec<Access> {
    (0..rng.random_range(1..4u32))
        .map(|at| {
            let key = Bytes::from(["x", "y"][rng.random_range(0..2usize)]);
            let value = text(number * 4 + at);
            if rng.random_ratio(2, 5) { Access::Write { key, value } } else { Access::Read { key, value: None } }
        })
        .collect()
}

fn run(registers: &mut Registers, asked: &Vec<Access>) -> Vec<Access> {
    let one = |access: &Access| match access {
        Access::Write { key, value } => {
            registers.insert(key.clone(), value.clone());
            access.clone()
        }
        Access::Read { key, .. } => Access::Read { key: key.clone(), value: Some(registers.get(key).cloned()) },
        other => panic!("{other:?} is not drawn"),
    };
    asked.iter().map(one).collect()
}

fn admits(registers: &mut Registers, asked: &Vec<Access>, told: Option<&Vec<Access>>) -> bool {
    let truth = run(registers, asked);
    told.is_none_or(|told| *told == truth)
}

/// One read sees what was there at another time, or nothing.
fn lie(rng: &mut ChaCha8Rng, _: &Vec<Access>, told: &Vec<Access>) -> Vec<Access> {
    let mut told = told.clone();
    let at = rng.random_range(0..told.len());
    if let Access::Read { value, .. } = &mut told[at] {
        *value = Some(rng.random_ratio(3, 4).then(|| text(rng.random_range(0..36))));
    }
    told
}

/// Each transaction by a process of its own, so that their order is a matter of time alone, or at one instant.
fn apart(history: &Transactions, timeless: bool) -> Transactions {
    let mut apart = Transactions::new();
    for (process, operation) in (0u32..).zip(history.operations()) {
        let mut operation = operation.clone();
        operation.process = process.into();
        if timeless {
            (operation.call, operation.returned) = (0, Some(0));
        }
        apart.push(operation).expect("it was well-formed");
    }
    apart
}

/// One after the other, so that each process does one thing at a time.
fn in_turn(history: &Transactions) -> Transactions {
    let mut turns = Transactions::new();
    for (at, operation) in (0u64..).zip(history.operations()) {
        let mut operation = operation.clone();
        (operation.call, operation.returned) = (at * 10, operation.returned.map(|_| at * 10 + 5));
        turns.push(operation).expect("it was well-formed");
    }
    turns
}

/// A transaction and those that must come before it.
type Bound = (Vec<Access>, BTreeSet<usize>, usize);

/// Whether there is an order that keeps to each process's own: what a process was answered comes before what it asked after that.
fn in_order_by_process(history: &Transactions) -> bool {
    let mut bound: History<Bound, Vec<Access>> = History::new();
    for (at, operation) in history.operations().iter().enumerate() {
        let before = |(_, other): &(usize, &Operation<Vec<Access>, Vec<Access>>)| {
            matches!(other.outcome, Outcome::Ok(_))
                && other.process == operation.process
                && other.returned.is_some_and(|returned| returned <= operation.call)
        };
        let after: BTreeSet<usize> =
            history.operations()[..at].iter().enumerate().filter(before).map(|(before, _)| before).collect();
        let Operation { process, returned, op, outcome, .. } = operation.clone();
        let returned = returned.map(|_| 0);
        let timeless = Operation { process, call: 0, returned, op: (op, after, at), outcome };
        bound.push(timeless).expect("it was well-formed");
    }
    exhaustive(
        &bound,
        &(Registers::new(), BTreeSet::new()),
        |(registers, done): &mut (_, BTreeSet<usize>), asked, told| {
            done.insert(asked.2);
            asked.1.is_subset(done) && admits(registers, &asked.0, told)
        },
    )
}

#[test]
fn sixty_thousand_histories_of_registers_are_judged_as_by_brute_force() {
    let plain = Plain { start: Registers::new(), draw, run, admits, lie };
    let mut counts: BTreeMap<(Isolation, bool), u32> = BTreeMap::new();
    let mut whole = 0;
    for seed in 0..10_000 {
        let mut rng = rng(seed ^ 0x4e6);
        let history = valid(&mut rng, &plain);
        let broken = changed(&mut rng, &plain, &history);
        for drawn in [&history, &broken] {
            for level in [Isolation::StrictSerializable, Isolation::StrongSessionSerializable, Isolation::Serializable]
            {
                let (history, expected) = if level == Isolation::StrongSessionSerializable {
                    (drawn.clone(), in_order_by_process(drawn))
                } else {
                    let history = apart(drawn, level == Isolation::Serializable);
                    let expected = exhaustive(&history, &Registers::new(), admits);
                    (history, expected)
                };
                let found = isolated(&history, level);
                assert_eq!(found.is_pass(), expected, "seed {seed}, {level}: {found}\n{history:#?}");
                assert_eq!(found.is_fail(), !expected, "seed {seed}, {level}: {found}\n{history:#?}");
                *counts.entry((level, expected)).or_default() += 1;
                whole += u32::from(found.to_string().contains("no-version-order"));
            }
        }
    }
    eprintln!("{counts:?}, {whole} by all orders of versions alone");
    assert!(counts.len() == 6 && counts.values().all(|count| *count > 2_000), "one-sided: {counts:?}");
    assert!(whole > 10, "whole orders of versions decide nothing: {whole}");
}

/// Writers that read nothing and readers that guess, so that little is known of the order of versions but what all reads
/// together say.
fn guessed(rng: &mut ChaCha8Rng) -> Transactions {
    let mut history = Transactions::new();
    let mut written: BTreeMap<Bytes, Vec<Bytes>> = BTreeMap::new();
    let mut next = 0;
    let count = rng.random_range(4..8u32);
    for process in 0..count {
        let mut told: Vec<Access> = Vec::new();
        for key in ["x", "y", "z"].map(Bytes::from) {
            if rng.random_ratio(1, 2) {
                continue;
            }
            let known = written.entry(key.clone()).or_default();
            // The first writes, so that there is something to be read.
            if known.is_empty() || process < 2 || rng.random_ratio(1, 4) {
                next += 1;
                known.push(text(next));
                told.push(Access::Write { key, value: text(next) });
            } else {
                let value = Some(known[rng.random_range(0..known.len())].clone());
                told.push(Access::Read { key, value: Some(value) });
            }
        }
        let unanswered = |access: &Access| match access {
            Access::Read { key, .. } => Access::Read { key: key.clone(), value: None },
            other => other.clone(),
        };
        let asked = told.iter().map(unanswered).collect();
        let unknown = rng.random_ratio(1, 12);
        let outcome = if unknown { Outcome::Indeterminate } else { Outcome::Ok(told) };
        let process = rng.random_range(0..4u32).min(process).into();
        let call = rng.random_range(0..3u64) + u64::try_from(history.len()).expect("histories are small");
        let returned = Some(call + rng.random_range(0..9u64));
        history.push(Operation { process, call, returned, op: asked, outcome }).expect("it is well-formed");
    }
    history
}

#[test]
fn forty_thousand_guessed_histories_are_judged_as_by_brute_force() {
    let mut counts: BTreeMap<(Isolation, bool), u32> = BTreeMap::new();
    let mut whole = 0;
    for seed in 0..20_000 {
        let drawn = guessed(&mut rng(seed ^ 0x9e5));
        for level in [Isolation::StrictSerializable, Isolation::Serializable] {
            let history = apart(&drawn, level == Isolation::Serializable);
            let expected = exhaustive(&history, &Registers::new(), admits);
            let found = isolated(&history, level);
            assert_eq!(found.is_pass(), expected, "seed {seed}, {level}: {found}\n{history:#?}");
            assert_eq!(found.is_fail(), !expected, "seed {seed}, {level}: {found}\n{history:#?}");
            *counts.entry((level, expected)).or_default() += 1;
            whole += u32::from(found.to_string().contains("no-version-order"));
        }
    }
    eprintln!("{counts:?}, {whole} by all orders of versions alone");
    assert!(counts.len() == 4 && counts.values().all(|count| *count > 1_000), "one-sided: {counts:?}");
    assert!(whole > 1_000, "whole orders of versions decide nothing: {whole}");
}

type Before = fn(&Operation<Vec<Access>, Vec<Access>>, &Operation<Vec<Access>, Vec<Access>>) -> bool;

/// Each level, with who is before whom where it is promised.
const ORDERS: [(Isolation, Before); 3] = [
    (Isolation::Serializable, |_, _| false),
    (Isolation::StrongSessionSerializable, |one, other| {
        one.process == other.process && one.returned.is_some_and(|returned| returned <= other.call)
    }),
    (Isolation::StrictSerializable, |one, other| one.returned.is_some_and(|returned| returned < other.call)),
];

/// Whether dependencies alone, without which longer histories are not judged, contradict the level.
fn contradicted(history: &Transactions, level: Isolation) -> bool {
    let found = Isolated::by_dependencies(history);
    assert!(found.undecided.is_none());
    found.anomalies.iter().any(|anomaly| anomaly.kind.contradicts(level))
}

#[test]
fn what_dependencies_refuse_has_no_order_and_what_they_must_refuse_they_do() {
    let plain = Plain { start: Registers::new(), draw, run, admits, lie };
    let mut counts: BTreeMap<(Isolation, bool, bool), u32> = BTreeMap::new();
    for seed in 0..15_000 {
        let mut rng = rng(seed ^ 0x5ee9);
        let history = valid(&mut rng, &plain);
        let broken = changed(&mut rng, &plain, &history);
        let guess = guessed(&mut rng);
        for drawn in [&broken, &in_turn(&guess), &guess] {
            for (level, before) in ORDERS {
                // What was guessed overlaps within processes.
                if level == Isolation::StrongSessionSerializable && drawn == &guess {
                    continue;
                }
                let history = if level == Isolation::StrongSessionSerializable {
                    drawn.clone()
                } else {
                    apart(drawn, level == Isolation::Serializable)
                };
                let (found, inferred) = (contradicted(&history, level), inferred::refused(&history, before));
                let context =
                    || format!("seed {seed}, {level}: {:#?}\n{history:#?}", Isolated::by_dependencies(&history));
                assert!(found || !inferred, "inferred, but not found: {}", context());
                if found {
                    let ordered = if level == Isolation::StrongSessionSerializable {
                        in_order_by_process(&history)
                    } else {
                        exhaustive(&history, &Registers::new(), admits)
                    };
                    assert!(!ordered, "there is an order: {}", context());
                }
                *counts.entry((level, found, inferred)).or_default() += 1;
            }
        }
    }
    eprintln!("{counts:?}");
    let refused = |level: Isolation| counts.get(&(level, true, true)).copied().unwrap_or_default();
    for level in [Isolation::StrongSessionSerializable, Isolation::StrictSerializable] {
        assert!(refused(level) > 2_000, "one-sided: {counts:?}");
    }
}

/// Forty transactions on one register, several at a time, of which some saw what was there long ago.
fn long(rng: &mut ChaCha8Rng) -> Transactions {
    let mut planned: Vec<(u64, u64, u64, u32, bool)> = Vec::new();
    let mut free_at = [0u64; 6];
    for _ in 0..40 {
        let process = rng.random_range(0..6u32);
        let call = free_at[process as usize] + rng.random_range(0..4u64);
        let effect = call + rng.random_range(0..12u64);
        let returned = effect + rng.random_range(0..12u64);
        free_at[process as usize] = returned + 1;
        planned.push((effect, call, returned, process, rng.random_ratio(1, 3)));
    }
    planned.sort_unstable();
    let mut held = vec![None];
    let wrong = rng.random_range(0..3u32);
    let mut operations = Vec::new();
    for (number, (_, call, returned, process, writes)) in (0u32..).zip(planned) {
        let key = Bytes::from("x");
        let told = if writes {
            held.push(Some(text(number)));
            vec![Access::Write { key, value: text(number) }]
        } else {
            let back = if rng.random_ratio(wrong, 40) { rng.random_range(0..3usize) } else { 0 };
            let value = held[held.len().saturating_sub(1 + back)].clone();
            vec![Access::Read { key, value: Some(value) }]
        };
        let outcome = if rng.random_ratio(1, 20) { Outcome::Indeterminate } else { Outcome::Ok(told.clone()) };
        operations.push(Operation { process: process.into(), call, returned: Some(returned), op: told, outcome });
    }
    in_order_of_call(operations)
}

#[test]
fn of_longer_histories_dependencies_refuse_what_all_pairs_refuse() {
    let mut counts: BTreeMap<(Isolation, bool), u32> = BTreeMap::new();
    for seed in 0..2_000 {
        let history = long(&mut rng(seed ^ 0x10e6));
        for (level, before) in [ORDERS[1], ORDERS[2]] {
            let history = if level == Isolation::StrictSerializable { apart(&history, false) } else { history.clone() };
            let found = contradicted(&history, level);
            assert_eq!(found, inferred::refused(&history, before), "seed {seed}, {level}: {history:#?}");
            *counts.entry((level, found)).or_default() += 1;
        }
    }
    eprintln!("{counts:?}");
    assert!(counts.len() == 4 && counts.values().all(|count| *count > 200), "one-sided: {counts:?}");
}

/// Of a client that is at it: when it called, what it asks, and what it was told once that took effect.
type Doing = (u64, Vec<Access>, Option<Vec<Access>>);

/// What so many clients did at a time with registers that go out of use one by one; the store is right.
fn busy(rng: &mut ChaCha8Rng, clients: usize, count: u32) -> Vec<Operation<Vec<Access>, Vec<Access>>> {
    let mut registers = Registers::new();
    let mut doing: Vec<Option<Doing>> = vec![None; clients];
    let (mut done, mut called, mut at) = (Vec::new(), 0, 0);
    while done.len() < count as usize {
        at += 10;
        let client = rng.random_range(0..clients);
        doing[client] = match doing[client].take() {
            None if called < count => {
                called += 1;
                let one = |access: u32| {
                    let key = text(called / 10 + rng.random_range(0..4));
                    let value = text(called * 4 + access);
                    if rng.random_ratio(1, 2) {
                        Access::Write { key, value }
                    } else {
                        Access::Read { key, value: None }
                    }
                };
                Some((at, (0..4).map(one).collect(), None))
            }
            None => None,
            Some((call, asked, None)) => {
                let told = run(&mut registers, &asked);
                Some((call, asked, Some(told)))
            }
            Some((call, op, Some(told))) => {
                let outcome = if rng.random_ratio(1, 50) { Outcome::Indeterminate } else { Outcome::Ok(told) };
                let process = u32::try_from(client).expect("clients are few").into();
                done.push(Operation { process, call, returned: Some(at), op, outcome });
                None
            }
        };
    }
    done
}

fn in_order_of_call(mut operations: Vec<Operation<Vec<Access>, Vec<Access>>>) -> Transactions {
    operations.sort_by_key(|operation| operation.call);
    let mut history = Transactions::new();
    for operation in operations {
        history.push(operation).expect("it is well-formed");
    }
    history
}

#[test]
fn of_thousands_of_transactions_of_many_clients_an_order_is_found() {
    for (clients, count) in [(5, 2_048), (20, 2_048), (50, 2_048), (200, 1_000)] {
        for seed in 0..4 {
            let history = in_order_of_call(busy(&mut rng(seed ^ 0xb5), clients, count));
            let found = isolation(&history);
            let context = || format!("{clients} clients, {count} transactions, seed {seed}: {:?}", found.anomalies);
            assert!(found.strongest == Some(Isolation::StrictSerializable) && found.ordered, "{}", context());
        }
    }
}

/// Writers that read nothing and readers that write nothing, of many registers each, recorded in another order than they were run in and
/// all at one instant. Few orders of versions follow from each other here, so that they have to be tried.
fn sparse(rng: &mut ChaCha8Rng, keys: u32, count: u32) -> Transactions {
    let keys: Vec<Bytes> = (0..keys).map(text).collect();
    let mut registers = Registers::new();
    let mut done: Vec<Vec<Access>> = Vec::new();
    for number in 0..count {
        let writes = rng.random_ratio(1, 2);
        let chosen: BTreeSet<usize> = (0..rng.random_range(1..4)).map(|_| rng.random_range(0..keys.len())).collect();
        let one = |(at, chosen): (u32, usize)| {
            let (key, value) = (keys[chosen].clone(), text(number * 4 + at));
            if writes { Access::Write { key, value } } else { Access::Read { key, value: None } }
        };
        let asked = (0u32..).zip(chosen).map(one).collect();
        let told = run(&mut registers, &asked);
        // Who reads nothing but first states comes first, and that is told too easily.
        if writes || told.iter().all(|access| !matches!(access, Access::Read { value: Some(None), .. })) {
            done.push(told);
        }
    }
    for last in (1..done.len()).rev() {
        done.swap(last, rng.random_range(0..=last));
    }
    let operation = |(process, told): (u32, Vec<Access>)| Operation {
        process: process.into(),
        call: 0,
        returned: Some(1),
        op: told.clone(),
        outcome: Outcome::Ok(told),
    };
    in_order_of_call((0u32..).zip(done).map(operation).collect())
}

#[test]
fn what_has_to_be_tried_is_found_whatever_the_order_of_record() {
    for seed in 0..5_000 {
        let mut rng = rng(seed ^ 0x59a);
        let (keys, count) = (rng.random_range(5..40), rng.random_range(12..150));
        let history = sparse(&mut rng, keys, count);
        let found = isolation(&history);
        assert!(found.anomalies.is_empty() && found.ordered, "seed {seed}: {:?}\n{history:#?}", found.anomalies);
    }
}

#[test]
fn where_steps_run_out_nothing_is_put_in_order_and_nothing_is_wrong() {
    let found = isolation(&sparse(&mut rng(0x5e9), 40, 2_000));
    assert!(found.anomalies.is_empty() && !found.ordered, "{:?}", found.anomalies);
}

#[test]
fn whoever_only_writes_may_come_in_any_order_and_too_many_are_not_put_in_order() {
    for (count, ordered) in [(2_048, true), (2_049, false)] {
        let write = |number: u32| {
            let op = vec![Access::Write { key: "x".into(), value: text(number) }];
            Operation { process: number.into(), call: 0, returned: Some(1), outcome: Outcome::Ok(op.clone()), op }
        };
        let found = isolation(&in_order_of_call((0..count).map(write).collect()));
        assert_eq!((found.strongest, found.ordered), (Some(Isolation::StrictSerializable), ordered), "{count}");
    }
}

#[test]
fn registers_without_an_order_are_found_among_thousands_of_others() {
    let mut planted = 0;
    for seed in 0..2_000 {
        let mut rng = rng(seed ^ 0xf1a);
        let bad = apart(&guessed(&mut rng), true);
        if !isolated(&bad, Isolation::Serializable).to_string().contains("no-version-order") {
            continue;
        }
        planted += 1;
        let mut operations = busy(&mut rng, 20, 1_000);
        let at = rng.random_range(1..operations.iter().map(|operation| operation.call).max().unwrap_or(2));
        for (number, operation) in bad.operations().iter().enumerate() {
            let mut operation = operation.clone();
            operation.process = format!("planted {number}").into();
            (operation.call, operation.returned) = (at, Some(at));
            operations.push(operation);
        }
        let history = in_order_of_call(operations);
        let found = isolation(&history);
        let [anomaly] = found.anomalies.as_slice() else { panic!("seed {seed}: {:?}", found.anomalies) };
        assert!(anomaly.kind == AnomalyKind::NoVersionOrder && found.ordered, "seed {seed}: {anomaly:?}");
        for id in &anomaly.transactions {
            let process = history.operations()[*id as usize].process.to_string();
            assert!(process.starts_with("planted"), "seed {seed}: {process} has no part in {anomaly:?}");
        }
        if planted == 30 {
            return;
        }
    }
    panic!("only {planted} histories have no order");
}
