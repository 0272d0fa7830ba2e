//! A map by log index. Indices are handed out one after the other, so nearly every one lies next to its neighbours.

use std::collections::BTreeMap;

/// How far behind the last index in the table one may lie and still be put there, with room for those between.
const GAP: u64 = 64;

/// Values by log index: a table from the first index on, and a tree for what lies far away from it, so that no single
/// index, however large, asks for more memory than its neighbours do.
#[derive(Clone, Debug)]
pub(super) struct ByIndex<T> {
    first: u64,
    near: Vec<Option<T>>,
    far: BTreeMap<u64, T>,
}

impl<T> Default for ByIndex<T> {
    fn default() -> Self {
        ByIndex { first: 0, near: Vec::new(), far: BTreeMap::new() }
    }
}

impl<T> ByIndex<T> {
    pub(super) fn get(&self, index: u64) -> Option<&T> {
        match self.place(index).and_then(|place| self.near.get(place)) {
            Some(Some(value)) => Some(value),
            _ if self.far.is_empty() => None,
            _ => self.far.get(&index),
        }
    }

    pub(super) fn get_mut(&mut self, index: u64) -> Option<&mut T> {
        match self.place(index).and_then(|place| self.near.get_mut(place)) {
            Some(Some(value)) => Some(value),
            _ if self.far.is_empty() => None,
            _ => self.far.get_mut(&index),
        }
    }

    /// Puts `value` at an index that has none.
    pub(super) fn insert(&mut self, index: u64, value: T) {
        debug_assert!(self.get(index).is_none(), "{index} has a value");
        if self.near.is_empty() {
            self.first = index;
        }
        let end = self.first.saturating_add(self.near.len() as u64);
        match self.place(index).filter(|_| index < end.saturating_add(GAP)) {
            Some(place) => {
                if place >= self.near.len() {
                    self.near.resize_with(place + 1, || None);
                }
                self.near[place] = Some(value);
            }
            None => {
                self.far.insert(index, value);
            }
        }
    }

    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};

    #[test]
    fn it_is_a_map_wherever_the_indices_lie() {
        for seed in 0..200 {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let (mut table, mut tree) = (ByIndex::default(), BTreeMap::new());
            let mut at = [0, 5, 1 << 40, u64::MAX - 3][rng.random_range(0..4)];
            for value in 0..200_u64 {
                at = match rng.random_range(0..20) {
                    0 => rng.random(),
                    1 => at.saturating_add(rng.random_range(0..3 * GAP)),
                    2 => at.saturating_sub(rng.random_range(0..3 * GAP)),
                    _ => at.saturating_add(1),
                };
                assert_eq!(table.get(at), tree.get(&at), "seed {seed}");
                match (table.get_mut(at), tree.get_mut(&at)) {
                    (Some(one), Some(other)) => (*one, *other) = (value, value),
                    (one, other) => {
                        assert_eq!(one, other, "seed {seed}");
                        table.insert(at, value);
                        tree.insert(at, value);
                    }
                }
            }
            assert!(tree.iter().all(|(index, value)| table.get(*index) == Some(value)), "seed {seed}");
        }
    }

    #[test]
    fn an_index_far_away_asks_for_no_table() {
        let mut table = ByIndex::default();
        for index in [7, 7 + GAP, u64::MAX, 3] {
            table.insert(index, ());
        }
        assert_eq!((table.near.len() as u64, table.far.len()), (GAP + 1, 2));
    }
}
