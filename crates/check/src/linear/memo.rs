//! Things by number, and the hasher of all tables: states, keys and values are numbers to the searches, given in the order in
//! which they appear.

use std::hash::{BuildHasher, Hash, Hasher};

/// A hasher with no random state: searches must repeat step by step, and nobody attacks a checker's tables.
#[derive(Clone, Copy, Default)]
pub(crate) struct FixedState;

/// Multiply and rotate, a word at a time.
#[derive(Clone, Copy, Default)]
pub(crate) struct FixedHasher(u64);

impl BuildHasher for FixedState {
    type Hasher = FixedHasher;

    #[inline]
    fn build_hasher(&self) -> FixedHasher {
        FixedHasher(0)
    }
}

impl Hasher for FixedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0u8; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(last) ^ (rest.len() as u64) << 56);
        }
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        scatter(self.0)
    }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014): every input bit reaches every output bit.
#[inline]
pub(super) fn scatter(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Things by number, in order of first appearance.
pub(crate) struct Numbers<T> {
    list: Vec<T>,
    /// Each thing's number plus one, and above it as many bits of its hash as there is room for; a power of two of them,
    /// at most half of them taken. Long histories have many things, and a small table stays close to the processor.
    table: Vec<u32>,
    /// The last that were asked for, by the low bits of their hashes, with half of these: most are asked for again soon.
    recent: [(u32, u32); RECENT],
}

const RECENT: usize = 128;

impl<T: Eq + Hash> Numbers<T> {
    pub(crate) fn new() -> Self {
        Numbers::with_room(0)
    }

    /// With room for `count` of them.
    pub(crate) fn with_room(count: usize) -> Self {
        let table = vec![0; (2 * count).next_power_of_two().max(16)];
        Numbers { list: Vec::with_capacity(count.max(8)), table, recent: [(0, 0); RECENT] }
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        &self.list[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of `thing`.
    pub(crate) fn of(&mut self, thing: T) -> u32 {
        let hash = FixedState.hash_one(&thing);
        let (tag, slot) = ((hash >> 32) as u32, hash as usize % RECENT);
        let (known, number) = self.recent[slot];
        if known == tag && number != 0 && self.list[number as usize - 1] == thing {
            return number - 1;
        }
        if 2 * self.list.len() >= self.table.len() {
            self.grow();
        }
        let at = self.find(hash, &thing);
        if self.table[at] == 0 {
            self.list.push(thing);
            let number = u32::try_from(self.list.len()).unwrap_or(NONE);
            self.table[at] = self.marked(hash) | number;
        }
        let number = self.table[at] & self.mask();
        self.recent[slot] = (tag, number);
        number - 1
    }

    /// The bits of an entry that hold its number: as many as half the table can need, and one more.
    #[inline]
    fn mask(&self) -> u32 {
        u32::try_from(self.table.len() - 1).unwrap_or(NONE)
    }

    /// The bits of a hash that an entry holds.
    #[inline]
    fn marked(&self, hash: u64) -> u32 {
        (hash >> 32) as u32 & !self.mask()
    }

    /// The place of `thing` in the table, or the free one where it belongs.
    #[inline]
    fn find(&self, hash: u64, thing: &T) -> usize {
        let (mask, mark) = (self.mask(), self.marked(hash));
        let mut at = hash as usize & mask as usize;
        loop {
            match self.table[at] {
                0 => return at,
                known if known & !mask == mark && self.list[(known & mask) as usize - 1] == *thing => return at,
                _ => at = (at + 1) & mask as usize,
            }
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; 2 * self.table.len()];
        for (number, thing) in (1u32..).zip(&self.list) {
            let hash = FixedState.hash_one(thing);
            let at = self.find(hash, thing);
            self.table[at] = self.marked(hash) | number;
        }
    }

    /// Bytes held: the table, and for each thing a small allocation of its own.
    pub(crate) fn bytes(&self) -> u64 {
        (self.list.len() * (size_of::<T>() + 48) + self.table.len() * 4) as u64
    }
}

const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_states_have_one_number() {
        let mut states = Numbers::new();
        assert_eq!(states.of("a".to_owned()), 0);
        assert_eq!(states.of("b".to_owned()), 1);
        assert_eq!(states.of("a".to_owned()), 0);
        assert_eq!(states.get(1), "b");
        let many: Vec<u32> = (0..100).map(|at: u32| states.of(at.to_string())).collect();
        assert_eq!(many, (2..102).collect::<Vec<u32>>());
        assert_eq!((states.of("b".to_owned()), states.of("77".to_owned()), states.len()), (1, 79, 102));
    }
}
