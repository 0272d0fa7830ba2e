//! Judging a report of etcd's robustness tests: its operations are linearizable, its watches delivered what happened, and
//! its reads of the past read what was then.
//!
//! What happened is known from the requests that the store kept, where the report has them; otherwise as far as answers
//! and watches tell. What is then not known is not held against a watch or a read.

use super::etcd::{EtcdReport, WatchOperation};
use super::{CheckOptions, Format, Judgement};
use crate::history::{History, Operation, Outcome};
use crate::linear::linearizability;
use crate::model::{Bytes, Etcd, EtcdOp, EtcdRet, EtcdState, EtcdStep, Model, agrees};
use crate::picture;
use crate::property::{Watch, WatchEvent, Watched, watched};
use crate::verdict::{Evidence, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The oracle's name in verdicts, for reads of the past.
const PAST: &str = "reads of the past";

/// Judges a report. `name` stands for it in the picture.
#[must_use]
pub fn judge_etcd(name: &str, report: &EtcdReport, options: &CheckOptions) -> Judgement {
    judged(name, report, Format::EtcdReport, options)
}

/// As [`judge_etcd`], of what was read in that format.
pub(super) fn judged(name: &str, report: &EtcdReport, format: Format, options: &CheckOptions) -> Judgement {
    let log = Log::of(report);
    let operations = placed(report, &log);
    let found = linearizability(&Etcd, &operations, options.budget);
    let mut verdict = found.verdict.clone();
    if let Verdict::Fail(evidence) = &mut verdict {
        let first = |operation: &Operation<EtcdOp, EtcdRet>| revision(operation.outcome.answer()) == Some(1);
        if !operations.operations().iter().any(first) {
            let hint = "no answer is of revision 1: that the store was empty at the start is taken for granted";
            evidence.details.push(hint.to_owned());
        }
    } else {
        verdict = report.watches.iter().fold(verdict, |verdict, watch| verdict.and(delivered(watch, &log)));
        verdict = verdict.and(past(&operations, &log));
    }
    let picture = options.picture.then(|| {
        picture::draw(name, &operations, &verdict, found.certificate.as_ref(), |op, ret| Etcd.describe(op, ret))
    });
    Judgement::of(verdict, found, (Etcd::NAME, format, operations.len()), picture)
}

fn revision(ret: Option<&EtcdRet>) -> Option<u64> {
    let (EtcdRet::Found { revision, .. } | EtcdRet::Txn { revision, .. } | EtcdRet::Done { revision }) = ret?;
    *revision
}

/// The changes that are known, and how far all of them are.
struct Log {
    changes: Vec<WatchEvent>,
    /// Every change up to this revision is known.
    until: u64,
    /// Nothing happened beyond what is known.
    complete: bool,
}

impl Log {
    fn of(report: &EtcdReport) -> Log {
        if let Some(persisted) = &report.persisted {
            let mut state = EtcdState::default();
            let mut changes = Vec::new();
            for op in persisted {
                let (next, _, changed) = state.apply(op);
                let revision = next.revision();
                changes.extend(changed.into_iter().map(|(key, value)| change(revision, key, value)));
                state = next;
            }
            return Log { changes, until: state.revision(), complete: true };
        }
        // Of each revision, what changed, and whether that is all.
        let mut known: BTreeMap<u64, (Vec<WatchEvent>, bool)> = BTreeMap::new();
        for operation in report.operations.operations() {
            if let Some((revision, changes)) = acknowledged(operation) {
                known.entry(revision).or_insert((changes, true));
            }
        }
        // Those that see more tell the order of changes within a revision to those that see less.
        let mut watches: Vec<&WatchOperation> = report.watches.iter().collect();
        watches.sort_by_key(|watch| match &watch.keys {
            Watched::Prefix(prefix) => (false, prefix.len()),
            Watched::Key(_) => (true, 0),
        });
        for watch in watches {
            let all = watch.keys == Watched::default();
            let mut seen: BTreeMap<u64, Vec<&WatchEvent>> = BTreeMap::new();
            for event in watch.responses.iter().flat_map(|response| &response.events) {
                if watch.keys.holds(&event.key) {
                    seen.entry(event.revision).or_default().push(event);
                }
            }
            for (revision, events) in seen {
                let (changes, whole) = known.entry(revision).or_default();
                if !*whole {
                    for event in events {
                        if changes.iter().all(|change| change.key != event.key) {
                            changes.push(change(revision, event.key.clone(), event.value.clone()));
                        }
                    }
                    *whole = all;
                }
            }
        }
        let until =
            (2..).take_while(|revision| known.get(revision).is_some_and(|(_, whole)| *whole)).last().unwrap_or(1);
        Log { changes: known.into_values().flat_map(|(changes, _)| changes).collect(), until, complete: false }
    }
}

fn change(revision: u64, key: Bytes, value: Option<Bytes>) -> WatchEvent {
    WatchEvent { revision, key, value, ..WatchEvent::default() }
}

/// What a transaction changed, at which revision, if its answer says so.
fn acknowledged(operation: &Operation<EtcdOp, EtcdRet>) -> Option<(u64, Vec<WatchEvent>)> {
    let EtcdOp::Txn { success, failure, .. } = &operation.op else { return None };
    let EtcdRet::Txn { failed, results, revision: Some(revision) } = operation.outcome.answer()? else { return None };
    let mut changes = Vec::new();
    for (step, result) in (if *failed { failure } else { success }).iter().zip(results) {
        match step {
            EtcdStep::Put { key, value, lease: 0 } => changes.push(change(*revision, key.clone(), Some(value.clone()))),
            // Whether there was such a lease the answer does not say.
            EtcdStep::Put { .. } => return None,
            EtcdStep::Delete(key) if result.deleted > 0 => changes.push(change(*revision, key.clone(), None)),
            EtcdStep::Delete(_) | EtcdStep::Range(_) => {}
        }
    }
    (!changes.is_empty()).then_some((*revision, changes))
}

/// The operations, and of those without an answer what the log tells: a value that one transaction alone wrote was set by
/// it, at that revision; and where everything that happened is known, a value that is not there was not set.
fn placed(report: &EtcdReport, log: &Log) -> History<EtcdOp, EtcdRet> {
    fn puts(op: &EtcdOp) -> Vec<(&Bytes, &Bytes)> {
        let EtcdOp::Txn { success, failure, .. } = op else { return Vec::new() };
        let mut puts = Vec::new();
        for step in success.iter().chain(failure) {
            if let EtcdStep::Put { key, value, .. } = step {
                puts.push((key, value));
            }
        }
        puts
    }
    fn always_puts(op: &EtcdOp) -> bool {
        let puts = |steps: &[EtcdStep]| steps.iter().any(|step| matches!(step, EtcdStep::Put { lease: 0, .. }));
        let silent = |steps: &[EtcdStep]| steps.iter().all(|step| matches!(step, EtcdStep::Range(_)));
        matches!(op, EtcdOp::Txn { success, failure, .. } if (puts(success) || silent(success)) && (puts(failure) || silent(failure)))
    }
    let operations = report.operations.operations();
    let mut writers: BTreeMap<(&Bytes, &Bytes), u32> = BTreeMap::new();
    for operation in operations {
        puts(&operation.op).into_iter().for_each(|put| *writers.entry(put).or_default() += 1);
    }
    let mut set: BTreeMap<(&Bytes, &Bytes), u64> = BTreeMap::new();
    for WatchEvent { key, value, revision, .. } in &log.changes {
        value.as_ref().into_iter().for_each(|value| {
            set.insert((key, value), *revision);
        });
    }
    let mut history = History::with_clock(report.operations.clock());
    for operation in operations {
        let mut operation = operation.clone();
        if operation.outcome == Outcome::Indeterminate {
            let puts = puts(&operation.op);
            let alone = puts.iter().filter(|put| writers.get(*put) == Some(&1));
            let at: BTreeSet<u64> = alone.clone().filter_map(|put| set.get(put).copied()).collect();
            if let (Some(revision), 1) = (at.first(), at.len()) {
                operation.outcome = Outcome::Ok(EtcdRet::Done { revision: Some(*revision) });
                operation.returned = Some(u64::MAX);
            } else if at.is_empty() && log.complete && alone.count() == puts.len() && always_puts(&operation.op) {
                continue;
            }
        }
        // It was in a history before.
        let _ = history.push(operation);
    }
    history
}

fn delivered(watch: &WatchOperation, log: &Log) -> Verdict {
    let mut responses = watch.responses.clone();
    for event in responses.iter_mut().flat_map(|response| &mut response.events) {
        // What a key held is known only as far as every change is.
        if event.revision > log.until + 1 {
            (event.created, event.previous) = (None, None);
        }
    }
    let begins = |response: &crate::property::WatchResponse| {
        let first = response.events.first().map(|event| event.revision);
        first.or(response.bookmark.map(|bookmark| bookmark + 1))
    };
    let from = if watch.from > 0 { Some(watch.from) } else { responses.iter().find_map(begins) };
    let keys = watch.keys.clone();
    watched(&log.changes, &Watch { from: from.unwrap_or(u64::MAX), keys, responses })
}

/// Reads of the past, in order of the revision that they ask for, on the log.
fn past(operations: &History<EtcdOp, EtcdRet>, log: &Log) -> Verdict {
    let mut reads = Vec::new();
    for (id, operation) in (0u32..).zip(operations.operations()) {
        if let (EtcdOp::Range { range, at }, Some(EtcdRet::Found { found, .. })) =
            (&operation.op, operation.outcome.answer())
            && *at > 0
        {
            reads.push((*at, id, operation, range, found));
        }
    }
    reads.sort_by_key(|(at, id, ..)| (*at, *id));
    let mut state = EtcdState::default();
    let mut changes = log.changes.iter().peekable();
    for (at, id, operation, range, found) in reads {
        if at > log.until && !log.complete {
            break;
        }
        while state.revision() < at && changes.peek().is_some() {
            let mut success = Vec::new();
            while let Some(WatchEvent { key, value, .. }) =
                changes.next_if(|change| change.revision == state.revision() + 1)
            {
                success.push(value.as_ref().map_or_else(
                    || EtcdStep::Delete(key.clone()),
                    |value| EtcdStep::Put { key: key.clone(), value: value.clone(), lease: 0 },
                ));
            }
            state = state.apply(&EtcdOp::Txn { compare: Vec::new(), success, failure: Vec::new() }).0;
        }
        let what = if state.revision() < at {
            format!("the store never came to revision {at}, and yet it was read")
        } else {
            let held = state.range(range);
            if agrees(found, &held) {
                continue;
            }
            format!("at revision {at} {range} finds {held}, not {found}")
        };
        let mut evidence = Evidence::new(PAST, what);
        let text = Etcd.describe(&operation.op, operation.outcome.answer());
        evidence.operations.push(operation.as_evidence(id, operations.clock(), text));
        return evidence.into();
    }
    Verdict::Pass
}
