//! The fault itself: what happens, to whom, from when, for how long.

use std::time::Duration;

use crate::{
    ClockFault, Direction, DiskFault, Family, Kind, LinkFault, Links, NameFault, NodeName, Probability, Protocol,
    Trigger,
};

/// What a fault does, with its targets and parameters.
///
/// Groups of nodes are spelled out rather than derived (“the others”), so that a fault means the same whatever cluster it
/// is read beside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Cuts every link between the two groups, both ways.
    PartitionHalves {
        /// One side.
        left: Vec<NodeName>,
        /// The other side.
        right: Vec<NodeName>,
    },
    /// Cuts one node from the others, both ways.
    IsolateOne {
        /// Who is alone.
        node: NodeName,
        /// From whom.
        others: Vec<NodeName>,
    },
    /// Leaves each node its nearest neighbours on a ring: just enough for a majority, and no two majorities alike
    /// (Jepsen's `majorities-ring`). At least four nodes; with three, neighbours are all there is.
    MajorityRing {
        /// The nodes in the order of the ring.
        ring: Vec<NodeName>,
    },
    /// Cuts two groups from each other but leaves both in touch with one node (Jepsen's `bridge`).
    Bridge {
        /// Who sees both.
        node: NodeName,
        /// One side.
        left: Vec<NodeName>,
        /// The other side.
        right: Vec<NodeName>,
    },
    /// Drops what one group sends to another, and not what comes back.
    OneWay {
        /// Who is not heard.
        from: Vec<NodeName>,
        /// By whom.
        to: Vec<NodeName>,
    },
    /// Cuts and heals two groups in turn, starting with a cut; heals at the end.
    Flap {
        /// One side.
        left: Vec<NodeName>,
        /// The other side.
        right: Vec<NodeName>,
        /// How long each cut lasts.
        cut: Duration,
        /// How long each pause between cuts lasts.
        healed: Duration,
    },
    /// Delays packets.
    LatencySpike {
        /// On these links.
        links: Links,
        /// By this much, one way.
        extra: Duration,
        /// And by up to this much more, uniform, per packet.
        jitter: Duration,
    },
    /// Drops packets at random.
    Loss {
        /// On these links.
        links: Links,
        /// Of each packet, for itself.
        probability: Probability,
    },
    /// Drops packets to one port.
    PortBlock {
        /// At this node.
        node: NodeName,
        /// Destination port.
        port: u16,
        /// Transport.
        protocol: Protocol,
        /// Arriving or leaving.
        direction: Direction,
    },
    /// Kills processes at the same instant; they restart when the fault ends.
    Crash {
        /// Whose.
        nodes: Vec<NodeName>,
    },
    /// Cuts the power of machines at the same instant; they boot when the fault ends.
    PowerLoss {
        /// Whose.
        nodes: Vec<NodeName>,
    },
    /// Kills processes that a supervisor restarts at once. The effect is a crash's; the name tells a short outage, in which
    /// peers see a new incarnation before they noticed that the old one died, from a long one.
    Restart {
        /// Whose.
        nodes: Vec<NodeName>,
    },
    /// Sends SIGTERM to processes; they restart when the fault ends.
    GracefulStop {
        /// Whose.
        nodes: Vec<NodeName>,
    },
    /// Pauses processes; they resume when the fault ends.
    Pause {
        /// Whose.
        nodes: Vec<NodeName>,
    },
    /// Slows processors down.
    Slow {
        /// Whose.
        nodes: Vec<NodeName>,
        /// How many times longer everything takes; at least 2.
        factor: u32,
    },
    /// Makes disks fail.
    Disk {
        /// Whose.
        nodes: Vec<NodeName>,
        /// How.
        fault: DiskFault,
    },
    /// Makes clocks go wrong.
    Clock {
        /// Whose.
        nodes: Vec<NodeName>,
        /// How.
        fault: ClockFault,
    },
    /// Duplicates, corrupts or holds back packets, or makes links narrow.
    Impair {
        /// On these links.
        links: Links,
        /// How.
        fault: LinkFault,
    },
    /// Makes lookups of names fail or give an old address.
    Names {
        /// Of these nodes.
        nodes: Vec<NodeName>,
        /// What becomes of the question.
        fault: NameFault,
    },
    /// Gives processes the processor for a part of each period, as a quota of the kernel's scheduler does (`cpu.max`).
    Starve {
        /// Whose.
        nodes: Vec<NodeName>,
        /// How long a period is.
        period: Duration,
        /// For how long of it they run.
        runs: Duration,
    },
    /// Leaves processes so many file descriptors more than they have open; what opens another one then gets `EMFILE`.
    NoDescriptors {
        /// Whose.
        nodes: Vec<NodeName>,
        /// How many.
        left: u32,
    },
    /// Suspends machines: nothing of them runs, nobody reaches them, and their monotonic clocks stand still, while their wall clocks
    /// show the true time when they wake.
    Suspend {
        /// Which.
        nodes: Vec<NodeName>,
    },
    /// Leaves processes so much memory more than they have. One that asks for more is killed, and starts again when the fault ends;
    /// or single allocations fail.
    NoMemory {
        /// Whose.
        nodes: Vec<NodeName>,
        /// Bytes that each may still allocate, whatever it frees meanwhile; `None` for as many as it wants.
        left: Option<u64>,
        /// Allocations of at least so many bytes fail; `None` for none.
        refuses: Option<u64>,
    },
    /// Sends SIGTERM to processes; when the fault ends they start again in another version.
    Upgrade {
        /// Whose.
        nodes: Vec<NodeName>,
        /// The version, which the program is told at its boot; it begins as 1.
        to: u32,
    },
    /// Cuts the power of machines; when the fault ends they boot with an empty disk.
    DiskReplaced {
        /// Whose.
        nodes: Vec<NodeName>,
    },
    /// Cuts the power of two machines; when the fault ends each boots with the disk of the other.
    DiskSwap {
        /// The two.
        nodes: Vec<NodeName>,
    },
}

