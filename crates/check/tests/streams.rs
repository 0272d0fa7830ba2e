//! The gate of the properties that are judged in one pass over what was seen: session guarantees, watches and convergence,
//! held against their definitions, over all pairs of events.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;

use generate::rng;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::model::Bytes;
use stormglass_check::{
    Guarantee, Previous, Seen, SessionEvent, Watch, WatchEvent, WatchResponse, Watched, converged, sessions, watched,
};

const GUARANTEES: [Guarantee; 4] =
    [Guarantee::ReadYourWrites, Guarantee::MonotonicReads, Guarantee::MonotonicWrites, Guarantee::WritesFollowReads];

fn session_events(rng: &mut ChaCha8Rng) -> Vec<SessionEvent> {
    let mut last = 0u64;
    let mut events = Vec::new();
    for _ in 0..rng.random_range(1..16u32) {
        // Mostly forward, at times back.
        last = if rng.random_ratio(5, 6) { last + rng.random_range(0..3) } else { rng.random_range(0..=last) };
        let seen = if rng.random_ratio(1, 2) { Seen::Read(last) } else { Seen::Write(last + 1) };
        let key = if rng.random_ratio(1, 2) { "x" } else { "y" };
        events.push(SessionEvent { session: rng.random_range(0..3u32).into(), key: key.into(), seen });
    }
    events
}

/// Terry's definitions, for a pair of events of one session on one key.
fn breaks(guarantee: Guarantee, earlier: Seen, later: Seen) -> bool {
    match (guarantee, earlier, later) {
        (Guarantee::ReadYourWrites, Seen::Write(before), Seen::Read(now))
        | (Guarantee::MonotonicReads, Seen::Read(before), Seen::Read(now)) => now < before,
        (Guarantee::MonotonicWrites, Seen::Write(before), Seen::Write(now))
        | (Guarantee::WritesFollowReads, Seen::Read(before), Seen::Write(now)) => now <= before,
        _ => false,
    }
}

#[test]
fn twenty_thousand_sessions_are_judged_as_pair_by_pair() {
    let mut broken = BTreeMap::new();
    let mut passes = 0;
    for seed in 0..20_000 {
        let events = session_events(&mut rng(seed ^ 0x5e55));
        for guarantee in GUARANTEES {
            let expected = events.iter().enumerate().any(|(at, later)| {
                let mine = |earlier: &&SessionEvent| earlier.session == later.session && earlier.key == later.key;
                events[..at].iter().filter(mine).any(|earlier| breaks(guarantee, earlier.seen, later.seen))
            });
            let found = sessions(&events, &[guarantee]);
            assert_eq!((found.is_fail(), found.is_pass()), (expected, !expected), "{guarantee}: {events:?}\n{found}");
            *broken.entry(guarantee.to_string()).or_insert(0) += u32::from(expected);
            passes += u32::from(!expected);
        }
        let any = GUARANTEES.iter().any(|one| sessions(&events, &[*one]).is_fail());
        assert_eq!(sessions(&events, &GUARANTEES).is_fail(), any, "{events:?}");
    }
    assert!(passes > 20_000 && broken.values().all(|count| *count > 1_500), "one-sided: {passes} and {broken:?}");
}

fn changes(rng: &mut ChaCha8Rng) -> Vec<WatchEvent> {
    let mut log = Vec::new();
    let mut revision = 1;
    for _ in 0..rng.random_range(1..6u32) {
        revision += rng.random_range(1..3u64);
        let keys: BTreeSet<&str> =
            (0..rng.random_range(1..4u32)).map(|_| ["a1", "a2", "b1"][rng.random_range(0..3usize)]).collect();
        let value = rng.random_ratio(3, 4).then(|| Bytes::from(rng.random_range(0..2u32).to_string()));
        log.extend(keys.into_iter().map(|key| WatchEvent {
            revision,
            key: key.into(),
            value: value.clone(),
            ..WatchEvent::default()
        }));
    }
    log
}

/// What a key held before a change: its last change before that, and how many in a row set it.
fn before(log: &[WatchEvent], event: &WatchEvent) -> Option<Previous> {
    let mine: Vec<&WatchEvent> =
        log.iter().filter(|known| known.key == event.key && known.revision < event.revision).collect();
    let last = mine.last()?;
    let version = mine.iter().rev().take_while(|known| known.value.is_some()).count() as u64;
    Some(Previous { value: last.value.clone()?, revision: last.revision, version: Some(version) })
}

