//! The planner: draws a whole plan from a seed, before the run.
//!
//! # What depends on what
//!
//! A *lane* is one [`Kind`] or one [`Pattern`]. Each lane has a coin of its own (is it on in this seed?), a stream of its
//! own for its pace, and a stream of its own for each of its faults, all keyed by the seed and the lane's name. Ids are a
//! function of lane and ordinal. So switching a family on adds lanes and changes no fault of the others.
//!
//! One thing couples lanes: the budget. Faults that take nodes out compete for it. They are admitted in a fixed order,
//! those of one family before those of patterns that span families, so that switching the network on leaves the process
//! faults alone too. (A budget that counts cuts couples everything, as it must.)

mod admit;
mod choice;
mod machine;
mod network;
mod pattern;
mod planner;
mod process;
mod profile;
mod weather;

pub use choice::{SwarmChoice, Unavailable};
pub use pattern::Pattern;
pub use planner::{Drawn, Dropped, Planner, PlannerError, swarm};
pub use profile::Profile;

use crate::{Fault, NodeName};

/// One or more faults that are admitted together or not at all.
pub(crate) struct Group {
    /// The id of its first fault.
    id: u32,
    /// In what order it comes before the budget: first all of one family, then what spans families.
    spans_families: bool,
    /// The earliest start of its faults.
    start: std::time::Duration,
    /// How many ways there are to build it; the budget gets the first that fits.
    variants: usize,
    /// The order in which it would choose nodes.
    order: Vec<NodeName>,
    /// Builds it.
    build: Build,
}

/// Makes the faults of a group for nodes in an order of preference and one of its variants.
type Build = Box<dyn Fn(&[NodeName], usize) -> Vec<Fault>>;
