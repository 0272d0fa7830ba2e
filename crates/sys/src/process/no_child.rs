//! The stand-in for a forked case where there is no fork server: a type without values.

use std::time::Instant;

use super::fork::{ChildEnd, ForkError};

/// A forked case that runs. There is none on this platform.
#[derive(Debug)]
pub enum Child {}

impl Child {
    /// The process id.
    pub fn id(&self) -> u32 {
        match *self {}
    }

    /// Waits until the case has ended.
    ///
    /// # Errors
    ///
    /// None: there is no such case.
    pub fn wait(self, _deadline: Option<Instant>) -> Result<ChildEnd, ForkError> {
        match self {}
    }

    /// Waits until the case has ended or is to be given up.
    ///
    /// # Errors
    ///
    /// None: there is no such case.
    pub fn wait_unless(
        self,
        _deadline: Option<Instant>,
        _give_up: &mut dyn FnMut() -> bool,
    ) -> Result<ChildEnd, ForkError> {
        match self {}
    }
}
