//! Small histories of transactions of which it is known what is wrong with them, from the literature on
//! isolation: the examples of Adya (2000) and the cases that Elle is tried on. What must be named is named, and what is in
//! order is not blamed. Elle's own folder of histories is read, too, if `STORMGLASS_ELLE` names it.

use AnomalyKind as Kind;
use std::path::PathBuf;
use stormglass_check::format::{CheckOptions, ModelName, judge_file};
use stormglass_check::model::Bytes;
use stormglass_check::{Access, AnomalyKind, Isolation, Operation, Outcome, Transactions, isolation};

/// `x+1` appends 1 to the list x; `x=12` reads it as [1, 2], and `x=` as empty. `x*1` writes 1 to the register x, `x/1` reads it as 1,
/// and `x/` as never written.
fn accesses(text: &str) -> Vec<Access> {
    let access = |word: &str| {
        let key = Bytes::from(&word[..1]);
        let values: Vec<Bytes> = word[2..].chars().map(|digit| Bytes::from(digit.to_string())).collect();
        match &word[1..2] {
            "+" => Access::Append { key, value: values[0].clone() },
            "*" => Access::Write { key, value: values[0].clone() },
            "/" => Access::Read { key, value: Some(values.first().cloned()) },
            _ => Access::List { key, values: Some(values) },
        }
    };
    text.split_whitespace().map(access).collect()
}

