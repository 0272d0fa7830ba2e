//! Cycles of dependencies by name. In each group of transactions that depend on each other the shortest cycle of each
//! kind is looked for, breadth first over transactions and what the way there was like.

use super::graph::{DATA, Edge, Followed, Graph, Groups, Kind, Kinds};
use super::index::Index;
use super::level::{Anomaly, AnomalyKind, Isolation};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a cycle of one name is made of.
struct Pattern {
    kind: AnomalyKind,
    /// The edge it begins with.
    first: Kind,
    /// The edges it goes on with.
    rest: Kinds,
    demands: Demands,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Demands {
    Nothing,
    /// Two anti-dependencies or more, no two of them neighbours.
    Apart,
    /// Two anti-dependencies or more.
    Several,
}

const WW: Kinds = Kind::WriteWrite as u8;
const WR: Kinds = Kind::WriteRead as u8;

const fn pattern(kind: AnomalyKind, first: Kind, rest: Kinds, demands: Demands) -> Pattern {
    Pattern { kind, first, rest, demands }
}

const PLAIN: [Pattern; 5] = [
    pattern(AnomalyKind::G0, Kind::WriteWrite, WW, Demands::Nothing),
    pattern(AnomalyKind::G1c, Kind::WriteRead, WW | WR, Demands::Nothing),
    pattern(AnomalyKind::GSingle, Kind::ReadWrite, WW | WR, Demands::Nothing),
    pattern(AnomalyKind::GNonadjacent, Kind::ReadWrite, DATA, Demands::Apart),
    pattern(AnomalyKind::G2Item, Kind::ReadWrite, DATA, Demands::Several),
];

/// The names of the cycles above, in their order, with edges of a kind besides.
type Names = [AnomalyKind; 5];

const IN_PROCESSES: Names = [
    AnomalyKind::G0Process,
    AnomalyKind::G1cProcess,
    AnomalyKind::GSingleProcess,
    AnomalyKind::GNonadjacentProcess,
    AnomalyKind::G2ItemProcess,
];

const IN_REAL_TIME: Names = [
    AnomalyKind::G0Realtime,
    AnomalyKind::G1cRealtime,
    AnomalyKind::GSingleRealtime,
    AnomalyKind::GNonadjacentRealtime,
    AnomalyKind::G2ItemRealtime,
];

/// The cycles of a graph.
pub(super) struct Cycles {
    /// At most one of each name per group that can have it.
    pub(super) found: Vec<Anomaly>,
    /// The weakest level that may be contradicted by what was not looked for, for want of visits.
    pub(super) undecided: Option<Isolation>,
    visits: usize,
    /// Who is in a cycle that was named already: with more edges there are more cycles through them, which tell nothing.
    named: BTreeSet<u32>,
}

/// The cycles of `graph`, for which so many transactions are visited in all.
pub(super) fn anomalies(graph: &Graph, index: &Index<'_>, visits: usize) -> Cycles {
    let mut cycles = Cycles { found: Vec::new(), undecided: None, visits, named: BTreeSet::new() };
    let plain = PLAIN.each_ref().map(|pattern| pattern.kind);
    let (process, real_time) = (Kind::Process as u8, Kind::RealTime as u8);
    for (extra, names) in [(0, plain), (process, IN_PROCESSES), (real_time, IN_REAL_TIME)] {
        let followed = graph.followed(DATA | extra);
        let groups = followed.groups(DATA | extra);
        if groups.members.is_empty() {
            continue;
        }
        // What is wrong by simpler reasons, too, is told by these.
        if graph.has_succeeding(extra) {
            let plainly = graph.followed_plainly(DATA | extra);
            cycles.look(&plainly, &plainly.groups(DATA | extra), extra, names, index);
        }
        cycles.look(&followed, &groups, extra, names, index);
    }
    cycles
}

impl Cycles {
    /// Looks for cycles of each kind, the gravest first, so that what is hard to decide of the others is no hindrance.
    fn look(&mut self, followed: &Followed, groups: &Groups, extra: Kinds, names: Names, index: &Index<'_>) {
        let fresh: Vec<bool> =
            groups.members.iter().map(|group| group.iter().all(|node| !self.named.contains(node))).collect();
        let mut explained = vec![false; groups.members.len()];
        for (pattern, name) in PLAIN.iter().zip(names) {
            // A cycle lies within a group of the edges that it may be made of.
            let kinds = pattern.first as u8 | pattern.rest | extra;
            let fewer = (kinds & DATA != DATA).then(|| followed.groups(kinds));
            let within = fewer.as_ref().unwrap_or(groups);
            for (number, group) in (1u32..).zip(&within.members) {
                let Some(whole) = group.first().and_then(|node| (groups.of[*node as usize] as usize).checked_sub(1))
                else {
                    continue;
                };
                // What is a cycle with one anti-dependency is not also one with more.
                if !fresh[whole] || (explained[whole] && pattern.demands == Demands::Several) {
                    continue;
                }
                let search = Search { followed, group, of: &within.of, number, pattern, extra };
                if let Some(cycle) = search.shortest(&mut self.visits) {
                    self.named.extend(cycle.iter().map(|edge| edge.from));
                    explained[whole] |= pattern.first == Kind::ReadWrite;
                    self.found.push(described(name, &cycle, index));
                }
                if self.visits == 0 {
                    let level = name.weakest_contradicted();
                    self.undecided = Some(self.undecided.map_or(level, |before| before.min(level)));
                }
            }
        }
    }
}

/// What the way to a transaction was like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    at: u32,
    /// The last edge was an anti-dependency.
    anti: bool,
    /// There were two or more.
    several: bool,
    /// There was an edge of the extra kind, or one that holds by it.
    extra: bool,
}

