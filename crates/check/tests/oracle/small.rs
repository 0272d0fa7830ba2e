//! Random small histories of any object: run against it, then perhaps changed in an answer, a time or an outcome.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use stormglass_check::model::Bytes;
use stormglass_check::{History, Operation, Outcome};

/// An object as plain as can be.
pub struct Plain<O, R, S> {
    pub start: S,
    pub draw: fn(&mut ChaCha8Rng, u32) -> O,
    pub run: fn(&mut S, &O) -> R,
    /// Whether `run` can have answered so.
    pub admits: fn(&mut S, &O, Option<&R>) -> bool,
    /// Another answer.
    pub lie: fn(&mut ChaCha8Rng, &O, &R) -> R,
}

/// A number as a value.
pub fn text(number: u32) -> Bytes {
    Bytes::from(number.to_string())
}

/// A history that was run.
pub fn valid<O: Clone, R: Clone, S: Clone>(rng: &mut ChaCha8Rng, plain: &Plain<O, R, S>) -> History<O, R> {
    let length = [0, 1, 2, 4, 10][rng.random_range(0..5usize)];
    let unknown = [0, 15, 40][rng.random_range(0..3usize)];
    let clients = rng.random_range(1..5u32);
    let mut free_at = vec![0u64; clients as usize];
    let mut planned = Vec::new();
    for number in 0..rng.random_range(1..9u32) {
        let client = rng.random_range(0..clients);
        let call = free_at[client as usize] + rng.random_range(0..=length / 2);
        let effect = call + rng.random_range(0..=length);
        let returned = effect + rng.random_range(0..=length);
        free_at[client as usize] = returned;
        planned.push((effect, call, returned, client, (plain.draw)(rng, number)));
    }
    planned.sort_by_key(|(effect, call, ..)| (*effect, *call));
    let mut state = plain.start.clone();
    let mut operations = Vec::new();
    for (_, call, returned, client, op) in planned {
        let unknown = rng.random_ratio(unknown, 100);
        let outcome = if unknown {
            if rng.random_ratio(1, 2) {
                (plain.run)(&mut state, &op);
            }
            Outcome::Indeterminate
        } else {
            Outcome::Ok((plain.run)(&mut state, &op))
        };
        operations.push(Operation { process: client.into(), call, returned: Some(returned), op, outcome });
    }
    operations.sort_by_key(|operation| operation.call);
    history(operations)
}

/// The same with something changed.
pub fn changed<O: Clone, R: Clone, S>(
    rng: &mut ChaCha8Rng,
    plain: &Plain<O, R, S>,
    history_of: &History<O, R>,
) -> History<O, R> {
    let mut operations = history_of.operations().to_vec();
    for _ in 0..rng.random_range(1..3u32) {
        let index = rng.random_range(0..operations.len());
        let operation = &mut operations[index];
        match rng.random_range(0..6u32) {
            0 => operation.outcome = Outcome::Indeterminate,
            1 => operation.returned = Some(operation.call),
            _ => {
                if let Outcome::Ok(ret) = &operation.outcome {
                    operation.outcome = Outcome::Ok((plain.lie)(rng, &operation.op, ret));
                }
            }
        }
    }
    history(operations)
}

fn history<O, R>(operations: Vec<Operation<O, R>>) -> History<O, R> {
    let mut history = History::new();
    for operation in operations {
        history.push(operation).expect("the history is well-formed");
    }
    history
}
