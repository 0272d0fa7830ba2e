//! Nemeses: adversaries that watch the run and strike where it hurts.
//!
//! A nemesis is deterministic: it sees events in the order of the run and draws from streams keyed by the seed and by the
//! number of its strike. Its faults go through [`Injector::react`](crate::Injector::react), which keeps them within the
//! budget. What it adds depends on the run, so it is a causal edge: removing a planned fault may change it.

mod leader;

pub use leader::{LeaderHunter, Strike};

use crate::{Fault, NodeName};

/// Something that happened in the run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observed {
    /// A node reported something of its own: `BecameLeader`, with the term as its value.
    Probe {
        /// Who reported.
        node: NodeName,
        /// The probe's name.
        name: String,
        /// What it reported.
        value: u64,
    },
    /// A node finished a sync of a file to its disk.
    Fsync {
        /// Whose disk.
        node: NodeName,
        /// How many the node finished so far, this one included.
        n: u64,
        /// What was synced, by one of its names: an absolute path. Empty where it has none.
        path: String,
    },
    /// Time passed; how often is up to the simulation.
    Tick,
}

impl Observed {
    /// What a [`Trigger`](crate::Trigger) calls it, and where it happened.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &NodeName)> {
        match self {
            Observed::Probe { node, name, .. } => Some((name, node)),
            Observed::Fsync { node, .. } => Some((FSYNC, node)),
            Observed::Tick => None,
        }
    }
}

/// What a trigger calls the end of a sync of a file. `fsync/data/vote` is that of one file, or of what is in that folder.
pub const FSYNC: &str = "fsync";

/// An adversary that reacts.
pub trait Nemesis {
    /// Its name, for traces and reports.
    fn name(&self) -> &str;

    /// Looks at an event and answers with faults, most often none. Their starts count from this event.
    fn observe(&mut self, event: &Observed) -> Vec<Fault>;
}
