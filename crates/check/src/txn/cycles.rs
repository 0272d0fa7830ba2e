//! Cycles of dependencies by name. In each group of transactions that depend on each other the shortest cycle of each
//! kind is looked for, breadth first over transactions and what the way there was like.

use super::graph::{DATA, Edge, Followed, Graph, Kind, Kinds};
use super::index::Index;
use super::level::{Anomaly, AnomalyKind};
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

/// The cycles of `graph`, at most one of each name per group, and whether `visits` transactions visited were enough to
/// look for all of them.
pub(super) fn anomalies(graph: &Graph, index: &Index<'_>, mut visits: usize) -> (Vec<Anomaly>, bool) {
    let mut found = Vec::new();
    let layers: [(Kinds, [AnomalyKind; 5]); 3] = [
        (0, PLAIN.each_ref().map(|pattern| pattern.kind)),
        (
            Kind::Process as u8,
            [
                AnomalyKind::G0Process,
                AnomalyKind::G1cProcess,
                AnomalyKind::GSingleProcess,
                AnomalyKind::GNonadjacentProcess,
                AnomalyKind::G2ItemProcess,
            ],
        ),
        (
            Kind::RealTime as u8,
            [
                AnomalyKind::G0Realtime,
                AnomalyKind::G1cRealtime,
                AnomalyKind::GSingleRealtime,
                AnomalyKind::GNonadjacentRealtime,
                AnomalyKind::G2ItemRealtime,
            ],
        ),
    ];
    // Who is in a cycle that was named already: with more edges there are more cycles through them, which tell nothing.
    let mut named: BTreeSet<u32> = BTreeSet::new();
    for (extra, names) in layers {
        let followed = graph.followed(DATA | extra);
        let mut newly = Vec::new();
        for group in followed.groups() {
            let group: BTreeSet<u32> = group.into_iter().collect();
            if group.iter().any(|node| named.contains(node)) {
                continue;
            }
            let mut explained = false;
            for (pattern, name) in PLAIN.iter().zip(names) {
                // What is a cycle with one anti-dependency is not also one with more.
                if explained && pattern.demands == Demands::Several {
                    continue;
                }
                let search = Search { followed: &followed, group: &group, pattern, extra };
                if let Some(cycle) = search.shortest(&mut visits) {
                    newly.extend(cycle.iter().map(|edge| edge.from));
                    explained |= pattern.first == Kind::ReadWrite;
                    found.push(described(name, &cycle, index));
                }
            }
        }
        named.extend(newly);
    }
    (found, visits > 0)
}

/// What the way to a transaction was like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    at: u32,
    /// The last edge was an anti-dependency.
    anti: bool,
    /// There were two or more.
    several: bool,
    /// There was an edge of the extra kind.
    extra: bool,
}

struct Search<'a> {
    followed: &'a Followed,
    group: &'a BTreeSet<u32>,
    pattern: &'a Pattern,
    /// A kind that must be in the cycle besides; 0 if none.
    extra: Kinds,
}

impl Search<'_> {
    fn shortest(&self, visits: &mut usize) -> Option<Vec<Edge>> {
        let beginnings = self.group.iter().flat_map(|node| self.followed.from(*node));
        let beginnings = beginnings.filter(|edge| edge.kind == self.pattern.first && self.group.contains(&edge.to));
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
        let begin = Way { at: first.to, anti, several: false, extra: false };
        let mut came: BTreeMap<Way, Option<(Way, Edge)>> = BTreeMap::from([(begin, None)]);
        let mut queue = VecDeque::from([(begin, 1usize)]);
        while let Some((way, length)) = queue.pop_front() {
            if length + 1 >= most || *visits == 0 {
                return None;
            }
            *visits -= 1;
            for edge in self.followed.from(way.at) {
                let kind = edge.kind as u8;
                if kind & (self.pattern.rest | self.extra) == 0 || !self.group.contains(&edge.to) {
                    continue;
                }
                let anti = edge.kind == Kind::ReadWrite;
                let apart = self.pattern.demands == Demands::Apart;
                if apart && anti && (way.anti || edge.to == first.from) {
                    continue;
                }
                let next =
                    Way { at: edge.to, anti, several: way.several || anti, extra: way.extra || kind & self.extra != 0 };
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
    match edge.kind {
        Kind::WriteWrite => format!("T{from} wrote the version that T{to} overwrote (ww)"),
        Kind::WriteRead => format!("T{from} wrote what T{to} read (wr)"),
        Kind::ReadWrite => format!("T{from} read the version that T{to} overwrote (rw)"),
        Kind::Process => format!("T{from} came before T{to} in the same process"),
        Kind::RealTime => format!("T{from} was over before T{to} began"),
    }
}
