//! The keyed hash behind every decision on a hot path.
//!
//! Two folded 64×64→128-bit multiplications, the mixing step of the wyhash family, over key words that ChaCha8
//! expanded from the seed. The tests below hold it to avalanche, uniformity and independence of neighbouring keys.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// The key words of one seed.
#[derive(Clone, Debug)]
pub(crate) struct Prf {
    key: [u64; 6],
}

const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Mixes two words without a key: for identities (task keys, sites), not for decisions.
#[must_use]
pub const fn mix(a: u64, b: u64) -> u64 {
    fold(fold(a ^ 0x9e37_79b9_7f4a_7c15, b ^ 0xd1b5_4a32_d192_ed03) ^ a, 0xa24b_aed4_963e_e407 ^ b.rotate_left(29))
}

/// Hashes a text into a word without a key. Usable in constants.
#[must_use]
pub const fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    mix(hash, bytes.len() as u64)
}

impl Prf {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut key = [0; 6];
        for word in &mut key {
            // An even multiplier would lose a bit; odd key words never do.
            *word = rng.next_u64() | 1;
        }
        Self { key }
    }

    #[inline]
    pub(crate) fn value(&self, point: u64, site: u64, ordinal: u64) -> u64 {
        self.value_of(self.stream(point, site), ordinal)
    }

    /// What all ordinals of one point and site have in common: whoever asks for many of them keeps it.
    #[inline]
    pub(crate) fn stream(&self, point: u64, site: u64) -> u64 {
        fold(site ^ self.key[0], point ^ self.key[1])
    }

    #[inline]
    pub(crate) fn value_of(&self, stream: u64, ordinal: u64) -> u64 {
        let k = &self.key;
        let a = stream;
        let b = fold(ordinal ^ k[2], k[3]);
        fold(a ^ b.rotate_left(32) ^ k[4], b ^ a.rotate_left(17) ^ k[5])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flipping_any_input_bit_flips_each_output_bit_about_half_the_time() {
        let prf = Prf::new(7);
        for input in 0..3 {
            for bit in 0..64 {
                let mut flips = [0_u32; 64];
                const TRIES: u64 = 2_000;
                for t in 0..TRIES {
                    let mut words = [mix(t, 1), mix(t, 2), if input == 2 { t } else { mix(t, 3) & 0xffff }];
                    let before = prf.value(words[0], words[1], words[2]);
                    words[input] ^= 1 << bit;
                    let difference = before ^ prf.value(words[0], words[1], words[2]);
                    for (i, count) in flips.iter_mut().enumerate() {
                        *count += (difference >> i & 1) as u32;
                    }
                }
                for count in flips {
                    // Mean 1,000, standard deviation 22: seven of them either way.
                    assert!((843..=1157).contains(&count), "input {input} bit {bit}: {count} flips of {TRIES}");
                }
            }
        }
    }

    #[test]
    fn consecutive_ordinals_are_uniform_and_uncorrelated() {
        let prf = Prf::new(0);
        let mut buckets = [0_u32; 256];
        let mut rises = 0;
        let mut last = 0;
        for ordinal in 0..256_000 {
            let value = prf.value(1, 2, ordinal);
            buckets[(value >> 56) as usize] += 1;
            rises += u32::from(value > last);
            last = value;
        }
        let chi_square: f64 = buckets.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
        assert!((160.0..370.0).contains(&chi_square), "chi square over 255 degrees of freedom: {chi_square}");
        assert!((126_500..129_500).contains(&rises), "{rises} rises of 256,000");
    }

    #[test]
    fn the_key_words_are_those_of_any_chacha8() {
        use rand_chacha::rand_core::{Rng, SeedableRng};
        for seed in (0..1_000).chain([u64::MAX]) {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            assert_eq!(Prf::new(seed).key, [(); 6].map(|()| rng.next_u64() | 1));
        }
    }

    #[test]
    fn other_seeds_give_other_values() {
        let values: std::collections::BTreeSet<u64> = (0..10_000).map(|s| Prf::new(s).value(1, 2, 3)).collect();
        assert_eq!(values.len(), 10_000);
    }
}
