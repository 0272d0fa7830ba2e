//! The timers of one node, on the node's own monotonic clock: exact, cancellable, and gone when dropped.
//!
//! A heap entry whose timer was cancelled or moved is stale; when stale entries outnumber live ones the heap is swept,
//! so memory follows the number of live timers and each operation costs O(log n) amortised.

use crate::heap::{self, Heap};
use crate::parked::Parked;

#[derive(Debug)]
struct Timer {
    generation: u32,
    /// The number of its last arming: an entry of the heap with another is stale.
    armed: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Free { next: u32 },
    Armed { sleeper: Parked },
    Fired,
}

/// Deadline, number of the arming, slot: ordered by the first two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry(u128);

impl Entry {
    #[inline]
    fn new(deadline_ns: u64, armed: u32, slot: u32) -> Self {
        Self(u128::from(deadline_ns) << 64 | u128::from(armed) << 32 | u128::from(slot))
    }

    #[inline]
    fn deadline_ns(self) -> u64 {
        (self.0 >> 64) as u64
    }

    #[inline]
    fn armed(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    fn slot(self) -> u32 {
        self.0 as u32
    }

    /// Whether its timer still waits for this very arming.
    #[inline]
    fn is_live(self, slots: &[Timer]) -> bool {
        let timer = &slots[self.slot() as usize];
        timer.armed == self.armed() && matches!(timer.state, State::Armed { .. })
    }
}

impl heap::Entry for Entry {
    type Rank = Self;

    #[inline]
    fn rank(self) -> Self {
        self
    }
}

const NO_SLOT: u32 = u32::MAX;
const SWEEP_AT_LEAST: usize = 64;

#[derive(Debug)]
pub(crate) struct Timers {
    slots: Vec<Timer>,
    free: u32,
    heap: Heap<Entry>,
    stale: usize,
    armed: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NO_SLOT, heap: Heap::default(), stale: 0, armed: 0 }
    }
}

impl Timers {
    /// A new timer at `deadline_ns`. Gives its slot and generation.
    pub(crate) fn create(&mut self, deadline_ns: u64) -> (u32, u32) {
        self.create_for(deadline_ns, Parked::nobody())
    }

    /// The same, with somebody who waits for it.
    #[inline]
    pub(crate) fn create_for(&mut self, deadline_ns: u64, sleeper: Parked) -> (u32, u32) {
        let armed = State::Armed { sleeper };
        let slot = if self.free == NO_SLOT {
            self.slots.push(Timer { generation: 0, armed: 0, state: armed });
            (self.slots.len() - 1) as u32
        } else {
            let slot = self.free;
            let timer = &mut self.slots[slot as usize];
            if let State::Free { next } = timer.state {
                self.free = next;
            }
            timer.state = armed;
            slot
        };
        let generation = self.slots[slot as usize].generation;
        self.push(deadline_ns, slot);
        (slot, generation)
    }

    #[inline]
    fn push(&mut self, deadline_ns: u64, slot: u32) {
        self.armed = self.armed.wrapping_add(1);
        self.slots[slot as usize].armed = self.armed;
        self.heap.push(Entry::new(deadline_ns, self.armed, slot));
    }

    fn get(&mut self, slot: u32, generation: u32) -> Option<&mut Timer> {
        self.slots.get_mut(slot as usize).filter(|t| t.generation == generation)
    }

    /// Where the sleeper of an armed timer is; `None` when it has fired or is gone.
    pub(crate) fn place(&mut self, slot: u32, generation: u32) -> Option<&mut Parked> {
        match self.get(slot, generation).map(|t| &mut t.state) {
            Some(State::Armed { sleeper }) => Some(sleeper),
            Some(State::Fired | State::Free { .. }) | None => None,
        }
    }

    /// Moves a live timer to another deadline. The slot stays, the generation changes; the sleeper is handed back.
    pub(crate) fn reset(&mut self, slot: u32, generation: u32, deadline_ns: u64) -> Option<(u32, Parked)> {
        let timer = self.get(slot, generation)?;
        timer.generation = timer.generation.wrapping_add(1);
        let generation = timer.generation;
        let was = std::mem::replace(&mut timer.state, State::Armed { sleeper: Parked::nobody() });
        let sleeper = match was {
            State::Armed { sleeper } => {
                self.stale += 1;
                sleeper
            }
            State::Fired | State::Free { .. } => Parked::nobody(),
        };
        self.push(deadline_ns, slot);
        self.sweep();
        Some((generation, sleeper))
    }

    /// Forgets a timer. The sleeper is handed back so that it is dropped where user code may run.
    #[inline]
    pub(crate) fn cancel(&mut self, slot: u32, generation: u32) -> Parked {
        let free = self.free;
        let Some(timer) = self.get(slot, generation) else { return Parked::nobody() };
        timer.generation = timer.generation.wrapping_add(1);
        let was = std::mem::replace(&mut timer.state, State::Free { next: free });
        self.free = slot;
        match was {
            State::Armed { sleeper } => {
                self.stale += 1;
                self.sweep();
                sleeper
            }
            State::Fired | State::Free { .. } => Parked::nobody(),
        }
    }

