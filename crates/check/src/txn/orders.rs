//! Registers, whole: is there an order of all versions that works? What reads and writes show of it leaves pairs of writers
//! open; here every such pair is ordered, one way or the other, so that no cycle closes.
//!
//! This is the polygraph of Papadimitriou (1979), solved as later checkers do (Cobra, OSDI 2020): of two writers of a
//! register one comes first, and with it before the other one comes everybody who read it. An order that closes a cycle with
//! what is known leaves only the other; where both are open one is tried, and taken back. The question is NP-complete, so
//! histories are taken up to [`MOST`] transactions, and so many steps; beyond that what the single dependencies show has to do.

use super::Access;
use super::cycles;
use super::graph::{DATA, Edge, Followed, Graph, Kind};
use super::index::{Index, Writer, Written};
use super::level::{Anomaly, AnomalyKind, Isolation};
use super::reach::Reach;
use crate::linear::FixedState;
use crate::model::Bytes;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// Transactions that a history may have: what reaches what is kept as a square of bits.
const MOST: usize = 2_048;

/// Steps that may be taken in all, of some nanoseconds each: to ask whether one transaction is known to come before another
/// is one, and to learn it one for each transaction.
const STEPS: u64 = 32_000_000;

/// Two writers of a register, of which nobody knows yet who was first.
#[derive(Clone, Copy)]
struct Pair<'a> {
    key: &'a Bytes,
    one: u32,
    other: u32,
}

/// Why no order works, or that it is not known.
enum Stuck<'a> {
    /// Whoever of the two was first, somebody would be before himself; who that is in either case, where others need not be put
    /// in order first; and all who have part in it.
    Conflict(Pair<'a>, Option<[u32; 2]>, BTreeSet<u32>),
    /// There was too much to try.
    Undecided,
}

/// What trying orders of versions came to.
pub(super) struct Tried {
    /// That no order works, at the weakest level of which that can be shown.
    pub(super) anomaly: Option<Anomaly>,
    /// Whether there is an order at every level that nothing contradicts.
    pub(super) ordered: bool,
}

/// Tries orders of the versions of registers. `found` is what is known already.
pub(super) fn tried(index: &Index<'_>, graph: &Graph, found: &[Anomaly]) -> Tried {
    let without = |ordered: bool| Tried { anomaly: None, ordered };
    if index.set.is_empty() || index.transactions.len() > MOST {
        return without(index.set.is_empty());
    }
    let levels = [
        (0, AnomalyKind::NoVersionOrder, Isolation::Serializable),
        (Kind::Process as u8, AnomalyKind::NoVersionOrderProcess, Isolation::StrongSessionSerializable),
        (Kind::RealTime as u8, AnomalyKind::NoVersionOrderRealtime, Isolation::StrictSerializable),
    ];
    // What has an order that keeps to all of time has one that need not, and time leaves fewer pairs open. A process's own order and
    // real time may contradict each other with no level being wrong: what returns at the instant of the next call is over for the one,
    // and not for the other.
    if !found.iter().any(|anomaly| anomaly.kind.contradicts(Isolation::StrictSerializable)) {
        let edges = graph.followed(DATA | levels.iter().fold(0, |all, (extra, ..)| all | extra));
        let mut search = Search::new(index, &edges, STEPS);
        if !search.reach.closes_a_cycle() && search.order(index).is_ok() {
            return without(true);
        }
    }
    let mut steps = STEPS;
    for (extra, kind, level) in levels {
        if found.iter().any(|anomaly| anomaly.kind.contradicts(level)) {
            break;
        }
        let edges = graph.followed(DATA | extra);
        let mut search = Search::new(index, &edges, steps);
        match search.order(index) {
            Ok(()) => steps = search.steps,
            Err(Stuck::Conflict(pair, twice, part)) => {
                let anomaly = Some(described(index, &edges, kind, pair, twice, part));
                return Tried { anomaly, ordered: true };
            }
            Err(Stuck::Undecided) => return without(false),
        }
    }
    without(true)
}

