//! Orders that respect two interval orders at once: real time and the place in a log, or the times of putting in and of
//! taking out. Wherever such orders contradict each other two elements alone do: a longer cycle through two interval
//! orders has a chord, for of any two pairs "a before b" and "c before d" one also has "a before d" or "c before b".

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An interval. One is before another if its end is less than the other's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    /// `u64::MAX` if there is no end.
    pub(super) to: u64,
}

/// An order of the elements, by index, that respects the order of their first and of their second intervals; or two
/// elements of which each would have to come before the other. Of several that may come next, the one whose second
/// interval begins first does.
pub(super) fn order(elements: &[(Span, Span)]) -> Result<Vec<u32>, [u32; 2]> {
    let mut sweeps = [Sweep::new(elements, |element| element.0), Sweep::new(elements, |element| element.1)];
    let mut open = vec![0u8; elements.len()];
    let mut placed = vec![false; elements.len()];
    let mut ready: BinaryHeap<Reverse<(u64, u64, u32)>> = BinaryHeap::new();
    let mut order = Vec::with_capacity(elements.len());
    loop {
        for sweep in &mut sweeps {
            sweep.advance(&placed, |index| {
                open[index as usize] += 1;
                if open[index as usize] == 2 {
                    let (first, second) = elements[index as usize];
                    ready.push(Reverse((second.from, first.from, index)));
                }
            });
        }
        let Some(Reverse((.., index))) = ready.pop() else { break };
        placed[index as usize] = true;
        order.push(index);
    }
    if order.len() == elements.len() { Ok(order) } else { Err(contradiction(elements)) }
}

struct Sweep {
    by_from: Vec<(u64, u32)>,
    by_to: Vec<(u64, u32)>,
    next_from: usize,
    next_to: usize,
}

impl Sweep {
    fn new(elements: &[(Span, Span)], which: impl Fn(&(Span, Span)) -> Span) -> Self {
        let mut by_from: Vec<(u64, u32)> = (0u32..).zip(elements).map(|(at, one)| (which(one).from, at)).collect();
        let mut by_to: Vec<(u64, u32)> = (0u32..).zip(elements).map(|(at, one)| (which(one).to, at)).collect();
        by_from.sort_unstable();
        by_to.sort_unstable();
        Sweep { by_from, by_to, next_from: 0, next_to: 0 }
    }

    /// Opens what begins no later than the earliest end among what is not placed.
    fn advance(&mut self, placed: &[bool], mut open: impl FnMut(u32)) {
        while let Some((_, index)) = self.by_to.get(self.next_to)
            && placed[*index as usize]
        {
            self.next_to += 1;
        }
        let earliest = self.by_to.get(self.next_to).map_or(u64::MAX, |(to, _)| *to);
        while let Some((from, index)) = self.by_from.get(self.next_from)
            && *from <= earliest
        {
            open(*index);
            self.next_from += 1;
        }
    }
}

/// Two elements: the first before the second by one interval, after it by the other.
fn contradiction(elements: &[(Span, Span)]) -> [u32; 2] {
    let first = Sweep::new(elements, |element| element.0);
    let mut ended = first.by_to.iter().peekable();
    // Of what ended so far, the one whose second interval begins last.
    let mut latest: Option<(u64, u32)> = None;
    for (from, index) in &first.by_from {
        while let Some((_, before)) = ended.next_if(|(to, _)| to < from) {
            latest = latest.max(Some((elements[*before as usize].1.from, *before)));
        }
        if let Some((begin, before)) = latest
            && elements[*index as usize].1.to < begin
        {
            return [before, *index];
        }
    }
    [0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span() -> impl Strategy<Value = Span> {
        (0u64..8, 0u64..4).prop_map(|(from, length)| Span { from, to: from + length })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn an_order_respects_both_and_a_refusal_names_two_that_cannot(
            elements in proptest::collection::vec((span(), span()), 0..8)
        ) {
            let before = |a: u32, b: u32| {
                let (a, b) = (elements[a as usize], elements[b as usize]);
                (a.0.to < b.0.from, a.1.to < b.1.from)
            };
            match order(&elements) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), elements.len());
                    for (at, later) in order.iter().enumerate() {
                        prop_assert!(order[..at].iter().all(|earlier| before(*later, *earlier) == (false, false)));
                    }
                }
                Err([a, b]) => {
                    prop_assert!(before(a, b).0 && before(b, a).1);
                }
            }
        }
    }
}
