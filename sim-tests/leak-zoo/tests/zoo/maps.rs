//! Hash maps: their order is their keys'.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use crate::animal::{Nature, animals};

static SHARED: Mutex<Option<hashbrown::HashMap<usize, usize>>> = Mutex::new(None);

/// The order of a set of numbers.
fn order<S: BuildHasher + Default>() -> Vec<u32> {
    (0..40).collect::<HashSet<u32, S>>().into_iter().collect()
}

animals! {
    std_hash_map_order: Nature::Stable, varies, {
        let map: HashMap<u32, ()> = (0..40).map(|n| (n, ())).collect();
        [map.into_keys().collect::<Vec<_>>(), order::<RandomState>()]
    };
    std_hash_map_order_across_polls: Nature::Stable, varies, {
        let first = order::<RandomState>();
        tokio::task::yield_now().await;
        let second = order::<RandomState>();
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        [first, second, order::<RandomState>()]
    };
    std_random_state_as_a_generator: Nature::Stable, varies, {
        [RandomState::new().hash_one(1), RandomState::new().hash_one(1)]
    };
    ahash_map_order: Nature::Shared, varies, (by_address), {
        [order::<ahash::RandomState>(), order::<ahash::RandomState>()]
    };
    hashbrown_map_order: Nature::Shared, varies, (by_address), {
        let set: hashbrown::HashSet<u32> = (0..40).collect();
        let again: hashbrown::HashSet<u32> = (0..40).collect();
        [set.into_iter().collect::<Vec<_>>(), again.into_iter().collect()]
    };
    hashbrown_map_that_nodes_share: Nature::Stable, constant, {
        // Whatever a node has for itself, a map that another one made must still be one.
        let mut map = SHARED.lock().expect("nobody panics");
        let map = map.get_or_insert_with(hashbrown::HashMap::default);
        let next = map.len();
        map.insert(next, next);
        [(0..=next).all(|n| map.get(&n) == Some(&n))]
    };
}
