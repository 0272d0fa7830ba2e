//! The key-value model answers as the services that it stands for, one operation at a time.

use stormglass_check::model::{Bytes, Compare, Expect, Kv, KvOp, KvRet};
use stormglass_check::{History, Verdict, linearizable};

/// Whether these answers, one after the other, are what the model gives.
fn answers(kv: &Kv, pairs: Vec<(KvOp, KvRet)>) -> bool {
    let mut history = History::new();
    for ((op, ret), at) in pairs.into_iter().zip(1u64..) {
        let id = history.invoke(0, at * 10, op);
        history.ok(id, at * 10 + 5, ret).expect("it was just invoked");
    }
    match linearizable(kv, &history) {
        Verdict::Pass => true,
        Verdict::Fail(_) => false,
        Verdict::Unknown(undecided) => panic!("{undecided}"),
    }
}

fn values(pairs: Vec<(KvOp, KvRet)>) -> bool {
    answers(&Kv::default(), pairs)
}

fn revisions(pairs: Vec<(KvOp, KvRet)>) -> bool {
    answers(&Kv::with_revisions(), pairs)
}

fn put(value: &str) -> (KvOp, KvRet) {
    (KvOp::put("x", value), KvRet::done())
}

fn put_at(value: &str, revision: u64) -> (KvOp, KvRet) {
    (KvOp::put("x", value), KvRet::done_at(revision))
}

fn read(ret: KvRet) -> (KvOp, KvRet) {
    (KvOp::get("x"), ret)
}

#[test]
fn a_key_is_absent_until_it_is_written_and_again_once_deleted() {
    let deleted = |existed| (KvOp::delete("x"), KvRet::Deleted { existed, revision: None });
    assert!(values(vec![read(KvRet::absent()), put("1"), read(KvRet::value("1"))]));
    assert!(values(vec![put("1"), deleted(None), read(KvRet::absent()), deleted(Some(false))]));
    assert!(values(vec![put("1"), deleted(Some(true)), put("2"), read(KvRet::value("2"))]));
    assert!(!values(vec![put("1"), deleted(Some(false))]));
    assert!(!values(vec![deleted(Some(true))]));
    assert!(!values(vec![put("1"), read(KvRet::value("2"))]));
}

#[test]
fn an_append_goes_behind_what_is_there() {
    let append = |value: &str| (KvOp::append("x", value), KvRet::done());
    assert!(values(vec![append("a"), append("b"), read(KvRet::value("ab"))]));
    assert!(values(vec![put("p"), append("a"), read(KvRet::value("pa"))]));
    assert!(!values(vec![append("a"), append("b"), read(KvRet::value("ba"))]));
}

#[test]
fn a_swap_happens_just_when_the_value_is_as_expected() {
    let cas = |expect: Expect, swapped| (KvOp::cas("x", expect, "new"), KvRet::swapped(swapped));
    assert!(values(vec![cas(Expect::Absent, true), read(KvRet::value("new")), cas(Expect::Absent, false)]));
    assert!(values(vec![put("1"), cas(Expect::value("1"), true), cas(Expect::value("1"), false)]));
    assert!(!values(vec![put("1"), cas(Expect::value("2"), true)]));
    assert!(!values(vec![put("1"), cas(Expect::value("1"), false)]), "a refusal asserts that it was something else");
    assert!(!values(vec![cas(Expect::Absent, false)]));
}

#[test]
fn revisions_grow_and_reads_and_swaps_see_them() {
    let cas = |revision, swapped| (KvOp::cas("x", Expect::Revision(revision), "new"), KvRet::swapped(swapped));
    let both = |revision, swapped| {
        let expect = Expect::Both { value: Bytes::from("1"), revision };
        (KvOp::cas("x", expect, "new"), KvRet::swapped(swapped))
    };
    assert!(revisions(vec![
        put_at("1", 3),
        read(KvRet::value_at("1", 3)),
        put_at("1", 5),
        cas(3, false),
        cas(5, true)
    ]));
    assert!(revisions(vec![cas(0, true)]), "revision 0 is that of an absent key");
    assert!(!revisions(vec![put_at("1", 3), cas(0, true)]));
    assert!(!revisions(vec![put_at("1", 3), put_at("2", 3)]));
    assert!(!revisions(vec![put_at("1", 3), read(KvRet::value_at("1", 2))]));
    assert!(!revisions(vec![put_at("1", 3), cas(3, false)]));
    assert!(revisions(vec![put_at("1", 3), both(3, true)]));
    assert!(!revisions(vec![put_at("1", 3), both(4, true)]));
    // What a write did not report, the first who sees it tells; from then on it is known.
    assert!(revisions(vec![put_at("1", 3), put("2"), read(KvRet::value_at("2", 9)), read(KvRet::value_at("2", 9))]));
    assert!(!revisions(vec![put_at("1", 3), put("2"), read(KvRet::value_at("2", 9)), read(KvRet::value_at("2", 8))]));
    assert!(!revisions(vec![put_at("1", 3), put("2"), read(KvRet::value_at("2", 3))]));
    // Where revisions are not asked for, they are not looked at.
    assert!(values(vec![put_at("1", 3), put_at("2", 3), read(KvRet::value_at("2", 1)), cas(77, true), cas(77, false)]));
}

