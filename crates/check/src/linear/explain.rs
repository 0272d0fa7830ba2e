//! A refusal in words: which operations, how far an order of them gets, and why none of the rest can come next.

use super::depth::{Found, Quota};
use super::machine::{Machine, Source};
use super::minimise::{Minimal, searched};
use super::partition::Component;
use super::prepare::seen_at;
use super::{Budget, LINEARIZABILITY};
use crate::history::{Clock, OpId, Operation, Outcome};
use crate::model::{Model, Step};
use crate::verdict::{DeadEnd, Evidence};

/// The evidence for a part of which `minimal` has no order.
pub(super) fn explain<M: Model>(
    model: &M,
    ops: &[Operation<M::Op, M::Ret>],
    clock: Clock,
    part: &Component<M::Key>,
    minimal: &Minimal,
) -> Evidence {
    let view = View { model, ops, clock, cut: minimal.cut };
    let place = part.describe(model);
    let count = minimal.ids.len();
    let last = minimal.ids.iter().copied().find(|id| {
        let operation = &ops[*id as usize];
        operation.outcome.answer().is_some() && operation.returned == minimal.cut
    });
    let cause = match last {
        Some(id) if count == 1 => format!("{place}: {} cannot be, whatever else happened", view.text(id)),
        Some(id) => {
            let who = &ops[id as usize].process;
            format!("{place}: no order of these {count} operations explains {} of client {who}", view.text(id))
        }
        None => format!("{place}: these {count} operations have no order"),
    };
    let mut evidence = Evidence::new(LINEARIZABILITY, cause);
    evidence.operations = minimal.ids.iter().map(|id| view.operation(*id)).collect();
    let mut machine = Machine::new(model);
    let Budget { steps, bytes } = Budget::default();
    let mut quota = Quota { steps, bytes };
    let (source, one_key) = (Source { model, ops }, part.keys.len() == 1);
    let found = searched(source, &mut machine, &minimal.ids, minimal.cut, one_key, &mut quota);
    if let Found::Impossible { deepest, .. } = found {
        view.dead_end(&minimal.ids, &deepest, &mut evidence.details);
        evidence.dead_end = Some(Box::new(DeadEnd { order: deepest, misfit: last }));
    }
    if !minimal.smallest {
        evidence.details.push("The budget ended before the evidence was as small as it can be.".to_owned());
    }
    evidence
}

/// The evidence for what a monitor found broken.
pub(super) fn broken<M: Model>(
    source: Source<'_, M>,
    clock: Clock,
    place: &str,
    ids: &[u32],
    reason: &str,
) -> Evidence {
    let Source { model, ops } = source;
    let mut ids = ids.to_vec();
    ids.sort_unstable_by_key(|id| (ops[*id as usize].call, *id));
    ids.dedup();
    let view = View { model, ops, clock, cut: None };
    let mut evidence = Evidence::new(LINEARIZABILITY, format!("{place}: {reason}"));
    evidence.operations = ids.iter().map(|id| view.operation(*id)).collect();
    evidence
}

/// The operations as seen at the instant at which the history broke.
struct View<'a, M: Model> {
    model: &'a M,
    ops: &'a [Operation<M::Op, M::Ret>],
    clock: Clock,
    cut: Option<u64>,
}

impl<M: Model> View<'_, M> {
    fn ret(&self, id: u32) -> Option<&M::Ret> {
        seen_at(&self.ops[id as usize], self.cut).and_then(|(ret, _)| ret)
    }

    fn text(&self, id: u32) -> String {
        self.model.describe(&self.ops[id as usize].op, self.ret(id))
    }

    fn operation(&self, id: u32) -> crate::verdict::EvidenceOperation {
        let operation = &self.ops[id as usize];
        let mut shown = operation.as_evidence(id, self.clock, self.text(id));
        if let (Outcome::Ok(_), None, Some(cut)) = (&operation.outcome, self.ret(id), self.cut) {
            shown.span.push_str(&format!(", still open at {}", self.clock.show(cut)));
        }
        shown
    }

    fn dead_end(&self, ids: &[u32], order: &[u32], details: &mut Vec<String>) {
        let mut state = self.model.initial();
        for id in order {
            if let Step::Next(next) = self.model.step(&state, &self.ops[*id as usize].op, self.ret(*id)) {
                state = next;
            }
        }
        let rest: Vec<u32> = ids.iter().copied().filter(|id| !order.contains(id)).collect();
        let list: Vec<String> = order.iter().map(|id| OpId(*id).to_string()).collect();
        details.push(match list.as_slice() {
            [] => "No order even begins:".to_owned(),
            _ => format!("The longest order that works is {}; after it:", list.join(", ")),
        });
        details.extend(rest.iter().map(|id| format!("  {}", self.reason(&state, *id, &rest))));
    }

    /// Why `id` cannot come next in `state` while `rest` is still to come.
    fn reason(&self, state: &M::State, id: u32, rest: &[u32]) -> String {
        let operation = &self.ops[id as usize];
        let called = self.clock.show(operation.call);
        let blocker = rest.iter().find_map(|other| {
            let (_, returned) = seen_at(&self.ops[*other as usize], self.cut)?;
            (returned < operation.call).then_some((*other, returned))
        });
        if let Some((other, returned)) = blocker {
            let returned = self.clock.show(returned);
            return format!("#{id} was called {called}, after #{other} returned {returned}, so #{other} comes first");
        }
        let ret = self.ret(id);
        let now = self.model.describe_state(state, &operation.op);
        match self.model.step(state, &operation.op, ret) {
            Step::Refused => format!("#{id} {}: refused, for {now}", self.text(id)),
            _ if ret.is_none() => {
                format!(
                    "#{id} {}: its outcome is unknown; neither with nor without it is there an order",
                    self.text(id)
                )
            }
            _ => format!("#{id} {}: would fit, but then another of these does not", self.text(id)),
        }
    }
}
