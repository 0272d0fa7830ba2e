//! A model as a machine over small numbers: what was asked and answered is a class, what the object holds is a state,
//! and a step from one state to another is put to the model once and looked up from then on.

use super::memo::{FixedState, Numbers};
use super::prepare::NO_CELL;
use crate::history::Operation;
use crate::model::{Model, Step};
use std::collections::HashMap;
use std::hash::BuildHasher;

/// A step that the model refuses.
pub(super) const REFUSED: u32 = u32::MAX;
/// A step that nobody has asked about.
const UNASKED: u32 = u32::MAX - 1;
/// No class, or the end of a chain of classes.
const NONE: u32 = u32::MAX;
/// Up to so many classes a state's steps are a row of a table; beyond, they share a cache of fixed size.
const ROW_MAX: usize = 512;
const ROWS_MAX: usize = 4_096;
const CACHE: usize = 1 << 16;
/// Room for so many classes from the beginning: a short history of a register has about that many.
const CLASSES: usize = 56;

/// The model and the raw operations that classes point into.
pub(super) struct Source<'a, M: Model> {
    pub(super) model: &'a M,
    pub(super) ops: &'a [Operation<M::Op, M::Ret>],
}

impl<M: Model> Clone for Source<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Model> Copy for Source<'_, M> {}

impl<'a, M: Model> Source<'a, M> {
    /// What operation `id` asked, and what it was told if that counts.
    pub(super) fn pair(&self, id: u32, answered: bool) -> (&'a M::Op, Option<&'a M::Ret>) {
        let operation = &self.ops[id as usize];
        (&operation.op, if answered { operation.outcome.answer() } else { None })
    }
}

/// Operations that ask and are told the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    /// One of them.
    id: u32,
    answered: bool,
    next: u32,
    /// Whether it changes no state.
    pub(super) pure: bool,
    /// The one cell that it overwrites without looking; `NO_CELL` if it does anything else.
    pub(super) blind: u32,
}

/// The steps of one part of a history.
pub(super) struct Machine<M: Model> {
    pub(super) classes: Vec<Class>,
    by_hash: HashMap<u64, u32, FixedState>,
    /// Keys by number: the cells.
    pub(super) keys: Numbers<M::Key>,
    pub(super) states: Numbers<M::State>,
    rows: Vec<Vec<u32>>,
    cache: Vec<(u64, u32)>,
}

impl<M: Model> Machine<M> {
    /// No class yet, and the model's first state as number 0.
    pub(super) fn new(model: &M) -> Self {
        let mut states = Numbers::new();
        states.of(model.initial());
        Machine {
            classes: Vec::with_capacity(CLASSES),
            by_hash: HashMap::with_capacity_and_hasher(CLASSES, FixedState),
            keys: Numbers::new(),
            states,
            rows: Vec::new(),
            cache: Vec::new(),
        }
    }

    /// The class of operation `id`. `describe` tells of a new one whether it is pure, and which cell it overwrites.
    pub(super) fn class(
        &mut self,
        source: Source<'_, M>,
        id: u32,
        answered: bool,
        describe: impl FnOnce() -> (bool, u32),
    ) -> u32 {
        let pair = source.pair(id, answered);
        let head = self.by_hash.entry(FixedState.hash_one(pair)).or_insert(NONE);
        let mut at = *head;
        while at != NONE {
            let class = &self.classes[at as usize];
            if source.pair(class.id, class.answered) == pair {
                return at;
            }
            at = class.next;
        }
        let fresh = u32::try_from(self.classes.len()).unwrap_or(NONE);
        let (pure, blind) = describe();
        self.classes.push(Class { id, answered, next: *head, pure, blind });
        *head = fresh;
        fresh
    }

    /// Where `class` leads from `state`; [`REFUSED`] if nowhere.
    pub(super) fn step(&mut self, source: Source<'_, M>, state: u32, class: u32) -> u32 {
        let (row, column) = (state as usize, class as usize);
        if column < ROW_MAX && row < ROWS_MAX {
            if let Some(known) = self.rows.get(row).and_then(|row| row.get(column))
                && *known != UNASKED
            {
                return *known;
            }
            let to = self.ask(source, state, class);
            if self.rows.len() <= row {
                self.rows.resize_with(row + 1, Vec::new);
            }
            let width = self.classes.len().min(ROW_MAX);
            let row = &mut self.rows[row];
            if row.len() < width {
                row.resize(width, UNASKED);
            }
            row[column] = to;
            return to;
        }
        if self.cache.is_empty() {
            self.cache.resize(CACHE, (u64::MAX, 0));
        }
        let key = u64::from(state) << 32 | u64::from(class);
        let slot = (super::memo::scatter(key) as usize) & (CACHE - 1);
        if self.cache[slot].0 != key {
            self.cache[slot] = (key, self.ask(source, state, class));
        }
        self.cache[slot].1
    }

    fn ask(&mut self, source: Source<'_, M>, state: u32, class: u32) -> u32 {
        let Class { id, answered, .. } = self.classes[class as usize];
        let (op, ret) = source.pair(id, answered);
        match source.model.step(self.states.get(state), op, ret) {
            Step::Refused => REFUSED,
            Step::Same => state,
            Step::Next(next) => self.states.of(next),
        }
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> u64 {
        let rows = self.rows.len() * ROW_MAX.min(self.classes.len()) * 4 + self.cache.len() * 16;
        self.states.bytes() + (rows + self.classes.len() * 40) as u64
    }
}

/// The cell that an operation overwrites whatever it holds.
pub(super) fn blind<M: Model>(source: Source<'_, M>, id: u32, answered: bool, cell: u32) -> u32 {
    let (op, ret) = source.pair(id, answered);
    if cell != NO_CELL && matches!(source.model.flow(op, ret), crate::model::Flow::Write(_)) { cell } else { NO_CELL }
}
