//! Histories of the size that one seed of a campaign leaves behind. What they cost is counted in steps, not in time, so
//! that the bound holds on every machine.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;

use generate::{Features, Shape, rng, valid};
use stormglass_check::model::{Kv, KvOp, KvRet};
use stormglass_check::{Budget, History, Limit, Outcome, Verdict, linearizability, linearizable_within};

/// A step or two per operation is a search that hardly ever went wrong.
const STEPS_PER_OPERATION: u64 = 8;

/// A broken key has to be searched to the end of every beginning.
const STEPS_PER_OPERATION_BROKEN: u64 = 40;

fn campaign(keys: u32, values: u32, features: Features) -> Shape {
    Shape { operations: 6_000, clients: 5, keys, values, unknown: 1, length: 1_000, features }
}

fn shapes() -> Vec<(&'static str, Shape)> {
    let cas = Features { cas: true, ..Features::default() };
    let all = Features { cas: true, delete: true, append: true, ..Features::default() };
    vec![
        ("unique values", campaign(10, 0, Features::default())),
        ("unique values with cas", campaign(10, 0, cas)),
        ("few values with cas", campaign(10, 5, cas)),
        ("few values, 50 keys", campaign(50, 5, cas)),
        ("everything but transactions", campaign(10, 5, all)),
        ("one key", campaign(1, 0, cas)),
        ("one key, few values", campaign(1, 5, cas)),
        ("transactions", Shape { operations: 600, ..campaign(10, 5, Features { txn: true, ..all }) }),
        ("many transactions, all answered", Shape { unknown: 0, ..campaign(10, 0, Features { txn: true, ..all }) }),
    ]
}

#[test]
fn a_valid_campaign_history_passes_in_few_steps() {
    for (name, shape) in shapes() {
        for seed in 0..5 {
            let history = valid(&mut rng(seed), &shape);
            let unknown = history.operations().iter().filter(|op| op.outcome == Outcome::Indeterminate).count();
            let expected = shape.operations * shape.unknown as usize / 250;
            assert!(unknown >= expected, "{name}: only {unknown} operations of unknown outcome");
            let found = linearizability(&Kv::default(), &history, Budget::default());
            assert!(found.verdict.is_pass(), "{name}, seed {seed}: {}", found.verdict);
            let bound = STEPS_PER_OPERATION * history.len() as u64;
            assert!(found.steps <= bound, "{name}, seed {seed}: {} steps", found.steps);
        }
    }
}

/// One read of the history answers with a value that was overwritten long before: the classic stale read.
fn with_stale_read(history: &History<KvOp, KvRet>) -> Option<History<KvOp, KvRet>> {
    let operations = history.operations();
    let put = operations.iter().skip(operations.len() / 4).find_map(|op| match (&op.op, &op.outcome) {
        (KvOp::Put { key, value }, Outcome::Ok(_)) => Some((key.clone(), value.clone())),
        _ => None,
    })?;
    let stale = operations.iter().enumerate().skip(operations.len() * 3 / 4).find_map(|(index, op)| match &op.op {
        KvOp::Get { key } if *key == put.0 && op.outcome.answer().is_some() => Some(index),
        _ => None,
    })?;
    let mut broken = History::new();
    for (index, operation) in operations.iter().enumerate() {
        let mut operation = operation.clone();
        if index == stale {
            operation.outcome = Outcome::Ok(KvRet::value(put.1.clone()));
        }
        broken.push(operation).ok()?;
    }
    Some(broken)
}

#[test]
fn a_stale_read_in_a_campaign_history_is_found_in_few_steps_and_shown_on_a_few_operations() {
    let cas = Features { cas: true, ..Features::default() };
    let transactions = Features { cas: true, delete: true, txn: true, ..Features::default() };
    let shapes = [
        ("unique values", campaign(10, 0, Features::default())),
        ("unique values with cas", campaign(10, 0, cas)),
        ("one key", campaign(1, 0, cas)),
        ("transactions", Shape { unknown: 0, ..campaign(10, 0, transactions) }),
    ];
    for (name, shape) in shapes {
        for seed in 0..5 {
            let history = with_stale_read(&valid(&mut rng(seed), &shape)).expect("a long history has puts and gets");
            let found = linearizability(&Kv::default(), &history, Budget::default());
            let bound = STEPS_PER_OPERATION_BROKEN * history.len() as u64;
            assert!(found.steps <= bound, "{name}, seed {seed}: {} steps", found.steps);
            let evidence = found.verdict.evidence().unwrap_or_else(|| panic!("{name}, seed {seed}: {}", found.verdict));
            assert!(evidence.operations.len() <= 8, "{name}, seed {seed}: {evidence}");
        }
    }
}

/// A history on which every order of many concurrent writes must be tried: nobody reads the one value that is asked for.
fn hard() -> History<KvOp, KvRet> {
    let mut history = History::new();
    for client in 0..24u32 {
        let put = history.invoke(client, 0, KvOp::append("x", client.to_string()));
        history.ok(put, 100, KvRet::done()).expect("it was just invoked");
    }
    let get = history.invoke(99, 200, KvOp::get("x"));
    history.ok(get, 300, KvRet::value("nobody wrote this")).expect("it was just invoked");
    history
}

#[test]
fn a_budget_that_runs_out_is_unknown_and_says_which() {
    let steps = Budget { steps: 5_000, bytes: u64::MAX };
    match linearizable_within(&Kv::default(), &hard(), steps) {
        Verdict::Unknown(undecided) => {
            assert_eq!(undecided.limit, Limit::Steps(5_000));
            assert_eq!(undecided.left, "undecided: key \"x\" with 25 operations");
        }
        other => panic!("5,000 steps do not decide it: {other}"),
    }
    let bytes = Budget { steps: u64::MAX, bytes: 100_000 };
    match linearizable_within(&Kv::default(), &hard(), bytes) {
        Verdict::Unknown(undecided) => assert_eq!(undecided.limit, Limit::Bytes(100_000)),
        other => panic!("100 kB do not decide it: {other}"),
    }
}

#[test]
fn a_hard_key_does_not_hide_the_plain_failure_of_another() {
    let mut history = hard();
    let get = history.invoke(0, 500, KvOp::get("y"));
    history.ok(get, 600, KvRet::value("never written")).expect("it was just invoked");
    let verdict = linearizable_within(&Kv::default(), &history, Budget { steps: 200_000, bytes: u64::MAX });
    let evidence = verdict.evidence().unwrap_or_else(|| panic!("the read of y is wrong: {verdict}"));
    assert_eq!(evidence.operations.len(), 1, "{evidence}");
    assert!(evidence.cause.starts_with("key \"y\""), "{evidence}");
}

#[test]
fn the_same_history_gives_the_same_answer_and_the_same_cost() {
    let shape = campaign(10, 5, Features { cas: true, ..Features::default() });
    let history = valid(&mut rng(7), &shape);
    let first = linearizability(&Kv::default(), &history, Budget::default());
    let again = linearizability(&Kv::default(), &history, Budget::default());
    assert_eq!((first.steps, first.parts, first.certificate), (again.steps, again.parts, again.certificate));
}
