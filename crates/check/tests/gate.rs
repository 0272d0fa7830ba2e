//! The gate of the check as a whole: on many thousands of small histories of a map, valid and broken, it and an exhaustive
//! search agree, and its evidence is a failure for the same reason. With revisions, too.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;

use generate::{Features, NESTED, any_shape, mutated, rng, valid};
use oracle::kv_is_linearizable;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use stormglass_check::model::{Bytes, Expect, Kv, KvOp, KvRet};
use stormglass_check::{Budget, History, Operation, Outcome, Verdict, linearizability, replay};

/// Counts what was compared, so that a gate through which nothing passes is seen.
#[derive(Default, Debug)]
struct Tally {
    passes: usize,
    failures: usize,
}

impl Tally {
    fn compare(&mut self, history: &History<KvOp, KvRet>, name: &str) {
        let expected = kv_is_linearizable(history);
        let kv = Kv::default();
        let found = linearizability(&kv, history, Budget::default());
        match &found.verdict {
            Verdict::Pass => {
                assert!(expected, "{name}: passed, but no order exists:\n{history:#?}");
                let certificate = found.certificate.expect("a pass has a certificate");
                replay(&kv, history, &certificate).unwrap_or_else(|error| panic!("{name}: {error}\n{history:#?}"));
                self.passes += 1;
            }
            Verdict::Fail(evidence) => {
                assert!(!expected, "{name}: failed, but an order exists:\n{evidence}\n{history:#?}");
                let kept = evidence.operations.len();
                let sub = only(history, &evidence.operations.iter().map(|op| op.operation).collect::<Vec<_>>());
                assert!(!kv_is_linearizable(&sub), "{name}: the evidence has an order:\n{evidence}\n{history:#?}");
                assert!(kept > 0 && kept <= history.len());
                let missing = read_without_its_writer(history, &sub);
                assert_eq!(missing, None, "{name}: the evidence is of another failure:\n{evidence}\n{history:#?}");
                self.failures += 1;
            }
            Verdict::Unknown(undecided) => panic!("{name}: {undecided}\n{history:#?}"),
        }
    }
}

/// A value that is read in `sub` and was written in `history` before the last return of `sub`, but by nobody in `sub`.
/// Such evidence would say "nobody wrote this", which is not so. Where values are made of parts nothing can be said.
fn read_without_its_writer(history: &History<KvOp, KvRet>, sub: &History<KvOp, KvRet>) -> Option<(Bytes, Bytes)> {
    let parts = |operation: &Operation<KvOp, KvRet>| matches!(operation.op, KvOp::Append { .. } | KvOp::Txn { .. });
    if history.operations().iter().any(parts) {
        return None;
    }
    let writes = |history: &History<KvOp, KvRet>, key: &Bytes, value: &Bytes, until: u64, open_may_swap: bool| {
        history.operations().iter().any(|operation| match &operation.op {
            KvOp::Put { key: to, value: written } | KvOp::Cas { key: to, value: written, .. } => {
                let refused = operation.outcome.answer() == Some(&KvRet::swapped(false));
                // Evidence may hold a swap whose refusal came only after the history broke: till then it may have swapped.
                let refused = refused && !open_may_swap;
                let happened = operation.outcome != Outcome::Fail && !refused && operation.call <= until;
                happened && (to, written) == (key, value)
            }
            _ => false,
        })
    };
    let until = sub.operations().iter().filter_map(|op| op.outcome.answer().and(op.returned)).max()?;
    sub.operations().iter().find_map(|operation| match (&operation.op, operation.outcome.answer()) {
        (KvOp::Get { key }, Some(KvRet::Value { value: Some(value), .. })) => {
            let phantom = writes(history, key, value, until, false) && !writes(sub, key, value, until, true);
            phantom.then(|| (key.clone(), value.clone()))
        }
        _ => None,
    })
}

fn only(history: &History<KvOp, KvRet>, ids: &[u32]) -> History<KvOp, KvRet> {
    let mut sub = History::new();
    for (id, operation) in (0u32..).zip(history.operations()) {
        if ids.contains(&id) {
            sub.push(operation.clone()).expect("a part of a well-formed history is well-formed");
        }
    }
    sub
}

