//! The gate of the other properties: sequential and causal consistency are judged as by the plainest of searches, stale
//! registers and block devices as their rules say.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;
#[path = "oracle/registers.rs"]
mod registers;

use generate::rng;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registers::guessed;
use std::collections::BTreeMap;
use stormglass_check::model::{
    BlockDevice, BlockOp, BlockRet, CasRegister, Kv, KvOp, KvRet, RegisterOp, RegisterRet, StaleOp, StaleRegister,
};
use stormglass_check::{
    Budget, History, Operation, Outcome, Process, Verdict, causal, converged, linearizable, sequential,
};

/// Every interleaving of the processes, and every choice of what did not happen.
fn interleaves(
    lines: &[Vec<&Operation<RegisterOp, RegisterRet>>],
    at: &mut Vec<usize>,
    held: &Option<stormglass_check::model::Bytes>,
) -> bool {
    if at.iter().zip(lines).all(|(at, line)| *at == line.len()) {
        return true;
    }
    for process in 0..lines.len() {
        let Some(operation) = lines[process].get(at[process]) else { continue };
        at[process] += 1;
        let told = operation.outcome.answer();
        let mut next: Vec<Option<stormglass_check::model::Bytes>> = Vec::new();
        if told.is_none() {
            next.push(held.clone());
        }
        match (&operation.op, told) {
            (RegisterOp::Read, Some(RegisterRet::Value(value))) if value == held => next.push(held.clone()),
            (RegisterOp::Write(value), _) => next.push(value.clone()),
            (RegisterOp::Cas { from, to }, Some(RegisterRet::Swapped(true)) | None) if from == held => {
                next.push(to.clone())
            }
            (RegisterOp::Cas { from, .. }, Some(RegisterRet::Swapped(false))) if from != held => {
                next.push(held.clone())
            }
            _ => {}
        }
        let found = next.iter().any(|held| interleaves(lines, at, held));
        at[process] -= 1;
        if found {
            return true;
        }
    }
    false
}

#[test]
fn twenty_thousand_registers_are_judged_sequential_as_by_every_interleaving() {
    let (mut passes, mut failures) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = rng(seed ^ 0x5e9);
        let drawn = guessed(&mut rng);
        let mut history = History::new();
        for operation in drawn.operations() {
            let mut operation = operation.clone();
            operation.process = rng.random_range(0..3u32).into();
            history.push(operation).expect("it was well-formed");
        }
        let mut lines: BTreeMap<&Process, Vec<&Operation<RegisterOp, RegisterRet>>> = BTreeMap::new();
        for operation in history.operations().iter().filter(|operation| operation.outcome != Outcome::Fail) {
            lines.entry(&operation.process).or_default().push(operation);
        }
        let mut lines: Vec<_> = lines.into_values().collect();
        lines.iter_mut().for_each(|line| line.sort_by_key(|operation| operation.call));
        let expected = interleaves(&lines, &mut vec![0; lines.len()], &None);
        let found = sequential(&CasRegister::default(), &history, Budget::default());
        assert_eq!((found.is_pass(), found.is_fail()), (expected, !expected), "seed {seed}: {found}\n{history:#?}");
        if expected { passes += 1 } else { failures += 1 }
    }
    assert!(passes > 2_000 && failures > 2_000, "the histories are one-sided: {passes} and {failures}");
}

fn session_history(rng: &mut ChaCha8Rng) -> History<KvOp, KvRet> {
    let mut history = History::new();
    let count = rng.random_range(2..9u32);
    let written: Vec<(u32, bool)> = (0..count).map(|at| (at, rng.random_ratio(1, 2))).collect();
    for at in 0..count {
        let key = if rng.random_ratio(3, 4) { "x" } else { "y" };
        let process = rng.random_range(0..3u32);
        let id = if written[at as usize].1 {
            let id = history.invoke(process, u64::from(at), KvOp::put(key, at.to_string()));
            match rng.random_range(0..8u32) {
                0 => history.info(id, u64::from(at)).map(|()| id),
                1 => history.fail(id, u64::from(at)).map(|()| id),
                _ => history.ok(id, u64::from(at), KvRet::done()).map(|()| id),
            }
        } else {
            let seen = rng.random_range(0..=count);
            let ret = if seen == count { KvRet::absent() } else { KvRet::value(seen.to_string()) };
            let id = history.invoke(process, u64::from(at), KvOp::get(key));
            history.ok(id, u64::from(at), ret).map(|()| id)
        };
        id.expect("it was just invoked");
    }
    history
}

