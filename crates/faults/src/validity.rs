//! Which faults make sense. A plan holds no other, so that nothing downstream needs to ask again.

use std::time::Duration;

use thiserror::Error;

use crate::text::lexer::is_bare;
use crate::text::write::Shown;
use crate::trigger::is_placeholder;
use crate::{Action, Fault, Kind, NodeName, Probability};

/// Why a fault makes no sense, whatever the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FaultError {
    /// A group, or a list of targets, has no node.
    #[error("`{kind}` needs at least one node in each of its groups")]
    NoNodes {
        /// The fault's kind.
        kind: Kind,
    },
    /// A want of memory says neither how much is left nor what is refused.
    #[error(
        "`{kind}` needs `left=` with the bytes that are left, `refuses=` with the smallest allocation that fails, or both"
    )]
    NoLimit {
        /// The fault's kind.
        kind: Kind,
    },
    /// Every allocation would fail, also those of no bytes.
    #[error("`{kind}` needs at least 1 in `refuses=`")]
    NothingAllocated {
        /// The fault's kind.
        kind: Kind,
    },
    /// A node comes twice where it may come once.
    #[error("`{kind}` names node `{node}` twice")]
    Twice {
        /// The fault's kind.
        kind: Kind,
        /// The node.
        node: NodeName,
    },
    /// The links are those of a node with itself.
    #[error("`{kind}` is on no link: its only node is on both sides")]
    NoLinks {
        /// The fault's kind.
        kind: Kind,
    },
    /// A ring of three or fewer nodes cuts nothing.
    #[error("a majority ring needs at least 4 nodes and has {nodes}: on a smaller one, all nodes are neighbours")]
    SmallRing {
        /// How many there are.
        nodes: usize,
    },
    /// A parameter with which the fault would do nothing.
    #[error("`{kind}` with {parameter} {given} does nothing: {expected}")]
    NoEffect {
        /// The fault's kind.
        kind: Kind,
        /// The parameter's name.
        parameter: &'static str,
        /// Its value.
        given: String,
        /// What would do something.
        expected: &'static str,
    },
    /// Two disks are swapped, not more and not fewer.
    #[error("`disk-swap` needs two nodes, and has {nodes}")]
    NotAPair {
        /// How many there are.
        nodes: usize,
    },
    /// `@it`, `@others` and `@other1` mean nothing without a trigger.
    #[error("`{node}` is the node of a trigger, and this fault begins by the clock: begin it with `on:EVENT`")]
    NoTrigger {
        /// The placeholder.
        node: NodeName,
    },
    /// A name that begins with `@` and is none of these.
    #[error(
        "there is no `{node}`: a trigger knows `@it`, where it happened, `@others`, and each of them as `@other1`, `@other2` …"
    )]
    NoSuchPlaceholder {
        /// The name.
        node: NodeName,
    },
    /// A trigger that never comes, or that no plan's text could hold.
    #[error(
        "`{trigger}` is no trigger: events are counted from 1, and their names and those of their nodes are made of \
         letters, digits and `_ - . /`"
    )]
    NeverTriggered {
        /// The trigger.
        trigger: String,
    },
    /// A flap with more cycles than anyone can want, most likely a wrong unit.
    #[error("`{kind}` would come and go {cycles} times; at most {} do", Fault::FLAPS_MAX)]
    TooManyFlaps {
        /// The fault's kind.
        kind: Kind,
        /// How many.
        cycles: u128,
    },
    /// It would end beyond what a duration can hold.
    #[error("`{kind}` ends later than any virtual time: its start plus its duration does not fit")]
    TooLate {
        /// The fault's kind.
        kind: Kind,
    },
    /// What comes and goes has no end of its own.
    #[error("`{kind}` needs a duration: until calm it would have no last cycle")]
    EndlessFlap {
        /// The fault's kind.
        kind: Kind,
    },
}

impl Fault {
    /// The most cycles of one flap, or periods of a starved process.
    pub const FLAPS_MAX: u128 = 10_000;

