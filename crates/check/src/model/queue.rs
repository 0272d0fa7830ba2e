//! The FIFO queue: what is put in first comes out first.

use super::{Bytes, Model, Step, queue_monitor};
use crate::linear::{Monitored, Part};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A queue without a bound, at first empty. With all values different it is judged without a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FifoQueue;

/// What clients ask of a queue or of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum QueueOp {
    /// Put a value in.
    Put(Bytes),
    /// Take the value whose turn it is.
    Take,
}

/// What a queue or a stack answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum QueueRet {
    /// To a put.
    Done,
    /// To a take: the value, or `None` if there is nothing to take.
    Taken(Option<Bytes>),
}

/// The values held, the next to be taken from a queue first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line(pub(super) Arc<Vec<Bytes>>);

impl Line {
    pub(super) fn put(&self, value: &Bytes) -> Step<Line> {
        let mut list = (*self.0).clone();
        list.push(value.clone());
        Step::Next(Line(Arc::new(list)))
    }

    /// Takes the value at `at`, which is there if there is any.
    pub(super) fn take(&self, at: usize, told: Option<&QueueRet>) -> Step<Line> {
        let found = self.0.get(at);
        match told {
            None if found.is_none() => Step::Same,
            Some(QueueRet::Taken(told)) if told.as_ref() != found => Step::Refused,
            Some(QueueRet::Taken(None)) => Step::Same,
            Some(QueueRet::Done) => Step::Refused,
            None | Some(QueueRet::Taken(_)) => {
                let mut list = (*self.0).clone();
                list.remove(at);
                Step::Next(Line(Arc::new(list)))
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        let list: Vec<String> = self.0.iter().map(Bytes::to_string).collect();
        format!("it holds [{}]", list.join(", "))
    }
}

/// An operation and its answer in words.
pub(super) fn describe(op: &QueueOp, ret: Option<&QueueRet>) -> String {
    match (op, ret) {
        (QueueOp::Put(value), None) => format!("put {value}"),
        (QueueOp::Put(value), Some(_)) => format!("put {value} -> done"),
        (QueueOp::Take, Some(QueueRet::Taken(Some(value)))) => format!("take -> {value}"),
        (QueueOp::Take, Some(_)) => "take -> nothing there".to_owned(),
        (QueueOp::Take, None) => "take".to_owned(),
    }
}

impl Model for FifoQueue {
    const NAME: &'static str = "queue";
    type Op = QueueOp;
    type Ret = QueueRet;
    type State = Line;
    type Key = ();
    type Value = ();

    fn each_key(&self, _: &QueueOp, visit: &mut dyn FnMut(&())) {
        visit(&());
    }

    fn initial(&self) -> Line {
        Line::default()
    }

    fn step(&self, state: &Line, op: &QueueOp, ret: Option<&QueueRet>) -> Step<Line> {
        match (op, ret) {
            (QueueOp::Put(value), None | Some(QueueRet::Done)) => state.put(value),
            (QueueOp::Put(_), Some(QueueRet::Taken(_))) => Step::Refused,
            (QueueOp::Take, told) => state.take(0, told),
        }
    }

    fn observes_only(&self, op: &QueueOp, ret: Option<&QueueRet>) -> bool {
        matches!((op, ret), (QueueOp::Take, Some(QueueRet::Taken(None))))
    }

    fn monitor(&self, part: &Part<'_, Self>) -> Option<Monitored> {
        queue_monitor::judge(part)
    }

    fn describe(&self, op: &QueueOp, ret: Option<&QueueRet>) -> String {
        describe(op, ret)
    }

    fn describe_state(&self, state: &Line, _: &QueueOp) -> String {
        state.describe()
    }

    fn describe_key(&self, (): &()) -> String {
        "the queue".to_owned()
    }
}
