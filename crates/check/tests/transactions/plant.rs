//! Anomalies on keys of their own, added to a history that has none.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use stormglass_check::model::Bytes;
use stormglass_check::{Access, AnomalyKind as Kind, Isolation, Operation, Outcome, Transactions};

pub struct Plant {
    pub kind: Kind,
    /// What else follows from it.
    pub also: &'static [Kind],
    /// The strongest level that is left.
    pub leaves: Option<Isolation>,
    pub plant: fn(&mut ChaCha8Rng, &mut Transactions),
}

/// Transactions side by side, in any order of call.
fn together(rng: &mut ChaCha8Rng, history: &mut Transactions, mut list: Vec<(Vec<Access>, bool)>) {
    let at = history.end() + 1_000;
    while !list.is_empty() {
        let (told, commits) = list.remove(rng.random_range(0..list.len()));
        let process = 100 + rng.random_range(0..1_000_000u32);
        add(history, process, (at + rng.random_range(0..10u64), at + 10 + rng.random_range(0..10u64)), told, commits);
    }
}

/// One after the other.
fn in_turn(history: &mut Transactions, list: Vec<(u32, Vec<Access>)>) {
    for (process, told) in list {
        let at = history.end() + 1_000;
        add(history, process, (at, at + 10), told, true);
    }
}

fn add(history: &mut Transactions, process: u32, (call, returned): (u64, u64), told: Vec<Access>, commits: bool) {
    let outcome = if commits { Outcome::Ok(told.clone()) } else { Outcome::Fail };
    let operation = Operation { process: process.into(), call, returned: Some(returned), op: told, outcome };
    history.push(operation).expect("it is well-formed");
}

/// While two write a register, one reads the one version and tells by another register, in which the next of `[a, b]`
/// and of `[c, d]` comes in between, who reads the other version: once this way and once the other.
fn both_ways(history: &mut Transactions, [a, b, c, d]: [u32; 4]) {
    let at = history.end() + 1_000;
    let mut add = |process, begin, end, told| add(history, process, (at + begin, at + end), told, true);
    add(75, 0, 90, vec![write("x", 1)]);
    add(76, 0, 90, vec![write("x", 2)]);
    for (process, next, first, then, key, last) in [(a, b, 1, 2, "y", 83), (c, d, 2, 1, "z", 84)] {
        add(process, 10, 20, vec![read("x", Some(first))]);
        add(next, 30, 40, vec![write(key, 1)]);
        add(last, 0, 90, vec![read(key, Some(1)), read("x", Some(then))]);
    }
}

fn append(key: &str, value: u32) -> Access {
    Access::Append { key: key.into(), value: Bytes::from(value.to_string()) }
}

fn list(key: &str, values: &[u32]) -> Access {
    let values = values.iter().map(|value| Bytes::from(value.to_string())).collect();
    Access::List { key: key.into(), values: Some(values) }
}

fn write(key: &str, value: u32) -> Access {
    Access::Write { key: key.into(), value: Bytes::from(value.to_string()) }
}

fn read(key: &str, value: Option<u32>) -> Access {
    Access::Read { key: key.into(), value: Some(value.map(|value| Bytes::from(value.to_string()))) }
}

macro_rules! side_by_side {
    ($($access:expr),* ; $($rest:tt)*) => {
        |rng, history| together(rng, history, side_by_side!(@list [] $($access),* ; $($rest)*))
    };
    (@list [$($done:expr,)*] abort $($access:expr),* ; $($rest:tt)*) => {
        side_by_side!(@list [$($done,)* (vec![$($access),*], false),] $($rest)*)
    };
    (@list [$($done:expr,)*] $($access:expr),* ; $($rest:tt)*) => {
        side_by_side!(@list [$($done,)* (vec![$($access),*], true),] $($rest)*)
    };
    (@list [$($done:expr,)*]) => { vec![$($done),*] };
}

const RU: Option<Isolation> = Some(Isolation::ReadUncommitted);
const RC: Option<Isolation> = Some(Isolation::ReadCommitted);
const SI: Option<Isolation> = Some(Isolation::SnapshotIsolation);
const SER: Option<Isolation> = Some(Isolation::Serializable);
const SESSION: Option<Isolation> = Some(Isolation::StrongSessionSerializable);

const fn plant(
    kind: Kind,
    also: &'static [Kind],
    leaves: Option<Isolation>,
    plant: fn(&mut ChaCha8Rng, &mut Transactions),
) -> Plant {
    Plant { kind, also, leaves, plant }
}

