//! A world that simulates nothing but keeps exact books: for tests of plans, of injectors, and of whoever drives them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{Capabilities, Effect, FaultId, Hits, IntoNodes, Link, NodeName, Probability, World, WorldError, counter};

/// A world with a clock that the test moves, nodes that run a number of tasks, and packets that the test sends. It
/// honours the contract of [`World`]: effects are held by id and combine as told at [`Effect`]. Randomness it has none:
/// a link that loses drops every packet.
#[derive(Clone, Debug)]
pub struct FakeWorld {
    now: Duration,
    capabilities: Capabilities,
    nodes: Vec<NodeName>,
    tasks: BTreeMap<NodeName, u64>,
    open: BTreeMap<FaultId, Vec<Effect>>,
    hits: BTreeMap<FaultId, Hits>,
    log: Vec<String>,
    refusing: BTreeSet<NodeName>,
}

/// What became of a packet in a [`FakeWorld`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived, so much later than on a perfect link.
    Delivered {
        /// Extra latencies together.
        late: Duration,
    },
    /// It was dropped, or an end of it is down.
    Dropped,
}

impl FakeWorld {
    /// A world with these nodes, all up and with one task each, at time zero.
    #[must_use]
    pub fn new(nodes: impl IntoNodes) -> FakeWorld {
        let nodes = nodes.into_nodes();
        FakeWorld {
            now: Duration::ZERO,
            capabilities: Capabilities::all(),
            tasks: nodes.iter().map(|node| (node.clone(), 1)).collect(),
            nodes,
            open: BTreeMap::new(),
            hits: BTreeMap::new(),
            log: Vec::new(),
            refusing: BTreeSet::new(),
        }
    }

    /// A world that can do only this.
    #[must_use]
    pub fn capable_of(mut self, capabilities: Capabilities) -> FakeWorld {
        self.capabilities = capabilities;
        self
    }

    /// Refuses every later effect on a node, as a world does whose node is in no state for it.
    pub fn refuse(&mut self, node: impl Into<NodeName>) {
        self.refusing.insert(node.into());
    }

    /// Sets how many tasks a node runs; none means that a crash has nothing to stop.
    pub fn set_tasks(&mut self, node: impl Into<NodeName>, tasks: u64) {
        self.tasks.insert(node.into(), tasks);
    }

    /// Moves the clock forward to an instant; never back.
    pub fn advance_to(&mut self, instant: Duration) {
        self.now = self.now.max(instant);
    }

    /// Whether no open fault holds the node down.
    #[must_use]
    pub fn is_up(&self, node: &str) -> bool {
        !self
            .held(node, |effect| matches!(effect, Effect::Kill { .. } | Effect::PowerLoss { .. } | Effect::Stop { .. }))
    }

    /// Whether some open fault pauses the node.
    #[must_use]
    pub fn is_paused(&self, node: &str) -> bool {
        self.held(node, |effect| matches!(effect, Effect::Pause { .. } | Effect::Suspend { .. }))
    }

    fn held(&self, node: &str, is: impl Fn(&Effect) -> bool) -> bool {
        let mut effects = self.open.values().flatten();
        effects.any(|effect| is(effect) && effect.node().is_some_and(|name| name.as_str() == node))
    }

    /// Sends a packet to a TCP port and counts what it meets on its way.
    pub fn send(&mut self, from: &str, to: &str, port: u16) -> Delivery {
        if !self.is_up(from) || !self.is_up(to) {
            return Delivery::Dropped;
        }
        let link = Link { from: from.into(), to: to.into() };
        let (mut dropped, mut late) = (false, Duration::ZERO);
        for (id, effects) in &self.open {
            for effect in effects {
                let on_link = effect.links().is_some_and(|links| links.contains(&link));
                let hits = self.hits.entry(*id).or_default();
                match effect {
                    Effect::Cut { .. } if on_link => {
                        hits.add(counter::PACKETS_DROPPED, 1);
                        dropped = true;
                    }
                    Effect::Loss { probability, .. } if on_link && *probability > Probability::ZERO => {
                        hits.add(counter::PACKETS_DROPPED, 1);
                        dropped = true;
                    }
                    Effect::BlockPort { node, port: blocked, direction, .. } if *blocked == port => {
                        let side = match direction {
                            crate::Direction::In => to,
                            crate::Direction::Out => from,
                        };
                        if node.as_str() == side {
                            hits.add(counter::PACKETS_DROPPED, 1);
                            dropped = true;
                        }
                    }
                    Effect::Latency { extra, .. } if on_link => {
                        hits.add(counter::PACKETS_DELAYED, 1);
                        late += *extra;
                    }
                    _ => {}
                }
            }
        }
        if dropped { Delivery::Dropped } else { Delivery::Delivered { late } }
    }

    /// Every effect that was begun or ended, in order, as `2s begin f0 kill a`.
    #[must_use]
    pub fn log(&self) -> &[String] {
        &self.log
    }

    fn note(&mut self, what: &str) {
        self.log.push(format!("{:?} {what}", self.now));
    }
}

impl World for FakeWorld {
    fn now(&self) -> Duration {
        self.now
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn nodes(&self) -> Vec<NodeName> {
        self.nodes.clone()
    }

    fn begin(&mut self, id: FaultId, effect: &Effect) -> Result<(), WorldError> {
        let kind = effect.kind();
        if !self.capabilities.has(kind) {
            return Err(WorldError::Unsupported { effect: kind, available: self.capabilities });
        }
        let named = effect.links().into_iter().flatten().flat_map(|link| [&link.from, &link.to]).chain(effect.node());
        for node in named {
            if !self.nodes.contains(node) {
                return Err(WorldError::UnknownNode { node: node.clone(), nodes: self.nodes.clone() });
            }
            if self.refusing.contains(node) {
                return Err(WorldError::Refused { effect: kind, reason: format!("{node} refuses") });
            }
        }
        if let Some(node) = effect.node() {
            let running = if self.is_up(node.as_str()) { self.tasks.get(node).copied().unwrap_or(0) } else { 0 };
            let counter = match effect {
                Effect::Kill { .. } | Effect::PowerLoss { .. } => Some(counter::TASKS_STOPPED),
                Effect::Stop { .. } => Some(counter::SIGNALS_SENT),
                Effect::Pause { .. } | Effect::Suspend { .. } => Some(counter::TASKS_PAUSED),
                Effect::Slow { .. } => Some(counter::POLLS_SLOWED),
                Effect::Disk { .. } => Some(counter::OPERATIONS_STRUCK),
                Effect::Clock { .. } => Some(counter::POLLS_MISLED),
                _ => None,
            };
            if let Some(counter) = counter {
                self.hits.entry(id).or_default().add(counter, running);
            }
        }
        self.open.entry(id).or_default().push(effect.clone());
        self.note(&format!("begin {id} {effect}"));
        Ok(())
    }

    fn end(&mut self, id: FaultId) -> Result<(), WorldError> {
        if self.open.remove(&id).is_none() {
            return Err(WorldError::NotBegun { id });
        }
        self.note(&format!("end {id}"));
        Ok(())
    }

    fn hits(&self, id: FaultId) -> Hits {
        self.hits.get(&id).cloned().unwrap_or_default()
    }
}