    fn sweep(&mut self) {
        if self.stale >= SWEEP_AT_LEAST && self.stale * 2 > self.heap.len() {
            let slots = &self.slots;
            self.heap.retain(|entry| entry.is_live(slots));
            self.stale = 0;
        }
    }

    /// The earliest live deadline.
    #[inline]
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        self.first().map(Entry::deadline_ns)
    }

    /// The earliest live entry. Stale ones before it are dropped.
    #[inline]
    fn first(&mut self) -> Option<Entry> {
        let first = self.heap.peek()?;
        if first.is_live(&self.slots) { Some(first) } else { self.first_live() }
    }

    #[cold]
    fn first_live(&mut self) -> Option<Entry> {
        while let Some(entry) = self.heap.peek() {
            if entry.is_live(&self.slots) {
                return Some(entry);
            }
            self.heap.pop();
            self.stale = self.stale.saturating_sub(1);
        }
        None
    }

    /// Fires the earliest timer if it is due at `now_ns`; gives its deadline, number and sleeper.
    #[inline]
    pub(crate) fn fire(&mut self, now_ns: u64) -> Option<(u64, u32, Parked)> {
        let first = self.first()?;
        let deadline = first.deadline_ns();
        if deadline > now_ns {
            return None;
        }
        self.heap.pop();
        match std::mem::replace(&mut self.slots[first.slot() as usize].state, State::Fired) {
            State::Armed { sleeper } => Some((deadline, first.armed(), sleeper)),
            State::Fired | State::Free { .. } => Some((deadline, first.armed(), Parked::nobody())),
        }
    }

    /// Forgets every timer and hands back their sleepers. Generations live on, so that stale handles stay stale.
    pub(crate) fn clear(&mut self) -> Vec<Parked> {
        self.heap.clear();
        self.stale = 0;
        let mut sleepers = Vec::new();
        self.free = NO_SLOT;
        for (slot, timer) in self.slots.iter_mut().enumerate() {
            timer.generation = timer.generation.wrapping_add(1);
            if let State::Armed { sleeper } = std::mem::replace(&mut timer.state, State::Free { next: self.free }) {
                sleepers.push(sleeper);
            }
            self.free = slot as u32;
        }
        sleepers
    }

    /// Forgets everything, generations too: for another node of another simulation. Gives the sleepers back.
    pub(crate) fn reset_all(&mut self) -> Vec<Parked> {
        let sleepers = self.clear();
        self.slots.clear();
        self.free = NO_SLOT;
        self.armed = 0;
        sleepers
    }

    /// Slots and heap entries in memory.
    pub(crate) fn footprint(&self) -> (usize, usize) {
        (self.slots.len(), self.heap.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_of_deadline_and_then_of_arming() {
        let mut timers = Timers::default();
        for deadline in [30, 10, 20, 10] {
            timers.create(deadline);
        }
        let fired: Vec<_> = std::iter::from_fn(|| timers.fire(100)).map(|(d, n, _)| (d, n)).collect();
        assert_eq!(fired, [(10, 2), (10, 4), (20, 3), (30, 1)]);
    }

    #[test]
    fn a_cancelled_timer_never_fires_and_its_slot_is_used_again() {
        let mut timers = Timers::default();
        let (slot, generation) = timers.create(10);
        timers.cancel(slot, generation);
        assert_eq!(timers.fire(100).map(|f| f.0), None);
        let (again, next) = timers.create(20);
        assert_eq!(again, slot);
        assert_ne!(next, generation);
        timers.cancel(slot, generation);
        assert_eq!(timers.fire(100).map(|f| f.0), Some(20), "a stale cancel must not touch the new tenant");
    }

    #[test]
    fn a_reset_timer_fires_once_at_its_new_deadline() {
        let mut timers = Timers::default();
        let (slot, generation) = timers.create(10);
        timers.reset(slot, generation, 50).expect("the timer is live");
        assert!(timers.fire(49).is_none());
        assert_eq!(timers.fire(50).map(|f| f.0), Some(50));
        assert!(timers.fire(u64::MAX).is_none());
    }

    #[test]
    fn a_million_timers_created_and_dropped_leave_nothing_behind() {
        let mut timers = Timers::default();
        for i in 0..1_000_000_u64 {
            let (slot, generation) = timers.create(1_000_000_000 - i);
            timers.cancel(slot, generation);
        }
        let (slots, entries) = timers.footprint();
        assert_eq!(slots, 1);
        assert!(entries <= SWEEP_AT_LEAST, "{entries} heap entries");
    }
}
