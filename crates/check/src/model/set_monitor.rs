//! Sets that only grow, read as a whole. What was read must form a chain, each set within the next; that puts every read
//! and every add between two others, and those places together with the times decide (see `two_orders`).

use super::Bytes;
use super::set::{Set, SetOp, SetRet};
use super::two_orders::{Span, order};
use crate::history::Outcome;
use crate::linear::{Monitored, Part};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(part: &Part<'_, Set>) -> Option<Monitored> {
    let mut adds: BTreeMap<&Bytes, (u32, Span)> = BTreeMap::new();
    let mut reads: Vec<(u32, Span, &BTreeSet<Bytes>)> = Vec::new();
    for (id, operation) in part.operations() {
        let told = operation.outcome.answer();
        let to = operation.returned.filter(|_| told.is_some()).unwrap_or(u64::MAX);
        let time = Span { from: operation.call, to };
        match (&operation.op, told) {
            _ if operation.outcome == Outcome::Fail => {}
            (SetOp::Add(value), None | Some(SetRet::Done | SetRet::Truth(true))) => {
                if adds.insert(value, (id, time)).is_some() {
                    return None;
                }
            }
            (SetOp::All, None) => {}
            (SetOp::All, Some(SetRet::Values(values))) => reads.push((id, time, values)),
            _ => return None,
        }
    }
    if reads.is_empty() {
        return None;
    }
    reads.sort_by_key(|(id, time, values)| (values.len(), time.from, *id));
    let mut placed: Vec<(u32, Span, Span)> = Vec::with_capacity(adds.len() + reads.len());
    let at = |place: u64| Span { from: place, to: place };
    let nothing = BTreeSet::new();
    let (mut place, mut last, mut last_id) = (0, &nothing, None);
    for (id, time, values) in reads {
        if values.len() > last.len() {
            place += 2;
            for value in values.difference(last) {
                let Some((add, time)) = adds.remove(value) else {
                    return Some(Monitored::Broken(
                        vec![id],
                        format!("{value} was read, but nobody can have added it"),
                    ));
                };
                placed.push((add, time, at(place - 1)));
            }
        }
        if let Some(value) = last.difference(values).next() {
            let both = last_id.into_iter().chain([id]).collect();
            let reason = format!("one read has {value}, another has not, and each has what the other lacks");
            return Some(Monitored::Broken(both, reason));
        }
        placed.push((id, time, at(place)));
        (last, last_id) = (values, Some(id));
    }
    // What nobody read comes last, if it happened at all.
    let late = adds.into_values().filter(|(_, time)| time.to != u64::MAX);
    placed.extend(late.map(|(id, time)| (id, time, at(place + 1))));
    let elements: Vec<(Span, Span)> = placed.iter().map(|(_, time, bounds)| (*time, *bounds)).collect();
    Some(match order(&elements) {
        Ok(order) => Monitored::Order(order.iter().map(|at| placed[*at as usize].0).collect()),
        Err(pair) => {
            let [first, then] = pair.map(|at| placed[at as usize].0);
            let reason = format!("#{first} returned before #{then} was called, but what was read puts #{then} first");
            Monitored::Broken(vec![first, then], reason)
        }
    })
}
