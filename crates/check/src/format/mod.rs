//! History files: Stormglass's own JSON Lines, the register logs of Jepsen, and the key-value histories that porcupine
//! tests with. The format is told from the content, the model is the caller's choice.

mod cursor;
mod jepsen;
mod porcupine;

use crate::history::History;
use crate::linear::{Budget, linearizable_within};
use crate::model::{CasRegister, Kv, Model, RegisterOp, RegisterRet};
use crate::verdict::Verdict;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use thiserror::Error;

pub use jepsen::read_jepsen_register;
pub use porcupine::read_porcupine_kv;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the caller named it.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The column within the line, in bytes, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a history file cannot be checked.
#[derive(Debug, Error)]
pub enum FormatError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is not as its format says.
    #[error("{place}: {reason}")]
    Line {
        /// Where.
        place: Place,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// The first line fits no format.
    #[error(
        "{place}: this is no history: expected a header line {{\"history\":1,\"model\":...}}, a Jepsen line \
         `INFO jepsen.util - 0 :invoke :read nil`, or a map `{{:process 0, :type :invoke, ...}}`"
    )]
    Unrecognised {
        /// Where the first line is.
        place: Place,
    },
    /// The format holds histories of another model.
    #[error("{file}: {format} files hold histories of model {holds}, not {asked}: choose --model {holds}")]
    WrongModel {
        /// The file.
        file: String,
        /// The format.
        format: Format,
        /// The model asked for.
        asked: ModelName,
        /// The model that the format holds.
        holds: ModelName,
    },
}

/// No model has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no model {asked:?}: expected one of {}", ModelName::list())]
pub struct UnknownModel {
    /// The name asked for.
    pub asked: String,
}

/// The models that a file can be checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelName {
    /// [`Kv`].
    Kv,
    /// [`CasRegister`].
    CasRegister,
}

impl ModelName {
    /// All of them.
    pub const ALL: [ModelName; 2] = [ModelName::Kv, ModelName::CasRegister];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ModelName::Kv => Kv::NAME,
            ModelName::CasRegister => CasRegister::NAME,
        }
    }

    fn list() -> String {
        ModelName::ALL.map(ModelName::as_str).join(", ")
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ModelName {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        let found = ModelName::ALL.into_iter().find(|model| model.as_str() == name);
        found.ok_or_else(|| UnknownModel { asked: name.to_owned() })
    }
}

/// The formats that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Stormglass's own JSON Lines (see [`History::write_json_lines`]).
    JsonLines,
    /// A Jepsen log of one register.
    JepsenRegister,
    /// Maps in EDN, one event each, of a key-value store whose values start empty.
    PorcupineKv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::JsonLines => "JSON Lines",
            Format::JepsenRegister => "Jepsen register",
            Format::PorcupineKv => "porcupine key-value",
        })
    }
}

impl Format {
    /// The format of a text, from its first line that is not blank.
    #[must_use]
    pub fn guess(text: &str) -> Option<Format> {
        let line = text.lines().map(str::trim_start).find(|line| !line.is_empty())?;
        let within = |open: char| line.strip_prefix(open).map(str::trim_start);
        if within('{').is_some_and(|rest| rest.starts_with('"')) {
            Some(Format::JsonLines)
        } else if within('{').is_some_and(|rest| rest.starts_with(':')) {
            Some(Format::PorcupineKv)
        } else if line.split_whitespace().nth(1) == Some("jepsen.util") {
            Some(Format::JepsenRegister)
        } else {
            None
        }
    }
}

/// How a file is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// What the search may spend.
    pub budget: Budget,
    /// Check the modification revisions of a [`Kv`] history, too.
    pub revisions: bool,
}

impl Default for CheckOptions {
    /// [`Budget::PATIENT`], values alone.
    fn default() -> Self {
        CheckOptions { budget: Budget::PATIENT, revisions: false }
    }
}

/// Whether the history in the file at `path` is linearizable with respect to `model`.
///
/// # Errors
/// The file cannot be read, or is no history of that model; with line and column where there is one.
pub fn check_file(path: &Path, model: ModelName, options: CheckOptions) -> Result<Verdict, FormatError> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| FormatError::Unreadable { file: file.clone(), source })?;
    match String::from_utf8(bytes) {
        Ok(text) => check_text(&file, &text, model, options),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            let reason = "this is not UTF-8, expected text".to_owned();
            Err(FormatError::Line { place: Place { file, line, column }, reason })
        }
    }
}

/// As [`check_file`], for a text at hand. `name` stands for it in errors.
///
/// # Errors
/// The text is no history of that model.
pub fn check_text(name: &str, text: &str, model: ModelName, options: CheckOptions) -> Result<Verdict, FormatError> {
    let Some(format) = Format::guess(text) else {
        let line = text.lines().position(|line| !line.trim().is_empty()).unwrap_or(0) + 1;
        return Err(FormatError::Unrecognised { place: Place { file: name.to_owned(), line, column: 1 } });
    };
    let holds = |holds| Err(FormatError::WrongModel { file: name.to_owned(), format, asked: model, holds });
    let kv = Kv { initial: None, revisions: options.revisions };
    match (format, model) {
        (Format::JsonLines, ModelName::Kv) => check_json(&kv, name, text, options),
        (Format::JsonLines, ModelName::CasRegister) => check_json(&CasRegister, name, text, options),
        (Format::JepsenRegister, ModelName::CasRegister) => {
            let history: History<RegisterOp, RegisterRet> = read_jepsen_register(name, text)?;
            Ok(linearizable_within(&CasRegister, &history, options.budget))
        }
        (Format::PorcupineKv, ModelName::Kv) => {
            let (kv, history) = read_porcupine_kv(name, text)?;
            Ok(linearizable_within(&kv, &history, options.budget))
        }
        (Format::JepsenRegister, ModelName::Kv) => holds(ModelName::CasRegister),
        (Format::PorcupineKv, ModelName::CasRegister) => holds(ModelName::Kv),
    }
}

fn check_json<M>(model: &M, name: &str, text: &str, options: CheckOptions) -> Result<Verdict, FormatError>
where
    M: Model<Op: DeserializeOwned, Ret: DeserializeOwned>,
{
    let history = History::read_json_lines(name, text, M::NAME)?;
    Ok(linearizable_within(model, &history, options.budget))
}