#[test]
fn twenty_six_thousand_histories_of_a_map_are_judged_as_by_brute_force() {
    let mut tally = Tally::default();
    for seed in 0..13_000 {
        let mut rng = rng(seed);
        let shape = any_shape(&mut rng);
        let history = valid(&mut rng, &shape);
        tally.compare(&history, &format!("seed {seed}, valid"));
        tally.compare(&mutated(&mut rng, &shape, &history), &format!("seed {seed}, mutated"));
    }
    assert_eq!(tally.passes + tally.failures, 26_000);
    assert!(tally.passes > 12_000 && tally.failures > 3_000, "the histories are one-sided: {tally:?}");
}

/// Values that grow by appends. Most are written once, so that what is read tells in which order they were appended; some are
/// made of others, so that it does not.
#[test]
fn forty_thousand_histories_of_appends_are_judged_as_by_brute_force() {
    let mut tally = Tally::default();
    for seed in 0..20_000u64 {
        let mut rng = rng(seed ^ 0xa99e);
        let mut shape = any_shape(&mut rng);
        shape.values = [0, 0, 4, NESTED][rng.random_range(0..4usize)];
        shape.operations = rng.random_range(3..10);
        shape.features = Features { mostly_append: true, ..Features::default() };
        let history = valid(&mut rng, &shape);
        tally.compare(&history, &format!("seed {seed}, valid"));
        let broken =
            if rng.random_ratio(1, 2) { mutated(&mut rng, &shape, &history) } else { reread(&mut rng, &history) };
        tally.compare(&broken, &format!("seed {seed}, changed"));
    }
    assert_eq!(tally.passes + tally.failures, 40_000);
    assert!(tally.passes > 15_000 && tally.failures > 5_000, "the histories are one-sided: {tally:?}");
}

/// A read that sees what another one saw, with something cut off, added, or exchanged.
fn reread(rng: &mut ChaCha8Rng, history: &History<KvOp, KvRet>) -> History<KvOp, KvRet> {
    let mut operations = history.operations().to_vec();
    let read = |operation: &Operation<KvOp, KvRet>| match operation.outcome.answer() {
        Some(KvRet::Value { value: Some(value), .. }) => Some(value.as_slice().to_vec()),
        _ => None,
    };
    let seen: Vec<Vec<u8>> = operations.iter().filter_map(read).collect();
    let mut readers: Vec<&mut Operation<KvOp, KvRet>> = operations
        .iter_mut()
        .filter(|operation| matches!(operation.outcome, Outcome::Ok(KvRet::Value { .. })))
        .collect();
    if !seen.is_empty() {
        let mut value = seen[rng.random_range(0..seen.len())].clone();
        let (place, digit) = (rng.random_range(0..=value.len()), b'0' + rng.random_range(1..9u8));
        match rng.random_range(0..4) {
            0 => value.truncate(place),
            1 => value.insert(place, digit),
            2 if value.len() > 1 => value.swap(0, place.min(1)),
            _ => {}
        }
        let reader = rng.random_range(0..readers.len());
        readers[reader].outcome = Outcome::Ok(KvRet::Value { value: Some(Bytes::from(value)), revision: None });
    }
    let mut history = History::new();
    for operation in operations {
        history.push(operation).expect("a change keeps a history well-formed");
    }
    history
}

/// Revisions: a map that numbers its writes, some of the numbers not reported, and sometimes one of them wrong. The
/// exhaustive search works on the concrete revisions, trying every one that an unreported write may have had.
#[test]
fn twenty_thousand_histories_with_revisions_are_judged_as_by_brute_force() {
    let (mut passes, mut failures) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = rng(seed ^ 0x4e5);
        let history = revisioned(&mut rng);
        let expected = revisions_exhaustive(&history);
        let found = linearizability(&Kv::with_revisions(), &history, Budget::default()).verdict;
        assert_eq!(found.is_pass(), expected, "seed {seed}: {found}\n{history:#?}");
        assert_eq!(found.is_fail(), !expected, "seed {seed}: {found}\n{history:#?}");
        if expected { passes += 1 } else { failures += 1 }
    }
    assert!(passes > 2_500 && failures > 2_500, "the histories are one-sided: {passes} and {failures}");
}

