//! The replayer believes nothing: a certificate that is wrong in any way is refused, and the search's own is not.

use stormglass_check::model::{Kv, KvOp, KvRet};
use stormglass_check::{Budget, Certificate, CertificateError, History, OpId, linearizability, replay};

/// 0: put x, 1: put y, 2: get x, after both; 3: a put that failed; 4: a delete of unknown outcome.
fn history() -> History<KvOp, KvRet> {
    let mut history = History::new();
    let ops = [
        (0, 10, 20, KvOp::put("x", "1"), Some(KvRet::done())),
        (1, 10, 20, KvOp::put("y", "1"), Some(KvRet::done())),
        (2, 30, 40, KvOp::get("x"), Some(KvRet::value("1"))),
        (3, 30, 40, KvOp::put("x", "2"), None),
    ];
    for (client, call, returned, op, ret) in ops {
        let id = history.invoke(client, call, op);
        match ret {
            Some(ret) => history.ok(id, returned, ret),
            None => history.fail(id, returned),
        }
        .expect("it was just invoked");
    }
    history.invoke(4, 15, KvOp::delete("x"));
    history
}

fn judged(orders: &[&[u32]]) -> Result<(), CertificateError> {
    let orders = orders.iter().map(|order| order.iter().copied().map(OpId).collect()).collect();
    replay(&Kv::default(), &history(), &Certificate { orders })
}

#[test]
fn a_right_certificate_is_believed() {
    assert_eq!(judged(&[&[0, 2], &[1]]), Ok(()));
    assert_eq!(judged(&[&[0, 1, 2]]), Ok(()), "one order over all keys is as good");
    assert_eq!(judged(&[&[0, 2, 4], &[1]]), Ok(()), "what may have happened may be in an order");
}

#[test]
fn a_wrong_certificate_is_refused_by_what_is_wrong_with_it() {
    use CertificateError::*;
    assert_eq!(judged(&[&[0, 2]]), Err(LeftOut(OpId(1))));
    assert_eq!(judged(&[&[0, 0, 2], &[1]]), Err(OrderedTwice(OpId(0))));
    assert_eq!(judged(&[&[0, 2], &[1], &[1]]), Err(OrderedTwice(OpId(1))));
    assert_eq!(judged(&[&[0, 9]]), Err(NoSuchOperation(OpId(9))));
    assert_eq!(judged(&[&[0, 2, 3], &[1]]), Err(DidNotHappen(OpId(3))));
    assert_eq!(judged(&[&[0], &[2], &[1]]), Err(SharedKey(OpId(2))));
    assert_eq!(judged(&[&[2, 0], &[1]]), Err(Refused(OpId(2))));
    assert_eq!(judged(&[&[0, 4, 2], &[1]]), Err(Refused(OpId(2))));
    assert_eq!(judged(&[&[0, 2, 1]]), Err(RealTime { early: OpId(2), late: OpId(1) }));
}

#[test]
fn the_certificate_of_the_search_covers_every_answered_operation() {
    let found = linearizability(&Kv::default(), &history(), Budget::default());
    let certificate = found.certificate.expect("the history is in order");
    assert_eq!(found.parts, 2);
    let mut ordered: Vec<u32> = certificate.orders.concat().iter().map(|id| id.0).filter(|id| *id < 3).collect();
    ordered.sort_unstable();
    assert_eq!(ordered, [0, 1, 2]);
}