pub const PLANTS: &[Plant] = &[
    plant(Kind::GarbageRead, &[], None, side_by_side! { list("x", &[9]); }),
    plant(Kind::GarbageRead, &[], None, side_by_side! { read("x", Some(9)); }),
    plant(Kind::DuplicateElements, &[], None, side_by_side! { append("x", 1); list("x", &[1, 1]); }),
    plant(
        Kind::IncompatibleOrder,
        &[],
        RU,
        side_by_side! { append("x", 1); append("x", 2); list("x", &[1, 2]); list("x", &[2, 1]); },
    ),
    plant(Kind::FutureRead, &[], RU, side_by_side! { list("x", &[1]), append("x", 1); }),
    plant(Kind::FutureRead, &[], RU, side_by_side! { read("x", Some(1)), write("x", 1); }),
    plant(Kind::Internal, &[], RC, side_by_side! { append("x", 1), list("x", &[]); }),
    plant(Kind::Internal, &[], RC, side_by_side! { write("x", 1), read("x", None); }),
    plant(Kind::G1a, &[], RU, |rng, history| {
        together(rng, history, vec![(vec![append("x", 1)], false), (vec![list("x", &[1])], true)]);
    }),
    plant(Kind::G1a, &[], RU, |rng, history| {
        together(rng, history, vec![(vec![write("x", 1)], false), (vec![read("x", Some(1))], true)]);
    }),
    plant(Kind::DirtyUpdate, &[Kind::G1a], RU, |rng, history| {
        let all = vec![(vec![append("x", 1)], false), (vec![append("x", 2)], true), (vec![list("x", &[1, 2])], true)];
        together(rng, history, all);
    }),
    // Who reads half of a transaction is before and after it.
    plant(
        Kind::G1b,
        &[Kind::G1c, Kind::GSingle],
        RU,
        side_by_side! { append("x", 1), append("x", 2); list("x", &[1]); list("x", &[1, 2]); },
    ),
    plant(Kind::G1b, &[], RU, side_by_side! { write("x", 1), write("x", 2); read("x", Some(1)); }),
    plant(
        Kind::G0,
        &[],
        None,
        side_by_side! { append("x", 1), append("y", 1); append("x", 2), append("y", 2); list("x", &[1, 2]); list("y", &[2, 1]); },
    ),
    plant(Kind::G1c, &[], RU, side_by_side! { append("x", 1), list("y", &[1]); append("y", 1), list("x", &[1]); }),
    plant(Kind::G1c, &[], RU, side_by_side! { write("x", 1), read("y", Some(1)); write("y", 1), read("x", Some(1)); }),
    plant(
        Kind::GSingle,
        &[],
        RC,
        side_by_side! { list("x", &[]), list("y", &[1]); append("x", 1), append("y", 1); list("x", &[1]); },
    ),
    plant(Kind::GSingle, &[], RC, side_by_side! { read("x", None), read("y", Some(1)); write("x", 1), write("y", 1); }),
    plant(
        Kind::LostUpdate,
        &[Kind::GSingle],
        RC,
        side_by_side! { list("x", &[]), append("x", 1); list("x", &[]), append("x", 2); list("x", &[1, 2]); },
    ),
    plant(
        Kind::LostUpdate,
        &[Kind::GSingle, Kind::G2Item],
        RC,
        side_by_side! { read("x", None), write("x", 1); read("x", None), write("x", 2); },
    ),
    plant(
        Kind::GNonadjacent,
        &[],
        RC,
        side_by_side! {
            append("x", 1); append("y", 1); list("x", &[1]), list("y", &[]); list("x", &[]), list("y", &[1]);
            list("x", &[1]), list("y", &[1]);
        },
    ),
    plant(
        Kind::G2Item,
        &[],
        SI,
        side_by_side! { list("x", &[]), append("y", 1); list("y", &[]), append("x", 1); list("x", &[1]); list("y", &[1]); },
    ),
    plant(Kind::G2Item, &[], SI, side_by_side! { read("x", None), write("y", 1); read("y", None), write("x", 1); }),
    plant(Kind::GSingleProcess, &[], SER, |_, history| {
        in_turn(history, vec![(77, vec![append("x", 1)]), (77, vec![list("x", &[])]), (78, vec![list("x", &[1])])]);
    }),
    plant(Kind::GSingleRealtime, &[], SESSION, |_, history| {
        in_turn(history, vec![(77, vec![append("x", 1)]), (78, vec![list("x", &[])]), (79, vec![list("x", &[1])])]);
    }),
    plant(Kind::G0Realtime, &[], SESSION, |_, history| {
        in_turn(history, vec![(77, vec![append("x", 1)]), (78, vec![append("x", 2)]), (79, vec![list("x", &[2, 1])])]);
    }),
    // Of two versions each is older than the other: somebody who read the one is before somebody who read the other.
    plant(
        Kind::NoVersionOrder,
        &[],
        SI,
        side_by_side! {
            write("x", 1); write("x", 2);
            read("x", Some(1)), write("y", 1); read("x", Some(2)), read("y", Some(1));
            read("x", Some(2)), write("z", 1); read("x", Some(1)), read("z", Some(1));
        },
    ),
    plant(Kind::NoVersionOrderProcess, &[], SER, |_, history| both_ways(history, [77, 77, 78, 78])),
    plant(Kind::NoVersionOrderRealtime, &[], SESSION, |_, history| both_ways(history, [77, 78, 79, 80])),
    plant(Kind::G1cRealtime, &[], SESSION, |rng, history| {
        // Somebody read what was appended only later.
        let _ = rng;
        in_turn(history, vec![(77, vec![list("x", &[1])]), (78, vec![append("x", 1)])]);
    }),
];
