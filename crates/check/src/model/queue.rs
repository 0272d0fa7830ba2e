//! The FIFO queue: what is put in first comes out first.

use super::row::Row;
use super::{Bytes, Model, Step, queue_monitor};
use crate::linear::{Monitored, Part};
use serde::{Deserialize, Serialize};

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

/// The values held, in the order in which they were put in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line(Row);

/// At which end values come out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Out {
    First,
    Last,
}

impl Line {
    /// A step of a queue or of a stack.
    pub(super) fn step(&self, out: Out, op: &QueueOp, told: Option<&QueueRet>) -> Step<Line> {
        match (op, told) {
            (QueueOp::Put(value), None | Some(QueueRet::Done)) => Step::Next(Line(self.0.pushed(value))),
            (QueueOp::Put(_), Some(QueueRet::Taken(_))) | (QueueOp::Take, Some(QueueRet::Done)) => Step::Refused,
            (QueueOp::Take, told) => {
                let found = match out {
                    Out::First => self.0.get(0),
                    Out::Last => self.0.len().checked_sub(1).and_then(|last| self.0.get(last)),
                };
                match told {
                    Some(QueueRet::Taken(told)) if told.as_ref() != found => Step::Refused,
                    _ if found.is_none() => Step::Same,
                    _ if out == Out::First => Step::Next(Line(self.0.without_first())),
                    _ => Step::Next(Line(self.0.without_last())),
                }
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
        state.step(Out::First, op, ret)
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
