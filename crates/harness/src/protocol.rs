//! The worker protocol: JSON lines over one socket, which a worker finds as its standard input.
//!
//! It is a socket and not a pair of pipes so that a worker's standard output stays free: whatever the code on trial
//! prints can never be taken for an answer. Both sides say hello first; a version that differs ends the talk there.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{CaseReport, Refusal, RunRequest, ScenarioInfo, divergence::Divergence};

/// The version of this protocol. It grows with every change of a message, since both ends are built from one lock file
/// and an old worker is simply rebuilt.
pub const PROTOCOL: u32 = 1;

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
    /// Run one case.
    Run {
        /// The scenario's name.
        scenario: String,
        /// The request.
        request: Box<RunRequest>,
        /// Whether standard error goes through at once instead of being kept.
        echo: bool,
    },
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
    /// A case has ended.
    Ended(Box<CaseReport>),
    /// The scenario refuses the request.
    Refused(Refusal),
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

/// The longest message either side accepts, in bytes: a record with its plan is a few KiB.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;

/// One end of the talk.
#[derive(Debug)]
pub(crate) struct Channel {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Channel {
    /// An end of the talk over `stream`.
    ///
    /// # Errors
    ///
    /// Where the descriptor cannot be duplicated.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        Ok(Channel { reader: BufReader::new(stream.try_clone()?), writer: stream })
    }

    /// The socket, for its timeouts.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.writer
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// Where the other side is gone.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.writer.write_all(&line)
    }

    /// Receives one message; `None` where the other side closed the talk between two messages.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` in the midst of a message, `InvalidData` on one that does not parse or is too long, and
    /// whatever the socket reports, a timeout among it.
    pub(crate) fn receive<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(MESSAGE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(if read as u64 == MESSAGE_BYTES_MAX {
                io::Error::new(io::ErrorKind::InvalidData, format!("a message of more than {MESSAGE_BYTES_MAX} bytes"))
            } else {
                io::ErrorKind::UnexpectedEof.into()
            });
        }
        serde_json::from_slice(&line).map(Some).map_err(|error| {
            let shown: String = String::from_utf8_lossy(&line).chars().take(120).collect();
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("not a message of the worker protocol: {error}: {shown}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Channel, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Channel::new(ours).unwrap(), theirs)
    }

    #[test]
    fn a_message_arrives_as_it_was_sent() {
        let (mut ours, theirs) = pair();
        let mut theirs = Channel::new(theirs).unwrap();
        ours.send(&Ask::Hello { protocol: 1 }).unwrap();
        ours.send(&Ask::List).unwrap();
        drop(ours);
        assert_eq!(theirs.receive::<Ask>().unwrap(), Some(Ask::Hello { protocol: 1 }));
        assert_eq!(theirs.receive::<Ask>().unwrap(), Some(Ask::List));
        assert_eq!(theirs.receive::<Ask>().unwrap(), None);
    }

    #[test]
    fn a_torn_message_and_noise_are_told_apart() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"hello\n{\"list").unwrap();
        drop(theirs);
        assert_eq!(ours.receive::<Ask>().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(ours.receive::<Ask>().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
