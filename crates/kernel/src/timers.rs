//! The timers of one node, on the node's own monotonic clock: exact, cancellable, and gone when dropped.
//!
//! A timer that fires frees its slot at once: whoever still holds its number holds a stale one, and that means fired. A heap
//! entry whose timer was cancelled or moved is stale too; when stale entries outnumber live ones the heap is swept, so memory
//! follows the number of live timers and each operation costs O(log n) amortised.

use crate::heap::{Entry as _, Heap};
use crate::parked::Parked;
use crate::spare::ENTRIES_KEPT;

#[derive(Debug)]
struct Timer {
    generation: u32,
    /// The number of its last arming: an entry of the heap with another is stale. [`UNARMED`] if it is free.
    armed: u32,
    /// The next free slot, if this one is free.
    next: u32,
    sleeper: Parked,
}

/// A deadline, the number of the arming, and the slot: two words, which travel in registers. The heap looks at the deadline
/// alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    deadline_ns: u64,
    arming: u64,
}

impl Entry {
    #[inline]
    fn new(deadline_ns: u64, armed: u32, slot: u32) -> Self {
        Self { deadline_ns, arming: u64::from(armed) << 32 | u64::from(slot) }
    }

    #[inline]
    fn armed(self) -> u32 {
        (self.arming >> 32) as u32
    }

    #[inline]
    fn slot(self) -> u32 {
        self.arming as u32
    }

    /// Whether its timer still waits for this very arming.
    #[inline]
    fn is_live(self, slots: &[Timer]) -> bool {
        slots[self.slot() as usize].armed == self.armed()
    }
}

impl crate::heap::Entry for Entry {
    type Rank = u64;

    const LAST: Self = Self { deadline_ns: u64::MAX, arming: u64::MAX };

    #[inline]
    fn rank(self) -> u64 {
        self.deadline_ns
    }
}

/// The deadline, the number and the sleeper of a timer.
pub(crate) type Fired = (u64, u32, Parked);

const NO_SLOT: u32 = u32::MAX;
const UNARMED: u32 = 0;
const SWEEP_AT_LEAST: usize = 64;

#[derive(Debug)]
pub(crate) struct Timers {
    slots: Vec<Timer>,
    free: u32,
    heap: Heap<Entry>,
    /// The top of the heap, if somebody has looked since one was taken: of nothing the last of all entries.
    first: Entry,
    looked: bool,
    /// Entries with the deadline of the last one that fired, the last armed first.
    equals: Vec<Entry>,
    stale: usize,
    armed: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: NO_SLOT,
            heap: Heap::default(),
            first: Entry::LAST,
            looked: false,
            equals: Vec::new(),
            stale: 0,
            armed: UNARMED,
        }
    }
}

impl Timers {
    /// A new timer at `deadline_ns`, and who waits for it. Gives its slot and generation.
    #[inline]
    pub(crate) fn create(&mut self, deadline_ns: u64, sleeper: Parked) -> (u32, u32) {
        let slot = self.free;
        let Some(timer) = self.slots.get_mut(slot as usize) else { return self.create_slot(deadline_ns, sleeper) };
        self.free = timer.next;
        timer.sleeper = sleeper;
        let generation = timer.generation;
        self.arm(deadline_ns, slot);
        (slot, generation)
    }

    #[cold]
    fn create_slot(&mut self, deadline_ns: u64, sleeper: Parked) -> (u32, u32) {
        let slot = self.slots.len() as u32;
        self.slots.push(Timer { generation: 0, armed: UNARMED, next: NO_SLOT, sleeper });
        self.arm(deadline_ns, slot);
        (slot, 0)
    }

    #[inline]
    fn arm(&mut self, deadline_ns: u64, slot: u32) {
        self.armed = self.armed.wrapping_add(1).max(1);
        self.slots[slot as usize].armed = self.armed;
        // The last instant stands for never.
        let deadline_ns = deadline_ns.min(u64::MAX - 1);
        let entry = Entry::new(deadline_ns, self.armed, slot);
        if deadline_ns < self.first.deadline_ns {
            self.first = entry;
        }
        self.heap.push(entry);
    }

    #[inline]
    fn get(&mut self, slot: u32, generation: u32) -> Option<&mut Timer> {
        self.slots.get_mut(slot as usize).filter(|t| t.generation == generation)
    }

    #[inline]
    pub(crate) fn is_armed(&self, slot: u32, generation: u32) -> bool {
        self.slots.get(slot as usize).is_some_and(|t| t.generation == generation)
    }

    /// Where the sleeper of an armed timer is; `None` when it has fired or is gone.
    pub(crate) fn place(&mut self, slot: u32, generation: u32) -> Option<&mut Parked> {
        self.get(slot, generation).map(|t| &mut t.sleeper)
    }

    /// Moves a timer that has not fired to another deadline. The slot and the sleeper stay, the generation changes.
    pub(crate) fn reset(&mut self, slot: u32, generation: u32, deadline_ns: u64) -> Option<u32> {
        let timer = self.get(slot, generation)?;
        timer.generation = timer.generation.wrapping_add(1);
        let generation = timer.generation;
        self.stale += 1;
        self.arm(deadline_ns, slot);
        self.sweep();
        Some(generation)
    }

