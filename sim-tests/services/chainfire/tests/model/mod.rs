//! A model of a cluster around the Raft core: wires, disks and crashes under a test's control, and the invariants of
//! Raft checked after every step. Nothing in it waits, and time is a number.
#![allow(dead_code, unreachable_pub, reason = "each test target uses a part of the model")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chainfire::config::{Limits, Timing};
use chainfire::probe::Probe;
use chainfire::raft::log::chain;
use chainfire::raft::{
    Entry, HardState, Index, LogOperation, Message, NodeId, Options, Outgoing, Raft, Recovered, Snapshot, SnapshotMeta,
    Term, Write, WriteId,
};

pub mod storm;

type Probes = Arc<Mutex<Vec<(NodeId, Probe)>>>;

/// What survives a crash.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub hard_state: HardState,
    pub snapshot: Option<Snapshot>,
    pub entries: Vec<Entry>,
}

impl Disk {
    fn base(&self) -> SnapshotMeta {
        self.snapshot.as_ref().map_or_else(SnapshotMeta::default, |snapshot| snapshot.meta)
    }

    fn apply(&mut self, write: Write) {
        if let Some(state) = write.hard_state {
            self.hard_state = state;
        }
        for operation in write.operations {
            match operation {
                LogOperation::Truncate(from) => self.entries.retain(|entry| entry.index < from),
                LogOperation::Append(entries) => self.entries.extend(entries),
                LogOperation::Install(snapshot) => {
                    self.entries.clear();
                    self.snapshot = Some(snapshot);
                }
                LogOperation::Compact(_) => {}
            }
        }
    }

    /// A snapshot of the applied state is on the disk; the entries it covers are forgotten.
    fn take_snapshot(&mut self, snapshot: Snapshot) {
        self.entries.retain(|entry| entry.index > snapshot.meta.index);
        self.snapshot = Some(snapshot);
    }

    /// The log by index, with chain hashes.
    fn log(&self) -> BTreeMap<Index, (Term, u64)> {
        let base = self.base();
        let mut hash = base.hash;
        let mut log = BTreeMap::from([(base.index, (base.term, base.hash))]);
        for entry in &self.entries {
            hash = chain(hash, entry);
            log.insert(entry.index, (entry.term, hash));
        }
        log
    }
}

pub struct Node {
    pub raft: Option<Raft>,
    pub disk: Disk,
    writes: VecDeque<Write>,
    held: Vec<(WriteId, NodeId, Message)>,
    durable: WriteId,
    /// The log in memory, as the probes tell it.
    log: BTreeMap<Index, (Term, u64)>,
    pub applied: SnapshotMeta,
    /// Reads confirmed, with the commit index then.
    pub reads: BTreeMap<u64, Index>,
    pub lost_leadership: u32,
    /// The node stopped because it was told to drop what is committed.
    pub violated: bool,
}

impl Node {
    /// A write is not yet durable.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }
}

pub struct Model {
    pub nodes: BTreeMap<NodeId, Node>,
    /// Messages under way.
    pub wire: VecDeque<(NodeId, NodeId, Message)>,
    /// Directed links that drop everything.
    pub cut: BTreeSet<(NodeId, NodeId)>,
    pub now: Duration,
    /// Disks sync by themselves, at once.
    pub synced: bool,
    pub limits: Limits,
    probes: Probes,
    leaders: BTreeMap<Term, NodeId>,
    pub committed: BTreeMap<Index, (Term, u64)>,
    seed: u64,
    next_read: u64,
    reads_after: BTreeMap<u64, Index>,
}

pub fn id(number: u64) -> NodeId {
    NodeId(number)
}

impl Model {
    pub fn new(size: u64, seed: u64) -> Self {
        let limits = Limits { snapshot_trailing: 2, append_window: 3, ..Limits::default() };
        let mut model = Model {
            nodes: BTreeMap::new(),
            wire: VecDeque::new(),
            cut: BTreeSet::new(),
            now: Duration::from_secs(1),
            synced: true,
            limits,
            probes: Probes::default(),
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            seed,
            next_read: 0,
            reads_after: BTreeMap::new(),
        };
        for number in 1..=size {
            let node = Node {
                raft: None,
                disk: Disk::default(),
                writes: VecDeque::new(),
                held: Vec::new(),
                durable: 0,
                log: BTreeMap::new(),
                applied: SnapshotMeta::default(),
                reads: BTreeMap::new(),
                lost_leadership: 0,
                violated: false,
            };
            model.nodes.insert(id(number), node);
        }
        for number in 1..=size {
            model.start(id(number));
        }
        model
    }

