//! Draws faults of single nodes: who goes down, stands still or has a part that fails, and for how long.

use std::time::Duration;

use super::machine::Magnitude;
use super::profile::millis;
use crate::{Action, Family, Fault, Kind, NodeName, Stream, clock, disk, starve};

/// Bytes that a process may still allocate: from the next few requests to the next seconds of a small service.
const MEMORY_LEFT: std::ops::RangeInclusive<u64> = 1 << 10..=4 << 20;

/// What a process fault is like before its nodes are known: the budget has a say in who they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    kind: Kind,
    /// How long it lasts.
    pub(super) duration: Duration,
    /// How many nodes at once, if the budget allows.
    pub(super) count: usize,
    factor: u32,
    /// Of a starved process: how long a period is, and for how long of it the process runs.
    share: (Duration, Duration),
    /// Of the faults of a machine's parts: how strong they are.
    magnitude: Magnitude,
}

impl Shape {
    /// Draws one. Crashes, power losses and want of memory (1 KiB to 4 MiB left) last 0.1–8 s, restarts 1–50 ms, stops 0.2–5 s, pauses and suspensions 0.05–5 s, slow spells
    /// 0.5–8 s at a factor of 2–200 or with 1–50 % of periods of 10 ms to 1 s, want of descriptors 0.5–8 s with 0 to 8 left,
    /// upgrades 0.2–3 s to version 1 or 2, all with uniform magnitude. One in four hits several nodes at once.
    pub(super) fn draw(kind: Kind, stream: &mut Stream, nodes: usize) -> Shape {
        let duration = stream.log_duration(match kind {
            Kind::Restart => millis(1, 50),
            Kind::GracefulStop => millis(200, 5_000),
            Kind::Pause | Kind::Suspend => millis(50, 5_000),
            Kind::Slow | Kind::Starve | Kind::NoDescriptors => millis(500, 8_000),
            Kind::Upgrade => millis(200, 3_000),
            Kind::DiskReplaced | Kind::DiskSwap => millis(100, 8_000),
            kind if kind.family() == Family::Disk => millis(100, 5_000),
            kind if kind.family() == Family::Clock => millis(500, 20_000),
            _ => millis(100, 8_000),
        });
        let several = stream.below(4) == 0;
        let count = if several { stream.range(2..=(nodes as u64).max(2)) as usize } else { 1 };
        let factor = stream.log_range(2..=200) as u32;
        let machine = matches!(kind.family(), Family::Disk | Family::Clock);
        let magnitude = if machine { Magnitude::draw(stream) } else { Magnitude::default() };
        let count = if kind == Kind::DiskSwap { 2 } else { count };
        let share = match kind {
            Kind::Starve => {
                let period = stream.log_duration(millis(10, 1_000));
                (period, period.mul_f64(stream.log_range(10..=500) as f64 / 1_000.0))
            }
            _ => (Duration::ZERO, Duration::ZERO),
        };
        let factor = match kind {
            Kind::NoDescriptors => stream.below(9) as u32,
            Kind::NoMemory => stream.log_range(MEMORY_LEFT) as u32,
            Kind::Upgrade => 1 + stream.below(2) as u32,
            _ => factor,
        };
        Shape { kind, duration, count: count.min(nodes), factor, share, magnitude }
    }

    /// The fault, for these nodes.
    pub(super) fn fault(self, nodes: &[NodeName]) -> Fault {
        match self.kind.family() {
            _ if self.kind == Kind::Starve => {
                let (period, runs) = self.share;
                starve(nodes, period, runs).lasting(self.duration)
            }
            Family::Disk if !matches!(self.kind, Kind::DiskReplaced | Kind::DiskSwap) => {
                disk(nodes, self.magnitude.disk(self.kind, self.factor)).lasting(self.duration)
            }
            Family::Clock if self.kind != Kind::Suspend => {
                clock(nodes, self.magnitude.clock(self.kind)).lasting(self.duration)
            }
            _ => strike(self.kind, nodes, self.factor).lasting(self.duration),
        }
    }
}

/// A process fault of a kind.
pub(super) fn strike(kind: Kind, nodes: &[NodeName], factor: u32) -> Fault {
    let nodes = nodes.to_vec();
    Fault::new(match kind {
        Kind::PowerLoss => Action::PowerLoss { nodes },
        Kind::Restart => Action::Restart { nodes },
        Kind::GracefulStop => Action::GracefulStop { nodes },
        Kind::Pause => Action::Pause { nodes },
        Kind::Suspend => Action::Suspend { nodes },
        Kind::Slow => Action::Slow { nodes, factor },
        Kind::NoDescriptors => Action::NoDescriptors { nodes, left: factor },
        Kind::NoMemory => Action::NoMemory { nodes, left: Some(factor.into()), refuses: None },
        Kind::Upgrade => Action::Upgrade { nodes, to: factor },
        Kind::DiskReplaced => Action::DiskReplaced { nodes },
        Kind::DiskSwap => Action::DiskSwap { nodes },
        _ => Action::Crash { nodes },
    })
}
