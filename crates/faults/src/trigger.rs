//! Triggers: a fault that waits for something to happen, and strikes whoever it happened to.
//!
//! A plan with triggers is a reactive nemesis that can be read, edited and shrunk like any other plan: “when a node becomes
//! leader for the second time, cut it off from all others 10 ms later” is one line of text.

use std::fmt;

use crate::text::write::Shown;
use crate::{Action, FSYNC, Fault, NodeName, Observed};

/// Stands in a plan for the node at which the trigger happened.
pub const IT: &str = "@it";
/// Stands in a plan for all nodes but the one at which the trigger happened.
pub const OTHERS: &str = "@others";
/// With a number from 1 behind it, stands for one of those others, in the order of the world's nodes: `@other2`.
pub const OTHER: &str = "@other";

/// Something that happens in a run, counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trigger {
    event: String,
    nth: u64,
    node: Option<NodeName>,
}

impl Trigger {
    /// The first time that this happens, on whatever node: a probe's name such as `BecameLeader`, or whatever else the
    /// simulation tells.
    #[must_use]
    pub fn on(event: impl Into<String>) -> Trigger {
        Trigger { event: event.into(), nth: 1, node: None }
    }

    /// The `nth` time, from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Trigger {
        self.nth = nth;
        self
    }

    /// On this node only; other nodes are not counted either.
    #[must_use]
    pub fn at(mut self, node: impl Into<NodeName>) -> Trigger {
        self.node = Some(node.into());
        self
    }

    /// What happens.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// How many times, this one included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.nth
    }

    /// On which node only.
    #[must_use]
    pub fn node(&self) -> Option<&NodeName> {
        self.node.as_ref()
    }

    /// Whether an event counts.
    pub(crate) fn matches(&self, event: &Observed) -> bool {
        let Some((_, node)) = event.place() else { return false };
        names(&self.event, event) && self.node.as_ref().is_none_or(|wanted| wanted == node)
    }

    /// Whether it waits for the syncs of files.
    pub(crate) fn is_of_syncs(event: &str) -> bool {
        event.strip_prefix(FSYNC).is_some_and(|path| path.is_empty() || path.starts_with('/'))
    }
}

/// Whether what a trigger waits for is this event: by its name, and of syncs by the path too, if one is given.
pub(crate) fn names(awaited: &str, event: &Observed) -> bool {
    let Some((name, _)) = event.place() else { return false };
    let Observed::Fsync { path, .. } = event else { return name == awaited };
    let Some(wanted) = awaited.strip_prefix(FSYNC) else { return false };
    path.strip_prefix(wanted.trim_end_matches('/')).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

impl fmt::Display for Trigger {
    /// `on:BecameLeader:2@n1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on:{}", self.event)?;
        if self.nth != 1 {
            write!(f, ":{}", self.nth)?;
        }
        self.node.as_ref().map_or(Ok(()), |node| write!(f, "@{}", Shown(node)))
    }
}

/// Whether a name stands for nodes that are known when a trigger fires.
pub(crate) fn is_placeholder(name: &NodeName) -> bool {
    matches!(name.as_str(), IT | OTHERS) || numbered(name).is_some()
}

/// Which of the others `@other2` is, from 0.
fn numbered(name: &NodeName) -> Option<usize> {
    let number = name.as_str().strip_prefix(OTHER)?;
    let place: usize = number.parse().ok().filter(|place| *place > 0)?;
    (place.to_string() == number).then_some(place - 1)
}

impl Fault {
    /// The fault with the nodes in place of `@it` and `@others`, for a trigger that happened at `it`.
    pub(crate) fn resolved(&self, it: &NodeName, nodes: &[NodeName]) -> Fault {
        let others: Vec<NodeName> = nodes.iter().filter(|node| *node != it).cloned().collect();
        // One that is not there keeps its name, which the world then refuses.
        let named = |name: NodeName| match numbered(&name) {
            Some(place) => others.get(place).cloned().unwrap_or(name),
            None if name.as_str() == IT => it.clone(),
            None => name,
        };
        let one = |name: &mut NodeName| *name = named(name.clone());
        let many = |names: &mut Vec<NodeName>| {
            let resolved = names.drain(..).flat_map(|name| match name.as_str() {
                OTHERS => others.clone(),
                _ => vec![named(name)],
            });
            *names = resolved.collect();
        };
        let mut action = self.action().clone();
        match &mut action {
            Action::PartitionHalves { left, right } | Action::Flap { left, right, .. } => {
                many(left);
                many(right);
            }
            Action::IsolateOne { node, others } => {
                one(node);
                many(others);
            }
            Action::Bridge { node, left, right } => {
                one(node);
                many(left);
                many(right);
            }
            Action::OneWay { from, to } => {
                many(from);
                many(to);
            }
            Action::LatencySpike { links, .. } | Action::Loss { links, .. } | Action::Impair { links, .. } => {
                many(&mut links.from);
                many(&mut links.to);
            }
            Action::PortBlock { node, .. } => one(node),
            Action::Names { nodes, fault } => {
                many(nodes);
                if let crate::NameFault::Stale { name, answer } = fault {
                    one(name);
                    one(answer);
                }
            }
            Action::MajorityRing { ring: nodes }
            | Action::Crash { nodes }
            | Action::PowerLoss { nodes }
            | Action::Restart { nodes }
            | Action::GracefulStop { nodes }
            | Action::Pause { nodes }
            | Action::Suspend { nodes }
            | Action::Slow { nodes, .. }
            | Action::Disk { nodes, .. }
            | Action::Clock { nodes, .. }
            | Action::Starve { nodes, .. }
            | Action::NoDescriptors { nodes, .. }
            | Action::NoMemory { nodes, .. }
            | Action::Upgrade { nodes, .. }
            | Action::DiskReplaced { nodes }
            | Action::DiskSwap { nodes } => many(nodes),
        }
        self.with_action(action)
    }
}
