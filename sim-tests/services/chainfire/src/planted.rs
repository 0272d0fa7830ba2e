//! Planted bugs: small, realistic defects that a run may switch on one at a time, to measure what a test can find.
//!
//! Without the feature `planted` every use of [`planted!`](crate::planted!) is the constant `false` and costs
//! nothing. With it, [`select`] switches on one bug for the whole process.

/// A planted bug: its short name and the defect that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bug {
    /// The name given to [`planted!`](crate::planted!) and to [`select`].
    pub name: &'static str,
    /// What goes wrong when it is on.
    pub defect: &'static str,
}

/// Every bug planted in this crate.
pub const ALL: &[Bug] = &[
    Bug { name: "M01", defect: "a leader commits an entry of an older term by counting its replicas" },
    Bug { name: "M02", defect: "a vote is answered before it is synced, which waits for the next write to the log" },
    Bug { name: "M03", defect: "the current term is not persisted" },
    Bug { name: "M04", defect: "a vote is granted without comparing the logs" },
    Bug { name: "M07", defect: "a follower truncates its log on any append, not only on a conflict" },
    Bug { name: "M09", defect: "a follower acknowledges an append before it is synced" },
    Bug { name: "M10", defect: "a leader counts its own copy before it is synced" },
    Bug { name: "M11", defect: "a leader answers a read without confirming that it still leads" },
    Bug { name: "M16", defect: "a leader that no majority answers goes on leading" },
    Bug { name: "M17", defect: "a quorum is half of the nodes, rounded down" },
    Bug { name: "M22", defect: "elections without a pre-vote, and votes for whoever asks while a leader is heard" },
    Bug { name: "M24", defect: "a snapshot is restored without the sessions of clients" },
    Bug { name: "M28", defect: "every election timeout is the same" },
    Bug { name: "M29", defect: "the hard state is renamed into place and its directory not synced" },
    Bug { name: "M30", defect: "a retried command is applied again" },
    Bug { name: "M32", defect: "sessions age by the clock of the replica, not by that in the log" },
    Bug { name: "M38", defect: "a link waits for an answer, however long, before it sends anything more" },
    Bug { name: "M39", defect: "a client gives each retry of a write a new number" },
    Bug { name: "M70", defect: "the log is replayed without looking at the checksum of a record" },
    Bug {
        name: "M71",
        defect: "a segment is written anew over its old content, and its replay goes on past a bad record",
    },
    Bug {
        name: "M73",
        defect: "the hard state is overwritten in one place, by the log's writer and by the snapshots' one",
    },
    Bug { name: "M82", defect: "a sync of the log that fails is tried again, and what it then says is believed" },
];

/// The name passed to [`select`] is not one of [`ALL`], or the feature `planted` is off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no planted bug named {name:?} is available: {reason}")]
pub struct UnknownBug {
    /// The name that was asked for.
    pub name: String,
    /// Why it cannot be switched on.
    pub reason: &'static str,
}

/// The place of `name` in [`ALL`]. Evaluated at compile time, so that a misspelt name does not build.
#[doc(hidden)]
pub const fn position(name: &str) -> usize {
    let mut at = 0;
    while at < ALL.len() {
        if equal(ALL[at].name.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("this name is not listed in planted::ALL")
}

const fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(feature = "planted")]
mod switch {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// One more than the place in `ALL` of the bug that is on; zero when none is.
    static SELECTED: AtomicUsize = AtomicUsize::new(0);

    /// Switches on the bug called `name` and every other one off.
    ///
    /// # Errors
    /// [`super::UnknownBug`] when no bug has that name.
    pub fn select(name: &str) -> Result<(), super::UnknownBug> {
        let place = super::ALL
            .iter()
            .position(|bug| bug.name == name)
            .ok_or_else(|| super::UnknownBug { name: name.to_owned(), reason: "planted::ALL does not list it" })?;
        SELECTED.store(place + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Switches every bug off.
    pub fn clear() {
        SELECTED.store(0, Ordering::Relaxed);
    }

    #[doc(hidden)]
    #[inline]
    pub fn on(place: usize) -> bool {
        SELECTED.load(Ordering::Relaxed) == place + 1
    }
}

#[cfg(not(feature = "planted"))]
mod switch {
    /// Refuses: the planted bugs are not compiled in.
    ///
    /// # Errors
    /// Always [`super::UnknownBug`].
    pub fn select(name: &str) -> Result<(), super::UnknownBug> {
        Err(super::UnknownBug { name: name.to_owned(), reason: "built without the feature `planted`" })
    }

    /// Does nothing: no bug can be on.
    pub fn clear() {}

    #[doc(hidden)]
    #[inline(always)]
    pub const fn on(_place: usize) -> bool {
        false
    }
}

pub use switch::{clear, on, select};

/// Whether the planted bug of this name is on. The constant `false` without the feature `planted`.
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::on(const { $crate::planted::position($name) })
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert_eq!(select("M99").expect_err("M99 is not planted").name, "M99");
    }
}