/// A transaction: its process, and what it did. `!` before it says that it aborted, `?` that nobody knows.
type Told = (u32, &'static str);

fn history(told: &[Told], in_turn: bool) -> Transactions {
    let mut history = Transactions::new();
    for (at, (process, text)) in (0u64..).zip(told) {
        let op = accesses(text.trim_start_matches(['!', '?']));
        let outcome = match &text[..1] {
            "!" => Outcome::Fail,
            "?" => Outcome::Indeterminate,
            _ => Outcome::Ok(op.clone()),
        };
        let (call, returned) = if in_turn { (at * 10, at * 10 + 5) } else { (at, 1_000 + at) };
        let operation = Operation { process: (*process).into(), call, returned: Some(returned), op, outcome };
        history.push(operation).expect("a client does one thing at a time");
    }
    history
}

fn found(told: &[Told], in_turn: bool) -> (Vec<Kind>, Option<Isolation>) {
    let found = isolation(&history(told, in_turn));
    let mut kinds: Vec<Kind> = found.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    kinds.dedup();
    (kinds, found.strongest)
}

/// Side by side, each by a process of its own.
fn together(told: &[&'static str]) -> (Vec<Kind>, Option<Isolation>) {
    let told: Vec<Told> = (0..).zip(told.iter().copied()).collect();
    found(&told, false)
}

#[test]
fn histories_in_order_are_not_blamed() {
    let best = Some(Isolation::StrictSerializable);
    // Adya's figure 3.
    assert_eq!(together(&["z+1 x+1 y+1", "x=1 y+2", "y=12 z+3", "z=13"]), (vec![], best));
    assert_eq!(together(&["x=", "x+1"]), (vec![], best), "what was appended alone came after the empty list");
    assert_eq!(together(&["?x+2 y=", "x+1 y+1", "x=12 y=1"]), (vec![], best), "what was told to nobody proves nothing");
    assert_eq!(found(&[(0, "x= x+1 x+2"), (1, "x=12")], true), (vec![], best), "two writes over one read of one's own");
    assert_eq!(together(&["x=5 y+1", "y= z+2", "z= t+3", "t=3 u+4", "u= x+5"]), (vec![], best), "no circle");
}

#[test]
fn what_is_read_of_aborted_and_unfinished_transactions_is_named() {
    assert_eq!(together(&["!x+1", "x=1"]), (vec![Kind::G1a], Some(Isolation::ReadUncommitted)));
    let (kinds, strongest) = found(&[(0, "x+1 x+2"), (1, "x=1")], true);
    assert!(kinds.contains(&Kind::G1b), "{kinds:?}");
    assert_eq!(strongest, Some(Isolation::ReadUncommitted), "{kinds:?}");
    for told in [&["!x+1", "x+2", "x=12"][..], &["!x+1", "?x+2", "x+3", "x=123"]] {
        let (kinds, strongest) = together(told);
        assert!(kinds.contains(&Kind::DirtyUpdate) && kinds.contains(&Kind::G1a), "{kinds:?}");
        assert_eq!(strongest, Some(Isolation::ReadUncommitted));
    }
}

#[test]
fn cycles_are_named_by_their_dependencies() {
    assert_eq!(together(&["x+1 y+1", "x+2 y+2", "x=12 y=21"]).0[..1], [Kind::G0]);
    assert_eq!(together(&["x+1 y=1", "x+2 y+1", "x=12 y=1"]), (vec![Kind::G1c], Some(Isolation::ReadUncommitted)));
    assert_eq!(together(&["x+1 y+1", "x+2 y=", "x=12"]), (vec![Kind::GSingle], Some(Isolation::ReadCommitted)));
    assert_eq!(together(&["x+1 y=", "y+1 x="]), (vec![Kind::G2Item], Some(Isolation::SnapshotIsolation)));
    assert_eq!(together(&["x= y+1", "y= x+1"]), (vec![Kind::G2Item], Some(Isolation::SnapshotIsolation)));
    let apart = together(&["x+1", "x=1 y=", "y+1", "y=1 x="]);
    assert_eq!(apart, (vec![Kind::GNonadjacent], Some(Isolation::ReadCommitted)));
    let (kinds, strongest) = together(&["x+1 y+1", "x+2 y+2", "x+3 y+3", "x=12", "y=2"]);
    assert!(kinds.contains(&Kind::G0), "what the longest read lacks came after it: {kinds:?}");
    assert_eq!(strongest, None);
    let (kinds, strongest) = together(&["x+0", "x=0 x+1", "x=0 x+2"]);
    assert!(kinds.contains(&Kind::LostUpdate), "{kinds:?}");
    assert_eq!(strongest, Some(Isolation::ReadCommitted));
}

#[test]
fn cycles_through_processes_and_real_time_are_told_apart() {
    let stale: [Told; 4] = [(0, "x+1"), (1, "x+2"), (2, "x=1"), (3, "x=12")];
    assert_eq!(found(&stale, true), (vec![Kind::GSingleRealtime], Some(Isolation::StrongSessionSerializable)));
    let own: [Told; 4] = [(0, "x+1"), (1, "x+2"), (1, "x=1"), (2, "x=12")];
    let (kinds, strongest) = found(&own, true);
    assert!(kinds.contains(&Kind::GSingleProcess), "{kinds:?}");
    assert_eq!(strongest, Some(Isolation::Serializable));
    let (kinds, strongest) = found(&[(0, "x= z=1"), (1, "x+1"), (1, "z="), (2, "z+1")], true);
    assert!(kinds.contains(&Kind::GNonadjacentProcess), "{kinds:?}");
    assert_eq!(strongest, Some(Isolation::Serializable), "{kinds:?}");
    let (kinds, strongest) = found(&[(1, "x=1 y+1"), (2, "y=1"), (2, "x+1")], true);
    assert!(kinds.contains(&Kind::G1cProcess), "{kinds:?}");
    assert_eq!(strongest, Some(Isolation::Serializable), "{kinds:?}");
}

/// What no single dependency tells: of two versions of x neither can be the older one.
#[test]
fn a_register_whose_versions_are_in_no_order_is_named_with_its_writers() {
    let told = ["x*1", "x*2", "x/1 y*1", "x/2 y/1", "x/2 z*1", "x/1 z/1"];
    assert_eq!(together(&told), (vec![Kind::NoVersionOrder], Some(Isolation::SnapshotIsolation)));
    assert_eq!(together(&told[..5]), (vec![], Some(Isolation::StrictSerializable)), "1 may be the older one");
    let told: Vec<Told> = (0..).zip(told).collect();
    let found = isolation(&history(&told, false)).anomalies;
    assert_eq!(found[0].cause, "no-version-order: whichever of T0 and T1 wrote \"x\" first, a cycle closes");
    assert_eq!(
        found[0].details,
        [
            "if T0 wrote \"x\" first:",
            "T5 read the version that T1 overwrote (rw)",
            "T1 wrote what T4 read (wr)",
            "T4 wrote what T5 read (wr)",
            "if T1 wrote \"x\" first:",
            "T3 read the version that T0 overwrote (rw)",
            "T0 wrote what T2 read (wr)",
            "T2 wrote what T3 read (wr)",
        ]
    );
    assert_eq!(found[0].transactions, [0, 1, 2, 3, 4, 5]);
    // Two registers, each of which may be either way, but not both.
    let crossed = ["x*1", "x*2", "y*1", "y*2", "x/1 a*1", "y/2 a/1", "y/1 b*1", "x/2 b/1"];
    assert_eq!(together(&crossed).0, vec![]);
    let ring = ["x*1 y*1", "x*2 y*2", "x/1 a*1", "y/2 a/1", "y/2 b*1", "x/1 b/1"];
    assert_eq!(together(&ring).0, vec![Kind::NoVersionOrder]);
}

/// Two registers of two versions each. Two transactions for each way in which their first versions cannot be these two: one
/// read the one version after the other register's second was written, the other the other way round. No version is told by what
/// is known, so orders have to be tried.
#[test]
fn orders_of_versions_are_tried_and_taken_back() {
    let writers = ["x*1 a*1", "x*2 b*1", "y*1 c*1", "y*2 d*1"];
    let ways = [["x/1 d/1", "y/1 b/1"], ["x/1 c/1", "y/2 b/1"], ["x/2 d/1", "y/1 a/1"], ["x/2 c/1", "y/2 a/1"]];
    let without = |left: Option<usize>| {
        let barred = ways.iter().enumerate().filter(|(at, _)| Some(*at) != left).flat_map(|(_, way)| way);
        writers.iter().chain(barred).copied().collect::<Vec<_>>()
    };
    for left in 0..4 {
        assert_eq!(together(&without(Some(left))), (vec![], Some(Isolation::StrictSerializable)), "way {left} is left");
    }
    assert_eq!(together(&without(None)), (vec![Kind::NoVersionOrder], Some(Isolation::SnapshotIsolation)));
}

#[test]
fn reads_that_make_no_sense_are_named() {
    let (kinds, strongest) = together(&["x+1 y=1", "x+2", "x+3 y+1", "x=13", "x=123"]);
    assert!(kinds.contains(&Kind::IncompatibleOrder) && kinds.contains(&Kind::G1c), "{kinds:?}");
    assert_eq!(strongest, Some(Isolation::ReadUncommitted));
    let (kinds, strongest) = together(&["x+1 y=1", "x+2 y+1", "x=121"]);
    assert_eq!((kinds, strongest), (vec![Kind::DuplicateElements], None), "it tells no order of versions");
    let (kinds, _) = together(&["x+1 y=1", "x+2", "y+1 x=121"]);
    assert_eq!(kinds, [Kind::DuplicateElements, Kind::G1c], "but what was written before it");
    let odd = [
        &["x+1", "x+2", "x=12 x+3 x=12"][..],
        &["x+1", "x+2", "x=12 x+3 x=1"],
        &["x+3 x="],
        &["x+3 x=1", "x+1"],
        &["x+1 x+2 x+4", "x+3 x=1234"],
    ];
    for told in odd {
        let (kinds, strongest) = together(told);
        assert!(kinds.contains(&Kind::Internal), "{told:?}: {kinds:?}");
        assert!(strongest <= Some(Isolation::ReadCommitted), "{told:?}: {strongest:?}");
    }
}

/// What comes later in the transaction itself cannot have been seen.
#[test]
fn what_is_read_before_it_is_written_is_named_and_not_read_committed() {
    let early = [
        &["x+0", "x+2", "x=012 x+1"][..],
        &["x+1 x=01 x+0 x+3"],
        &["x=1 x+1"],
        &["x/2 x*1 x*2"],
        &["x/1 x*1"],
        &["x/1 x/1 x*1 x/1"],
    ];
    for told in early {
        let (kinds, strongest) = together(told);
        assert_eq!((kinds[0], strongest), (Kind::FutureRead, Some(Isolation::ReadUncommitted)), "{told:?}: {kinds:?}");
        assert!(!kinds.contains(&Kind::Internal), "{told:?}: {kinds:?}");
    }
    assert_eq!(together(&["x/ x*1 x/1", "y= y+1 y=1"]), (vec![], Some(Isolation::StrictSerializable)));
}

#[test]
fn anomalies_have_the_same_names_in_files_as_in_words() {
    let found = isolation(&history(&[(0, "x= y+1"), (1, "y= x+1")], false));
    let told = serde_json::to_value(&found.anomalies).expect("it can be written");
    assert_eq!(told[0]["kind"], "G2-item");
    for (kind, name) in
        [(Kind::G1a, "G1a"), (Kind::GSingleRealtime, "G-single-realtime"), (Kind::FutureRead, "future-read")]
    {
        assert_eq!((serde_json::to_value(kind).expect("it is a name"), kind.to_string().as_str()), (name.into(), name));
    }
}

#[test]
fn the_histories_that_come_with_elle_are_not_in_order() {
    let Some(folder) = std::env::var_os("STORMGLASS_ELLE").map(PathBuf::from) else {
        return eprintln!(
            "SKIPPED: Elle's histories were not looked at, because STORMGLASS_ELLE does not name their folder"
        );
    };
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "edn") {
            continue;
        }
        let lists = std::fs::read_to_string(&path).expect("it is text").contains(":append");
        let model = if lists { ModelName::ListAppend } else { ModelName::RwRegister };
        let judged = judge_file(&path, model, CheckOptions::default()).expect("it is a history");
        eprintln!("{}: {}", path.display(), judged.verdict);
        assert!(!judged.verdict.is_pass(), "{}", path.display());
        read += 1;
    }
    assert!(read > 0, "{} holds no histories", folder.display());
}

