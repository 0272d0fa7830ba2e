//! Hunts leaders: strikes whoever just won an election. Most bugs of consensus need exactly that, several times.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Nemesis, Observed};
use crate::{Fault, IntoNodes, NodeName, Seed, Stream, isolate, kill, one_way, pause, power_loss};

/// What a [`LeaderHunter`] does to its prey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strike {
    /// Cuts the leader off from every other node.
    Isolate,
    /// Drops all that it sends to the other nodes, while it still hears them.
    Mute,
    /// Kills its process.
    Kill,
    /// Cuts its power.
    PowerLoss,
    /// Pauses it, so that it wakes believing that it still leads.
    Pause,
    /// Cuts the power of every node at once, the leader's too. A budget that spares anyone does not let it pass.
    Blackout,
}

impl Strike {
    fn name(self) -> &'static str {
        match self {
            Strike::Isolate => "isolate the leader",
            Strike::Mute => "mute the leader",
            Strike::Kill => "kill the leader",
            Strike::PowerLoss => "cut the leader's power",
            Strike::Pause => "pause the leader",
            Strike::Blackout => "cut everyone's power",
        }
    }
}

/// Strikes a node that reports the probe `BecameLeader` (or another name), at most so many times.
#[derive(Clone, Debug)]
pub struct LeaderHunter {
    seed: Seed,
    strikes: Vec<Strike>,
    name: String,
    nodes: Vec<NodeName>,
    probe: String,
    at_most: u64,
    struck: u64,
    after: RangeInclusive<Duration>,
    lasting: RangeInclusive<Duration>,
}

impl LeaderHunter {
    /// Hunts among these nodes: three strikes at the probe `BecameLeader`, each 10 µs to 1 s after the election, so that it
    /// falls before, during and after the first entries of the new term, and for 30 ms to 4 s, so that the victim is back
    /// before the next election, in its midst, or long after it.
    #[must_use]
    pub fn new(seed: Seed, strike: Strike, nodes: impl IntoNodes) -> LeaderHunter {
        LeaderHunter::mixed(seed, &[strike], nodes)
    }

    /// As [`new`](Self::new), with each strike drawn from these. Without any it does nothing.
    #[must_use]
    pub fn mixed(seed: Seed, strikes: &[Strike], nodes: impl IntoNodes) -> LeaderHunter {
        let names: Vec<&str> = strikes.iter().map(|strike| strike.name()).collect();
        LeaderHunter {
            seed,
            strikes: strikes.to_vec(),
            name: names.join(", "),
            nodes: nodes.into_nodes(),
            probe: "BecameLeader".to_owned(),
            at_most: 3,
            struck: 0,
            after: Duration::from_micros(10)..=Duration::from_secs(1),
            lasting: Duration::from_millis(30)..=Duration::from_secs(4),
        }
    }

    /// Strikes at a probe of another name.
    #[must_use]
    pub fn on_probe(mut self, name: impl Into<String>) -> LeaderHunter {
        self.probe = name.into();
        self
    }

    /// Strikes so many times in a run.
    #[must_use]
    pub fn at_most(mut self, strikes: u64) -> LeaderHunter {
        self.at_most = strikes;
        self
    }

    /// Strikes so long after the probe, drawn with uniform magnitude.
    #[must_use]
    pub fn after(mut self, delay: RangeInclusive<Duration>) -> LeaderHunter {
        self.after = delay;
        self
    }

    /// Each strike lasts so long, drawn with uniform magnitude.
    #[must_use]
    pub fn lasting(mut self, duration: RangeInclusive<Duration>) -> LeaderHunter {
        self.lasting = duration;
        self
    }
}

impl Nemesis for LeaderHunter {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, event: &Observed) -> Vec<Fault> {
        let Observed::Probe { node, name, .. } = event else { return Vec::new() };
        if *name != self.probe || self.struck >= self.at_most || !self.nodes.contains(node) {
            return Vec::new();
        }
        let mut stream = Stream::new(self.seed, &format!("nemesis.leader-hunter.{}", self.probe), self.struck);
        self.struck += 1;
        let Some(strike) = self.strikes.get(stream.below(self.strikes.len().max(1) as u64) as usize).copied() else {
            return Vec::new();
        };
        let fault = match strike {
            Strike::Isolate => isolate(node, &self.nodes),
            Strike::Mute => one_way(node, others(&self.nodes, node)),
            Strike::Kill => kill(node),
            Strike::PowerLoss => power_loss(node),
            Strike::Pause => pause(node),
            Strike::Blackout => power_loss(&self.nodes),
        };
        let (after, lasting) = (stream.log_duration(self.after.clone()), stream.log_duration(self.lasting.clone()));
        vec![fault.at(after).lasting(lasting).labelled(strike.name())]
    }
}

fn others(nodes: &[NodeName], node: &NodeName) -> Vec<NodeName> {
    nodes.iter().filter(|other| *other != node).cloned().collect()
}
