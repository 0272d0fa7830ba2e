//! The in-memory log: the entries after a base (a snapshot, or nothing), and how far they are durable.

use std::collections::VecDeque;

use super::types::{Entry, Index, SnapshotMeta, Term};

/// The chain hash after an entry: covers its index, term and data and, through `previous`, all entries before it.
///
/// It is an observation aid, cheap enough for every entry, and not protection against an adversary: the data enters
/// through its CRC-32, and the rest is mixed by the finaliser of SplitMix64.
pub fn chain(previous: u64, entry: &Entry) -> u64 {
    let data = u64::from(crc32fast::hash(&entry.data));
    [entry.index, entry.term, (data << 32) ^ entry.data.len() as u64].into_iter().fold(previous, |hash, word| {
        let mut mixed = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[derive(Debug, Clone)]
struct Slot {
    entry: Entry,
    hash: u64,
}

/// The log. Indexes are contiguous from `base.index + 1`.
#[derive(Debug, Clone, Default)]
pub struct Log {
    base: SnapshotMeta,
    slots: VecDeque<Slot>,
    durable: Index,
}

impl Log {
    /// The log after `base` that holds `entries`, all durable.
    ///
    /// # Panics
    /// If the entries are not contiguous from `base`: storage has checked that.
    pub fn new(base: SnapshotMeta, entries: Vec<Entry>) -> Self {
        let mut log = Log { base, slots: VecDeque::with_capacity(entries.len()), durable: base.index };
        for entry in entries {
            log.append(entry);
        }
        log.durable = log.last_index();
        log
    }

    /// What the log starts after.
    pub fn base(&self) -> SnapshotMeta {
        self.base
    }

    /// The index of the last entry, or of the base.
    pub fn last_index(&self) -> Index {
        self.base.index + self.slots.len() as u64
    }

    /// The term of the last entry, or of the base.
    pub fn last_term(&self) -> Term {
        self.slots.back().map_or(self.base.term, |slot| slot.entry.term)
    }

    /// The last index that is durable on this node.
    pub fn durable(&self) -> Index {
        self.durable
    }

    fn slot(&self, index: Index) -> Option<&Slot> {
        let offset = index.checked_sub(self.base.index + 1)?;
        self.slots.get(usize::try_from(offset).ok()?)
    }

    /// The term at an index; `None` below the base and past the end.
    pub fn term(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.slot(index).map(|slot| slot.entry.term)
    }

    /// The chain hash at an index; `None` below the base and past the end.
    pub fn hash(&self, index: Index) -> Option<u64> {
        if index == self.base.index {
            return Some(self.base.hash);
        }
        self.slot(index).map(|slot| slot.hash)
    }

    /// The entry at an index with its chain hash.
    pub fn entry(&self, index: Index) -> Option<(&Entry, u64)> {
        self.slot(index).map(|slot| (&slot.entry, slot.hash))
    }

    /// The entries from `from` on, as many as fit in `bytes`, but at least one if there is one.
    pub fn entries(&self, from: Index, bytes: usize) -> Vec<Entry> {
        let Some(start) = from.checked_sub(self.base.index + 1) else { return Vec::new() };
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(self.slots.len());
        let mut budget = bytes;
        let mut entries = Vec::new();
        for slot in self.slots.range(start..) {
            let cost = slot.entry.data.len() + ENTRY_OVERHEAD;
            if !entries.is_empty() && cost > budget {
                break;
            }
            budget = budget.saturating_sub(cost);
            entries.push(slot.entry.clone());
        }
        entries
    }

    /// Adds an entry at the end, and returns the chain hash there.
    ///
    /// # Panics
    /// If its index is not the next one: a bug in the caller.
    pub fn append(&mut self, entry: Entry) -> u64 {
        assert_eq!(entry.index, self.last_index() + 1, "the log must stay contiguous");
        let previous = self.slots.back().map_or(self.base.hash, |slot| slot.hash);
        let hash = chain(previous, &entry);
        self.slots.push_back(Slot { entry, hash });
        hash
    }

    /// Drops every entry from `from` on.
    pub fn truncate(&mut self, from: Index) {
        let keep = from.saturating_sub(self.base.index + 1);
        self.slots.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        self.durable = self.durable.min(self.last_index());
    }

    /// Records that entries up to `index`, of this term when they were written, are durable. An entry that was
    /// replaced since is not: its replacement's own write will say so.
    pub fn written(&mut self, index: Index, term: Term) -> bool {
        let advanced = index > self.durable && self.term(index) == Some(term);
        if advanced {
            self.durable = index;
        }
        advanced
    }

    /// Forgets entries up to `index`, which becomes the base.
    pub fn compact(&mut self, index: Index) {
        let (Some(term), Some(hash)) = (self.term(index), self.hash(index)) else { return };
        let drop = usize::try_from(index - self.base.index).unwrap_or(usize::MAX).min(self.slots.len());
        self.slots.drain(..drop);
        self.base = SnapshotMeta { index, term, hash };
    }

    /// Replaces everything by an empty log after `base`.
    pub fn reset(&mut self, base: SnapshotMeta) {
        *self = Log { base, slots: VecDeque::new(), durable: base.index };
    }

    /// The first index held whose term is that of `index`: where a conflict's term begins.
    pub fn first_of_term(&self, index: Index) -> Index {
        let term = self.term(index);
        let mut first = index;
        while first > self.base.index + 1 && self.term(first - 1) == term {
            first -= 1;
        }
        first
    }

    /// The last index held of `term`, if any.
    pub fn last_of_term(&self, term: Term) -> Option<Index> {
        // Terms never decrease along the log.
        let after = self.slots.partition_point(|slot| slot.entry.term <= term) as u64;
        let index = self.base.index + after;
        (self.term(index) == Some(term)).then_some(index)
    }
}

/// What an entry costs in a message beside its data, in bytes; an upper bound.
const ENTRY_OVERHEAD: usize = 32;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entry(index: Index, term: Term) -> Entry {
        Entry { index, term, data: Bytes::from(format!("{index}@{term}")) }
    }

    fn log(terms: &[Term]) -> Log {
        Log::new(SnapshotMeta::default(), terms.iter().zip(1..).map(|(term, index)| entry(index, *term)).collect())
    }

    #[test]
    fn equal_hashes_mean_equal_prefixes() {
        let (left, right, other) = (log(&[1, 1, 2]), log(&[1, 1, 2, 3]), log(&[1, 2, 2]));
        assert_eq!(left.hash(3), right.hash(3));
        assert_ne!(left.hash(3), other.hash(3), "the same last entry on another prefix hashes otherwise");
        assert_ne!(left.hash(2), left.hash(3));
    }

    #[test]
    fn compaction_keeps_terms_and_hashes() {
        let whole = log(&[1, 1, 2, 2, 3]);
        let mut compacted = whole.clone();
        compacted.compact(3);
        assert_eq!(compacted.base().index, 3);
        assert_eq!(compacted.term(2), None);
        for index in 3..=5 {
            assert_eq!(compacted.term(index), whole.term(index));
            assert_eq!(compacted.hash(index), whole.hash(index));
        }
        assert_eq!(compacted.append(entry(6, 3)), whole.clone().append(entry(6, 3)));
    }

    #[test]
    fn a_replaced_entry_is_not_durable_through_the_old_write() {
        let mut log = log(&[1, 1]);
        log.append(entry(3, 1));
        log.truncate(2);
        assert_eq!(log.durable(), 1);
        log.append(entry(2, 2));
        log.append(entry(3, 2));
        assert!(!log.written(3, 1));
        assert_eq!(log.durable(), 1);
        assert!(log.written(3, 2));
        assert_eq!(log.durable(), 3);
    }

    #[test]
    fn term_boundaries_are_found() {
        let log = log(&[1, 1, 3, 3, 3, 6]);
        assert_eq!(log.first_of_term(5), 3);
        assert_eq!(log.first_of_term(2), 1);
        assert_eq!(log.last_of_term(3), Some(5));
        assert_eq!(log.last_of_term(6), Some(6));
        assert_eq!(log.last_of_term(2), None);
        assert_eq!(log.last_of_term(7), None);
    }

    #[test]
    fn a_batch_holds_at_least_one_entry() {
        let log = log(&[1, 1, 1]);
        assert_eq!(log.entries(2, 0).len(), 1);
        assert_eq!(log.entries(1, 1 << 20).len(), 3);
        assert!(log.entries(4, 1 << 20).is_empty());
    }
}
