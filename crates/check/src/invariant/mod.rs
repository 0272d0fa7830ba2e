//! Online invariants: fed one probe at a time while a run goes on, so that a violation is found at its instant and not
//! at the end of the run. They are called on every probe, so each is cheap: a look-up or two.

mod by_index;
mod raft;
mod raft_log;
mod raft_node;

pub use raft::{NodeId, Probe, RaftOracle, raft_oracles};

use crate::verdict::Evidence;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Something that must hold at every instant.
pub trait Invariant {
    /// What it looks at.
    type Probe;

    /// Looks at one probe that node `node` emitted at `at_ns`, in nanoseconds. Probes of one node come in its own order.
    ///
    /// # Errors
    /// Evidence, if the invariant does not hold. It may be fed further probes after that.
    fn observe(&mut self, node: NodeId, at_ns: u64, probe: Self::Probe) -> Result<(), Evidence>;
}

/// The oracle's name in verdicts, for counters that carry no better one.
pub const MONOTONIC: &str = "monotonic";

/// A named counter never goes back: an epoch, a log sequence number, a timestamp oracle. Keep one for counters that
/// survive restarts; where one starts over with each incarnation, [`Monotonic::forget`] it at the restart.
#[derive(Clone, Debug)]
pub struct Monotonic<K> {
    oracle: String,
    strictly: bool,
    last: BTreeMap<K, (u64, u64)>,
}

impl<K: Ord + Clone + Display> Monotonic<K> {
    /// Counters that may stay but never go back. `oracle` is the name in verdicts, such as `monotonic epoch`.
    #[must_use]
    pub fn new(oracle: impl Into<String>) -> Self {
        Monotonic { oracle: oracle.into(), strictly: false, last: BTreeMap::new() }
    }

    /// Counters that grow with every observation, such as the timestamps that a timestamp oracle hands out.
    #[must_use]
    pub fn strictly(oracle: impl Into<String>) -> Self {
        Monotonic { strictly: true, ..Monotonic::new(oracle) }
    }

    /// The counter `what` is `value` at `at_ns`, in nanoseconds.
    ///
    /// # Errors
    /// Evidence, if it was higher before (or as high, where it must grow).
    pub fn observe(&mut self, what: K, at_ns: u64, value: u64) -> Result<(), Evidence> {
        if let Some((last, since)) = self.last.get(&what)
            && (value < *last || (self.strictly && value == *last))
        {
            let how = if value < *last { "goes back" } else { "does not grow" };
            return Err(Evidence::new(self.oracle.clone(), format!("{what} {how}, from {last} to {value}"))
                .detail(format!("it was {last} at {since}ns"))
                .detail(format!("it is {value} at {at_ns}ns")));
        }
        self.last.insert(what, (value, at_ns));
        Ok(())
    }

    /// The counter `what` starts over.
    pub fn forget(&mut self, what: &K) {
        self.last.remove(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_goes_back_is_named_with_both_values() {
        let mut epochs = Monotonic::new("monotonic epoch");
        assert_eq!(epochs.observe("disk 1", 10, 3), Ok(()));
        assert_eq!(epochs.observe("disk 2", 11, 1), Ok(()), "counters are apart");
        assert_eq!(epochs.observe("disk 1", 12, 3), Ok(()), "it may stay");
        let evidence = epochs.observe("disk 1", 13, 2).expect_err("it went back");
        assert_eq!(
            evidence.to_string(),
            "monotonic epoch: disk 1 goes back, from 3 to 2\n  it was 3 at 12ns\n  it is 2 at 13ns"
        );
        epochs.forget(&"disk 1");
        assert_eq!(epochs.observe("disk 1", 14, 0), Ok(()));
    }

    #[test]
    fn a_strict_counter_may_not_stay() {
        let mut stamps = Monotonic::strictly(MONOTONIC);
        assert_eq!(stamps.observe("tso", 1, 5), Ok(()));
        assert!(stamps.observe("tso", 2, 5).is_err());
        assert_eq!(stamps.observe("tso", 3, 6), Ok(()));
    }
}
