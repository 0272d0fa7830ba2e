//! The search for an order: depth first, after Wing and Gong (1993) and Lowe (2017).
//!
//! What it adds to them: an operation that changes nothing and fits is done at once, without a branch (in any order it
//! could be moved here); of equal open operations only the one due first is tried (they could change places); the
//! memo stores a window instead of the whole set, and compares pure and optional operations by inclusion (see `visited`); an
//! optional operation is tried only where one that may see its effect can come next, and is not followed at once by one
//! that hides it (such an order would hold without it).

use super::machine::{Machine, REFUSED};
use super::memo::scatter;
use super::prepare::{Entry, NO_CELL, NO_VALUE, Problem, Sees};
use super::visited::{Configuration, Visited};
use crate::model::Model;

/// What a search may still spend. It is left with what was not spent.
pub(super) struct Quota {
    pub(super) steps: u64,
    pub(super) bytes: u64,
}

/// Which quota ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exhausted {
    Steps,
    Bytes,
    /// More operations are open at once than the frontier has slots.
    Slots,
    /// The frontier had to drop configurations.
    Width,
    /// No monitor knows the object.
    NoMonitor,
}

/// What a search found. Operations are given by their ids in the history.
pub(super) enum Found {
    /// An order of all required operations, with the optional ones it needs.
    Order(Vec<u32>),
    /// There is none.
    Impossible {
        /// The longest beginning of one that was met; empty if the engine keeps none.
        deepest: Vec<u32>,
        /// By every return before this one there was an order, if the engine knows.
        at: Option<u64>,
        /// A few of the operations that have no order by themselves, if the engine knows.
        witness: Vec<u32>,
    },
    /// There is none, for a reason that only the whole history shows.
    Broken {
        /// The operations concerned.
        witness: Vec<u32>,
        /// The reason.
        reason: String,
    },
    Exhausted(Exhausted),
}

impl Found {
    /// The same of operations that have these ids in truth, and were said in another way. A few of them that have no order as they
    /// were said here may have one as they were said first, for what others read is in how they are said: they are no witness.
    pub(super) fn renamed(mut self, ids: &[u32]) -> Found {
        let rename = |list: &mut Vec<u32>| list.iter_mut().for_each(|id| *id = ids[*id as usize]);
        match &mut self {
            Found::Order(order) => rename(order),
            Found::Impossible { deepest, witness, .. } => {
                rename(deepest);
                witness.clear();
            }
            Found::Broken { witness, .. } => rename(witness),
            Found::Exhausted(_) => {}
        }
        self
    }
}

/// One configuration on the path, with the moves that are left to try from it.
struct Frame {
    state: u32,
    /// Every required operation before this index is done.
    base: usize,
    /// Length of `order` before the move that led here.
    order_before: usize,
    /// This frame's own moves are `moves[first_move..]` while it is on top; the next to try is `next_move`.
    first_move: usize,
    next_move: usize,
}

/// Of problems up to this size the longest beginning of an order is kept.
const FOLLOWED_MAX: usize = 256;

/// Room for so many who could see something, where any operation has an unknown outcome.
const SEERS: usize = 16;

/// A move: the index of a required operation, or of an optional one with the top bit set.
type Move = u32;
const OPTIONAL: Move = 1 << 31;

struct Search<'a, 'p, M: Model> {
    problem: &'p Problem<'a, M>,
    machine: &'p mut Machine<M>,
    visited: Visited,
    /// Required operations that are done, one bit each, and how many.
    done: Vec<u64>,
    done_count: usize,
    /// Optional operations that are used, one bit each.
    used: Vec<u64>,
    /// Exclusive-or of a fixed random word per required operation that is done and not pure.
    hash: u64,
    order: Vec<Move>,
    frames: Vec<Frame>,
    moves: Vec<Move>,
    /// What could see something if it came next, in the configuration that is being settled.
    seers: Vec<(u32, Sees)>,
    /// Per class, the last configuration that had a move of it.
    class_seen: Vec<u64>,
    configurations: u64,
    deepest: Vec<Move>,
    deepest_count: usize,
    /// The latest return that some configuration had next: all before it were explained.
    reached: u64,
}

enum Arrival {
    /// Everything required is done.
    Finished,
    /// A new configuration, now on the path.
    Entered,
    /// A configuration that leads nowhere.
    Covered,
    OutOf(Exhausted),
}