/// A transaction: its process, when it began and was over, and what it did.
type Timed = (u32, u64, u64, &'static str);

/// The strongest level of these, and of the same among 1,100 transactions that have nothing to do with them, of which no
/// order of all versions is looked for any more.
fn strongest_in_company(told: &[Timed]) -> Option<Isolation> {
    let told = told.iter().map(|(process, call, returned, text)| (*process, *call, *returned, accesses(text)));
    let mut told: Vec<(u32, u64, u64, Vec<Access>)> = told.collect();
    let strongest = |told: &[(u32, u64, u64, Vec<Access>)]| {
        let mut history = Transactions::new();
        for (process, call, returned, op) in told.iter().cloned() {
            let outcome = Outcome::Ok(op.clone());
            let operation = Operation { process: process.into(), call, returned: Some(returned), op, outcome };
            history.push(operation).expect("a client does one thing at a time");
        }
        isolation(&history).strongest
    };
    let alone = strongest(&told);
    for number in 0..1_100u32 {
        let (key, value) = (Bytes::from(format!("far {number}")), Bytes::from("1"));
        let at = u64::from(number) * 10;
        told.push((1_000 + number, at, at + 5, vec![Access::Write { key, value }]));
    }
    assert_eq!(strongest(&told), alone, "{:?}", &told[..told.len() - 1_100]);
    alone
}

/// Of two versions that were written side by side the one that was seen first is older, in a history of any length.
#[test]
fn versions_are_in_the_order_in_which_they_were_seen() {
    let session = Some(Isolation::StrongSessionSerializable);
    let serializable = Some(Isolation::Serializable);
    let flip = [(0, 0, 5, "x*1"), (1, 1, 6, "x*2"), (2, 10, 11, "x/2"), (3, 12, 13, "x/1")];
    assert_eq!(strongest_in_company(&flip), session);
    let open = [(0, 0, 90, "x*1"), (1, 1, 90, "x*2"), (2, 10, 11, "x/2"), (3, 12, 13, "x/1"), (4, 14, 15, "x/2")];
    assert_eq!(strongest_in_company(&open), session);
    let once = [(0, 0, 90, "x*1"), (1, 1, 90, "x*2"), (2, 10, 11, "x/2"), (3, 12, 13, "x/1")];
    assert_eq!(strongest_in_company(&once), Some(Isolation::StrictSerializable), "2 came first");
    let flips = [(0, 0, 90, "x*1"), (1, 1, 90, "x*2"), (2, 10, 11, "x/2"), (2, 12, 13, "x/1"), (2, 14, 15, "x/2")];
    assert_eq!(strongest_in_company(&flips), serializable);
    // Elle's G0 of registers, one after the other, and the writers side by side.
    let g0 = [(0, 0, 5, "x*1 y*2"), (1, 10, 15, "x*2 y*1"), (0, 20, 25, "x/2"), (1, 30, 35, "y/2")];
    assert_eq!(strongest_in_company(&g0), serializable);
    let beside = [(0, 0, 5, "x*1 y*2"), (1, 1, 6, "x*2 y*1"), (2, 10, 15, "x/2"), (3, 20, 25, "y/2")];
    assert_eq!(strongest_in_company(&beside), session);
}

/// Elle's cases with `sequential-keys?` and `linearizable-keys?`: registers whose order of versions only time tells.
#[test]
fn versions_are_in_order_of_the_time_that_a_level_promises() {
    let of_process = found(&[(0, "x*1"), (0, "x*2"), (0, "x/1")], true);
    assert_eq!(of_process, (vec![Kind::GSingleProcess], Some(Isolation::Serializable)));
    let of_everybody = found(&[(0, "x*1"), (1, "x*2"), (2, "x/1")], true);
    assert_eq!(of_everybody, (vec![Kind::GSingleRealtime], Some(Isolation::StrongSessionSerializable)));
    assert_eq!(together(&["x*1", "x*2", "x/1"]), (vec![], Some(Isolation::StrictSerializable)));
    // Each of two writers is the last one of one register.
    let crossed = found(&[(0, "x*1 y*2"), (1, "x*2 y*1"), (2, "x/2"), (3, "y/2")], true);
    assert_eq!(crossed.1, Some(Isolation::StrongSessionSerializable), "{:?}", crossed.0);
    // The older version is seen between two writes of others, and again after them.
    let late = found(&[(0, "x*1"), (1, "x/1"), (2, "x*2"), (1, "x/1")], true);
    assert_eq!(late, (vec![Kind::GSingleRealtime], Some(Isolation::StrongSessionSerializable)));
    let in_order = found(&[(0, "x/"), (0, "x*1"), (1, "x/1 x*2"), (2, "x/2"), (0, "x*3"), (1, "x/3")], true);
    assert_eq!(in_order, (vec![], Some(Isolation::StrictSerializable)));
}
