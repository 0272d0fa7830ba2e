//! What was acknowledged is there at the end, and a loss is told from every excuse.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;

use generate::{any_shape, mutated, rng, valid};
use oracle::{Map, answer, exhaustive, kv_agrees, kv_is_linearizable};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::model::{Bytes, Expect, Kv, KvOp, KvRet};
use stormglass_check::{
    DURABILITY, Evidence, History, LINEARIZABILITY, Operation, Outcome, Verdict, acknowledged_ids_survive, durable,
};

type Kvs = History<KvOp, KvRet>;

fn acknowledged(history: &mut Kvs, client: u32, call: u64, returned: u64, op: KvOp, ret: KvRet) {
    let id = history.invoke(client, call, op);
    history.ok(id, returned, ret).expect("it was just invoked");
}

fn scan(pairs: &[(&str, &str)]) -> BTreeMap<Bytes, Bytes> {
    pairs.iter().map(|(key, value)| (Bytes::from(*key), Bytes::from(*value))).collect()
}

fn failure(verdict: Verdict) -> Evidence {
    match verdict {
        Verdict::Fail(evidence) => evidence,
        other => panic!("expected a failure, not {other}"),
    }
}

/// Two writes, one after the other.
fn two_writes() -> Kvs {
    let mut history = History::new();
    acknowledged(&mut history, 1, 10, 20, KvOp::put("x", "old"), KvRet::done());
    acknowledged(&mut history, 2, 30, 40, KvOp::put("x", "new"), KvRet::done());
    acknowledged(&mut history, 3, 30, 45, KvOp::put("y", "1"), KvRet::done());
    history
}

#[test]
fn what_was_acknowledged_last_is_there() {
    assert!(durable(&Kv::default(), &two_writes(), &scan(&[("x", "new"), ("y", "1")])).is_pass());
}

#[test]
fn a_lost_write_is_named_with_its_client_and_times() {
    let evidence = failure(durable(&Kv::default(), &two_writes(), &scan(&[("x", "old"), ("y", "1")])));
    assert_eq!(
        evidence.to_string(),
        "durability: the final scan (get \"x\" -> \"old\") does not hold what was acknowledged: \
         #1 put \"x\" = \"new\" -> done of client 2, called 30ns, returned 40ns
  #0    client 1           put \"x\" = \"old\" -> done  called 10ns, returned 20ns
  #1    client 2           put \"x\" = \"new\" -> done  called 30ns, returned 40ns
  #3    client final scan  get \"x\" -> \"old\"         called 46ns, returned 46ns
  The longest order that works is #0, #1; after it:
    #3 get \"x\" -> \"old\": refused, for \"x\" is \"new\""
    );
    let evidence = failure(durable(&Kv::default(), &two_writes(), &scan(&[("x", "new")])));
    assert_eq!(evidence.oracle, DURABILITY);
    assert_eq!(evidence.operations.len(), 2, "the write and the read that misses it: {evidence}");
}

#[test]
fn a_value_that_nobody_wrote_is_a_failure() {
    let mut pairs = vec![("x", "new"), ("y", "1"), ("z", "from nowhere")];
    assert!(durable(&Kv::default(), &two_writes(), &scan(&pairs)).is_fail(), "no operation touched the key");
    pairs.pop();
    pairs[0].1 = "made up";
    let evidence = failure(durable(&Kv::default(), &two_writes(), &scan(&pairs)));
    assert_eq!(
        evidence.cause,
        "the final scan (get \"x\" -> \"made up\") holds what no operation can have left behind"
    );
}

#[test]
fn an_operation_of_unknown_outcome_may_be_there_or_not() {
    let mut history = two_writes();
    let id = history.invoke(4, 35, KvOp::put("x", "maybe"));
    history.info(id, 40).expect("it was just invoked");
    for (value, allowed) in [("new", true), ("maybe", true), ("old", false)] {
        let verdict = durable(&Kv::default(), &history, &scan(&[("x", value), ("y", "1")]));
        assert_eq!(verdict.is_pass(), allowed, "{value}: {verdict}");
    }
}

#[test]
fn concurrent_writes_leave_one_of_them_and_a_read_decides_which() {
    let mut history = History::new();
    acknowledged(&mut history, 1, 10, 50, KvOp::put("x", "a"), KvRet::done());
    acknowledged(&mut history, 2, 10, 50, KvOp::put("x", "b"), KvRet::done());
    for value in ["a", "b"] {
        assert!(durable(&Kv::default(), &history, &scan(&[("x", value)])).is_pass(), "{value}");
    }
    acknowledged(&mut history, 3, 60, 70, KvOp::get("x"), KvRet::value("b"));
    assert!(durable(&Kv::default(), &history, &scan(&[("x", "b")])).is_pass());
    assert!(durable(&Kv::default(), &history, &scan(&[("x", "a")])).is_fail(), "it was b once both were over");
}

