//! Linearizability: is there one order of the operations that respects real time and that a correct object would answer
//! so? (Herlihy and Wing 1990.)
//!
//! The rooms, in the order in which a history passes through them: `partition` splits it by key; `monitor` decides what
//! needs no search; `portfolio` has a model say it better where it can; `prepare` drops and tightens operations of
//! unknown outcome where that is sound; `phantom` finds values from nowhere; `portfolio` lets two engines take turns,
//! `depth` (Wing and Gong 1993, with the memo of Lowe 2017) and `frontier` (just-in-time linearization, breadth first),
//! both over `machine`; `replay` checks a found order against the raw history, sharing no code with the engines;
//! `minimise` and `explain` turn a refusal into evidence; `online` feeds a frontier per key while a run goes on.

mod decide;
mod depth;
mod explain;
mod frontier;
mod machine;
mod memo;
mod minimise;
mod monitor;
mod online;
mod partition;
mod phantom;
mod portfolio;
mod prepare;
mod replay;
mod sight;
mod sweep;
mod visited;
mod zones;

pub(crate) use decide::part_is_linearizable;
pub use decide::{is_linearizable, linearizability, linearizability_by, linearizable, linearizable_within};
pub(crate) use memo::FixedState;
pub use monitor::{Monitored, Part};
pub use online::{Online, OnlineError};
pub(crate) use partition::keys_tied_by;
pub use replay::{CertificateError, replay};

use crate::history::OpId;
use crate::verdict::Verdict;

/// The oracle's name in verdicts.
pub const LINEARIZABILITY: &str = "linearizability";

/// How much a check may spend. Both limits are counted, never timed, so the same history gives the same verdict
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Questions put to the model, over all keys. A history that is not hard takes one or two per operation; a hard
    /// search makes about two million per second.
    pub steps: u64,
    /// Bytes of the search's own tables at any one time: an estimate, within a factor of two of what is allocated
    /// unless single states are large.
    pub bytes: u64,
}

impl Budget {
    /// For a history at hand, when somebody waits for the answer: 100 million steps and 2 GiB.
    pub const PATIENT: Budget = Budget { steps: 100_000_000, bytes: 2 << 30 };
}

impl Default for Budget {
    /// For one seed among many: 2 million steps and 256 MiB.
    fn default() -> Self {
        Budget { steps: 2_000_000, bytes: 256 << 20 }
    }
}

/// The proof of a pass: for each part of the history that can be judged on its own, an order of its operations. Whoever
/// doubts the search can have it replayed: see [`replay`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// One order per part. Operations that definitely did not happen are in none; those of unknown outcome may be in
    /// none; every other operation is in exactly one.
    pub orders: Vec<Vec<OpId>>,
}

/// What a check found, and what it took.
#[derive(Clone, Debug)]
pub struct Linearizability {
    /// The answer.
    pub verdict: Verdict,
    /// The proof of a `Pass`, replayed already; `None` otherwise.
    pub certificate: Option<Certificate>,
    /// Into how many parts the history was split.
    pub parts: usize,
    /// Questions put to the model by the search, without those spent on making the evidence small.
    pub steps: u64,
}

/// Who looks for an order. All of them give the same verdicts, unless their budget runs out; they differ in cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// A monitor where one applies, otherwise the search and ever wider frontiers by turns.
    #[default]
    Portfolio,
    /// Monitors alone; where none applies the verdict is `Unknown`.
    Monitor,
    /// The depth-first search alone.
    DepthFirst,
    /// The frontier alone, of any width.
    Frontier,
    /// The frontier alone, of this width: it passes, and refuses if nothing had to be dropped.
    Narrow(usize),
}
