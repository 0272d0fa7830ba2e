//! A heap with four children to a place: what is ready, which timers wait, and which nodes run next.
//!
//! The entries are numbers of 16 bytes, so the four children of a place are one line of the processor's cache, and a heap
//! of a thousand has five levels and not ten. The smallest entry is on top.

/// A heap of small values, the smallest on top.
#[derive(Debug)]
pub(crate) struct Heap<T> {
    items: Vec<T>,
}

const ARITY: usize = 4;

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T: Copy + Ord> Heap<T> {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }

    /// The smallest.
    #[inline]
    pub(crate) fn peek(&self) -> Option<T> {
        self.items.first().copied()
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        let mut at = self.items.len();
        self.items.push(item);
        let items = &mut self.items[..];
        while at > 0 {
            let parent = (at - 1) / ARITY;
            if items[parent] <= item {
                break;
            }
            items[at] = items[parent];
            at = parent;
        }
        items[at] = item;
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.items.pop()?;
        Some(if self.items.is_empty() { last } else { self.replace_top(last) })
    }

    /// Takes the smallest out and puts `item` in. With nothing in the heap `item` comes back.
    #[inline]
    pub(crate) fn replace_top(&mut self, item: T) -> T {
        let items = &mut self.items[..];
        let Some(&top) = items.first() else { return item };
        let mut at = 0;
        loop {
            let first = at * ARITY + 1;
            let (child, smallest) = match items.get(first..first + ARITY) {
                Some(&[a, b, c, d]) => {
                    // Two pairs, then the better of both: none waits for another's outcome but the last.
                    let (left, a) = if b < a { (1, b) } else { (0, a) };
                    let (right, c) = if d < c { (3, d) } else { (2, c) };
                    if c < a { (first + right, c) } else { (first + left, a) }
                }
                _ => {
                    let rest = items.get(first..).unwrap_or_default();
                    match rest.iter().copied().enumerate().min_by_key(|&(_, child)| child) {
                        Some((offset, child)) => (first + offset, child),
                        None => break,
                    }
                }
            };
            if item <= smallest {
                break;
            }
            items[at] = smallest;
            at = child;
        }
        items[at] = item;
        top
    }

    /// Keeps what `keep` says yes to.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.items.retain(keep);
        // Sorted from the smallest, they are a heap.
        self.items.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
                prop_assert_eq!(heap.peek(), sorted.first().copied());
                prop_assert_eq!(heap.len(), sorted.len());
            }
        }
    }
}
