//! A heap with four children to a place: what is ready, and which timers wait.
//!
//! The entries are of 16 bytes, so the four children of a place are one line of the processor's cache, and a heap of a
//! thousand has five levels and not ten. They lie in blocks of four, filled up with an entry that comes last of all, so that
//! the smallest of a block is found without a branch. The smallest entry is on top.
//!
//! What is taken from the top leaves a gap there, which the next entry fills: a task that gives way and a timer that is armed
//! anew cost one way down the heap instead of one down and one up.

/// What a heap holds: small, and ordered by a part of it. Among entries with equal ranks the heap itself chooses, by what
/// was done to it and nothing else.
pub(crate) trait Entry: Copy {
    type Rank: Copy + Ord;

    /// Comes after every entry that is put in, or is as great: of equals in one block the first leaves first, and this is never
    /// before another.
    const LAST: Self;

    fn rank(self) -> Self::Rank;
}

/// Children of a place.
const ARITY: usize = 4;

/// A heap of small values, the smallest on top.
///
/// The first block has the top in its last lane, and each other block the children of one place: those of place `p` are block
/// `p + 1`, and themselves the places from `4 p + 1`: what is below lane `l` of block `b` is block `4 b + l - 2`.
#[derive(Debug)]
pub(crate) struct Heap<T> {
    blocks: Vec<[T; ARITY]>,
    len: usize,
    /// The top has been taken: its place counts, and there is nothing in it.
    gap: bool,
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0, gap: false }
    }
}

impl<T: Entry> Heap<T> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.len = 0;
        self.gap = false;
    }

    /// The smallest. A gap stays open: below it the smallest is one of a few.
    #[inline]
    pub(crate) fn peek(&self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        if self.gap {
            self.blocks.get(1).map(|block| block[smallest_of(block)])
        } else {
            Some(self.blocks[0][ARITY - 1])
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, item: T) {
        self.len += 1;
        if !self.gap {
            return self.append(item);
        }
        self.gap = false;
        if self.blocks.get(1).is_some_and(|block| block[smallest_of(block)].rank() < item.rank()) {
            self.sift_down(0, ARITY - 1, item);
        } else {
            self.blocks[0][ARITY - 1] = item;
        }
    }

    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        items.into_iter().for_each(|item| self.push(item));
    }

    #[inline(never)]
    fn append(&mut self, item: T) {
        let mut place = self.len - 1;
        if place.div_ceil(ARITY) >= self.blocks.len() {
            self.blocks.push([T::LAST; ARITY]);
        }
        if place == 0 {
            self.blocks[0][ARITY - 1] = item;
            return;
        }
        let items = self.blocks.as_flattened_mut();
        let rank = item.rank();
        while place > 0 {
            let parent = (place - 1) / ARITY;
            let above = items[parent + ARITY - 1];
            if above.rank() <= rank {
                break;
            }
            items[place + ARITY - 1] = above;
            place = parent;
        }
        items[place + ARITY - 1] = item;
    }

    /// Takes the smallest.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        if self.gap {
            self.close_gap();
        }
        self.len -= 1;
        self.gap = true;
        Some(self.blocks[0][ARITY - 1])
    }

    /// Puts `item` in and takes the smallest out, which may be the same.
    #[inline(always)]
    pub(crate) fn exchange(&mut self, item: T) -> T {
        if self.gap {
            let Some(block) = self.blocks.get(1) else { return item };
            let child = smallest_of(block);
            let smallest = block[child];
            if item.rank() <= smallest.rank() {
                return item;
            }
            self.sift_down(1, child, item);
            smallest
        } else {
            self.exchange_top(item)
        }
    }

    #[inline(never)]
    fn exchange_top(&mut self, item: T) -> T {
        match self.blocks.first() {
            Some(&[.., top]) if self.len > 0 && top.rank() < item.rank() => {
                self.sift_down(0, ARITY - 1, item);
                top
            }
            _ => item,
        }
    }

    /// Fills the gap with the last entry. There is one.
    #[inline(never)]
    fn close_gap(&mut self) {
        self.gap = false;
        let last = std::mem::replace(&mut self.blocks.as_flattened_mut()[self.len + ARITY - 1], T::LAST);
        self.sift_down(0, ARITY - 1, last);
    }

    /// Puts `item` at a place that is free, given as block and lane, or lower.
    #[inline(never)]
    fn sift_down(&mut self, mut block: usize, mut lane: usize, item: T) {
        let rank = item.rank();
        let blocks = &mut self.blocks[..];
        loop {
            let below = ARITY * block + lane - (ARITY - 2);
            let Some(children) = blocks.get(below) else { break };
            let child = smallest_of(children);
            let smallest = children[child];
            if rank <= smallest.rank() {
                break;
            }
            blocks[block][lane % ARITY] = smallest;
            (block, lane) = (below, child);
        }
        blocks[block][lane % ARITY] = item;
    }

    /// Keeps what `keep` says yes to.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        let first = ARITY - 1 + usize::from(self.gap);
        let mut kept: Vec<T> = self.blocks.as_flattened().iter().skip(first).take(self.len).copied().collect();
        kept.retain(keep);
        // Sorted from the smallest, they are a heap.
        kept.sort_by_key(|item| item.rank());
        self.clear();
        for item in kept {
            self.push(item);
        }
    }
}

/// Which entry of a block has the smallest rank, the first of equals: two pairs, then the better of both, by arithmetic and
/// not by branches, which nobody could predict.
#[inline]
fn smallest_of<T: Entry>(block: &[T; ARITY]) -> usize {
    let [a, b, c, d] = block.map(T::rank);
    let left = usize::from(b < a);
    let right = 2 + usize::from(d < c);
    if block[right & 3].rank() < block[left].rank() { right & 3 } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Entry for u128 {
        type Rank = Self;

        const LAST: Self = Self::MAX;

        fn rank(self) -> Self {
            self
        }
    }

    proptest! {
        #[test]
        fn entries_leave_from_the_smallest(steps in prop::collection::vec((0_u8..8, 0_u128..100), 1..400)) {
            let mut heap = Heap::default();
            let mut sorted: Vec<u128> = Vec::new();
            for (what, item) in steps {
                match what {
                    0 => {
                        let first = (!sorted.is_empty()).then(|| sorted.remove(0));
                        prop_assert_eq!(heap.pop(), first);
                    }
                    1 => {
                        let smallest = heap.exchange(item);
                        sorted.push(item);
                        sorted.sort_unstable();
                        prop_assert_eq!(smallest, sorted.remove(0));
                    }
                    2 => {
                        heap.retain(|&kept| kept % 7 != item % 7);
                        sorted.retain(|&kept| kept % 7 != item % 7);
                    }
                    _ => {
                        heap.push(item);
                        sorted.push(item);
                    }
                }
                sorted.sort_unstable();
                prop_assert_eq!(heap.len(), sorted.len());
                prop_assert_eq!(heap.is_empty(), sorted.is_empty());
                prop_assert_eq!(heap.peek(), sorted.first().copied());
            }
        }
    }
}
