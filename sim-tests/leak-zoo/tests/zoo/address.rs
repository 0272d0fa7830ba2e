//! Addresses as keys: the same in every run while their randomisation is off.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::animal::{Nature, animals};

static PLACE: u8 = 0;

animals! {
    address_on_the_heap_as_a_key: Nature::Shared, constant, (by_address), {
        let boxes: Vec<Box<u64>> = (0..8).map(Box::new).collect();
        let by_address: BTreeMap<usize, u64> =
            boxes.iter().map(|one| (&raw const **one as usize, **one)).collect();
        by_address.into_iter().map(|entry| format!("{entry:x?}")).collect::<Vec<_>>()
    };
    address_of_a_static_as_a_seed: Nature::Stable, constant, (by_address), {
        let mut hasher = DefaultHasher::new();
        (&raw const PLACE as usize).hash(&mut hasher);
        [hasher.finish()]
    };
    address_on_the_stack_as_a_seed: Nature::Stable, constant, (by_address), {
        let here = 0_u8;
        [&raw const here as usize]
    };
}
