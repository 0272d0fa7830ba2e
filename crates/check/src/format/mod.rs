//! History files: Stormglass's own JSON Lines, the logs of Jepsen, the key-value histories that porcupine tests with,
//! histories in EDN as Jepsen, Knossos and Elle keep them, and the reports of etcd's robustness tests. The format is
//! told from the content, the model is the caller's choice.

mod cursor;
mod edn;
mod etcd;
mod etcd_judge;
mod etcd_read;
mod jepsen;
mod jepsen_objects;
mod jepsen_transactions;
mod judge;
mod log;
mod names;
mod porcupine;

use crate::linear::Budget;
use crate::model::Bytes;
use crate::txn::Isolation;
use crate::verdict::Verdict;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use thiserror::Error;

pub use etcd::{EtcdReport, WatchOperation};
pub use etcd_judge::judge_etcd;
pub use etcd_read::{read_etcd_folder, read_etcd_report};
pub use jepsen::{Notation, read_jepsen_kv, read_jepsen_register};
pub use jepsen_objects::{
    read_jepsen_bank, read_jepsen_counter, read_jepsen_lock, read_jepsen_queue, read_jepsen_semaphore, read_jepsen_set,
    read_jepsen_stale,
};
pub use jepsen_transactions::read_jepsen_transactions;
pub use judge::{Judgement, judge_file, judge_text};
pub use names::{Format, ModelName, UnknownFormat, UnknownModel};
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
         `INFO jepsen.util - 0 :invoke :read nil` or `0 :invoke :read nil`, a map `{{:process 0, :type :invoke, ...}}`, or a line of etcd's report {{\"ClientId\":0,\"Input\":...}}"
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
    /// The model does not say enough by its name.
    #[error("model {model} needs {option}")]
    Unsaid {
        /// The model.
        model: ModelName,
        /// What must be said, as on the command line.
        option: &'static str,
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

/// How a file is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// What the search may spend.
    pub budget: Budget,
    /// Check the modification revisions of a [`Kv`](crate::model::Kv) history, too.
    pub revisions: bool,
    /// The format, where it is not to be told from the content.
    pub format: Option<Format>,
    /// The level that transactions are held to.
    pub isolation: Isolation,
    /// Draw a picture of the history, as an HTML file.
    pub picture: bool,
    /// What the objects of some models are like.
    pub objects: Objects,
}

/// What the objects of some models are like. What a model needs and is not said here is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Of [`Kv`](crate::model::Kv) and [`CasRegister`](crate::model::CasRegister): what a key or the register holds that nobody wrote.
    pub initial: Option<Bytes>,
    /// Of a semaphore: how many permits may be out at once.
    pub permits: Option<u32>,
    /// Of a register whose reads may be late: how many of the last values they may see.
    pub versions: Option<usize>,
    /// Of a bank: what every account holds at first.
    pub accounts: BTreeMap<String, u64>,
    /// Of a block device: a sector that is written while the power goes may hold a mixture.
    pub tears: bool,
    /// Of a block device: a write of several sectors is one of each of them, at different instants.
    pub sector_by_sector: bool,
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
            objects: Objects::default(),
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
