//! The worker protocol, over one socket, which a worker finds as its standard input.
//!
//! It is a socket and not a pair of pipes so that a worker's standard output stays free: whatever the code on trial
//! prints can never be taken for an answer. Both sides say hello first, each with a line of JSON; a version that differs
//! ends the talk there. After that come frames: a length, a kind, and a body. Cases and their ends, of which there are
//! many, are in a binary form; everything else is JSON. A front end may ask for several cases ahead; they run one after
//! another, and are answered in that order.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use bincode::{Decode, Encode, config::standard};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{CaseReport, Refusal, RunRecord, RunRequest, ScenarioInfo, divergence::Divergence};

/// The version of this protocol. It grows with every change of a message, since both ends are built from one lock file
/// and an old worker is simply rebuilt.
pub const PROTOCOL: u32 = 2;

/// The argument that turns a scenario binary into a worker.
pub const WORKER_ARGUMENT: &str = "--stormglass-worker";

/// What the front end asks of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// The first message: the front end's protocol version.
    Hello {
        /// [`PROTOCOL`] of the front end.
        protocol: u32,
    },
    /// The list of scenarios.
    List,
    /// Render a trace file, line by line.
    Trace {
        /// The scenario that wrote it.
        scenario: String,
        /// The file.
        path: PathBuf,
    },
    /// Find the first event in which two traces differ.
    Diverge {
        /// The scenario that wrote them.
        scenario: String,
        /// The trace of the first run.
        first: PathBuf,
        /// The trace of the second run.
        second: PathBuf,
    },
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The first message: who answers.
    Hello(Hello),
    /// The scenarios of the binary, by name.
    Scenarios(Vec<ScenarioInfo>),
    /// A case has ended without a result of its own.
    Ended(Box<CaseReport>),
    /// One line of a rendered trace.
    TraceLine(String),
    /// The trace has ended.
    TraceEnd,
    /// Where two traces part; `None` where they do not.
    Diverged(Option<Divergence>),
    /// The worker cannot do what was asked.
    Error(WorkerFault),
}

/// A worker's introduction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the worker.
    pub protocol: u32,
    /// Version of the harness crate in the binary.
    pub harness: String,
    /// The target the binary was built for, such as `x86_64-linux-gnu`.
    pub target: String,
    /// Whether runs are sealed and repeatable across machines; `false` comes with the reasons.
    pub sealed: bool,
    /// What a user should know before trusting a run, line by line.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What a worker could not do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum WorkerFault {
    /// The self-test of the sealing failed, or two scenarios share a name: nothing can run in this binary.
    #[error("{0}")]
    Setup(String),
    /// No such scenario in this binary.
    #[error("this binary has no scenario `{0}`")]
    NoSuchScenario(String),
    /// A trace could not be read.
    #[error("{0}")]
    Trace(String),
    /// The message was out of order.
    #[error("the worker did not expect this: {0}")]
    Unexpected(String),
}

/// One case, as a worker is asked for it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Run {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The request.
    pub(crate) request: RunRequest,
}

/// What a fork server must know of a case without reading it: nothing that it does for one case may leave its memory
/// different for the next.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
pub(crate) struct RunHead {
    /// Whether standard error goes through at once instead of being kept.
    pub(crate) echo: bool,
    /// The limit on wall time.
    pub(crate) wall: Duration,
    /// The limit on memory, in bytes.
    pub(crate) memory_bytes: u64,
}

/// What a case hands back: the runner's answer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) enum Answer {
    /// It ran.
    Record(Box<RunRecord>),
    /// It refused the request.
    Refused(Refusal),
    /// There is no such scenario.
    NoSuchScenario,
    /// The request could not be read.
    Unreadable(String),
}

/// What is told of a case that handed back its answer, which follows.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ReturnedHead {
    /// CPU time it used.
    pub(crate) cpu: Duration,
    /// Peak memory it held, in bytes; 0 where that is unknown.
    pub(crate) max_rss_bytes: u64,
    /// How many bytes of standard error stand before the answer.
    pub(crate) stderr_bytes: u32,
}

impl ReturnedHead {
    /// The most bytes that one takes: 9 for each number of up to eight bytes, 5 for each of four.
    pub(crate) const BYTES_MAX: usize = 9 + 5 + 9 + 5;
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An [`Ask`] or a [`Reply`] as JSON.
    Json = 0,
    /// A [`RunHead`] and a [`Run`].
    Run = 1,
    /// A [`ReturnedHead`], standard error, and an [`Answer`].
    Returned = 2,
}

/// The longest message either side accepts, in bytes: a record with its plan is a few KiB.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What does not follow this protocol.
pub(crate) fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A message out of its JSON.
///
/// # Errors
///
/// `InvalidData` where it is none.
pub(crate) fn json<M: DeserializeOwned>(bytes: &[u8]) -> io::Result<M> {
    serde_json::from_slice(bytes).map_err(|error| {
        let shown: String = String::from_utf8_lossy(bytes).chars().take(120).collect();
        invalid(format!("not a message of the worker protocol: {error}: {shown}"))
    })
}

/// The binary form of `message`, at the end of `bytes`.
///
/// # Errors
///
/// A path that is no text.
pub(crate) fn encode(message: impl Encode, bytes: &mut impl Write) -> io::Result<()> {
    bincode::encode_into_std_write(message, bytes, standard()).map(drop).map_err(io::Error::other)
}

/// A message out of its binary form, and what follows it.
///
/// # Errors
///
/// `InvalidData` where it is none.
pub(crate) fn decode<M: Decode<()>>(bytes: &[u8]) -> io::Result<(M, &[u8])> {
    match bincode::decode_from_slice(bytes, standard().with_limit::<MESSAGE_BYTES_MAX>()) {
        Ok((message, read)) => Ok((message, &bytes[read..])),
        Err(error) => Err(invalid(format!("not a message of the worker protocol: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_a_record_keep_all_their_fields_in_binary() {
        use crate::{Closest, FaultRecord, Limits, Seed, Verdict};
        let mut request = RunRequest::new(Seed(7), Limits::default());
        request.overrides = vec!["a=1".to_owned()];
        request.plan = Some("plan".to_owned());
        request.until = Some(Duration::from_nanos(9));
        request.params.insert("profile".to_owned(), "rough".to_owned());
        request.trace_to = Some("/t".into());
        request.traps = true;
        let mut record = RunRecord::new("s", Seed(u64::MAX));
        record.verdict = Verdict::Fail;
        record.evidence = vec!["one".to_owned(), "two".to_owned()];
        record.counters.insert("polls".to_owned(), u64::MAX);
        record.sometimes.insert("met".to_owned(), true);
        record.closest.insert("near".to_owned(), Closest { margin: i64::MIN, most: true });
        let text = String::from;
        record.faults = vec![FaultRecord {
            id: text("i"),
            text: text("t"),
            family: text("f"),
            kind: text("k"),
            hits: 1,
            vacuous: true,
            refused: text("r"),
        }];
        let mut bytes = Vec::new();
        let run = Run { scenario: "s".to_owned(), request };
        encode(&run, &mut bytes).unwrap();
        encode(Answer::Record(Box::new(record.clone())), &mut bytes).unwrap();
        let (read, rest) = decode::<Run>(&bytes).unwrap();
        assert_eq!(read, run);
        let (read, rest) = decode::<Answer>(rest).unwrap();
        assert_eq!(read, Answer::Record(Box::new(record)));
        assert!(rest.is_empty());
        assert_eq!(decode::<Run>(&bytes[..3]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
