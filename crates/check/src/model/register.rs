//! The compare-and-swap register: one cell, as in Jepsen's first tests. It is the smallest object for which checking
//! is hard, and the one on which checkers are compared.

use super::{Bytes, Flow, Model, Step};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A register that holds a value or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CasRegister {
    /// What it holds at first.
    pub initial: Option<Bytes>,
}

/// What clients ask of a register. `None` is the empty register.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RegisterOp {
    /// Read it.
    Read,
    /// Set it.
    Write(Option<Bytes>),
    /// Set it to `to` if it holds `from`.
    Cas {
        /// The value expected.
        from: Option<Bytes>,
        /// The value to set.
        to: Option<Bytes>,
    },
}

/// What a register answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RegisterRet {
    /// To a read: what it holds.
    Value(Option<Bytes>),
    /// To a write.
    Written,
    /// To a compare-and-swap: whether it swapped. `false` asserts that the register did not hold `from`.
    Swapped(bool),
}

impl Model for CasRegister {
    const NAME: &'static str = "cas-register";
    type Op = RegisterOp;
    type Ret = RegisterRet;
    type State = Option<Bytes>;
    type Key = ();
    type Value = Option<Bytes>;

    #[inline]
    fn each_key(&self, _: &RegisterOp, visit: &mut dyn FnMut(&())) {
        visit(&());
    }

    fn initial(&self) -> Option<Bytes> {
        self.initial.clone()
    }

    #[inline]
    fn step(&self, state: &Option<Bytes>, op: &RegisterOp, ret: Option<&RegisterRet>) -> Step<Option<Bytes>> {
        match (op, ret) {
            (RegisterOp::Read, Some(RegisterRet::Value(value))) if value == state => Step::Same,
            (RegisterOp::Read, None) => Step::Same,
            (RegisterOp::Write(value), Some(RegisterRet::Written) | None) => Step::Next(value.clone()),
            (RegisterOp::Cas { from, .. }, Some(RegisterRet::Swapped(false))) if from != state => Step::Same,
            (RegisterOp::Cas { from, to }, Some(RegisterRet::Swapped(true)) | None) if from == state => {
                Step::Next(to.clone())
            }
            (RegisterOp::Cas { .. }, None) => Step::Same,
            _ => Step::Refused,
        }
    }

    #[inline]
    fn observes_only(&self, op: &RegisterOp, ret: Option<&RegisterRet>) -> bool {
        matches!((op, ret), (RegisterOp::Read, _) | (RegisterOp::Cas { .. }, Some(RegisterRet::Swapped(false))))
    }

    #[inline]
    fn flow(&self, op: &RegisterOp, ret: Option<&RegisterRet>) -> Flow<Option<Bytes>> {
        match (op, ret) {
            (RegisterOp::Read, Some(RegisterRet::Value(value))) => Flow::Read(value.clone()),
            (RegisterOp::Read, None) => Flow::Nothing,
            (RegisterOp::Write(value), Some(RegisterRet::Written) | None) => Flow::Write(value.clone()),
            (RegisterOp::Cas { from, .. }, Some(RegisterRet::Swapped(false))) => Flow::NotEqual(from.clone()),
            (RegisterOp::Cas { from, to }, Some(RegisterRet::Swapped(true)) | None) => {
                Flow::Swap { from: from.clone(), to: to.clone() }
            }
            _ => Flow::Opaque,
        }
    }

    #[inline]
    fn initial_value(&self) -> Option<Option<Bytes>> {
        Some(self.initial.clone())
    }

    fn may_contain(&self, whole: &Option<Bytes>, part: &Option<Bytes>) -> bool {
        whole == part
    }

    fn describe(&self, op: &RegisterOp, ret: Option<&RegisterRet>) -> String {
        match ret {
            None => op.to_string(),
            Some(RegisterRet::Value(value)) => format!("{op} -> {}", Shown(value)),
            Some(RegisterRet::Written) => format!("{op} -> written"),
            Some(RegisterRet::Swapped(true)) => format!("{op} -> swapped"),
            Some(RegisterRet::Swapped(false)) => format!("{op} -> not swapped"),
        }
    }

    fn describe_state(&self, state: &Option<Bytes>, _: &RegisterOp) -> String {
        format!("the register is {}", Shown(state))
    }

    fn describe_key(&self, (): &()) -> String {
        "the register".to_owned()
    }
}

impl fmt::Display for RegisterOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterOp::Read => f.write_str("read"),
            RegisterOp::Write(value) => write!(f, "write {}", Shown(value)),
            RegisterOp::Cas { from, to } => write!(f, "cas {} to {}", Shown(from), Shown(to)),
        }
    }
}

struct Shown<'a>(&'a Option<Bytes>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("empty"),
        }
    }
}
