//! Elections: timeouts, pre-votes, votes, becoming leader, and stepping down when no majority answers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use stormglass_probes::{buggify, reachable, sometimes};

use super::core::{Leadership, Raft, Role, Tally};
use super::message::{Message, Vote, VoteReply};
use super::progress::Progress;
use super::read::Reads;
use super::types::{Entry, NodeId};
use crate::planted;
use crate::probe::Probe;

impl Raft {
    /// Draws a new election timeout, and starts it now.
    pub(super) fn draw_election_timeout(&mut self, now: Duration) {
        let range = self.timing.election_min.as_micros() as u64..=self.timing.election_max.as_micros() as u64;
        let drawn = self.rng.random_range(range);
        self.election_timeout = if planted!("M28") || buggify!("raft: the shortest election timeout") {
            self.timing.election_min
        } else {
            Duration::from_micros(drawn)
        };
        self.election_deadline = now + self.election_timeout;
    }

    /// A leader of this term, or of a newer one, was heard.
    pub(super) fn follow(&mut self, now: Duration, term: u64, leader: NodeId) {
        if term > self.hard.term || !matches!(self.role, Role::Follower) || self.leader != Some(leader) {
            self.become_follower(term, Some(leader), "another node leads");
        }
        self.leader_heard_at = Some(now);
        self.election_deadline = now + self.election_timeout;
    }

    /// Whether elections have pre-votes, and undisturbed leaders.
    pub(super) fn guards_elections(&self) -> bool {
        self.timing.guarded_elections && !planted!("M22")
    }

    /// Whether the leader this node knows was heard so recently that no election can be needed. A leader knows of
    /// itself: check-quorum ends it otherwise.
    fn leader_is_alive(&self, now: Duration) -> bool {
        self.is_leader()
            || (self.leader.is_some()
                && self.leader_heard_at.is_some_and(|at| now.saturating_sub(at) < self.timing.election_min))
    }

    /// Starts an election, or (`pre`) asks first whether one could be won, without disturbing anybody's term.
    pub(super) fn ask_for_votes(&mut self, now: Duration, pre: bool) {
        self.draw_election_timeout(now);
        self.leader = None;
        if pre {
            let mut tally = Tally::default();
            tally.granted.insert(self.id);
            self.role = Role::PreCandidate(tally);
        } else {
            self.enter_term(self.hard.term + 1);
            self.vote_for(self.id);
            // Its own vote counts once it is durable; see `count_own_vote`.
            self.role = Role::Candidate(Tally::default());
        }
        for peer in self.peers.clone() {
            self.send_vote_request(peer, pre);
        }
        self.conclude_election(now);
    }

    pub(super) fn send_vote_request(&mut self, peer: NodeId, pre: bool) {
        let vote = Vote {
            pre,
            term: self.hard.term + u64::from(pre),
            last_index: self.log.last_index(),
            last_term: self.log.last_term(),
        };
        self.send(peer, Message::Vote(vote), false);
    }

    pub(super) fn on_vote(&mut self, now: Duration, from: NodeId, vote: &Vote) {
        let undisturbed = self.guards_elections() && self.leader_is_alive(now);
        let refuse = vote.term < self.hard.term || undisturbed;
        let up_to_date =
            planted!("M04") || (vote.last_term, vote.last_index) >= (self.log.last_term(), self.log.last_index());
        sometimes!(vote.pre && undisturbed, "raft: a pre-vote is refused, since a leader is heard");
        sometimes!(!refuse && !up_to_date, "raft: a vote is refused to a log that is behind");
        let granted = if refuse {
            false
        } else if vote.pre {
            vote.term > self.hard.term && up_to_date
        } else {
            if vote.term > self.hard.term {
                self.become_follower(vote.term, None, "a newer term began");
            }
            let free = self.hard.voted_for.is_none_or(|candidate| candidate == from);
            sometimes!(!free, "raft: a vote is refused to the second candidate of a term");
            up_to_date && self.leader.is_none() && free
        };
        if granted && !vote.pre {
            if self.hard.voted_for.is_none() {
                self.vote_for(from);
            }
            self.draw_election_timeout(now);
        }
        let term = if granted { vote.term } else { self.hard.term };
        // It waits for the vote to be durable, as every message waits for the hard state; not for the log.
        self.send(from, Message::VoteReply(VoteReply { pre: vote.pre, term, granted }), false);
    }

    pub(super) fn on_vote_reply(&mut self, now: Duration, from: NodeId, reply: &VoteReply) {
        if !reply.granted && reply.term > self.hard.term {
            self.become_follower(reply.term, None, "a voter is in a newer term");
            return;
        }
        let term = self.hard.term;
        let tally = match &mut self.role {
            Role::PreCandidate(tally) if reply.pre && (!reply.granted || reply.term == term + 1) => tally,
            Role::Candidate(tally) if !reply.pre && reply.term == term => tally,
            _ => return,
        };
        if reply.granted {
            tally.granted.insert(from);
        } else {
            tally.refused.insert(from);
        }
        self.conclude_election(now);
    }

    /// The current hard state is durable: a candidate may now count its own vote.
    pub(super) fn count_own_vote(&mut self, now: Duration) {
        if let Role::Candidate(tally) = &mut self.role {
            tally.granted.insert(self.id);
            self.conclude_election(now);
        }
    }

    fn conclude_election(&mut self, now: Duration) {
        let quorum = self.quorum();
        let (pre, tally) = match &self.role {
            Role::PreCandidate(tally) => (true, tally),
            Role::Candidate(tally) => (false, tally),
            _ => return,
        };
        if tally.granted.len() >= quorum {
            if pre {
                self.ask_for_votes(now, false);
            } else {
                self.become_leader(now);
            }
        } else if tally.refused.len() >= quorum {
            reachable!("raft: an election is lost");
            // Lost: wait out the timeout drawn at its start, then try again.
            self.become_follower(self.hard.term, None, "the election was lost");
        }
    }

    fn become_leader(&mut self, now: Duration) {
        let term = self.hard.term;
        let noop = self.log.last_index() + 1;
        let progress: BTreeMap<_, _> = self.peers.iter().map(|peer| (*peer, Progress::new(noop, now))).collect();
        tracing::info!(node = %self.id, term, "leader");
        sometimes!(
            noop > self.commit + 1,
            "raft: a new leader holds entries of which it does not know that they are committed"
        );
        self.role = Role::Leader(Leadership { progress, noop, reads: Reads::default() });
        self.leader = Some(self.id);
        self.emit(|| Probe::BecameLeader { term });
        // Nothing of an older term may be committed, and no read served, until an entry of this term is committed.
        self.append_entry(Entry { index: noop, term, data: Bytes::new() });
    }

    /// Steps down if no majority was heard from within an election timeout: a leader cut off must not linger.
    pub(super) fn check_quorum(&mut self, now: Duration) {
        let Role::Leader(leadership) = &self.role else { return };
        let heard = leadership
            .progress
            .values()
            .filter(|progress| now.saturating_sub(progress.heard_at) <= self.timing.election_max)
            .count();
        if heard + 1 < self.quorum() && !planted!("M16") {
            reachable!("raft: a leader whom no majority answers steps down");
            self.become_follower(self.hard.term, None, "no majority was heard within an election timeout");
            self.draw_election_timeout(now);
        }
    }
}
