//! Histories: what clients asked, when, and what they were told. Kept free of models, so that one history can be
//! judged by several, and recordable online, because a run that is cut short must still leave what it saw.

mod jsonl;
mod operation;

pub use operation::{Clock, OpId, Operation, Outcome, Process};

use thiserror::Error;

/// A misuse of the recorder, or a history that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HistoryError {
    /// An id that this history did not give out.
    #[error("operation {id} is not in this history, which has {count}: complete an operation where it was invoked")]
    UnknownOperation {
        /// The id that was asked for.
        id: u32,
        /// How many operations the history has.
        count: usize,
    },
    /// An operation completed twice.
    #[error("operation {id} is completed already: an operation ends once, as ok, fail or info")]
    CompletedTwice {
        /// The operation.
        id: u32,
    },
    /// A return before its call.
    #[error("operation {id} returns at {returned}, before its call at {call}: instants never go back")]
    ReturnsBeforeCall {
        /// The operation.
        id: u32,
        /// Instant of the call.
        call: u64,
        /// Instant of the return.
        returned: u64,
    },
    /// An operation with a definite outcome but no return instant.
    #[error("operation {id} has a definite outcome but no return instant: give one, or make the outcome info")]
    ReturnMissing {
        /// The operation.
        id: u32,
    },
}

/// Operations in the order in which they were recorded.
///
/// Real-time order: an operation comes before another only if it returned at an *earlier* instant than the other was
/// called; operations that touch at one instant are concurrent, also when one client called both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<O, R> {
    clock: Clock,
    operations: Vec<Operation<O, R>>,
}

impl<O, R> Default for History<O, R> {
    fn default() -> Self {
        History::new()
    }
}

impl<O, R> History<O, R> {
    /// An empty history with instants in nanoseconds.
    #[must_use]
    pub fn new() -> Self {
        History::with_clock(Clock::Nanoseconds)
    }

    /// An empty history whose instants are counted as said.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        History { clock, operations: Vec::new() }
    }

    /// How instants are counted.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// All operations, in the order of their ids.
    #[must_use]
    pub fn operations(&self) -> &[Operation<O, R>] {
        &self.operations
    }

    /// How many operations were invoked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// True while nothing was invoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Records a call at `at`. Until it is completed its outcome is indeterminate, so a run may stop at any time.
    ///
    /// # Panics
    /// After 2³² operations in one history.
    pub fn invoke(&mut self, process: impl Into<Process>, at: u64, op: O) -> OpId {
        let id = OpId(u32::try_from(self.operations.len()).expect("a history holds fewer than 2^32 operations"));
        let process = process.into();
        self.operations.push(Operation { process, call: at, returned: None, op, outcome: Outcome::Indeterminate });
        id
    }

    /// The operation took effect and answered `ret` at `at`.
    ///
    /// # Errors
    /// An unknown or completed id, or a return before the call.
    pub fn ok(&mut self, id: OpId, at: u64, ret: R) -> Result<(), HistoryError> {
        self.complete(id, at, Outcome::Ok(ret))
    }

    /// The operation definitely did not take effect, and the client knew at `at`. A timeout is *not* that: see
    /// [`History::info`].
    ///
    /// # Errors
    /// An unknown or completed id, or a return before the call.
    pub fn fail(&mut self, id: OpId, at: u64) -> Result<(), HistoryError> {
        self.complete(id, at, Outcome::Fail)
    }

    /// The client gave up at `at` without knowing: the operation may take effect at any time after its call, or never.
    ///
    /// # Errors
    /// An unknown or completed id, or a return before the call.
    pub fn info(&mut self, id: OpId, at: u64) -> Result<(), HistoryError> {
        self.complete(id, at, Outcome::Indeterminate)
    }

    /// Adds a whole operation.
    ///
    /// # Errors
    /// A return before the call, or a definite outcome without a return.
    pub fn push(&mut self, operation: Operation<O, R>) -> Result<OpId, HistoryError> {
        let Operation { process, call, returned, op, outcome } = operation;
        let id = self.invoke(process, call, op);
        let completed = match (returned, outcome) {
            (Some(at), outcome) => self.complete(id, at, outcome),
            (None, Outcome::Indeterminate) => Ok(()),
            (None, Outcome::Ok(_) | Outcome::Fail) => Err(HistoryError::ReturnMissing { id: id.0 }),
        };
        if completed.is_err() {
            self.operations.pop();
        }
        completed.map(|()| id)
    }

    /// The latest instant in the history; 0 when it is empty.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.operations.iter().map(|op| op.returned.unwrap_or(op.call)).max().unwrap_or(0)
    }

    fn complete(&mut self, id: OpId, at: u64, outcome: Outcome<R>) -> Result<(), HistoryError> {
        let count = self.operations.len();
        let Some(operation) = self.operations.get_mut(id.0 as usize) else {
            return Err(HistoryError::UnknownOperation { id: id.0, count });
        };
        if operation.returned.is_some() {
            return Err(HistoryError::CompletedTwice { id: id.0 });
        }
        if at < operation.call {
            return Err(HistoryError::ReturnsBeforeCall { id: id.0, call: operation.call, returned: at });
        }
        operation.returned = Some(at);
        operation.outcome = outcome;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_completed_once_and_never_before_its_call() {
        let mut history: History<&str, u8> = History::new();
        let a = history.invoke(1, 10, "a");
        let b = history.invoke("b", 5, "b");
        assert_eq!(history.ok(a, 9, 0), Err(HistoryError::ReturnsBeforeCall { id: 0, call: 10, returned: 9 }));
        assert_eq!(history.ok(a, 10, 1), Ok(()));
        assert_eq!(history.info(a, 11), Err(HistoryError::CompletedTwice { id: 0 }));
        assert_eq!(history.fail(OpId(2), 9), Err(HistoryError::UnknownOperation { id: 2, count: 2 }));
        assert_eq!(history.info(b, 6), Ok(()));
        assert_eq!(history.fail(b, 7), Err(HistoryError::CompletedTwice { id: 1 }));
        assert_eq!(history.end(), 10);
    }

    #[test]
    fn a_refused_operation_leaves_no_trace() {
        let mut history: History<&str, u8> = History::new();
        let bad = Operation { process: 0.into(), call: 3, returned: None, op: "x", outcome: Outcome::Ok(1) };
        assert_eq!(history.push(bad), Err(HistoryError::ReturnMissing { id: 0 }));
        let bad = Operation { process: 0.into(), call: 3, returned: Some(2), op: "x", outcome: Outcome::Fail };
        assert_eq!(history.push(bad), Err(HistoryError::ReturnsBeforeCall { id: 0, call: 3, returned: 2 }));
        assert!(history.is_empty());
    }
}
