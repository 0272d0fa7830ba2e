//! Some seeds of each engine; campaigns are `src/bin/campaign.rs`.

use engines::{ControlLog, Engine, Redb, Sqlite, Trial};

fn holds<E: Engine + 'static>(seeds: std::ops::Range<u64>) {
    let (mut done, mut hit) = (0, 0);
    for seed in seeds {
        let outcome = Trial::of(seed).run::<E>();
        assert!(outcome.verdict.is_ok(), "{} seed {seed}: {:?}", E::NAME, outcome.verdict);
        done += outcome.done;
        hit += u64::from(outcome.losses.hit());
    }
    assert!(done > 0 && hit > 0, "{}: {done} transactions, {hit} hits", E::NAME);
}

#[test]
fn the_control_log_keeps_what_it_acknowledged() {
    holds::<ControlLog>(0..120);
}

#[test]
fn redb_keeps_what_it_acknowledged() {
    holds::<Redb>(0..60);
}

#[test]
fn sqlite_keeps_what_it_acknowledged() {
    holds::<Sqlite>(0..60);
}

#[test]
fn a_seed_gives_one_trace() {
    for seed in 0..12 {
        let (one, again) = (Trial::of(seed).run::<Redb>(), Trial::of(seed).run::<Redb>());
        assert_eq!(one.digest, again.digest, "seed {seed}");
    }
}
