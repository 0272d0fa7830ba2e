//! The names of models and formats, as on the command line, and the look of a text that tells its format.

use super::log::is_log;
use crate::model::{
    AppendLog, Bank, BlockDevice, CasRegister, Counter, Etcd, FifoQueue, Kv, Lock, Model, Semaphore, Set, Stack,
    StaleRegister,
};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

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
    /// [`Semaphore`].
    Semaphore,
    /// [`Bank`].
    Bank,
    /// [`BlockDevice`].
    BlockDevice,
    /// [`StaleRegister`].
    StaleRegister,
    /// [`Etcd`], with its watches and its reads of the past.
    Etcd,
    /// Transactions on lists: see [`isolation`](crate::isolation).
    ListAppend,
    /// Transactions on registers: see [`isolation`](crate::isolation).
    RwRegister,
}

impl ModelName {
    /// All of them.
    pub const ALL: [ModelName; 15] = [
        ModelName::Kv,
        ModelName::CasRegister,
        ModelName::Queue,
        ModelName::Stack,
        ModelName::Set,
        ModelName::Counter,
        ModelName::Lock,
        ModelName::Log,
        ModelName::Semaphore,
        ModelName::Bank,
        ModelName::BlockDevice,
        ModelName::StaleRegister,
        ModelName::Etcd,
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
            ModelName::Semaphore => <Semaphore as Model>::NAME,
            ModelName::Bank => <Bank as Model>::NAME,
            ModelName::BlockDevice => <BlockDevice as Model>::NAME,
            ModelName::StaleRegister => <StaleRegister as Model>::NAME,
            ModelName::Etcd => Etcd::NAME,
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
    /// A log of Jepsen's: of the console, `jepsen.log` or `history.txt`.
    JepsenLog,
    /// Maps in EDN, one event each, of a key-value store whose values start empty.
    PorcupineKv,
    /// Events in EDN, as Jepsen, Knossos and Elle keep them.
    Edn,
    /// Operations and watches as etcd's robustness tests report them, a JSON value on each line.
    EtcdReport,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 5] =
        [Format::JsonLines, Format::JepsenLog, Format::PorcupineKv, Format::Edn, Format::EtcdReport];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::JsonLines => "json-lines",
            Format::JepsenLog => "jepsen",
            Format::PorcupineKv => "porcupine",
            Format::Edn => "edn",
            Format::EtcdReport => "etcd",
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
#[error("there is no format {asked:?}: expected one of json-lines, jepsen, porcupine, edn, etcd")]
pub struct UnknownFormat {
    /// The name asked for.
    pub asked: String,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::JsonLines => "JSON Lines",
            Format::JepsenLog => "Jepsen log",
            Format::PorcupineKv => "porcupine key-value",
            Format::Edn => "EDN",
            Format::EtcdReport => "etcd report",
        })
    }
}

impl Format {
    /// The format of a text, from its first line that is neither blank nor a comment; of a log of Jepsen's from any line that
    /// tells of an operation.
    #[must_use]
    pub fn guess(text: &str) -> Option<Format> {
        let line = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with(';'))?;
        let within = |open: char| line.strip_prefix(open).map(str::trim_start);
        let report = |rest: &str| ["\"ClientI", "\"Request\"", "\"Type\""].iter().any(|field| rest.starts_with(field));
        if within('{').is_some_and(report) {
            Some(Format::EtcdReport)
        } else if within('{').is_some_and(|rest| rest.starts_with('"')) {
            Some(Format::JsonLines)
        } else if within('{').is_some_and(|rest| rest.starts_with(':')) {
            let kv = line.contains(":key") && [":get", ":put", ":append"].iter().any(|f| line.contains(f));
            Some(if kv { Format::PorcupineKv } else { Format::Edn })
        } else if line.starts_with(['[', '(', '#', '{']) {
            Some(Format::Edn)
        } else {
            // A whole log of a test begins with what the test is, and the first operation comes later.
            is_log(text).then_some(Format::JepsenLog)
        }
    }
}