#[test]
fn a_swap_that_was_refused_is_no_write_to_be_lost() {
    let mut history = two_writes();
    acknowledged(&mut history, 4, 50, 60, KvOp::cas("x", Expect::value("old"), "newer"), KvRet::swapped(false));
    assert!(durable(&Kv::default(), &history, &scan(&[("x", "new"), ("y", "1")])).is_pass());
}

#[test]
fn a_history_that_is_broken_without_the_scan_is_not_called_a_loss() {
    let mut history = two_writes();
    acknowledged(&mut history, 4, 50, 60, KvOp::get("x"), KvRet::value("old"));
    let evidence = failure(durable(&Kv::default(), &history, &scan(&[("x", "new"), ("y", "1")])));
    assert_eq!(evidence.oracle, LINEARIZABILITY);
}

#[test]
fn every_acknowledged_id_must_be_found_and_none_made_up() {
    let acknowledged = [(1, 10), (2, 20), (3, 30)];
    let attempted = BTreeSet::from([1, 2, 3, 4]);
    let check =
        |found: &[i32]| acknowledged_ids_survive(&acknowledged, Some(&attempted), &found.iter().copied().collect());
    assert!(check(&[1, 2, 3]).is_pass());
    assert!(check(&[1, 2, 3, 4]).is_pass(), "4 was attempted, its outcome unknown");
    assert_eq!(
        failure(check(&[2, 4])).to_string(),
        "acknowledged ids survive: 2 of 3 acknowledged ids are lost, the first of them 1\n  1 was acknowledged at 10ns\n  3 was acknowledged at 30ns"
    );
    assert_eq!(failure(check(&[1, 2, 3, 9])).cause, "9 is found, but nobody asked for it");
}

/// A transaction that wrote both keys or none: the scan shows one state, and not two.
#[test]
fn what_one_operation_did_is_there_whole_or_not_at_all() {
    let both = KvOp::Txn { compare: vec![], success: vec![KvOp::put("x", "1"), KvOp::put("y", "1")], failure: vec![] };
    let mut history = Kvs::new();
    let id = history.invoke(1, 10, both);
    history.info(id, 20).expect("it was just invoked");
    for (pairs, allowed) in [(&[][..], true), (&[("x", "1"), ("y", "1")], true), (&[("x", "1")], false)] {
        let verdict = durable(&Kv::default(), &history, &scan(pairs));
        assert_eq!(verdict.is_pass(), allowed, "{pairs:?}: {verdict}");
    }
    // That keys are tied to others by what has an answer changes nothing.
    acknowledged(&mut history, 2, 5, 8, KvOp::put("z", "1"), KvRet::done());
    assert!(durable(&Kv::default(), &history, &scan(&[("y", "1"), ("z", "1")])).is_fail());
    assert!(durable(&Kv::default(), &history, &scan(&[("z", "1")])).is_pass());
}

/// What a client asks for, or the scan of everything at the end.
type Asked = Option<KvOp>;

enum Told {
    Answer(KvRet),
    Scan(Map),
}

/// Whether the history can have left `scan` behind, by brute force: a scan is one operation on the whole map.
fn may_leave(history: &Kvs, scan: &Map) -> bool {
    let mut whole: History<Asked, Told> = History::new();
    let end = history.end() + 1;
    for operation in history.operations() {
        let Operation { process, call, returned, op, outcome } = operation.clone();
        let outcome = match outcome {
            Outcome::Ok(ret) => Outcome::Ok(Told::Answer(ret)),
            Outcome::Fail => Outcome::Fail,
            Outcome::Indeterminate => Outcome::Indeterminate,
        };
        whole.push(Operation { process, call, returned, op: Some(op), outcome }).expect("it was well-formed");
    }
    let outcome = Outcome::Ok(Told::Scan(scan.clone()));
    let read = Operation { process: "scan".into(), call: end, returned: Some(end), op: None, outcome };
    whole.push(read).expect("it is well-formed");
    exhaustive(&whole, &Map::new(), |map, asked, told| match (asked, told) {
        (Some(op), told) => {
            let truth = answer(map, op);
            !matches!(told, Some(Told::Answer(told)) if !kv_agrees(told, &truth))
        }
        (None, Some(Told::Scan(scan))) => map == scan,
        (None, _) => false,
    })
}

