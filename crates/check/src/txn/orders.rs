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
use crate::linear::FixedState;
use crate::model::Bytes;
use std::collections::{BTreeSet, HashMap};

/// Transactions that a history may have: what reaches what is kept as a square of bits.
const MOST: usize = 1_024;

/// Steps that may be taken in all, of some nanoseconds each: to ask whether one transaction is known to come before another
/// is one, and to learn it one for each transaction.
const STEPS: u64 = 32_000_000;

/// So many pairs may be tried at one time, for each keeps what was known before.
const TRIED: u32 = 64;

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
    OutOfSteps,
}

/// The anomaly that no order of versions works, at the weakest level of which that can be shown. `found` is what is known already.
pub(super) fn anomaly(index: &Index<'_>, graph: &Graph, found: &[Anomaly]) -> Option<Anomaly> {
    if index.set.is_empty() || index.transactions.len() > MOST {
        return None;
    }
    let levels = [
        (0, AnomalyKind::NoVersionOrder, Isolation::Serializable),
        (Kind::Process as u8, AnomalyKind::NoVersionOrderProcess, Isolation::StrongSessionSerializable),
        (Kind::RealTime as u8, AnomalyKind::NoVersionOrderRealtime, Isolation::StrictSerializable),
    ];
    let mut steps = STEPS;
    for (extra, kind, level) in levels {
        if found.iter().any(|anomaly| anomaly.kind.contradicts(level)) {
            return None;
        }
        let edges = graph.followed(DATA | extra);
        let (mut search, pairs) = Search::new(index, &edges, steps);
        if let Err(Stuck::Conflict(pair, twice, part)) = search.order(pairs, 0) {
            return Some(described(index, &edges, kind, pair, twice, part));
        }
        steps = search.steps;
    }
    None
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

/// What reaches what, as a square of bits.
#[derive(Clone)]
struct Reach {
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    /// What follows from the edges, which close no cycle.
    fn new(nodes: usize, edges: &Followed) -> Reach {
        let words = nodes.div_ceil(64);
        let mut reach = Reach { words, bits: vec![0; nodes * words] };
        // Depth first: what a node reaches is whole before what comes before it is.
        let mut state = vec![0usize; nodes];
        let mut path: Vec<u32> = Vec::new();
        for root in (0u32..).take(nodes) {
            if state[root as usize] > 0 {
                continue;
            }
            state[root as usize] = 1;
            path.push(root);
            while let Some(node) = path.last().copied() {
                let at = node as usize;
                match edges.from(node).get(state[at] - 1) {
                    Some(edge) => {
                        state[at] += 1;
                        if state[edge.to as usize] == 0 {
                            state[edge.to as usize] = 1;
                            path.push(edge.to);
                        }
                    }
                    None => {
                        path.pop();
                        for edge in edges.from(node) {
                            reach.take_in(at, edge.to as usize);
                        }
                    }
                }
            }
        }
        reach
    }

    fn nodes(&self) -> u32 {
        u32::try_from(self.bits.len() / self.words.max(1)).unwrap_or(u32::MAX)
    }

    fn has(&self, from: u32, to: u32) -> bool {
        self.bits[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }

    /// `from` reaches `to`, and all that it reaches.
    fn take_in(&mut self, from: usize, to: usize) {
        let (from, of) = (from * self.words, to * self.words);
        for word in 0..self.words {
            self.bits[from + word] |= self.bits[of + word];
        }
        self.bits[from + to / 64] |= 1 << (to % 64);
    }

    /// `from` comes before `to`, and so does what comes before it.
    fn add(&mut self, from: u32, to: u32) {
        for node in (0..self.nodes()).filter(|node| *node == from || self.has(*node, from)).collect::<Vec<_>>() {
            self.take_in(node as usize, to as usize);
        }
    }
}

struct Search<'a> {
    reach: Reach,
    /// Who read what a transaction left of a register.
    readers: HashMap<(&'a Bytes, u32), Vec<u32>, FixedState>,
    steps: u64,
}

impl<'a> Search<'a> {
    /// A search, and the pairs that it is to order.
    fn new(index: &Index<'a>, edges: &Followed, steps: u64) -> (Search<'a>, Vec<Pair<'a>>) {
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
            for (place, one) in of_key.iter().enumerate() {
                pairs.extend(of_key[place + 1..].iter().map(|other| Pair { key, one: *one, other: *other }));
            }
        }
        (Search { reach, readers, steps }, pairs)
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
        self.steps = self.steps.checked_sub(steps).ok_or(Stuck::OutOfSteps)?;
        Ok(())
    }

    /// Puts down what has no alternative, and tells whether the pair is open still.
    fn settle(&mut self, pair: Pair<'a>) -> Result<bool, Stuck<'a>> {
        let Pair { key, one, other } = pair;
        match (self.against(key, one, other)?, self.against(key, other, one)?) {
            (None, None) => return Ok(true),
            (None, Some(_)) => self.put(key, one, other)?,
            (Some(_), None) => self.put(key, other, one)?,
            (Some(a), Some(b)) => return Err(Stuck::Conflict(pair, Some([a, b]), BTreeSet::from([one, other, a, b]))),
        }
        Ok(false)
    }

    /// Orders all pairs, or says which cannot be. `tried` pairs are on trial.
    fn order(&mut self, mut open: Vec<Pair<'a>>, tried: u32) -> Result<(), Stuck<'a>> {
        loop {
            let before = open.len();
            let mut left = Vec::with_capacity(before);
            for pair in open {
                if self.settle(pair)? {
                    left.push(pair);
                }
            }
            open = left;
            if open.len() == before {
                break;
            }
        }
        // Mostly any order will do: each writer after those who were recorded before.
        let known = self.reach.clone();
        match self.in_order_of_record(&open) {
            Err(Stuck::Conflict(..)) => self.reach.clone_from(&known),
            done => return done,
        }
        let Some(pair) = open.pop() else { return Ok(()) };
        if tried == TRIED {
            return Err(Stuck::OutOfSteps);
        }
        self.put(pair.key, pair.one, pair.other)?;
        match self.order(open.clone(), tried + 1) {
            Err(Stuck::Conflict(_, _, mut part)) => {
                self.reach = known;
                self.put(pair.key, pair.other, pair.one)?;
                self.order(open, tried + 1).map_err(|stuck| match stuck {
                    Stuck::Conflict(_, _, others) => {
                        part.extend(others);
                        part.extend([pair.one, pair.other]);
                        Stuck::Conflict(pair, None, part)
                    }
                    Stuck::OutOfSteps => Stuck::OutOfSteps,
                })
            }
            done => done,
        }
    }

    fn in_order_of_record(&mut self, open: &[Pair<'a>]) -> Result<(), Stuck<'a>> {
        for pair in open {
            if self.settle(*pair)? {
                self.put(pair.key, pair.one, pair.other)?;
            }
        }
        Ok(())
    }
}
