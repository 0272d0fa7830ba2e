//! From a history to a verdict: parts, rounds, the proof of a pass and the evidence of a failure.

use super::depth::{Exhausted, Found, Quota};
use super::machine::Source;
use super::partition::{Component, components};
use super::portfolio::{Round, round};
use super::{Budget, Certificate, Engine, LINEARIZABILITY, Linearizability, replay};
use super::{explain, minimise};
use crate::history::{Clock, History, OpId};
use crate::model::Model;
use crate::verdict::{Evidence, Limit, Undecided, Verdict};
use minimise::Refusal;

/// Whether `history` is linearizable with respect to `model`, within the default [`Budget`].
pub fn linearizable<M: Model>(model: &M, history: &History<M::Op, M::Ret>) -> Verdict {
    linearizability(model, history, Budget::default()).verdict
}

/// Whether `history` is linearizable with respect to `model`, within `budget`.
pub fn linearizable_within<M: Model>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Verdict {
    linearizability(model, history, budget).verdict
}

/// Whether there is an order, and nothing else: no evidence is looked for, which on short histories takes longer than the
/// verdict. `None` if the budget ran out. An order that was found is replayed, and a monitor's refusal is confirmed by the
/// search, as ever.
pub fn is_linearizable<M: Model>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Option<bool> {
    let parts = components(model, history.operations());
    let source = Source { model, ops: history.operations() };
    let mut run = Run { source, engine: Engine::Portfolio, budget, steps: 0 };
    let mut orders: Vec<Option<Vec<OpId>>> = vec![None; parts.len()];
    match run.decide(&parts, &mut orders) {
        Decided::Pass => certify(model, history, orders.into_iter().flatten().collect()).0.is_pass().then_some(true),
        Decided::Fail(part, refusal) => {
            minimise::is_confirmed(source, &parts[part].ops, &refusal, budget).then_some(false)
        }
        Decided::Broken(..) => Some(false),
        Decided::Unknown(..) => None,
    }
}

/// As [`linearizable_within`], with the certificate and the cost.
pub fn linearizability<M: Model>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Linearizability {
    linearizability_by(Engine::Portfolio, model, history, budget)
}

/// As [`linearizability`], with the engine of the caller's choice.
pub fn linearizability_by<M: Model>(
    engine: Engine,
    model: &M,
    history: &History<M::Op, M::Ret>,
    budget: Budget,
) -> Linearizability {
    let parts = components(model, history.operations());
    let mut run = Run { source: Source { model, ops: history.operations() }, engine, budget, steps: 0 };
    let mut orders: Vec<Option<Vec<OpId>>> = vec![None; parts.len()];
    let decided = run.decide(&parts, &mut orders);
    let (verdict, certificate) = match decided {
        Decided::Pass => certify(model, history, orders.into_iter().flatten().collect()),
        Decided::Fail(part, refusal) => {
            match evidence_of(run.source, history.clock(), &parts[part], &refusal, budget) {
                Some(evidence) => (Verdict::Fail(evidence), None),
                None => (Verdict::Unknown(unfounded(&parts[part].describe(model))), None),
            }
        }
        Decided::Broken(part, ids, reason) => {
            let place = parts[part].describe(model);
            (Verdict::Fail(explain::broken(run.source, history.clock(), &place, &ids, &reason)), None)
        }
        Decided::Unknown(part, exhausted) => (Verdict::Unknown(run.undecided(&parts[part], exhausted)), None),
    };
    Linearizability { verdict, certificate, parts: parts.len(), steps: run.steps }
}

/// Why one part that is known to fail does so, on the least operations found; `None` if a monitor said so and the
/// search does not agree.
pub(super) fn evidence_of<M: Model>(
    source: Source<'_, M>,
    clock: Clock,
    part: &Component<M::Key>,
    refusal: &Refusal,
    budget: Budget,
) -> Option<Evidence> {
    let minimal = minimise::minimise(source, &part.ops, refusal, budget)?;
    Some(explain::explain(source.model, source.ops, clock, part, &minimal))
}

/// The part that the operations `ids` make, which are all on the same keys.
pub(super) fn part_by_ids<M: Model>(source: Source<'_, M>, ids: &[u32]) -> Component<M::Key> {
    let mut keys = Vec::new();
    if let Some(id) = ids.first() {
        source.model.each_key(&source.ops[*id as usize].op, &mut |key| keys.push(key.clone()));
    }
    Component { keys, ops: ids.to_vec() }
}

fn unfounded(part: &str) -> Undecided {
    let limit = Limit::Named("the trust in a refusal that cannot be shown on its witness".to_owned());
    Undecided { oracle: LINEARIZABILITY.into(), limit, left: part.to_owned() }
}

