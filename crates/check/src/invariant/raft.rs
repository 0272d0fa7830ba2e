//! Raft's safety properties (Ongaro 2014, figure 3.2), checked from what each node reports of itself, one probe at a
//! time. No node is asked for anything: a probe is what the node has just done.

use super::Invariant;
use super::by_index::ByIndex;
use super::raft_log::{Entry, Matching};
use super::raft_node::NodeView;
use crate::history::Clock;
use crate::verdict::Evidence;
use raft_oracles::{
    COMMIT_ON_QUORUM, COMMITTED_IMMUTABLE, ELECTION_SAFETY, LEADER_APPEND_ONLY, LEADER_COMPLETENESS, MONOTONIC_APPLIED,
    MONOTONIC_COMMIT, STATE_MACHINE_SAFETY,
};
pub(super) use raft_oracles::{LOG_MATCHING, MONOTONIC_TERM, ONE_VOTE_PER_TERM};
use std::collections::{BTreeMap, BTreeSet};

/// A Raft node, by number.
pub type NodeId = u64;

/// The names of the oracles in verdicts.
pub mod raft_oracles {
    /// At most one leader is elected in a term, and once.
    pub const ELECTION_SAFETY: &str = "election safety";
    /// A leader never overwrites or drops entries of its own log.
    pub const LEADER_APPEND_ONLY: &str = "leader append-only";
    /// Logs that agree on an index and term agree on all before it.
    pub const LOG_MATCHING: &str = "log matching";
    /// A leader has every entry that was committed in an earlier term.
    pub const LEADER_COMPLETENESS: &str = "leader completeness";
    /// All nodes apply the same entry at an index, in order, and only once it is committed.
    pub const STATE_MACHINE_SAFETY: &str = "state machine safety";
    /// What is committed at an index never changes.
    pub const COMMITTED_IMMUTABLE: &str = "committed entries immutable";
    /// What is committed is on a majority.
    pub const COMMIT_ON_QUORUM: &str = "commit on quorum";
    /// A node's term never goes back, restarts included.
    pub const MONOTONIC_TERM: &str = "monotonic term";
    /// A node votes once per term, restarts included.
    pub const ONE_VOTE_PER_TERM: &str = "one vote per term";
    /// A node's commit index never goes back within an incarnation.
    pub const MONOTONIC_COMMIT: &str = "monotonic commit";
    /// A node applies each entry once within an incarnation.
    pub const MONOTONIC_APPLIED: &str = "monotonic applied";
}

/// What a node has just done. Report what is durable once it is: a term, a vote or an entry that a crash may still
/// take back has promised nothing to anybody, and the oracle must not hold the node to it.
///
/// Log indices begin at 1. A hash is any 64-bit hash of an entry's content, the same function on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It started or restarted, and recovered this. Commit index and applied index start over.
    Started {
        /// The term on disk.
        term: u64,
        /// The vote on disk, in that term.
        voted_for: Option<NodeId>,
        /// The last index of the log on disk, snapshot included.
        last_index: u64,
    },
    /// Its term and vote are on disk, and it may answer messages by them.
    HardState {
        /// The term.
        term: u64,
        /// The vote in that term.
        voted_for: Option<NodeId>,
    },
    /// It has won the election of this term.
    Leader {
        /// The term.
        term: u64,
    },
    /// It no longer leads.
    SteppedDown,
    /// An entry is in its log. One that differs from what was there replaces it and all that follows. With
    /// [`RaftOracle::voters`] set, report it once it is on disk.
    Append {
        /// Index of the entry.
        index: u64,
        /// Its term.
        term: u64,
        /// Hash of its content.
        hash: u64,
    },
    /// It dropped its log from an index on.
    Truncate {
        /// The first index dropped.
        from: u64,
    },
    /// Its log up to an index is now in a snapshot, its own or one it was sent.
    Snapshot {
        /// The last index in the snapshot.
        last_index: u64,
        /// The term of that entry.
        last_term: u64,
    },
    /// It regards everything up to an index as committed.
    Commit {
        /// The index.
        index: u64,
    },
    /// It applied an entry to its state machine.
    Apply {
        /// Index of the entry.
        index: u64,
        /// Its term.
        term: u64,
        /// Hash of its content.
        hash: u64,
    },
}