/// What is left after the operations that are said to have happened, in the order of their returns, as if nothing were
/// concurrent; then perhaps with something lost, made up, or of another time.
fn any_scan(rng: &mut ChaCha8Rng, history: &Kvs) -> Map {
    let mut operations: Vec<&Operation<KvOp, KvRet>> = history.operations().iter().collect();
    operations.sort_by_key(|operation| operation.returned.unwrap_or(u64::MAX));
    let mut map = Map::new();
    for operation in operations {
        let happens = match operation.outcome {
            Outcome::Ok(_) => !rng.random_ratio(1, 12),
            Outcome::Fail => false,
            Outcome::Indeterminate => rng.random_ratio(1, 2),
        };
        if happens {
            answer(&mut map, &operation.op);
        }
    }
    if rng.random_ratio(1, 8) {
        let key = Bytes::from(format!("k{}", rng.random_range(0..3u32)));
        if rng.random_ratio(1, 2) {
            map.remove(&key);
        } else {
            map.insert(key, Bytes::from(rng.random_range(0..6u32).to_string()));
        }
    }
    map
}

#[test]
fn forty_thousand_scans_are_judged_as_by_brute_force() {
    let (mut passes, mut losses, mut broken, mut tied) = (0, 0, 0, 0);
    for seed in 0..20_000u64 {
        let mut rng = rng(seed ^ 0xd0_7a);
        let mut shape = any_shape(&mut rng);
        shape.features.txn = rng.random_ratio(1, 2);
        let history = valid(&mut rng, &shape);
        for mut history in [mutated(&mut rng, &shape, &history), history] {
            if rng.random_ratio(1, 3) {
                let call = rng.random_range(0..=history.end());
                let puts = ["k0", "k1"].map(|key| KvOp::put(key, rng.random_range(0..6u32).to_string().as_str()));
                let success = puts.into_iter().collect();
                history.invoke(99, call, KvOp::Txn { compare: vec![], success, failure: vec![] });
            }
            let scan = any_scan(&mut rng, &history);
            let expected = may_leave(&history, &scan);
            let verdict = durable(&Kv::default(), &history, &scan);
            assert_eq!(verdict.is_pass(), expected, "seed {seed}: {verdict}\n{scan:?}\n{history:#?}");
            let several = |op: &KvOp| matches!(op, KvOp::Txn { success, .. } if success.len() > 1);
            let unknown = |outcome: &Outcome<KvRet>| *outcome == Outcome::Indeterminate;
            tied += u32::from(history.operations().iter().any(|one| unknown(&one.outcome) && several(&one.op)));
            match verdict {
                Verdict::Pass => passes += 1,
                Verdict::Fail(evidence) if evidence.oracle == DURABILITY => {
                    let one_part = shape.keys == 1 && !history.operations().iter().any(|one| several(&one.op));
                    let in_order = !one_part || kv_is_linearizable(&history);
                    assert!(in_order, "seed {seed}: it is broken without the scan: {evidence}\n{history:#?}");
                    losses += 1;
                }
                Verdict::Fail(evidence) => {
                    assert_eq!(evidence.oracle, LINEARIZABILITY, "seed {seed}");
                    assert!(!kv_is_linearizable(&history), "seed {seed}: it is a loss: {evidence}\n{history:#?}");
                    broken += 1;
                }
                Verdict::Unknown(undecided) => panic!("seed {seed}: {undecided}"),
            }
        }
    }
    assert_eq!(passes + losses + broken, 40_000);
    let told = format!("{passes} in order, {losses} losses, {broken} broken without the scan, {tied} with tied keys");
    assert!(passes > 10_000 && losses > 4_000 && broken > 4_000 && tied > 10_000, "one-sided: {told}");
    eprintln!("{told}");
}

#[test]
fn twenty_thousand_sets_of_ids_are_judged_by_what_they_lack() {
    let mut verdicts = [0, 0];
    for seed in 0..20_000u64 {
        let mut rng = rng(seed ^ 0x1d5);
        let count = rng.random_range(0..6u64);
        let mut some = |ratio: u32| (0..count).filter(|_| rng.random_ratio(ratio, 8)).collect::<BTreeSet<u64>>();
        let (asked, told, found) = (some(7), some(3), some(6));
        let acknowledged: Vec<(u64, u64)> = told.iter().map(|id| (*id, 10 * id)).collect();
        let verdict = acknowledged_ids_survive(&acknowledged, Some(&asked), &found);
        assert_eq!(verdict.is_pass(), told.is_subset(&found) && found.is_subset(&asked), "seed {seed}: {verdict}");
        let freely = acknowledged_ids_survive(&acknowledged, None, &found);
        assert_eq!(freely.is_pass(), told.is_subset(&found), "seed {seed}: {freely}");
        verdicts[usize::from(verdict.is_pass())] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 4_000), "one-sided: {verdicts:?}");
}
