//! `tokio::runtime::Id`.

use std::fmt;
use std::num::NonZeroU64;

/// Tells one runtime from another, as `tokio::runtime::Id`. In a simulation it is a number of the runtime's node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Real(real_tokio::runtime::Id),
    Simulated(NonZeroU64),
}

impl Id {
    pub(crate) fn real(id: real_tokio::runtime::Id) -> Self {
        Self(Kind::Real(id))
    }

    pub(super) fn simulated(number: NonZeroU64) -> Self {
        Self(Kind::Simulated(number))
    }

    /// The id of a node's own runtime.
    pub(super) fn of_node() -> Self {
        Self(Kind::Simulated(NonZeroU64::MAX))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Real(id) => id.fmt(f),
            Kind::Simulated(number) => number.fmt(f),
        }
    }
}