/// What a right server sends, some of the time in several responses, and not always to the end.
fn delivered(rng: &mut ChaCha8Rng, log: &[WatchEvent], from: u64, keys: &Watched) -> Vec<WatchResponse> {
    let mut responses: Vec<WatchResponse> = Vec::new();
    let last = log.last().map_or(0, |event| event.revision);
    let until = if rng.random_ratio(1, 3) { rng.random_range(0..=last) } else { last };
    for revision in from..=until {
        let events = log.iter().filter(|event| event.revision == revision && keys.holds(&event.key));
        let mut events: Vec<WatchEvent> = events.cloned().collect();
        for event in &mut events {
            let before = before(log, event);
            event.created = rng.random_ratio(1, 2).then_some(before.is_none());
            event.previous = before
                .filter(|_| rng.random_ratio(1, 2))
                .map(|before| Previous { version: before.version.filter(|_| rng.random_ratio(1, 2)), ..before });
        }
        match responses.last_mut() {
            Some(response) if response.bookmark.is_none() && rng.random_ratio(1, 3) => response.events.extend(events),
            _ => responses.push(WatchResponse { events, bookmark: None }),
        }
        if rng.random_ratio(1, 4)
            && let Some(response) = responses.last_mut()
        {
            response.bookmark = Some(revision);
        }
    }
    responses
}

fn spoiled(rng: &mut ChaCha8Rng, log: &[WatchEvent], responses: &mut Vec<WatchResponse>) {
    if responses.is_empty() {
        return;
    }
    let at = rng.random_range(0..responses.len());
    let other = log[rng.random_range(0..log.len())].clone();
    let response = &mut responses[at];
    let place = rng.random_range(0..=response.events.len());
    let within = place < response.events.len();
    let told = response.events.get_mut(place).and_then(|event| event.previous.as_mut());
    match (rng.random_range(0..11u32), told) {
        (7, Some(previous)) => previous.value = "9".into(),
        (8, Some(previous)) => previous.revision = previous.revision.saturating_sub(1),
        (9, Some(previous)) => previous.version = Some(rng.random_range(0..4)),
        (10, _) if within => {
            let event = &mut responses[at].events[place];
            event.created = Some(rng.random_ratio(1, 2));
            event.previous = before(log, &log[rng.random_range(0..log.len())]);
        }
        (what, _) => spoiled_whole(rng, what, (at, place), other, responses),
    }
}

/// As said by `what`, with what comes and when.
fn spoiled_whole(
    rng: &mut ChaCha8Rng,
    what: u32,
    (at, place): (usize, usize),
    other: WatchEvent,
    responses: &mut Vec<WatchResponse>,
) {
    let response = &mut responses[at];
    match what {
        0 if place < response.events.len() => drop(response.events.remove(place)),
        1 => response.events.insert(place, other),
        2 if place + 1 < response.events.len() => response.events.swap(place, place + 1),
        3 if place < response.events.len() => response.events[place].value = Some("9".into()),
        4 => {
            let rest = response.events.split_off(place);
            let bookmark = response.bookmark.take();
            responses.insert(at + 1, WatchResponse { events: rest, bookmark });
        }
        5 => response.bookmark = Some(rng.random_range(0..9)),
        _ => drop(responses.remove(at)),
    }
}