/// Looks for an order. With a `room` it remembers no more than so many bytes of where it was.
pub(super) fn search<M: Model>(
    problem: &Problem<'_, M>,
    machine: &mut Machine<M>,
    room: Option<u64>,
    quota: &mut Quota,
) -> Found {
    let classes = machine.classes.len();
    let mut pure = vec![0; problem.required.len() / 64 + 1];
    for (index, _) in problem.required.iter().enumerate().filter(|(_, entry)| entry.pure) {
        pure[index / 64] |= 1 << (index % 64);
    }
    let used = vec![0; problem.optional.len().div_ceil(64)];
    // Of a short history all of it has room at once; of a long one most is never needed.
    let some = problem.required.len().min(FOLLOWED_MAX);
    let mut search = Search {
        problem,
        machine,
        visited: Visited::new(pure, room),
        done: vec![0; problem.required.len() / 64 + 1],
        done_count: 0,
        used,
        hash: 0,
        order: Vec::with_capacity(some),
        frames: Vec::with_capacity(some),
        moves: Vec::with_capacity(some),
        seers: Vec::with_capacity(problem.optional.len().min(SEERS)),
        class_seen: vec![0; classes],
        configurations: 0,
        deepest: Vec::new(),
        deepest_count: 0,
        reached: 0,
    };
    search.run(0, quota)
}

impl<M: Model> Search<'_, '_, M> {
    fn run(&mut self, initial: u32, quota: &mut Quota) -> Found {
        let mut arrival = self.arrive(initial, 0, 0, quota);
        loop {
            match arrival {
                Arrival::Finished => return Found::Order(self.ids(&self.order)),
                Arrival::OutOf(exhausted) => return Found::Exhausted(exhausted),
                Arrival::Entered | Arrival::Covered => {}
            }
            let Some(frame) = self.frames.last_mut() else {
                let (deepest, at) = (self.ids(&self.deepest), Some(self.reached));
                return Found::Impossible { deepest, at, witness: Vec::new() };
            };
            let Some(&next) = self.moves.get(frame.next_move) else {
                let (first_move, order_before) = (frame.first_move, frame.order_before);
                self.frames.pop();
                self.moves.truncate(first_move);
                self.undo_to(order_before);
                arrival = Arrival::Covered;
                continue;
            };
            frame.next_move += 1;
            let (state, base) = (frame.state, frame.base);
            if quota.steps == 0 {
                return Found::Exhausted(Exhausted::Steps);
            }
            quota.steps -= 1;
            let optional = next & OPTIONAL != 0;
            let class = self.entry(next).class;
            let to = self.machine.step(self.problem.source, state, class);
            // An optional operation without effect explains nothing.
            if to == REFUSED || (optional && to == state) {
                continue;
            }
            let order_before = self.order.len();
            self.make(next);
            arrival = self.arrive(to, base, order_before, quota);
        }
    }

    fn entry(&self, of: Move) -> &Entry {
        if of & OPTIONAL == 0 {
            &self.problem.required[of as usize]
        } else {
            &self.problem.optional[(of & !OPTIONAL) as usize]
        }
    }

    fn ids(&self, order: &[Move]) -> Vec<u32> {
        order.iter().map(|made| self.entry(*made).id).collect()
    }

    fn make(&mut self, made: Move) {
        self.order.push(made);
        self.flip(made);
    }

    fn flip(&mut self, made: Move) {
        let index = (made & !OPTIONAL) as usize;
        if made & OPTIONAL == 0 {
            self.done[index / 64] ^= 1 << (index % 64);
            if !self.problem.required[index].pure {
                self.hash ^= scatter(index as u64);
            }
            if self.is_done(index) { self.done_count += 1 } else { self.done_count -= 1 }
        } else {
            self.used[index / 64] ^= 1 << (index % 64);
            if self.used[index / 64] >> (index % 64) & 1 == 1 {
                self.visited.take(made & !OPTIONAL);
            } else {
                self.visited.give_back();
            }
        }
    }

    fn undo_to(&mut self, length: usize) {
        // How far it got is worth remembering only where a person can follow it.
        if self.done_count > self.deepest_count && self.problem.required.len() <= FOLLOWED_MAX {
            self.deepest_count = self.done_count;
            self.deepest.clear();
            self.deepest.extend_from_slice(&self.order);
        }
        while self.order.len() > length
            && let Some(made) = self.order.pop()
        {
            self.flip(made);
        }
    }

    fn is_done(&self, index: usize) -> bool {
        self.done[index / 64] >> (index % 64) & 1 == 1
    }

