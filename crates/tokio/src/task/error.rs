//! Why a task gave no output.

use std::any::Any;
use std::fmt;

use stormglass_kernel::TaskError;

use super::Id;

/// As `tokio::task::JoinError`.
pub struct JoinError {
    reason: Reason,
    id: Id,
}

enum Reason {
    Real(real_tokio::task::JoinError),
    Cancelled,
    Panicked(std::sync::Mutex<Box<dyn Any + Send + 'static>>),
}

impl JoinError {
    pub(super) fn real(error: real_tokio::task::JoinError) -> Self {
        let id = Id::real(error.id());
        Self { reason: Reason::Real(error), id }
    }

    pub(super) fn simulated(error: TaskError, id: Id) -> Self {
        let reason = match error {
            TaskError::Cancelled => Reason::Cancelled,
            TaskError::Panicked(payload) => Reason::Panicked(std::sync::Mutex::new(payload)),
        };
        Self { reason, id }
    }

    /// Whether the task was aborted, or its node went down.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match &self.reason {
            Reason::Real(error) => error.is_cancelled(),
            Reason::Cancelled => true,
            Reason::Panicked(_) => false,
        }
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        !self.is_cancelled()
    }

    /// The panic's payload.
    ///
    /// # Panics
    /// When the task did not panic, as tokio's does.
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(_) => panic!("`JoinError` reason is not a panic."),
        }
    }

    /// The panic's payload, or this error again when the task did not panic.
    ///
    /// # Errors
    /// When the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        let Self { reason, id } = self;
        match reason {
            Reason::Real(error) => error.try_into_panic().map_err(|error| Self { reason: Reason::Real(error), id }),
            Reason::Cancelled => Err(Self { reason: Reason::Cancelled, id }),
            Reason::Panicked(payload) => Ok(payload.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)),
        }
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Real(error) => error.fmt(f),
            Reason::Cancelled => write!(f, "task {} was cancelled", self.id),
            Reason::Panicked(payload) => match text(payload) {
                Some(text) => write!(f, "task {} panicked with message {text:?}", self.id),
                None => write!(f, "task {} panicked", self.id),
            },
        }
    }
}

/// What a panic said, if it said it in words.
fn text(payload: &std::sync::Mutex<Box<dyn Any + Send>>) -> Option<String> {
    let payload = payload.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let words = payload.downcast_ref::<String>().cloned();
    words.or_else(|| payload.downcast_ref::<&'static str>().map(|&s| s.to_owned()))
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Real(error) => error.fmt(f),
            Reason::Cancelled => write!(f, "JoinError::Cancelled({:?})", self.id),
            Reason::Panicked(payload) => match text(payload) {
                Some(text) => write!(f, "JoinError::Panic({:?}, {text:?}, ...)", self.id),
                None => write!(f, "JoinError::Panic({:?}, ...)", self.id),
            },
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        std::io::Error::other(if error.is_cancelled() { "task was cancelled" } else { "task panicked" })
    }
}
