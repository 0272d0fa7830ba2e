//! The gate of transactions: where a last transaction reads every list, so that the order of all versions is known, a
//! history is said to be strict serializable, or serializable, just when an exhaustive search finds an order.

#![allow(
    clippy::ptr_arg,
    reason = "what is asked and told of a history is a `Vec`, and functions are given by pointer"
)]

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;
#[path = "oracle/objects.rs"]
mod plain;

use generate::rng;
use oracle::exhaustive;
use plain::{Plain, changed, valid};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use stormglass_check::model::Bytes;
use stormglass_check::{Access, Isolation, Outcome, Transactions, isolated};

type Lists = BTreeMap<Bytes, Vec<Bytes>>;

const KEYS: [&str; 2] = ["x", "y"];

fn draw(rng: &mut ChaCha8Rng, number: u32) -> Vec<Access> {
    (0..rng.random_range(1..4u32))
        .map(|at| {
            let key = Bytes::from(KEYS[rng.random_range(0..2usize)]);
            let value = plain::text(number * 4 + at);
            if rng.random_ratio(2, 5) { Access::Append { key, value } } else { Access::List { key, values: None } }
        })
        .collect()
}

fn run(lists: &mut Lists, asked: &Vec<Access>) -> Vec<Access> {
    let one = |access: &Access| match access {
        Access::Append { key, value } => {
            lists.entry(key.clone()).or_default().push(value.clone());
            access.clone()
        }
        Access::List { key, .. } => {
            Access::List { key: key.clone(), values: Some(lists.get(key).cloned().unwrap_or_default()) }
        }
        other => panic!("{other:?} is not drawn"),
    };
    asked.iter().map(one).collect()
}

fn admits(lists: &mut Lists, asked: &Vec<Access>, told: Option<&Vec<Access>>) -> bool {
    let truth = run(lists, asked);
    told.is_none_or(|told| *told == truth)
}

/// One read sees less, or something else.
fn lie(rng: &mut ChaCha8Rng, _: &Vec<Access>, told: &Vec<Access>) -> Vec<Access> {
    let mut told = told.clone();
    let at = rng.random_range(0..told.len());
    if let Access::List { values: Some(values), .. } = &mut told[at] {
        match rng.random_range(0..4u32) {
            0 => values.clear(),
            1 | 2 => drop(values.pop()),
            _ => values.push(plain::text(rng.random_range(0..36))),
        }
    }
    told
}

/// The history, and a transaction after it that reads what the lists have become: as it was run, if nothing of it is
/// unknown, and otherwise the longest that anyone saw.
fn with_last_read(history: &Transactions, truth: &Transactions) -> Transactions {
    let mut longest: Lists = KEYS.iter().map(|key| (Bytes::from(*key), Vec::new())).collect();
    for access in truth.operations().iter().filter_map(|operation| operation.outcome.answer()).flatten() {
        if let Access::List { key, values: Some(values) } = access
            && let Some(known) = longest.get_mut(key)
            && known.len() < values.len()
        {
            known.clone_from(values);
        }
    }
    // What was acknowledged and never read comes last.
    for operation in truth.operations().iter().filter(|operation| matches!(operation.outcome, Outcome::Ok(_))) {
        for access in &operation.op {
            if let Access::Append { key, value } = access
                && let Some(known) = longest.get_mut(key)
                && !known.contains(value)
            {
                known.push(value.clone());
            }
        }
    }
    // Each by a process of its own: the order within a process also holds where two touch, and is no matter of time.
    let mut whole = Transactions::new();
    for (process, operation) in (0u32..).zip(history.operations()) {
        let mut operation = operation.clone();
        operation.process = process.into();
        whole.push(operation).expect("it was well-formed");
    }
    let end = 1 + history.operations().iter().filter_map(|operation| operation.returned).max().unwrap_or(0);
    let asked = KEYS.iter().map(|key| Access::List { key: Bytes::from(*key), values: None }).collect();
    let told = longest.into_iter().map(|(key, values)| Access::List { key, values: Some(values) }).collect();
    let last = whole.invoke(99, end, asked);
    whole.ok(last, end + 1, told).expect("it was just invoked");
    whole
}

/// The same at one instant, so that any order is in time.
fn timeless(history: &Transactions) -> Transactions {
    let mut timeless = Transactions::new();
    for operation in history.operations() {
        let mut operation = operation.clone();
        (operation.call, operation.returned) = (0, Some(0));
        timeless.push(operation).expect("it was well-formed");
    }
    timeless
}

#[test]
fn forty_thousand_histories_of_lists_are_judged_as_by_brute_force() {
    let plain = Plain { start: Lists::new(), draw, run, admits, lie };
    let mut counts = [[0u32; 2]; 2];
    for seed in 0..10_000 {
        let mut rng = rng(seed ^ 0x7a15);
        let history = valid(&mut rng, &plain);
        let broken = changed(&mut rng, &plain, &history);
        for drawn in [&history, &broken] {
            let strict = with_last_read(drawn, &history);
            for (level, history) in
                [(Isolation::StrictSerializable, &strict), (Isolation::Serializable, &timeless(&strict))]
            {
                let expected = exhaustive(history, &Lists::new(), admits);
                let found = isolated(history, level);
                let context = || format!("seed {seed}, {level}: {found}\n{history:#?}");
                assert_eq!((found.is_pass(), found.is_fail()), (expected, !expected), "{}", context());
                counts[usize::from(level == Isolation::Serializable)][usize::from(expected)] += 1;
            }
        }
    }
    assert!(counts.iter().flatten().all(|count| *count > 2_000), "the histories are one-sided: {counts:?}");
}
