//! Logs without a search. Every answer tells between which offsets its operation stood: an append with an offset at that
//! offset, a read of a value after it, a read of the end before it. Those places are intervals like the times are, so
//! the two orders decide (see `two_orders`).
//!
//! An offset whose value nobody saw was filled by some append of unknown outcome; which one matters only for when it
//! was called, and whatever may fill an early gap may fill a later one, so they are given out in the order of call.

use super::Bytes;
use super::log::{AppendLog, LogOp, LogRet};
use super::two_orders::{Span, order};
use crate::history::Outcome;
use crate::linear::{Monitored, Part};
use std::collections::BTreeMap;

/// The place of an append at `offset`; what stands after it, and before the next, is one more.
fn place(offset: u64) -> u64 {
    2 * offset + 2
}

/// Offsets above this one are a mistake of the recorder's; they are left to the engines.
const OFFSET_MAX: u64 = 1 << 60;

struct Judge<'a> {
    /// Operations with a place: id, time, place.
    placed: Vec<(u32, Span, Span)>,
    /// What is known to be at an offset, and who says so.
    values: BTreeMap<u64, (&'a Bytes, u32)>,
    /// Offsets given out, and to whom.
    owners: BTreeMap<u64, u32>,
    /// Appends without an offset, by value.
    floating: BTreeMap<&'a Bytes, (u32, Span)>,
}

pub(super) fn judge(part: &Part<'_, AppendLog>) -> Option<Monitored> {
    let mut judge =
        Judge { placed: Vec::new(), values: BTreeMap::new(), owners: BTreeMap::new(), floating: BTreeMap::new() };
    for (id, operation) in part.operations() {
        let from = operation.call;
        let told = operation.outcome.answer();
        let to = operation.returned.filter(|_| told.is_some()).unwrap_or(u64::MAX);
        let time = Span { from, to };
        if beyond(&operation.op, told) {
            return None;
        }
        let broken = match (&operation.op, told) {
            _ if operation.outcome == Outcome::Fail => Ok(()),
            (LogOp::Append { value, .. }, Some(LogRet::Appended(Some(offset)))) => {
                judge.append(id, *offset, value, time)
            }
            // An acknowledged append without an offset may be anywhere: the engines decide.
            (LogOp::Append { .. }, Some(_)) => return None,
            (LogOp::Append { value, .. }, None) => {
                if judge.floating.insert(value, (id, time)).is_some() {
                    return None;
                }
                Ok(())
            }
            (_, None) => Ok(()),
            (LogOp::Read { offset, .. }, Some(LogRet::Value(value))) => {
                let bounds = match value {
                    Some(_) => Span { from: place(*offset) + 1, to: u64::MAX },
                    None => Span { from: 0, to: place(*offset) - 1 },
                };
                judge.placed.push((id, time, bounds));
                value.as_ref().map_or(Ok(()), |value| judge.see(id, *offset, value))
            }
            (LogOp::Poll { offset, .. }, Some(LogRet::Values(values))) => {
                let after = offset.saturating_add(values.len() as u64);
                let from = if values.is_empty() { 0 } else { place(after) - 1 };
                judge.placed.push((id, time, Span { from, to: u64::MAX }));
                (*offset..).zip(values).try_for_each(|(offset, value)| judge.see(id, offset, value))
            }
            (LogOp::Length { .. }, Some(LogRet::Length(length))) => {
                judge.placed.push((id, time, Span { from: place(*length) - 1, to: place(*length) - 1 }));
                Ok(())
            }
            _ => return None,
        };
        if let Err(broken) = broken {
            return Some(broken);
        }
    }
    judge.decide()
}

fn beyond(op: &LogOp, told: Option<&LogRet>) -> bool {
    let asked = match op {
        LogOp::Read { offset, .. } | LogOp::Poll { offset, .. } => *offset,
        LogOp::Append { .. } | LogOp::Length { .. } => 0,
    };
    let told = match told {
        Some(LogRet::Appended(Some(offset)) | LogRet::Length(offset)) => *offset,
        _ => 0,
    };
    asked.max(told) > OFFSET_MAX
}

fn broken<T>(ids: &[u32], reason: String) -> Result<T, Monitored> {
    Err(Monitored::Broken(ids.to_vec(), reason))
}

impl<'a> Judge<'a> {
    fn append(&mut self, id: u32, offset: u64, value: &'a Bytes, time: Span) -> Result<(), Monitored> {
        if let Some(other) = self.owners.insert(offset, id) {
            return broken(&[other, id], format!("offset {offset} was given to two appends"));
        }
        self.placed.push((id, time, Span { from: place(offset), to: place(offset) }));
        self.see(id, offset, value)
    }

    fn see(&mut self, id: u32, offset: u64, value: &'a Bytes) -> Result<(), Monitored> {
        let (known, other) = *self.values.entry(offset).or_insert((value, id));
        if known == value {
            return Ok(());
        }
        broken(&[other, id], format!("offset {offset} holds {known} for one and {value} for the other"))
    }

    fn decide(mut self) -> Option<Monitored> {
        // What was seen, but not acknowledged with its offset, was appended by somebody who was not told.
        for (offset, (value, seer)) in std::mem::take(&mut self.values) {
            if self.owners.contains_key(&offset) {
                continue;
            }
            let Some((id, time)) = self.floating.remove(value) else {
                let reason = format!("{value} is at offset {offset}, but nobody can have appended it there");
                return Some(Monitored::Broken(vec![seer], reason));
            };
            self.owners.insert(offset, id);
            self.placed.push((id, time, Span { from: place(offset), to: place(offset) }));
        }
        // Whatever stands behind an offset needs it to be filled.
        let end = self.placed.iter().map(|(.., bounds)| bounds.from).filter(|from| *from < u64::MAX).max().unwrap_or(0);
        let end = if end % 2 == 0 { end / 2 } else { (end - 1) / 2 };
        let missing = end.saturating_sub(self.owners.range(..end).count() as u64);
        if missing > self.floating.len() as u64 {
            let furthest = self.placed.iter().max_by_key(|(.., bounds)| bounds.from).map(|(id, ..)| *id);
            let reason = format!("{end} values must have been appended, but not so many were");
            return Some(Monitored::Broken(furthest.into_iter().collect(), reason));
        }
        if missing > 0 {
            let mut floating: Vec<(u32, Span)> = self.floating.values().copied().collect();
            floating.sort_by_key(|(id, time)| (time.from, *id));
            let gaps = (0..end).filter(|offset| !self.owners.contains_key(offset));
            for (offset, (id, time)) in gaps.zip(floating) {
                self.placed.push((id, time, Span { from: place(offset), to: place(offset) }));
            }
        }
        let elements: Vec<(Span, Span)> = self.placed.iter().map(|(_, time, bounds)| (*time, *bounds)).collect();
        match order(&elements) {
            Ok(order) => Some(Monitored::Order(order.iter().map(|at| self.placed[*at as usize].0).collect())),
            Err(pair) => {
                let [first, then] = pair.map(|at| self.placed[at as usize].0);
                let reason = format!(
                    "#{first} returned before #{then} was called, but what they were told puts #{then} before #{first}"
                );
                Some(Monitored::Broken(vec![first, then], reason))
            }
        }
    }
}
