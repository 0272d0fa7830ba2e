//! Some seeds of each engine; campaigns are `src/bin/campaign.rs`.

use engines::{ControlLog, Engine, Fjall, Redb, Trial};
#[cfg(feature = "sqlite")]
use engines::{Rollback, RollbackFull, Sqlite, Wal};

/// What an engine is known for, as the beginning of what is said then. `docs/src/engines.md` explains each.
fn is_known(engine: &str, why: &str) -> bool {
    let known: &[&str] = match engine {
        // A store whose creation was cut short: nothing was acknowledged by then.
        "redb" => &["it does not open again, 0 transactions acknowledged: I/O error: Not a redb database"],
        "fjall" => &[
            "it does not open again, 0 transactions acknowledged: FjallError: Io(Os { code: 17",
            "it does not open again, 0 transactions acknowledged: FjallError: InvalidVersion(None)",
        ],
        _ => &[],
    };
    known.iter().any(|known| why.starts_with(known))
}

fn holds<E: Engine + 'static>(seeds: std::ops::Range<u64>) {
    let (mut done, mut hit) = (0, 0);
    for seed in seeds {
        let outcome = Trial::of(seed).run::<E>();
        let known = outcome.verdict.as_ref().is_err_and(|why| is_known(E::NAME, why));
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

#[test]
fn fjall_keeps_what_it_acknowledged() {
    holds::<Fjall>(0..60);
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_keeps_what_it_acknowledged_with_a_journal_whose_removal_is_synced() {
    holds::<Sqlite<Rollback>>(0..60);
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_keeps_what_it_acknowledged_with_a_write_ahead_log() {
    holds::<Sqlite<Wal>>(0..60);
}

/// As its manual says: a journal that is removed without a sync of its directory may be back after a power loss, and then takes
/// the last commit back, whole.
#[cfg(feature = "sqlite")]
#[test]
fn sqlite_may_lose_its_last_commit_where_the_removal_of_its_journal_is_not_synced() {
    let outcomes: Vec<_> =
        (0..40).filter_map(|seed| Trial::of(seed).run::<Sqlite<RollbackFull>>().verdict.err()).collect();
    let lost = |why: &String| why.starts_with("key ") && (why.ends_with("is gone") || why.contains("is back at"));
    assert!(!outcomes.is_empty() && outcomes.iter().all(lost), "{outcomes:?}");
}

#[test]
fn a_seed_gives_one_trace() {
    for seed in 0..12 {
        let (one, again) = (Trial::of(seed).run::<Redb>(), Trial::of(seed).run::<Redb>());
        assert_eq!(one.digest, again.digest, "seed {seed}");
    }
}
