//! Anomalies by name, and the levels of isolation that they contradict.
//!
//! Dependency cycles are named as by Adya (2000) and Elle: `G0` of write dependencies alone; `G1c` of writes and reads
//! of them; `G-single` with one anti-dependency; `G-nonadjacent` with several, of which no two are neighbours; `G2-item`
//! with neighbours. `no-version-order` says that the versions of registers can be put in no order without one of these. `-process` and `-realtime` say that the cycle needs the order within a process, or real time.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// What kind of anomaly, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnomalyKind {
    /// A value was read that nobody wrote.
    GarbageRead,
    /// A value that must be written once was written twice.
    DuplicateWrite,
    /// A read shows one value twice.
    DuplicateElements,
    /// Two reads of a list contradict each other: neither is the beginning of the other.
    IncompatibleOrder,
    /// A transaction reads what it writes only later.
    FutureRead,
    /// A transaction does not see its own writes, or reads one key twice differently.
    Internal,
    /// A write of an aborted transaction was read.
    G1a,
    /// A write that its transaction overwrote was read by another.
    G1b,
    /// A committed transaction built on an aborted write.
    DirtyUpdate,
    /// Two transactions read the same version of a key, and both wrote it.
    LostUpdate,
    /// A cycle of write dependencies.
    G0,
    /// A cycle of write and read dependencies.
    G1c,
    /// A cycle with one anti-dependency.
    GSingle,
    /// A cycle with anti-dependencies, no two of them neighbours.
    GNonadjacent,
    /// A cycle with neighbouring anti-dependencies.
    G2Item,
    /// As the first, with the order within a process.
    G0Process,
    /// As the first, with the order within a process.
    G1cProcess,
    /// As the first, with the order within a process.
    GSingleProcess,
    /// As the first, with the order within a process.
    GNonadjacentProcess,
    /// As the first, with the order within a process.
    G2ItemProcess,
    /// As the first, with real time.
    G0Realtime,
    /// As the first, with real time.
    G1cRealtime,
    /// As the first, with real time.
    GSingleRealtime,
    /// As the first, with real time.
    GNonadjacentRealtime,
    /// As the first, with real time.
    G2ItemRealtime,
    /// Whatever order the versions of registers came in, some cycle closes.
    NoVersionOrder,
    /// As the first, with the order within a process.
    NoVersionOrderProcess,
    /// As the first, with real time.
    NoVersionOrderRealtime,
}

/// An anomaly, and who has part in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anomaly {
    /// Its kind.
    pub kind: AnomalyKind,
    /// Ids of the transactions, as operations of the history; in a cycle in its order.
    pub transactions: Vec<u32>,
    /// What happened, in a sentence.
    pub cause: String,
    /// A cycle step by step.
    pub details: Vec<String>,
}

/// Levels of isolation, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// PL-1: writes are ordered.
    ReadUncommitted,
    /// PL-2: nothing is seen of transactions that abort, or before they are done.
    ReadCommitted,
    /// Every transaction reads from one snapshot, and of two that write one key the second aborts.
    SnapshotIsolation,
    /// PL-3: as one after the other.
    Serializable,
    /// As one after the other, each process in its own order.
    StrongSessionSerializable,
    /// As one after the other, in real time.
    StrictSerializable,
}

impl Isolation {
    /// All, the weakest first.
    pub const ALL: [Isolation; 6] = [
        Isolation::ReadUncommitted,
        Isolation::ReadCommitted,
        Isolation::SnapshotIsolation,
        Isolation::Serializable,
        Isolation::StrongSessionSerializable,
        Isolation::StrictSerializable,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::ReadUncommitted => "read-uncommitted",
            Isolation::ReadCommitted => "read-committed",
            Isolation::SnapshotIsolation => "snapshot-isolation",
            Isolation::Serializable => "serializable",
            Isolation::StrongSessionSerializable => "strong-session-serializable",
            Isolation::StrictSerializable => "strict-serializable",
        }
    }

    /// The strongest level that none of `anomalies` contradicts.
    pub(super) fn strongest(anomalies: &[Anomaly]) -> Option<Isolation> {
        let weakest = anomalies.iter().map(|anomaly| anomaly.kind.weakest_contradicted()).min();
        match weakest {
            None => Some(Isolation::StrictSerializable),
            Some(weakest) => Isolation::ALL.into_iter().filter(|level| *level < weakest).max(),
        }
    }
}

