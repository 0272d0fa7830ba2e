//! The counter: a sum of what was added.

use super::{Object, Step};
use serde::{Deserialize, Serialize};

/// A counter, at first 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter;

/// What clients ask of a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CounterOp {
    /// Add this much, or take it off.
    Add(i64),
    /// Read it.
    Read,
}

/// What a counter answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CounterRet {
    /// To an add that tells nothing.
    Done,
    /// To a read; to an add that tells the sum after it.
    Value(i64),
}

impl Object for Counter {
    const NAME: &'static str = "counter";
    type Op = CounterOp;
    type Ret = CounterRet;
    type State = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, sum: &i64, op: &CounterOp, told: Option<&CounterRet>) -> Step<i64> {
        match (op, told) {
            (CounterOp::Add(by), Some(CounterRet::Value(told))) if sum.wrapping_add(*by) != *told => Step::Refused,
            (CounterOp::Add(by), _) => Step::Next(sum.wrapping_add(*by)),
            (CounterOp::Read, Some(CounterRet::Value(told))) => Step::same_if(told == sum),
            (CounterOp::Read, told) => Step::same_if(told.is_none()),
        }
    }

    fn observes_only(&self, op: &CounterOp, _: Option<&CounterRet>) -> bool {
        *op == CounterOp::Read
    }
}
