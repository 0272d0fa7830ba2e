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
/// Each block has the children of one place: those of the top, which is place 0 and apart from them, are block 0, those of
/// place `p` are block `p`, and themselves the places from `4 p + 1`: what is below lane `l` of block `b` is block
/// `4 b + l + 1`.
#[derive(Debug)]
pub(crate) struct Heap<T: Entry> {
    top: T,
    /// The rank of the smallest below the top, and its lane in block 0: most of what is put in comes before it, and then
    /// nothing else is looked at.
    below: T::Rank,
    lane: usize,
    /// Whether there is something in the place of the top; if not, that is a gap.
    topped: bool,
    /// How many are below it.
    len_below: usize,
    blocks: Vec<[T; ARITY]>,
}

impl<T: Entry> Default for Heap<T> {
    fn default() -> Self {
        Self { top: T::LAST, below: T::LAST.rank(), lane: 0, topped: false, len_below: 0, blocks: Vec::new() }
    }
}

impl<T: Entry> Heap<T> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len_below + usize::from(self.topped)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        (self.below, self.lane) = (T::LAST.rank(), 0);
        (self.topped, self.len_below) = (false, 0);
    }

    /// The smallest. A gap stays open: below it the smallest is one of a few.
    #[inline]
    pub(crate) fn peek(&self) -> Option<T> {
        if self.topped {
            return Some(self.top);
        }
        self.blocks.first().filter(|_| self.len_below > 0).map(|block| block[self.lane % ARITY])
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, item: T) {
        if self.topped {
            return self.append(item);
        }
        self.topped = true;
        if item.rank() <= self.below {
            self.top = item;
        } else {
            self.top = self.put_below(item);
        }
    }

    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        items.into_iter().for_each(|item| self.push(item));
    }

    #[inline(never)]
    fn append(&mut self, item: T) {
        self.len_below += 1;
        let mut place = self.len_below;
        if place.div_ceil(ARITY) > self.blocks.len() {
            self.blocks.push([T::LAST; ARITY]);
        }
        let items = self.blocks.as_flattened_mut();
        let rank = item.rank();
        while place > 0 {
            let parent = (place - 1) / ARITY;
            let above = if parent == 0 { self.top } else { items[parent - 1] };
            if above.rank() <= rank {
                break;
            }
            items[place - 1] = above;
            place = parent;
        }
        if place == 0 {
            self.top = item;
        } else {
            items[place - 1] = item;
        }
        self.look_below();
    }

    /// Takes the smallest.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if !self.topped {
            if self.len_below == 0 {
                return None;
            }
            self.close_gap();
        }
        self.topped = false;
        Some(self.top)
    }

    /// Puts `item` in and takes the smallest out, which may be the same.
    #[inline(always)]
    pub(crate) fn exchange(&mut self, item: T) -> T {
        if self.topped {
            return self.exchange_top(item);
        }
        if item.rank() <= self.below { item } else { self.put_below(item) }
    }

    #[inline(never)]
    fn exchange_top(&mut self, item: T) -> T {
        if item.rank() <= self.top.rank() {
            return item;
        }
        let top = self.top;
        self.top = if item.rank() <= self.below { item } else { self.put_below(item) };
        top
    }

    /// Fills the gap with the last entry, which it takes. There is one.
    #[inline(never)]
    fn close_gap(&mut self) {
        self.len_below -= 1;
        let last = std::mem::replace(&mut self.blocks.as_flattened_mut()[self.len_below], T::LAST);
        if self.len_below < ARITY {
            self.look_below();
        }
        self.top = if last.rank() <= self.below { last } else { self.put_below(last) };
    }

    /// Takes the smallest below the top, before which `item` does not come, and puts that in.
    #[inline(never)]
    fn put_below(&mut self, item: T) -> T {
        let rank = item.rank();
        let (mut block, mut lane) = (0, self.lane);
        let blocks = &mut self.blocks[..];
        let taken = blocks[0][lane % ARITY];
        while let Some(children) = blocks.get(ARITY * block + lane + 1) {
            let child = smallest_of(children);
            let smallest = children[child];
            if rank <= smallest.rank() {
                break;
            }
            blocks[block][lane % ARITY] = smallest;
            (block, lane) = (ARITY * block + lane + 1, child);
        }
        blocks[block][lane % ARITY] = item;
        self.look_below();
        taken
    }

    #[inline]
    fn look_below(&mut self) {
        if let Some(block) = self.blocks.first() {
            self.lane = smallest_of(block);
            self.below = block[self.lane].rank();
        }
    }

    /// Keeps what `keep` says yes to.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        let below = self.blocks.as_flattened().iter().take(self.len_below);
        let mut kept: Vec<T> = self.topped.then_some(self.top).into_iter().chain(below.copied()).collect();
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