    /// Whether the fault makes sense on its own; which nodes exist is asked before a run.
    ///
    /// # Errors
    /// [`FaultError`] names what is wrong.
    pub fn check(&self) -> Result<(), FaultError> {
        let kind = self.kind();
        let no_effect =
            |parameter, given: String, expected| Err(FaultError::NoEffect { kind, parameter, given, expected });
        if self.start().checked_add(self.duration().unwrap_or_default()).is_none() {
            return Err(FaultError::TooLate { kind });
        }
        self.check_placeholders()?;
        match self.action() {
            Action::LatencySpike { links, extra, jitter } => {
                on_some_link(kind, links)?;
                if extra.is_zero() && jitter.is_zero() {
                    return no_effect("extra", "0s".into(), "extra or jitter must be more than zero");
                }
            }
            Action::Loss { links, probability } => {
                on_some_link(kind, links)?;
                if *probability == Probability::ZERO {
                    return no_effect("probability", probability.to_string(), "it must be more than 0%");
                }
            }
            Action::Flap { left, right, cut, healed } => {
                groups(kind, &[left, right])?;
                self.check_flap(*cut, *healed)?;
            }
            Action::PartitionHalves { left, right } => groups(kind, &[left, right])?,
            Action::OneWay { from, to } => groups(kind, &[from, to])?,
            Action::IsolateOne { node, others } => groups(kind, &[std::slice::from_ref(node), others])?,
            Action::Bridge { node, left, right } => groups(kind, &[std::slice::from_ref(node), left, right])?,
            Action::MajorityRing { ring } => {
                groups(kind, &[ring])?;
                if ring.len() < 4 && !ring.iter().any(is_placeholder) {
                    return Err(FaultError::SmallRing { nodes: ring.len() });
                }
            }
            Action::PortBlock { .. } => {}
            Action::Slow { nodes, factor } => {
                groups(kind, &[nodes])?;
                if *factor < 2 {
                    return no_effect("factor", factor.to_string(), "it must be at least 2");
                }
            }
            Action::Disk { nodes, fault } => {
                groups(kind, &[nodes])?;
                if let Some((parameter, given, expected)) = fault.does_nothing() {
                    return no_effect(parameter, given, expected);
                }
            }
            Action::Clock { nodes, fault } => {
                groups(kind, &[nodes])?;
                if let Some((parameter, given, expected)) = fault.does_nothing() {
                    return no_effect(parameter, given, expected);
                }
            }
            Action::Impair { links, fault } => {
                on_some_link(kind, links)?;
                if let Some((parameter, given, expected)) = fault.does_nothing() {
                    return no_effect(parameter, given, expected);
                }
            }
            Action::Names { nodes, fault } => {
                groups(kind, &[nodes])?;
                let mut named = fault.nodes();
                if let (Some(name), Some(answer)) = (named.next(), named.next())
                    && name == answer
                {
                    return no_effect("answer", answer.to_string(), "it must be another node than the name's");
                }
            }
            Action::Starve { nodes, period, runs } => {
                groups(kind, &[nodes])?;
                if period.is_zero() || runs >= period {
                    let given = Shown(runs).to_string();
                    return no_effect("runs", given, "it must be less than the period");
                }
                self.check_cycles(*period)?;
            }
            Action::Upgrade { nodes, to } => {
                groups(kind, &[nodes])?;
                if *to == 0 {
                    return no_effect("to", "0".into(), "versions begin with 1");
                }
            }
            Action::DiskSwap { nodes } => {
                groups(kind, &[nodes])?;
                if nodes.len() != 2 && !nodes.iter().any(is_placeholder) {
                    return Err(FaultError::NotAPair { nodes: nodes.len() });
                }
            }
            Action::NoMemory { nodes, left, refuses } => {
                if left.is_none() && refuses.is_none() {
                    return Err(FaultError::NoLimit { kind });
                }
                if *refuses == Some(0) {
                    return Err(FaultError::NothingAllocated { kind });
                }
                groups(kind, &[nodes])?;
            }
            Action::NoDescriptors { nodes, .. }
            | Action::DiskReplaced { nodes }
            | Action::Crash { nodes }
            | Action::PowerLoss { nodes }
            | Action::Restart { nodes }
            | Action::GracefulStop { nodes }
            | Action::Suspend { nodes }
            | Action::Pause { nodes } => groups(kind, &[nodes])?,
        }
        Ok(())
    }

    fn check_flap(&self, cut: Duration, healed: Duration) -> Result<(), FaultError> {
        for (parameter, value) in [("cut", cut), ("healed", healed)] {
            if value.is_zero() {
                let (kind, given) = (Kind::Flap, "0s".to_owned());
                return Err(FaultError::NoEffect { kind, parameter, given, expected: "it must be more than zero" });
            }
        }
        self.check_cycles(cut.saturating_add(healed))
    }

    fn check_cycles(&self, cycle: Duration) -> Result<(), FaultError> {
        let kind = self.kind();
        let duration = self.duration().ok_or(FaultError::EndlessFlap { kind })?;
        let cycles = duration.as_nanos() / cycle.as_nanos().max(1);
        if cycles > Fault::FLAPS_MAX { Err(FaultError::TooManyFlaps { kind, cycles }) } else { Ok(()) }
    }

    fn check_placeholders(&self) -> Result<(), FaultError> {
        if let Some(trigger) = self.trigger()
            && (trigger.count() == 0
                || !is_bare(trigger.event())
                || !trigger.node().is_none_or(|n| is_bare(n.as_str())))
        {
            return Err(FaultError::NeverTriggered { trigger: trigger.to_string() });
        }
        for node in self.action().nodes().into_iter().filter(|node| node.as_str().starts_with('@')) {
            let node = node.clone();
            if !is_placeholder(&node) {
                return Err(FaultError::NoSuchPlaceholder { node });
            }
            if self.trigger().is_none() {
                return Err(FaultError::NoTrigger { node });
            }
        }
        Ok(())
    }
}

/// Each group has a node and no node comes twice, in one or in two of them.
fn groups(kind: Kind, groups: &[&[NodeName]]) -> Result<(), FaultError> {
    if groups.iter().any(|group| group.is_empty()) {
        return Err(FaultError::NoNodes { kind });
    }
    let mut names: Vec<&NodeName> = groups.iter().copied().flatten().collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(FaultError::Twice { kind, node: pair[0].clone() }),
        None => Ok(()),
    }
}

/// A group may face itself, but some link must remain.
fn on_some_link(kind: Kind, links: &crate::Links) -> Result<(), FaultError> {
    groups(kind, &[&links.from])?;
    groups(kind, &[&links.to])?;
    if links.pairs().is_empty() { Err(FaultError::NoLinks { kind }) } else { Ok(()) }
}