#[test]
fn a_transaction_does_one_branch_at_one_instant() {
    let txn = |expected: Option<&str>, succeeded: bool, results: Vec<KvRet>, revision: Option<u64>| {
        let compare = vec![Compare { key: "x".into(), value: expected.map(Bytes::from) }];
        let success = vec![KvOp::put("x", "then"), KvOp::put("y", "then")];
        let failure = vec![KvOp::get("x")];
        (KvOp::Txn { compare, success, failure }, KvRet::Txn { succeeded, results, revision })
    };
    let y = |value: &str| (KvOp::get("y"), KvRet::value(value));
    assert!(values(vec![txn(None, true, vec![], None), read(KvRet::value("then")), y("then")]));
    assert!(values(vec![put("1"), txn(None, false, vec![KvRet::value("1")], None), (KvOp::get("y"), KvRet::absent())]));
    assert!(!values(vec![put("1"), txn(None, true, vec![], None)]));
    assert!(!values(vec![put("1"), txn(None, false, vec![KvRet::value("2")], None)]));
    assert!(!values(vec![txn(None, true, vec![KvRet::done()], None)]), "two operations were done, one is answered");
    // The transaction's revision is that of everything it wrote.
    assert!(revisions(vec![put_at("1", 4), txn(Some("1"), true, vec![], Some(6)), read(KvRet::value_at("then", 6))]));
    assert!(!revisions(vec![put_at("1", 4), txn(Some("1"), true, vec![], Some(6)), read(KvRet::value_at("then", 7))]));
    assert!(!revisions(vec![put_at("1", 4), txn(Some("1"), true, vec![], Some(4))]));
}

#[test]
fn an_answer_to_another_question_is_refused() {
    assert!(!values(vec![(KvOp::get("x"), KvRet::done())]));
    assert!(!values(vec![(KvOp::put("x", "1"), KvRet::absent())]));
}

#[test]
fn keys_may_hold_something_before_they_are_written() {
    let kv = Kv { initial: Some(Bytes::from("")), revisions: false };
    assert!(answers(
        &kv,
        vec![read(KvRet::value("")), (KvOp::append("x", "a"), KvRet::done()), read(KvRet::value("a"))]
    ));
    assert!(!answers(&kv, vec![read(KvRet::absent())]));
}

/// Any order of so many appends would do but for what was read: the search as they are said gives up, and the reasons with it.
#[test]
fn the_reasons_are_told_of_appends_that_were_side_by_side() -> Result<(), Box<dyn std::error::Error>> {
    const WRITERS: u32 = 20;
    let key = || Bytes::from("0");
    let append = |value: String| KvOp::Append { key: key(), value: value.as_str().into() };
    let mut history = History::new();
    let calls: Vec<_> = (0..WRITERS).map(|at| history.invoke(at, 1, append(format!("<{at}>")))).collect();
    for id in calls {
        history.ok(id, 2, KvRet::done())?;
    }
    let late = history.invoke(WRITERS, 3, append("late".to_owned()));
    history.ok(late, 4, KvRet::done())?;
    let read = history.invoke(0, 5, KvOp::Get { key: key() });
    let seen: String = (0..WRITERS).rev().map(|at| format!("<{at}>")).collect();
    history.ok(read, 6, KvRet::Value { value: Some(seen.as_str().into()), revision: None })?;
    let Verdict::Fail(evidence) = linearizable(&Kv::default(), &history) else {
        return Err("it was read before".into());
    };
    let order: Vec<String> = (0..WRITERS).rev().chain([WRITERS]).map(|at| format!("#{at}")).collect();
    assert_eq!(evidence.details[0], format!("The longest order that works is {}; after it:", order.join(", ")));
    Ok(())
}
