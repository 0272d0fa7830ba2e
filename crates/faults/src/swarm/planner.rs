//! The builder that says what may be drawn, and the drawing itself.

use std::collections::BTreeSet;
use std::time::Duration;

use thiserror::Error;

use super::admit::Admission;
use super::pattern::{BLOWS_MAX, Sketch};
use super::process::Shape;
use super::weather::Weather;
use super::{Group, Pattern, Profile, SwarmChoice, network};
use crate::text::write::Shown;
use crate::{
    Budget, Capabilities, Family, Fault, FaultId, IntoNodes, Kind, NodeName, Plan, PlanError, Protocol, Seed, Stream,
    Topology, TopologyError, minority,
};

/// Ids of a lane: its number times this, and on.
const LANE_IDS: u32 = 10_000;
/// Lanes of kinds come first, those of patterns from here on.
const PATTERN_LANES: u32 = 100;
/// Ids of one instance of a pattern: its blows and its partitions.
const PATTERN_IDS: u32 = 2 * BLOWS_MAX as u32;

/// A planner that draws from nothing yet: `swarm().network().process()`.
pub fn swarm() -> Planner {
    Planner::new()
}

/// Says what weather may come, and draws it. Nothing is on by default; without a [`Budget`], a minority of the nodes may
/// be out at once.
#[derive(Clone, Debug)]
#[must_use]
pub struct Planner {
    pub(super) kinds: BTreeSet<Kind>,
    pub(super) patterns: bool,
    budgets: Vec<Budget>,
    profile: Profile,
    start: Duration,
    end: Duration,
    pub(super) capabilities: Capabilities,
    pub(super) ports: Vec<(Protocol, u16)>,
    pub(super) topology: Topology,
    pub(super) may_be_empty: bool,
    pub(super) all_on: bool,
}

/// A plan, fresh from its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The plan, in order of its faults' starts. Every fault ends within the planner's window.
    pub plan: Plan,
    /// What was on.
    pub choice: SwarmChoice,
    /// What was drawn and left out, since no budget had room for it.
    pub dropped: Vec<Dropped>,
    /// What it stays within.
    pub budgets: Vec<Budget>,
}

/// A fault that was drawn but did not fit into the budget, on any node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The id that it would have had.
    pub id: FaultId,
    /// What it would have been.
    pub fault: Fault,
}

/// Why nothing can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlannerError {
    /// The window has no inside.
    #[error("faults are to begin from {} to before {}: there is no time between", Shown(start), Shown(end))]
    EmptyWindow {
        /// Its start.
        start: Duration,
        /// Its end.
        end: Duration,
    },
    /// Nothing was asked for.
    #[error(
        "no family of faults was asked for: call .network(), .process() or .everything(), or leave the planner out"
    )]
    NothingAsked,
    /// Everything that was asked for cannot be had.
    #[error("nothing that was asked for can be had: {}", reasons(choice))]
    NothingAvailable {
        /// Holds the reason for each.
        choice: Box<SwarmChoice>,
    },
    /// The topology makes no sense.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A fault did not enter the plan: the window is so long that ids ran out.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

fn reasons(choice: &SwarmChoice) -> String {
    choice.unavailable.iter().map(|(name, why)| format!("{name} {why}")).collect::<Vec<_>>().join("; ")
}

impl Default for Planner {
    fn default() -> Planner {
        Planner::new()
    }
}

impl Planner {
    /// A planner with nothing on, for a window from 1 s to 45 s: time for a first election, and 15 s of a 60 s
    /// run left for calm.
    pub fn new() -> Planner {
        Planner {
            kinds: BTreeSet::new(),
            patterns: true,
            budgets: Vec::new(),
            profile: Profile::default(),
            start: Duration::from_secs(1),
            end: Duration::from_secs(45),
            capabilities: Capabilities::all(),
            ports: Vec::new(),
            topology: Topology::new(),
            may_be_empty: false,
            all_on: false,
        }
    }

    /// Adds a family.
    pub fn family(mut self, family: Family) -> Planner {
        self.kinds.extend(Kind::ALL.into_iter().filter(|kind| kind.family() == family));
        self
    }

    /// Adds partitions, delays, losses, impaired links and names that cannot be looked up.
    pub fn network(self) -> Planner {
        self.family(Family::Network)
    }

