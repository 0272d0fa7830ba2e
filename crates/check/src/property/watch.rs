//! Watches: what a stream of changes delivered, held against the log of all changes, as etcd promises it: in order,
//! without gaps or duplicates, whole revisions at a time, from where it was asked to begin, and nothing that was filtered.

use crate::model::Bytes;
use crate::verdict::{Evidence, Verdict};
use std::collections::BTreeMap;

/// The oracle's name in verdicts.
pub const WATCH: &str = "watch";

/// A change of one key. A transaction's changes share a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchEvent {
    /// The revision at which it happened.
    pub revision: u64,
    /// The key.
    pub key: Bytes,
    /// Its value from then on; `None` if it was deleted.
    pub value: Option<Bytes>,
    /// Whether the stream said that the key was not there before. Not looked at in a log.
    pub created: Option<bool>,
    /// What the stream said that the key held before. Not looked at in a log.
    pub previous: Option<Previous>,
}

/// What a key held before a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Previous {
    /// The value.
    pub value: Bytes,
    /// The revision at which it was set.
    pub revision: u64,
    /// How often the key was set since it was created, if the stream said so.
    pub version: Option<u64>,
}

/// What came at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchResponse {
    /// Changes, in the order in which they came.
    pub events: Vec<WatchEvent>,
    /// "You have seen everything up to this revision."
    pub bookmark: Option<u64>,
}

/// Which keys a stream is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// This one.
    Key(Bytes),
    /// Those that begin with this.
    Prefix(Vec<u8>),
}

impl Default for Watched {
    /// All keys.
    fn default() -> Self {
        Watched::Prefix(Vec::new())
    }
}

impl Watched {
    /// Whether `key` is among them.
    #[must_use]
    pub fn holds(&self, key: &Bytes) -> bool {
        match self {
            Watched::Key(only) => key == only,
            Watched::Prefix(prefix) => key.as_slice().starts_with(prefix),
        }
    }
}

/// One stream. A stream that broke and was resumed is one whose second part begins where the first left off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The first revision asked for.
    pub from: u64,
    /// The keys asked for.
    pub keys: Watched,
    /// What came, in order.
    pub responses: Vec<WatchResponse>,
}

/// Whether `watch` delivered what it must of `log`, which holds every change from the first, in order of revision.
pub fn watched(log: &[WatchEvent], watch: &Watch) -> Verdict {
    let told = in_itself(watch).and_then(|()| as_logged(log, watch)).and_then(|()| what_was_before(log, watch));
    match told {
        Ok(()) => Verdict::Pass,
        Err((promise, what)) => Evidence::new(format!("{WATCH}: {promise}"), what).into(),
    }
}

