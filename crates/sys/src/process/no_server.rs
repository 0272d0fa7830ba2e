//! The stand-in for a fork server where there is none: a type without values.

use std::io::{self, Write};
use std::time::Instant;

use super::fork::{ChildEnd, ForkError};
use super::limits::Limits;

/// Runs case after case, each in a forked child. There is none on this platform.
#[derive(Debug)]
pub enum ForkServer {}

/// A thread that waits to be a fork server's. There is none on this platform.
#[derive(Debug)]
pub enum ForkSeat {}

impl ForkSeat {
    /// Not on this platform.
    ///
    /// # Errors
    ///
    /// Always that it is unsupported.
    pub fn new(_stack_bytes: usize) -> io::Result<ForkSeat> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Where a case writes its result.
#[derive(Debug)]
pub enum ResultSink {}

impl Write for ResultSink {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match *self {}
    }
}

impl ForkServer {
    /// Not on this platform.
    ///
    /// # Errors
    ///
    /// Always [`ForkError::Unsupported`].
    pub fn serve<T: Send + 'static>(
        _seat: ForkSeat,
        _environment: &[(String, String)],
        _serve: impl FnOnce(&mut ForkServer) -> T + Send + 'static,
    ) -> Result<T, ForkError> {
        Err(ForkError::Unsupported)
    }

    /// Runs a case.
    ///
    /// # Errors
    ///
    /// None: there is no such server.
    pub fn run(
        &mut self,
        _limits: &Limits,
        _deadline: Option<Instant>,
        _give_up: &mut dyn FnMut() -> bool,
        _case: impl FnOnce(&mut ResultSink),
    ) -> Result<(&ChildEnd, &[u8]), ForkError> {
        match *self {}
    }
    /// Does something apart.
    ///
    /// # Errors
    ///
    /// None: there is no such server.
    pub fn apart(
        &mut self,
        _give_up: &mut dyn FnMut() -> bool,
        _task: impl FnOnce(&ChildEnd) -> io::Result<()>,
    ) -> Result<bool, ForkError> {
        match *self {}
    }
}
