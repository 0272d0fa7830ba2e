//! From ChainFire's probes to Raft's oracles, and to a picture of who leads.

use std::collections::BTreeMap;
use std::sync::Arc;

use chainfire::probe::Probe;
use parking_lot::Mutex;
use stormglass::check::{Evidence, Probe as Seen, RaftOracle};

/// What the probes say of the cluster: ground truth, where a status page is only a node's own view.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// Who leads, by node: the term it won and has not given up.
    leading: BTreeMap<u64, u64>,
    /// Highest term seen anywhere.
    pub(crate) term: u64,
    /// Elections won so far.
    pub(crate) elections: u64,
    /// Snapshots installed so far.
    pub(crate) installs: u64,
    /// Highest index committed anywhere.
    pub(crate) committed: u64,
    /// Entries truncated after they had been appended.
    pub(crate) truncations: u64,
    /// Each time that its disk stopped a node: the node, and what it said.
    pub(crate) disk_stops: Vec<(u64, String)>,
    /// Who voted for whom in each of the last terms.
    votes: BTreeMap<u64, BTreeMap<u64, u64>>,
    /// How many elections each node began.
    begun: BTreeMap<u64, u64>,
}

/// Of how many terms the votes are kept.
const TERMS_KEPT: usize = 16;

impl Picture {
    /// The node that leads in the highest term of those that lead.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.leading.iter().max_by_key(|&(_, term)| *term).map(|(node, _)| *node)
    }

    /// A node's disk has stopped it, with these words.
    pub(crate) fn stopped(&mut self, node: u64, said: String) {
        self.leading.remove(&node);
        self.disk_stops.push((node, said));
    }

    /// Why nobody leads, or not for long: who began elections, and what became of the last ones.
    pub(crate) fn unrest(&self) -> Vec<String> {
        let begun: Vec<String> = self.begun.iter().map(|(node, count)| format!("n{node} {count}")).collect();
        if begun.is_empty() {
            return vec!["no node began an election".to_owned()];
        }
        let mut reasons = vec![format!("elections begun: {}", begun.join(", "))];
        let split =
            |votes: &&BTreeMap<u64, u64>| votes.values().any(|first| votes.values().any(|other| other != first));
        let splits = self.votes.values().filter(split).count();
        if splits > 0 {
            reasons.push(format!("the vote was split in {splits} of the last {} terms", self.votes.len()));
        }
        if let Some((term, votes)) = self.votes.last_key_value() {
            let votes: Vec<String> = votes.iter().map(|(from, to)| format!("n{from} for n{to}")).collect();
            reasons.push(format!("votes of term {term}: {}", votes.join(", ")));
        }
        for (node, term) in &self.leading {
            reasons.push(format!("n{node} leads in term {term}, and the highest term is {}", self.term));
        }
        reasons
    }

    /// Every node that believes it leads.
    pub(crate) fn leaders(&self) -> Vec<u64> {
        self.leading.keys().copied().collect()
    }
}

/// Judges probes as they come.
#[derive(Debug)]
pub(crate) struct Judge {
    raft: RaftOracle,
    /// By node, the first index that it appended or truncated since its log was last synced.
    unsynced: BTreeMap<u64, u64>,
    picture: Arc<Mutex<Picture>>,
}

impl Judge {
    pub(crate) fn new(picture: Arc<Mutex<Picture>>) -> Self {
        Self { raft: RaftOracle::new(), unsynced: BTreeMap::new(), picture }
    }

    /// One probe of one node.
    pub(crate) fn observe(&mut self, node: u64, at_ns: u64, probe: &Probe) -> Result<(), Evidence> {
        self.draw(node, probe);
        if let Probe::Appended { index, .. } | Probe::Truncated { from: index, .. } = *probe {
            let first = self.unsynced.entry(node).or_insert(index);
            *first = index.min(*first);
        }
        let mut see = |seen| self.raft.observe(node, at_ns, seen);
        match *probe {
            Probe::Started { term, voted_for, last_index, snapshot_index, ref log } => {
                // Below the first index touched since the last sync the log is as it was; above it, as the disk made it.
                let from = self.unsynced.remove(&node).unwrap_or(u64::MAX);
                let voted_for = voted_for.map(|n| n.0);
                see(Seen::Started { term, voted_for, last_index: snapshot_index.max(last_index.min(from - 1)) })?;
                let mut tail = log.iter().filter(|(index, ..)| *index >= from);
                tail.try_for_each(|&(index, term, hash)| see(Seen::Append { index, term, hash }))
            }
            Probe::Durable { index, .. } => {
                if self.unsynced.get(&node).is_some_and(|from| *from <= index) {
                    self.unsynced.insert(node, index + 1);
                }
                Ok(())
            }
            Probe::HardStateDurable { term, voted_for } => {
                see(Seen::HardState { term, voted_for: voted_for.map(|n| n.0) })
            }
            Probe::BecameLeader { term } => see(Seen::Leader { term }),
            Probe::SteppedDown { .. } => see(Seen::SteppedDown),
            Probe::Appended { index, term, hash } => see(Seen::Append { index, term, hash }),
            Probe::Truncated { from, .. } => see(Seen::Truncate { from }),
            Probe::Committed { index, .. } => see(Seen::Commit { index }),
            Probe::Applied { index, term, hash } => see(Seen::Apply { index, term, hash }),
            Probe::SnapshotTaken { index, term, .. } | Probe::SnapshotInstalled { index, term, .. } => {
                see(Seen::Snapshot { last_index: index, last_term: term })
            }
            // Spoken of by others once they last, or no matter of Raft's safety. Listed, so that no new probe goes unjudged.
            Probe::TermChanged { .. }
            | Probe::Voted { .. }
            | Probe::Ack { .. }
            | Probe::Replayed { .. }
            | Probe::SnapshotSent { .. }
            | Probe::ReadServed { .. }
            | Probe::PeerFailed { .. }
            | Probe::PeerUnreachable { .. } => Ok(()),
        }
    }

    fn draw(&mut self, node: u64, probe: &Probe) {
        let mut picture = self.picture.lock();
        match *probe {
            Probe::Started { term, .. } => {
                picture.leading.remove(&node);
                picture.term = picture.term.max(term);
            }
            Probe::Voted { term, candidate } => {
                picture.votes.entry(term).or_default().insert(node, candidate.0);
                if picture.votes.len() > TERMS_KEPT {
                    picture.votes.pop_first();
                }
                *picture.begun.entry(candidate.0).or_default() += u64::from(candidate.0 == node);
            }
            Probe::TermChanged { term } => picture.term = picture.term.max(term),
            Probe::BecameLeader { term } => {
                picture.leading.insert(node, term);
                picture.elections += 1;
            }
            Probe::SteppedDown { .. } => {
                picture.leading.remove(&node);
            }
            Probe::Committed { index, .. } => picture.committed = picture.committed.max(index),
            Probe::Truncated { .. } => picture.truncations += 1,
            Probe::SnapshotInstalled { .. } => picture.installs += 1,
            _ => {}
        }
    }
}