/// An order that the replayer refuses is a defect of the search, and then nothing has been shown.
fn certify<M: Model>(
    model: &M,
    history: &History<M::Op, M::Ret>,
    orders: Vec<Vec<OpId>>,
) -> (Verdict, Option<Certificate>) {
    let certificate = Certificate { orders };
    match replay(model, history, &certificate) {
        Ok(()) => (Verdict::Pass, Some(certificate)),
        Err(error) => {
            let limit = Limit::Named("the trust in an order that does not replay".to_owned());
            (Verdict::Unknown(Undecided { oracle: LINEARIZABILITY.into(), limit, left: error.to_string() }), None)
        }
    }
}

enum Decided {
    Pass,
    Fail(usize, Refusal),
    Broken(usize, Vec<u32>, String),
    Unknown(usize, Exhausted),
}

struct Run<'a, M: Model> {
    source: Source<'a, M>,
    engine: Engine,
    budget: Budget,
    steps: u64,
}

impl<M: Model> Run<'_, M> {
    /// One round on each open part, then the next: one hard key must not starve the others, among which there may be a
    /// plain failure.
    fn decide(&mut self, parts: &[Component<M::Key>], orders: &mut [Option<Vec<OpId>>]) -> Decided {
        let mut open: Vec<usize> = (0..parts.len()).collect();
        let mut number = 0;
        let mut out_of = None;
        while !open.is_empty() {
            let mut still_open = Vec::new();
            for part in open {
                let steps = self.budget.steps - self.steps;
                if steps == 0 {
                    return Decided::Unknown(part, Exhausted::Steps);
                }
                let mut quota = Quota { steps, bytes: self.budget.bytes };
                let left =
                    round(self.source, &parts[part].ops, parts[part].keys.len() == 1, number, self.engine, &mut quota);
                self.steps += steps - quota.steps;
                match left {
                    Round::Decided(Found::Order(order)) => {
                        orders[part] = Some(order.into_iter().map(OpId).collect());
                    }
                    Round::Decided(Found::Impossible { at, witness, .. }) => {
                        return Decided::Fail(part, Refusal { at, witness });
                    }
                    Round::Decided(Found::Broken { witness, reason }) => {
                        return Decided::Broken(part, witness, reason);
                    }
                    // This part is left, the others may still fail.
                    Round::Decided(Found::Exhausted(exhausted)) | Round::Out(exhausted) => {
                        out_of.get_or_insert((part, exhausted));
                    }
                    Round::Open => still_open.push(part),
                }
            }
            open = still_open;
            number += 1;
        }
        out_of.map_or(Decided::Pass, |(part, exhausted)| Decided::Unknown(part, exhausted))
    }

    fn undecided(&self, part: &Component<M::Key>, exhausted: Exhausted) -> Undecided {
        let limit = match exhausted {
            Exhausted::Steps => Limit::Steps(self.budget.steps),
            Exhausted::Bytes => Limit::Bytes(self.budget.bytes),
            Exhausted::Slots => Limit::Named("the frontier's room for open operations".to_owned()),
            Exhausted::Width => Limit::Named("the frontier's width".to_owned()),
            Exhausted::NoMonitor => Limit::Named("the list of monitors".to_owned()),
        };
        let left = format!("undecided: {} with {} operations", part.describe(self.source.model), part.ops.len());
        Undecided { oracle: LINEARIZABILITY.to_owned(), limit, left }
    }
}

/// Whether that part of the history which holds operation `id` is linearizable once the operations of `without` are
/// left out; `None` if the budget ran out, or if there is no such operation. The durability oracle asks this.
pub(crate) fn part_is_linearizable<M: Model>(
    model: &M,
    history: &History<M::Op, M::Ret>,
    id: u32,
    without: impl Fn(u32) -> bool,
    budget: Budget,
) -> Option<bool> {
    let part = components(model, history.operations()).into_iter().find(|part| part.ops.contains(&id))?;
    let one_key = part.keys.len() == 1;
    let ids: Vec<u32> = part.ops.into_iter().filter(|id| !without(*id)).collect();
    let mut quota = Quota { steps: budget.steps, bytes: budget.bytes };
    let source = Source { model, ops: history.operations() };
    for number in 0.. {
        match round(source, &ids, one_key, number, Engine::Portfolio, &mut quota) {
            Round::Decided(Found::Order(_)) => return Some(true),
            Round::Decided(Found::Impossible { .. } | Found::Broken { .. }) => return Some(false),
            Round::Open if quota.steps > 0 => {}
            _ => return None,
        }
    }
    None
}
