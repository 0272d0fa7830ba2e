//! Values in a row, of which a change gives another row and leaves the first as it was. The two share nearly all of their
//! memory, and a row knows its hash, so that a step of a queue or of a log costs the same however long it has become.

use super::Bytes;
use crate::linear::FixedState;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// How many children a node has, or values a leaf, at most: two to this power.
const BITS: u32 = 5;
const WIDTH: usize = 1 << BITS;

/// The hash is a polynomial over the values' hashes, modulo 2⁶⁴: what goes in or comes out at an end changes one term.
/// Any odd number may be the base, for it must have an inverse.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
const INVERSE: u64 = inverse(BASE);

/// Newton's iteration: every round doubles the low bits that are right.
const fn inverse(odd: u64) -> u64 {
    let mut found = odd;
    let mut round = 0;
    while round < 6 {
        found = found.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(found)));
        round += 1;
    }
    found
}

#[derive(Clone)]
enum Node {
    Inner(Vec<Arc<Node>>),
    Leaf(Vec<Bytes>),
}

/// A window into a tree of values by index. What is taken from the front stays in the tree until the row is empty.
#[derive(Clone)]
pub(super) struct Row {
    root: Option<Arc<Node>>,
    /// Levels above the leaves.
    height: u32,
    first: usize,
    end: usize,
    hash: u64,
    /// The base to the power of the row's length.
    power: u64,
}

impl Default for Row {
    fn default() -> Self {
        Row { root: None, height: 0, first: 0, end: 0, hash: 0, power: 1 }
    }
}

impl Row {
    pub(super) fn len(&self) -> usize {
        self.end - self.first
    }

    /// The value at `at`, counted from the front.
    pub(super) fn get(&self, at: usize) -> Option<&Bytes> {
        let index = self.first + at;
        if index >= self.end {
            return None;
        }
        let mut node = self.root.as_deref()?;
        let mut level = self.height;
        loop {
            let slot = index >> (level * BITS) & (WIDTH - 1);
            match node {
                Node::Leaf(values) => return values.get(slot),
                Node::Inner(children) => node = children.get(slot)?,
            }
            level = level.saturating_sub(1);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// The row with `value` behind it.
    pub(super) fn pushed(&self, value: &Bytes) -> Row {
        let mut next = self.clone();
        let index = next.end;
        let mut root = next.root.take();
        if index == WIDTH << (next.height * BITS) {
            // The tree is full: a level more.
            root = root.map(|full| Arc::new(Node::Inner(vec![full])));
            next.height += 1;
        }
        next.root = Some(with(root.as_deref(), next.height, index, value));
        next.hash = self.hash.wrapping_add(FixedState.hash_one(value).wrapping_mul(self.power));
        next.power = self.power.wrapping_mul(BASE);
        next.end += 1;
        next
    }

    /// The row without its first value.
    pub(super) fn without_first(&self) -> Row {
        let Some(value) = self.get(0) else { return self.clone() };
        let mut next = self.clone();
        next.hash = self.hash.wrapping_sub(FixedState.hash_one(value)).wrapping_mul(INVERSE);
        next.power = self.power.wrapping_mul(INVERSE);
        next.first += 1;
        if next.first == next.end { Row::default() } else { next }
    }

    /// The row without its last value.
    pub(super) fn without_last(&self) -> Row {
        let Some(value) = self.len().checked_sub(1).and_then(|last| self.get(last)) else { return self.clone() };
        let mut next = self.clone();
        next.power = self.power.wrapping_mul(INVERSE);
        next.hash = self.hash.wrapping_sub(FixedState.hash_one(value).wrapping_mul(next.power));
        next.end -= 1;
        if next.first == next.end { Row::default() } else { next }
    }
}

/// `node`, or an empty one, with `value` at `index`, behind which is nothing any more.
fn with(node: Option<&Node>, level: u32, index: usize, value: &Bytes) -> Arc<Node> {
    let slot = index >> (level * BITS) & (WIDTH - 1);
    if level == 0 {
        let mut values = Vec::with_capacity(WIDTH);
        if let Some(Node::Leaf(known)) = node {
            values.extend_from_slice(&known[..slot.min(known.len())]);
        }
        values.push(value.clone());
        return Arc::new(Node::Leaf(values));
    }
    let (mut children, below) = match node {
        Some(Node::Inner(known)) => (known[..slot.min(known.len())].to_vec(), known.get(slot)),
        _ => (Vec::new(), None),
    };
    children.push(with(below.map(Arc::as_ref), level - 1, index, value));
    Arc::new(Node::Inner(children))
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.hash == other.hash && self.iter().eq(other.iter())
    }
}

impl Eq for Row {}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
        state.write_usize(self.len());
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn listed(row: &Row) -> Vec<Bytes> {
        row.iter().cloned().collect()
    }

    /// The same values put in afresh.
    fn afresh(values: impl IntoIterator<Item = Bytes>) -> Row {
        values.into_iter().fold(Row::default(), |row, value| row.pushed(&value))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_row_is_a_list_that_remembers_its_past(moves in proptest::collection::vec((0u8..6, 0u8..3), 0..70)) {
            let mut list: VecDeque<Bytes> = VecDeque::new();
            let mut row = Row::default();
            let mut past = Vec::new();
            for (kind, value) in moves {
                past.push((row.clone(), list.clone()));
                let value = Bytes::from(value.to_string());
                match kind {
                    0..=3 => {
                        row = row.pushed(&value);
                        list.push_back(value);
                    }
                    4 => {
                        row = row.without_first();
                        list.pop_front();
                    }
                    _ => {
                        row = row.without_last();
                        list.pop_back();
                    }
                }
            }
            for (row, list) in past.into_iter().chain([(row, list)]) {
                let values: Vec<Bytes> = list.into_iter().collect();
                prop_assert_eq!(&listed(&row), &values);
                prop_assert_eq!(row.get(values.len()), None);
                let same = afresh(values.clone());
                prop_assert!(row == same && FixedState.hash_one(&row) == FixedState.hash_one(&same));
                prop_assert!(row != same.pushed(&Bytes::from("0")));
            }
        }
    }

    #[test]
    fn a_long_row_is_as_exact_as_a_short_one() {
        let text = |at: usize| Bytes::from(at.to_string());
        let mut row = Row::default();
        for at in 0..40_000 {
            row = row.pushed(&text(at));
        }
        let tail = (0..39_000).fold(row.clone(), |row, _| row.without_first());
        assert_eq!((row.len(), row.get(0), row.get(39_999)), (40_000, Some(&text(0)), Some(&text(39_999))));
        assert_eq!((tail.len(), tail.get(0), tail.get(1_000)), (1_000, Some(&text(39_000)), None));
        assert!(tail == afresh((39_000..40_000).map(text)));
    }
}
