//! The state of one Raft node, and the steps that move it. Elections, replication, reads and snapshots are in the
//! sibling files, as further methods of [`Raft`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::log::Log;
use super::message::Message;
use super::progress::Progress;
use super::read::Reads;
use super::snapshot::Incoming;
use super::types::{
    Entry, HardState, Index, LogOperation, NodeId, Outgoing, Ready, Snapshot, SnapshotMeta, Term, Write, WriteId,
};
use crate::config::{Limits, Timing};
use crate::planted;
use crate::probe::{Probe, ProbeSink, emit};

/// What a node is created with, beside what its disk held.
pub struct Options {
    /// This node.
    pub id: NodeId,
    /// All members, this one included.
    pub voters: BTreeSet<NodeId>,
    /// Seeds the draw of election timeouts.
    pub seed: u64,
    /// Timings.
    pub timing: Timing,
    /// Limits.
    pub limits: Limits,
    /// Receives the node's probes.
    pub probes: Option<ProbeSink>,
}

/// What a node's disk held.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Term and vote.
    pub hard_state: HardState,
    /// The newest snapshot, if any.
    pub snapshot: Option<Snapshot>,
    /// The entries after it.
    pub entries: Vec<Entry>,
    /// Where the records that say so lie, for those who watch.
    pub records: Vec<Replayed>,
}

/// A record of the log that was found good when the node started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The file.
    pub path: Arc<Path>,
    /// Its first byte.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// The role a node plays, for people to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RoleName {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it would be elected.
    PreCandidate,
    /// Asks to be elected.
    Candidate,
    /// Leads.
    Leader,
}

/// The operation needs the leader, and this node is not it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLeader {
    /// The leader as far as this node knows.
    pub leader: Option<NodeId>,
}

/// Votes received in one election.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) granted: BTreeSet<NodeId>,
    pub(super) refused: BTreeSet<NodeId>,
}

/// What only a leader knows.
#[derive(Debug, Clone)]
pub(super) struct Leadership {
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// The no-op of this term: once it is committed, so is everything before it.
    pub(super) noop: Index,
    pub(super) reads: Reads,
}

#[derive(Debug, Clone)]
pub(super) enum Role {
    Follower,
    PreCandidate(Tally),
    Candidate(Tally),
    Leader(Leadership),
}

/// A message waiting for [`Raft::ready`], and whether it waits for the log on disk.
#[derive(Debug)]
struct Queued {
    to: NodeId,
    message: Message,
    promises: bool,
}

/// A write handed out and not yet durable.
#[derive(Debug)]
struct Pending {
    id: WriteId,
    hard_state: Option<HardState>,
    last: Option<(Index, Term)>,
}

/// One Raft node.
pub struct Raft {
    pub(super) id: NodeId,
    pub(super) peers: Vec<NodeId>,
    pub(super) timing: Timing,
    pub(super) limits: Limits,
    pub(super) probes: Option<ProbeSink>,
    pub(super) rng: Xoshiro256PlusPlus,

    pub(super) hard: HardState,
    pub(super) role: Role,
    pub(super) leader: Option<NodeId>,
    pub(super) leader_heard_at: Option<Duration>,
    pub(super) election_timeout: Duration,
    pub(super) election_deadline: Duration,

    pub(super) log: Log,
    pub(super) commit: Index,
    handed: Index,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) incoming: Option<Incoming>,

    hard_changed: bool,
    pub(super) operations: Vec<LogOperation>,
    next_write: WriteId,
    pending: VecDeque<Pending>,
    queue: Vec<Queued>,
    pub(super) restore: Option<Snapshot>,
    pub(super) reads_confirmed: Vec<u64>,
    lost_leadership: bool,
    pub(super) violation: Option<(Index, Index)>,
}

impl Raft {
    /// A node that has recovered `disk` and has just started, at the instant `now` of its monotonic clock. All
    /// instants are durations since one arbitrary origin.
    pub fn new(options: Options, disk: Recovered, now: Duration) -> Self {
        let base = disk.snapshot.as_ref().map_or_else(SnapshotMeta::default, |snapshot| snapshot.meta);
        let mut raft = Raft {
            id: options.id,
            peers: options.voters.iter().copied().filter(|voter| *voter != options.id).collect(),
            election_timeout: options.timing.election_max,
            election_deadline: now,
            timing: options.timing,
            limits: options.limits,
            probes: options.probes,
            rng: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            hard: disk.hard_state,
            role: Role::Follower,
            leader: None,
            leader_heard_at: None,
            log: Log::new(base, disk.entries),
            commit: base.index,
            handed: base.index,
            snapshot: disk.snapshot,
            incoming: None,
            hard_changed: false,
            operations: Vec::new(),
            next_write: 1,
            pending: VecDeque::new(),
            queue: Vec::new(),
            restore: None,
            reads_confirmed: Vec::new(),
            lost_leadership: false,
            violation: None,
        };
        raft.draw_election_timeout(now);
        let (hard, log) = (raft.hard, &raft.log);
        emit(raft.probes.as_ref(), || Probe::Replayed { records: disk.records });
        emit(raft.probes.as_ref(), || {
            let entry = |index| Some((index, log.term(index)?, log.hash(index)?));
            Probe::Started {
                term: hard.term,
                voted_for: hard.voted_for,
                last_index: log.last_index(),
                snapshot_index: base.index,
                log: (base.index + 1..=log.last_index()).filter_map(entry).collect(),
            }
        });
        raft
    }