/// All of Raft's oracles at once, for one group. Probes that a service does not emit are simply not checked.
///
/// It may be fed further probes after a failure: each probe is judged by what the first of its kind said.
#[derive(Clone, Debug, Default)]
pub struct RaftOracle {
    nodes: BTreeMap<NodeId, NodeView>,
    leaders: BTreeMap<u64, (NodeId, u64)>,
    matching: Matching,
    committed: ByIndex<Committed>,
    /// Per term in which something was committed, the highest index.
    committed_in: BTreeMap<u64, u64>,
    voters: Option<BTreeSet<NodeId>>,
}

/// What was committed at one index.
#[derive(Clone, Copy, Debug)]
struct Committed {
    term: u64,
    /// Unknown where only a snapshot told of it.
    hash: Option<u64>,
    /// Term of the node that first told of it. It was committed in this term or before.
    by_term: u64,
    node: NodeId,
    at_ns: u64,
}

/// A line of evidence about one node.
pub(super) fn evidence_at(node: NodeId, at_ns: u64, what: String) -> String {
    format!("node {node} at {}: {what}", Clock::Nanoseconds.show(at_ns))
}

impl Invariant for RaftOracle {
    type Probe = Probe;

    fn observe(&mut self, node: NodeId, at_ns: u64, probe: Probe) -> Result<(), Evidence> {
        RaftOracle::observe(self, node, at_ns, probe)
    }
}

