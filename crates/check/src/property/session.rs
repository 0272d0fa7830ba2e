//! Session guarantees (Terry and others 1994), for services that tell the version of what they read and write: versions
//! of a key are numbers that grow in the order of its writes.

use crate::history::Process;
use crate::model::Bytes;
use crate::verdict::{Evidence, Verdict};
use std::collections::BTreeMap;
use std::fmt;

/// What a session did, in the order in which it did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEvent {
    /// The session.
    pub session: Process,
    /// The key.
    pub key: Bytes,
    /// What was done to it.
    pub seen: Seen,
}

/// A read or a write, with the version it saw or made. A key that was never written has version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Read this version.
    Read(u64),
    /// Made this version.
    Write(u64),
}

/// What a session may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// A read sees the session's own writes before it.
    ReadYourWrites,
    /// A read sees nothing older than a read before it.
    MonotonicReads,
    /// A write comes after the session's own writes before it.
    MonotonicWrites,
    /// A write comes after what the session has read before it.
    WritesFollowReads,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guarantee::ReadYourWrites => "read your writes",
            Guarantee::MonotonicReads => "monotonic reads",
            Guarantee::MonotonicWrites => "monotonic writes",
            Guarantee::WritesFollowReads => "writes follow reads",
        })
    }
}

/// Whether every session keeps every one of `guarantees`, key by key. Linear in the events.
pub fn sessions(events: &[SessionEvent], guarantees: &[Guarantee]) -> Verdict {
    // Of each session and key, the latest version written and read.
    let mut latest: BTreeMap<(&Process, &Bytes), (u64, u64)> = BTreeMap::new();
    for SessionEvent { session, key, seen } in events {
        let (wrote, read) = latest.entry((session, key)).or_default();
        let (now, before) = match seen {
            Seen::Read(version) => {
                (*version, [(Guarantee::ReadYourWrites, *wrote), (Guarantee::MonotonicReads, *read)])
            }
            // A write makes a version of its own, so it must be later and not only as late.
            Seen::Write(version) => (
                version.saturating_sub(1),
                [(Guarantee::MonotonicWrites, *wrote), (Guarantee::WritesFollowReads, *read)],
            ),
        };
        for (guarantee, before) in before {
            if now < before && guarantees.contains(&guarantee) {
                let what = match seen {
                    Seen::Read(version) => format!("read version {version} of {key}"),
                    Seen::Write(version) => format!("made version {version} of {key}"),
                };
                let cause = format!("session {session} {what} after it had seen or made version {before}");
                return Evidence::new(guarantee.to_string(), cause).into();
            }
        }
        match seen {
            Seen::Read(version) => *read = (*read).max(*version),
            Seen::Write(version) => *wrote = (*wrote).max(*version),
        }
    }
    Verdict::Pass
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(events: &[Seen]) -> Vec<String> {
        let all = [
            Guarantee::ReadYourWrites,
            Guarantee::MonotonicReads,
            Guarantee::MonotonicWrites,
            Guarantee::WritesFollowReads,
        ];
        let events: Vec<SessionEvent> =
            events.iter().map(|seen| SessionEvent { session: 1.into(), key: "x".into(), seen: *seen }).collect();
        all.into_iter().filter(|one| sessions(&events, &[*one]).is_fail()).map(|one| one.to_string()).collect()
    }

    #[test]
    fn each_guarantee_is_broken_by_its_own_kind_of_going_back() {
        assert_eq!(broken(&[Seen::Write(1), Seen::Read(1), Seen::Write(2), Seen::Read(3)]), [""; 0]);
        assert_eq!(broken(&[Seen::Write(2), Seen::Read(1)]), ["read your writes"]);
        assert_eq!(broken(&[Seen::Read(2), Seen::Read(1)]), ["monotonic reads"]);
        assert_eq!(broken(&[Seen::Write(2), Seen::Write(2)]), ["monotonic writes"]);
        assert_eq!(broken(&[Seen::Read(2), Seen::Write(2)]), ["writes follow reads"]);
    }
}