    /// Adds crashes, power losses, restarts, upgrades, pauses, slow and starved processors, and want of file descriptors
    /// and memory.
    pub fn process(self) -> Planner {
        self.family(Family::Process)
    }

    /// Adds failing, slow, full, damaged and replaced disks. Damage (rot, misdirection, lying syncs) and a change of disks may
    /// take what was acknowledged: a
    /// scenario whose system keeps one copy does [`without`](Planner::without) it.
    pub fn disk(self) -> Planner {
        self.family(Family::Disk)
    }

    /// Adds clocks that jump, drift, slew and strobe, and machines that are suspended.
    pub fn clock(self) -> Planner {
        self.family(Family::Clock)
    }

    /// Adds every family.
    pub fn everything(self) -> Planner {
        Family::ALL.into_iter().fold(self, Planner::family)
    }

    /// Adds one kind.
    pub fn kind(mut self, kind: Kind) -> Planner {
        self.kinds.insert(kind);
        self
    }

    /// Takes one kind out again; patterns do without it too.
    pub fn without(mut self, kind: Kind) -> Planner {
        self.kinds.remove(&kind);
        self
    }

    /// Draws independent faults only, no patterns.
    pub fn without_patterns(mut self) -> Planner {
        self.patterns = false;
        self
    }

    /// Stays within a budget; called again, within all of them. Nodes that no budget names may be out at any time.
    pub fn sparing(mut self, budget: Budget) -> Planner {
        self.budgets.push(budget);
        self
    }

    /// Sets how rough the weather is.
    pub fn profile(mut self, profile: Profile) -> Planner {
        self.profile = profile;
        self
    }

    /// Sets the window: faults begin from `start` on and have ended at `end`.
    pub fn between(mut self, start: Duration, end: Duration) -> Planner {
        (self.start, self.end) = (start, end);
        self
    }

    /// Sets the end of the window.
    pub fn until(mut self, end: Duration) -> Planner {
        self.end = end;
        self
    }

    /// Draws only what a world of these capabilities can do; the rest is listed in [`SwarmChoice::unavailable`].
    pub fn within(mut self, capabilities: Capabilities) -> Planner {
        self.capabilities = capabilities;
        self
    }

    /// Names a port that may be blocked. Without one, none is.
    pub fn port(mut self, protocol: Protocol, port: u16) -> Planner {
        self.ports.push((protocol, port));
        self
    }

    /// Says which nodes stand together. Without it no domain fails.
    pub fn topology(mut self, topology: Topology) -> Planner {
        self.topology = topology;
        self
    }

    /// Lets a seed have no fault at all, as a control.
    pub fn may_be_empty(mut self) -> Planner {
        self.may_be_empty = true;
        self
    }

    /// Switches on, in every seed, all that was asked for.
    pub fn all_on(mut self) -> Planner {
        self.all_on = true;
        self
    }

    /// Draws a plan for these nodes. The same arguments give the same plan, on every machine.
    ///
    /// # Errors
    /// [`PlannerError`] if the window is empty, or nothing can be drawn.
    pub fn draw(&self, seed: Seed, nodes: impl IntoNodes) -> Result<Drawn, PlannerError> {
        let nodes = nodes.into_nodes();
        if self.start >= self.end {
            return Err(PlannerError::EmptyWindow { start: self.start, end: self.end });
        }
        self.topology.check(&nodes)?;
        let budgets = if self.budgets.is_empty() { vec![minority(&nodes)] } else { self.budgets.clone() };
        let choice = self.choose(seed, &nodes, &budgets)?;
        let weather = Weather::draw(seed, self.profile, self.start, self.end);
        let mut groups = Vec::new();
        for kind in &choice.kinds {
            self.draw_kind(seed, *kind, &nodes, &weather, &mut groups);
        }
        let available: BTreeSet<Kind> = choice.kinds.union(&choice.kinds_off).copied().collect();
        for pattern in &choice.patterns {
            self.draw_pattern(seed, *pattern, &nodes, &available, &weather, &mut groups);
        }
        groups.sort_by_key(|group| (group.spans_families, group.start, group.id));
        let mut admission = Admission::new(&budgets);
        for group in &groups {
            admission.consider(group, self.end);
        }
        let mut plan = Plan::new();
        for (id, fault) in admission.admitted {
            plan.insert(id, fault)?;
        }
        plan.sort_by_start();
        let dropped = admission.dropped;
        Ok(Drawn { plan, choice, dropped, budgets })
    }

