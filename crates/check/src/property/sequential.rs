//! Sequential consistency (Lamport 1979): one order of all operations that keeps the order of each process, whatever the
//! clock says. Deciding it is hard (Gibbons and Korach 1997) and not done key by key: it is not local. The search goes
//! over how far each process has come, with a memo, and its order is checked before it is believed.

use crate::history::{History, Outcome, Process};
use crate::linear::{Budget, FixedState};
use crate::model::{Model, Step};
use crate::verdict::{Evidence, Limit, Undecided, Verdict};
use std::collections::{BTreeMap, HashMap};

/// The oracle's name in verdicts.
pub const SEQUENTIAL: &str = "sequential consistency";

/// Whether `history` is sequentially consistent with respect to `model`. A process's operations are in the order of their
/// calls; one of unknown outcome may be left out.
pub fn sequential<M: Model>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Verdict {
    let mut lines: BTreeMap<&Process, Vec<u32>> = BTreeMap::new();
    for (id, operation) in (0u32..).zip(history.operations()) {
        if operation.outcome != Outcome::Fail {
            lines.entry(&operation.process).or_default().push(id);
        }
    }
    let ops = history.operations();
    let mut lines: Vec<Vec<u32>> = lines.into_values().collect();
    lines.iter_mut().for_each(|line| line.sort_by_key(|id| ops[*id as usize].call));
    let mut search =
        Search { model, history, lines, seen: HashMap::default(), steps: budget.steps, bytes: 0, furthest: Vec::new() };
    match search.run(budget.bytes) {
        Ok(true) => Verdict::Pass,
        Ok(false) => {
            let at: Vec<usize> = search.furthest.clone();
            let mut evidence = Evidence::new(SEQUENTIAL, "no order that keeps the order of each process explains it");
            evidence.details.push("The longest order that works leaves each process before:".to_owned());
            for (line, at) in search.lines.iter().zip(at) {
                if let Some(id) = line.get(at) {
                    let operation = &ops[*id as usize];
                    let text = model.describe(&operation.op, operation.outcome.answer());
                    evidence.operations.push(operation.as_evidence(*id, history.clock(), text));
                }
            }
            evidence.into()
        }
        Err(limit) => {
            let left = format!("undecided: {} operations", ops.len());
            Undecided { oracle: SEQUENTIAL.to_owned(), limit, left }.into()
        }
    }
}

/// How far each process is, and the state.
type At<S> = (Vec<usize>, S);

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a History<M::Op, M::Ret>,
    lines: Vec<Vec<u32>>,
    seen: HashMap<At<M::State>, (), FixedState>,
    steps: u64,
    bytes: u64,
    furthest: Vec<usize>,
}

impl<M: Model> Search<'_, M> {
    fn run(&mut self, bytes_max: u64) -> Result<bool, Limit> {
        let steps_max = self.steps;
        let begin: At<M::State> = (vec![0; self.lines.len()], self.model.initial());
        self.furthest.clone_from(&begin.0);
        let mut open = vec![begin];
        while let Some((mut at, state)) = open.pop() {
            self.settle(&mut at, &state);
            if at.iter().sum::<usize>() > self.furthest.iter().sum() {
                self.furthest.clone_from(&at);
            }
            if at.iter().zip(&self.lines).all(|(at, line)| *at == line.len()) {
                return Ok(true);
            }
            self.bytes += (at.len() * 8 + size_of::<At<M::State>>() + 48) as u64;
            if self.bytes > bytes_max {
                return Err(Limit::Bytes(bytes_max));
            }
            if self.seen.insert((at.clone(), state.clone()), ()).is_some() {
                continue;
            }
            for process in (0..self.lines.len()).rev() {
                let Some(id) = self.lines[process].get(at[process]) else { continue };
                self.steps = self.steps.checked_sub(1).ok_or(Limit::Steps(steps_max))?;
                let operation = &self.history.operations()[*id as usize];
                let told = operation.outcome.answer();
                let mut next = at.clone();
                next[process] += 1;
                if told.is_none() {
                    open.push((next.clone(), state.clone()));
                }
                match self.model.step(&state, &operation.op, told) {
                    Step::Next(to) => open.push((next, to)),
                    Step::Same if told.is_some() => open.push((next, state.clone())),
                    Step::Same | Step::Refused => {}
                }
            }
        }
        Ok(false)
    }

    /// What changes nothing and fits is done at once: nothing can follow that it would have hindered.
    fn settle(&mut self, at: &mut [usize], state: &M::State) {
        for (line, at) in self.lines.iter().zip(at) {
            while let Some(id) = line.get(*at) {
                let operation = &self.history.operations()[*id as usize];
                let told = operation.outcome.answer();
                let pure = self.model.observes_only(&operation.op, told);
                if !pure || !matches!(self.model.step(state, &operation.op, told), Step::Same) {
                    break;
                }
                *at += 1;
            }
        }
    }
}
