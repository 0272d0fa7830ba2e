//! Raft in a few lines, to have histories of probes: three nodes whose every step is an instant, and which do what the
//! protocol permits, in any order. A flaw makes them forget or overlook something, as implementations do.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use stormglass_check::{NodeId, Probe};

pub(crate) type Trace = Vec<(NodeId, Probe)>;

/// What a cluster does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Nothing,
    /// Votes for a candidate whose log is behind.
    VotesForAnybody,
    /// A restart forgets the vote, or the term with it.
    ForgetsVote,
    ForgetsTerm,
    /// A restart loses the end of the log.
    LosesTail,
    /// A leader commits entries of earlier terms by counting (Ongaro 2014, figure 3.7).
    CommitsOldTerms,
    /// A leader counts one copy too many.
    CommitsEarly,
    /// A follower cuts its log before it looks at what it is sent.
    CutsFirst,
    /// Two votes are a majority, but so is one.
    WinsAlone,
}

pub(crate) const FLAWS: [Flaw; 8] = [
    Flaw::VotesForAnybody,
    Flaw::ForgetsVote,
    Flaw::ForgetsTerm,
    Flaw::LosesTail,
    Flaw::CommitsOldTerms,
    Flaw::CommitsEarly,
    Flaw::CutsFirst,
    Flaw::WinsAlone,
];

#[derive(Clone, Default)]
struct Node {
    term: u64,
    vote: Option<NodeId>,
    /// Terms and hashes from index 1 on.
    log: Vec<(u64, u64)>,
    base: usize,
    commit: usize,
    applied: usize,
    leads: bool,
}

struct Cluster<'a> {
    rng: &'a mut ChaCha8Rng,
    flaw: Flaw,
    nodes: Vec<Node>,
    trace: Trace,
    content: u64,
}

/// What three nodes tell until they have told so much.
pub(crate) fn run(rng: &mut ChaCha8Rng, flaw: Flaw, events: usize) -> Trace {
    let nodes = vec![Node::default(); 3];
    let mut cluster = Cluster { rng, flaw, nodes, trace: Vec::new(), content: 0 };
    for node in 0..3 {
        cluster.tell(node, Probe::Started { term: 0, voted_for: None, last_index: 0 });
    }
    while cluster.trace.len() < 3 + events {
        cluster.step();
    }
    cluster.trace
}

