//! The text form: what is printed parses back to the same value, and what cannot be read says where and why.

use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use stormglass_faults::{
    Action, Direction, Fault, FaultId, LinkFault, Links, NameFault, NodeName, Plan, PlanError, Probability, Protocol,
    TextError, Trigger,
};

fn names(count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<NodeName>> {
    // A name that begins with @ stands for the nodes of a trigger.
    let name = prop_oneof![4 => "[a-z0-9_./-]{1,6}", 1 => "\\PC{0,6}", 1 => any::<String>()]
        .prop_filter("a node's name", |name| !name.starts_with('@'));
    btree_set(name, count).prop_map(|names| names.into_iter().map(NodeName::from).collect())
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1..100_000u64).prop_map(Duration::from_millis),
        (1..u64::MAX / 4).prop_map(Duration::from_nanos),
        (1..1_000u64).prop_map(Duration::from_nanos),
    ]
}

/// Splits distinct names into two groups and a single one.
fn split(names: &[NodeName]) -> (NodeName, Vec<NodeName>, Vec<NodeName>) {
    let half = names.len().div_ceil(2);
    (names[0].clone(), names[1..half].to_vec(), names[half..].to_vec())
}

fn action() -> impl Strategy<Value = Action> {
    let numbers = (1..=1_000_000u32, any::<u16>(), 2..=u32::MAX, any::<[bool; 2]>());
    (0..30u8, names(4..=8), duration(), duration(), numbers).prop_map(|(kind, nodes, extra, jitter, numbers)| {
        let (ppm, port, factor, [one, two]) = numbers;
        let probability = Probability::from_ppm(ppm).expect("in range");
        let (node, left, right) = split(&nodes);
        let links = Links { from: left.clone(), to: if one { right.clone() } else { nodes.clone() }, both_ways: two };
        match kind {
            0 => Action::PartitionHalves { left, right },
            1 => Action::IsolateOne { node, others: right },
            2 => Action::MajorityRing { ring: nodes },
            3 => Action::Bridge { node, left, right },
            4 => Action::OneWay { from: left, to: right },
            5 => Action::Flap { left, right, cut: extra.max(jitter), healed: jitter },
            6 => Action::LatencySpike { links, extra, jitter },
            7 => Action::Loss { links, probability },
            8 => Action::PortBlock {
                node,
                port,
                protocol: if one { Protocol::Tcp } else { Protocol::Udp },
                direction: if two { Direction::In } else { Direction::Out },
            },
            9 => Action::Crash { nodes },
            10 => Action::PowerLoss { nodes },
            11 => Action::Restart { nodes },
            12 => Action::GracefulStop { nodes },
            13 => Action::Pause { nodes },
            14 => Action::Slow { nodes, factor },
            15 => Action::Impair { links, fault: LinkFault::Duplication(probability) },
            16 => Action::Impair { links, fault: LinkFault::Corruption(probability) },
            17 => Action::Impair { links, fault: LinkFault::Reordering { probability, by: extra } },
            18 => Action::Impair { links, fault: LinkFault::Bandwidth { rate: factor.into(), queue: port.into() } },
            19 => Action::Names { nodes, fault: NameFault::Silent },
            20 => Action::Names { nodes, fault: NameFault::Unknown },
            21 => {
                let (name, answer) = (node, right[0].clone());
                Action::Names { nodes, fault: NameFault::Stale { name, answer } }
            }
            22 => Action::Starve { nodes, period: extra + jitter, runs: jitter },
            23 => Action::NoDescriptors { nodes, left: ppm },
            28 => Action::Suspend { nodes },
            26 => Action::NoMemory { nodes, left: Some(ppm.into()), refuses: None },
            27 => Action::NoMemory { nodes, left: (ppm % 2 == 0).then_some(7), refuses: Some(1 + u64::from(ppm)) },
            24 => Action::Upgrade { nodes, to: factor },
            25 => Action::DiskReplaced { nodes },
            _ => Action::DiskSwap { nodes: nodes[..2].to_vec() },
        }
    })
}

