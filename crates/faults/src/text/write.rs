//! Writes faults as text.

use std::fmt;
use std::time::Duration;

use super::duration;
use super::lexer::is_bare;
use crate::effect::memory_words;
use crate::trigger::is_placeholder;
use crate::{Action, Fault, Links, NodeName};

/// A value in the form in which a plan's text holds it.
pub(crate) struct Shown<'a, T: ?Sized>(pub(crate) &'a T);

impl fmt::Display for Shown<'_, str> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                // Whatever a line of text could lose or a terminal could act on.
                _ if character.is_control() || (character.is_whitespace() && character != ' ') => {
                    write!(f, "\\u{{{:x}}}", u32::from(character))?;
                }
                _ => write!(f, "{character}")?,
            }
        }
        f.write_str("\"")
    }
}

impl fmt::Display for Shown<'_, NodeName> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.as_str();
        if is_bare(name) || is_placeholder(self.0) { f.write_str(name) } else { Shown(name).fmt(f) }
    }
}

impl fmt::Display for Shown<'_, [NodeName]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, name)| {
            if at > 0 {
                f.write_str(",")?;
            }
            Shown(name).fmt(f)
        })
    }
}

impl fmt::Display for Shown<'_, Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::write(*self.0))
    }
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.both_ways { "<>" } else { ">" };
        write!(f, "{} {arrow} {}", group(&self.from), group(&self.to))
    }
}

fn group(nodes: &[NodeName]) -> Shown<'_, [NodeName]> {
    Shown(nodes)
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind())?;
        match self {
            Action::PartitionHalves { left, right } => write!(f, "{} | {}", group(left), group(right)),
            Action::IsolateOne { node, others } => write!(f, "{} | {}", Shown(node), group(others)),
            Action::MajorityRing { ring } => group(ring).fmt(f),
            Action::Bridge { node, left, right } => {
                write!(f, "{} | {} | {}", Shown(node), group(left), group(right))
            }
            Action::OneWay { from, to } => write!(f, "{} > {}", group(from), group(to)),
            Action::Flap { left, right, cut, healed } => {
                write!(f, "{} | {} cut={} healed={}", group(left), group(right), Shown(cut), Shown(healed))
            }
            Action::LatencySpike { links, extra, jitter } => {
                write!(f, "{links} extra={} jitter={}", Shown(extra), Shown(jitter))
            }
            Action::Loss { links, probability } => write!(f, "{links} probability={probability}"),
            Action::PortBlock { node, port, protocol, direction } => {
                write!(f, "{} {protocol}/{port} {direction}", Shown(node))
            }
            Action::Crash { nodes }
            | Action::PowerLoss { nodes }
            | Action::Restart { nodes }
            | Action::GracefulStop { nodes }
            | Action::DiskReplaced { nodes }
            | Action::DiskSwap { nodes }
            | Action::Suspend { nodes }
            | Action::Pause { nodes } => group(nodes).fmt(f),
            Action::Slow { nodes, factor } => write!(f, "{} factor={factor}", group(nodes)),
            Action::Disk { nodes, fault } => write!(f, "{}{fault}", group(nodes)),
            Action::Clock { nodes, fault } => write!(f, "{}{fault}", group(nodes)),
            Action::Impair { links, fault } => write!(f, "{links}{fault}"),
            Action::Names { nodes, fault } => write!(f, "{}{fault}", group(nodes)),
            Action::Starve { nodes, period, runs } => {
                write!(f, "{} period={} runs={}", group(nodes), Shown(period), Shown(runs))
            }
            Action::NoDescriptors { nodes, left } => write!(f, "{} left={left}", group(nodes)),
            Action::NoMemory { nodes, left, refuses } => {
                write!(f, "{}", group(nodes))?;
                memory_words(f, *left, *refuses)
            }
            Action::Upgrade { nodes, to } => write!(f, "{} to={to}", group(nodes)),
        }
    }
}

impl fmt::Display for Fault {
    /// One line, without an id and without a line's end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trigger() {
            None => write!(f, "{} ", duration::write_instant(self.start()))?,
            Some(trigger) if self.start().is_zero() => write!(f, "{trigger} ")?,
            Some(trigger) => write!(f, "{trigger}+{} ", Shown(&self.start()))?,
        }
        match self.duration() {
            Some(duration) => write!(f, "+{} ", Shown(&duration))?,
            None => f.write_str("+calm ")?,
        }
        self.action().fmt(f)?;
        if self.is_must_hit() {
            f.write_str(" must-hit")?;
        }
        match self.label() {
            Some(label) => write!(f, " label={}", Shown(label)),
            None => Ok(()),
        }
    }
}