impl Cluster<'_> {
    fn tell(&mut self, node: usize, probe: Probe) {
        self.trace.push((node as NodeId + 1, probe));
    }

    fn hard_state(&mut self, node: usize) {
        let (term, voted_for) = (self.nodes[node].term, self.nodes[node].vote);
        self.tell(node, Probe::HardState { term, voted_for });
    }

    fn step(&mut self) {
        let node = self.rng.random_range(0..3usize);
        match self.rng.random_range(0..36) {
            0 | 1 => self.campaign(node),
            2..=9 => self.propose(node),
            10..=21 => self.replicate(node),
            22..=27 => self.commit(node),
            28..=33 => self.apply(node),
            34 => self.restart(node),
            _ => self.compact(node),
        }
    }

    fn steps_down(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].leads) && self.rng.random_ratio(1, 2) {
            self.tell(node, Probe::SteppedDown);
        }
    }

    /// The node asks some others for their vote, and wins if a majority grants it.
    fn campaign(&mut self, node: usize) {
        self.steps_down(node);
        let candidate = &mut self.nodes[node];
        candidate.term += 1;
        candidate.vote = Some(node as NodeId + 1);
        self.hard_state(node);
        let (term, last) = (self.nodes[node].term, self.nodes[node].last());
        let mut votes = 1;
        for other in (0..3).filter(|other| *other != node) {
            if self.rng.random_ratio(1, 4) || self.nodes[other].term > term {
                continue;
            }
            if self.nodes[other].term < term {
                self.steps_down(other);
                (self.nodes[other].term, self.nodes[other].vote) = (term, None);
            }
            let current = last >= self.nodes[other].last() || self.flaw == Flaw::VotesForAnybody;
            if current && self.nodes[other].vote.is_none() {
                self.nodes[other].vote = Some(node as NodeId + 1);
                votes += 1;
            }
            self.hard_state(other);
        }
        if votes > 1 || self.flaw == Flaw::WinsAlone {
            self.nodes[node].leads = true;
            self.tell(node, Probe::Leader { term });
        }
    }

    fn propose(&mut self, node: usize) {
        if self.nodes[node].leads {
            self.content += 1;
            let (term, hash) = (self.nodes[node].term, self.content);
            self.nodes[node].log.push((term, hash));
            let index = self.nodes[node].log.len() as u64;
            self.tell(node, Probe::Append { index, term, hash });
        }
    }

    /// The leader sends another node what it lacks, or a snapshot, and its commit index.
    fn replicate(&mut self, node: usize) {
        let to = (node + self.rng.random_range(1..3usize)) % 3;
        if !self.nodes[node].leads || self.nodes[to].term > self.nodes[node].term {
            return;
        }
        let leader = self.nodes[node].clone();
        if self.nodes[to].term < leader.term {
            self.steps_down(to);
            (self.nodes[to].term, self.nodes[to].vote) = (leader.term, None);
            self.hard_state(to);
        }
        let mut same = 0;
        while same < leader.log.len() && self.nodes[to].log.get(same) == leader.log.get(same) {
            same += 1;
        }
        if same < leader.base {
            let last = leader.base;
            let Some((last_term, _)) = leader.log.get(last - 1).copied() else { return };
            let behind = &mut self.nodes[to];
            let follows = behind.log.get(last - 1).is_some_and(|held| held.0 == last_term);
            let tail = if follows { behind.log.split_off(last) } else { Vec::new() };
            behind.log = leader.log[..last].iter().copied().chain(tail).collect();
            (behind.base, behind.commit, behind.applied) = (last, behind.commit.max(last), behind.applied.max(last));
            self.tell(to, Probe::Snapshot { last_index: last as u64, last_term });
            same = last;
            while same < leader.log.len() && self.nodes[to].log.get(same) == leader.log.get(same) {
                same += 1;
            }
        }
        // Messages may carry a part of what is missing.
        let until = same + self.rng.random_range(0..=leader.log.len() - same);
        let conflict = until > same && self.nodes[to].log.len() > same;
        if conflict
            || (self.flaw == Flaw::CutsFirst && until < self.nodes[to].log.len() && until >= self.nodes[to].base)
        {
            let from = if conflict { same } else { until };
            self.nodes[to].log.truncate(from);
            if !conflict || self.rng.random_ratio(1, 2) {
                self.tell(to, Probe::Truncate { from: from as u64 + 1 });
            }
        }
        for at in same..until {
            let (term, hash) = leader.log[at];
            self.nodes[to].log.push((term, hash));
            self.tell(to, Probe::Append { index: at as u64 + 1, term, hash });
        }
        let known = leader.commit.min(until);
        if known > self.nodes[to].commit && self.rng.random_ratio(2, 3) {
            self.nodes[to].commit = known;
            self.tell(to, Probe::Commit { index: known as u64 });
        }
    }

    fn commit(&mut self, node: usize) {
        let leader = &self.nodes[node];
        if !leader.leads {
            return;
        }
        let on_majority = |at: &usize| {
            let held = self.nodes.iter().filter(|other| other.log.get(..*at) == leader.log.get(..*at)).count();
            let current = leader.log[at - 1].0 == leader.term || self.flaw == Flaw::CommitsOldTerms;
            current && held + usize::from(self.flaw == Flaw::CommitsEarly) > 1
        };
        if let Some(index) = (leader.commit + 1..=leader.log.len()).rev().find(on_majority) {
            self.nodes[node].commit = index;
            self.tell(node, Probe::Commit { index: index as u64 });
        }
    }

    fn apply(&mut self, node: usize) {
        if self.nodes[node].applied < self.nodes[node].commit {
            let index = self.nodes[node].applied + 1;
            // With a flaw what is committed may be gone.
            let Some((term, hash)) = self.nodes[node].log.get(index - 1).copied() else { return };
            self.nodes[node].applied = index;
            self.tell(node, Probe::Apply { index: index as u64, term, hash });
        }
    }

    fn restart(&mut self, node: usize) {
        let (flaw, lost) = (self.flaw, self.rng.random_range(0..3usize));
        let this = &mut self.nodes[node];
        match flaw {
            Flaw::ForgetsVote => this.vote = None,
            Flaw::ForgetsTerm => (this.term, this.vote) = (this.term.saturating_sub(1), None),
            Flaw::LosesTail => this.log.truncate(this.base.max(this.log.len().saturating_sub(lost))),
            _ => {}
        }
        (this.leads, this.commit, this.applied) = (false, this.base, this.base);
        let (term, voted_for, last_index) = (this.term, this.vote, this.log.len() as u64);
        self.tell(node, Probe::Started { term, voted_for, last_index });
    }

    fn compact(&mut self, node: usize) {
        let this = &mut self.nodes[node];
        if this.applied > this.base
            && let Some((last_term, _)) = this.log.get(this.applied - 1).copied()
        {
            this.base = this.applied;
            let last = this.base;
            self.tell(node, Probe::Snapshot { last_index: last as u64, last_term });
        }
    }
}

impl Node {
    fn last(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |entry| entry.0), self.log.len())
    }
}

/// The trace with something dropped, repeated, exchanged or made another's.
pub(crate) fn mutated(rng: &mut ChaCha8Rng, trace: &Trace) -> Trace {
    let mut trace = trace.clone();
    // The first three say where each node begins.
    let mut at = rng.random_range(3..trace.len());
    // What comes seldom is changed more often.
    for _ in 0..3 {
        if matches!(trace[at].1, Probe::Append { .. } | Probe::HardState { .. } | Probe::Leader { .. }) {
            at = rng.random_range(3..trace.len());
        }
    }
    let near = |rng: &mut ChaCha8Rng, number: u64| (number + rng.random_range(0..5u64)).saturating_sub(2);
    match rng.random_range(0..6) {
        0 => {
            trace.remove(at);
        }
        1 => {
            let probe = trace[rng.random_range(3..=at)];
            trace.insert(at, probe);
        }
        2 => trace[at].0 = rng.random_range(1..4u64),
        _ => match &mut trace[at].1 {
            Probe::Started { term, voted_for, .. } | Probe::HardState { term, voted_for } => {
                if rng.random_ratio(1, 2) {
                    *voted_for = rng.random_ratio(2, 3).then(|| rng.random_range(1..4u64));
                } else {
                    *term = near(rng, *term);
                }
            }
            Probe::Leader { term } => *term = near(rng, *term),
            Probe::SteppedDown => {}
            Probe::Append { index, term, hash } | Probe::Apply { index, term, hash } => {
                let field = match rng.random_range(0..3) {
                    0 => index,
                    1 => term,
                    _ => hash,
                };
                *field = near(rng, *field);
            }
            Probe::Truncate { from } => *from = rng.random_range(0..*from + 3),
            Probe::Commit { index } => *index = rng.random_range(0..*index + 3),
            Probe::Snapshot { last_term, .. } => *last_term = near(rng, *last_term),
        },
    }
    trace
}
