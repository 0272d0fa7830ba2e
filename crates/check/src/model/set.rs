//! The set. Without reads of the whole it falls into its elements; a set that only grows and is read as a whole, as in
//! Jepsen's set workload, is judged without a search.

use super::{Bytes, Model, Step, set_monitor};
use crate::linear::{Monitored, Part};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A set of values, at first empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set;

/// What clients ask of a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SetOp {
    /// Put a value in; it may be there already.
    Add(Bytes),
    /// Take a value out; it need not be there.
    Remove(Bytes),
    /// Whether a value is there.
    Contains(Bytes),
    /// Everything that is there.
    All,
}

/// What a set answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SetRet {
    /// To an add or a remove, if the service does not say more.
    Done,
    /// To an add or a remove: whether it changed anything. To a contains: whether it is there.
    Truth(bool),
    /// To a read of everything.
    Values(BTreeSet<Bytes>),
}

impl Model for Set {
    const NAME: &'static str = "set";
    type Op = SetOp;
    type Ret = SetRet;
    type State = BTreeSet<Bytes>;
    type Key = Bytes;
    type Value = ();

    fn each_key(&self, op: &SetOp, visit: &mut dyn FnMut(&Bytes)) {
        match op {
            SetOp::Add(value) | SetOp::Remove(value) | SetOp::Contains(value) => visit(value),
            SetOp::All => {}
        }
    }

    fn initial(&self) -> BTreeSet<Bytes> {
        BTreeSet::new()
    }

    fn step(&self, state: &BTreeSet<Bytes>, op: &SetOp, ret: Option<&SetRet>) -> Step<BTreeSet<Bytes>> {
        let change = |value: &Bytes, there: bool| {
            let changes = state.contains(value) != there;
            match ret {
                Some(SetRet::Truth(told)) if *told != changes => return Step::Refused,
                Some(SetRet::Values(_)) => return Step::Refused,
                _ if !changes => return Step::Same,
                _ => {}
            }
            let mut next = state.clone();
            if there {
                next.insert(value.clone())
            } else {
                next.remove(value)
            };
            Step::Next(next)
        };
        let same = |fits: bool| if fits { Step::Same } else { Step::Refused };
        match (op, ret) {
            (SetOp::Add(value), _) => change(value, true),
            (SetOp::Remove(value), _) => change(value, false),
            (_, None) => Step::Same,
            (SetOp::Contains(value), Some(SetRet::Truth(told))) => same(*told == state.contains(value)),
            (SetOp::All, Some(SetRet::Values(told))) => same(told == state),
            _ => Step::Refused,
        }
    }

    fn observes_only(&self, op: &SetOp, ret: Option<&SetRet>) -> bool {
        match op {
            SetOp::Add(_) | SetOp::Remove(_) => ret == Some(&SetRet::Truth(false)),
            SetOp::Contains(_) | SetOp::All => true,
        }
    }

    fn monitor(&self, part: &Part<'_, Self>) -> Option<Monitored> {
        set_monitor::judge(part)
    }

    fn describe(&self, op: &SetOp, ret: Option<&SetRet>) -> String {
        let asked = match op {
            SetOp::Add(value) => format!("add {value}"),
            SetOp::Remove(value) => format!("remove {value}"),
            SetOp::Contains(value) => format!("contains {value}"),
            SetOp::All => "read all".to_owned(),
        };
        match ret {
            None => asked,
            Some(SetRet::Done) => format!("{asked} -> done"),
            Some(SetRet::Truth(told)) => format!("{asked} -> {told}"),
            Some(SetRet::Values(values)) => format!("{asked} -> {values:?}"),
        }
    }

    fn describe_state(&self, state: &BTreeSet<Bytes>, op: &SetOp) -> String {
        match op {
            SetOp::Add(value) | SetOp::Remove(value) | SetOp::Contains(value) => {
                format!("{value} is {}there", if state.contains(value) { "" } else { "not " })
            }
            SetOp::All => format!("the set is {state:?}"),
        }
    }

    fn describe_key(&self, key: &Bytes) -> String {
        format!("element {key}")
    }
}
