//! The number that names one fault of a plan, for as long as the plan exists.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a fault within a plan. It survives the removal of other faults, so that whatever a simulator keys by it (which
/// packet is lost, say) does not change when a plan is shrunk.
///
/// Faults of a plan are below [`FaultId::REACTIVE`]; those that a nemesis adds during the run start there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u32);

impl FaultId {
    /// The first id of a fault added by a nemesis.
    pub const REACTIVE: FaultId = FaultId(1 << 24);

    /// Whether a nemesis added this fault.
    #[must_use]
    pub fn is_reactive(self) -> bool {
        self >= FaultId::REACTIVE
    }
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("f{}", self.0))
    }
}

impl std::str::FromStr for FaultId {
    type Err = std::num::ParseIntError;

    /// Reads `f3` or `3`.
    fn from_str(text: &str) -> Result<FaultId, Self::Err> {
        text.strip_prefix('f').unwrap_or(text).parse().map(FaultId)
    }
}