    /// The current term.
    pub fn term(&self) -> Term {
        self.hard.term
    }

    /// The commit index.
    pub fn commit_index(&self) -> Index {
        self.commit
    }

    /// Index of the last entry of the log.
    pub fn last_index(&self) -> Index {
        self.log.last_index()
    }

    /// The index of the newest snapshot; zero if there is none.
    pub fn snapshot_index(&self) -> Index {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.meta.index)
    }

    /// The leader as far as this node knows; itself while it leads.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Whether this node believes that it leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The node's role.
    pub fn role(&self) -> RoleName {
        match self.role {
            Role::Follower => RoleName::Follower,
            Role::PreCandidate(_) => RoleName::PreCandidate,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
        }
    }

    /// Set once the node was told to drop entries it knows to be committed: the first index to drop, and the commit
    /// index. It must stop.
    pub fn violation(&self) -> Option<(Index, Index)> {
        self.violation
    }

    /// How many nodes make a majority.
    pub(super) fn quorum(&self) -> usize {
        let majority = self.peers.len().div_ceil(2) + 1;
        if planted!("M17") { self.peers.len().div_ceil(2) } else { majority }
    }

    pub(super) fn emit(&self, probe: impl FnOnce() -> Probe) {
        emit(self.probes.as_ref(), probe);
    }

    /// Takes a message from a peer. A message from a stranger is dropped.
    pub fn step(&mut self, now: Duration, from: NodeId, message: Message) {
        if !self.peers.contains(&from) || self.violation.is_some() {
            return;
        }
        match message {
            Message::Vote(vote) => self.on_vote(now, from, &vote),
            Message::VoteReply(reply) => self.on_vote_reply(now, from, &reply),
            Message::Append(append) => self.on_append(now, from, append),
            Message::AppendReply(reply) => self.on_append_reply(now, from, &reply),
            Message::Heartbeat(heartbeat) => self.on_heartbeat(now, from, &heartbeat),
            Message::HeartbeatReply(reply) => self.on_heartbeat_reply(now, from, &reply),
            Message::Snapshot(chunk) => self.on_snapshot(now, from, chunk),
            Message::SnapshotReply(reply) => self.on_snapshot_reply(now, from, &reply),
        }
    }

    /// Lets time pass: starts elections, and ends a leadership that no majority confirms.
    pub fn tick(&mut self, now: Duration) {
        if self.is_leader() {
            self.check_quorum(now);
        } else if now >= self.election_deadline {
            self.ask_for_votes(now, self.guards_elections());
        }
    }

    /// When [`Raft::tick`] next has something to do, unless a message changes that. `None`: never.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.role {
            Role::Leader(leadership) => {
                leadership.progress.values().map(|progress| progress.sent_at + self.timing.heartbeat).min()
            }
            _ => Some(self.election_deadline),
        }
    }

    /// The connection to a peer works (again): messages sent before may have been lost.
    pub fn link_up(&mut self, peer: NodeId) {
        match &mut self.role {
            Role::Leader(leadership) => {
                if let Some(progress) = leadership.progress.get_mut(&peer) {
                    progress.reachable = true;
                    progress.probe();
                    progress.round_sent = 0;
                    // Long ago, so that the next flush sends at once.
                    progress.sent_at = Duration::ZERO;
                }
            }
            Role::PreCandidate(_) => self.send_vote_request(peer, true),
            Role::Candidate(_) => self.send_vote_request(peer, false),
            Role::Follower => {}
        }
    }

    /// The connection to a peer failed: what was not answered is lost.
    pub fn link_down(&mut self, peer: NodeId) {
        if let Role::Leader(leadership) = &mut self.role
            && let Some(progress) = leadership.progress.get_mut(&peer)
        {
            progress.reachable = false;
            progress.probe();
        }
    }

    /// All writes up to `id` are durable.
    pub fn written(&mut self, now: Duration, id: WriteId) {
        let mut last = None;
        let mut hard = None;
        while self.pending.front().is_some_and(|write| write.id <= id) {
            if let Some(write) = self.pending.pop_front() {
                last = write.last.or(last);
                hard = write.hard_state.or(hard);
            }
        }
        if let Some((index, term)) = last
            && self.log.written(index, term)
        {
            self.emit(|| Probe::Durable { index, term });
            self.advance_commit();
        }
        if let Some(HardState { term, voted_for }) = hard {
            self.emit(|| Probe::HardStateDurable { term, voted_for });
        }
        if hard == Some(self.hard) {
            self.count_own_vote(now);
        }
    }

    /// Collects what the steps since the last call ask for. Also sends what a leader owes its followers.
    pub fn ready(&mut self, now: Duration) -> Ready {
        self.flush(now);
        let write = self.take_write();
        let last_write = self.pending.back().map(|write| write.id);
        let hard_write = self.pending.iter().rev().find(|write| write.hard_state.is_some()).map(|write| write.id);
        let messages = self
            .queue
            .drain(..)
            .map(|queued| Outgoing {
                to: queued.to,
                message: queued.message,
                // Nothing may speak for a term or a vote that a crash could still take back.
                after: if queued.promises { last_write } else { hard_write },
            })
            .collect();
        let mut committed = Vec::new();
        let restore = self.restore.take();
        if let Some(snapshot) = &restore {
            self.handed = snapshot.meta.index;
        }
        while self.handed < self.commit {
            let Some((entry, hash)) = self.log.entry(self.handed + 1) else { break };
            committed.push((entry.clone(), hash));
            self.handed += 1;
        }
        Ready {
            write,
            messages,
            restore,
            committed,
            reads: std::mem::take(&mut self.reads_confirmed),
            lost_leadership: std::mem::take(&mut self.lost_leadership),
        }
    }

    fn take_write(&mut self) -> Option<Write> {
        if !self.hard_changed && self.operations.is_empty() {
            return None;
        }
        let id = self.next_write;
        self.next_write += 1;
        let hard_state = std::mem::take(&mut self.hard_changed).then_some(self.hard);
        let operations = std::mem::take(&mut self.operations);
        let last = operations.iter().rev().find_map(|operation| match operation {
            LogOperation::Append(entries) => entries.last().map(|entry| (entry.index, entry.term)),
            _ => None,
        });
        self.pending.push_back(Pending { id, hard_state, last });
        Some(Write { id, hard_state, operations })
    }

    /// Queues a message. One that `promises` durability waits for every write so far, this batch's included.
    pub(super) fn send(&mut self, to: NodeId, message: Message, promises: bool) {
        self.queue.push(Queued { to, message, promises });
    }

    /// Adds an entry to the log, in memory and to the next write.
    pub(super) fn append_entry(&mut self, entry: Entry) {
        let (index, term) = (entry.index, entry.term);
        let hash = self.log.append(entry.clone());
        match self.operations.last_mut() {
            Some(LogOperation::Append(entries)) => entries.push(entry),
            _ => self.operations.push(LogOperation::Append(vec![entry])),
        }
        self.emit(|| Probe::Appended { index, term, hash });
    }

    /// Enters a term, without a vote in it.
    pub(super) fn enter_term(&mut self, term: Term) {
        self.hard = HardState { term, voted_for: None };
        self.hard_changed = true;
        self.emit(|| Probe::TermChanged { term });
    }

    /// Gives this term's vote.
    pub(super) fn vote_for(&mut self, candidate: NodeId) {
        self.hard.voted_for = Some(candidate);
        self.hard_changed = true;
        let term = self.hard.term;
        self.emit(|| Probe::Voted { term, candidate });
    }

    /// Becomes a follower, in `term` if that is newer.
    pub(super) fn become_follower(&mut self, term: Term, leader: Option<NodeId>, reason: &'static str) {
        if self.is_leader() {
            let led = self.hard.term;
            self.lost_leadership = true;
            tracing::info!(node = %self.id, term = led, reason, "no longer leader");
            self.emit(|| Probe::SteppedDown { term: led, reason });
        }
        if term > self.hard.term {
            self.enter_term(term);
        }
        self.role = Role::Follower;
        self.leader = leader;
    }

    /// Adds a command to the log, if this node leads. Returns where it will be committed, if it is.
    ///
    /// # Errors
    /// [`NotLeader`], with the leader if it is known.
    pub fn propose(&mut self, data: Bytes) -> Result<(Index, Term), NotLeader> {
        if !self.is_leader() {
            return Err(NotLeader { leader: self.leader });
        }
        let entry = Entry { index: self.log.last_index() + 1, term: self.hard.term, data };
        let place = (entry.index, entry.term);
        self.append_entry(entry);
        Ok(place)
    }
}
