//! What product code says about itself to whoever simulates it.
//!
//! - *Properties*: [`always!`], [`sometimes!`], [`reachable!`], [`unreachable!`], and numeric forms that also say how close it
//!   was ([`always_at_most!`] and its kin). All of a binary's properties are known when it starts, so that one that no
//!   run ever met is a finding.
//! - *Cooperation*: [`buggify!`] takes a rare path on purpose, [`knob!`] gives a limit a rare size.
//!
//! Without the feature `sim`, which only crates of simulations switch on, every macro is checked by the compiler and runs
//! nothing: `buggify!` is `false` and `knob!` its default. With it and outside a simulation the same holds.
//!
//! ```
//! use stormglass_probes::{always_at_most, buggify, knob, sometimes};
//!
//! fn append(queue: &mut Vec<u64>, entry: u64) -> bool {
//!     let limit = knob!("queue length", 1024, [1, 2, 7]);
//!     if queue.len() >= limit || buggify!("queue says it is full") {
//!         return false;
//!     }
//!     queue.push(entry);
//!     sometimes!(queue.len() == limit, "the queue is full to the last place");
//!     always_at_most!(queue.len(), limit, "the queue keeps its limit");
//!     true
//! }
//! assert!(append(&mut Vec::new(), 1));
//! ```

#![forbid(unsafe_code)]

mod measure;
mod site;

#[cfg(not(feature = "sim"))]
mod idle;
#[cfg(feature = "sim")]
mod live;
#[cfg(feature = "sim")]
mod simulation;

pub use measure::Measure;
pub use site::{Property, Site};

#[cfg(feature = "sim")]
pub use simulation::{SITES, Simulation, set_simulation};

/// What the macros expand to. Not for use by hand.
#[doc(hidden)]
pub mod expansion {
    #[cfg(feature = "sim")]
    pub use crate::simulation::{armed, chosen, observed};
    #[cfg(feature = "sim")]
    pub use linkme;

    /// A probability as millionths.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    pub const fn millionths(probability: f64) -> u32 {
        (probability.clamp(0.0, 1.0) * 1e6) as u32
    }
}
