//! Linearizability: is there one order of the operations that respects real time and that a correct object would answer
//! so? (Herlihy and Wing 1990.)
//!
//! The rooms, in the order in which a history passes through them: `partition` splits it by key; `prepare` drops and
//! tightens operations of unknown outcome where that is sound; `search` looks for an order (Wing and Gong 1993, with
//! the memo of Lowe 2017); `replay` checks a found order against the raw history, sharing no code with the search;
//! `minimise` and `explain` turn a refusal into evidence. Another engine stands beside `search` with the same
//! signature, from a `Problem` and a quota to a `Found`.

mod explain;
mod memo;
mod minimise;
mod partition;
mod prepare;
mod replay;
mod search;
mod sight;

pub use replay::{CertificateError, replay};

use crate::history::{Clock, History, OpId, Operation};
use crate::model::Model;
use crate::verdict::{Evidence, Limit, Undecided, Verdict};
use partition::{Component, components};
use prepare::prepare;
use search::{Exhausted, Found, Quota, search};

/// The oracle's name in verdicts.
pub const LINEARIZABILITY: &str = "linearizability";

/// How much a check may spend. Both limits are counted, never timed, so the same history gives the same verdict
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Questions put to the model, over all keys. A history that is not hard takes one or two per operation; a hard
    /// search makes about two million per second.
    pub steps: u64,
    /// Bytes of the search's own tables at any one time: an estimate, within a factor of two of what is allocated
    /// unless single states are large.
    pub bytes: u64,
}

impl Budget {
    /// For a history at hand, when somebody waits for the answer: 100 million steps and 2 GiB.
    pub const PATIENT: Budget = Budget { steps: 100_000_000, bytes: 2 << 30 };
}

impl Default for Budget {
    /// For one seed among many: 2 million steps and 256 MiB.
    fn default() -> Self {
        Budget { steps: 2_000_000, bytes: 256 << 20 }
    }
}

/// The proof of a pass: for each part of the history that can be judged on its own, an order of its operations. Whoever
/// doubts the search can have it replayed: see [`replay`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// One order per part. Operations that definitely did not happen are in none; those of unknown outcome may be in
    /// none; every other operation is in exactly one.
    pub orders: Vec<Vec<OpId>>,
}

/// What a check found, and what it took.
#[derive(Clone, Debug)]
pub struct Linearizability {
    /// The answer.
    pub verdict: Verdict,
    /// The proof of a `Pass`, replayed already; `None` otherwise.
    pub certificate: Option<Certificate>,
    /// Into how many parts the history was split.
    pub parts: usize,
    /// Questions put to the model by the search, without those spent on making the evidence small.
    pub steps: u64,
}

/// Whether `history` is linearizable with respect to `model`, within the default [`Budget`].
pub fn linearizable<M: Model>(model: &M, history: &History<M::Op, M::Ret>) -> Verdict {
    linearizability(model, history, Budget::default()).verdict
}

/// Whether `history` is linearizable with respect to `model`, within `budget`.
pub fn linearizable_within<M: Model>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Verdict {
    linearizability(model, history, budget).verdict
}

/// As [`linearizable_within`], with the certificate and the cost.
pub fn linearizability<M: Model>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Linearizability {
    let parts = components(model, history.operations());
    let mut run = Run { model, ops: history.operations(), budget, steps: 0 };
    let mut orders: Vec<Option<Vec<OpId>>> = vec![None; parts.len()];
    let decided = run.decide(&parts, &mut orders);
    let (verdict, certificate) = match decided {
        Decided::Pass => certify(model, history, orders.into_iter().flatten().collect()),
        Decided::Fail(part) => {
            (Verdict::Fail(evidence(model, history.operations(), history.clock(), &parts[part], budget)), None)
        }
        Decided::Unknown(part, exhausted) => (Verdict::Unknown(run.undecided(&parts[part], exhausted)), None),
    };
    Linearizability { verdict, certificate, parts: parts.len(), steps: run.steps }
}

/// Why one part that is known to fail does so, on the least operations found.
fn evidence<M: Model>(
    model: &M,
    ops: &[Operation<M::Op, M::Ret>],
    clock: Clock,
    part: &Component<M::Key>,
    budget: Budget,
) -> Evidence {
    let minimal = minimise::minimise(model, ops, &part.ops, budget);
    explain::explain(model, ops, clock, part, &minimal)
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
    Fail(usize),
    Unknown(usize, Exhausted),
}

struct Run<'a, M: Model> {
    model: &'a M,
    ops: &'a [Operation<M::Op, M::Ret>],
    budget: Budget,
    steps: u64,
}

/// The first allowance of steps for one part, and by how much it grows per round. One hard key must not starve the
/// others, among which there may be a plain failure; starting over costs at most a third more in all.
const FIRST_ALLOWANCE: u64 = 1 << 14;
const ALLOWANCE_GROWTH: u64 = 4;

impl<M: Model> Run<'_, M> {
    fn decide(&mut self, parts: &[Component<M::Key>], orders: &mut [Option<Vec<OpId>>]) -> Decided {
        let mut open: Vec<usize> = (0..parts.len()).collect();
        let mut allowance = FIRST_ALLOWANCE;
        let mut out_of_bytes = None;
        while !open.is_empty() {
            let mut still_open = Vec::new();
            for part in open {
                let steps = allowance.max(4 * parts[part].ops.len() as u64).min(self.budget.steps - self.steps);
                if steps == 0 {
                    return Decided::Unknown(part, Exhausted::Steps);
                }
                let mut quota = Quota { steps, bytes: self.budget.bytes };
                let found = search(&prepare(self.model, self.ops, &parts[part].ops, None), &mut quota);
                self.steps += steps - quota.steps;
                match found {
                    Found::Order(order) => orders[part] = Some(order.into_iter().map(OpId).collect()),
                    Found::Impossible { .. } => return Decided::Fail(part),
                    // More steps would only fill more memory: this part is left, the others may still fail.
                    Found::Exhausted(Exhausted::Bytes) => {
                        out_of_bytes.get_or_insert(part);
                    }
                    Found::Exhausted(Exhausted::Steps) => still_open.push(part),
                }
            }
            open = still_open;
            allowance = allowance.saturating_mul(ALLOWANCE_GROWTH);
        }
        out_of_bytes.map_or(Decided::Pass, |part| Decided::Unknown(part, Exhausted::Bytes))
    }

    fn undecided(&self, part: &Component<M::Key>, exhausted: Exhausted) -> Undecided {
        let limit = match exhausted {
            Exhausted::Steps => Limit::Steps(self.budget.steps),
            Exhausted::Bytes => Limit::Bytes(self.budget.bytes),
        };
        let left = format!("undecided: {} with {} operations", part.describe(self.model), part.ops.len());
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
    let ids: Vec<u32> = part.ops.into_iter().filter(|id| !without(*id)).collect();
    let mut quota = Quota { steps: budget.steps, bytes: budget.bytes };
    match search(&prepare(model, history.operations(), &ids, None), &mut quota) {
        Found::Order(_) => Some(true),
        Found::Impossible { .. } => Some(false),
        Found::Exhausted(_) => None,
    }
}
