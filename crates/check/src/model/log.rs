//! The append-only log: what is appended gets the next offset, from 0 on, and stays there. Offsets are witnesses: the
//! history is judged without a search, however many clients there are.

use super::{Bytes, Model, Step, log_monitor};
use crate::linear::{Monitored, Part};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Any number of logs, each at first empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendLog;

/// What clients ask of a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LogOp {
    /// Put a value at the end.
    Append {
        /// The log.
        log: Bytes,
        /// The value.
        value: Bytes,
    },
    /// Look at one offset.
    Read {
        /// The log.
        log: Bytes,
        /// The offset, from 0.
        offset: u64,
    },
    /// Look at what is there from an offset on. An answer may stop short of the end.
    Poll {
        /// The log.
        log: Bytes,
        /// The offset, from 0.
        offset: u64,
    },
    /// How many values there are.
    Length {
        /// The log.
        log: Bytes,
    },
}

/// What a log answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LogRet {
    /// To an append: where it went; `None` if the service does not say.
    Appended(Option<u64>),
    /// To a read: the value; `None` if the log ends before.
    Value(Option<Bytes>),
    /// To a poll: values from the offset on. None of them says nothing.
    Values(Vec<Bytes>),
    /// To a length.
    Length(u64),
}

impl LogOp {
    pub(super) fn log(&self) -> &Bytes {
        match self {
            LogOp::Append { log, .. } | LogOp::Read { log, .. } | LogOp::Poll { log, .. } | LogOp::Length { log } => {
                log
            }
        }
    }
}

/// The values of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Entries(Arc<Vec<Bytes>>);

impl Entries {
    fn from(&self, offset: u64) -> &[Bytes] {
        usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default()
    }
}

impl Model for AppendLog {
    const NAME: &'static str = "log";
    type Op = LogOp;
    type Ret = LogRet;
    type State = Entries;
    type Key = Bytes;
    type Value = ();

    fn each_key(&self, op: &LogOp, visit: &mut dyn FnMut(&Bytes)) {
        visit(op.log());
    }

    fn initial(&self) -> Entries {
        Entries::default()
    }

    fn step(&self, state: &Entries, op: &LogOp, ret: Option<&LogRet>) -> Step<Entries> {
        let same = |fits: bool| if fits { Step::Same } else { Step::Refused };
        let length = state.0.len() as u64;
        match (op, ret) {
            (LogOp::Append { value, .. }, None | Some(LogRet::Appended(_))) => {
                if matches!(ret, Some(LogRet::Appended(Some(told))) if *told != length) {
                    return Step::Refused;
                }
                let mut values = Vec::with_capacity(state.0.len() + 1);
                values.extend_from_slice(&state.0);
                values.push(value.clone());
                Step::Next(Entries(Arc::new(values)))
            }
            (LogOp::Append { .. }, Some(_)) => Step::Refused,
            (_, None) => Step::Same,
            (LogOp::Read { offset, .. }, Some(LogRet::Value(told))) => {
                same(state.from(*offset).first() == told.as_ref())
            }
            (LogOp::Poll { offset, .. }, Some(LogRet::Values(told))) => same(state.from(*offset).starts_with(told)),
            (LogOp::Length { .. }, Some(LogRet::Length(told))) => same(*told == length),
            _ => Step::Refused,
        }
    }

    fn observes_only(&self, op: &LogOp, _: Option<&LogRet>) -> bool {
        !matches!(op, LogOp::Append { .. })
    }

    fn monitor(&self, part: &Part<'_, Self>) -> Option<Monitored> {
        log_monitor::judge(part)
    }

    fn describe(&self, op: &LogOp, ret: Option<&LogRet>) -> String {
        let asked = match op {
            LogOp::Append { log, value } => format!("append {value} to {log}"),
            LogOp::Read { log, offset } => format!("read {log} at {offset}"),
            LogOp::Poll { log, offset } => format!("poll {log} from {offset}"),
            LogOp::Length { log } => format!("length of {log}"),
        };
        let told = match ret {
            None => return asked,
            Some(LogRet::Appended(Some(offset))) => format!("offset {offset}"),
            Some(LogRet::Appended(None)) => "done".to_owned(),
            Some(LogRet::Value(Some(value))) => value.to_string(),
            Some(LogRet::Value(None)) => "the end".to_owned(),
            Some(LogRet::Values(values)) => format!("{values:?}"),
            Some(LogRet::Length(length)) => length.to_string(),
        };
        format!("{asked} -> {told}")
    }

    fn describe_state(&self, state: &Entries, op: &LogOp) -> String {
        format!("{} is {:?}", op.log(), state.0)
    }

    fn describe_key(&self, key: &Bytes) -> String {
        format!("log {key}")
    }
}