/// Causal consistency of one of the histories that leave out what did not happen, and some of what nobody knows of.
fn causal_by_definition(history: &History<KvOp, KvRet>) -> bool {
    let unknown: Vec<usize> =
        (0..history.len()).filter(|at| history.operations()[*at].outcome == Outcome::Indeterminate).collect();
    (0..1u32 << unknown.len()).any(|choice| {
        let mut chosen = History::new();
        for (at, operation) in history.operations().iter().enumerate() {
            let left_out = unknown.iter().position(|other| *other == at).is_some_and(|bit| choice >> bit & 1 == 1);
            if operation.outcome != Outcome::Fail && !left_out {
                chosen.push(operation.clone()).expect("it was well-formed");
            }
        }
        all_causal_by_definition(&chosen)
    })
}

/// Causal consistency by its definition: who comes before whom, closed by brute force, and no read that knows better.
fn all_causal_by_definition(history: &History<KvOp, KvRet>) -> bool {
    let ops = history.operations();
    let count = ops.len();
    let key = |at: usize| match &ops[at].op {
        KvOp::Get { key } | KvOp::Put { key, .. } => key.clone(),
        other => panic!("{other} is not drawn"),
    };
    let writes = |at: usize| matches!(ops[at].op, KvOp::Put { .. });
    let mut before = vec![vec![false; count]; count];
    let mut source: Vec<Option<usize>> = vec![None; count];
    for at in 0..count {
        for (other, line) in before.iter_mut().enumerate() {
            line[at] |= other < at && ops[other].process == ops[at].process;
        }
        if let Some(KvRet::Value { value: Some(value), .. }) = ops[at].outcome.answer() {
            let writer = (0..count).find(
                |other| matches!(&ops[*other].op, KvOp::Put { key: to, value: put } if *to == key(at) && put == value),
            );
            let Some(writer) = writer else { return false };
            before[writer][at] = true;
            source[at] = Some(writer);
        }
    }
    for middle in 0..count {
        for first in 0..count {
            for last in 0..count {
                before[first][last] |= before[first][middle] && before[middle][last];
            }
        }
    }
    if (0..count).any(|at| before[at][at]) {
        return false;
    }
    (0..count).filter(|at| !writes(*at)).all(|read| {
        (0..count).filter(|at| writes(*at) && key(*at) == key(read) && before[*at][read]).all(|write| {
            match source[read] {
                None => false,
                Some(writer) => !before[writer][write],
            }
        })
    })
}

#[test]
fn twenty_thousand_maps_are_judged_causal_as_by_definition() {
    let (mut passes, mut failures) = (0, 0);
    for seed in 0..20_000 {
        let history = session_history(&mut rng(seed ^ 0xca5a));
        let expected = causal_by_definition(&history);
        let found = causal(&history);
        assert_eq!((found.is_pass(), found.is_fail()), (expected, !expected), "seed {seed}: {found}\n{history:#?}");
        if expected { passes += 1 } else { failures += 1 }
    }
    assert!(passes > 2_000 && failures > 2_000, "the histories are one-sided: {passes} and {failures}");
}

#[test]
fn what_is_not_linearizable_may_be_sequential_and_what_is_not_sequential_causal() {
    let mut stale = History::new();
    for (process, at, op, ret) in
        [(0, 10, KvOp::put("x", "1"), KvRet::done()), (1, 30, KvOp::get("x"), KvRet::absent())]
    {
        let id = stale.invoke(process, at, op);
        stale.ok(id, at + 5, ret).expect("it was just invoked");
    }
    assert!(linearizable(&Kv::default(), &stale).is_fail());
    assert!(sequential(&Kv::default(), &stale, Budget::default()).is_pass());
    let mut disagree = History::new();
    for (process, at, op, ret) in [
        (0, 10, KvOp::put("x", "1"), KvRet::done()),
        (1, 10, KvOp::put("x", "2"), KvRet::done()),
        (2, 30, KvOp::get("x"), KvRet::value("1")),
        (2, 40, KvOp::get("x"), KvRet::value("2")),
        (3, 30, KvOp::get("x"), KvRet::value("2")),
        (3, 40, KvOp::get("x"), KvRet::value("1")),
    ] {
        let id = disagree.invoke(process, at, op);
        disagree.ok(id, at + 5, ret).expect("it was just invoked");
    }
    assert!(sequential(&Kv::default(), &disagree, Budget::default()).is_fail());
    assert!(causal(&disagree).is_pass());
}