fn revisioned(rng: &mut ChaCha8Rng) -> History<KvOp, KvRet> {
    let mut history = History::new();
    let (mut held, mut revision): (Option<&str>, u64) = (None, 0);
    let values = ["a", "b"];
    for index in 0..rng.random_range(2..7u64) {
        let value = values[rng.random_range(0..2usize)];
        // Mostly the truth; sometimes not told, sometimes a revision of another time.
        let told = |rng: &mut ChaCha8Rng, truth: u64| match rng.random_range(0..8u32) {
            0 | 1 => None,
            2 => Some(rng.random_range(1..7)),
            _ => Some(truth),
        };
        let (op, ret) = match rng.random_range(0..6u32) {
            0 | 1 => (
                KvOp::get("k"),
                KvRet::Value { value: held.map(Bytes::from), revision: held.and_then(|_| told(rng, revision)) },
            ),
            2 => {
                let expect = Expect::Revision(told(rng, revision).unwrap_or(0));
                let swapped = expect == Expect::Revision(if held.is_some() { revision } else { 0 });
                if swapped {
                    (held, revision) = (Some(value), revision + 1);
                }
                let at = if swapped { told(rng, revision) } else { None };
                (KvOp::cas("k", expect, value), KvRet::Cas { swapped, revision: at })
            }
            3 if held.is_some() => {
                (held, revision) = (None, revision + 1);
                (KvOp::delete("k"), KvRet::deleted())
            }
            _ => {
                (held, revision) = (Some(value), revision + 1);
                (KvOp::put("k", value), KvRet::Done { revision: told(rng, revision) })
            }
        };
        let call = index * 2;
        let returned = Some(call + rng.random_range(0..6u64));
        let outcome = if rng.random_ratio(1, 6) { Outcome::Indeterminate } else { Outcome::Ok(ret) };
        let process = u32::try_from(index).expect("histories are small").into();
        history.push(Operation { process, call, returned, op, outcome }).expect("the history is well-formed");
    }
    history
}

/// A cell with a concrete revision; every write tries every revision above the last, up to a bound that leaves room
/// between any two that are named.
fn revisions_exhaustive(history: &History<KvOp, KvRet>) -> bool {
    fn go(ops: &[Operation<KvOp, KvRet>], left: &mut Vec<usize>, held: Option<&Bytes>, at: u64) -> bool {
        let must = |index: usize| matches!(ops[index].outcome, Outcome::Ok(_));
        if !left.iter().any(|index| must(*index)) {
            return true;
        }
        for position in 0..left.len() {
            let index = left[position];
            let operation = &ops[index];
            if left.iter().any(|other| must(*other) && ops[*other].returned < Some(operation.call)) {
                continue;
            }
            left.remove(position);
            let told = operation.outcome.answer();
            // Revisions count in tens: what lies between was given out but named by nobody.
            let writes = |revision: Option<u64>| match revision {
                Some(revision) if revision * 10 > at => vec![revision * 10],
                Some(_) => Vec::new(),
                None => (at + 1..80).collect(),
            };
            let mut next: Vec<(Option<Bytes>, u64)> = Vec::new();
            match (&operation.op, told) {
                (KvOp::Get { .. }, Some(KvRet::Value { value, revision })) => {
                    if value.as_ref() == held && revision.is_none_or(|revision| held.is_none() || revision * 10 == at) {
                        next.push((held.cloned(), at));
                    }
                }
                (KvOp::Get { .. }, _) => {}
                (KvOp::Put { value, .. }, told) => {
                    let revision =
                        told.and_then(|ret| if let KvRet::Done { revision } = ret { *revision } else { None });
                    next.extend(writes(revision).into_iter().map(|at| (Some(value.clone()), at)));
                }
                (KvOp::Delete { .. }, _) => {
                    if held.is_some() {
                        next.extend(writes(None).into_iter().map(|at| (None, at)));
                    } else {
                        next.push((None, at));
                    }
                }
                (KvOp::Cas { expect: Expect::Revision(wanted), value, .. }, told) => {
                    let (swapped, revision) = match told {
                        Some(KvRet::Cas { swapped, revision }) => (*swapped, *revision),
                        _ => (true, None),
                    };
                    let holds = if held.is_some() { wanted * 10 == at && *wanted > 0 } else { *wanted == 0 };
                    if holds && swapped {
                        next.extend(writes(revision).into_iter().map(|at| (Some(value.clone()), at)));
                    } else if !holds && !swapped {
                        next.push((held.cloned(), at));
                    }
                }
                _ => unreachable!("the generator makes no such operation"),
            }
            let found = next.into_iter().any(|(value, then)| go(ops, left, value.as_ref(), then));
            left.insert(position, index);
            if found {
                return true;
            }
        }
        false
    }
    let happened = |index: &usize| !matches!(history.operations()[*index].outcome, Outcome::Fail);
    let mut left: Vec<usize> = (0..history.len()).filter(happened).collect();
    go(history.operations(), &mut left, None, 0)
}
