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
}

impl Family {
    /// Every family, in order.
    pub const ALL: [Family; 2] = [Family::Network, Family::Process];

    /// Its name in text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Network => "network",
            Family::Process => "process",
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
    pub const ALL: [Kind; 15] = [
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
            | Kind::PortBlock => Family::Network,
            Kind::Crash | Kind::PowerLoss | Kind::Restart | Kind::GracefulStop | Kind::Pause | Kind::Slow => {
                Family::Process
            }
        }
    }

    /// Whether it takes its nodes out of service while it lasts: down or paused. A [`Budget`](crate::Budget) counts these.
    #[must_use]
    pub fn downs_nodes(self) -> bool {
        matches!(self, Kind::Crash | Kind::PowerLoss | Kind::Restart | Kind::GracefulStop | Kind::Pause)
    }

    /// Whether it cuts links between nodes, so that packets meet it as soon as nodes talk.
    #[must_use]
    pub fn cuts_links(self) -> bool {
        matches!(
            self,
            Kind::PartitionHalves | Kind::IsolateOne | Kind::MajorityRing | Kind::Bridge | Kind::OneWay | Kind::Flap
        )
    }

    /// The colour in which reports draw it: blues cut, greens degrade, reds kill, ambers hold up. All are dark enough
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