    /// Forgets a timer. The sleeper is handed back so that it is dropped where user code may run.
    #[inline]
    pub(crate) fn cancel(&mut self, slot: u32, generation: u32) -> Parked {
        if self.get(slot, generation).is_none() {
            return Parked::nobody();
        }
        self.stale += 1;
        let sleeper = self.set_free(slot);
        self.sweep();
        sleeper
    }

    /// Frees a slot, whose numbers become stale. Gives the sleeper.
    #[inline]
    fn set_free(&mut self, slot: u32) -> Parked {
        let timer = &mut self.slots[slot as usize];
        timer.generation = timer.generation.wrapping_add(1);
        timer.armed = UNARMED;
        timer.next = self.free;
        self.free = slot;
        timer.sleeper.take()
    }

    #[inline]
    fn sweep(&mut self) {
        if self.stale >= SWEEP_AT_LEAST && self.stale * 2 > self.heap.len() {
            self.sweep_now();
        }
    }

    #[cold]
    fn sweep_now(&mut self) {
        let slots = &self.slots;
        self.heap.retain(|entry| entry.is_live(slots));
        self.looked = false;
        self.stale = 0;
    }

    /// The earliest live deadline.
    #[inline]
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        self.first().map(|entry| entry.deadline_ns)
    }

    /// The earliest live entry; of equals any. Stale ones before it are dropped.
    #[inline(always)]
    fn first(&mut self) -> Option<Entry> {
        if !self.looked {
            self.looked = true;
            self.first = self.heap.peek().unwrap_or(Entry::LAST);
        }
        let timer = self.slots.get(self.first.slot() as usize)?;
        if timer.armed == self.first.armed() { Some(self.first) } else { self.first_live() }
    }

    /// Takes entries from the heap until one is live, and puts that one back: of equals another may be on top than was seen.
    #[cold]
    fn first_live(&mut self) -> Option<Entry> {
        while !self.heap.is_empty() {
            if let Some(live) = self.pop() {
                self.heap.push(live);
                (self.first, self.looked) = (live, true);
                return Some(live);
            }
        }
        None
    }

    /// Takes the top of the heap: what [`Timers::first`] saw, or one with the same deadline. `None` if it is stale.
    #[inline]
    fn pop(&mut self) -> Option<Entry> {
        self.looked = false;
        self.first = Entry::LAST;
        let top = self.heap.pop()?;
        if self.slots[top.slot() as usize].armed == top.armed() {
            return Some(top);
        }
        self.stale = self.stale.saturating_sub(1);
        None
    }

    /// Fires the earliest timer if it is due at `now_ns`, of equals the first armed; gives its deadline, number and sleeper.
    #[inline(always)]
    pub(crate) fn fire(&mut self, now_ns: u64) -> Option<Fired> {
        let entry = if self.equals.is_empty() { self.take_due(now_ns)? } else { self.equals.pop()? };
        Some((entry.deadline_ns, entry.armed(), self.set_free(entry.slot())))
    }

    /// Whether a timer would fire at `now_ns`.
    #[inline(always)]
    pub(crate) fn is_due(&mut self, now_ns: u64) -> bool {
        !self.equals.is_empty() || self.first().is_some_and(|first| first.deadline_ns <= now_ns)
    }

    #[inline]
    fn take_due(&mut self, now_ns: u64) -> Option<Entry> {
        loop {
            if self.first()?.deadline_ns > now_ns {
                return None;
            }
            let Some(entry) = self.pop() else { continue };
            return match self.first() {
                Some(next) if next.deadline_ns == entry.deadline_ns => Some(self.first_of_equals(entry)),
                _ => Some(entry),
            };
        }
    }

    /// Of several timers with one deadline, of which one has been taken from the heap, the one that was armed first.
    #[cold]
    fn first_of_equals(&mut self, one: Entry) -> Entry {
        self.equals.push(one);
        while let Some(next) = self.first()
            && next.deadline_ns == one.deadline_ns
        {
            let equal = self.pop();
            self.equals.extend(equal);
        }
        self.equals.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.armed()));
        self.equals.pop().unwrap_or(one)
    }

    /// Forgets every timer and hands back their sleepers. Generations live on, so that stale handles stay stale.
    pub(crate) fn clear(&mut self) -> Vec<Parked> {
        if self.heap.is_empty() && self.equals.is_empty() {
            // Whoever waits has an entry: every slot is free.
            return Vec::new();
        }
        self.heap.clear();
        self.equals.clear();
        self.first = Entry::LAST;
        self.looked = false;
        self.stale = 0;
        self.free = NO_SLOT;
        let mut sleepers = Vec::new();
        for slot in 0..self.slots.len() as u32 {
            let sleeper = self.set_free(slot);
            if !sleeper.is_empty() {
                sleepers.push(sleeper);
            }
        }
        sleepers
    }

    /// Forgets everything, sleepers and generations too: for a node of another simulation. Its memory stays, unless it is
    /// much.
    pub(crate) fn start_anew(&mut self) {
        if self.slots.capacity().max(self.heap.len()) > ENTRIES_KEPT {
            *self = Self::default();
            return;
        }
        let Self { slots, free, heap, first, looked, equals, stale, armed } = self;
        slots.clear();
        heap.clear();
        equals.clear();
        (*free, *first, *looked, *stale, *armed) = (NO_SLOT, Entry::LAST, false, 0, UNARMED);
    }

    /// Slots and heap entries in memory.
    pub(crate) fn footprint(&self) -> (usize, usize) {
        (self.slots.len(), self.heap.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn timers_fire_once_and_in_order_whatever_is_cancelled_or_moved_meanwhile(
            steps in prop::collection::vec((0_u8..8, 0_u64..20, any::<prop::sample::Index>()), 1..300),
        ) {
            let mut timers = Timers::default();
            // Deadline and number of what waits, with the handle.
            let mut waiting: Vec<(u64, u32, (u32, u32))> = Vec::new();
            let (mut now, mut number) = (0, 0);
            for (what, ahead, which) in steps {
                match what {
                    0..=3 => {
                        number += 1;
                        waiting.push((now + ahead, number, timers.create(now + ahead, Parked::nobody())));
                    }
                    4 if !waiting.is_empty() => {
                        let (.., (slot, generation)) = waiting.swap_remove(which.index(waiting.len()));
                        timers.cancel(slot, generation);
                        prop_assert!(timers.place(slot, generation).is_none());
                    }
                    5 if !waiting.is_empty() => {
                        number += 1;
                        let which = which.index(waiting.len());
                        let (deadline, armed, (slot, generation)) = &mut waiting[which];
                        (*deadline, *armed) = (now + ahead, number);
                        *generation = timers.reset(*slot, *generation, now + ahead).expect("it has not fired");
                    }
                    _ => {
                        now += ahead;
                        waiting.sort_unstable();
                        let due: Vec<_> = waiting.extract_if(.., |(deadline, ..)| *deadline <= now).collect();
                        let fired: Vec<_> = std::iter::from_fn(|| timers.fire(now)).map(|(d, n, _)| (d, n)).collect();
                        prop_assert_eq!(fired, due.iter().map(|&(d, n, _)| (d, n)).collect::<Vec<_>>());
                        for (.., (slot, generation)) in due {
                            prop_assert!(timers.place(slot, generation).is_none());
                        }
                    }
                }
                prop_assert_eq!(timers.next_deadline(), waiting.iter().map(|&(deadline, ..)| deadline).min());
            }
        }
    }

    #[test]
    fn timers_fire_in_order_of_deadline_and_then_of_arming() {
        let mut timers = Timers::default();
        for deadline in [30, 10, 20, 10] {
            timers.create(deadline, Parked::nobody());
        }
        let fired: Vec<_> = std::iter::from_fn(|| timers.fire(100)).map(|(d, n, _)| (d, n)).collect();
        assert_eq!(fired, [(10, 2), (10, 4), (20, 3), (30, 1)]);
    }

    #[test]
    fn a_cancelled_timer_never_fires_and_its_slot_is_used_again() {
        let mut timers = Timers::default();
        let (slot, generation) = timers.create(10, Parked::nobody());
        timers.cancel(slot, generation);
        assert_eq!(timers.fire(100).map(|f| f.0), None);
        let (again, next) = timers.create(20, Parked::nobody());
        assert_eq!(again, slot);
        assert_ne!(next, generation);
        timers.cancel(slot, generation);
        assert_eq!(timers.fire(100).map(|f| f.0), Some(20), "a stale cancel must not touch the new tenant");
    }

    #[test]
    fn a_reset_timer_fires_once_at_its_new_deadline() {
        let mut timers = Timers::default();
        let (slot, generation) = timers.create(10, Parked::nobody());
        timers.reset(slot, generation, 50).expect("the timer is live");
        assert!(timers.fire(49).is_none());
        assert_eq!(timers.fire(50).map(|f| f.0), Some(50));
        assert!(timers.fire(u64::MAX).is_none());
    }

    #[test]
    fn who_waits_for_a_timer_goes_on_waiting_when_it_is_moved() {
        let mut timers = Timers::default();
        let somebody = Parked(crate::parked::Sleeper::Task(crate::ids::TaskRef::new(7, 0)));
        let (slot, generation) = timers.create(10, somebody);
        timers.reset(slot, generation, 50).expect("the timer is live");
        let (.., sleeper) = timers.fire(50).expect("it is due");
        assert!(!sleeper.is_empty());
    }

    #[test]
    fn a_million_timers_created_and_dropped_leave_nothing_behind() {
        let mut timers = Timers::default();
        for i in 0..1_000_000_u64 {
            let (slot, generation) = timers.create(1_000_000_000 - i, Parked::nobody());
            timers.cancel(slot, generation);
        }
        let (slots, entries) = timers.footprint();
        assert_eq!(slots, 1);
        assert!(entries <= SWEEP_AT_LEAST, "{entries} heap entries");
    }
}
