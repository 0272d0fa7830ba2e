//! Replication: what a leader sends, what a follower accepts, and when an entry is committed.

use std::time::Duration;

use stormglass_probes::{always_at_most, buggify, reachable, sometimes};

use super::core::{Leadership, Raft, Role};
use super::message::{Append, AppendOutcome, AppendReply, Heartbeat, HeartbeatReply, Message};
use super::progress::Mode;
use super::types::{Index, LogOperation, NodeId};
use crate::planted;
use crate::probe::{Probe, emit};

impl Raft {
    /// Sends each follower what it lacks and has room for, and a heartbeat where nothing else was sent for long.
    pub(super) fn flush(&mut self, now: Duration) {
        if !self.is_leader() {
            return;
        }
        self.begin_read_round();
        for at in 0..self.peers.len() {
            let peer = self.peers[at];
            while let Some(message) = self.next_message(now, peer) {
                self.send(peer, message, false);
            }
        }
    }

    /// The next message owed to a follower, if any.
    fn next_message(&mut self, now: Duration, peer: NodeId) -> Option<Message> {
        let term = self.hard.term;
        let Role::Leader(Leadership { progress, reads, .. }) = &mut self.role else { return None };
        let progress = progress.get_mut(&peer)?;
        let round = reads.round();
        if progress.reachable
            && matches!(progress.mode, Mode::Probe | Mode::Replicate)
            && progress.next <= self.log.base().index
            && let Some(snapshot) = &self.snapshot
        {
            let index = snapshot.meta.index;
            progress.mode = Mode::Snapshot { index, offset: 0 };
            progress.in_flight = 0;
            emit(self.probes.as_ref(), || Probe::SnapshotSent { peer, index });
        }
        let window = match progress.mode {
            Mode::Replicate => self.limits.append_window,
            Mode::Probe | Mode::Snapshot { .. } => 1,
        };
        let replicating = progress.mode == Mode::Replicate;
        sometimes!(replicating && progress.in_flight >= window, "raft: the window of appends to a follower is full");
        if progress.reachable && progress.in_flight < window {
            if let Mode::Snapshot { index, offset } = &mut progress.mode {
                if let Some(chunk) = self.snapshot.as_ref().map(|it| it.chunk(term, round, index, offset, &self.limits))
                {
                    progress.in_flight = 1;
                    progress.appended_at = now;
                    progress.sent(now, round);
                    return Some(Message::Snapshot(chunk));
                }
            } else if progress.next <= self.log.last_index() {
                let prev_index = progress.next - 1;
                let prev_term = self.log.term(prev_index)?;
                let mut budget = self.limits.append_bytes;
                if progress.mode == Mode::Probe {
                    // One entry: a probe may well be refused.
                    progress.probed = progress.next;
                    budget = 0;
                }
                let entries = self.log.entries(progress.next, budget);
                progress.next += entries.len() as u64;
                progress.in_flight += 1;
                progress.appended_at = now;
                progress.sent(now, round);
                let commit = self.commit;
                return Some(Message::Append(Append { term, prev_index, prev_term, commit, round, entries }));
            }
        }
        if (now.saturating_sub(progress.sent_at) >= self.timing.heartbeat
            && !buggify!("raft: a heartbeat is skipped", 0.1))
            || (progress.reachable && progress.round_sent < round)
        {
            progress.sent(now, round);
            let commit = self.commit.min(progress.matched);
            return Some(Message::Heartbeat(Heartbeat { term, commit, round }));
        }
        None
    }

    pub(super) fn on_append(&mut self, now: Duration, from: NodeId, append: Append) {
        let round = append.round;
        let outcome = if append.term < self.hard.term {
            reachable!("raft: an append of a leader of an older term is refused");
            AppendOutcome::Stale
        } else {
            self.follow(now, append.term, from);
            self.accept(append)
        };
        // The reply says that the entries are durable, so it waits for them to be.
        let promises = !planted!("M09");
        self.send(from, Message::AppendReply(AppendReply { term: self.hard.term, round, outcome }), promises);
    }

    /// Makes the log agree with an append of the current leader.
    fn accept(&mut self, append: Append) -> AppendOutcome {
        let Append { prev_index, prev_term, commit, entries, .. } = append;
        let base = self.log.base().index;
        if prev_index >= base && self.log.term(prev_index) != Some(prev_term) {
            return match self.log.term(prev_index) {
                Some(term) => {
                    reachable!("raft: an append meets an entry of another term");
                    AppendOutcome::Conflict { prev_index, term: Some(term), index: self.log.first_of_term(prev_index) }
                }
                None => {
                    reachable!("raft: an append begins beyond the end of the log");
                    AppendOutcome::Conflict { prev_index, term: None, index: self.log.last_index() + 1 }
                }
            };
        }
        let last_new = prev_index + entries.len() as u64;
        // What the base covers is committed, and so the leader's is the same.
        let fresh = entries
            .iter()
            .find(|entry| entry.index > base && self.log.term(entry.index) != Some(entry.term))
            .map(|entry| entry.index);
        let keep_until = if planted!("M07") { Some(prev_index.max(base) + 1) } else { fresh };
        if let Some(from) = keep_until {
            if from <= self.log.last_index() && !self.truncate(from) {
                return AppendOutcome::Conflict { prev_index, term: None, index: self.commit + 1 };
            }
            for entry in entries {
                if entry.index > self.log.last_index() {
                    self.append_entry(entry);
                }
            }
        }
        self.commit_to(commit.min(last_new));
        AppendOutcome::Accepted { index: last_new.max(base) }
    }

