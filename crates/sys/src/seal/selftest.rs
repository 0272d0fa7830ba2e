//! The seal tested on this very binary, at start. Whether a definition of ours wins is the linker's decision, and
//! linkers and profiles differ; so each symbol is called the way real code calls it.

use std::fmt;
use std::io;

/// Why this binary does not seal its simulations.
#[derive(Debug)]
#[non_exhaustive]
pub enum SelfTestError {
    /// The target is not of the sealed tier; nothing is interposed.
    NotSealed {
        /// What the sealed tier is.
        needs: &'static str,
    },
    /// A call reached the real function: the linker took another definition of `symbol` than ours.
    Missed {
        /// The libc symbol.
        symbol: &'static str,
        /// The call that went past it.
        path: &'static str,
    },
    /// Shared objects of this process would reach the real function: the linker did not export our definition.
    NotExported {
        /// The libc symbol.
        symbol: &'static str,
    },
    /// The thread that the test runs on could not be started.
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// A probe panicked: a call answered something that `std` does not expect.
    Panicked,
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelfTestError::NotSealed { needs } => {
                write!(
                    f,
                    "simulations are not sealed on this target: nothing keeps them from the real clock and entropy; the seal needs {needs}"
                )
            }
            SelfTestError::Missed { symbol, path } => write!(
                f,
                "the seal misses `{symbol}`: {path} reached the real machine; the linker took another definition of the symbol \
                 (is there a second crate that interposes it, or a linker script?)"
            ),
            SelfTestError::NotExported { symbol } => write!(
                f,
                "the seal misses `{symbol}` in shared objects: the executable does not export its definition \
                 (is the binary linked with a version script or --exclude-libs?)"
            ),
            SelfTestError::Thread { source } => {
                write!(f, "the thread that tests the seal could not be started: {source}")
            }
            SelfTestError::Panicked => f.write_str("the test of the seal panicked; its message is on standard error"),
        }
    }
}

impl std::error::Error for SelfTestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SelfTestError::Thread { source } => Some(source),
            _ => None,
        }
    }
}

/// Tests on a fresh thread that the seal catches each symbol on the paths that real code takes: `std`'s clocks, maps,
/// threads, sockets, files and processes, and libc called directly.
///
/// A process that runs simulations calls this once, before the first, and ends with exit code 96 on an error. About a
/// millisecond.
///
/// # Errors
///
/// The first symbol that is not caught; [`SelfTestError::NotSealed`] on a target outside the sealed tier.
pub fn selftest() -> Result<(), SelfTestError> {
    #[cfg(sealed_tier)]
    return super::probes::run();
    #[cfg(not(sealed_tier))]
    return Err(SelfTestError::NotSealed { needs: "Linux on x86-64 or aarch64 with a dynamically linked glibc" });
}
