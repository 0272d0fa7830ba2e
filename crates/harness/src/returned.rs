//! What scenarios and nodes may return.

use std::fmt::Display;

use stormglass_check::{Evidence, Verdict};

/// Whatever a scenario may return.
pub trait IntoOutcome {
    /// The verdict.
    fn into_verdict(self) -> Verdict;
}

impl IntoOutcome for () {
    fn into_verdict(self) -> Verdict {
        Verdict::Pass
    }
}

impl IntoOutcome for Verdict {
    fn into_verdict(self) -> Verdict {
        self
    }
}

impl<T: IntoOutcome> IntoOutcome for Result<T, Evidence> {
    fn into_verdict(self) -> Verdict {
        match self {
            Ok(value) => value.into_verdict(),
            Err(evidence) => Verdict::Fail(evidence),
        }
    }
}

/// Whatever a node's program may return.
pub trait IntoExit {
    /// The error it ended with, in words, if it did.
    fn into_exit(self) -> Result<(), String>;
}

impl IntoExit for () {
    fn into_exit(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> IntoExit for Result<(), E> {
    fn into_exit(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}
