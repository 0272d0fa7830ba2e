//! What a log entry says, and what applying it answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::api::{WriteRequest, WriteResponse};
use crate::wire::codec;

/// A command in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The cluster's clock when it was proposed, in milliseconds that some node was leader. It never goes back in the
    /// state, whatever the nodes' own clocks do.
    pub clock_ms: u64,
    /// What to do.
    pub action: Action,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Open a client session; its id is the index of this entry.
    OpenSession,
    /// Change the key space, once, however often it is proposed.
    Write {
        /// The session.
        client: u64,
        /// The number of the write in its session. A client waits for one before it begins the next.
        seq: u64,
        /// The change.
        request: WriteRequest,
    },
}

/// What applying a command answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The session that was opened.
    Session(u64),
    /// The change was applied, now or earlier, at this revision.
    Applied {
        /// The revision of the key space after it.
        revision: u64,
        /// What it answered.
        response: WriteResponse,
    },
    /// The session has ended or never was: the command was not applied by this entry.
    SessionExpired,
    /// A later write of the session was applied: this one was not applied by this entry.
    Superseded,
}

impl Command {
    /// The bytes for a log entry.
    pub fn encode(&self) -> Bytes {
        codec::encode(self).into()
    }

    /// Reads a log entry.
    ///
    /// # Errors
    /// What the decoder said.
    pub fn decode(data: &[u8]) -> Result<Self, String> {
        codec::decode(data)
    }
}
