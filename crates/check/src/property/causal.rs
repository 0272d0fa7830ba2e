//! Causal consistency of registers by key whose values are all different: a read may not see a value that it knows to be
//! overwritten. What an operation knows is what came before it in its process, what it read, and what that knew. Such a
//! history is causally consistent just when it shows none of four patterns (Bouajjani and others, POPL 2017): a value from
//! nowhere, a cycle, a read of nothing after a write, and a read of what was overwritten.

use crate::history::{History, Outcome, Process};
use crate::model::{Bytes, KvOp, KvRet};
use crate::verdict::{Evidence, Limit, Undecided, Verdict};
use std::collections::BTreeMap;

/// The oracle's name in verdicts.
pub const CAUSAL: &str = "causal consistency";

/// One operation, as far as causality goes.
struct Event<'a> {
    id: u32,
    process: usize,
    /// Its place in its process, from 1.
    place: u32,
    key: &'a Bytes,
    wrote: Option<&'a Bytes>,
    /// What it read; the inside `None` is the state before any write.
    read: Option<Option<&'a Bytes>>,
}

/// Whether a history of gets and puts is causally consistent. Other operations, and values that were put twice, leave it
/// `Unknown`.
pub fn causal(history: &History<KvOp, KvRet>) -> Verdict {
    let unknown = |left: &str| {
        let limit = Limit::Named("the kind of history that this oracle knows".to_owned());
        Undecided { oracle: CAUSAL.to_owned(), limit, left: left.to_owned() }.into()
    };
    let mut numbers: BTreeMap<&Process, usize> = BTreeMap::new();
    for operation in history.operations() {
        let fresh = numbers.len();
        numbers.entry(&operation.process).or_insert(fresh);
    }
    let mut order: Vec<u32> = (0u32..).take(history.len()).collect();
    order.sort_by_key(|id| history.operations()[*id as usize].call);
    let mut places = vec![0u32; numbers.len()];
    let mut events: Vec<Event<'_>> = Vec::new();
    for id in order {
        let operation = &history.operations()[id as usize];
        let (key, wrote, read) = match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail) | (KvOp::Get { .. }, Outcome::Indeterminate) => continue,
            (KvOp::Put { key, value }, _) => (key, Some(value), None),
            (KvOp::Get { key }, Outcome::Ok(KvRet::Value { value, .. })) => (key, None, Some(value.as_ref())),
            _ => return unknown("only gets and puts are known"),
        };
        let process = numbers[&operation.process];
        places[process] += 1;
        events.push(Event { id, process, place: places[process], key, wrote, read });
    }
    let mut writers: BTreeMap<(&Bytes, &Bytes), usize> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        if let Some(value) = event.wrote
            && writers.insert((event.key, value), at).is_some()
        {
            return unknown("a value was put twice");
        }
    }
    judge(history, &events, &writers, places.len())
}

fn judge(
    history: &History<KvOp, KvRet>,
    events: &[Event<'_>],
    writers: &BTreeMap<(&Bytes, &Bytes), usize>,
    processes: usize,
) -> Verdict {
    let fail = |cause: String, ids: &[u32]| {
        let mut evidence = Evidence::new(CAUSAL, cause);
        for id in ids {
            let operation = &history.operations()[*id as usize];
            let text = match operation.outcome.answer() {
                Some(ret) => format!("{} -> {ret}", operation.op),
                None => operation.op.to_string(),
            };
            evidence.operations.push(operation.as_evidence(*id, history.clock(), text));
        }
        Verdict::from(evidence)
    };
    // Each process's events in order, and how far it got; an event waits for the writer of what it reads.
    let mut lines: Vec<Vec<usize>> = vec![Vec::new(); processes];
    for (at, event) in events.iter().enumerate() {
        lines[event.process].push(at);
    }
    // What each event knows: of each process, how many of its events, itself included.
    let mut knows: Vec<Option<Vec<u32>>> = vec![None; events.len()];
    // Of each process and key, the writes so far, by place.
    let mut writes: BTreeMap<(usize, &Bytes), Vec<(u32, usize)>> = BTreeMap::new();
    let mut next = vec![0usize; processes];
    loop {
        let mut moved = false;
        for process in 0..processes {
            while let Some(at) = lines[process].get(next[process]).copied() {
                let event = &events[at];
                let source = match event.read {
                    Some(Some(value)) => match writers.get(&(event.key, value)) {
                        None => {
                            return fail(
                                format!("{value} of {} was read, but nobody wrote it", event.key),
                                &[event.id],
                            );
                        }
                        Some(writer) => Some(*writer),
                    },
                    _ => None,
                };
                let mut known = match next[process].checked_sub(1).and_then(|last| knows[lines[process][last]].clone())
                {
                    Some(known) => known,
                    None => vec![0; processes],
                };
                if let Some(writer) = source {
                    let Some(theirs) = &knows[writer] else { break };
                    known.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
                }
                known[process] = event.place;
                if event.read.is_some() {
                    for (other, limit) in known.iter().enumerate() {
                        let list = writes.get(&(other, event.key)).map_or(&[][..], Vec::as_slice);
                        let Some((_, last)) = list[..list.partition_point(|(place, _)| place <= limit)].last() else {
                            continue;
                        };
                        let overwrites = match source {
                            None => true,
                            Some(writer) => {
                                let first = &events[writer];
                                *last != writer
                                    && knows[*last].as_ref().is_some_and(|theirs| theirs[first.process] >= first.place)
                            }
                        };
                        if overwrites {
                            let cause = format!("a read of {} knows of a later write than the one it saw", event.key);
                            let first = source.map(|writer| events[writer].id);
                            let ids: Vec<u32> = first.into_iter().chain([events[*last].id, event.id]).collect();
                            return fail(cause, &ids);
                        }
                    }
                }
                if event.wrote.is_some() {
                    writes.entry((process, event.key)).or_default().push((event.place, at));
                }
                knows[at] = Some(known);
                next[process] += 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let waiting: Vec<u32> = (0..processes).filter_map(|at| lines[at].get(next[at])).map(|at| events[*at].id).collect();
    if waiting.is_empty() {
        return Verdict::Pass;
    }
    fail("what was read was written only after it was read: a cycle".to_owned(), &waiting)
}
