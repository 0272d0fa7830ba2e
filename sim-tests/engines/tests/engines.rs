//! Some seeds of each engine; campaigns are `src/bin/campaign.rs`.

use engines::{ControlLog, Engine, Redb, Sqlite, Trial};

/// What an engine is known for: redb refuses a file whose creation was cut short, see `redb_creation.rs`. Nothing was
/// acknowledged by then.
const CUT_SHORT: &str = "it does not open again, 0 transactions acknowledged: I/O error: Not a redb database";

fn holds<E: Engine + 'static>(seeds: std::ops::Range<u64>) {
    let (mut done, mut hit) = (0, 0);
    for seed in seeds {
        let outcome = Trial::of(seed).run::<E>();
        let known = outcome.verdict.as_ref().is_err_and(|why| E::NAME == Redb::NAME && why.starts_with(CUT_SHORT));
        assert!(outcome.verdict.is_ok() || known, "{} seed {seed}: {:?}", E::NAME, outcome.verdict);
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

/// SQLite seeds its generator from `/dev/urandom`, which a sealed thread of a node does not have: refused by name, until nodes
/// have that device.
#[test]
fn sqlite_is_refused_its_entropy() {
    let outcome = Trial::of(0).run::<Sqlite>();
    let why = outcome.verdict.expect_err("there is no such device");
    assert!(why.starts_with("refused: open64(\"/dev/urandom\""), "{why}");
}

#[test]
fn a_seed_gives_one_trace() {
    for seed in 0..12 {
        let (one, again) = (Trial::of(seed).run::<Redb>(), Trial::of(seed).run::<Redb>());
        assert_eq!(one.digest, again.digest, "seed {seed}");
    }
}