impl Action {
    /// The kind of this action.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Action::PartitionHalves { .. } => Kind::PartitionHalves,
            Action::IsolateOne { .. } => Kind::IsolateOne,
            Action::MajorityRing { .. } => Kind::MajorityRing,
            Action::Bridge { .. } => Kind::Bridge,
            Action::OneWay { .. } => Kind::OneWay,
            Action::Flap { .. } => Kind::Flap,
            Action::LatencySpike { .. } => Kind::LatencySpike,
            Action::Loss { .. } => Kind::Loss,
            Action::PortBlock { .. } => Kind::PortBlock,
            Action::Crash { .. } => Kind::Crash,
            Action::PowerLoss { .. } => Kind::PowerLoss,
            Action::Restart { .. } => Kind::Restart,
            Action::GracefulStop { .. } => Kind::GracefulStop,
            Action::Pause { .. } => Kind::Pause,
            Action::Slow { .. } => Kind::Slow,
            Action::Disk { fault, .. } => fault.kind(),
            Action::Clock { fault, .. } => fault.kind(),
            Action::Impair { fault, .. } => fault.kind(),
            Action::Names { fault, .. } => fault.kind(),
            Action::Starve { .. } => Kind::Starve,
            Action::NoDescriptors { .. } => Kind::NoDescriptors,
            Action::NoMemory { .. } => Kind::NoMemory,
            Action::Suspend { .. } => Kind::Suspend,
            Action::Upgrade { .. } => Kind::Upgrade,
            Action::DiskReplaced { .. } => Kind::DiskReplaced,
            Action::DiskSwap { .. } => Kind::DiskSwap,
        }
    }

    /// Every node that the action names, in the order of the text; a node may come twice.
    #[must_use]
    pub fn nodes(&self) -> Vec<&NodeName> {
        match self {
            Action::PartitionHalves { left, right } | Action::Flap { left, right, .. } => {
                left.iter().chain(right).collect()
            }
            Action::IsolateOne { node, others } => std::iter::once(node).chain(others).collect(),
            Action::Bridge { node, left, right } => std::iter::once(node).chain(left).chain(right).collect(),
            Action::OneWay { from, to } => from.iter().chain(to).collect(),
            Action::LatencySpike { links, .. } | Action::Loss { links, .. } | Action::Impair { links, .. } => {
                links.nodes().collect()
            }
            Action::Names { nodes, fault } => nodes.iter().chain(fault.nodes()).collect(),
            Action::PortBlock { node, .. } => vec![node],
            Action::MajorityRing { ring: nodes }
            | Action::Crash { nodes }
            | Action::PowerLoss { nodes }
            | Action::Restart { nodes }
            | Action::GracefulStop { nodes }
            | Action::Pause { nodes }
            | Action::Slow { nodes, .. }
            | Action::Disk { nodes, .. }
            | Action::Clock { nodes, .. }
            | Action::Starve { nodes, .. }
            | Action::NoDescriptors { nodes, .. }
            | Action::NoMemory { nodes, .. }
            | Action::Suspend { nodes }
            | Action::Upgrade { nodes, .. }
            | Action::DiskReplaced { nodes }
            | Action::DiskSwap { nodes } => nodes.iter().collect(),
        }
    }

    /// The nodes that it takes out of service while it lasts, down or paused; empty for every other action.
    #[must_use]
    pub fn downed(&self) -> &[NodeName] {
        match self {
            Action::Crash { nodes }
            | Action::PowerLoss { nodes }
            | Action::Restart { nodes }
            | Action::GracefulStop { nodes }
            | Action::Pause { nodes }
            | Action::NoMemory { nodes, left: Some(_), .. }
            | Action::Suspend { nodes }
            | Action::Upgrade { nodes, .. }
            | Action::DiskReplaced { nodes }
            | Action::DiskSwap { nodes } => nodes,
            _ => &[],
        }
    }
}

