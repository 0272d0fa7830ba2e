//! Kinds of faults, the families they belong to, and the colour in which a report draws each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the world that can fail; the planner switches whole families on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// Links between nodes.
    Network,
    /// Processes and the machines under them.
    Process,
    /// Disks.
    Disk,
    /// Clocks.
    Clock,
}

impl Family {
    /// Every family, in order.
    pub const ALL: [Family; 4] = [Family::Network, Family::Process, Family::Disk, Family::Clock];

    /// Its name in text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Network => "network",
            Family::Process => "process",
            Family::Disk => "disk",
            Family::Clock => "clock",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The kind of a fault: its [`Action`](crate::Action) without target and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Two groups that do not hear each other.
    PartitionHalves,
    /// One node that nobody hears.
    IsolateOne,
    /// Every node sees a majority, and no two the same.
    MajorityRing,
    /// Two groups and one node that sees both.
    Bridge,
    /// One group is not heard by another, but hears it.
    OneWay,
    /// A partition that comes and goes.
    Flap,
    /// Packets are late.
    LatencySpike,
    /// Packets are lost at random.
    Loss,
    /// One port is filtered.
    PortBlock,
    /// `kill -9`, and a restart after a while.
    Crash,
    /// Power fails, and returns after a while.
    PowerLoss,
    /// `kill -9`, and a supervisor restarts at once.
    Restart,
    /// SIGTERM, and a restart after a while.
    GracefulStop,
    /// SIGSTOP, and SIGCONT after a while.
    Pause,
    /// A processor that crawls.
    Slow,
    /// Reads of a disk fail.
    DiskReadErrors,
    /// Writes to a disk fail.
    DiskWriteErrors,
    /// Syncs of a disk fail, and what they should have written is lost.
    DiskSyncErrors,
    /// Syncs of a disk do nothing and say that they did.
    LyingSync,
    /// A disk has no room left.
    DiskFull,
    /// A disk has little room left.
    DiskSpace,
    /// A disk cannot be written.
    DiskReadOnly,
    /// A disk crawls.
    DiskSlow,
    /// A disk answers late.
    DiskStall,
    /// Sectors of a disk change by themselves.
    BitRot,
    /// Writes to a disk go astray.
    MisdirectedWrites,
    /// Reads from a disk go astray.
    MisdirectedReads,
    /// A wall clock jumps.
    ClockStep,
    /// Clocks run fast or slow.
    ClockDrift,
    /// A wall clock is moved without a jump.
    ClockSlew,
    /// A wall clock jumps to and fro.
    ClockStrobe,
    /// Packets arrive twice.
    Duplication,
    /// Bits of packets flip.
    Corruption,
    /// Packets are overtaken by later ones.
    Reordering,
    /// Links are narrow, with a short queue before them.
    Bandwidth,
    /// No name server answers.
    DnsSilent,
    /// The name server knows no name.
    DnsUnknown,
    /// The name server gives an old address.
    DnsStale,
    /// Processes get the processor for a part of the time only.
    Starve,
    /// Processes have no file descriptor left.
    NoDescriptors,
    /// SIGTERM, and a start of another version after a while.
    Upgrade,
    /// Power fails, and returns with an empty disk.
    DiskReplaced,
    /// Power of two machines fails, and each returns with the disk of the other.
    DiskSwap,
    /// Processes run out of memory.
    NoMemory,
    /// Machines are suspended, their monotonic clocks and network included.
    Suspend,
}

