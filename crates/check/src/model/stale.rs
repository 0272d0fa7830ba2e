//! The register whose reads may be late, by a bounded number of versions (k-atomicity).

use super::{Bytes, Object, Step};
use serde::{Deserialize, Serialize};

/// A register whose reads may be late: they see one of the last `versions` values, of which 1 is a plain register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleRegister {
    /// How many of the last values a read may see.
    pub versions: usize,
}

/// What clients ask of a register that may be late.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StaleOp {
    /// Set it.
    Write(Bytes),
    /// Read it.
    Read,
}

impl Object for StaleRegister {
    const NAME: &'static str = "stale-register";
    type Op = StaleOp;
    /// To a read what it saw; to a write `None`.
    type Ret = Option<Bytes>;
    /// The last values, the latest last.
    type State = Vec<Option<Bytes>>;

    fn initial(&self) -> Self::State {
        vec![None]
    }

    fn step(&self, last: &Self::State, op: &StaleOp, told: Option<&Option<Bytes>>) -> Step<Self::State> {
        match (op, told) {
            (StaleOp::Write(value), _) => {
                let mut next = last.clone();
                next.push(Some(value.clone()));
                let old = next.len().saturating_sub(self.versions.max(1));
                next.drain(..old);
                Step::Next(next)
            }
            (StaleOp::Read, Some(told)) if !last.contains(told) => Step::Refused,
            (StaleOp::Read, _) => Step::Same,
        }
    }

    fn observes_only(&self, op: &StaleOp, _: Option<&Option<Bytes>>) -> bool {
        *op == StaleOp::Read
    }
}