impl AnomalyKind {
    /// The weakest level that does not have this anomaly; all stronger ones do not have it either.
    #[must_use]
    pub fn weakest_contradicted(self) -> Isolation {
        use AnomalyKind as Kind;
        match self {
            Kind::GarbageRead | Kind::DuplicateWrite | Kind::DuplicateElements | Kind::G0 => Isolation::ReadUncommitted,
            // Of two reads that contradict each other one is of what never was; who reads his own future is a circle.
            Kind::IncompatibleOrder | Kind::FutureRead | Kind::G1a | Kind::G1b | Kind::DirtyUpdate | Kind::G1c => {
                Isolation::ReadCommitted
            }
            Kind::Internal | Kind::LostUpdate | Kind::GSingle | Kind::GNonadjacent => Isolation::SnapshotIsolation,
            Kind::G2Item | Kind::NoVersionOrder => Isolation::Serializable,
            Kind::G0Process
            | Kind::G1cProcess
            | Kind::GSingleProcess
            | Kind::GNonadjacentProcess
            | Kind::G2ItemProcess
            | Kind::NoVersionOrderProcess => Isolation::StrongSessionSerializable,
            Kind::G0Realtime
            | Kind::G1cRealtime
            | Kind::GSingleRealtime
            | Kind::GNonadjacentRealtime
            | Kind::G2ItemRealtime
            | Kind::NoVersionOrderRealtime => Isolation::StrictSerializable,
        }
    }

    /// Whether `level` does not have this anomaly.
    #[must_use]
    pub fn contradicts(self, level: Isolation) -> bool {
        level >= self.weakest_contradicted()
    }

    /// The name, as Elle writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        use AnomalyKind as Kind;
        match self {
            Kind::GarbageRead => "garbage-read",
            Kind::DuplicateWrite => "duplicate-write",
            Kind::DuplicateElements => "duplicate-elements",
            Kind::IncompatibleOrder => "incompatible-order",
            Kind::FutureRead => "future-read",
            Kind::Internal => "internal",
            Kind::G1a => "G1a",
            Kind::G1b => "G1b",
            Kind::DirtyUpdate => "dirty-update",
            Kind::LostUpdate => "lost-update",
            Kind::G0 => "G0",
            Kind::G1c => "G1c",
            Kind::GSingle => "G-single",
            Kind::GNonadjacent => "G-nonadjacent",
            Kind::G2Item => "G2-item",
            Kind::G0Process => "G0-process",
            Kind::G1cProcess => "G1c-process",
            Kind::GSingleProcess => "G-single-process",
            Kind::GNonadjacentProcess => "G-nonadjacent-process",
            Kind::G2ItemProcess => "G2-item-process",
            Kind::G0Realtime => "G0-realtime",
            Kind::G1cRealtime => "G1c-realtime",
            Kind::GSingleRealtime => "G-single-realtime",
            Kind::GNonadjacentRealtime => "G-nonadjacent-realtime",
            Kind::G2ItemRealtime => "G2-item-realtime",
            Kind::NoVersionOrder => "no-version-order",
            Kind::NoVersionOrderProcess => "no-version-order-process",
            Kind::NoVersionOrderRealtime => "no-version-order-realtime",
        }
    }
}

/// By its name.
impl Serialize for AnomalyKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Isolation::ALL.into_iter().find(|level| level.as_str() == name);
        let all = Isolation::ALL.map(Isolation::as_str).join(", ");
        found.ok_or_else(|| format!("there is no level {name:?}: expected one of {all}"))
    }
}
