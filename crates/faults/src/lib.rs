//! Faults as values: what may go wrong in a simulated cluster, when, to whom, and how it is healed.
//!
//! A [`Fault`] is a plain value; a [`Plan`] is a list of them that prints as text, parses back to the same value and
//! can be edited by hand; the [`Planner`] draws one whole from a [`Seed`] before the run, within a [`Budget`]. An
//! [`Injector`] carries a plan out through the [`World`] trait and tells, fault by fault, what was really hit. A
//! [`Nemesis`] watches the run and adds faults of its own. [`Calm`] ends the storm and says what keeps the cluster
//! from converging.
//!
//! What this crate is *not*: it simulates nothing. It knows no runtime, no socket and no disk; a simulator takes part by
//! implementing [`World`], and says through [`Capabilities`] what it cannot do. It reads no clock, no entropy and no
//! environment: everything here is a pure function of its arguments.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod blame;
mod budget;
mod calm;
mod capabilities;
mod effect;
mod fault;
mod hits;
mod id;
mod injector;
mod kind;
mod link_fault;
mod links;
mod machine;
mod nemesis;
mod node;
mod plan;
mod probability;
mod record;
mod seed;
mod storms;
mod stream;
mod swarm;
pub mod testing;
mod text;
mod timeline;
mod topology;
mod trigger;
mod validity;
mod verbs;
mod world;

pub use blame::{excuse, meanwhile, mentions};
pub use budget::{Budget, BudgetError, minority};
pub use calm::{Calm, CalmState, Convergence};
pub use capabilities::{Capabilities, EffectKind};
pub use effect::{Direction, Effect, Protocol};
pub use fault::{Action, Fault};
pub use hits::{Hits, counter};
pub use id::FaultId;
pub use injector::{HealError, InjectError, Injector, Missing};
pub use kind::{Colour, Family, Kind};
pub use link_fault::{LinkFault, NameFault};
pub use links::{Link, Links};
pub use machine::{ClockFault, DiskFault, Offset};
pub use nemesis::{FSYNC, LeaderHunter, Nemesis, Observed, Strike};
pub use node::{IntoNodes, NodeName};
pub use plan::{Plan, PlanError, Planned};
pub use probability::{Probability, ProbabilityError};
pub use record::FaultRecord;
pub use seed::{Seed, SeedError};
pub use storms::{ScriptError, Storms, Stormy};
pub use stream::Stream;
pub use swarm::{Drawn, Dropped, Pattern, Planner, PlannerError, Profile, SwarmChoice, Unavailable, swarm};
pub use text::TextError;
pub use timeline::{Scheduled, Step};
pub use topology::{Domain, Level, Topology, TopologyError};
pub use trigger::{IT, OTHER, OTHERS, Trigger};
pub use validity::FaultError;
pub use verbs::{
    block_port, bridge, clock, disk, failing_allocations, flap, graceful_stop, impair, isolate, kill, latency, loss,
    majority_ring, names, no_descriptors, no_memory, one_way, partition, pause, power_loss, replace_disk, restart,
    slow, starve, suspend, swap_disks, upgrade,
};
pub use world::{World, WorldError};
