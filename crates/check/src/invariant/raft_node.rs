//! What is known of one Raft node: what must survive its restarts, and what may start over with each incarnation.

use super::raft::{MONOTONIC_TERM, NodeId, ONE_VOTE_PER_TERM, evidence_at};
use super::raft_log::NodeLog;
use crate::verdict::Evidence;

/// One node.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeView {
    /// Stable: the highest term seen, since when, and the vote in it.
    pub(super) term: u64,
    term_since_ns: u64,
    vote: Option<NodeId>,
    /// Stable, but for what was not yet synced.
    pub(super) log: NodeLog,
    /// Volatile: Raft finds its commit index anew after a restart (Ongaro 2014, figure 3.1).
    pub(super) commit: u64,
    /// Volatile; `None` before the first entry of this incarnation.
    pub(super) applied: Option<u64>,
    /// Volatile: the term in which it leads.
    leads: Option<u64>,
}

impl NodeView {
    /// A new incarnation: volatile state starts over.
    pub(super) fn restart(&mut self, last_index: u64) {
        (self.commit, self.applied, self.leads) = (0, None, None);
        self.log.recover(last_index);
    }

    /// The term in which the node leads now, if it does.
    pub(super) fn leads(&self) -> Option<u64> {
        self.leads.filter(|term| *term == self.term)
    }

    /// Returns whether it had said so before, in this incarnation and without having stepped down since.
    pub(super) fn becomes_leader(&mut self, term: u64) -> bool {
        self.leads.replace(term) == Some(term)
    }

    pub(super) fn steps_down(&mut self) {
        self.leads = None;
    }

    /// The node is in `term`.
    pub(super) fn in_term(&mut self, node: NodeId, at_ns: u64, term: u64) -> Result<(), Evidence> {
        if term < self.term {
            let cause = format!("the term of node {node} goes back from {} to {term}", self.term);
            return Err(Evidence::new(MONOTONIC_TERM, cause)
                .detail(evidence_at(node, self.term_since_ns, format!("term {}", self.term)))
                .detail(evidence_at(node, at_ns, format!("term {term}"))));
        }
        if term > self.term {
            (self.term, self.term_since_ns, self.vote) = (term, at_ns, None);
        }
        Ok(())
    }

    /// The node has given this vote in `term`.
    pub(super) fn votes(&mut self, node: NodeId, at_ns: u64, term: u64, vote: Option<NodeId>) -> Result<(), Evidence> {
        let known = if term == self.term { self.vote } else { None };
        self.in_term(node, at_ns, term)?;
        match (known, vote) {
            (Some(old), Some(new)) if old != new => {
                let cause =
                    format!("node {node} votes for node {new} in term {term}, having voted for node {old} in it");
                Err(Evidence::new(ONE_VOTE_PER_TERM, cause).detail(evidence_at(node, at_ns, "the second vote".into())))
            }
            (Some(old), None) => {
                let cause = format!("node {node} no longer knows that it voted for node {old} in term {term}");
                Err(Evidence::new(ONE_VOTE_PER_TERM, cause).detail(evidence_at(node, at_ns, "no vote".into())))
            }
            (_, vote) => {
                self.vote = vote;
                Ok(())
            }
        }
    }
}
