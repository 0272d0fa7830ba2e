//! madsim, as fault plans see it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use madsim::net::NetSim;
use madsim::task::NodeId;
use stormglass_faults::{
    Capabilities, Effect, EffectKind, FaultId, Hits, Link, Links, NodeName, World, WorldError, counter,
};

use crate::books::{Books, Held, counter as own};
use crate::sim::{Shared, Sim};

/// What each message takes without a fault. madsim's own default.
const LATENCY: std::ops::Range<Duration> = Duration::from_millis(1)..Duration::from_millis(10);

/// Acts on the madsim runtime that the current thread runs.
pub struct MadsimWorld {
    sim: Sim,
}

impl MadsimWorld {
    pub(crate) fn new(sim: &Sim) -> Self {
        Self { sim: sim.clone() }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.sim.shared
    }

    fn with_books<T>(&self, f: impl FnOnce(&mut Books) -> T) -> T {
        f(&mut self.shared().state.lock().books)
    }

    /// Tasks on a node, as madsim counts them.
    fn tasks(&self, node: NodeId) -> u64 {
        let tasks = self.shared().handle.metrics().num_tasks_by_node();
        let name = self.with_books(|books| books.names().find(|name| books.find(name) == Ok(node)).cloned());
        name.and_then(|name| tasks.get(name.as_str()).copied()).map_or(0, |count| count as u64)
    }

    fn pairs(&self, links: &BTreeSet<Link>) -> Result<BTreeSet<(NodeId, NodeId)>, WorldError> {
        self.with_books(|books| links.iter().map(|link| Ok((books.find(&link.from)?, books.find(&link.to)?))).collect())
    }

    /// Sets latency and loss to what the faults that are on add up to.
    fn set_weather(&self) {
        let (least, most, lost) = self.with_books(|books| books.weather());
        NetSim::current().update_config(|config| {
            config.send_latency = LATENCY.start + least..LATENCY.end + most;
            config.packet_loss_rate = lost;
        });
    }

    /// Unless it is all of them: madsim has one latency and one loss for every link.
    fn some_links_only(&self, effect: &Effect, links: &BTreeSet<Link>) -> Option<WorldError> {
        let all = Links::among(self.nodes()).pairs();
        (*links != all).then(|| WorldError::Refused {
            effect: effect.kind(),
            reason: format!(
                "madsim has one setting for all links; this fault names {} of {}. Name every node on both sides",
                links.len(),
                all.len()
            ),
        })
    }
}

fn messages() -> u64 {
    NetSim::current().stat().msg_count
}

impl World for MadsimWorld {
    fn now(&self) -> Duration {
        self.sim.now()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of([EffectKind::Cut, EffectKind::Latency, EffectKind::Loss, EffectKind::Kill, EffectKind::Pause])
    }

    fn can(&self, effect: &Effect) -> Result<(), WorldError> {
        let available = self.capabilities();
        if !available.has(effect.kind()) {
            return Err(WorldError::Unsupported { effect: effect.kind(), available });
        }
        match effect {
            Effect::Latency { links, .. } | Effect::Loss { links, .. } => {
                self.some_links_only(effect, links).map_or(Ok(()), Err)
            }
            _ => Ok(()),
        }
    }

    fn nodes(&self) -> Vec<NodeName> {
        self.with_books(|books| books.names().cloned().collect())
    }

    fn begin(&mut self, id: FaultId, effect: &Effect) -> Result<(), WorldError> {
        self.can(effect)?;
        let handle = &self.shared().handle;
        let held = match effect {
            Effect::Cut { links } => {
                let pairs = self.pairs(links)?;
                let net = NetSim::current();
                pairs.iter().for_each(|&(from, to)| net.clog_link(from, to));
                self.with_books(|books| books.hit(id, own::LINKS_CUT, pairs.len() as u64));
                Held::Cut(pairs)
            }
            Effect::Latency { extra, jitter, .. } => {
                Held::Latency { extra: *extra, jitter: *jitter, messages_before: messages() }
            }
            Effect::Loss { probability, .. } => {
                Held::Loss { probability: f64::from(probability.ppm()) / 1e6, messages_before: messages() }
            }
            Effect::Kill { node } => {
                let node = self.with_books(|books| books.find(node))?;
                if !self.with_books(|books| books.is_down(node)) && !handle.is_exit(node) {
                    let tasks = self.tasks(node);
                    handle.kill(node);
                    self.with_books(|books| books.hit(id, counter::TASKS_STOPPED, tasks));
                }
                Held::Down(node)
            }
            Effect::Pause { node } => {
                let node = self.with_books(|books| books.find(node))?;
                let tasks = if handle.is_exit(node) { 0 } else { self.tasks(node) };
                handle.pause(node);
                Held::Paused { node, tasks }
            }
            _ => return Err(WorldError::Unsupported { effect: effect.kind(), available: self.capabilities() }),
        };
        self.with_books(|books| {
            books.holds.entry(id).or_default().push(held);
            books.hits.entry(id).or_default();
        });
        self.set_weather();
        self.sim.note(format_args!("fault {id} begins"));
        Ok(())
    }

    fn end(&mut self, id: FaultId) -> Result<(), WorldError> {
        let held = self.with_books(|books| books.holds.remove(&id)).ok_or(WorldError::NotBegun { id })?;
        let (handle, net) = (&self.shared().handle, NetSim::current());
        for held in held {
            match held {
                Held::Cut(pairs) => {
                    let healed = pairs.into_iter().filter(|link| !self.with_books(|books| books.is_cut(*link)));
                    healed.for_each(|(from, to)| net.unclog_link(from, to));
                }
                Held::Latency { messages_before, .. } | Held::Loss { messages_before, .. } => {
                    self.with_books(|books| books.hit(id, own::MESSAGES_EXPOSED, messages() - messages_before));
                }
                Held::Down(node) => {
                    if !self.with_books(|books| books.is_down(node)) {
                        // A restart makes a node anew; what paused the old one holds the new one too.
                        handle.restart(node);
                        if self.with_books(|books| books.is_paused(node)) {
                            handle.pause(node);
                        }
                    }
                }
                Held::Paused { node, tasks } => {
                    self.with_books(|books| books.hit(id, counter::TASKS_PAUSED, tasks));
                    if !self.with_books(|books| books.is_paused(node)) {
                        handle.resume(node);
                    }
                }
            }
        }
        self.set_weather();
        self.sim.note(format_args!("fault {id} ends"));
        Ok(())
    }

    fn hits(&self, id: FaultId) -> Hits {
        let open: Vec<Held> = self.with_books(|books| books.holds.get(&id).cloned().unwrap_or_default());
        let mut hits = self.with_books(|books| books.hits.get(&id).cloned().unwrap_or_default());
        for held in open {
            match held {
                Held::Latency { messages_before, .. } | Held::Loss { messages_before, .. } => {
                    hits.add(own::MESSAGES_EXPOSED, messages() - messages_before);
                }
                Held::Paused { tasks, .. } => hits.add(counter::TASKS_PAUSED, tasks),
                Held::Cut(_) | Held::Down(_) => {}
            }
        }
        hits
    }
}
