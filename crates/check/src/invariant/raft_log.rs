//! What is known of one node's log, and of all logs together: the log matching property.
//!
//! Log matching (Ongaro 2014, §3.5): if two logs hold an entry with the same index and term, they are identical up to
//! and with it. It is checked one entry at a time: an index and term stand for one content *and one predecessor*; by
//! induction that is the whole prefix, so no prefix is ever walked.

use super::by_index::ByIndex;
use super::raft::{LOG_MATCHING, NodeId, evidence_at};
use crate::verdict::Evidence;

/// A log entry: its term, and a hash of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) term: u64,
    pub(super) hash: u64,
}

/// One node's log. Indices begin at 1; everything up to `base` is in a snapshot, or was there before the first probe.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeLog {
    base: u64,
    /// Term of the entry at `base`; `None` if unknown.
    base_term: Option<u64>,
    entries: Vec<Entry>,
    /// Whether the node reports its log at all.
    pub(super) reported: bool,
}

impl NodeLog {
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn last(&self) -> u64 {
        self.base.saturating_add(self.entries.len() as u64)
    }

    /// The entry at `index`, if it is known and not in a snapshot.
    pub(super) fn get(&self, index: u64) -> Option<Entry> {
        let offset = index.checked_sub(self.base)?.checked_sub(1)?;
        self.entries.get(usize::try_from(offset).ok()?).copied()
    }

    /// The term at `index`, as far as it is known; 0 before the first entry.
    pub(super) fn term(&self, index: u64) -> Option<u64> {
        match index {
            0 => Some(0),
            _ if index == self.base => self.base_term,
            _ => self.get(index).map(|entry| entry.term),
        }
    }

    /// Puts an entry behind the last one. The first entry of a node that was not seen from its start may stand anywhere.
    pub(super) fn push(&mut self, index: u64, entry: Entry) {
        if index != self.last().saturating_add(1) {
            self.base = index.saturating_sub(1);
            self.base_term = None;
            self.entries.clear();
        }
        self.entries.push(entry);
        self.reported = true;
    }

    /// Drops the entries from `from` on.
    pub(super) fn truncate(&mut self, from: u64) {
        let kept = from.saturating_sub(self.base.saturating_add(1));
        self.entries.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    /// The node came back with entries up to `last`: what it held beyond is lost, what it holds beyond is unknown.
    pub(super) fn recover(&mut self, last: u64) {
        if last > self.last() || last < self.base {
            self.base = last;
            self.base_term = if last == 0 { Some(0) } else { None };
            self.entries.clear();
        } else {
            self.truncate(last.saturating_add(1));
        }
        self.reported = true;
    }

    /// Entries up to `last` are in a snapshot now. What follows stays only if it follows that very entry.
    /// One that ends before the last one did is old news.
    pub(super) fn compact(&mut self, last: u64, term: u64) {
        if last < self.base {
            return;
        }
        let kept = if self.term(last) == Some(term) {
            let from = usize::try_from(last - self.base).unwrap_or(usize::MAX).min(self.entries.len());
            self.entries.split_off(from)
        } else {
            Vec::new()
        };
        (self.base, self.base_term, self.entries, self.reported) = (last, Some(term), kept, true);
    }
}

/// Every entry that was ever in a log, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct Matching {
    seen: ByIndex<Place>,
}

/// What was seen at one index: nearly always one entry, of one term.
#[derive(Clone, Debug)]
struct Place {
    first: Seen,
    others: Vec<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    entry: Entry,
    /// Term of the entry before it; `None` if it was unknown.
    before: Option<u64>,
    node: NodeId,
    at_ns: u64,
}

impl Matching {
    /// An entry was put in a log, behind one of term `before`.
    pub(super) fn observe(
        &mut self,
        node: NodeId,
        at_ns: u64,
        index: u64,
        entry: Entry,
        before: Option<u64>,
    ) -> Result<(), Evidence> {
        let news = Seen { entry, before, node, at_ns };
        let Some(place) = self.seen.get_mut(index) else {
            self.seen.insert(index, Place { first: news, others: Vec::new() });
            return Ok(());
        };
        let mut all = std::iter::once(&mut place.first).chain(&mut place.others);
        let Some(known) = all.find(|seen| seen.entry.term == entry.term) else {
            place.others.push(news);
            return Ok(());
        };
        let term = entry.term;
        if known.entry.hash != entry.hash {
            let cause =
                format!("entry {index} of term {term} is one thing on node {} and another on node {node}", known.node);
            return Err(Evidence::new(LOG_MATCHING, cause)
                .detail(evidence_at(known.node, known.at_ns, format!("content hash {:016x}", known.entry.hash)))
                .detail(evidence_at(node, at_ns, format!("content hash {:016x}", entry.hash))));
        }
        match (known.before, before) {
            (Some(one), Some(other)) if one != other => {
                let cause = format!(
                    "nodes {} and {node} agree on entry {index} of term {term} but not on what is before it",
                    known.node
                );
                let place = index.saturating_sub(1);
                Err(Evidence::new(LOG_MATCHING, cause)
                    .detail(evidence_at(known.node, known.at_ns, format!("entry {place} is of term {one}")))
                    .detail(evidence_at(node, at_ns, format!("entry {place} is of term {other}"))))
            }
            (None, Some(_)) => {
                known.before = before;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
