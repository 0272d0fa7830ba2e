//! What a fault really hit. A fault that hit nothing proves nothing, so every effect counts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Names of counters, so that worlds and reports agree on them. A world may add its own.
pub mod counter {
    /// Packets that a cut, a loss or a filter dropped.
    pub const PACKETS_DROPPED: &str = "packets dropped";
    /// Packets that an extra latency held back.
    pub const PACKETS_DELAYED: &str = "packets delayed";
    /// Connections that ended in RST because of the fault.
    pub const CONNECTIONS_RESET: &str = "connections reset";
    /// Tasks that a crash or a stop ended.
    pub const TASKS_STOPPED: &str = "tasks stopped";
    /// Polls, or wakes, that a pause held back.
    pub const TASKS_PAUSED: &str = "tasks paused";
    /// Polls that took longer on a slow processor.
    pub const POLLS_SLOWED: &str = "polls slowed";
    /// Operations of a disk that failed, were slowed, lied about or damaged.
    pub const OPERATIONS_STRUCK: &str = "disk operations struck";
    /// Polls on a node whose clocks were wrong.
    pub const POLLS_MISLED: &str = "polls misled";
    /// Packets that arrived twice.
    pub const PACKETS_DOUBLED: &str = "packets doubled";
    /// Packets of which bits flipped.
    pub const PACKETS_CORRUPTED: &str = "packets corrupted";
    /// Lookups of names that failed or got an old address.
    pub const LOOKUPS_MISLED: &str = "lookups misled";
    /// Files and sockets that could not be opened.
    pub const OPENS_REFUSED: &str = "opens refused";
    /// Processes that were killed because they asked for more memory than there was.
    pub const OUT_OF_MEMORY: &str = "killed out of memory";
    /// Allocations that failed.
    pub const ALLOCATIONS_REFUSED: &str = "allocations refused";
    /// Disks that were replaced or swapped.
    pub const DISKS_CHANGED: &str = "disks changed";
    /// Nodes that were given another version.
    pub const VERSIONS_CHANGED: &str = "versions changed";
    /// Processes that were told to stop.
    pub const SIGNALS_SENT: &str = "signals sent";
    /// Unsynced writes that vanished with the power.
    pub const WRITES_LOST: &str = "writes lost";
    /// Unsynced writes that survived in part.
    pub const WRITES_TORN: &str = "writes torn";
}

/// Counters by name, in order of the names. Zero is never stored: a counter that is there counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hits(BTreeMap<Cow<'static, str>, u64>);

impl Hits {
    /// No hit yet.
    #[must_use]
    pub fn new() -> Hits {
        Hits::default()
    }

    /// Adds to a counter; adding nothing leaves no trace. Saturates.
    pub fn add(&mut self, counter: impl Into<Cow<'static, str>>, count: u64) {
        if count > 0 {
            let value = self.0.entry(counter.into()).or_default();
            *value = value.saturating_add(count);
        }
    }

    /// A counter's value, zero if it is not there.
    #[must_use]
    pub fn get(&self, counter: &str) -> u64 {
        self.0.get(counter).copied().unwrap_or(0)
    }

    /// All counters together. Zero means that the fault was vacuous.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether nothing was hit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counters and values, in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_ref(), *count))
    }
}

impl fmt::Display for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("nothing hit");
        }
        let parts: Vec<String> = self.iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.pad(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_zero_is_not_a_hit() {
        let mut hits = Hits::new();
        hits.add(counter::PACKETS_DROPPED, 0);
        assert!(hits.is_empty());
        assert_eq!(hits.to_string(), "nothing hit");
        hits.add(counter::WRITES_LOST, 2);
        hits.add(counter::PACKETS_DROPPED, 3);
        hits.add(counter::PACKETS_DROPPED, 4);
        assert_eq!((hits.get(counter::PACKETS_DROPPED), hits.total()), (7, 9));
        assert_eq!(hits.to_string(), "7 packets dropped, 2 writes lost");
    }
}
