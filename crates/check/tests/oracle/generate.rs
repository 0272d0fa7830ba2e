//! Random histories: operations really run against a map, at an instant between call and return, so that the history
//! is linearizable by construction; then, perhaps, something is changed so that it may not be.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use super::oracle::{Map, answer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stormglass_check::model::{Bytes, Compare, Expect, KvOp, KvRet};
use stormglass_check::{History, Operation, Outcome};

/// What kind of history.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub operations: usize,
    pub clients: u32,
    pub keys: u32,
    /// Values to choose from; 0 makes every written value another.
    pub values: u32,
    /// Of 100 operations, how many have an unknown outcome.
    pub unknown: u32,
    /// The length of an operation in instants, at most. 0 makes all of them touch.
    pub length: u64,
    pub features: Features,
}

/// Which operations occur besides get and put.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    pub cas: bool,
    pub delete: bool,
    pub append: bool,
    pub txn: bool,
    /// What would be put is appended, two times of three.
    pub mostly_append: bool,
}

/// A small one of any kind.
pub fn any_shape(rng: &mut ChaCha8Rng) -> Shape {
    Shape {
        operations: rng.random_range(1..9),
        clients: rng.random_range(1..6),
        keys: rng.random_range(1..3),
        values: rng.random_range(0..4),
        unknown: [0, 20, 50][rng.random_range(0..3usize)],
        length: [0, 1, 2, 4, 10][rng.random_range(0..5usize)],
        features: Features {
            cas: rng.random_ratio(1, 2),
            delete: rng.random_ratio(1, 3),
            append: rng.random_ratio(1, 4),
            txn: rng.random_ratio(1, 6),
            mostly_append: false,
        },
    }
}

pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// As many values as this: each is written once, but some are made of others.
pub const NESTED: u32 = 10;

fn value(rng: &mut ChaCha8Rng, shape: &Shape, unique: &mut u32) -> Bytes {
    *unique += 1;
    if shape.values == NESTED {
        let all = ["1", "11", "2", "12", "21", "3", "112", "13", "31", "123", ""];
        return Bytes::from(all[*unique as usize % all.len()]);
    }
    if shape.values == 0 { Bytes::from(unique.to_string()) } else { any_value(rng, shape, *unique) }
}

/// A value that may be expected: of unique ones, any that was drawn so far.
fn any_value(rng: &mut ChaCha8Rng, shape: &Shape, drawn: u32) -> Bytes {
    let bound = if shape.values == 0 { drawn + 1 } else { shape.values };
    Bytes::from(rng.random_range(0..bound).to_string())
}

fn operation(rng: &mut ChaCha8Rng, shape: &Shape, unique: &mut u32, nested: bool) -> KvOp {
    let key = Bytes::from(format!("k{}", rng.random_range(0..shape.keys)));
    let Features { cas, delete, append, txn, mostly_append } = shape.features;
    match rng.random_range(0..12) {
        0..=3 => KvOp::Get { key },
        // A compare-and-swap within a transaction is possible but odd: only where everything is tried.
        4 | 5 if cas && (append || !nested) => {
            let expect =
                if rng.random_ratio(1, 4) { Expect::Absent } else { Expect::Value(any_value(rng, shape, *unique)) };
            KvOp::Cas { key, expect, value: value(rng, shape, unique) }
        }
        6 if delete => KvOp::Delete { key },
        7 if append => KvOp::Append { key, value: value(rng, shape, unique) },
        8 if txn && !nested => {
            let compare = (0..rng.random_range(0..2u32))
                .map(|_| Compare { key: key.clone(), value: Some(any_value(rng, shape, *unique)) })
                .collect();
            let mut some = || {
                let count = rng.random_range(0..3u32);
                (0..count).map(|_| operation(rng, shape, unique, true)).collect()
            };
            KvOp::Txn { compare, success: some(), failure: some() }
        }
        _ if mostly_append && rng.random_ratio(2, 3) => KvOp::Append { key, value: value(rng, shape, unique) },
        _ => KvOp::Put { key, value: value(rng, shape, unique) },
    }
}

