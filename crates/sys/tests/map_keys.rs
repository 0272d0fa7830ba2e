//! The keys of `std`'s hash maps are found, and what is written there is what maps are made of.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use stormglass_sys::seal::{MapKeys, spawn_simulation_thread};

fn on_a_fresh_thread<T: Send + 'static>(f: impl FnOnce(MapKeys) -> T + Send + 'static) -> T {
    let thread =
        spawn_simulation_thread(1 << 20, || f(MapKeys::find().expect("this std keeps its keys where we look")));
    thread.expect("a thread").join().expect("no panic")
}

fn order() -> Vec<u32> {
    (0..64).collect::<HashSet<u32>>().into_iter().collect()
}

#[test]
fn maps_made_of_the_same_keys_have_the_same_order_on_every_thread() {
    let make = |keys: MapKeys| {
        keys.set((5, 6));
        let (first, second) = (order(), order());
        assert_ne!(first, second, "each map counts the keys up");
        keys.set((5, 6));
        assert_eq!(order(), first);
        assert_eq!(keys.get(), (6, 6));
        first
    };
    assert_eq!(on_a_fresh_thread(make), on_a_fresh_thread(make));
    let other = on_a_fresh_thread(|keys| {
        keys.set((5, 7));
        order()
    });
    assert_ne!(on_a_fresh_thread(make), other, "the constant word counts too");
}

#[test]
fn looking_for_the_keys_leaves_them_where_a_few_maps_would() {
    on_a_fresh_thread(|keys| {
        let (counted, constant) = keys.get();
        let _map: HashMap<u8, u8> = HashMap::new();
        assert_eq!(keys.get(), (counted.wrapping_add(1), constant));
        let one = RandomState::new().hash_one(1_u8);
        keys.set((counted.wrapping_add(1), constant));
        assert_eq!(RandomState::new().hash_one(1_u8), one);
    });
}