/// A colour as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour(pub &'static str);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Kind {
    /// Every kind, in order. The order is also that of the planner's lanes: new kinds go to the end.
    pub const ALL: [Kind; 45] = [
        Kind::PartitionHalves,
        Kind::IsolateOne,
        Kind::MajorityRing,
        Kind::Bridge,
        Kind::OneWay,
        Kind::Flap,
        Kind::LatencySpike,
        Kind::Loss,
        Kind::PortBlock,
        Kind::Crash,
        Kind::PowerLoss,
        Kind::Restart,
        Kind::GracefulStop,
        Kind::Pause,
        Kind::Slow,
        Kind::DiskReadErrors,
        Kind::DiskWriteErrors,
        Kind::DiskSyncErrors,
        Kind::LyingSync,
        Kind::DiskFull,
        Kind::DiskSpace,
        Kind::DiskReadOnly,
        Kind::DiskSlow,
        Kind::DiskStall,
        Kind::BitRot,
        Kind::MisdirectedWrites,
        Kind::MisdirectedReads,
        Kind::ClockStep,
        Kind::ClockDrift,
        Kind::ClockSlew,
        Kind::ClockStrobe,
        Kind::Duplication,
        Kind::Corruption,
        Kind::Reordering,
        Kind::Bandwidth,
        Kind::DnsSilent,
        Kind::DnsUnknown,
        Kind::DnsStale,
        Kind::Starve,
        Kind::NoDescriptors,
        Kind::Upgrade,
        Kind::DiskReplaced,
        Kind::DiskSwap,
        Kind::NoMemory,
        Kind::Suspend,
    ];

    /// The word that stands for it in a plan's text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::PartitionHalves => "partition-halves",
            Kind::IsolateOne => "isolate-one",
            Kind::MajorityRing => "majority-ring",
            Kind::Bridge => "bridge",
            Kind::OneWay => "one-way",
            Kind::Flap => "flap",
            Kind::LatencySpike => "latency-spike",
            Kind::Loss => "loss",
            Kind::PortBlock => "port-block",
            Kind::Crash => "crash",
            Kind::PowerLoss => "power-loss",
            Kind::Restart => "restart",
            Kind::GracefulStop => "graceful-stop",
            Kind::Pause => "pause",
            Kind::Slow => "slow",
            Kind::DiskReadErrors => "disk-read-errors",
            Kind::DiskWriteErrors => "disk-write-errors",
            Kind::DiskSyncErrors => "disk-sync-errors",
            Kind::LyingSync => "lying-sync",
            Kind::DiskFull => "disk-full",
            Kind::DiskSpace => "disk-space",
            Kind::DiskReadOnly => "disk-read-only",
            Kind::DiskSlow => "disk-slow",
            Kind::DiskStall => "disk-stall",
            Kind::BitRot => "bit-rot",
            Kind::MisdirectedWrites => "misdirected-writes",
            Kind::MisdirectedReads => "misdirected-reads",
            Kind::ClockStep => "clock-step",
            Kind::ClockDrift => "clock-drift",
            Kind::ClockSlew => "clock-slew",
            Kind::ClockStrobe => "clock-strobe",
            Kind::Duplication => "duplication",
            Kind::Corruption => "corruption",
            Kind::Reordering => "reordering",
            Kind::Bandwidth => "bandwidth",
            Kind::DnsSilent => "dns-silent",
            Kind::DnsUnknown => "dns-unknown",
            Kind::DnsStale => "dns-stale",
            Kind::Starve => "starve",
            Kind::NoDescriptors => "no-descriptors",
            Kind::NoMemory => "no-memory",
            Kind::Suspend => "suspend",
            Kind::Upgrade => "upgrade",
            Kind::DiskReplaced => "disk-replaced",
            Kind::DiskSwap => "disk-swap",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The family it belongs to.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Kind::PartitionHalves
            | Kind::IsolateOne
            | Kind::MajorityRing
            | Kind::Bridge
            | Kind::OneWay
            | Kind::Flap
            | Kind::LatencySpike
            | Kind::Loss
            | Kind::PortBlock
            | Kind::Duplication
            | Kind::Corruption
            | Kind::Reordering
            | Kind::Bandwidth
            | Kind::DnsSilent
            | Kind::DnsUnknown
            | Kind::DnsStale => Family::Network,
            Kind::Crash
            | Kind::PowerLoss
            | Kind::Restart
            | Kind::GracefulStop
            | Kind::Pause
            | Kind::Slow
            | Kind::Starve
            | Kind::NoDescriptors
            | Kind::NoMemory
            | Kind::Upgrade => Family::Process,
            Kind::DiskReadErrors
            | Kind::DiskWriteErrors
            | Kind::DiskSyncErrors
            | Kind::LyingSync
            | Kind::DiskFull
            | Kind::DiskSpace
            | Kind::DiskReadOnly
            | Kind::DiskSlow
            | Kind::DiskStall
            | Kind::BitRot
            | Kind::MisdirectedWrites
            | Kind::MisdirectedReads
            | Kind::DiskReplaced
            | Kind::DiskSwap => Family::Disk,
            Kind::ClockStep | Kind::ClockDrift | Kind::ClockSlew | Kind::ClockStrobe | Kind::Suspend => Family::Clock,
        }
    }

    /// Whether it takes its nodes out of service while it lasts: down or paused. A [`Budget`](crate::Budget) counts these.
    #[must_use]
    pub fn downs_nodes(self) -> bool {
        matches!(
            self,
            Kind::Crash
                | Kind::PowerLoss
                | Kind::Restart
                | Kind::GracefulStop
                | Kind::Pause
                | Kind::NoMemory
                | Kind::Suspend
                | Kind::Upgrade
                | Kind::DiskReplaced
                | Kind::DiskSwap
        )
    }

    /// Whether it cuts links between nodes, so that packets meet it as soon as nodes talk.
    #[must_use]
    pub fn cuts_links(self) -> bool {
        matches!(
            self,
            Kind::PartitionHalves | Kind::IsolateOne | Kind::MajorityRing | Kind::Bridge | Kind::OneWay | Kind::Flap
        )
    }

    /// The colour in which reports draw it: blues cut, greens degrade, reds kill, ambers hold up, teals
    /// fail a disk, purples damage it, browns mislead clocks. All are dark enough
    /// for white text and differ in lightness within a group, so that they can be told apart without colour vision.
    #[must_use]
    pub fn colour(self) -> Colour {
        Colour(match self {
            Kind::PartitionHalves => "#1f4e9c",
            Kind::IsolateOne => "#3b6fc4",
            Kind::MajorityRing => "#153a75",
            Kind::Bridge => "#4c5fb8",
            Kind::OneWay => "#2a7f9e",
            Kind::Flap => "#6a4fb3",
            Kind::LatencySpike => "#3d7a52",
            Kind::Loss => "#1f5c3a",
            Kind::PortBlock => "#5b6f2a",
            Kind::Crash => "#c0392b",
            Kind::PowerLoss => "#7b1e1e",
            Kind::Restart => "#a8503c",
            Kind::GracefulStop => "#8c4a6b",
            Kind::Pause => "#a06a0a",
            Kind::Slow => "#7a5a1e",
            Kind::DiskReadErrors => "#2b6b6b",
            Kind::DiskWriteErrors => "#1d4f4f",
            Kind::DiskSyncErrors => "#3f8080",
            Kind::LyingSync => "#0f3b3b",
            Kind::DiskFull => "#5a7d7c",
            Kind::DiskSpace => "#476665",
            Kind::DiskReadOnly => "#35504f",
            Kind::DiskSlow => "#6b8f3a",
            Kind::DiskStall => "#4f6d26",
            Kind::BitRot => "#6e3b5e",
            Kind::MisdirectedWrites => "#532a47",
            Kind::MisdirectedReads => "#8a5279",
            Kind::ClockStep => "#8a4b08",
            Kind::ClockDrift => "#b3541e",
            Kind::ClockSlew => "#6b3a06",
            Kind::ClockStrobe => "#96591c",
            Kind::Duplication => "#2d8a57",
            Kind::Corruption => "#14502f",
            Kind::Reordering => "#4b8b5e",
            Kind::Bandwidth => "#6b7f1f",
            Kind::DnsSilent => "#2c5f7c",
            Kind::DnsUnknown => "#1c4560",
            Kind::DnsStale => "#417a99",
            Kind::Starve => "#8f6a2a",
            Kind::NoDescriptors => "#5e4a12",
            Kind::NoMemory => "#4a5e12",
            Kind::Suspend => "#6a5f8f",
            Kind::Upgrade => "#9a4f7e",
            Kind::DiskReplaced => "#5c1f3a",
            Kind::DiskSwap => "#71304c",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_a_colour_of_its_own() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            let colour = kind.colour().0;
            assert!(colour.len() == 7 && u32::from_str_radix(&colour[1..], 16).is_ok(), "{colour}");
            assert!(Kind::ALL[at + 1..].iter().all(|other| other.colour() != kind.colour()), "{kind}");
            assert_eq!(kind as usize, at, "ALL is in the order of declaration");
        }
        assert_eq!(Kind::named("no-such"), None);
    }
}