/// The promises that the stream broke, each by its own words.
fn broken_promises(log: &[WatchEvent], watch: &Watch) -> BTreeSet<&'static str> {
    let mut broken = BTreeSet::new();
    let asked = |event: &WatchEvent| event.revision >= watch.from && watch.keys.holds(&event.key);
    let all: Vec<&WatchEvent> = watch.responses.iter().flat_map(|response| &response.events).collect();
    for (at, event) in all.iter().enumerate() {
        if !watch.keys.holds(&event.key) {
            broken.insert("watch: filtered");
        }
        if event.revision < watch.from {
            broken.insert("watch: resumable");
        }
        let same = |known: &WatchEvent| {
            known.revision == event.revision && known.key == event.key && known.value == event.value
        };
        let came = |known: &WatchEvent| {
            all[..at].iter().any(|earlier| (&earlier.key, earlier.revision) == (&known.key, known.revision))
        };
        if !log.iter().any(same) {
            broken.insert("watch: genuine");
        }
        if came(event) {
            broken.insert("watch: unique");
        }
        if all[..at].iter().any(|earlier| earlier.revision > event.revision) {
            broken.insert("watch: ordered");
        }
        let earlier = log.iter().take_while(|known| !same(known)).filter(|known| asked(known));
        if log.iter().any(same) && earlier.into_iter().any(|known| !came(known)) {
            broken.insert(if at == 0 { "watch: resumable" } else { "watch: reliable" });
        }
        let held = before(log, event);
        if event.created.is_some_and(|created| created == held.is_some()) {
            broken.insert("watch: creation");
        }
        let version =
            |told: &Previous| told.version.is_none_or(|told| Some(told) == held.as_ref().and_then(|held| held.version));
        let so = |told: &Previous| {
            held.as_ref().is_some_and(|held| held.value == told.value && held.revision == told.revision)
                && version(told)
        };
        if event.previous.as_ref().is_some_and(|told| !so(told)) {
            broken.insert("watch: previous value");
        }
    }
    let mut seen: Vec<&WatchEvent> = Vec::new();
    let mut marked = 0;
    let missing = |seen: &[&WatchEvent], known: &WatchEvent| {
        !seen.iter().any(|event| (&event.key, event.revision) == (&known.key, known.revision))
    };
    for response in &watch.responses {
        let again = seen
            .last()
            .is_some_and(|last| response.events.first().is_some_and(|first| first.revision == last.revision));
        let late = response.events.iter().any(|event| event.revision <= marked);
        seen.extend(&response.events);
        let parts = |event: &WatchEvent| {
            let whole = log.iter().filter(|known| asked(known) && known.revision == event.revision);
            whole.into_iter().any(|known| missing(&seen, known))
        };
        if again || response.events.iter().any(parts) {
            broken.insert("watch: atomic");
        }
        if late {
            broken.insert("watch: bookmarkable");
        }
        if let Some(bookmark) = response.bookmark {
            if bookmark < marked || seen.iter().any(|event| event.revision > bookmark) {
                broken.insert("watch: bookmarkable");
            }
            if log.iter().any(|known| asked(known) && known.revision <= bookmark && missing(&seen, known)) {
                broken.insert("watch: reliable");
            }
            marked = bookmark;
        }
    }
    broken
}

#[test]
fn forty_thousand_watches_are_judged_as_promise_by_promise() {
    let mut named: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..20_000 {
        let mut rng = rng(seed ^ 0x3a7c);
        let log = changes(&mut rng);
        let from = rng.random_range(1..5);
        let keys = match rng.random_range(0..3u32) {
            0 => Watched::default(),
            1 => Watched::Prefix(b"a".to_vec()),
            _ => Watched::Key("a1".into()),
        };
        let mut responses = delivered(&mut rng, &log, from, &keys);
        for spoil in [false, true] {
            if spoil {
                (0..rng.random_range(1..3u32)).for_each(|_| spoiled(&mut rng, &log, &mut responses));
            }
            let watch = Watch { from, keys: keys.clone(), responses: responses.clone() };
            let expected = broken_promises(&log, &watch);
            let found = watched(&log, &watch);
            assert_eq!(found.is_pass(), expected.is_empty(), "{found}, but {expected:?}\n{log:?}\n{watch:?}");
            assert!(spoil || found.is_pass(), "{found}\n{log:?}\n{watch:?}");
            let name = found.evidence().map_or("none", |evidence| evidence.oracle.as_str());
            assert!(found.is_pass() || expected.contains(name), "{found}, but {expected:?}\n{log:?}\n{watch:?}");
            *named.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    assert!(named.len() == 11 && named.values().all(|count| *count > 100), "one-sided: {named:?}");
}

#[test]
fn twenty_thousand_sets_of_replicas_are_judged_as_pair_by_pair() {
    let (mut passes, mut failures) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = rng(seed ^ 0xc0e);
        let first: BTreeMap<Bytes, Bytes> = (0..rng.random_range(0..4u32))
            .map(|at| (Bytes::from(at.to_string()), Bytes::from(rng.random_range(0..3u32).to_string())))
            .collect();
        let mut replicas = BTreeMap::new();
        for at in 0..rng.random_range(0..4u32) {
            let mut held = first.clone();
            if rng.random_ratio(1, 4) {
                let key = Bytes::from(rng.random_range(0..5u32).to_string());
                if rng.random_ratio(1, 2) {
                    held.remove(&key)
                } else {
                    held.insert(key, "1".into())
                };
            }
            replicas.insert(format!("n{at}"), held);
        }
        let expected = replicas.values().all(|one| replicas.values().all(|other| one == other));
        let found = converged(&replicas);
        assert_eq!((found.is_pass(), found.is_fail()), (expected, !expected), "{replicas:?}\n{found}");
        if expected { passes += 1 } else { failures += 1 }
    }
    assert!(passes > 5_000 && failures > 3_000, "one-sided: {passes} and {failures}");
}
