//! Effects happen at most once: a client numbers its commands, retries them with the same number, and each number may
//! take effect one time. An applied log shows it, one state machine at a time.

use crate::verdict::{Evidence, Verdict};
use std::collections::BTreeMap;
use std::fmt::Display;

/// The oracle's name in verdicts.
pub const EXACTLY_ONCE: &str = "exactly once";

/// The effects on *one* state machine, fed in the order in which they are applied. Give each replica its own, and a new
/// one to a replica whose state machine starts over and replays its log.
///
/// Feed it the commands that really took effect: one that the service recognised as a retry and skipped is no effect.
#[derive(Clone, Debug)]
pub struct Effects<C> {
    place: String,
    seen: BTreeMap<(C, u64), u64>,
}

impl<C: Ord + Clone + Display> Effects<C> {
    /// No effects yet. `place` names the state machine in evidence, such as `node 2`.
    #[must_use]
    pub fn new(place: impl Into<String>) -> Self {
        Effects { place: place.into(), seen: BTreeMap::new() }
    }

    /// Command `seq` of `client` took effect at `position` of the applied log.
    ///
    /// # Errors
    /// Evidence, if it had taken effect before.
    pub fn observe(&mut self, client: C, seq: u64, position: u64) -> Result<(), Evidence> {
        if let Some(first) = self.seen.get(&(client.clone(), seq)) {
            let cause = format!("command {seq} of client {client} took effect twice on {}", self.place);
            return Err(Evidence::new(EXACTLY_ONCE, cause)
                .detail(format!("first at position {first} of the applied log"))
                .detail(format!("again at position {position}")));
        }
        self.seen.insert((client, seq), position);
        Ok(())
    }

    /// How many commands took effect.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// True while nothing took effect.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Once the state machine has caught up: every acknowledged command took effect.
    pub fn all_present(&self, acknowledged: impl IntoIterator<Item = (C, u64)>) -> Verdict {
        let missing = acknowledged.into_iter().find(|command| !self.seen.contains_key(command));
        missing.map_or(Verdict::Pass, |(client, seq)| {
            let place = &self.place;
            let cause = format!("command {seq} of client {client} was acknowledged but never took effect on {place}");
            Evidence::new(EXACTLY_ONCE, cause).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_takes_effect_twice_is_named_with_both_places() {
        let mut effects = Effects::new("node 2");
        assert_eq!(effects.observe("a", 1, 10), Ok(()));
        assert_eq!(effects.observe("a", 2, 11), Ok(()));
        assert_eq!(effects.observe("b", 1, 12), Ok(()), "numbers belong to their client");
        let evidence = effects.observe("a", 1, 13).expect_err("it is a second time");
        assert_eq!(evidence.oracle, EXACTLY_ONCE);
        assert_eq!(evidence.cause, "command 1 of client a took effect twice on node 2");
        assert_eq!(
            evidence.details,
            ["first at position 10 of the applied log", "again at position 13"].map(str::to_owned)
        );
    }

    #[test]
    fn an_acknowledged_command_must_have_taken_effect() {
        let mut effects = Effects::new("node 1");
        assert_eq!(effects.observe(7, 1, 0), Ok(()));
        assert!(effects.all_present([(7, 1)]).is_pass());
        assert!(effects.all_present([(7, 1), (7, 2)]).is_fail());
    }
}