fn described(
    index: &Index<'_>,
    edges: &Followed,
    kind: AnomalyKind,
    pair: Pair<'_>,
    twice: Option<[u32; 2]>,
    mut part: BTreeSet<u32>,
) -> Anomaly {
    let Pair { key, one, other } = pair;
    let (first, second) = (index.id(one), index.id(other));
    let cause = format!("{kind}: whichever of T{first} and T{second} wrote {key} first, a cycle closes");
    let mut details = Vec::new();
    for (twice, [first, second]) in twice.into_iter().flatten().zip([[one, other], [other, one]]) {
        details.push(format!("if T{} wrote {key} first:", index.id(first)));
        let kind = if twice == first { Kind::WriteWrite } else { Kind::ReadWrite };
        details.push(cycles::step(&Edge { from: twice, to: second, kind, by: None }, index));
        let way = edges.way(second, twice);
        part.extend(way.iter().map(|edge| edge.from));
        details.extend(way.iter().map(|edge| cycles::step(edge, index)));
        if way.is_empty() {
            let (second, twice) = (index.id(second), index.id(twice));
            details
                .push(format!("T{second} comes before T{twice}, by the order that the versions of others must have"));
        }
    }
    if twice.is_none() {
        details.push("either way some other register's versions are in no order then".to_owned());
    }
    Anomaly { kind, transactions: part.iter().map(|at| index.id(*at)).collect(), cause, details }
}

/// Places of pairs that are open, in order. One that leaves can be taken back, the last one first.
struct Open {
    /// Of each place the next one, and the one before; the last place is behind the end and before the beginning.
    next: Vec<u32>,
    before: Vec<u32>,
    gone: Vec<u32>,
}

impl Open {
    fn new(count: usize) -> Open {
        let end = u32::try_from(count).unwrap_or(u32::MAX);
        let next = (1..=end).chain([0]).collect();
        let before = std::iter::once(end).chain(0..end).collect();
        Open { next, before, gone: Vec::new() }
    }

    fn first(&self) -> Option<u32> {
        self.after(u32::try_from(self.next.len() - 1).unwrap_or(u32::MAX))
    }

    fn after(&self, place: u32) -> Option<u32> {
        Some(self.next[place as usize]).filter(|next| (*next as usize) < self.next.len() - 1)
    }

    fn has(&self, place: u32) -> bool {
        self.next[self.before[place as usize] as usize] == place
    }

    fn leave(&mut self, place: u32) {
        let (before, next) = (self.before[place as usize], self.next[place as usize]);
        self.next[before as usize] = next;
        self.before[next as usize] = before;
        self.gone.push(place);
    }

    /// As it was when `kept` had left.
    fn take_back(&mut self, kept: usize) {
        for place in self.gone.drain(kept..).rev() {
            let (before, next) = (self.before[place as usize], self.next[place as usize]);
            self.next[before as usize] = place;
            self.before[next as usize] = place;
        }
    }
}

/// A pair that was ordered one way to see whether that works.
struct Trial {
    place: u32,
    /// How much was learnt, and how many pairs were ordered, before it.
    known: (usize, usize),
    /// Once it is ordered the other way: who had part in it that the first one does not work.
    turned: Option<BTreeSet<u32>>,
}

struct Search<'a> {
    reach: Reach,
    /// Who read what a transaction left of a register.
    readers: HashMap<(&'a Bytes, u32), Vec<u32>, FixedState>,
    pairs: Vec<Pair<'a>>,
    open: Open,
    /// The last pair of which neither order worked. Whatever stands in its way is found soonest if it is the next to be tried.
    hard: Option<u32>,
    steps: u64,
}