struct Search<'a> {
    followed: &'a Followed,
    group: &'a [u32],
    /// Of each transaction the number of its group, and the one of this.
    of: &'a [u32],
    number: u32,
    pattern: &'a Pattern,
    /// A kind that must be in the cycle besides; 0 if none.
    extra: Kinds,
}

impl Search<'_> {
    fn has(&self, node: u32) -> bool {
        self.of[node as usize] == self.number
    }

    fn shortest(&self, visits: &mut usize) -> Option<Vec<Edge>> {
        let beginnings = self.group.iter().flat_map(|node| self.followed.from(*node));
        let beginnings = beginnings.filter(|edge| edge.kind == self.pattern.first && self.has(edge.to));
        let mut best: Option<Vec<Edge>> = None;
        for edge in beginnings {
            let most = best.as_ref().map_or(usize::MAX, Vec::len);
            if let Some(cycle) = self.back(*edge, most, visits) {
                best = Some(cycle);
            }
            if best.as_ref().is_some_and(|best| best.len() == 2) || *visits == 0 {
                break;
            }
        }
        best
    }

    /// The shortest way from the end of `first` back to its beginning, if the cycle is shorter than `most`.
    fn back(&self, first: Edge, most: usize, visits: &mut usize) -> Option<Vec<Edge>> {
        let anti = first.kind == Kind::ReadWrite;
        let begin = Way { at: first.to, anti, several: false, extra: first.by.is_some() };
        let mut came: BTreeMap<Way, Option<(Way, Edge)>> = BTreeMap::from([(begin, None)]);
        let mut queue = VecDeque::from([(begin, 1usize)]);
        while let Some((way, length)) = queue.pop_front() {
            if length + 1 >= most || *visits == 0 {
                return None;
            }
            *visits -= 1;
            for edge in self.followed.from(way.at) {
                let kind = edge.kind as u8;
                if kind & (self.pattern.rest | self.extra) == 0 || !self.has(edge.to) {
                    continue;
                }
                let anti = edge.kind == Kind::ReadWrite;
                let apart = self.pattern.demands == Demands::Apart;
                if apart && anti && (way.anti || edge.to == first.from) {
                    continue;
                }
                let extra = way.extra || edge.by.is_some() || kind & self.extra != 0;
                let next = Way { at: edge.to, anti, several: way.several || anti, extra };
                if came.contains_key(&next) {
                    continue;
                }
                came.insert(next, Some((way, *edge)));
                let several = self.pattern.demands == Demands::Nothing || next.several;
                if edge.to == first.from && several && (self.extra == 0 || next.extra) {
                    let cycle = trail(first, next, &came);
                    if is_simple(&cycle) {
                        return Some(cycle);
                    }
                } else if edge.to != first.from {
                    queue.push_back((next, length + 1));
                }
            }
        }
        None
    }
}

fn trail(first: Edge, end: Way, came: &BTreeMap<Way, Option<(Way, Edge)>>) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut way = end;
    while let Some(Some((before, edge))) = came.get(&way) {
        edges.push(*edge);
        way = *before;
    }
    edges.push(first);
    edges.reverse();
    edges
}

fn is_simple(cycle: &[Edge]) -> bool {
    let nodes: BTreeSet<u32> = cycle.iter().map(|edge| edge.from).collect();
    nodes.len() == cycle.len()
}

fn described(kind: AnomalyKind, cycle: &[Edge], index: &Index<'_>) -> Anomaly {
    let transactions: Vec<u32> = cycle.iter().map(|edge| index.id(edge.from)).collect();
    let names: Vec<String> = transactions.iter().map(|id| format!("T{id}")).collect();
    let cause = format!("{kind}: {} each come before the next, and the last before the first", names.join(", "));
    let details = cycle.iter().map(|edge| step(edge, index)).collect();
    Anomaly { kind, transactions, cause, details }
}

/// A dependency in words.
pub(super) fn step(edge: &Edge, index: &Index<'_>) -> String {
    let (from, to) = (index.id(edge.from), index.id(edge.to));
    if let Some(order) = edge.by {
        let (did, kind) = if edge.kind == Kind::WriteWrite { ("wrote", "ww") } else { ("read", "rw") };
        let order = if order == Kind::Process { "the order within a process" } else { "real time" };
        return format!("T{from} {did} an older version than the one that T{to} wrote, by {order} ({kind})");
    }
    match edge.kind {
        Kind::WriteWrite => format!("T{from} wrote the version that T{to} overwrote (ww)"),
        Kind::WriteRead => format!("T{from} wrote what T{to} read (wr)"),
        Kind::ReadWrite => format!("T{from} read the version that T{to} overwrote (rw)"),
        Kind::Process => format!("T{from} came before T{to} in the same process"),
        Kind::RealTime => format!("T{from} was over before T{to} began"),
    }
}
