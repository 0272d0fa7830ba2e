//! Watches: what a stream of changes delivered, held against the log of all changes, as etcd promises it: in order,
//! without gaps or duplicates, whole revisions at a time, from where it was asked to begin, and nothing that was filtered.

use crate::model::Bytes;
use crate::verdict::{Evidence, Verdict};

/// The oracle's name in verdicts.
pub const WATCH: &str = "watch";

/// A change of one key. A transaction's changes share a revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchEvent {
    /// The revision at which it happened.
    pub revision: u64,
    /// The key.
    pub key: Bytes,
    /// Its value from then on; `None` if it was deleted.
    pub value: Option<Bytes>,
}

/// What came at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchResponse {
    /// Changes, in the order in which they came.
    pub events: Vec<WatchEvent>,
    /// "You have seen everything up to this revision."
    pub bookmark: Option<u64>,
}

/// One stream. A stream that broke and was resumed is one whose second part begins where the first left off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The first revision asked for.
    pub from: u64,
    /// Only keys that begin with this.
    pub prefix: Vec<u8>,
    /// What came, in order.
    pub responses: Vec<WatchResponse>,
}

/// Whether `watch` delivered what it must of `log`, which holds every change in order of revision.
pub fn watched(log: &[WatchEvent], watch: &Watch) -> Verdict {
    let fail = |promise: &str, what: String| Evidence::new(format!("{WATCH}: {promise}"), what).into();
    let wanted: Vec<&WatchEvent> = log
        .iter()
        .filter(|event| event.revision >= watch.from && event.key.as_slice().starts_with(&watch.prefix))
        .collect();
    // Everything up to this revision was delivered, or said to be nothing.
    let mut until = watch.from.saturating_sub(1);
    let mut next = 0;
    for WatchResponse { events, bookmark } in &watch.responses {
        for event in events {
            let WatchEvent { revision, key, .. } = event;
            if !key.as_slice().starts_with(&watch.prefix) {
                return fail("filtered", format!("{key} at revision {revision} was not asked for"));
            }
            if *revision < watch.from {
                return fail(
                    "resumable",
                    format!("revision {revision} is before {}, where it was to begin", watch.from),
                );
            }
            match wanted.get(next) {
                Some(expected) if *expected == event => next += 1,
                _ if wanted[..next].contains(&event) => {
                    let last = wanted[next - 1];
                    let promise = if last == event || *revision == last.revision { "unique" } else { "ordered" };
                    return fail(
                        promise,
                        format!("{key} at revision {revision} came again after revision {}", last.revision),
                    );
                }
                Some(expected) if wanted[next..].contains(&event) => {
                    let missed = expected.revision;
                    return fail(
                        "reliable",
                        format!("{} at revision {missed} was left out before {revision}", expected.key),
                    );
                }
                _ => {
                    return fail("genuine", format!("{key} at revision {revision} is no change that happened so"));
                }
            }
            until = until.max(*revision);
        }
        // Half a revision is something that no moment ever held.
        if let (Some(last), Some(following)) = (events.last(), wanted.get(next))
            && last.revision == following.revision
        {
            let what = format!("revision {} came in parts: {} was left for later", last.revision, following.key);
            return fail("atomic", what);
        }
        if let Some(bookmark) = bookmark {
            if *bookmark < until {
                return fail("bookmarkable", format!("a bookmark of {bookmark} came after revision {until}"));
            }
            if let Some(missed) = wanted.get(next).filter(|event| event.revision <= *bookmark) {
                let what =
                    format!("a bookmark of {bookmark} came before {} at revision {}", missed.key, missed.revision);
                return fail("bookmarkable", what);
            }
            until = *bookmark;
        }
    }
    Verdict::Pass
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(revision: u64, key: &str) -> WatchEvent {
        WatchEvent { revision, key: key.into(), value: Some(Bytes::from(revision.to_string())) }
    }

    fn told(responses: &[&[WatchEvent]]) -> String {
        let log = [event(2, "a"), event(3, "a"), event(3, "b"), event(4, "z"), event(5, "a")];
        let responses = responses.iter().map(|events| WatchResponse { events: events.to_vec(), bookmark: None });
        let watch = Watch { from: 3, prefix: Vec::new(), responses: responses.collect() };
        watched(&log, &watch).evidence().map_or_else(String::new, |evidence| evidence.oracle.clone())
    }

    #[test]
    fn each_promise_of_a_watch_is_broken_by_name() {
        let (a3, b3, z4, a5) = (event(3, "a"), event(3, "b"), event(4, "z"), event(5, "a"));
        assert_eq!(told(&[&[a3.clone(), b3.clone()], &[z4.clone(), a5.clone()]]), "");
        assert_eq!(told(&[&[a3.clone(), b3.clone()]]), "", "more may come");
        assert_eq!(told(&[std::slice::from_ref(&a3), std::slice::from_ref(&b3)]), "watch: atomic");
        assert_eq!(told(&[&[a3.clone(), b3.clone(), a5.clone()]]), "watch: reliable");
        assert_eq!(told(&[&[a3.clone(), b3.clone(), b3.clone()]]), "watch: unique");
        assert_eq!(told(&[&[a3.clone(), b3.clone(), z4, a3.clone()]]), "watch: ordered");
        assert_eq!(told(&[&[event(2, "a")]]), "watch: resumable");
        let other = WatchEvent { value: None, ..a3.clone() };
        assert_eq!(told(&[&[other]]), "watch: genuine");
        let log = [a3.clone(), b3.clone()];
        let bookmark = |at| WatchResponse { events: vec![a3.clone()], bookmark: Some(at) };
        let watch = |prefix: &str, at| Watch { from: 1, prefix: prefix.into(), responses: vec![bookmark(at)] };
        assert!(watched(&log, &watch("a", 7)).is_pass());
        assert_eq!(watched(&log, &watch("a", 2)).evidence().map(|e| e.oracle.as_str()), Some("watch: bookmarkable"));
        assert_eq!(watched(&log, &watch("b", 7)).evidence().map(|e| e.oracle.as_str()), Some("watch: filtered"));
        let late =
            Watch { from: 1, prefix: Vec::new(), responses: vec![WatchResponse { events: vec![], bookmark: Some(3) }] };
        assert_eq!(watched(&log, &late).evidence().map(|e| e.oracle.as_str()), Some("watch: bookmarkable"));
    }
}
