//! History files: Stormglass's own JSON Lines, the register logs of Jepsen, the key-value histories that porcupine tests
//! with, and histories in EDN as Jepsen, Knossos and Elle keep them. The format is told from the content, the model is
//! the caller's choice.

mod cursor;
mod edn;
mod jepsen;
mod jepsen_edn;
mod judge;
mod porcupine;

use crate::linear::Budget;
use crate::model::{AppendLog, CasRegister, Counter, FifoQueue, Kv, Lock, Model, Set, Stack};
use crate::txn::Isolation;
use crate::verdict::Verdict;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use thiserror::Error;

pub use jepsen::read_jepsen_register;
pub use jepsen_edn::{
    read_edn_counter, read_edn_kv, read_edn_lock, read_edn_queue, read_edn_register, read_edn_set,
    read_edn_transactions,
};
pub use judge::{Judgement, judge_file, judge_text};
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
    /// The format has no form for histories of this model.
    #[error("{file}: {format} files do not hold histories of model {asked}: write them as JSON Lines")]
    NoSuchForm {
        /// The file.
        file: String,
        /// The format.
        format: Format,
        /// The model asked for.
        asked: ModelName,
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
    /// [`FifoQueue`].
    Queue,
    /// [`Stack`].
    Stack,
    /// [`Set`].
    Set,
    /// [`Counter`].
    Counter,
    /// [`Lock`].
    Lock,
    /// [`AppendLog`].
    Log,
    /// Transactions on lists: see [`isolation`](crate::isolation).
    ListAppend,
    /// Transactions on registers: see [`isolation`](crate::isolation).
    RwRegister,
}

impl ModelName {
    /// All of them.
    pub const ALL: [ModelName; 10] = [
        ModelName::Kv,
        ModelName::CasRegister,
        ModelName::Queue,
        ModelName::Stack,
        ModelName::Set,
        ModelName::Counter,
        ModelName::Lock,
        ModelName::Log,
        ModelName::ListAppend,
        ModelName::RwRegister,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ModelName::Kv => Kv::NAME,
            ModelName::CasRegister => CasRegister::NAME,
            ModelName::Queue => FifoQueue::NAME,
            ModelName::Stack => Stack::NAME,
            ModelName::Set => Set::NAME,
            ModelName::Counter => <Counter as Model>::NAME,
            ModelName::Lock => <Lock as Model>::NAME,
            ModelName::Log => AppendLog::NAME,
            ModelName::ListAppend => "list-append",
            ModelName::RwRegister => "rw-register",
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
    /// Stormglass's own JSON Lines (see [`crate::History::write_json_lines`]).
    JsonLines,
    /// A Jepsen log of one register.
    JepsenRegister,
    /// Maps in EDN, one event each, of a key-value store whose values start empty.
    PorcupineKv,
    /// Events in EDN, as Jepsen, Knossos and Elle keep them.
    Edn,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [Format::JsonLines, Format::JepsenRegister, Format::PorcupineKv, Format::Edn];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::JsonLines => "json-lines",
            Format::JepsenRegister => "jepsen",
            Format::PorcupineKv => "porcupine",
            Format::Edn => "edn",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Format::ALL.into_iter().find(|format| format.as_str() == name);
        found.ok_or_else(|| UnknownFormat { asked: name.to_owned() })
    }
}

/// No format has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no format {asked:?}: expected one of json-lines, jepsen, porcupine, edn")]
pub struct UnknownFormat {
    /// The name asked for.
    pub asked: String,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::JsonLines => "JSON Lines",
            Format::JepsenRegister => "Jepsen register",
            Format::PorcupineKv => "porcupine key-value",
            Format::Edn => "EDN",
        })
    }
}

impl Format {
    /// The format of a text, from its first line that is neither blank nor a comment.
    #[must_use]
    pub fn guess(text: &str) -> Option<Format> {
        let line = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with(';'))?;
        let within = |open: char| line.strip_prefix(open).map(str::trim_start);
        if within('{').is_some_and(|rest| rest.starts_with('"')) {
            Some(Format::JsonLines)
        } else if within('{').is_some_and(|rest| rest.starts_with(':')) {
            let kv = line.contains(":key") && [":get", ":put", ":append"].iter().any(|f| line.contains(f));
            Some(if kv { Format::PorcupineKv } else { Format::Edn })
        } else if line.starts_with(['[', '(', '#', '{']) {
            Some(Format::Edn)
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
    /// The format, where it is not to be told from the content.
    pub format: Option<Format>,
    /// The level that transactions are held to.
    pub isolation: Isolation,
    /// Draw a picture of the history, as an HTML file.
    pub picture: bool,
}

impl Default for CheckOptions {
    /// [`Budget::PATIENT`], values alone, the format as guessed, strict serializability, no picture.
    fn default() -> Self {
        CheckOptions {
            budget: Budget::PATIENT,
            revisions: false,
            format: None,
            isolation: Isolation::StrictSerializable,
            picture: false,
        }
    }
}

/// Whether the history in the file at `path` is linearizable with respect to `model`, or isolated as the options say.
///
/// # Errors
/// The file cannot be read, or is no history of that model; with line and column where there is one.
pub fn check_file(path: &Path, model: ModelName, options: CheckOptions) -> Result<Verdict, FormatError> {
    judge_file(path, model, options).map(|judgement| judgement.verdict)
}

/// As [`check_file`], for a text at hand. `name` stands for it in errors.
///
/// # Errors
/// The text is no history of that model.
pub fn check_text(name: &str, text: &str, model: ModelName, options: CheckOptions) -> Result<Verdict, FormatError> {
    judge_text(name, text, model, options).map(|judgement| judgement.verdict)
}
