//! The keys of `std`'s hash maps. `RandomState` keeps two words in a thread-local and counts one of them up with every
//! map, so that each map of a thread, whichever node made it, shifts the order of the next. Nothing public reaches them;
//! they are found in the thread's TLS block by their value.

use std::marker::PhantomData;
use std::ptr::NonNull;

/// Where this thread keeps the keys of its next `RandomState`.
#[derive(Debug)]
pub struct MapKeys {
    /// The word that is counted up, and the one that stays.
    counted: NonNull<u64>,
    constant: NonNull<u64>,
    not_send: PhantomData<*const ()>,
}

impl MapKeys {
    /// Finds the keys of this thread and tests that they are what new maps are made of. `None` where that fails: a
    /// `std` that keeps them otherwise, or a platform outside the sealed tier.
    #[must_use]
    pub fn find() -> Option<MapKeys> {
        #[cfg(sealed_tier)]
        return search::find();
        #[cfg(not(sealed_tier))]
        None
    }

    /// The keys of the next map.
    #[inline]
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        // SAFETY: both lie in the TLS block of this thread, which lives as long as the thread does, and this does not
        // leave it. `std` keeps them in a `Cell`, so that no reference into them exists.
        unsafe { (self.counted.read_volatile(), self.constant.read_volatile()) }
    }

    /// Sets the keys of the next map: the word that every map counts up by one, and the constant one.
    #[inline]
    pub fn set(&self, (counted, constant): (u64, u64)) {
        // SAFETY: as for `get`; any value is a key.
        unsafe {
            self.counted.write_volatile(counted);
            self.constant.write_volatile(constant);
        }
    }
}

#[cfg(sealed_tier)]
mod search {
    use std::collections::hash_map::RandomState;
    use std::hash::{BuildHasher, Hasher};
    use std::marker::PhantomData;
    use std::mem::{size_of, transmute_copy};
    use std::ops::Range;
    use std::ptr::NonNull;

    use super::MapKeys;
    use crate::seal::blocks::with_blocks;

    const WORD: usize = size_of::<u64>();

    /// The two words of a state that `std` hands out, in the order of its fields.
    fn words() -> Option<[u64; 2]> {
        let state = RandomState::new();
        // SAFETY: of the same size and without padding, and every bit pattern is a number. Which word is which does not
        // matter here.
        (size_of::<RandomState>() == 2 * WORD).then(|| unsafe { transmute_copy(&state) })
    }

    pub(super) fn find() -> Option<MapKeys> {
        let (first, second) = (words()?, words()?);
        let counted = (0..2).find(|&n| second[n] == first[n].wrapping_add(1))?;
        let (next, constant) = (second[counted].wrapping_add(1), second[1 - counted]);
        (constant == first[1 - counted]).then_some(())?;
        with_blocks(|blocks| blocks.all.iter().flat_map(|block| places(block, next, constant)).find(is_it))
    }

    /// Where the two words lie side by side.
    fn places(block: &Range<usize>, next: u64, constant: u64) -> Vec<MapKeys> {
        let start = block.start.next_multiple_of(WORD);
        let addresses = (start..block.end.saturating_sub(2 * WORD - 1)).step_by(WORD);
        let found = addresses.filter_map(|address| {
            let pair = address as *const u64;
            // SAFETY: aligned and inside the thread's own block. Volatile: other code's memory, which may be
            // uninitialised and is only compared.
            let words = unsafe { [pair.read_volatile(), pair.add(1).read_volatile()] };
            let counted = [[next, constant], [constant, next]].iter().position(|pair| *pair == words)?;
            let place = |n: usize| NonNull::new((address + n * WORD) as *mut u64);
            Some(MapKeys { counted: place(counted)?, constant: place(1 - counted)?, not_send: PhantomData })
        });
        found.collect()
    }

    /// Whether what is written there is what the next maps are made of. Leaves everything as it was.
    fn is_it(keys: &MapKeys) -> bool {
        let before = keys.get();
        let trial = (0x6b65_7973_0000_0001, 0x7465_7374_0000_0002);
        let hashed = |from| {
            keys.set(from);
            let (first, second) = (words(), words());
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u64(7);
            (first, second, hasher.finish(), keys.get())
        };
        let (one, other) = (hashed(trial), hashed((trial.0, trial.1 + 1)));
        keys.set(before);
        let holds = |words: Option<[u64; 2]>, n: u64| {
            words.is_some_and(|words| words.contains(&(trial.0 + n)) && words.contains(&trial.1))
        };
        holds(one.0, 0) && holds(one.1, 1) && one.3 == (trial.0 + 3, trial.1) && one.2 != other.2
    }
}
