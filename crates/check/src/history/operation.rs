//! One client operation: who, when, what and with which outcome.

use crate::verdict::EvidenceOperation;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A client, by number or by name. In JSON a number or a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged, expecting = "a client: a number below 2^32 or a string")]
pub enum Process {
    /// A numbered client.
    Number(u32),
    /// A named client.
    Name(String),
}

impl From<u32> for Process {
    fn from(number: u32) -> Self {
        Process::Number(number)
    }
}

impl From<&str> for Process {
    fn from(name: &str) -> Self {
        Process::Name(name.to_owned())
    }
}

impl From<String> for Process {
    fn from(name: String) -> Self {
        Process::Name(name)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Number(number) => number.fmt(f),
            Process::Name(name) => name.fmt(f),
        }
    }
}

/// An operation of one history: its index, from 0, in the order of invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub u32);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<R> {
    /// It took effect, and this is its answer. An answer may be a refusal: a compare-and-swap that found another value
    /// is `Ok` with an answer that says so, and thereby asserts something of the state.
    Ok(R),
    /// It definitely did not happen.
    Fail,
    /// Nobody knows: it may happen at any time after its call, or never.
    #[serde(rename = "info")]
    Indeterminate,
}

impl<R> Outcome<R> {
    /// The answer, if there was one.
    #[inline]
    #[must_use]
    pub fn answer(&self) -> Option<&R> {
        match self {
            Outcome::Ok(ret) => Some(ret),
            Outcome::Fail | Outcome::Indeterminate => None,
        }
    }
}

/// A client operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation<O, R> {
    /// The client that called.
    pub process: Process,
    /// Instant of the call.
    pub call: u64,
    /// Instant at which the client had its answer or gave up; `None` while neither happened. For an indeterminate
    /// outcome it says only when the client gave up: the effect may come later.
    pub returned: Option<u64>,
    /// What was asked.
    pub op: O,
    /// How it ended.
    pub outcome: Outcome<R>,
}

impl<O, R> Operation<O, R> {
    /// The operation in words, for evidence. `text` is the model's rendering of what was asked and answered.
    pub(crate) fn as_evidence(&self, id: u32, clock: Clock, text: String) -> EvidenceOperation {
        let call = clock.show(self.call);
        let (returned, span) = match (&self.outcome, self.returned) {
            (Outcome::Ok(_) | Outcome::Fail, Some(at)) => {
                (Some(at), format!("called {call}, returned {}", clock.show(at)))
            }
            (_, Some(at)) => (None, format!("called {call}, gave up {}, outcome unknown", clock.show(at))),
            (_, None) => (None, format!("called {call}, never returned")),
        };
        EvidenceOperation { operation: id, process: self.process.to_string(), call: self.call, returned, text, span }
    }
}

/// How the instants of a history are counted. It changes how they are printed, nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Nanoseconds since the start of the run.
    #[default]
    Nanoseconds,
    /// Lines of the file the history was read from, from 1, where the file has no times of its own.
    Lines,
    /// Events of the file the history was read from, from 1.
    Events,
}

impl Clock {
    /// An instant in words: `850ns`, `1.25s` or `line 12`.
    #[must_use]
    pub fn show(self, at: u64) -> String {
        match self {
            Clock::Lines => format!("line {at}"),
            Clock::Events => format!("event {at}"),
            Clock::Nanoseconds if at < 1_000_000 => format!("{at}ns"),
            Clock::Nanoseconds => {
                let text = format!("{}.{:09}", at / 1_000_000_000, at % 1_000_000_000);
                format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_as_people_write_them() {
        assert_eq!(Clock::Nanoseconds.show(850), "850ns");
        assert_eq!(Clock::Nanoseconds.show(1_250_000_000), "1.25s");
        assert_eq!(Clock::Nanoseconds.show(2_000_000_000), "2s");
        assert_eq!(Clock::Nanoseconds.show(1_000_001), "0.001000001s");
        assert_eq!(Clock::Lines.show(12), "line 12");
    }
}
