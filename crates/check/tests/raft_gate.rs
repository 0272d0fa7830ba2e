//! The gate of the oracles that are fed while a run goes on. Raft's: on traces of a small cluster, sound, flawed or
//! changed afterwards, every probe is judged as by the definitions over everything told so far, where logs are kept
//! whole and compared whole. Counters and effects: against what was seen before.

#[path = "raft_gate/cluster.rs"]
mod cluster;

use cluster::{FLAWS, Flaw, Trace, mutated, run};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::raft_oracles::*;
use stormglass_check::{Effects, Monotonic, NodeId, Probe, RaftOracle};

/// An entry as far as it is known: its term and hash.
type Entry = (Option<u64>, Option<u64>);

/// A node's whole log. What is in a snapshot stays known where the node has had it.
#[derive(Clone, Default)]
struct Log {
    entries: Vec<Entry>,
    base: usize,
}

impl Log {
    fn at(&self, index: u64) -> Option<Entry> {
        self.entries.get(usize::try_from(index).ok()?.checked_sub(1)?).copied()
    }

    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The log after a probe of its node.
    fn follow(&mut self, probe: Probe) {
        match probe {
            Probe::Started { last_index, .. } => {
                let last = usize::try_from(last_index).expect("indices are small");
                if last > self.entries.len() || last < self.base {
                    // There is more than was told, or less than a snapshot: what it is nobody knows.
                    (self.entries, self.base) = (vec![(None, None); last], last);
                }
                self.entries.truncate(last);
            }
            Probe::Append { index, term, hash } => {
                let entry = (Some(term), Some(hash));
                if index <= self.base as u64 || self.at(index) == Some(entry) {
                    return;
                }
                self.entries.truncate(usize::try_from(index).expect("indices are small") - 1);
                self.entries.push(entry);
            }
            Probe::Truncate { from } => {
                let kept = usize::try_from(from.saturating_sub(1)).expect("indices are small");
                self.entries.truncate(kept.max(self.base));
            }
            Probe::Snapshot { last_index, last_term } => {
                let last = usize::try_from(last_index).expect("indices are small");
                if last >= self.base {
                    if self.at(last_index).is_none_or(|entry| entry.0 != Some(last_term)) {
                        self.entries = vec![(None, None); last];
                        self.entries[last - 1] = (Some(last_term), None);
                    }
                    self.base = last;
                }
            }
            _ => {}
        }
    }
}

/// Something that a node said is committed.
struct Commitment {
    index: u64,
    entry: Entry,
    /// The node's term then: it was committed in this term or before.
    by_term: u64,
}

/// Everything told so far.
struct Told<'a> {
    trace: &'a [(NodeId, Probe)],
}

