//! Durability: what was acknowledged is still there at the end.
//!
//! The strong form: the final scan is a set of reads after everything else, and these must be linearizable with the
//! history. So a final value is right exactly if some order of the operations leaves it behind, with operations of
//! unknown outcome in or out. A weaker rule ("the last acknowledged value, or any unacknowledged one") would pass a
//! value that concurrent writes cannot explain.

use crate::history::{History, Operation, Outcome, Process};
use crate::linear::{Budget, keys_tied_by, linearizability, part_is_linearizable};
use crate::model::{Bytes, Kv, KvOp, KvRet, Model};
use crate::verdict::{Evidence, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// The oracle's name in verdicts.
pub const DURABILITY: &str = "durability";

/// The name, in verdicts, of the oracle over unique ids.
pub const ACKNOWLEDGED_IDS: &str = "acknowledged ids survive";

/// As [`durable_within`], within the default budget.
pub fn durable(kv: &Kv, history: &History<KvOp, KvRet>, scan: &BTreeMap<Bytes, Bytes>) -> Verdict {
    durable_within(kv, history, scan, Budget::default())
}

/// Whether `scan`, all keys and values once every operation is over, is a state that `history` can have left behind.
/// A key that the scan lacks is absent. Operations of unknown outcome are taken to be over as well: a scan while one
/// can still take effect proves nothing about it.
///
/// A failure is called "durability" only if the history is in order without the scan; otherwise it is the
/// linearizability of the history itself that fails, and is reported as that.
pub fn durable_within(
    kv: &Kv,
    history: &History<KvOp, KvRet>,
    scan: &BTreeMap<Bytes, Bytes>,
    budget: Budget,
) -> Verdict {
    let mut extended = history.clone();
    let at = history.end().saturating_add(1);
    for keys in read_together(kv, history, scan) {
        let held = |key: &Bytes| KvRet::Value { value: scan.get(key).cloned(), revision: None };
        let results: Vec<KvRet> = keys.iter().map(held).collect();
        let mut reads: Vec<KvOp> = keys.into_iter().map(|key| KvOp::Get { key }).collect();
        let (op, ret) = match (reads.pop(), results.last()) {
            (Some(read), Some(result)) if reads.is_empty() => (read, result.clone()),
            (last, _) => {
                reads.extend(last);
                let op = KvOp::Txn { compare: Vec::new(), success: reads, failure: Vec::new() };
                (op, KvRet::Txn { succeeded: true, results, revision: None })
            }
        };
        let read = extended.invoke(Process::from("final scan"), at, op);
        if let Err(error) = extended.ok(read, at, ret) {
            return Evidence::new(DURABILITY, error.to_string()).into();
        }
    }
    let scanned = |id: u32| id as usize >= history.len();
    match linearizability(kv, &extended, budget).verdict {
        Verdict::Fail(evidence) => {
            let Some(read) = evidence.operations.iter().find(|op| scanned(op.operation)) else {
                return Verdict::Fail(evidence);
            };
            match part_is_linearizable(kv, &extended, read.operation, scanned, budget) {
                Some(true) => Verdict::Fail(lost(history, read.text.clone(), evidence)),
                Some(false) | None => Verdict::Fail(evidence),
            }
        }
        other => other,
    }
}

/// The keys of the final scan, in groups that are to be read at one instant. A scan shows one state: what one operation
/// of unknown outcome does to several keys is in it whole or not at all. Of all others it is known whether they are over, so
/// that their keys may be read one by one, and the history stays in small parts.
fn read_together(kv: &Kv, history: &History<KvOp, KvRet>, scan: &BTreeMap<Bytes, Bytes>) -> Vec<Vec<Bytes>> {
    let mut seen: BTreeSet<Bytes> = scan.keys().cloned().collect();
    let mut unknown = Vec::new();
    for operation in history.operations() {
        let mut keys = 0;
        kv.each_key(&operation.op, &mut |key| {
            keys += 1;
            seen.insert(key.clone());
        });
        if operation.outcome == Outcome::Indeterminate && keys > 0 {
            unknown.push(operation.clone());
        }
    }
    let mut groups = keys_tied_by(kv, &unknown);
    for key in groups.iter().flatten() {
        seen.remove(key);
    }
    groups.extend(seen.into_iter().map(|key| vec![key]));
    groups
}

/// The same evidence as the loss of a write, where one can be named.
fn lost(history: &History<KvOp, KvRet>, read: String, mut evidence: Evidence) -> Evidence {
    let acknowledged = |op: &KvOp, outcome: &Outcome<KvRet>| {
        may_write(op) && matches!(outcome, Outcome::Ok(ret) if !matches!(ret, KvRet::Cas { swapped: false, .. }))
    };
    let last = evidence
        .operations
        .iter()
        .filter(|op| {
            let Some(Operation { op, outcome, .. }) = history.operations().get(op.operation as usize) else {
                return false;
            };
            acknowledged(op, outcome)
        })
        .max_by_key(|op| op.returned);
    evidence.oracle = DURABILITY.to_owned();
    evidence.cause = match last {
        Some(write) => format!(
            "the final scan ({read}) does not hold what was acknowledged: #{} {} of client {}, {}",
            write.operation, write.text, write.process, write.span
        ),
        None => format!("the final scan ({read}) holds what no operation can have left behind"),
    };
    evidence
}

fn may_write(op: &KvOp) -> bool {
    match op {
        KvOp::Get { .. } => false,
        KvOp::Txn { success, failure, .. } => success.iter().chain(failure).any(may_write),
        _ => true,
    }
}

/// Durability of a set or a log of unique ids: every acknowledged id is found. With `attempted`, every found id was
/// also asked for, so that nothing is made up; ids of unknown outcome may be found or not.
///
/// `acknowledged` pairs each id with the instant of its acknowledgement, in nanoseconds.
pub fn acknowledged_ids_survive<I: Ord + Display>(
    acknowledged: &[(I, u64)],
    attempted: Option<&BTreeSet<I>>,
    found: &BTreeSet<I>,
) -> Verdict {
    const SHOWN: usize = 10;
    let lost: Vec<&(I, u64)> = acknowledged.iter().filter(|(id, _)| !found.contains(id)).collect();
    if let Some((id, at)) = lost.first() {
        let cause =
            format!("{} of {} acknowledged ids are lost, the first of them {id}", lost.len(), acknowledged.len());
        let mut evidence = Evidence::new(ACKNOWLEDGED_IDS, cause).detail(format!("{id} was acknowledged at {at}ns"));
        evidence
            .details
            .extend(lost.iter().take(SHOWN).skip(1).map(|(id, at)| format!("{id} was acknowledged at {at}ns")));
        if lost.len() > SHOWN {
            evidence.details.push(format!("and {} more", lost.len() - SHOWN));
        }
        return evidence.into();
    }
    match attempted.and_then(|attempted| found.iter().find(|id| !attempted.contains(id))) {
        Some(id) => Evidence::new(ACKNOWLEDGED_IDS, format!("{id} is found, but nobody asked for it")).into(),
        None => Verdict::Pass,
    }
}
