//! The text form of faults and plans: one line per fault, made to be read, edited and passed around.
//!
//! ```text
//! # a comment
//! f0 12.400s +3.2s partition-halves n1,n2 | n3,n4,n5
//! f1 13.000s +calm crash n4 must-hit label="the old leader"
//! ```
//!
//! A line is an id, a start (virtual time since the start of the run), a duration or `+calm`, a kind, its targets and
//! parameters, and options. The id may be left out: it is then one more than the line before. What is printed parses
//! back to an equal value.

mod duration;
pub(crate) mod lexer;
mod parse;
pub(crate) mod write;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{Fault, FaultError, FaultId, Plan, PlanError};

/// Why a text is not a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// Something else was expected there.
    #[error("line {line}, column {column}: expected {expected}, found {found}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What could stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The line can be read but the fault makes no sense.
    #[error("line {line}, column {column}: {source}")]
    Fault {
        /// Line, from 1.
        line: usize,
        /// Column of the fault's kind, from 1.
        column: usize,
        /// What is wrong with it.
        source: FaultError,
    },
    /// The id is taken or out of range.
    #[error("line {line}, column {column}: {source}")]
    Id {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong with it.
        source: PlanError,
    },
}

impl TextError {
    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            TextError::Syntax { line, .. } | TextError::Fault { line, .. } | TextError::Id { line, .. } => *line,
        }
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        match self {
            TextError::Syntax { column, .. } | TextError::Fault { column, .. } | TextError::Id { column, .. } => {
                *column
            }
        }
    }
}

impl FromStr for Plan {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Plan, TextError> {
        let mut plan = Plan::new();
        let mut implied = 0;
        for (at, line) in text.lines().enumerate() {
            let Some(read) = parse::line(line, at + 1)? else { continue };
            let id = read.id.unwrap_or(FaultId(implied));
            implied = id.0.saturating_add(1);
            plan.insert(id, read.fault).map_err(|source| match source {
                PlanError::Fault(source) => TextError::Fault { line: at + 1, column: read.kind_column, source },
                source => TextError::Id { line: at + 1, column: read.id_column, source },
            })?;
        }
        Ok(plan)
    }
}

impl FromStr for Fault {
    type Err = TextError;

    /// Reads one line without an id.
    fn from_str(text: &str) -> Result<Fault, TextError> {
        let expected = "one fault without an id".to_owned();
        let lines = text.lines().enumerate().filter_map(|(at, line)| match parse::line(line, at + 1) {
            Ok(read) => read.map(|read| Ok((at + 1, read))),
            Err(error) => Some(Err(error)),
        });
        let mut lines = lines.collect::<Result<Vec<_>, _>>()?;
        match (lines.pop(), lines.is_empty()) {
            (Some((line, read)), true) if read.id.is_none() => {
                let column = read.kind_column;
                read.fault.check().map_err(|source| TextError::Fault { line, column, source })?;
                Ok(read.fault)
            }
            (Some((line, read)), _) => {
                let found = if read.id.is_some() { "an id" } else { "another fault" }.to_owned();
                Err(TextError::Syntax { line, column: read.id_column, expected, found })
            }
            (None, _) => Err(TextError::Syntax { line: 1, column: 1, expected, found: "no fault".to_owned() }),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|planned| writeln!(f, "{} {}", planned.id, planned.fault))
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plan, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