/// One fault of a plan, as a value. Made by the verbs of this crate ([`partition`](crate::partition),
/// [`kill`](crate::kill), …), placed in time by [`at`](Fault::at) and [`lasting`](Fault::lasting).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    action: Action,
    when: Option<Trigger>,
    start: Duration,
    duration: Option<Duration>,
    label: Option<String>,
    must_hit: bool,
}

impl Fault {
    /// A fault that starts with the run and lasts until calm.
    #[must_use]
    pub fn new(action: Action) -> Fault {
        Fault { action, when: None, start: Duration::ZERO, duration: None, label: None, must_hit: false }
    }

    /// Starts when this happens, if it does, and so long after it as [`at`](Fault::at) says.
    #[must_use]
    pub fn when(mut self, trigger: Trigger) -> Fault {
        self.when = Some(trigger);
        self
    }

    /// Starts at this virtual time since the start of the run. From a [`Nemesis`](crate::Nemesis), or with a
    /// [`Trigger`], it counts from what was observed.
    #[must_use]
    pub fn at(mut self, start: Duration) -> Fault {
        self.start = start;
        self
    }

    /// Lasts this long and heals itself then; at least a nanosecond, so that its end comes after its beginning.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Fault {
        self.duration = Some(duration.max(Duration::from_nanos(1)));
        self
    }

    /// Lasts until [`Injector::heal_all`](crate::Injector::heal_all).
    #[must_use]
    pub fn until_calm(mut self) -> Fault {
        self.duration = None;
        self
    }

    /// Carries a word for people, shown in plans and reports.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Fault {
        self.label = Some(label.into());
        self
    }

    /// Must hit something: a run in which it does not proves nothing.
    #[must_use]
    pub fn must_hit(mut self) -> Fault {
        self.must_hit = true;
        self
    }

    /// What it does.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.action.kind()
    }

    /// Its family.
    #[must_use]
    pub fn family(&self) -> Family {
        self.kind().family()
    }

    /// The same at the clock's time `start`, doing something else, and without a trigger.
    pub(crate) fn with_action(&self, action: Action) -> Fault {
        Fault { action, when: None, ..self.clone() }
    }

    /// What it waits for, if it does not start by the clock.
    #[must_use]
    pub fn trigger(&self) -> Option<&Trigger> {
        self.when.as_ref()
    }

    /// When it starts: since the start of the run, or since its trigger.
    #[must_use]
    pub fn start(&self) -> Duration {
        self.start
    }

    /// How long it lasts; `None` until calm.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// When it ends; `None` at calm.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        self.duration.map(|duration| self.start.saturating_add(duration))
    }

    /// Its word for people.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Whether a run counts only if it hit something.
    #[must_use]
    pub fn is_must_hit(&self) -> bool {
        self.must_hit
    }
}