impl<'a> Search<'a> {
    fn new(index: &Index<'a>, edges: &Followed, steps: u64) -> Search<'a> {
        let reach = Reach::new(index.transactions.len(), edges);
        let mut readers: HashMap<(&Bytes, u32), Vec<u32>, FixedState> = HashMap::default();
        let mut writers: HashMap<&Bytes, Vec<u32>, FixedState> = HashMap::default();
        let mut keys: Vec<&Bytes> = Vec::new();
        for (at, transaction) in (0u32..).zip(&index.transactions) {
            for access in transaction.accesses {
                match access {
                    Access::Write { key, .. } => {
                        let of_key = writers.entry(key).or_insert_with(|| {
                            keys.push(key);
                            Vec::new()
                        });
                        if of_key.last() != Some(&at) {
                            of_key.push(at);
                        }
                    }
                    Access::Read { key, value: Some(Some(value)) } if transaction.returned.is_some() => {
                        if let Some(Written { by: Writer::Committed(by), .. }) = index.set.get(&(key, value)) {
                            readers.entry((key, *by)).or_default().push(at);
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut pairs = Vec::new();
        for key in keys {
            let of_key = &writers[key];
            // The closest first: what they come to decides most of the others.
            for (place, other) in of_key.iter().enumerate() {
                pairs.extend(of_key[..place].iter().rev().map(|one| Pair { key, one: *one, other: *other }));
            }
        }
        let open = Open::new(pairs.len());
        Search { reach, readers, pairs, open, hard: None, steps }
    }

    /// Who would be before himself if `first` came before `second`; nobody if that may be.
    fn against(&mut self, key: &'a Bytes, first: u32, second: u32) -> Result<Option<u32>, Stuck<'a>> {
        let readers = self.readers.get(&(key, first)).map_or(&[][..], Vec::as_slice);
        let steps = 1 + readers.len() as u64;
        let mut all = std::iter::once(first).chain(readers.iter().copied());
        let found = all.find(|one| self.reach.has(second, *one));
        self.spend(steps)?;
        Ok(found)
    }

    fn put(&mut self, key: &'a Bytes, first: u32, second: u32) -> Result<(), Stuck<'a>> {
        let readers = self.readers.get(&(key, first)).cloned().unwrap_or_default();
        for one in std::iter::once(first).chain(readers).filter(|one| *one != second) {
            if !self.reach.has(one, second) {
                self.spend(u64::from(self.reach.nodes()))?;
                self.reach.add(one, second);
            }
        }
        Ok(())
    }

    fn spend(&mut self, steps: u64) -> Result<(), Stuck<'a>> {
        self.steps = self.steps.checked_sub(steps).ok_or(Stuck::Undecided)?;
        Ok(())
    }

    /// Puts down what has no alternative, and tells whether the pair is open still.
    fn settle(&mut self, place: u32) -> Result<bool, Stuck<'a>> {
        let pair @ Pair { key, one, other } = self.pairs[place as usize];
        match (self.against(key, one, other)?, self.against(key, other, one)?) {
            (None, None) => return Ok(true),
            (None, Some(_)) => self.put(key, one, other)?,
            (Some(_), None) => self.put(key, other, one)?,
            (Some(a), Some(b)) => {
                self.hard = Some(place);
                return Err(Stuck::Conflict(pair, Some([a, b]), BTreeSet::from([one, other, a, b])));
            }
        }
        Ok(false)
    }

    /// Orders all pairs, or says which cannot be. An order that does not run is a defect of the search, and shows nothing.
    fn order(&mut self, index: &Index<'a>) -> Result<(), Stuck<'a>> {
        self.order_all()?;
        if self.runs(index) { Ok(()) } else { Err(Stuck::Undecided) }
    }

    /// Whether every answer is right if transactions are run one after the other, in the order that was found.
    fn runs(&self, index: &Index<'a>) -> bool {
        // Whoever comes before others comes before more than they do.
        let mut order: Vec<u32> = (0..self.reach.nodes()).collect();
        order.sort_by_key(|at| Reverse(self.reach.count(*at)));
        let mut held: HashMap<&Bytes, &Bytes, FixedState> = HashMap::default();
        order.iter().all(|at| {
            let transaction = &index.transactions[*at as usize];
            transaction.accesses.iter().all(|access| match access {
                Access::Write { key, value } => {
                    held.insert(key, value);
                    true
                }
                Access::Read { key, value: Some(value) } if transaction.returned.is_some() => {
                    held.get(key).copied() == value.as_ref()
                }
                _ => true,
            })
        })
    }

    fn order_all(&mut self) -> Result<(), Stuck<'a>> {
        self.settle_all()?;
        let known = self.known();
        match self.in_order_of_record() {
            Err(Stuck::Conflict(..)) => self.take_back(known),
            done => return done,
        }
        let mut trials: Vec<Trial> = Vec::new();
        while let Some(place) = self.hard.filter(|place| self.open.has(*place)).or_else(|| self.open.first()) {
            trials.push(Trial { place, known: self.known(), turned: None });
            self.open.leave(place);
            let Pair { key, one, other } = self.pairs[place as usize];
            let mut result = self.put(key, one, other).and_then(|()| self.settle_all());
            while let Err(stuck) = result {
                result = self.turn(&mut trials, stuck);
                if trials.is_empty() {
                    return result;
                }
            }
        }
        Ok(())
    }

    /// Takes the last trial back and goes the other way, or, if it did, takes it back for good.
    fn turn(&mut self, trials: &mut Vec<Trial>, stuck: Stuck<'a>) -> Result<(), Stuck<'a>> {
        let (Stuck::Conflict(_, _, mut part), Some(trial)) = (stuck, trials.pop()) else {
            trials.clear();
            return Err(Stuck::Undecided);
        };
        self.take_back(trial.known);
        let pair = self.pairs[trial.place as usize];
        if let Some(others) = trial.turned {
            part.extend(others);
            part.extend([pair.one, pair.other]);
            return Err(Stuck::Conflict(pair, None, part));
        }
        self.open.leave(trial.place);
        trials.push(Trial { turned: Some(part), ..trial });
        self.put(pair.key, pair.other, pair.one).and_then(|()| self.settle_all())
    }

    /// How much was learnt so far, and how many pairs were ordered.
    fn known(&self) -> (usize, usize) {
        (self.reach.learnt(), self.open.gone.len())
    }

    fn take_back(&mut self, (learnt, gone): (usize, usize)) {
        self.reach.take_back(learnt);
        self.open.take_back(gone);
    }

    /// Puts down what has no alternative, and what has none then, and so on.
    fn settle_all(&mut self) -> Result<(), Stuck<'a>> {
        loop {
            let before = self.open.gone.len();
            let mut at = self.open.first();
            while let Some(place) = at {
                at = self.open.after(place);
                if !self.settle(place)? {
                    self.open.leave(place);
                }
            }
            if self.open.gone.len() == before {
                return Ok(());
            }
        }
    }

    /// Mostly any order will do: each writer after those who were recorded before.
    fn in_order_of_record(&mut self) -> Result<(), Stuck<'a>> {
        let mut at = self.open.first();
        while let Some(place) = at {
            at = self.open.after(place);
            if self.settle(place)? {
                let Pair { key, one, other } = self.pairs[place as usize];
                self.put(key, one, other)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};

    #[test]
    fn places_that_left_come_back_where_they_were() {
        for seed in 0..200 {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let count = rng.random_range(1..12u32);
            let mut open = Open::new(count as usize);
            let mut gone: Vec<u32> = Vec::new();
            for _ in 0..60 {
                let here: Vec<u32> = std::iter::successors(open.first(), |place| open.after(*place)).collect();
                assert_eq!(here, (0..count).filter(|place| !gone.contains(place)).collect::<Vec<u32>>(), "seed {seed}");
                if here.is_empty() || rng.random_ratio(1, 3) {
                    gone.truncate(rng.random_range(0..=gone.len()));
                    open.take_back(gone.len());
                } else {
                    let place = here[rng.random_range(0..here.len())];
                    open.leave(place);
                    gone.push(place);
                }
            }
        }
    }
}
