//! Queues whose values are all different, without a search. A value comes out after it went in; the values that go in
//! first come out first; and while a take finds nothing, everything that is in must still come out or have come out.
//!
//! The first two are two interval orders over the values (see `two_orders`), and from an order of the values the order of
//! the operations follows. A take that found nothing is a value that comes and goes at once. That last rule is not exact:
//! an order that does not hold is not given, and the search decides.

use super::FifoQueue;
use super::queue::{QueueOp, QueueRet};
use super::two_orders::{Span, order};
use crate::history::Outcome;
use crate::linear::FixedState;
use crate::linear::{Monitored, Part};
use std::collections::{HashMap, VecDeque};

#[derive(Clone, Copy)]
struct Value {
    put: u32,
    /// `None` if nobody took it.
    take: Option<u32>,
    /// A take that found nothing, rather than a value.
    nothing: bool,
    went_in: Span,
    came_out: Span,
}

pub(super) fn judge(part: &Part<'_, FifoQueue>) -> Option<Monitored> {
    let mut values: Vec<Value> = Vec::new();
    let mut known = HashMap::with_hasher(FixedState);
    let mut taken = Vec::new();
    for (id, operation) in part.operations() {
        let from = operation.call;
        match (&operation.op, &operation.outcome, operation.returned) {
            (_, Outcome::Fail, _) => {}
            (QueueOp::Put(value), outcome, returned) => {
                let sure = matches!(outcome, Outcome::Ok(QueueRet::Done));
                let to = returned.filter(|_| sure).unwrap_or(u64::MAX);
                if known.insert(value, values.len()).is_some() {
                    return None;
                }
                let came_out = Span { from: u64::MAX, to: u64::MAX };
                values.push(Value { put: id, take: None, nothing: false, went_in: Span { from, to }, came_out });
            }
            (QueueOp::Take, Outcome::Ok(QueueRet::Taken(value)), Some(to)) => {
                taken.push((id, value.as_ref(), Span { from, to }));
            }
            _ => return None,
        }
    }
    for (id, value, span) in taken {
        let Some(value) = value else {
            values.push(Value { put: id, take: None, nothing: true, went_in: span, came_out: span });
            continue;
        };
        let Some(at) = known.get(value) else { return Some(Monitored::Impossible(vec![id])) };
        let value = &mut values[*at];
        if let Some(other) = value.take.replace(id) {
            return Some(Monitored::Impossible(vec![value.put, other, id]));
        }
        if span.to < value.went_in.from {
            return Some(Monitored::Impossible(vec![value.put, id]));
        }
        value.went_in.to = value.went_in.to.min(span.to);
        value.came_out = Span { from: span.from.max(value.went_in.from), to: span.to };
    }
    // What nobody acknowledged and nobody took need not have happened.
    values.retain(|value| value.take.is_some() || value.went_in.to != u64::MAX);
    let spans: Vec<(Span, Span)> = values.iter().map(|value| (value.went_in, value.came_out)).collect();
    match order(&spans) {
        Ok(order) => merge(part, &values, &order).map(Monitored::Order),
        Err(pair) => {
            let pair = pair.map(|at| values[at as usize]);
            let all = pair.iter().flat_map(|value| std::iter::once(value.put).chain(value.take));
            Some(Monitored::Impossible(all.collect()))
        }
    }
}

/// Puts and takes, each in the order of the values, put together: whatever may go in goes in, unless something has to
/// come out first.
fn merge(part: &Part<'_, FifoQueue>, values: &[Value], order: &[u32]) -> Option<Vec<u32>> {
    let at = |place: usize| values[order[place] as usize];
    let suffix = |to: fn(&Value) -> u64| {
        let mut least = vec![u64::MAX; order.len() + 1];
        for place in (0..order.len()).rev() {
            least[place] = least[place + 1].min(to(&at(place)));
        }
        least
    };
    let (in_due, out_due) = (suffix(|value| value.went_in.to), suffix(|value| value.came_out.to));
    let (mut put, mut take) = (0, 0);
    let mut found = Vec::with_capacity(part.len());
    while take < order.len() {
        if put < order.len() {
            let value = at(put);
            if !value.nothing && value.went_in.from <= in_due[put].min(out_due[take]) {
                found.push(value.put);
                put += 1;
                continue;
            }
            if value.nothing && take == put {
                found.push(value.put);
                (put, take) = (put + 1, take + 1);
                continue;
            }
        }
        if take >= put {
            return None;
        }
        found.extend(at(take).take);
        take += 1;
    }
    holds(part, &found).then_some(found)
}

/// Whether the order is one of a queue, and respects real time.
fn holds(part: &Part<'_, FifoQueue>, order: &[u32]) -> bool {
    let mut line = VecDeque::new();
    let mut latest = 0;
    order.iter().all(|id| {
        let operation = part.operation(*id);
        let answered = operation.outcome.answer().is_some();
        let in_time = !answered || operation.returned.is_some_and(|returned| returned >= latest);
        latest = latest.max(operation.call);
        in_time
            && match (&operation.op, operation.outcome.answer()) {
                (QueueOp::Put(value), _) => {
                    line.push_back(value);
                    true
                }
                (QueueOp::Take, Some(QueueRet::Taken(told))) => line.pop_front() == told.as_ref(),
                (QueueOp::Take, _) => false,
            }
    })
}