impl Told<'_> {
    fn of(&self, node: NodeId) -> impl DoubleEndedIterator<Item = Probe> {
        self.trace.iter().filter(move |(by, _)| *by == node).map(|(_, probe)| *probe)
    }

    /// What a node told since it started last, in order.
    fn incarnation(&self, node: NodeId) -> Vec<Probe> {
        let mut probes: Vec<Probe> =
            self.of(node).rev().take_while(|probe| !matches!(probe, Probe::Started { .. })).collect();
        probes.reverse();
        probes
    }

    fn log(&self, node: NodeId) -> Log {
        let mut log = Log::default();
        self.of(node).for_each(|probe| log.follow(probe));
        log
    }

    fn term(&self, node: NodeId) -> u64 {
        let term = |probe| match probe {
            Probe::Started { term, .. } | Probe::HardState { term, .. } | Probe::Leader { term } => term,
            _ => 0,
        };
        self.of(node).map(term).max().unwrap_or(0)
    }

    fn votes(&self, node: NodeId, in_term: u64) -> BTreeSet<NodeId> {
        let vote = |probe| match probe {
            Probe::Started { term, voted_for, .. } | Probe::HardState { term, voted_for } if term == in_term => {
                voted_for
            }
            _ => None,
        };
        self.of(node).filter_map(vote).collect()
    }

    /// The term in which a node said that it leads, unless it stepped down since.
    fn said_to_lead(&self, node: NodeId) -> Option<u64> {
        self.incarnation(node).into_iter().fold(None, |leads, probe| match probe {
            Probe::Leader { term } => Some(term),
            Probe::SteppedDown => None,
            _ => leads,
        })
    }

    fn commit(&self, node: NodeId) -> u64 {
        let commit = |probe| match probe {
            Probe::Commit { index } | Probe::Snapshot { last_index: index, .. } => Some(index),
            _ => None,
        };
        self.incarnation(node).into_iter().filter_map(commit).max().unwrap_or(0)
    }

    fn applied(&self, node: NodeId) -> Option<u64> {
        let applied = |probe| match probe {
            Probe::Apply { index, .. } | Probe::Snapshot { last_index: index, .. } => Some(index),
            _ => None,
        };
        self.incarnation(node).into_iter().filter_map(applied).max()
    }

    /// What the probe says is committed, if it comes next.
    fn commits(&self, node: NodeId, probe: Probe) -> Vec<Commitment> {
        let by_term = self.term(node);
        let one = |index, entry| Commitment { index, entry, by_term };
        match probe {
            Probe::Apply { index, term, hash } => vec![one(index, (Some(term), Some(hash)))],
            Probe::Snapshot { last_index, last_term } => vec![one(last_index, (Some(last_term), None))],
            Probe::Commit { index } => {
                let log = self.log(node);
                let known = self.commit(node).max(log.base as u64) + 1..=index;
                known.filter_map(|at| Some(one(at, log.at(at)?))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn committed(&self) -> Vec<Commitment> {
        let before = |at: usize| Told { trace: &self.trace[..at] };
        let each = |(at, (node, probe)): (usize, &(NodeId, Probe))| before(at).commits(*node, *probe);
        self.trace.iter().enumerate().flat_map(each).collect()
    }

    /// The oracles that the probe offends, if it comes next.
    fn offended(&self, node: NodeId, probe: Probe) -> BTreeSet<&'static str> {
        let mut offended = BTreeSet::new();
        let mut must = |holds: bool, oracle: &'static str| {
            if !holds {
                offended.insert(oracle);
            }
        };
        let log = self.log(node);
        let of_another_kind = |one: &Commitment, other: &Commitment| {
            let hashes = one.entry.1.is_some() && other.entry.1.is_some() && one.entry.1 != other.entry.1;
            one.index == other.index && (one.entry.0 != other.entry.0 || hashes)
        };
        let contradicted = || {
            let known = self.committed();
            self.commits(node, probe).iter().any(|told| known.iter().any(|known| of_another_kind(told, known)))
        };
        match probe {
            Probe::Started { term, voted_for, .. } | Probe::HardState { term, voted_for } => {
                must(term >= self.term(node), MONOTONIC_TERM);
                let votes = self.votes(node, term);
                must(votes.is_empty() || voted_for.is_some_and(|vote| votes.contains(&vote)), ONE_VOTE_PER_TERM);
            }
            Probe::Leader { term } => {
                must(term >= self.term(node), MONOTONIC_TERM);
                if self.said_to_lead(node) != Some(term) {
                    must(!self.trace.iter().any(|(_, told)| *told == probe), ELECTION_SAFETY);
                    let has = |one: &Commitment| {
                        one.by_term >= term
                            || one.index <= log.base as u64
                            || log.at(one.index).is_some_and(|held| held.0 == one.entry.0)
                    };
                    must(self.committed().iter().all(has), LEADER_COMPLETENESS);
                }
            }
            Probe::SteppedDown => {}
            Probe::Append { index, .. } => {
                must(index > 0 && index <= log.last() + 1, LOG_MATCHING);
                let mut after = log.clone();
                if offended.is_empty() {
                    after.follow(probe);
                    if !self.matches_all(&after) {
                        offended.insert(LOG_MATCHING);
                    }
                    if after.at(index) != log.at(index) {
                        offended.extend(self.lost_by_dropping(node, &log, index));
                    }
                }
            }
            Probe::Truncate { from } => offended.extend(self.lost_by_dropping(node, &log, from)),
            Probe::Snapshot { .. } => must(!contradicted(), COMMITTED_IMMUTABLE),
            Probe::Commit { index } => {
                must(index >= self.commit(node), MONOTONIC_COMMIT);
                must(index <= log.last() && !contradicted(), COMMITTED_IMMUTABLE);
                let news = !self.committed().iter().any(|known| known.index == index);
                if let Some((Some(term), _)) = log.at(index).filter(|_| news) {
                    let holds = |node: &NodeId| {
                        let log = self.log(*node);
                        index < log.base as u64 || log.at(index).is_some_and(|held| held.0 == Some(term))
                    };
                    must((1..=3).filter(holds).count() > 1, COMMIT_ON_QUORUM);
                }
            }
            Probe::Apply { index, .. } => {
                let (applied, commit) = (self.applied(node), self.commit(node));
                must(applied.is_none_or(|applied| index > applied), MONOTONIC_APPLIED);
                let in_order = applied.is_none_or(|applied| index <= applied + 1) && (commit == 0 || index <= commit);
                must(in_order && !contradicted(), STATE_MACHINE_SAFETY);
            }
        }
        offended
    }

    /// Whether the log agrees, up to any entry of the same index and term, with every log that there ever was.
    fn matches_all(&self, log: &Log) -> bool {
        (0..self.trace.len()).all(|at| {
            let before = Told { trace: &self.trace[..=at] };
            let other = before.log(self.trace[at].0);
            let agree =
                |index: u64| log.at(index).is_some_and(|e| e.0.is_some() && Some(e.0) == other.at(index).map(|e| e.0));
            let Some(top) = (1..=log.last()).rev().find(|index| agree(*index)) else { return true };
            (1..=top).all(|index| {
                let (one, other) = (log.at(index).unwrap_or_default(), other.at(index).unwrap_or_default());
                let same = |one: Option<u64>, other: Option<u64>| one.is_none() || other.is_none() || one == other;
                same(one.0, other.0) && same(one.1, other.1)
            })
        })
    }

    /// The oracles that a node offends which drops its log from an index on.
    fn lost_by_dropping(&self, node: NodeId, log: &Log, from: u64) -> Vec<&'static str> {
        let dropped = from.max(log.base as u64 + 1)..=log.last();
        if dropped.is_empty() {
            return Vec::new();
        }
        let mut offended = Vec::new();
        if self.said_to_lead(node) == Some(self.term(node)) {
            offended.push(LEADER_APPEND_ONLY);
        }
        let promised = |one: &Commitment| {
            let held = log.at(one.index).is_some_and(|held| held.0 == one.entry.0);
            dropped.contains(&one.index) && held && self.term(node) >= one.by_term
        };
        if self.committed().iter().any(promised) {
            offended.push(COMMITTED_IMMUTABLE);
        }
        offended
    }
}

