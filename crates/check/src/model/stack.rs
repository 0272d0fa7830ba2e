//! The stack: what is put in last comes out first.

use super::queue::{Line, QueueOp, QueueRet, describe};
use super::{Model, Step};

/// A stack without a bound, at first empty. It is asked and answers as a queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stack;

impl Model for Stack {
    const NAME: &'static str = "stack";
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
            (QueueOp::Take, told) => state.take(state.0.len().saturating_sub(1), told),
        }
    }

    fn observes_only(&self, op: &QueueOp, ret: Option<&QueueRet>) -> bool {
        matches!((op, ret), (QueueOp::Take, Some(QueueRet::Taken(None))))
    }

    fn describe(&self, op: &QueueOp, ret: Option<&QueueRet>) -> String {
        describe(op, ret)
    }

    fn describe_state(&self, state: &Line, _: &QueueOp) -> String {
        state.describe()
    }

    fn describe_key(&self, (): &()) -> String {
        "the stack".to_owned()
    }
}