    /// The instants of one lane, each with its ordinal: a first within one mean gap, then gap after gap.
    fn instants(&self, seed: Seed, lane: &str, weather: &Weather) -> Vec<(u64, Duration)> {
        let mut stream = Stream::new(seed, &format!("plan.{lane}.pace"), 0);
        let mean = stream.log_duration(self.profile.pace());
        let last = weather.total().saturating_sub(Duration::from_nanos(1));
        let mut stormy = stream.duration(Duration::ZERO..=mean.min(last)).min(last);
        let mut instants = Vec::new();
        while let Some(instant) = weather.instant(stormy) {
            let ordinal = instants.len() as u64;
            instants.push((ordinal, instant));
            let mut gap = Stream::new(seed, &format!("plan.{lane}.gap"), ordinal);
            stormy += gap.log_duration(mean / 4..=mean * 2);
        }
        instants
    }

    fn draw_kind(&self, seed: Seed, kind: Kind, nodes: &[NodeName], weather: &Weather, groups: &mut Vec<Group>) {
        let lane = kind as u32;
        // In one seed of four a lane has a favourite order of victims, so that the same node is struck again and again.
        let mut pace = Stream::new(seed, &format!("plan.{kind}.victims"), 0);
        let stubborn = pace.below(4) == 0;
        let mut favourites = nodes.to_vec();
        pace.shuffle(&mut favourites);
        for (ordinal, start) in self.instants(seed, kind.name(), weather).into_iter().take(LANE_IDS as usize) {
            let mut stream = Stream::new(seed, &format!("plan.{kind}"), ordinal);
            let id = lane * LANE_IDS + ordinal as u32;
            if kind.family() == Family::Network {
                let Some(fault) = network::draw(kind, &mut stream, nodes, &self.ports) else { continue };
                let fault = fault.at(start);
                let build = Box::new(move |_: &[NodeName], _| vec![fault.clone()]);
                groups.push(Group { id, spans_families: false, start, variants: 1, order: Vec::new(), build });
                continue;
            }
            let mut order = nodes.to_vec();
            stream.shuffle(&mut order);
            let order = if stubborn { favourites.clone() } else { order };
            let shape = Shape::draw(kind, &mut stream, nodes.len());
            let build = Box::new(move |order: &[NodeName], variant: usize| {
                let count = shape.count.saturating_sub(variant).max(1).min(order.len());
                vec![shape.fault(&order[..count]).at(start)]
            });
            // Two disks are swapped or none; of the others fewer nodes may fit where many do not.
            let variants = if kind == Kind::DiskSwap { 1 } else { shape.count };
            // A disk is changed while its machine is down, and a suspended machine is out of service: a matter of processes too.
            let spans_families = kind.family() != Family::Process && kind.downs_nodes();
            groups.push(Group { id, spans_families, start, variants, order, build });
        }
    }

    fn draw_pattern(
        &self,
        seed: Seed,
        pattern: Pattern,
        nodes: &[NodeName],
        available: &BTreeSet<Kind>,
        weather: &Weather,
        groups: &mut Vec<Group>,
    ) {
        let lane = PATTERN_LANES + pattern as u32;
        let crashes = Pattern::crash_kinds(available);
        let spans_families = pattern.families().len() > 1;
        let instants = self.instants(seed, pattern.name(), weather);
        for (ordinal, start) in instants.into_iter().take((LANE_IDS / PATTERN_IDS) as usize) {
            let mut stream = Stream::new(seed, &format!("plan.{pattern}"), ordinal);
            let mut order = nodes.to_vec();
            stream.shuffle(&mut order);
            let domains = self.topology.domains();
            let sketch = Sketch::draw(pattern, start, &mut stream, nodes, &crashes, domains);
            let variants = pattern.variants(domains.len());
            let build = Box::new(move |order: &[NodeName], variant| sketch.build(order, variant));
            let id = lane * LANE_IDS + ordinal as u32 * PATTERN_IDS;
            groups.push(Group { id, spans_families, start, variants, order, build });
        }
    }
}
