//! `UCred`: who is at the other end.

use real_tokio::net::unix as real;

use super::{gid_t, pid_t, uid_t};

/// Credentials of a process.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct UCred(Inner);

#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
enum Inner {
    Real(real::UCred),
    /// A process of a simulated node, and both ends are the same one.
    Sim {
        pid: u32,
    },
}

/// The user and group of every simulated process.
const USER: u32 = 1000;

impl UCred {
    pub(super) fn real(real: real::UCred) -> Self {
        Self(Inner::Real(real))
    }

    pub(super) fn simulated() -> Self {
        Self(Inner::Sim { pid: std::process::id() })
    }

    /// The user id.
    #[must_use]
    pub fn uid(&self) -> uid_t {
        match &self.0 {
            Inner::Real(real) => real.uid(),
            Inner::Sim { .. } => USER,
        }
    }

    /// The group id.
    #[must_use]
    pub fn gid(&self) -> gid_t {
        match &self.0 {
            Inner::Real(real) => real.gid(),
            Inner::Sim { .. } => USER,
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> Option<pid_t> {
        match &self.0 {
            Inner::Real(real) => real.pid(),
            Inner::Sim { pid } => pid_t::try_from(*pid).ok(),
        }
    }
}
