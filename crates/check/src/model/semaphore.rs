//! The semaphore: so many permits, and no more of them out at once.

use super::{Object, Step};
use serde::{Deserialize, Serialize};

/// A semaphore with this many permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semaphore {
    /// How many may be out at once.
    pub permits: u32,
}

/// What clients ask of a semaphore.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SemaphoreOp {
    /// Take so many permits.
    Acquire(u32),
    /// Give so many back.
    Release(u32),
}

impl Object for Semaphore {
    const NAME: &'static str = "semaphore";
    type Op = SemaphoreOp;
    /// Whether it was done.
    type Ret = bool;
    /// How many permits are out.
    type State = u32;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, out: &u32, op: &SemaphoreOp, told: Option<&bool>) -> Step<u32> {
        let next = match op {
            SemaphoreOp::Acquire(count) => out.checked_add(*count).filter(|out| *out <= self.permits),
            SemaphoreOp::Release(count) => out.checked_sub(*count),
        };
        match (next, told) {
            (Some(next), None | Some(true)) => Step::Next(next),
            (None, None | Some(false)) => Step::Same,
            _ => Step::Refused,
        }
    }

    fn observes_only(&self, _: &SemaphoreOp, told: Option<&bool>) -> bool {
        told == Some(&false)
    }
}
