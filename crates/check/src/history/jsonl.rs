//! Histories as JSON Lines: one header, then one operation per line, in the order of their ids.
//!
//! ```text
//! {"history":1,"model":"kv","clock":"nanoseconds"}
//! {"process":0,"call":10,"return":20,"op":{"put":{"key":"x","value":"1"}},"outcome":{"ok":{"done":{}}}}
//! {"process":"b","call":15,"return":30,"op":{"get":{"key":"x"}},"outcome":{"ok":{"value":{"value":null}}}}
//! {"process":2,"call":40,"return":null,"op":{"delete":{"key":"x"}},"outcome":"info"}
//! ```
//!
//! `history` is the version of the format, `clock` is `nanoseconds` (if left out) or `lines`. `call` and `return` are
//! whole instants; `return` may be null or left out only where the outcome is `"info"`. `outcome` is `{"ok": answer}`,
//! `"fail"` (definitely did not happen) or `"info"` (unknown). Operations and answers are written as their model's
//! types are. Unknown fields are errors, so that a misspelt one is not silently ignored. Blank lines are allowed.

use super::{Clock, History, Operation, Outcome, Process};
use crate::format::{FormatError, Place};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// The only version there is.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a header such as {\"history\":1,\"model\":\"kv\"}")]
struct Header {
    history: u32,
    model: String,
    #[serde(default)]
    clock: Clock,
}

#[derive(Serialize)]
struct WrittenLine<'a, O, R> {
    process: &'a Process,
    call: u64,
    #[serde(rename = "return")]
    returned: Option<u64>,
    op: &'a O,
    outcome: &'a Outcome<R>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an operation")]
struct ReadLine<O, R> {
    process: Process,
    call: u64,
    #[serde(rename = "return", default)]
    returned: Option<u64>,
    op: O,
    outcome: Outcome<R>,
}

impl<O: Serialize, R: Serialize> History<O, R> {
    /// Writes the history as JSON Lines for the model called `model` (see [`crate::model::Model::NAME`]).
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_json_lines(&self, model: &str, mut to: impl Write) -> io::Result<()> {
        let mut line = |value: String| to.write_all(value.as_bytes()).and_then(|()| to.write_all(b"\n"));
        line(serde_json::to_string(&Header { history: VERSION, model: model.to_owned(), clock: self.clock })?)?;
        for Operation { process, call, returned, op, outcome } in &self.operations {
            line(serde_json::to_string(&WrittenLine { process, call: *call, returned: *returned, op, outcome })?)?;
        }
        Ok(())
    }
}

impl<O: DeserializeOwned, R: DeserializeOwned> History<O, R> {
    /// Reads what [`History::write_json_lines`] wrote for the model called `model`. `name` stands for the text in errors,
    /// such as its path.
    ///
    /// # Errors
    /// The first line that is not as the format says, with line, column and what was expected there.
    pub fn read_json_lines(name: &str, text: &str, model: &str) -> Result<Self, FormatError> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let place = |line, column| Place { file: name.to_owned(), line, column };
        let wrong = |line: usize, error: &serde_json::Error| {
            let message = error.to_string();
            let reason = message.rfind(" at line ").map_or(message.as_str(), |end| &message[..end]).to_owned();
            FormatError::Line { place: place(line, error.column().max(1)), reason }
        };
        let Some((first, header)) = lines.next() else {
            return Err(FormatError::Line {
                place: place(1, 1),
                reason: "the file is empty, expected a header such as {\"history\":1,\"model\":\"kv\"}".to_owned(),
            });
        };
        let header: Header = serde_json::from_str(header).map_err(|error| wrong(first, &error))?;
        if header.history != VERSION {
            let reason = format!("history format {} is unknown, expected {VERSION}", header.history);
            return Err(FormatError::Line { place: place(first, 1), reason });
        }
        if header.model != model {
            let reason = format!("the history is of model {:?}, expected {model:?}: choose that model", header.model);
            return Err(FormatError::Line { place: place(first, 1), reason });
        }
        let mut history = History::with_clock(header.clock);
        for (number, line) in lines {
            let ReadLine { process, call, returned, op, outcome } =
                serde_json::from_str(line).map_err(|error| wrong(number, &error))?;
            history
                .push(Operation { process, call, returned, op, outcome })
                .map_err(|error| FormatError::Line { place: place(number, 1), reason: error.to_string() })?;
        }
        Ok(history)
    }
}