    fn quorum(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    pub fn raft(&self, node: NodeId) -> &Raft {
        self.nodes[&node].raft.as_ref().expect("the node runs")
    }

    fn raft_mut(&mut self, node: NodeId) -> Option<&mut Raft> {
        self.nodes.get_mut(&node)?.raft.as_mut()
    }

    pub fn start(&mut self, node: NodeId) {
        let voters = self.nodes.keys().copied().collect();
        let sink = Arc::clone(&self.probes);
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(node.0);
        let options = Options {
            id: node,
            voters,
            seed: self.seed,
            timing: Timing::default(),
            limits: self.limits.clone(),
            probes: Some(Arc::new(move |probe| sink.lock().expect("no panics").push((node, probe.clone())))),
        };
        let now = self.now;
        let it = self.nodes.get_mut(&node).expect("a member");
        let disk = it.disk.clone();
        it.log = disk.log();
        it.applied = disk.base();
        let (hard_state, snapshot, entries) = (disk.hard_state, disk.snapshot, disk.entries);
        let recovered = Recovered { hard_state, snapshot, entries, records: Vec::new() };
        it.raft = Some(Raft::new(options, recovered, now));
        it.durable = 0;
    }

    /// Ends a node at once. What was not synced is lost.
    pub fn crash(&mut self, node: NodeId) {
        let it = self.nodes.get_mut(&node).expect("a member");
        it.raft = None;
        it.writes.clear();
        it.held.clear();
        it.reads.clear();
    }

    /// Acts on a node, if it runs, and carries out what it asks for.
    pub fn act(&mut self, node: NodeId, act: impl FnOnce(&mut Raft, Duration)) -> Result<(), String> {
        let now = self.now;
        if let Some(raft) = self.raft_mut(node) {
            act(raft, now);
            self.carry_out(node);
        }
        self.check()
    }

    fn carry_out(&mut self, node: NodeId) {
        loop {
            let (now, synced) = (self.now, self.synced);
            let it = self.nodes.get_mut(&node).expect("a member");
            let Some(raft) = it.raft.as_mut() else { return };
            let ready = raft.ready(now);
            if let Some(write) = ready.write {
                it.writes.push_back(write);
            }
            if let Some(snapshot) = ready.restore {
                it.applied = snapshot.meta;
                it.log = BTreeMap::from([(snapshot.meta.index, (snapshot.meta.term, snapshot.meta.hash))]);
            }
            for (entry, hash) in ready.committed {
                it.applied = SnapshotMeta { index: entry.index, term: entry.term, hash };
            }
            let commit = raft.commit_index();
            it.reads.extend(ready.reads.into_iter().map(|read| (read, commit)));
            it.lost_leadership += u32::from(ready.lost_leadership);
            it.violated |= raft.violation().is_some();
            for Outgoing { to, message, after } in ready.messages {
                match after {
                    Some(write) if write > it.durable => it.held.push((write, to, message)),
                    _ => self.wire.push_back((node, to, message)),
                }
            }
            if self.nodes[&node].violated {
                self.crash(node);
                return;
            }
            if !synced || !self.sync_one(node) {
                return;
            }
        }
    }

    /// Completes the oldest write of a node. Returns whether there was one.
    fn sync_one(&mut self, node: NodeId) -> bool {
        let now = self.now;
        let it = self.nodes.get_mut(&node).expect("a member");
        let Some(write) = it.writes.pop_front() else { return false };
        it.durable = write.id;
        it.disk.apply(write);
        let Some(raft) = it.raft.as_mut() else { return true };
        raft.written(now, it.durable);
        let durable = it.durable;
        for (write, to, message) in std::mem::take(&mut it.held) {
            if write <= durable {
                self.wire.push_back((node, to, message));
            } else {
                it.held.push((write, to, message));
            }
        }
        true
    }

    pub fn sync(&mut self, node: NodeId) -> Result<(), String> {
        self.sync_one(node);
        self.carry_out(node);
        self.check()
    }

    /// Delivers the message at this place of the wire.
    pub fn deliver(&mut self, at: usize) -> Result<(), String> {
        let Some((from, to, message)) = self.wire.remove(at) else { return Ok(()) };
        if self.cut.contains(&(from, to)) {
            return Ok(());
        }
        self.act(to, |raft, now| raft.step(now, from, message))
    }

    /// Delivers everything, and what that causes.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..100_000 {
            if self.wire.is_empty() {
                return Ok(());
            }
            self.deliver(0)?;
        }
        Err("the nodes never stop talking".to_owned())
    }

    /// Delivers everything, and what that causes. Returns how many messages that was.
    pub fn drain(&mut self) -> Result<u32, String> {
        let mut delivered = 0;
        while !self.wire.is_empty() {
            self.deliver(0)?;
            delivered += 1;
        }
        Ok(delivered)
    }

    /// Lets time pass for every node, in steps, delivering everything.
    pub fn run(&mut self, time: Duration) -> Result<(), String> {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(10);
            for node in self.nodes.keys().copied().collect::<Vec<_>>() {
                self.act(node, Raft::tick)?;
            }
            self.settle()?;
        }
        Ok(())
    }

    pub fn isolate(&mut self, node: NodeId) {
        for other in self.nodes.keys().filter(|other| **other != node) {
            self.cut.insert((node, *other));
            self.cut.insert((*other, node));
        }
    }

    /// Mends every link, and tells the nodes that what was under way is lost.
    pub fn heal(&mut self) -> Result<(), String> {
        self.cut.clear();
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        for node in &all {
            for peer in all.iter().filter(|peer| *peer != node) {
                self.act(*node, |raft, _| raft.link_down(*peer))?;
                self.act(*node, |raft, _| raft.link_up(*peer))?;
            }
        }
        Ok(())
    }

    /// The node that leads in the highest term.
    pub fn leader(&self) -> Option<NodeId> {
        let leads = |node: &&NodeId| self.nodes[node].raft.as_ref().is_some_and(Raft::is_leader);
        self.nodes.keys().filter(leads).max_by_key(|node| self.raft(**node).term()).copied()
    }

    pub fn elect(&mut self) -> Result<NodeId, String> {
        for _ in 0..500 {
            if let Some(leader) = self.leader() {
                self.run(Duration::from_millis(100))?;
                return Ok(leader);
            }
            self.run(Duration::from_millis(10))?;
        }
        Err("no leader within 5 s of calm".to_owned())
    }

    pub fn propose(&mut self, node: NodeId, data: &str) -> Result<bool, String> {
        let mut proposed = false;
        let data = Bytes::copy_from_slice(data.as_bytes());
        self.act(node, |raft, _| proposed = raft.propose(data).is_ok())?;
        Ok(proposed)
    }

    /// Asks a node for a read. It must be confirmed at no less than what is committed now.
    pub fn read(&mut self, node: NodeId) -> Result<Option<u64>, String> {
        self.next_read += 1;
        let read = self.next_read;
        self.reads_after.insert(read, self.committed.keys().next_back().copied().unwrap_or(0));
        let mut taken = false;
        self.act(node, |raft, _| taken = raft.read(read).is_ok())?;
        Ok(taken.then_some(read))
    }

    /// Snapshots the applied state of a node.
    pub fn snapshot(&mut self, node: NodeId) -> Result<(), String> {
        let it = self.nodes.get_mut(&node).expect("a member");
        let meta = it.applied;
        if it.raft.is_none() || meta.index <= it.disk.base().index {
            return Ok(());
        }
        // The driver's log writes run in order before the snapshot's compaction does; here it is at once.
        while self.sync_one(node) {}
        let snapshot = Snapshot::new(meta, Bytes::from(vec![meta.index as u8; 100]));
        self.nodes.get_mut(&node).expect("a member").disk.take_snapshot(snapshot.clone());
        self.act(node, |raft, _| raft.snapshot_taken(snapshot))
    }

    /// The invariants, after every step.
    fn check(&mut self) -> Result<(), String> {
        let probes = std::mem::take(&mut *self.probes.lock().expect("no panics"));
        for (node, probe) in probes {
            self.check_probe(node, &probe)?;
        }
        for (node, it) in &self.nodes {
            for (read, at) in &it.reads {
                let needed = self.reads_after[read];
                if *at < needed {
                    return Err(format!("LIN: node {node} served a read at {at}, but {needed} was committed before"));
                }
            }
        }
        Ok(())
    }

    fn check_probe(&mut self, node: NodeId, probe: &Probe) -> Result<(), String> {
        match *probe {
            Probe::Appended { index, term, hash } => {
                self.nodes.get_mut(&node).expect("a member").log.insert(index, (term, hash));
            }
            Probe::Truncated { from, committed } => {
                if from <= committed {
                    return Err(format!("CI: node {node} drops from {from}, committed {committed}"));
                }
                self.nodes.get_mut(&node).expect("a member").log.retain(|index, _| *index < from);
            }
            Probe::BecameLeader { term } => {
                if let Some(other) = self.leaders.insert(term, node).filter(|other| *other != node) {
                    return Err(format!("ES: nodes {other} and {node} both lead in term {term}"));
                }
                let log = &self.nodes[&node].log;
                let base = log.keys().next().copied().unwrap_or(0);
                for (index, entry) in self.committed.range(base..) {
                    if log.get(index) != Some(entry) {
                        return Err(format!("LC: node {node} leads term {term} without committed entry {index}"));
                    }
                }
            }
            Probe::Committed { index, term, hash } => {
                let known = self.committed.insert(index, (term, hash));
                if known.is_some_and(|known| known != (term, hash)) {
                    return Err(format!("SMS: node {node} committed another entry at {index}"));
                }
                if known.is_none() {
                    let holders = self
                        .nodes
                        .values()
                        .filter(|it| it.disk.base().index >= index || it.disk.log().get(&index) == Some(&(term, hash)));
                    let holders = holders.count();
                    if holders < self.quorum() {
                        return Err(format!("QC: node {node} committed {index} while {holders} disks hold it"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// All nodes run, and hold and have applied the same.
    pub fn converged(&self) -> bool {
        let mut points = self.nodes.values().map(|it| {
            (it.raft.as_ref().map(|raft| (raft.last_index(), raft.commit_index())), it.applied.index, it.applied.hash)
        });
        let first = points.next();
        let level = first.is_some_and(|(logs, ..)| logs.is_some_and(|(last, commit)| last == commit));
        level && points.all(|point| Some(point) == first)
    }
}
