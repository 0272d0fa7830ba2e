//! What the depth-first search remembers: the configurations that lead nowhere.
//!
//! A configuration is the set of operations done so far, the state, and the optional operations used. The set is stored as
//! its first undone operation and a few words of bits from there on, what is used as a place in a tree of uses that share their
//! beginnings, so that an entry is small however long the history; the hash is kept up to date by the search, one
//! exclusive-or per move (Zobrist 1970), so that a look-up does not grow with the history either. Equal hashes are compared
//! in full: the verdict rests on no probability.
//!
//! A search that is lucky never comes back to where it was long ago. So it may be given a room: what is older than two
//! halves of that is forgotten. That costs steps, perhaps, and never a verdict.

use super::memo::FixedState;
use std::collections::HashMap;

const NONE: u32 = u32::MAX;

/// Configurations from which every continuation was tried, or is being tried.
pub(super) struct Visited {
    /// Which required operations change no state, one bit each. Who has done more of them can do all that others can.
    pure: Vec<u64>,
    young: Generation,
    old: Option<Generation>,
    /// Bytes that a generation may take.
    room: Option<u64>,
    /// The optional operations that are used, in the order in which they were taken.
    used: Vec<u32>,
}

struct Generation {
    first: HashMap<u64, u32, FixedState>,
    entries: Vec<Remembered>,
    /// The done sets of all entries.
    words: Vec<u64>,
    uses: Vec<Use>,
    /// The uses that led to where the search is now, from the first.
    path: Vec<u32>,
}

/// An optional operation that was used after those before it.
struct Use {
    optional: u32,
    before: u32,
    /// How many came before.
    depth: u32,
}

struct Remembered {
    next: u32,
    state: u32,
    /// The first word of the done set that is stored; those before it are all ones.
    start: u32,
    /// How many words of the done set are stored, and where.
    length: u32,
    at: u32,
    /// The last use.
    used: u32,
}

/// A configuration that the search has come to.
#[derive(Clone, Copy)]
pub(super) struct Configuration<'a> {
    /// Of the state and of what was done and is not pure.
    pub(super) hash: u64,
    pub(super) state: u32,
    /// The first word of `done`; those before it are all ones.
    pub(super) start: usize,
    pub(super) done: &'a [u64],
    /// Optional operations that are used, all words.
    pub(super) used: &'a [u64],
}

fn holds(words: &[u64], index: u32) -> bool {
    words[index as usize / 64] >> (index % 64) & 1 == 1
}

impl Generation {
    fn new(used: &[u32]) -> Self {
        let first = HashMap::default();
        let mut new = Generation { first, entries: Vec::new(), words: Vec::new(), uses: Vec::new(), path: Vec::new() };
        used.iter().for_each(|optional| new.take(*optional));
        new
    }

    fn take(&mut self, optional: u32) {
        let before = self.path.last().copied().unwrap_or(NONE);
        let narrow = |count: usize| u32::try_from(count).unwrap_or(NONE);
        self.uses.push(Use { optional, before, depth: narrow(self.path.len()) });
        self.path.push(narrow(self.uses.len() - 1));
    }

    fn covers(&self, pure: &[u64], new: Configuration<'_>) -> bool {
        let mut at = self.first.get(&new.hash).copied().unwrap_or(NONE);
        while at != NONE {
            let known = &self.entries[at as usize];
            if known.state == new.state && self.did_no_less(known, pure, new) && self.used_no_more(known, new.used) {
                return true;
            }
            at = known.next;
        }
        false
    }

    /// Whether `known` did all that `new` did, and beyond that only what changes no state.
    fn did_no_less(&self, known: &Remembered, pure: &[u64], new: Configuration<'_>) -> bool {
        let (start, length) = (known.start as usize, known.length as usize);
        let words = &self.words[known.at as usize..][..length];
        // Whoever did less cannot have come further.
        if start < new.start {
            return false;
        }
        let end = (start + length).max(new.start + new.done.len());
        (new.start..end).all(|word| {
            let was = if word < start { u64::MAX } else { words.get(word - start).copied().unwrap_or(0) };
            let is = new.done.get(word - new.start).copied().unwrap_or(0);
            (was ^ is) & !(was & pure[word]) == 0
        })
    }

    /// Whether `known` used no optional operation that is not in `used`.
    fn used_no_more(&self, known: &Remembered, used: &[u64]) -> bool {
        let mut at = known.used;
        while at != NONE {
            let Use { optional, before, depth } = self.uses[at as usize];
            // From here on it went the way that the search has gone.
            if self.path.get(depth as usize) == Some(&at) {
                return true;
            }
            if !holds(used, optional) {
                return false;
            }
            at = before;
        }
        true
    }

    fn remember(&mut self, new: Configuration<'_>) {
        let narrow = |count: usize| u32::try_from(count).unwrap_or(NONE);
        let (id, at, used) = (narrow(self.entries.len()), narrow(self.words.len()), self.path.last().copied());
        if id == NONE || at == NONE {
            return;
        }
        let head = self.first.entry(new.hash).or_insert(NONE);
        let (start, length) = (narrow(new.start), narrow(new.done.len()));
        let used = used.unwrap_or(NONE);
        self.entries.push(Remembered { next: *head, state: new.state, start, length, at, used });
        self.words.extend_from_slice(new.done);
        *head = id;
    }

    fn bytes(&self) -> u64 {
        let lists = self.entries.capacity() * size_of::<Remembered>()
            + self.uses.capacity() * size_of::<Use>()
            + self.words.capacity() * 8
            + self.path.capacity() * 4;
        (self.first.capacity() * 17 + lists) as u64
    }
}

