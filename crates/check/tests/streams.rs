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
use stormglass_check::{Guarantee, Seen, SessionEvent, Watch, WatchEvent, WatchResponse, converged, sessions, watched};

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

const PREFIX: &[u8] = b"a";

fn changes(rng: &mut ChaCha8Rng) -> Vec<WatchEvent> {
    let mut log = Vec::new();
    let mut revision = 1;
    for _ in 0..rng.random_range(1..6u32) {
        revision += rng.random_range(1..3u64);
        let keys: BTreeSet<&str> =
            (0..rng.random_range(1..4u32)).map(|_| ["a1", "a2", "b1"][rng.random_range(0..3usize)]).collect();
        let value = rng.random_ratio(3, 4).then(|| Bytes::from(rng.random_range(0..2u32).to_string()));
        log.extend(keys.into_iter().map(|key| WatchEvent { revision, key: key.into(), value: value.clone() }));
    }
    log
}

/// What a right server sends, some of the time in several responses, and not always to the end.
fn delivered(rng: &mut ChaCha8Rng, log: &[WatchEvent], from: u64, prefix: &[u8]) -> Vec<WatchResponse> {
    let mut responses: Vec<WatchResponse> = Vec::new();
    let last = log.last().map_or(0, |event| event.revision);
    let until = if rng.random_ratio(1, 3) { rng.random_range(0..=last) } else { last };
    for revision in from..=until {
        let events = log.iter().filter(|event| event.revision == revision && event.key.as_slice().starts_with(prefix));
        let events: Vec<WatchEvent> = events.cloned().collect();
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
    match rng.random_range(0..7u32) {
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
    let asked = |event: &WatchEvent| event.revision >= watch.from && event.key.as_slice().starts_with(&watch.prefix);
    let all: Vec<&WatchEvent> = watch.responses.iter().flat_map(|response| &response.events).collect();
    for (at, event) in all.iter().enumerate() {
        if !event.key.as_slice().starts_with(&watch.prefix) {
            broken.insert("watch: filtered");
        }
        if event.revision < watch.from {
            broken.insert("watch: resumable");
        }
        let place = |event: &WatchEvent| log.iter().position(|known| known == event);
        if place(event).is_none() {
            broken.insert("watch: genuine");
        }
        if all[..at].contains(event) {
            broken.insert("watch: unique");
        }
        if all[..at].iter().any(|earlier| place(earlier) > place(event)) {
            broken.insert("watch: ordered");
        }
        let before = log.iter().take_while(|known| known != event).filter(|known| asked(known));
        if place(event).is_some() && before.into_iter().any(|known| !all[..at].contains(&known)) {
            broken.insert("watch: reliable");
        }
    }
    let mut seen: Vec<&WatchEvent> = Vec::new();
    let mut marked = 0;
    for response in &watch.responses {
        seen.extend(&response.events);
        let parts = |event: &WatchEvent| {
            let whole = log.iter().filter(|known| asked(known) && known.revision == event.revision);
            whole.into_iter().any(|known| !seen.contains(&known))
        };
        if response.events.iter().any(parts) {
            broken.insert("watch: atomic");
        }
        if let Some(bookmark) = response.bookmark {
            let back = bookmark < marked || seen.iter().any(|event| event.revision > bookmark);
            let early = log.iter().any(|known| asked(known) && known.revision <= bookmark && !seen.contains(&known));
            if back || early {
                broken.insert("watch: bookmarkable");
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
        let prefix = if rng.random_ratio(1, 2) { PREFIX.to_vec() } else { Vec::new() };
        let mut responses = delivered(&mut rng, &log, from, &prefix);
        for spoil in [false, true] {
            if spoil {
                (0..rng.random_range(1..3u32)).for_each(|_| spoiled(&mut rng, &log, &mut responses));
            }
            let watch = Watch { from, prefix: prefix.clone(), responses: responses.clone() };
            let expected = broken_promises(&log, &watch);
            let found = watched(&log, &watch);
            assert_eq!(found.is_pass(), expected.is_empty(), "{found}, but {expected:?}\n{log:?}\n{watch:?}");
            assert!(spoil || found.is_pass(), "{found}\n{log:?}\n{watch:?}");
            let name = found.evidence().map_or("none", |evidence| evidence.oracle.as_str());
            assert!(found.is_pass() || expected.contains(name), "{found}, but {expected:?}\n{log:?}\n{watch:?}");
            *named.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    assert!(named.len() == 9 && named.values().all(|count| *count > 100), "one-sided: {named:?}");
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
