//! The check of causal stability on traces made by hand: it must see what it is there to see.

use std::time::Duration;

use stormglass::faults::{Action, Fault, FaultId, NodeName, Plan};
use stormglass::kernel::{Kind, NodeId, Record, VirtualTime};

use super::run::Run;
use super::stability::{Cause, explain};

const FAULT: FaultId = FaultId(1);

fn record(at_ms: u64, node: u16, kind: Kind, a: u64, b: u64) -> Record {
    let at = VirtualTime::ZERO + Duration::from_millis(at_ms);
    Record { at, node: NodeId::from_index(node), kind, a, b }
}

/// From 10 ms to 30 ms what n1 sends to n2 is lost; or n1 is paused.
fn plan(pause: bool) -> Plan {
    let (n1, n2) = (NodeName::from("n1"), NodeName::from("n2"));
    let action =
        if pause { Action::Pause { nodes: vec![n1] } } else { Action::OneWay { from: vec![n1], to: vec![n2] } };
    let fault = Fault::new(action).at(Duration::from_millis(10)).lasting(Duration::from_millis(20));
    let mut plan = Plan::new();
    plan.insert(FAULT, fault).expect("a valid fault");
    plan
}

/// Both runs share `common`; the first carries the fault out.
fn causes(pause: bool, common: &[Record], with: &[Record], without: &[Record]) -> Vec<(usize, Option<Cause>)> {
    let fault = [record(10, 0, Kind::FAULT, 1, 1), record(30, 0, Kind::FAULT, 1, 0)];
    let sorted = |own: &[Record]| {
        let mut all = [common, own].concat();
        all.sort_by_key(|record| record.at);
        Run::new(&all, None, VirtualTime::MAX)
    };
    let found = explain(&plan(pause), FAULT, &sorted(&[&fault, with].concat()), &sorted(without));
    found.into_iter().map(|difference| (difference.node.index(), difference.cause)).collect()
}

pub(crate) fn differences_with_a_cause_are_explained() {
    let sent = |at, from, flow| record(at, from, Kind::PACKET_SENT, flow, 0);
    let came = |at, to, flow| record(at, to, Kind::PACKET_DELIVERED, flow, 0);
    let poll = |at, node, n| record(at, node, Kind::POLL, 0, n);
    // The driver carries the fault out; the lost packet is missed at n2; n3 hears it from n2, and n4 finds something else
    // in a packet that looks the same.
    let common = [sent(9, 1, 12), sent(20, 2, 24), came(22, 4, 24)];
    let with = [poll(10, 0, 1), poll(25, 4, 1)];
    let without = [came(11, 2, 12), sent(12, 2, 23), came(14, 3, 23), poll(26, 4, 1)];
    let n2 = NodeId::from_index(2);
    assert_eq!(
        causes(false, &common, &with, &without),
        [
            (0, Some(Cause::Injection)),
            (2, Some(Cause::Transit)),
            (3, Some(Cause::Delivery(n2))),
            (4, Some(Cause::Content(n2))),
        ]
    );
    // n1 is paused, and wakes n3 through shared memory later than it would have.
    let pauses = [record(10, 1, Kind::PAUSE, 1, 0), record(31, 3, Kind::EDGE, 0, 1)];
    let edge = [record(15, 3, Kind::EDGE, 0, 1)];
    let n1 = NodeId::from_index(1);
    assert_eq!(causes(true, &[], &pauses, &edge), [(1, Some(Cause::LifeCycle)), (3, Some(Cause::Edge(n1)))]);
}

pub(crate) fn a_difference_without_a_cause_is_reported() {
    let sent = |at, from, flow| record(at, from, Kind::PACKET_SENT, flow, 0);
    let came = |at, to, flow| record(at, to, Kind::PACKET_DELIVERED, flow, 0);
    let none =
        |found: Vec<(usize, Option<Cause>)>| assert!(found.iter().any(|(_, cause)| cause.is_none()), "{found:?}");
    // A node that nobody told polls at another time.
    none(causes(false, &[], &[record(12, 3, Kind::POLL, 0, 1)], &[record(13, 3, Kind::POLL, 0, 1)]));
    // A packet on a link that the fault does not cover is late.
    none(causes(false, &[sent(12, 2, 21)], &[came(14, 1, 21)], &[came(13, 1, 21)]));
    // A packet on the fault's link is late, and had arrived before the fault began.
    none(causes(false, &[sent(5, 1, 12)], &[came(7, 2, 12)], &[came(6, 2, 12)]));
    // The driver does something else when nothing was due.
    none(causes(false, &[], &[record(12, 0, Kind::POLL, 0, 1)], &[]));
    // A node is paused that is not the fault's; or the fault's own, at another time than the fault's.
    none(causes(true, &[], &[record(10, 2, Kind::PAUSE, 1, 0)], &[]));
    none(causes(true, &[], &[record(9, 1, Kind::PAUSE, 1, 0)], &[]));
    // A wake by a node that is the same in both runs.
    none(causes(true, &[], &[record(12, 3, Kind::EDGE, 0, 2)], &[]));
    // A packet that looks the same came from a node before that node was different.
    let common = [sent(8, 1, 13), came(9, 3, 13)];
    let (with, without) = ([record(12, 3, Kind::POLL, 0, 1)], [record(13, 3, Kind::POLL, 0, 1)]);
    none(causes(true, &common, &[&[record(10, 1, Kind::PAUSE, 1, 0)], &with[..]].concat(), &without));
}
