//! Which transaction depends on which, and groups of transactions that depend on each other.

use super::index::Index;
use crate::history::Process;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    /// It wrote the version before.
    WriteWrite = 1,
    /// The other read what it wrote.
    WriteRead = 2,
    /// The other wrote the version after the one it read.
    ReadWrite = 4,
    /// It came before in the same process.
    Process = 8,
    /// It was over before the other began.
    RealTime = 16,
}

/// A set of [`Kind`]s.
pub(super) type Kinds = u8;

/// Dependencies on data.
pub(super) const DATA: Kinds = 1 | 2 | 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) kind: Kind,
    /// The order that has to be promised for it to hold, if any.
    pub(super) by: Option<Kind>,
}

pub(super) struct Graph {
    nodes: usize,
    edges: Vec<Edge>,
    /// Anti-dependencies on writers that began after the version had been seen.
    timed: Vec<Edge>,
    /// What follows from two versions that were seen one after the other.
    succeeding: Vec<Edge>,
}

/// Groups of two or more nodes that all reach each other, each in order.
pub(super) struct Groups {
    pub(super) members: Vec<Vec<u32>>,
    /// Of each node the number of its group, from 1 on; 0 if it is in none.
    pub(super) of: Vec<u32>,
}

/// A graph whose edges can be followed.
pub(super) struct Followed {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Edge {
    /// Whether it holds by one of these orders.
    fn holds(&self, orders: Kinds) -> bool {
        self.by.is_some_and(|order| order as u8 & orders != 0)
    }
}

impl Graph {
    pub(super) fn new(nodes: usize) -> Self {
        Graph { nodes, edges: Vec::new(), timed: Vec::new(), succeeding: Vec::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.edges.len()
    }

    /// `from` comes before `to`; what depends on itself depends on nothing.
    pub(super) fn add(&mut self, from: u32, to: u32, kind: Kind) {
        if from != to {
            self.edges.push(Edge { from, to, kind, by: None });
        }
    }

    /// `from` reads a version that is older than the one which `to` writes, where `order` is promised.
    pub(super) fn add_timed(&mut self, from: u32, to: u32, order: Kind) {
        if from != to {
            self.timed.push(Edge { from, to, kind: Kind::ReadWrite, by: Some(order) });
        }
    }

    /// `from` wrote a version, or read it, that was seen before the one which `to` wrote, where `order` is promised.
    pub(super) fn add_succeeding(&mut self, from: u32, to: u32, kind: Kind, order: Kind) {
        if from != to {
            self.succeeding.push(Edge { from, to, kind, by: Some(order) });
        }
    }

    /// Whether anything follows from versions that were seen in `order`.
    pub(super) fn has_succeeding(&self, order: Kinds) -> bool {
        self.succeeding.iter().any(|edge| edge.holds(order))
    }

    /// Each transaction after the one before it in its process.
    pub(super) fn add_processes(&mut self, index: &Index<'_>) {
        let mut last: BTreeMap<&Process, (u64, u32)> = BTreeMap::new();
        let mut order: Vec<u32> = (0u32..).take(self.nodes).collect();
        order.sort_by_key(|at| index.transactions[*at as usize].call);
        for at in order {
            let transaction = &index.transactions[at as usize];
            if let Some((returned, before)) = last.get(transaction.process)
                && *returned <= transaction.call
            {
                self.add(*before, at, Kind::Process);
            }
            // What has no answer may come after what its process did next, which comes after the one before it all the same.
            if let Some(returned) = transaction.returned {
                last.insert(transaction.process, (returned, at));
            }
        }
    }

    /// Each transaction after those that were over before it began, but for what follows from others: of the ones that
    /// are over, only those matter that nothing came after which is over too.
    pub(super) fn add_real_time(&mut self, index: &Index<'_>) {
        let mut calls: Vec<u32> = (0u32..).take(self.nodes).collect();
        calls.sort_by_key(|at| index.transactions[*at as usize].call);
        let mut open: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        // What is over, by return; and for each transaction the latest call, so that it supersedes what returned before.
        let mut over: Vec<(u64, u32)> = Vec::new();
        for at in calls {
            let call = index.transactions[at as usize].call;
            while let Some(Reverse((returned, done))) = open.peek().copied()
                && returned < call
            {
                open.pop();
                let began = index.transactions[done as usize].call;
                over.retain(|(before, _)| *before >= began);
                over.push((returned, done));
            }
            for (_, before) in &over {
                self.add(*before, at, Kind::RealTime);
            }
            if let Some(returned) = index.transactions[at as usize].returned {
                open.push(Reverse((returned, at)));
            }
        }
    }

    /// The edges of these kinds, to be followed.
    pub(super) fn followed(&self, kinds: Kinds) -> Followed {
        self.follow(kinds, &self.succeeding)
    }

    /// The same without what follows from two versions that were seen one after the other.
    pub(super) fn followed_plainly(&self, kinds: Kinds) -> Followed {
        self.follow(kinds, &[])
    }

    fn follow(&self, kinds: Kinds, succeeding: &[Edge]) -> Followed {
        let mut edges: Vec<Edge> = self.edges.iter().copied().filter(|edge| edge.kind as u8 & kinds != 0).collect();
        edges.extend(self.timed.iter().chain(succeeding).filter(|edge| edge.holds(kinds)));
        edges.sort_unstable();
        // What holds anyway is first.
        edges.dedup_by_key(|edge| (edge.from, edge.to, edge.kind));
        let mut starts = vec![0u32; self.nodes + 1];
        for edge in &edges {
            starts[edge.from as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Followed { starts, edges }
    }
}

impl Followed {
    pub(super) fn from(&self, node: u32) -> &[Edge] {
        &self.edges[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    /// A shortest way from one node to another; empty if there is none.
    pub(super) fn way(&self, from: u32, to: u32) -> Vec<Edge> {
        let mut came: Vec<Option<Edge>> = vec![None; self.starts.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front().filter(|node| *node != to) {
            for edge in self.from(node).iter().filter(|edge| edge.to != from) {
                if came[edge.to as usize].is_none() {
                    came[edge.to as usize] = Some(*edge);
                    queue.push_back(edge.to);
                }
            }
        }
        let mut way: Vec<Edge> = std::iter::successors(came[to as usize], |edge| came[edge.from as usize]).collect();
        way.reverse();
        way
    }

    /// Groups of nodes that all reach each other by edges of these kinds (Tarjan 1972), without recursion.
    pub(super) fn groups(&self, kinds: Kinds) -> Groups {
        const NEW: u32 = u32::MAX;
        let nodes = self.starts.len() - 1;
        let (mut number, mut low) = (vec![NEW; nodes], vec![0u32; nodes]);
        let mut on_stack = vec![false; nodes];
        let mut stack: Vec<u32> = Vec::new();
        let mut path: Vec<(u32, u32)> = Vec::new();
        let mut count = 0;
        let mut groups = Groups { members: Vec::new(), of: vec![0; nodes] };
        for root in (0u32..).take(nodes) {
            if number[root as usize] != NEW {
                continue;
            }
            path.push((root, 0));
            while let Some((node, next)) = path.last_mut() {
                let (at, place) = (*node, *next);
                if place == 0 {
                    number[at as usize] = count;
                    low[at as usize] = count;
                    count += 1;
                    stack.push(at);
                    on_stack[at as usize] = true;
                }
                if let Some(edge) = self.from(at).get(place as usize) {
                    *next += 1;
                    let to = edge.to as usize;
                    if edge.kind as u8 & kinds == 0 {
                        continue;
                    }
                    if number[to] == NEW {
                        path.push((edge.to, 0));
                    } else if on_stack[to] {
                        low[at as usize] = low[at as usize].min(number[to]);
                    }
                    continue;
                }
                path.pop();
                if let Some((parent, _)) = path.last() {
                    low[*parent as usize] = low[*parent as usize].min(low[at as usize]);
                }
                if low[at as usize] == number[at as usize] {
                    let from = stack.iter().rposition(|node| *node == at).unwrap_or(0);
                    let mut group = stack.split_off(from);
                    group.iter().for_each(|node| on_stack[*node as usize] = false);
                    if group.len() > 1 {
                        group.sort_unstable();
                        groups.members.push(group);
                        let number = u32::try_from(groups.members.len()).unwrap_or(u32::MAX);
                        groups
                            .members
                            .iter()
                            .next_back()
                            .into_iter()
                            .flatten()
                            .for_each(|node| groups.of[*node as usize] = number);
                    }
                }
            }
        }
        groups
    }
}