fn trigger() -> impl Strategy<Value = Trigger> {
    ("[A-Za-z0-9_./-]{1,8}", 1..5u64, option::of("[a-z0-9_./-]{1,6}")).prop_map(|(event, nth, node)| {
        let trigger = Trigger::on(event).nth(nth);
        node.map_or(trigger.clone(), |node| trigger.at(node))
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    let label = option::of(any::<String>());
    (action(), option::of(trigger()), duration(), option::of(duration()), label, any::<bool>()).prop_map(
        |(action, trigger, start, lasting, label, must_hit)| {
            let cycle = match &action {
                Action::Flap { cut, healed, .. } => Some(*cut + *healed),
                Action::Starve { period, .. } => Some(*period),
                _ => None,
            };
            let mut fault = Fault::new(action).at(start);
            if let Some(trigger) = trigger {
                fault = fault.when(trigger);
            }
            // What comes and goes needs an end, and not too many cycles before it.
            if let Some(lasting) = cycle.map(|cycle| cycle * 3).or(lasting) {
                fault = fault.lasting(lasting);
            }
            if let Some(label) = label {
                fault = fault.labelled(label);
            }
            if must_hit { fault.must_hit() } else { fault }
        },
    )
}

proptest! {
    #[test]
    fn a_plan_prints_and_parses_back_to_itself(faults in vec((0..FaultId::REACTIVE.0, fault()), 0..12)) {
        let mut plan = Plan::new();
        for (id, fault) in faults {
            match plan.insert(FaultId(id), fault) {
                Ok(_) | Err(PlanError::Taken { .. }) => {}
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }
        let text = plan.to_string();
        prop_assert_eq!(text.lines().count(), plan.len());
        prop_assert_eq!(text.parse::<Plan>(), Ok(plan.clone()));
        let json = serde_json::to_string(&plan).expect("writes");
        prop_assert_eq!(serde_json::from_str::<Plan>(&json).expect("reads"), plan);
    }

    #[test]
    fn a_fault_prints_and_parses_back_to_itself(fault in fault()) {
        prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-f0-9 .s+a-z,|<>=\"#\\\\u{}%/\n]{0,80}", noise in any::<String>()) {
        let _ = text.parse::<Plan>();
        let _ = noise.parse::<Plan>();
        let mut plan = "f0 1s +2s flap n1 | n2 cut=1s healed=1s label=\"x\"".to_owned();
        let at = text.len() % plan.len();
        plan.insert_str(at, &text);
        let _ = plan.parse::<Plan>();
    }
}

/// Every kind of fault, as documented.
const ALL: &str = r#"f0 12.400s +3.2s partition-halves n1,n2 | n3,n4,n5
f1 13.000s +calm isolate-one n1 | n2,n3 must-hit label="the old leader"
f2 13.000s +1s majority-ring n1,n2,n3,n4,n5
f3 13.000s +1s bridge n3 | n1,n2 | n4,n5
f4 13.000s +1s one-way n1 > n2,n3
f5 13.000s +2s flap n1 | n2,n3 cut=200ms healed=300ms
f6 13.000s +1s latency-spike n1,n2,n3 <> n1,n2,n3 extra=100ms jitter=12.5us
f7 13.000s +1s loss n1 > n2 probability=5%
f8 13.000s +1s port-block n1 tcp/2380 in
f9 13.000s +1s crash n1,n2
f10 13.000317s +1s power-loss "node one","a,b","quote\"d"
f11 13.000s +10ms restart n1
f12 13.000s +1s graceful-stop n1
f13 13.000s +1s pause n1
f40 13.000s +1s slow n1 factor=10
f41 13.000s +1s duplication n1 <> n2 probability=20%
f42 13.000s +1s corruption n1 > n2,n3 probability=1%
f43 13.000s +1s reordering n1 <> n2 probability=10% by=5ms
f44 13.000s +1s bandwidth n1 > n2 rate=100000 queue=65536
f45 13.000s +1s dns-silent n1
f46 13.000s +1s dns-unknown n1,n2
f47 13.000s +1s dns-stale n1 name=n2 answer="node one"
f48 13.000s +1s starve n1 period=100ms runs=10ms
f49 13.000s +1s no-descriptors n1 left=0
f50 13.000s +1s upgrade n1 to=2
f51 13.000s +1s disk-replaced n1
f52 13.000s +1s disk-swap n1,n2
f53 13.000s +1s no-memory n1 left=65536
f54 13.000s +1s no-memory n1,n2 refuses=1048576
f55 13.000s +1s no-memory n1 left=0 refuses=1
f56 13.000s +1s suspend n1
f57 on:BecameLeader +2s isolate-one @it | @others
f58 on:BecameLeader:2@n1+10ms +calm one-way @it > @others,n9 label="again"
f59 on:fsync:12 +1s power-loss @it,@other2
"#;

#[test]
fn every_kind_reads_as_documented_and_prints_as_read() {
    let plan: Plan = ALL.parse().expect("a plan");
    assert_eq!(plan.to_string(), ALL);
    assert_eq!(plan.census().len(), 29);
}

#[test]
fn comments_blank_lines_and_missing_ids_are_fine() {
    let text = "# my plan\n\n  1s +1s crash n1 # the first\nf7 2s +calm pause n2\n3m +0.5h crash \"a # b\"\n";
    let plan: Plan = text.parse().expect("a plan");
    let ids: Vec<u32> = plan.iter().map(|planned| planned.id.0).collect();
    assert_eq!(ids, [0, 7, 8]);
    assert_eq!(plan.get(FaultId(8)).map(Fault::start), Some(Duration::from_secs(180)));
}

#[test]
fn a_syntax_error_tells_line_column_and_what_was_expected() {
    for (text, message) in [
        ("\n1s 2s crash n1", "line 2, column 4: expected a duration such as `+3.2s`, or `+calm`, found `2s`"),
        (
            "1x +2s crash n1",
            "line 1, column 1: expected a start such as `12.400s`, or `on:BecameLeader+10ms`, found `1x`",
        ),
        ("1s +0s crash n1", "line 1, column 4: expected a duration such as `+3.2s`, or `+calm`, found `+0s`"),
        (
            "fx 1s +1s crash n1",
            "line 1, column 1: expected an id such as `f7`, or a start such as `12.400s`, found `fx`",
        ),
        (
            "1s +1s crash",
            "line 1, column 13: expected a node's name, in quotes if it has signs, found the end of the line",
        ),
        (
            "1s +1s crash n1,",
            "line 1, column 17: expected a node's name, in quotes if it has signs, found the end of the line",
        ),
        ("1s +1s partition-halves n1,n2 n3", "line 1, column 31: expected `|`, found `n3`"),
        ("1s +1s loss n1 | n2", "line 1, column 16: expected `<>` (both ways) or `>` (one way), found `|`"),
        (
            "1s +1s loss n1 > n2",
            "line 1, column 20: expected probability= with a probability such as `5%`, found the end of the line",
        ),
        (
            "1s +1s loss n1 > n2 probability=2",
            "line 1, column 21: expected probability= with a probability such as `5%`, found `probability=2`",
        ),
        (
            "1s +1s crash n1 wat",
            "line 1, column 17: expected an option of `crash`, must-hit or label=\"…\", found `wat`",
        ),
        ("1s +1s crash n1 must-hit must-hit", "line 1, column 26: expected each option once, found `must-hit` again"),
        ("1s +1s crash n1 label=x", "line 1, column 17: expected label=\"…\", in quotes, found `label`"),
        ("1s +1s port-block n1 icmp/1 in", "line 1, column 22: expected a port such as `tcp/2380`, found `icmp/1`"),
        (
            "1s +1s crash \"n1",
            "line 1, column 14: expected a closing quote on the same line, found the end of the line",
        ),
    ] {
        let error = text.parse::<Plan>().expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
    let error = "1s +1s crush n1".parse::<Plan>().expect_err("no such kind");
    assert_eq!((error.line(), error.column()), (1, 8));
    assert!(error.to_string().contains("expected a kind of fault: partition-halves, isolate-one"), "{error}");
}

#[test]
fn a_fault_that_makes_no_sense_is_refused_where_it_stands() {
    for (text, message) in [
        ("1s +1s partition-halves n1 | n1", "line 1, column 8: `partition-halves` names node `n1` twice"),
        (
            "1s +1s majority-ring a,b,c",
            "line 1, column 8: a majority ring needs at least 4 nodes and has 3: on a smaller one, all nodes are neighbours",
        ),
        (
            "1s +1s loss n1 > n2 probability=0%",
            "line 1, column 8: `loss` with probability 0% does nothing: it must be more than 0%",
        ),
        ("1s +1s slow n1 factor=1", "line 1, column 8: `slow` with factor 1 does nothing: it must be at least 2"),
        (
            "1s +1s loss n1 <> n1 probability=5%",
            "line 1, column 8: `loss` is on no link: its only node is on both sides",
        ),
        (
            "1s +calm flap a | b cut=1s healed=1s",
            "line 1, column 10: `flap` needs a duration: until calm it would have no last cycle",
        ),
        (
            "1s +1h flap a | b cut=1us healed=1us",
            "line 1, column 8: `flap` would come and go 1800000000 times; at most 10000 do",
        ),
        (
            "f1 1s +1s crash a\nf1 1s +1s crash b",
            "line 2, column 1: there already is a fault f1 in this plan: give one of them another id, or none",
        ),
        (
            "f16777216 1s +1s crash a",
            "line 1, column 1: id f16777216 is out of range: the ids of a plan are below f16777216",
        ),
    ] {
        assert_eq!(text.parse::<Plan>().expect_err(text).to_string(), message);
    }
}

#[test]
fn a_single_fault_has_no_id_and_stands_alone() {
    assert!("1s +1s crash n1".parse::<Fault>().is_ok());
    for text in ["", "# nothing", "f0 1s +1s crash n1", "1s +1s crash n1\n1s +1s crash n2"] {
        assert!(matches!(text.parse::<Fault>(), Err(TextError::Syntax { .. })), "{text}");
    }
}

#[test]
fn a_trigger_that_cannot_be_is_told() {
    for (text, message) in [
        ("on:X:0 +1s crash n1", "line 1, column 12: `on:X:0` is no trigger: events are counted from 1"),
        ("1s +1s crash @it", "line 1, column 8: `@it` is the node of a trigger, and this fault begins by the clock"),
        ("on:X +1s crash @leader", "line 1, column 10: there is no `@leader`: a trigger knows `@it`"),
        ("on: +1s crash n1", "line 1, column 1: expected a start such as `12.400s`, or `on:BecameLeader+10ms`"),
        ("on:X:+1 +1s crash n1", "line 1, column 1: expected a start such as"),
        ("on:X@ +1s crash n1", "line 1, column 1: expected a start such as"),
        ("1s +1s starve n1 period=10ms runs=10ms", "line 1, column 8: `starve` with runs 10ms does nothing"),
        ("1s +calm starve n1 period=10ms runs=1ms", "line 1, column 10: `starve` needs a duration"),
        ("1s +1s disk-swap n1,n2,n3", "line 1, column 8: `disk-swap` needs two nodes, and has 3"),
        ("1s +1s dns-stale n1 name=n2 answer=n2", "line 1, column 8: `dns-stale` with answer n2 does nothing"),
        ("1s +1s bandwidth n1 > n2 rate=0 queue=1", "line 1, column 8: `bandwidth` with rate 0 does nothing"),
        ("1s +1s corruption n1 > n2 probability=0%", "line 1, column 8: `corruption` with probability 0% does nothing"),
    ] {
        let error = text.parse::<Plan>().expect_err(text).to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
}