/// A promise by its name, and how it was broken.
type Broken = (&'static str, String);

/// What a stream must be whatever happened.
fn in_itself(watch: &Watch) -> Result<(), Broken> {
    let events = || watch.responses.iter().flat_map(|response| &response.events);
    for WatchEvent { revision, key, .. } in events() {
        if !watch.keys.holds(key) {
            return Err(("filtered", format!("{key} at revision {revision} was not asked for")));
        }
    }
    // In order of revision: whatever comes twice comes within its revision.
    let mut last = 0;
    let mut of_last: Vec<&Bytes> = Vec::new();
    for WatchEvent { revision, key, .. } in events() {
        if *revision < last {
            return Err(("ordered", format!("{key} at revision {revision} came after revision {last}")));
        }
        if *revision > last {
            of_last.clear();
        }
        if of_last.contains(&key) {
            return Err(("unique", format!("{key} at revision {revision} came again")));
        }
        of_last.push(key);
        last = *revision;
    }
    let mut last = None;
    for WatchResponse { events, .. } in &watch.responses {
        if let Some(first) = events.first().filter(|first| Some(first.revision) == last) {
            return Err((
                "atomic",
                format!("revision {} came in parts, the second with {}", first.revision, first.key),
            ));
        }
        last = events.last().map(|event| event.revision).or(last);
    }
    let (mut until, mut marked) = (0, None);
    for WatchResponse { events, bookmark } in &watch.responses {
        if let Some(late) = events.iter().find(|event| marked >= Some(event.revision)) {
            let what = format!("{} at revision {} came after a bookmark of it", late.key, late.revision);
            return Err(("bookmarkable", what));
        }
        until = events.last().map_or(until, |event| event.revision);
        if let Some(bookmark) = bookmark {
            if *bookmark < until || marked > Some(*bookmark) {
                let seen = marked.map_or(until, |marked| marked.max(until));
                return Err(("bookmarkable", format!("a bookmark of {bookmark} came after revision {seen}")));
            }
            marked = Some(*bookmark);
        }
    }
    Ok(())
}

/// Whether two are the same change.
fn same(one: &WatchEvent, other: &WatchEvent) -> bool {
    (one.revision, &one.key, &one.value) == (other.revision, &other.key, &other.value)
}

/// What was delivered is what happened, from the beginning and without a gap.
fn as_logged(log: &[WatchEvent], watch: &Watch) -> Result<(), Broken> {
    let asked = |event: &&WatchEvent| event.revision >= watch.from && watch.keys.holds(&event.key);
    let wanted: Vec<&WatchEvent> = log.iter().filter(asked).collect();
    let mut next = 0;
    for WatchResponse { events, bookmark } in &watch.responses {
        for event in events {
            let WatchEvent { revision, key, .. } = event;
            if *revision < watch.from {
                let what = format!("revision {revision} is before {}, where it was to begin", watch.from);
                return Err(("resumable", what));
            }
            match wanted.get(next) {
                Some(expected) if same(expected, event) => next += 1,
                Some(expected) if wanted[next..].iter().any(|later| same(later, event)) => {
                    let what =
                        format!("{} at revision {} was left out before {revision}", expected.key, expected.revision);
                    return Err((if next == 0 { "resumable" } else { "reliable" }, what));
                }
                _ => return Err(("genuine", format!("{key} at revision {revision} is no change that happened so"))),
            }
        }
        // Half a revision is something that no moment ever held.
        if let (Some(last), Some(following)) = (events.last(), wanted.get(next))
            && last.revision == following.revision
        {
            let what = format!("revision {} came in parts: {} was left for later", last.revision, following.key);
            return Err(("atomic", what));
        }
        if let Some(bookmark) = bookmark
            && let Some(missed) = wanted.get(next).filter(|event| event.revision <= *bookmark)
        {
            let what = format!("a bookmark of {bookmark} came before {} at revision {}", missed.key, missed.revision);
            return Err(("reliable", what));
        }
    }
    Ok(())
}

/// What was said of keys before their changes is so.
fn what_was_before(log: &[WatchEvent], watch: &Watch) -> Result<(), Broken> {
    let mut held: BTreeMap<&Bytes, Previous> = BTreeMap::new();
    let mut log = log.iter().peekable();
    for event in watch.responses.iter().flat_map(|response| &response.events) {
        while let Some(change) = log.next_if(|change| change.revision < event.revision) {
            let WatchEvent { revision, key, .. } = change;
            match &change.value {
                None => drop(held.remove(key)),
                Some(value) => {
                    let version = held.get(key).and_then(|before| before.version).unwrap_or(0) + 1;
                    let now = Previous { value: value.clone(), revision: *revision, version: Some(version) };
                    held.insert(key, now);
                }
            }
        }
        let WatchEvent { revision, key, created, previous, .. } = event;
        let before = held.get(key);
        // What a stream does not say may be compacted; what it says must be so.
        let so = |told: &Previous| {
            before.is_some_and(|before| {
                let version = told.version.or(before.version);
                (&told.value, told.revision, version) == (&before.value, before.revision, before.version)
            })
        };
        if previous.as_ref().is_some_and(|told| !so(told)) {
            let held =
                before.map_or("nothing".to_owned(), |held| format!("{} of revision {}", held.value, held.revision));
            return Err((
                "previous value",
                format!("before revision {revision} {key} held {held}, and that was not told"),
            ));
        }
        if *created == Some(before.is_some()) {
            let was = if before.is_some() { "was there before" } else { "was not there before" };
            return Err(("creation", format!("{key} {was} revision {revision}, and that was not told")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(revision: u64, key: &str) -> WatchEvent {
        WatchEvent {
            revision,
            key: key.into(),
            value: Some(Bytes::from(revision.to_string())),
            ..WatchEvent::default()
        }
    }

    fn told(responses: &[&[WatchEvent]]) -> String {
        let log = [event(2, "a"), event(3, "a"), event(3, "b"), event(4, "z"), event(5, "a")];
        let responses = responses.iter().map(|events| WatchResponse { events: events.to_vec(), bookmark: None });
        let watch = Watch { from: 3, keys: Watched::default(), responses: responses.collect() };
        watched(&log, &watch).evidence().map_or_else(String::new, |evidence| evidence.oracle.clone())
    }

    #[test]
    fn each_promise_of_a_watch_is_broken_by_name() {
        let (a3, b3, z4, a5) = (event(3, "a"), event(3, "b"), event(4, "z"), event(5, "a"));
        assert_eq!(told(&[&[a3.clone(), b3.clone()], &[z4.clone(), a5.clone()]]), "");
        assert_eq!(told(&[&[a3.clone(), b3.clone()]]), "", "more may come");
        assert_eq!(told(&[std::slice::from_ref(&a3), std::slice::from_ref(&b3)]), "watch: atomic");
        assert_eq!(told(&[&[a3.clone(), b3.clone(), a5.clone()]]), "watch: reliable");
        assert_eq!(told(&[&[b3.clone(), a3.clone()]]), "watch: resumable");
        assert_eq!(told(&[&[a3.clone(), b3.clone(), b3.clone()]]), "watch: unique");
        assert_eq!(told(&[&[a3.clone(), b3.clone(), z4.clone(), a3.clone()]]), "watch: ordered");
        assert_eq!(told(&[&[event(2, "a")]]), "watch: resumable");
        assert_eq!(told(&[&[z4, a5]]), "watch: resumable", "it did not begin where it was to");
        let other = WatchEvent { value: None, ..a3.clone() };
        assert_eq!(told(&[&[other]]), "watch: genuine");
        let log = [a3.clone(), b3.clone()];
        let bookmark = |at| WatchResponse { events: vec![a3.clone()], bookmark: Some(at) };
        let watch =
            |prefix: &str, at| Watch { from: 1, keys: Watched::Prefix(prefix.into()), responses: vec![bookmark(at)] };
        assert!(watched(&log, &watch("a", 7)).is_pass());
        assert_eq!(watched(&log, &watch("a", 2)).evidence().map(|e| e.oracle.as_str()), Some("watch: bookmarkable"));
        assert_eq!(watched(&log, &watch("b", 7)).evidence().map(|e| e.oracle.as_str()), Some("watch: filtered"));
        let marks = |marks: &[u64]| {
            let mark = |at: &u64| WatchResponse { events: vec![], bookmark: Some(*at) };
            let watch = Watch { from: 1, keys: Watched::default(), responses: marks.iter().map(mark).collect() };
            watched(&log, &watch).evidence().map_or_else(String::new, |evidence| evidence.oracle.clone())
        };
        assert_eq!(marks(&[3]), "watch: reliable", "what it marks did not come");
        assert_eq!(marks(&[2, 1]), "watch: bookmarkable");
        let late = WatchResponse { events: vec![a3.clone(), b3.clone()], bookmark: None };
        let mark = WatchResponse { events: vec![], bookmark: Some(3) };
        let watch = Watch { from: 1, keys: Watched::default(), responses: vec![mark, late] };
        let told = watched(&log, &watch);
        assert_eq!(
            told.evidence().map(|e| e.oracle.as_str()),
            Some("watch: bookmarkable"),
            "and not what was missed then"
        );
        let apart = [vec![a3.clone()], vec![], vec![event(3, "c")]];
        let responses = apart.map(|events| WatchResponse { events, bookmark: None }).to_vec();
        let told = watched(&log[..1], &Watch { from: 1, keys: Watched::default(), responses });
        assert_eq!(told.evidence().map(|e| e.oracle.as_str()), Some("watch: atomic"), "whatever the log says");
        assert_eq!(marks(&[1, 2]), "");
    }

    #[test]
    fn what_a_key_held_before_is_told_as_it_was() {
        let delete = WatchEvent { value: None, ..event(4, "a") };
        let log = [event(2, "a"), event(3, "a"), delete.clone(), event(5, "a")];
        let held = |value: &str, revision, version| Some(Previous { value: value.into(), revision, version });
        let told = |at: usize, previous, created| {
            let events = vec![WatchEvent { previous, created, ..log[at].clone() }];
            let responses = vec![WatchResponse { events, bookmark: None }];
            let watch = Watch { from: log[at].revision, keys: Watched::Key("a".into()), responses };
            watched(&log, &watch).evidence().map_or_else(String::new, |evidence| evidence.oracle.clone())
        };
        assert_eq!(told(1, held("2", 2, Some(1)), Some(false)), "");
        assert_eq!(told(2, held("3", 3, Some(2)), Some(false)), "");
        assert_eq!(told(2, held("3", 3, None), None), "", "what is not told is not held against it");
        assert_eq!(told(3, None, Some(true)), "");
        for wrong in [held("3", 2, None), held("2", 3, None), held("2", 2, Some(2))] {
            assert_eq!(told(1, wrong.clone(), None), "watch: previous value", "{wrong:?}");
        }
        assert_eq!(told(0, held("1", 1, None), None), "watch: previous value", "there was nothing");
        assert_eq!(told(3, held("3", 3, None), None), "watch: previous value", "it was deleted");
        assert_eq!(told(3, None, Some(false)), "watch: creation");
        assert_eq!(told(1, None, Some(true)), "watch: creation");
    }
}