/// A history that is linearizable, because it was run.
pub fn valid(rng: &mut ChaCha8Rng, shape: &Shape) -> History<KvOp, KvRet> {
    let mut unique = 0;
    let mut free_at = vec![0u64; shape.clients as usize];
    let mut planned = Vec::new();
    for _ in 0..shape.operations {
        let client = rng.random_range(0..shape.clients) as usize;
        let call = free_at[client] + rng.random_range(0..=shape.length / 2);
        let effect = call + rng.random_range(0..=shape.length);
        let returned = effect + rng.random_range(0..=shape.length);
        free_at[client] = returned;
        planned.push((effect, call, returned, client, operation(rng, shape, &mut unique, false)));
    }
    planned.sort_by_key(|(effect, call, ..)| (*effect, *call));
    let mut map = Map::new();
    let mut operations = Vec::new();
    for (_, call, returned, client, op) in planned {
        let unknown = rng.random_ratio(shape.unknown, 100);
        let failed = !unknown && rng.random_ratio(1, 30);
        let happens = !failed && (!unknown || rng.random_ratio(1, 2));
        let ret = if happens { Some(answer(&mut map, &op)) } else { None };
        let outcome = match ret {
            _ if unknown => Outcome::Indeterminate,
            None => Outcome::Fail,
            Some(KvRet::Deleted { .. }) if rng.random_ratio(1, 2) => Outcome::Ok(KvRet::deleted()),
            Some(KvRet::Txn { succeeded, .. }) if rng.random_ratio(1, 3) => {
                Outcome::Ok(KvRet::Txn { succeeded, results: Vec::new(), revision: None })
            }
            Some(ret) => Outcome::Ok(ret),
        };
        let returned = if unknown && rng.random_ratio(1, 2) { None } else { Some(returned) };
        let process = u32::try_from(client).expect("there are few clients").into();
        operations.push(Operation { process, call, returned, op, outcome });
    }
    // Recorded as a client library would: in the order of the calls.
    operations.sort_by_key(|operation| operation.call);
    let mut history = History::new();
    for operation in operations {
        history.push(operation).expect("a history that was run is well-formed");
    }
    history
}

/// Changes something that may break the history: an answer, a time, or an outcome.
pub fn mutated(rng: &mut ChaCha8Rng, shape: &Shape, history: &History<KvOp, KvRet>) -> History<KvOp, KvRet> {
    let mut operations = history.operations().to_vec();
    for _ in 0..rng.random_range(1..3u32) {
        let index = rng.random_range(0..operations.len());
        let drawn = u32::try_from(operations.len()).expect("histories are small");
        let other = any_value(rng, shape, drawn);
        let operation = &mut operations[index];
        match &mut operation.outcome {
            Outcome::Ok(KvRet::Value { value, .. }) => *value = if rng.random_ratio(1, 4) { None } else { Some(other) },
            Outcome::Ok(KvRet::Cas { swapped, .. }) => *swapped = !*swapped,
            Outcome::Ok(KvRet::Deleted { existed, .. }) => *existed = existed.map(|existed| !existed),
            Outcome::Ok(KvRet::Txn { succeeded, results, .. }) if results.is_empty() => *succeeded = !*succeeded,
            outcome @ Outcome::Ok(_) if rng.random_ratio(1, 2) => *outcome = Outcome::Fail,
            Outcome::Ok(_) => operation.returned = Some(operation.call),
            Outcome::Fail => {}
            Outcome::Indeterminate => operation.call += rng.random_range(0..=shape.length),
        }
        if let Some(returned) = operation.returned {
            operation.returned = Some(returned.max(operation.call));
        }
    }
    let mut history = History::new();
    for operation in operations {
        history.push(operation).expect("a change keeps a history well-formed");
    }
    history
}