/// Judges a trace up to its first offence, and gives the oracle's name.
fn judge(name: &str, trace: &Trace) -> Option<String> {
    let mut oracle = RaftOracle::new();
    oracle.voters([1, 2, 3]);
    for (at, (node, probe)) in trace.iter().enumerate() {
        let expected = Told { trace: &trace[..at] }.offended(*node, *probe);
        let found = oracle.observe(*node, at as u64, *probe);
        let shown = || format!("{name}, at {at}: expected {expected:?}, found {found:?}\n{:#?}", &trace[..=at]);
        match &found {
            Ok(()) => assert!(expected.is_empty(), "{}", shown()),
            Err(evidence) => {
                assert!(expected.contains(evidence.oracle.as_str()), "{}", shown());
                return Some(evidence.oracle.clone());
            }
        }
    }
    None
}

#[test]
fn twenty_four_thousand_traces_of_raft_are_judged_as_by_the_definitions() {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..8_000u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let events = rng.random_range(10..150);
        let sound = run(&mut rng, Flaw::Nothing, events);
        let flaw = FLAWS[rng.random_range(0..FLAWS.len())];
        let flawed = run(&mut rng, flaw, events);
        let changed = mutated(&mut rng, &sound);
        assert_eq!(judge(&format!("seed {seed}"), &sound), None, "seed {seed}: Raft permits it\n{sound:#?}");
        for (name, trace) in [(format!("{flaw:?}"), &flawed), ("changed".to_owned(), &changed)] {
            let found = judge(&format!("seed {seed}, {name}"), trace).unwrap_or("nothing".to_owned());
            *counts.entry(found).or_default() += 1;
        }
    }
    eprintln!("{counts:?}");
    assert_eq!(counts.values().sum::<u32>(), 16_000);
    for oracle in [
        ELECTION_SAFETY,
        LEADER_APPEND_ONLY,
        LOG_MATCHING,
        LEADER_COMPLETENESS,
        STATE_MACHINE_SAFETY,
        COMMITTED_IMMUTABLE,
        COMMIT_ON_QUORUM,
        MONOTONIC_TERM,
        ONE_VOTE_PER_TERM,
        MONOTONIC_COMMIT,
        MONOTONIC_APPLIED,
    ] {
        assert!(counts.get(oracle).is_some_and(|count| *count >= 15), "{oracle} is hardly offended: {counts:?}");
    }
}

#[test]
fn twenty_thousand_runs_of_counters_and_effects_are_judged_by_what_was_there() {
    let mut offended = [0; 3];
    for seed in 0..20_000u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut loose, mut strict) = (Monotonic::new("loose"), Monotonic::strictly("strict"));
        let mut effects = Effects::new("here");
        let mut values: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        let mut done: Vec<(u32, u64)> = Vec::new();
        for at in 0..rng.random_range(1..9u64) {
            let (who, value) = (rng.random_range(0..2u32), at / 2 + rng.random_range(0..3u64));
            let before = values.entry(who).or_default();
            if rng.random_ratio(1, 10) {
                before.clear();
                loose.forget(&who);
                strict.forget(&who);
            }
            let (stays, grows) = (before.iter().all(|old| *old <= value), before.iter().all(|old| *old < value));
            let new = !done.contains(&(who, value));
            assert_eq!(effects.observe(who, value, at).is_ok(), new, "seed {seed}");
            done.push((who, value));
            assert_eq!(loose.observe(who, at, value).is_ok(), stays, "seed {seed}: {before:?}, {value}");
            assert_eq!(strict.observe(who, at, value).is_ok(), grows, "seed {seed}: {before:?}, {value}");
            for (count, holds) in offended.iter_mut().zip([stays, grows, new]) {
                *count += u32::from(!holds);
            }
            if !grows {
                break;
            }
            before.push(value);
        }
        let asked = (0..2).map(|who| (who, rng.random_range(0..4u64)));
        let asked: Vec<(u32, u64)> = asked.collect();
        let there = asked.iter().all(|command| done.contains(command));
        assert_eq!(effects.all_present(asked).is_pass(), there, "seed {seed}");
    }
    assert!(offended.iter().all(|count| *count > 1_000), "one-sided: {offended:?}");
}