/// One after the other, all answered.
fn in_turn<M: stormglass_check::model::Model>(model: &M, list: Vec<(M::Op, M::Ret)>) -> Verdict {
    let mut history = History::new();
    for ((op, ret), at) in list.into_iter().zip(1u64..) {
        let id = history.invoke(0, at * 10, op);
        history.ok(id, at * 10 + 5, ret).expect("it was just invoked");
    }
    linearizable(model, &history)
}

#[test]
fn a_stale_register_shows_the_last_values_and_no_older_one() {
    let write = |value: &str| (StaleOp::Write(value.into()), None);
    let read = |value: &str| (StaleOp::Read, Some(value.into()));
    for (versions, passes) in [(1, false), (2, true), (3, true)] {
        let register = StaleRegister { versions };
        let verdict = in_turn(&register, vec![write("a"), write("b"), read("a")]);
        assert_eq!(verdict.is_pass(), passes, "{versions}: {verdict}");
        assert!(in_turn(&register, vec![write("a"), write("b"), write("c"), write("d"), read("a")]).is_fail());
    }
}

#[test]
fn a_block_device_keeps_what_was_flushed_and_may_lose_or_tear_the_rest() {
    let write = |sector, stamp| (BlockOp::Write { sector, count: 1, stamp, durable: false }, BlockRet::Done);
    let durable = |sector, stamp| (BlockOp::Write { sector, count: 1, stamp, durable: true }, BlockRet::Done);
    let read = |sector, stamp| (BlockOp::Read { sector }, BlockRet::Stamp(stamp));
    let (flush, crash) = ((BlockOp::Flush, BlockRet::Done), (BlockOp::PowerLoss, BlockRet::Done));
    let whole = BlockDevice::default();
    let tearing = BlockDevice { tears: true };
    let judge = |device: &BlockDevice, list: Vec<(BlockOp, BlockRet)>| in_turn(device, list).is_pass();
    assert!(judge(&whole, vec![write(3, 7), read(3, Some(7)), read(4, Some(0))]));
    assert!(!judge(&whole, vec![write(3, 7), read(3, Some(0))]));
    for found in [0, 7] {
        assert!(judge(&whole, vec![write(3, 7), crash.clone(), read(3, Some(found))]), "{found}");
        assert_eq!(judge(&whole, vec![write(3, 7), flush.clone(), crash.clone(), read(3, Some(found))]), found == 7);
        assert_eq!(judge(&whole, vec![durable(3, 7), crash.clone(), read(3, Some(found))]), found == 7);
    }
    assert!(!judge(&whole, vec![write(3, 7), crash.clone(), read(3, Some(7)), read(3, Some(0))]), "it is settled now");
    assert!(!judge(&whole, vec![write(3, 7), crash.clone(), read(3, None)]));
    assert!(judge(&tearing, vec![write(3, 7), crash.clone(), read(3, None)]));
    assert!(!judge(&tearing, vec![write(3, 7), flush, crash, read(3, None)]));
}

#[test]
fn replicas_that_differ_are_named_with_the_key() {
    let replica = |value: &str| BTreeMap::from([("k".into(), value.into())]);
    let mut replicas = BTreeMap::from([("n1".to_owned(), replica("1")), ("n2".to_owned(), replica("1"))]);
    assert!(converged(&replicas).is_pass());
    replicas.insert("n3".to_owned(), replica("2"));
    let verdict = converged(&replicas);
    let cause = &verdict.evidence().expect("n3 differs").cause;
    assert_eq!(cause, "n1 holds \"1\" under \"k\", n3 holds \"2\"");
}
