//! A heap with four children to a place: what is ready, which timers wait, and which nodes run next.
//!
//! The entries are of 16 bytes, so the four children of a place are one line of the processor's cache, and a heap of a
//! thousand has five levels and not ten. The smallest entry is on top.
//!
//! What is taken from the top leaves a gap there, which the next entry fills: a task that gives way and a timer that is armed
//! anew cost one way down the heap instead of one down and one up.

/// What a heap holds: small, and ordered by a part of it. Among entries with equal ranks the heap itself chooses, by what
/// was done to it and nothing else.
pub(crate) trait Entry: Copy {
    type Rank: Copy + Ord;

    fn rank(self) -> Self::Rank;
}

/// A heap of small values, the smallest on top.
#[derive(Debug)]
pub(crate) struct Heap<T> {
    items: Vec<T>,
    /// The first item has been taken.
    gap: bool,
}

const ARITY: usize = 4;

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self { items: Vec::new(), gap: false }
    }
}

impl<T: Entry> Heap<T> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.items.len() - usize::from(self.gap)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.gap = false;
    }

    /// The smallest. A gap stays open: below it the smallest is one of a few.
    #[inline]
    pub(crate) fn peek(&self) -> Option<T> {
        if !self.gap {
            return self.items.first().copied();
        }
        match self.items.get(1..).and_then(<[T]>::first_chunk) {
            Some(children) => Some(children[smallest_of(children)]),
            None => self.items.get(1..)?.iter().copied().min_by_key(|item| item.rank()),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.gap {
            self.gap = false;
            self.sift_down(item);
            return;
        }
        let mut at = self.items.len();
        self.items.push(item);
        let items = &mut self.items[..];
        let rank = item.rank();
        while at > 0 {
            let parent = (at - 1) / ARITY;
            if items[parent].rank() <= rank {
                break;
            }
            items[at] = items[parent];
            at = parent;
        }
        items[at] = item;
    }

    /// Takes the smallest.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.close_gap();
        let top = self.items.first().copied();
        self.gap = top.is_some();
        top
    }

    /// Takes the smallest out and puts `item` in. With nothing in the heap `item` comes back.
    #[inline]
    pub(crate) fn replace_top(&mut self, item: T) -> T {
        self.close_gap();
        let Some(&top) = self.items.first() else { return item };
        self.sift_down(item);
        top
    }

    #[inline]
    fn close_gap(&mut self) {
        if self.gap {
            self.gap = false;
            if let Some(last) = self.items.pop()
                && !self.items.is_empty()
            {
                self.sift_down(last);
            }
        }
    }

    /// Puts `item` where the top was, and lets it sink. There is a top.
    #[inline]
    fn sift_down(&mut self, item: T) {
        let items = &mut self.items[..];
        let rank = item.rank();
        let mut at = 0;
        loop {
            let first = at * ARITY + 1;
            let (child, smallest) = match items.get(first..).and_then(<[T]>::first_chunk) {
                Some(children) => {
                    let child = smallest_of(children);
                    (first + child, children[child])
                }
                None => {
                    let rest = items.get(first..).unwrap_or_default();
                    match rest.iter().copied().enumerate().min_by_key(|(_, child)| child.rank()) {
                        Some((offset, child)) => (first + offset, child),
                        None => break,
                    }
                }
            };
            if rank <= smallest.rank() {
                break;
            }
            items[at] = smallest;
            at = child;
        }
        items[at] = item;
    }

    /// Keeps what `keep` says yes to.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.close_gap();
        self.items.retain(keep);
        // Sorted from the smallest, they are a heap.
        self.items.sort_by_key(|item| item.rank());
    }
}

/// Which child has the smallest rank, the first of equals: two pairs, then the better of both, by arithmetic and not by
/// branches, which nobody could predict.
#[inline]
fn smallest_of<T: Entry>(children: &[T; ARITY]) -> usize {
    let [a, b, c, d] = children.map(T::rank);
    let left = usize::from(b < a);
    let right = 2 + usize::from(d < c);
    if children[right & 3].rank() < children[left].rank() { right & 3 } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Entry for u128 {
        type Rank = Self;

        fn rank(self) -> Self {
            self
        }
    }

    proptest! {
        #[test]
        fn entries_leave_from_the_smallest(steps in prop::collection::vec((0_u8..6, 0_u128..100), 1..400)) {
            let mut heap = Heap::default();
            let mut sorted: Vec<u128> = Vec::new();
            for (what, item) in steps {
                match what {
                    0 => {
                        let first = (!sorted.is_empty()).then(|| sorted.remove(0));
                        prop_assert_eq!(heap.pop(), first);
                    }
                    1 => {
                        let top = heap.replace_top(item);
                        if sorted.is_empty() {
                            prop_assert_eq!(top, item);
                        } else {
                            prop_assert_eq!(top, sorted.remove(0));
                            sorted.push(item);
                        }
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
