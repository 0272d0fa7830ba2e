//! How many operations of unknown outcome a configuration has used, by class, as numbers: equal counts are one number.

use crate::linear::memo::FixedState;
use std::collections::HashMap;
use std::hash::BuildHasher;

const NONE: u32 = u32::MAX;

/// Counts by number. Number 0 is "none used".
pub(super) struct Used {
    lists: Vec<Box<[(u32, u32)]>>,
    next: Vec<u32>,
    first: HashMap<u64, u32, FixedState>,
    words: usize,
}

impl Used {
    pub(super) fn new() -> Self {
        let mut used = Used { lists: Vec::new(), next: Vec::new(), first: HashMap::default(), words: 0 };
        used.intern(Box::from([]));
        used
    }

    fn intern(&mut self, list: Box<[(u32, u32)]>) -> u32 {
        let head = self.first.entry(FixedState.hash_one(&list)).or_insert(NONE);
        let mut at = *head;
        while at != NONE {
            if self.lists[at as usize] == list {
                return at;
            }
            at = self.next[at as usize];
        }
        let fresh = u32::try_from(self.lists.len()).unwrap_or(NONE - 1);
        self.next.push(*head);
        *head = fresh;
        self.words += list.len();
        self.lists.push(list);
        fresh
    }

    /// How many of `kind` are used.
    pub(super) fn count(&self, of: u32, kind: u32) -> u32 {
        let list = &self.lists[of as usize];
        list.binary_search_by_key(&kind, |(kind, _)| *kind).map_or(0, |at| list[at].1)
    }

    /// One more of `kind`.
    pub(super) fn more(&mut self, of: u32, kind: u32) -> u32 {
        let mut list = self.lists[of as usize].to_vec();
        match list.binary_search_by_key(&kind, |(kind, _)| *kind) {
            Ok(at) => list[at].1 += 1,
            Err(at) => list.insert(at, (kind, 1)),
        }
        self.intern(list.into_boxed_slice())
    }

    /// Whether `one` used no more of anything than `other`.
    pub(super) fn within(&self, one: u32, other: u32) -> bool {
        let (list, other) = (&self.lists[one as usize], &self.lists[other as usize]);
        let mut rest = other.iter();
        one == 0 || list.iter().all(|(kind, count)| rest.any(|(known, most)| known == kind && count <= most))
    }

    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Forgets all but the counts in `alive`, which are renumbered in place.
    pub(super) fn keep<'a>(&mut self, alive: impl Iterator<Item = &'a mut u32>) {
        let mut old = std::mem::replace(self, Used::new());
        for number in alive {
            let list = old.lists[*number as usize].clone();
            *number = self.intern(list);
        }
        old.lists.clear();
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.lists.len() * 48 + self.words * 8) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_compared_kind_by_kind() {
        let mut used = Used::new();
        let a = used.more(0, 3);
        let aa = used.more(a, 3);
        let b = used.more(0, 1);
        let ab = used.more(b, 3);
        assert_eq!(used.more(a, 1), ab, "the way does not matter");
        assert!(used.within(0, a) && used.within(a, aa) && used.within(a, ab) && used.within(b, ab));
        assert!(!used.within(aa, ab) && !used.within(a, b) && !used.within(ab, aa) && !used.within(a, 0));
        assert_eq!((used.count(aa, 3), used.count(aa, 1)), (2, 0));
        let mut alive = [ab];
        used.keep(alive.iter_mut());
        assert_eq!((used.len(), used.count(alive[0], 3), used.count(alive[0], 1)), (2, 1, 1));
    }
}