impl RaftOracle {
    /// An oracle that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        RaftOracle::default()
    }

    /// Also checks, at the first report that an index is committed, that a majority of these nodes holds the entry. It
    /// needs [`Probe::Append`] to be reported once the entry is on disk, and before it is acknowledged. Call it again
    /// when a membership change takes effect.
    pub fn voters(&mut self, voters: impl IntoIterator<Item = NodeId>) {
        self.voters = Some(voters.into_iter().collect());
    }

    /// Node `node` reports `probe` at `at_ns`, in nanoseconds.
    ///
    /// # Errors
    /// Evidence of the first property that does not hold.
    pub fn observe(&mut self, node: NodeId, at_ns: u64, probe: Probe) -> Result<(), Evidence> {
        let view = self.nodes.entry(node).or_default();
        match probe {
            Probe::Started { term, voted_for, last_index } => {
                view.restart(last_index);
                view.votes(node, at_ns, term, voted_for)
            }
            Probe::HardState { term, voted_for } => view.votes(node, at_ns, term, voted_for),
            Probe::Leader { term } => {
                let in_term = view.in_term(node, at_ns, term);
                let again = view.becomes_leader(term);
                if again {
                    return in_term;
                }
                // Two leaders say more than the term or vote that one of them forgot.
                self.only_leader(node, at_ns, term).and(in_term).and(self.complete(node, at_ns, term))
            }
            Probe::SteppedDown => {
                view.steps_down();
                Ok(())
            }
            Probe::Append { index, term, hash } => self.append(node, at_ns, index, Entry { term, hash }),
            Probe::Truncate { from } => self.truncate(node, at_ns, from),
            Probe::Snapshot { last_index, last_term } => {
                view.log.compact(last_index, last_term);
                view.commit = view.commit.max(last_index);
                view.applied = view.applied.max(Some(last_index));
                let by_term = view.term;
                let told = Committed { term: last_term, hash: None, by_term, node, at_ns };
                self.commit_one(last_index, told, COMMITTED_IMMUTABLE, "has in a snapshot")
            }
            Probe::Commit { index } => self.commit(node, at_ns, index),
            Probe::Apply { index, term, hash } => self.apply(node, at_ns, index, Entry { term, hash }),
        }
    }

    fn only_leader(&mut self, node: NodeId, at_ns: u64, term: u64) -> Result<(), Evidence> {
        let Some(&(first, since)) = self.leaders.get(&term) else {
            self.leaders.insert(term, (node, at_ns));
            return Ok(());
        };
        // A node elected twice in a term has forgotten its first leadership, and proposes other entries in its second.
        let cause = match first == node {
            true => format!("node {node} is elected twice in term {term}"),
            false => format!("term {term} has two leaders, node {first} and node {node}"),
        };
        Err(Evidence::new(ELECTION_SAFETY, cause)
            .detail(evidence_at(first, since, format!("leader of term {term}")))
            .detail(evidence_at(node, at_ns, format!("leader of term {term}"))))
    }

    /// A late winner of an old term owes nothing to terms after its own, so only what was committed before its term
    /// counts; and of that the last entry is enough, by log matching.
    fn complete(&self, node: NodeId, at_ns: u64, term: u64) -> Result<(), Evidence> {
        let log = &self.nodes[&node].log;
        let Some(index) = self.committed_in.range(..term).map(|(_, index)| *index).max() else { return Ok(()) };
        let Some(committed) = self.committed_at(index) else { return Ok(()) };
        if !log.reported || index < log.base() || log.term(index) == Some(committed.term) {
            return Ok(());
        }
        let has = match log.term(index) {
            Some(other) => format!("its entry {index} is of term {other}"),
            None if index == log.base() => return Ok(()),
            None => format!("its log ends at {}", log.last()),
        };
        let cause = format!("node {node} leads term {term} without entry {index}, committed in an earlier term");
        Err(Evidence::new(LEADER_COMPLETENESS, cause)
            .detail(committed.describe(index))
            .detail(evidence_at(node, at_ns, has)))
    }

    fn append(&mut self, node: NodeId, at_ns: u64, index: u64, entry: Entry) -> Result<(), Evidence> {
        let log = &self.nodes[&node].log;
        if log.get(index) == Some(entry) || (log.reported && (1..=log.base()).contains(&index)) {
            return Ok(());
        }
        let last = log.last();
        if index == 0 || (log.reported && index > last.saturating_add(1)) {
            let cause = format!("node {node} puts entry {index} into a log that ends at {last}");
            return Err(Evidence::new(LOG_MATCHING, cause).detail(evidence_at(
                node,
                at_ns,
                "a hole in the log".into(),
            )));
        }
        let mut result = Ok(());
        if log.reported && index <= last {
            result = self.truncate(node, at_ns, index);
        }
        let Some(view) = self.nodes.get_mut(&node) else { return result };
        view.log.push(index, entry);
        let before = view.log.term(index - 1);
        result.and(self.matching.observe(node, at_ns, index, entry, before))
    }

    fn truncate(&mut self, node: NodeId, at_ns: u64, from: u64) -> Result<(), Evidence> {
        let Some(view) = self.nodes.get(&node) else { return Ok(()) };
        let last = view.log.last();
        // What a snapshot holds is not in the log to be dropped.
        let from = from.max(view.log.base().saturating_add(1));
        let dropped = |what: String| evidence_at(node, at_ns, format!("it drops entries {from} to {last}, {what}"));
        let mut result = Ok(());
        if from <= last
            && let Some(term) = view.leads()
        {
            let cause = format!("node {node} drops entries of its own log while it leads term {term}");
            result = Err(Evidence::new(LEADER_APPEND_ONLY, cause).detail(dropped(format!("leader of term {term}"))));
        }
        // A node that is behind the term of a commit may still follow an older leader and drop what it does not know
        // to be committed; one that is not behind may not. (What it told itself to be committed is of its term or before.)
        let lost = (from..=last).find(|index| {
            let holds = view.log.term(*index);
            self.committed_at(*index).is_some_and(|known| holds == Some(known.term) && view.term >= known.by_term)
        });
        if let Some((index, known)) = lost.and_then(|index| Some((index, self.committed_at(index)?))) {
            let cause = format!("node {node} drops entry {index}, which is committed");
            let line = dropped(format!("in term {}", view.term));
            result = Err(Evidence::new(COMMITTED_IMMUTABLE, cause).detail(known.describe(index)).detail(line));
        }
        if let Some(view) = self.nodes.get_mut(&node) {
            view.log.truncate(from);
        }
        result
    }

    fn commit(&mut self, node: NodeId, at_ns: u64, index: u64) -> Result<(), Evidence> {
        let Some(view) = self.nodes.get_mut(&node) else { return Ok(()) };
        let old = view.commit;
        if index < old {
            let cause = format!("the commit index of node {node} goes back from {old} to {index}");
            let line = evidence_at(node, at_ns, "in the same incarnation".into());
            return Err(Evidence::new(MONOTONIC_COMMIT, cause).detail(line));
        }
        let last = view.log.last();
        if view.log.reported && index > last {
            let cause = format!("node {node} regards entry {index} as committed, but its log ends at {last}");
            let line = evidence_at(node, at_ns, format!("commit index {index}"));
            return Err(Evidence::new(COMMITTED_IMMUTABLE, cause).detail(line));
        }
        view.commit = index;
        let (by_term, known) = (view.term, old.max(view.log.base()).saturating_add(1)..=index.min(last));
        let news = self.committed_at(index).is_none();
        let mut result = Ok(());
        for at in known {
            if let Some(Entry { term, hash }) = self.nodes.get(&node).and_then(|view| view.log.get(at)) {
                let told = Committed { term, hash: Some(hash), by_term, node, at_ns };
                result = result.and(self.commit_one(at, told, COMMITTED_IMMUTABLE, "commits"));
            }
        }
        if news { result.and(self.on_quorum(node, at_ns, index)) } else { result }
    }

    /// Records what is committed at one index, or compares it with what was.
    fn commit_one(&mut self, index: u64, told: Committed, oracle: &str, verb: &str) -> Result<(), Evidence> {
        let Some(known) = self.committed.get_mut(index) else {
            self.committed.insert(index, told);
            let highest = self.committed_in.entry(told.by_term).or_insert(index);
            *highest = index.max(*highest);
            return Ok(());
        };
        let same_hash = known.hash.is_none() || told.hash.is_none() || known.hash == told.hash;
        if known.term == told.term && same_hash {
            known.hash = known.hash.or(told.hash);
            // Who is told in an earlier term says that it was committed no later than in that one.
            if told.by_term < known.by_term {
                known.by_term = told.by_term;
                let highest = self.committed_in.entry(told.by_term).or_insert(index);
                *highest = index.max(*highest);
            }
            return Ok(());
        }
        let cause = format!("node {} {verb} another entry {index} than node {} committed", told.node, known.node);
        Err(Evidence::new(oracle, cause).detail(known.describe(index)).detail(told.describe(index)))
    }

    fn on_quorum(&self, node: NodeId, at_ns: u64, index: u64) -> Result<(), Evidence> {
        let (Some(voters), Some(term)) = (&self.voters, self.nodes.get(&node).and_then(|view| view.log.term(index)))
        else {
            return Ok(());
        };
        let holds = |voter: &&NodeId| {
            let log = self.nodes.get(voter).map(|view| &view.log);
            log.is_some_and(|log| index < log.base() || log.term(index) == Some(term))
        };
        let holders: Vec<String> = voters.iter().filter(holds).map(NodeId::to_string).collect();
        if holders.len() * 2 > voters.len() {
            return Ok(());
        }
        let cause = format!(
            "node {node} commits entry {index} of term {term}, which {} of {} voters hold",
            holders.len(),
            voters.len()
        );
        let line = evidence_at(node, at_ns, format!("it is on nodes [{}]", holders.join(", ")));
        Err(Evidence::new(COMMIT_ON_QUORUM, cause).detail(line))
    }

    fn apply(&mut self, node: NodeId, at_ns: u64, index: u64, entry: Entry) -> Result<(), Evidence> {
        let Some(view) = self.nodes.get_mut(&node) else { return Ok(()) };
        let (applied, commit, by_term) = (view.applied, view.commit, view.term);
        view.applied = applied.max(Some(index));
        let line = |what: String| evidence_at(node, at_ns, what);
        match applied {
            Some(last) if index <= last => {
                let cause = format!("node {node} applies entry {index} again, having applied up to {last}");
                return Err(Evidence::new(MONOTONIC_APPLIED, cause).detail(line("in the same incarnation".into())));
            }
            Some(last) if index > last.saturating_add(1) => {
                let cause =
                    format!("node {node} applies entry {index} right after {last}, leaving out what is between");
                return Err(Evidence::new(STATE_MACHINE_SAFETY, cause).detail(line(format!("applied index {index}"))));
            }
            _ => {}
        }
        if commit > 0 && index > commit {
            let cause = format!("node {node} applies entry {index} before it is committed");
            return Err(Evidence::new(STATE_MACHINE_SAFETY, cause).detail(line(format!("commit index {commit}"))));
        }
        let told = Committed { term: entry.term, hash: Some(entry.hash), by_term, node, at_ns };
        self.commit_one(index, told, STATE_MACHINE_SAFETY, "applies")
    }

    fn committed_at(&self, index: u64) -> Option<Committed> {
        self.committed.get(index).copied()
    }
}

impl Committed {
    fn describe(&self, index: u64) -> String {
        let hash = self.hash.map_or_else(|| "unknown content".to_owned(), |hash| format!("content hash {hash:016x}"));
        evidence_at(self.node, self.at_ns, format!("entry {index} is of term {}, {hash}", self.term))
    }
}