    /// Drops the entries from `from` on. Refuses, for good, to drop what is committed.
    fn truncate(&mut self, from: Index) -> bool {
        let committed = self.commit;
        self.emit(|| Probe::Truncated { from, committed });
        if from <= committed {
            self.violation = Some((from, committed));
            return false;
        }
        reachable!("raft: entries that were not committed are dropped");
        self.log.truncate(from);
        self.operations.push(LogOperation::Truncate(from));
        true
    }

    pub(super) fn on_append_reply(&mut self, now: Duration, from: NodeId, reply: &AppendReply) {
        if !self.heard(now, from, reply.term, reply.round) {
            return;
        }
        let last = self.log.last_index();
        let Role::Leader(Leadership { progress, .. }) = &mut self.role else { return };
        let Some(progress) = progress.get_mut(&from) else { return };
        progress.answered_at = now;
        match &reply.outcome {
            AppendOutcome::Accepted { index } => {
                let advanced = *index > progress.matched;
                progress.accepted((*index).min(last));
                match progress.mode {
                    Mode::Replicate => progress.in_flight = progress.in_flight.saturating_sub(1),
                    Mode::Probe => {
                        progress.mode = Mode::Replicate;
                        progress.in_flight = 0;
                        progress.next = progress.matched + 1;
                    }
                    Mode::Snapshot { index, .. } if progress.matched >= index => progress.probe(),
                    Mode::Snapshot { .. } => {}
                }
                if advanced {
                    self.advance_commit();
                }
            }
            AppendOutcome::Conflict { prev_index, term, index } => {
                let probing = progress.mode == Mode::Probe;
                if *prev_index < progress.matched || (*prev_index == progress.matched && !probing) {
                    return; // A late answer to a request that has since been overtaken.
                }
                if *prev_index == progress.matched {
                    tracing::error!(node = %self.id, peer = %from, index = progress.matched,
                        "a follower no longer holds what it acknowledged: its disk lost a synced write");
                    progress.matched = 0;
                }
                let meet = term.and_then(|term| self.log.last_of_term(term)).map_or(*index, |last| last + 1);
                progress.mode = Mode::Probe;
                progress.in_flight = 0;
                progress.next = meet.min(*prev_index).max(progress.matched + 1);
                progress.probed = progress.next;
            }
            AppendOutcome::Stale => {}
        }
    }

    pub(super) fn on_heartbeat(&mut self, now: Duration, from: NodeId, heartbeat: &Heartbeat) {
        if heartbeat.term >= self.hard.term {
            self.follow(now, heartbeat.term, from);
            self.commit_to(heartbeat.commit.min(self.log.last_index()));
        }
        let reply = HeartbeatReply { term: self.hard.term, round: heartbeat.round };
        self.send(from, Message::HeartbeatReply(reply), false);
    }

    pub(super) fn on_heartbeat_reply(&mut self, now: Duration, from: NodeId, reply: &HeartbeatReply) {
        if !self.heard(now, from, reply.term, reply.round) {
            return;
        }
        let overdue = self.timing.election_max * 2;
        let Role::Leader(Leadership { progress, .. }) = &mut self.role else { return };
        let Some(progress) = progress.get_mut(&from) else { return };
        // The follower lives and yet an append is long unanswered: it was lost, or the answer, or its disk is slow. Asking
        // again is harmless. What is in flight does not count alone, since a late answer to an older append may have been
        // taken for that to a newer one.
        let owed = progress.in_flight > 0 || progress.next > progress.matched + 1;
        if owed && now.saturating_sub(progress.answered_at.max(progress.appended_at)) > overdue {
            reachable!("raft: an append that is long unanswered is sent again");
            progress.probe();
        }
    }

    /// Notes an answer. Returns whether it is of this node's current leadership.
    pub(super) fn heard(&mut self, now: Duration, from: NodeId, term: u64, round: u64) -> bool {
        if term > self.hard.term {
            self.become_follower(term, None, "a follower is in a newer term");
            self.draw_election_timeout(now);
            return false;
        }
        if term < self.hard.term {
            return false;
        }
        let Role::Leader(Leadership { progress, .. }) = &mut self.role else { return false };
        let Some(progress) = progress.get_mut(&from) else { return false };
        progress.heard_at = now;
        progress.round_acked = progress.round_acked.max(round);
        self.conclude_read_round();
        true
    }

    /// Commits what a majority holds durably, if its last entry is of this term (dissertation 3.6.2, figure 3.7: an
    /// older one could still be overwritten).
    pub(super) fn advance_commit(&mut self) {
        let Role::Leader(Leadership { progress, .. }) = &self.role else { return };
        let own = if planted!("M10") { self.log.last_index() } else { self.log.durable() };
        let mut matched: Vec<Index> = progress.values().map(|progress| progress.matched).collect();
        matched.push(own);
        matched.sort_unstable();
        let candidate = matched[matched.len() - self.quorum()];
        let own_term = self.log.term(candidate) == Some(self.hard.term);
        sometimes!(candidate > self.commit && !own_term, "raft: a majority holds an entry of an older term");
        if candidate > self.commit && (own_term || planted!("M01")) {
            self.commit_to(candidate);
            self.conclude_read_round();
        }
    }

    /// Moves the commit index forward, over entries that the log holds.
    pub(super) fn commit_to(&mut self, index: Index) {
        for index in self.commit + 1..=index {
            let Some((entry, hash)) = self.log.entry(index) else { return };
            let term = entry.term;
            self.commit = index;
            always_at_most!(index, self.log.last_index(), "raft: what is committed is in the log");
            self.emit(|| Probe::Committed { index, term, hash });
        }
    }
}
