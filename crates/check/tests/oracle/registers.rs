//! Random histories of a register, answers guessed rather than run.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use stormglass_check::model::{Bytes, RegisterOp, RegisterRet};
use stormglass_check::{History, Operation, Outcome};

/// Anything at all: nearly everything is concurrent and half of it unknown.
pub fn guessed(rng: &mut ChaCha8Rng) -> History<RegisterOp, RegisterRet> {
    let mut history = History::new();
    let (values, spread) = (rng.random_range(1..5u32), rng.random_range(1..12u64));
    let cell = |rng: &mut ChaCha8Rng| {
        let drawn = rng.random_range(0..=values);
        if drawn == 0 { None } else { Some(Bytes::from(drawn.to_string())) }
    };
    for process in 0..rng.random_range(2..9u32) {
        let call = rng.random_range(0..spread);
        let (op, ret) = match rng.random_range(0..3u32) {
            0 => (RegisterOp::Read, RegisterRet::Value(cell(rng))),
            1 => (RegisterOp::Write(cell(rng)), RegisterRet::Written),
            _ => (RegisterOp::Cas { from: cell(rng), to: cell(rng) }, RegisterRet::Swapped(rng.random_ratio(1, 2))),
        };
        let outcome = match rng.random_range(0..10u32) {
            0..=3 => Outcome::Indeterminate,
            4 => Outcome::Fail,
            _ => Outcome::Ok(ret),
        };
        let returned = Some(call + rng.random_range(0..spread));
        let operation = Operation { process: process.into(), call, returned, op, outcome };
        history.push(operation).expect("the history is well-formed");
    }
    history
}

/// Writes of values that are all different, and reads of any of them or of nothing.
pub fn unique(rng: &mut ChaCha8Rng) -> History<RegisterOp, RegisterRet> {
    let mut history = History::new();
    let spread = rng.random_range(1..16u64);
    let count = rng.random_range(2..9u32);
    let writes = rng.random_range(1..=count.min(4));
    for process in 0..count {
        let call = rng.random_range(0..spread);
        let (op, ret) = if process < writes {
            (RegisterOp::Write(Some(Bytes::from(process.to_string()))), RegisterRet::Written)
        } else {
            let value = rng.random_range(0..=writes);
            let value = (value < writes).then(|| Bytes::from(value.to_string()));
            (RegisterOp::Read, RegisterRet::Value(value))
        };
        let outcome = if rng.random_ratio(1, 6) { Outcome::Indeterminate } else { Outcome::Ok(ret) };
        let returned = Some(call + rng.random_range(0..spread));
        let operation = Operation { process: process.into(), call, returned, op, outcome };
        history.push(operation).expect("the history is well-formed");
    }
    history
}
