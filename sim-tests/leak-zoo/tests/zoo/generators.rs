//! Generators of random numbers, and the entropy beneath them.

use rand_08::Rng as _;
use rand_09::Rng as _;
use rand_010::RngExt as _;

use crate::animal::{Nature, animals};

animals! {
    getrandom_0_2: Nature::Stable, varies, {
        let mut buf = [0; 16];
        let filled = getrandom_02::getrandom(&mut buf).is_ok();
        [(filled, buf)]
    };
    getrandom_0_3: Nature::Stable, varies, {
        let mut buf = [0; 16];
        let filled = getrandom_03::fill(&mut buf).is_ok();
        [(filled, buf)]
    };
    getrandom_0_4: Nature::Stable, varies, {
        let mut buf = [0; 16];
        let filled = getrandom_04::fill(&mut buf).is_ok();
        [(filled, buf)]
    };
    rand_0_8_thread_rng: Nature::Stable, varies, {
        [rand_08::thread_rng().r#gen::<u64>(), rand_08::random()]
    };
    rand_0_9_thread_rng: Nature::Stable, varies, {
        [rand_09::rng().random::<u64>(), rand_09::random()]
    };
    rand_0_10_thread_rng: Nature::Stable, varies, {
        [rand_010::rng().random::<u64>(), rand_010::random()]
    };
    rand_0_9_os_rng: Nature::Stable, varies, {
        use rand_09::TryRngCore;
        [rand_09::rngs::OsRng.try_next_u64().unwrap_or(0)]
    };
    rand_0_9_small_rng_from_the_system: Nature::Stable, varies, {
        use rand_09::SeedableRng;
        [rand_09::rngs::SmallRng::from_os_rng().random::<u64>()]
    };
    fastrand_global: Nature::Stable, varies, {
        [fastrand::u64(..), fastrand::u64(..)]
    };
    uuid_v4: Nature::Stable, varies, {
        [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
    };
    uuid_v7: Nature::Stable, varies, {
        [uuid::Uuid::now_v7(), uuid::Uuid::now_v7()]
    };
}