impl Visited {
    /// Nothing yet. `pure` says which required operations change no state, and `room` after how many bytes the oldest may be
    /// forgotten; all are kept if it is `None`.
    pub(super) fn new(pure: Vec<u64>, room: Option<u64>) -> Self {
        let room = room.map(|room| room / 2);
        Visited { pure, young: Generation::new(&[]), old: None, room, used: Vec::new() }
    }

    /// An optional operation is used.
    pub(super) fn take(&mut self, optional: u32) {
        self.used.push(optional);
        self.young.take(optional);
        if let Some(old) = &mut self.old {
            old.take(optional);
        }
    }

    /// The last one that was is used no more.
    pub(super) fn give_back(&mut self) {
        self.used.pop();
        self.young.path.pop();
        if let Some(old) = &mut self.old {
            old.path.pop();
        }
    }

    /// True if this configuration need not be tried: one of the same state was seen before that did the same, and perhaps
    /// more that changes no state, and used no optional operation beyond those used now. Whatever can follow this one can
    /// follow that one too. Otherwise it is remembered.
    pub(super) fn covers(&mut self, new: Configuration<'_>) -> bool {
        let known = |generation: &Generation| generation.covers(&self.pure, new);
        if known(&self.young) || self.old.as_ref().is_some_and(known) {
            return true;
        }
        self.young.remember(new);
        if self.room.is_some_and(|room| self.young.bytes() > room) {
            self.old = Some(std::mem::replace(&mut self.young, Generation::new(&self.used)));
        }
        false
    }

    pub(super) fn bytes(&self) -> u64 {
        self.young.bytes() + self.old.as_ref().map_or(0, Generation::bytes) + (self.pure.capacity() * 8) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new<'a>(state: u32, start: usize, done: &'a [u64], used: &'a [u64]) -> Configuration<'a> {
        Configuration { hash: 7, state, start, done, used }
    }

    #[test]
    fn a_configuration_is_covered_by_one_that_used_no_more() {
        let mut visited = Visited::new(vec![0; 8], None);
        visited.take(0);
        visited.take(1);
        assert!(!visited.covers(new(0, 2, &[0b101], &[0b011])));
        assert!(visited.covers(new(0, 2, &[0b101], &[0b011])), "the same again");
        visited.take(2);
        assert!(visited.covers(new(0, 2, &[0b101], &[0b111])), "it used more");
        visited.give_back();
        visited.give_back();
        assert!(!visited.covers(new(0, 2, &[0b101], &[0b001])), "it used less");
        visited.give_back();
        visited.take(1);
        assert!(!visited.covers(new(0, 2, &[0b101], &[0b010])), "it used another");
        visited.take(0);
        assert!(visited.covers(new(0, 2, &[0b101], &[0b011])), "the same in another order");
        assert!(!visited.covers(new(0, 2, &[0b100], &[0b011])), "another done set with the same hash");
        assert!(!visited.covers(new(1, 2, &[0b101], &[0b011])), "another state with the same hash");
        assert!(!visited.covers(new(0, 3, &[0b101], &[0b011])), "another window with the same hash");
        assert!(visited.covers(new(0, 2, &[0b101, 0], &[0b011])), "a wider window upon the same");
        assert!(!visited.covers(new(0, 2, &[0b101, 1], &[0b011])), "more of the same");
    }

    #[test]
    fn a_configuration_is_covered_by_one_that_saw_more() {
        // The last eight of the second word change no state.
        let mut visited = Visited::new(vec![0, u64::MAX << 56, 0], None);
        let done = |pure: u64| u64::MAX >> 8 | pure << 56;
        assert!(!visited.covers(new(0, 1, &[done(0b11)], &[])));
        assert!(visited.covers(new(0, 1, &[done(0b10)], &[])), "it saw less");
        assert!(!visited.covers(new(0, 1, &[done(0b100)], &[])), "it saw something else");
        assert!(!visited.covers(new(0, 1, &[done(0b111)], &[])), "it saw more");
        assert!(!visited.covers(new(0, 1, &[done(0b11) ^ 1], &[])), "it did less that counts");
        assert!(!visited.covers(new(0, 2, &[0], &[])), "it saw all, and came further");
        assert!(!visited.covers(new(0, 2, &[0b1], &[])));
        assert!(visited.covers(new(0, 1, &[done(0b11), 0b1], &[])), "the known one came further");
        assert!(!visited.covers(new(0, 1, &[done(0b11) ^ 1, 0b1], &[])), "not with one undone that counts");
        assert!(!visited.covers(new(0, 2, &[0b11], &[])), "one that came further is not covered by one that did not");
    }

    #[test]
    fn what_is_old_is_forgotten_where_there_is_a_room() {
        let mut visited = Visited::new(vec![0; 2], Some(8_192));
        visited.take(5);
        for state in 0..1_000 {
            assert!(!visited.covers(new(state, 0, &[1], &[1 << 5])));
            assert!(visited.bytes() < 16_384, "{}", visited.bytes());
        }
        assert!(visited.covers(new(999, 0, &[1], &[1 << 5])), "the latest is known");
        visited.take(6);
        assert!(visited.covers(new(998, 0, &[1], &[0b11 << 5])), "also with more used");
        visited.give_back();
        visited.give_back();
        assert!(!visited.covers(new(998, 0, &[1], &[0])), "but not with less");
        visited.take(5);
        assert!(!visited.covers(new(0, 0, &[1], &[1 << 5])), "the first is forgotten");
    }
}
