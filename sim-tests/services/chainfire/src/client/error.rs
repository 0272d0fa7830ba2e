//! What a failed operation means to the caller: whether it can have had an effect.

use crate::kv::api::RangeError;
use crate::wire::messages::Refusal;

/// An operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// It had no effect, and never will.
    #[error("not applied, after {attempts} attempts: {last}")]
    NotApplied {
        /// Attempts made.
        attempts: u32,
        /// Why the last one failed.
        last: String,
    },
    /// It may have had its effect, once, or may yet have it.
    #[error("outcome unknown, after {attempts} attempts: {last}")]
    MaybeApplied {
        /// Attempts made.
        attempts: u32,
        /// Why the last one failed.
        last: String,
    },
    /// The request breaks a limit or makes no sense. It had no effect; sending it again will not help.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The revision asked for cannot be read.
    #[error(transparent)]
    Range(RangeError),
    /// The client was made without any endpoint.
    #[error("the client has no endpoints")]
    NoEndpoints,
    /// The server's answer does not fit the request: the two disagree on the protocol. The request may have had its
    /// effect.
    #[error("the server answered something else: {0}")]
    Protocol(String),
}

impl ClientError {
    /// Whether the operation may have had, or may yet have, its effect.
    pub fn is_indeterminate(&self) -> bool {
        matches!(self, ClientError::MaybeApplied { .. } | ClientError::Protocol(_))
    }

    pub(super) fn protocol(answer: &impl std::fmt::Debug) -> Self {
        ClientError::Protocol(format!("{answer:?}"))
    }

    /// The failure to open a session, as the failure of the write that needed it: the write was never sent.
    pub(super) fn before_the_write(self) -> Self {
        match self {
            ClientError::MaybeApplied { attempts, last } => ClientError::NotApplied { attempts, last },
            other => other,
        }
    }

    pub(super) fn from_refusal(refusal: Refusal, attempts: u32) -> Self {
        match refusal {
            Refusal::Invalid(reason) => ClientError::Invalid(reason),
            Refusal::Range(error) => ClientError::Range(error),
            other => ClientError::NotApplied { attempts, last: other.to_string() },
        }
    }
}
