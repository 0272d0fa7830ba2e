//! What was acknowledged is there at the end, and a loss is told from every excuse.

use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::model::{Bytes, Expect, Kv, KvOp, KvRet};
use stormglass_check::{DURABILITY, Evidence, History, LINEARIZABILITY, Verdict, acknowledged_ids_survive, durable};

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
