//! After the storm: everything is healed, and the cluster must come to rest within a bound or say why it does not.

use std::fmt;
use std::time::Duration;

use crate::text::write::Shown;

/// What still stands between a cluster and rest: reasons for people, in the order in which they were given. None means
/// that it converged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Convergence {
    reasons: Vec<String>,
}

impl Convergence {
    /// Nothing is pending.
    pub fn reached() -> Convergence {
        Convergence::default()
    }

    /// Something is: `pending("n3 has applied 17 of 20")`.
    pub fn pending(reason: impl Into<String>) -> Convergence {
        Convergence { reasons: vec![reason.into()] }
    }

    /// Adds a reason unless the condition holds.
    pub fn require(mut self, holds: bool, reason: impl FnOnce() -> String) -> Convergence {
        if !holds {
            self.reasons.push(reason());
        }
        self
    }

    /// Both: the reasons of one, then those of the other.
    pub fn and(mut self, other: Convergence) -> Convergence {
        self.reasons.extend(other.reasons);
        self
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.reasons.is_empty()
    }

    /// What is pending.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl FromIterator<Convergence> for Convergence {
    fn from_iter<I: IntoIterator<Item = Convergence>>(parts: I) -> Convergence {
        parts.into_iter().fold(Convergence::reached(), Convergence::and)
    }
}

impl fmt::Display for Convergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&if self.is_reached() { "converged".to_owned() } else { self.reasons.join("; ") })
    }
}

/// The calm phase of a run. Made when the faults are healed, told again and again how far the cluster is.
#[derive(Clone, Debug)]
pub struct Calm {
    since: Duration,
    within: Duration,
}

/// How calm stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalmState {
    /// The cluster converged, this long after calm began.
    Converged {
        /// Virtual time from the beginning of calm.
        after: Duration,
    },
    /// Not yet, and there is time left.
    Waiting {
        /// What is pending.
        pending: Convergence,
        /// When the bound is reached, in virtual time since the start of the run.
        until: Duration,
    },
    /// Not yet, and the bound has passed: a liveness failure with its reasons.
    Overdue {
        /// What is pending.
        pending: Convergence,
        /// The bound.
        within: Duration,
    },
}

impl Calm {
    /// Calm begins now, with a bound on how long the cluster may take.
    #[must_use]
    pub fn new(now: Duration, within: Duration) -> Calm {
        Calm { since: now, within }
    }

    /// When the bound is reached, in virtual time since the start of the run.
    #[must_use]
    pub fn until(&self) -> Duration {
        self.since.saturating_add(self.within)
    }

    /// Judges what the cluster says of itself now. Convergence exactly at the bound is in time.
    #[must_use]
    pub fn judge(&self, now: Duration, convergence: Convergence) -> CalmState {
        if convergence.is_reached() && now <= self.until() {
            CalmState::Converged { after: now.saturating_sub(self.since) }
        } else if now < self.until() {
            CalmState::Waiting { pending: convergence, until: self.until() }
        } else {
            let pending = if convergence.is_reached() {
                Convergence::pending(format!(
                    "converged, but only {} after calm began",
                    Shown(&now.saturating_sub(self.since))
                ))
            } else {
                convergence
            };
            CalmState::Overdue { pending, within: self.within }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn reasons_are_kept_in_order() {
        let all: Convergence =
            [Convergence::pending("n1 has no leader"), Convergence::reached(), Convergence::pending("n2 lags")]
                .into_iter()
                .collect();
        let all = all.require(true, || "never said".into()).require(false, || "hashes differ".into());
        assert_eq!(all.to_string(), "n1 has no leader; n2 lags; hashes differ");
        assert!(!all.is_reached());
        assert_eq!(Convergence::reached().to_string(), "converged");
    }

    #[test]
    fn calm_waits_until_its_bound_and_then_says_why() {
        let calm = Calm::new(10 * SECOND, 5 * SECOND);
        let pending = || Convergence::pending("n2 lags");
        assert_eq!(calm.judge(12 * SECOND, Convergence::reached()), CalmState::Converged { after: 2 * SECOND });
        assert_eq!(calm.judge(14 * SECOND, pending()), CalmState::Waiting { pending: pending(), until: 15 * SECOND });
        assert_eq!(calm.judge(15 * SECOND, Convergence::reached()), CalmState::Converged { after: 5 * SECOND });
        assert_eq!(calm.judge(15 * SECOND, pending()), CalmState::Overdue { pending: pending(), within: 5 * SECOND });
        assert!(matches!(calm.judge(16 * SECOND, Convergence::reached()), CalmState::Overdue { .. }));
    }
}
