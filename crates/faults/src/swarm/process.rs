//! Draws faults of single nodes: who goes down, stands still or has a part that fails, and for how long.

use std::time::Duration;

use super::machine::Magnitude;
use super::profile::millis;
use crate::{Action, Family, Fault, Kind, NodeName, Stream, clock, disk};

/// What a process fault is like before its nodes are known: the budget has a say in who they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    kind: Kind,
    /// How long it lasts.
    pub(super) duration: Duration,
    /// How many nodes at once, if the budget allows.
    pub(super) count: usize,
    factor: u32,
    /// Of the faults of a machine's parts: how strong they are.
    magnitude: Magnitude,
}

impl Shape {
    /// Draws one. Crashes and power losses last 0.1–8 s, restarts 1–50 ms, stops 0.2–5 s, pauses 0.05–5 s, slow spells
    /// 0.5–8 s at a factor of 2–200, all with uniform magnitude. One in four hits several nodes at once.
    pub(super) fn draw(kind: Kind, stream: &mut Stream, nodes: usize) -> Shape {
        let duration = stream.log_duration(match kind {
            Kind::Restart => millis(1, 50),
            Kind::GracefulStop => millis(200, 5_000),
            Kind::Pause => millis(50, 5_000),
            Kind::Slow => millis(500, 8_000),
            kind if kind.family() == Family::Disk => millis(100, 5_000),
            kind if kind.family() == Family::Clock => millis(500, 20_000),
            _ => millis(100, 8_000),
        });
        let several = stream.below(4) == 0;
        let count = if several { stream.range(2..=(nodes as u64).max(2)) as usize } else { 1 };
        let factor = stream.log_range(2..=200) as u32;
        let machine = matches!(kind.family(), Family::Disk | Family::Clock);
        let magnitude = if machine { Magnitude::draw(stream) } else { Magnitude::default() };
        Shape { kind, duration, count: count.min(nodes), factor, magnitude }
    }

    /// The fault, for these nodes.
    pub(super) fn fault(self, nodes: &[NodeName]) -> Fault {
        match self.kind.family() {
            Family::Disk => disk(nodes, self.magnitude.disk(self.kind, self.factor)).lasting(self.duration),
            Family::Clock => clock(nodes, self.magnitude.clock(self.kind)).lasting(self.duration),
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
        Kind::Slow => Action::Slow { nodes, factor },
        _ => Action::Crash { nodes },
    })
}