    /// Settles into a configuration: does what fits without choice, and lists the choices that are left.
    fn arrive(&mut self, state: u32, base: usize, order_before: usize, quota: &mut Quota) -> Arrival {
        self.configurations += 1;
        let first_move = self.moves.len();
        let required = &self.problem.required;
        self.seers.clear();
        let mut base = base;
        // The earliest deadline among operations not done yet: whatever was called later must wait.
        let mut due = u64::MAX;
        let mut index = base;
        while let Some(entry) = required.get(index)
            && entry.call <= due
        {
            if self.done[index / 64] == u64::MAX && index.is_multiple_of(64) {
                index += 64;
                continue;
            }
            if !self.is_done(index) {
                let mut choice = !entry.pure;
                if entry.pure {
                    if quota.steps == 0 {
                        return Arrival::OutOf(Exhausted::Steps);
                    }
                    quota.steps -= 1;
                    let to = self.machine.step(self.problem.source, state, entry.class);
                    if to == state {
                        self.make(index as Move);
                        index += 1;
                        continue;
                    }
                    choice = to != REFUSED;
                }
                due = due.min(entry.deadline);
                if entry.sees != Sees::Nothing && !self.problem.optional.is_empty() {
                    self.seers.push((entry.cell, entry.sees));
                }
                if choice {
                    self.moves.push(index as Move);
                }
            }
            index += 1;
        }
        if self.done_count == required.len() {
            return Arrival::Finished;
        }
        self.reached = self.reached.max(due);
        let end = index.min(required.len());
        while self.is_done(base) {
            base += 1;
        }
        let start = base / 64;
        let done = &self.done[start..=(end - 1) / 64];
        let hash = self.hash ^ scatter(u64::from(state) | 1 << 63);
        if self.visited.covers(Configuration { hash, state, start, done, used: &self.used }) {
            self.moves.truncate(first_move);
            self.undo_to(order_before);
            return Arrival::Covered;
        }
        if self.bytes() > quota.bytes {
            return Arrival::OutOf(Exhausted::Bytes);
        }
        self.list_moves(first_move, due, self.unseen_cell(order_before));
        self.frames.push(Frame { state, base, order_before, first_move, next_move: first_move });
        Arrival::Entered
    }

    /// The cell that an optional operation has just changed, if nothing saw the change yet.
    fn unseen_cell(&self, order_before: usize) -> u32 {
        match self.order.get(order_before..) {
            Some(&[made]) if made & OPTIONAL != 0 => self.entry(made).cell,
            _ => NO_CELL,
        }
    }

    /// Puts the required moves in order of deadline, keeps the first of equals, and appends the optional ones: what has
    /// to happen anyway is tried before what need not.
    fn list_moves(&mut self, first_move: usize, due: u64, unseen: u32) {
        let problem = self.problem;
        let hides = |entry: &Entry| entry.sees == Sees::Nothing && entry.cell == unseen && unseen != NO_CELL;
        self.moves[first_move..].sort_by_key(|made| (problem.required[*made as usize].deadline, *made));
        let stamp = self.configurations;
        let mut kept = first_move;
        for at in first_move..self.moves.len() {
            let entry = &problem.required[self.moves[at] as usize];
            let class = entry.class as usize;
            if self.class_seen[class] != stamp && !hides(entry) {
                self.class_seen[class] = stamp;
                self.moves[kept] = self.moves[at];
                kept += 1;
            }
        }
        self.moves.truncate(kept);
        let open = problem.optional.partition_point(|entry| entry.call <= due);
        let fresh = |used: &[u64], index: usize| used[index / 64] >> (index % 64) & 1 == 0;
        for (index, entry) in problem.optional[..open].iter().enumerate() {
            if fresh(&self.used, index) && entry.sees != Sees::Nothing {
                self.seers.push((entry.cell, entry.sees));
            }
        }
        for (index, entry) in problem.optional[..open].iter().enumerate() {
            if fresh(&self.used, index)
                && self.class_seen[entry.class as usize] != stamp
                && !hides(entry)
                && self.seers.iter().any(|(cell, sees)| may_see(*cell, *sees, entry))
            {
                self.class_seen[entry.class as usize] = stamp;
                self.moves.push(index as Move | OPTIONAL);
            }
        }
    }

    fn bytes(&self) -> u64 {
        let path = self.frames.capacity() * size_of::<Frame>()
            + (self.moves.capacity() + self.order.capacity() + self.deepest.capacity()) * size_of::<Move>();
        self.visited.bytes() + self.machine.bytes() + path as u64
    }
}

/// Whether an operation on `cell` whose answer rests on `sees` could tell that `made` came just before it.
fn may_see(cell: u32, sees: Sees, made: &Entry) -> bool {
    if cell != NO_CELL && made.cell != NO_CELL && cell != made.cell {
        return false;
    }
    match sees {
        Sees::Nothing => false,
        Sees::Value(value) => made.makes == NO_VALUE || made.makes == value,
        Sees::AnyBut(value) => made.makes == NO_VALUE || made.makes != value,
        Sees::Anything => true,
    }
}
