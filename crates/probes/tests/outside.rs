//! Outside a simulation every macro is quiet, whether the build is a simulation's or not.

use std::time::Duration;

use stormglass_probes::{
    always, always_at_least, always_at_most, always_greater_than, always_less_than, always_or_unreached, buggify, knob,
    reachable, sometimes, sometimes_at_least, sometimes_at_most, sometimes_greater_than, sometimes_less_than,
    unreachable,
};

#[test]
fn broken_properties_do_nothing() {
    always!(false, "outside: always");
    always!(false, "outside: always, with a reason", "it was {}", 3);
    always_or_unreached!(false, "outside: always or unreached");
    sometimes!(false, "outside: sometimes");
    reachable!("outside: reachable");
    unreachable!("outside: unreachable");
    unreachable!("outside: unreachable, with a reason", "it was {}", 3);
    always_less_than!(2, 1, "outside: less");
    always_at_most!(2_u64, 1, "outside: at most");
    always_greater_than!(Duration::ZERO, Duration::from_secs(1), "outside: greater");
    always_at_least!(1_usize, 2, "outside: at least");
    sometimes_less_than!(2, 1, "outside: sometimes less");
    sometimes_at_most!(2, 1, "outside: sometimes at most");
    sometimes_greater_than!(1, 2, "outside: sometimes greater");
    sometimes_at_least!(1, 2, "outside: sometimes at least");
}

#[test]
fn nothing_rare_happens() {
    for _ in 0..100 {
        assert!(!buggify!("outside: buggify"));
        assert!(!buggify!("outside: buggify, always", 1.0));
        assert_eq!(knob!("outside: knob", 10, [1, 2]), 10);
    }
}

/// Sides are not evaluated in a build that is no simulation's.
#[cfg(not(feature = "sim"))]
#[test]
fn nothing_is_evaluated() {
    let looked = std::cell::Cell::new(0);
    let look = || {
        looked.set(looked.get() + 1);
        looked.get()
    };
    always!(look() == 0, "outside: looked");
    always_at_most!(look(), 0, "outside: looked and compared");
    assert_eq!(knob!("outside: knob that looks", 5, [look()]), 5);
    assert_eq!(looked.get(), 0);
}

#[cfg(feature = "sim")]
#[test]
fn every_place_of_this_test_is_in_the_catalogue() {
    let names: std::collections::BTreeSet<&str> = stormglass_probes::SITES.iter().map(|site| site.name).collect();
    for name in ["outside: always", "outside: buggify", "outside: knob", "outside: less", "outside: unreachable"] {
        assert!(names.contains(name), "{name}");
    }
}
