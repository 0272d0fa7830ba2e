//! Some seeds of each engine; campaigns are `src/bin/campaign.rs`.

use engines::{ControlLog, Engine, Fjall, Redb, Trial};

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

/// Runs seeds of SQLite, each in a process of its own, since SQLite keeps a list of open files and random numbers for the whole
/// process. Gives whether all held, and what was said.
#[cfg(feature = "sqlite")]
fn campaign(engine: &str, first: u64, last: u64) -> (bool, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_campaign"));
    let output = command.arg(engine).args([first, last].map(|n| n.to_string())).output().expect("it runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What is said of seeds that lost something that was acknowledged.
#[cfg(feature = "sqlite")]
fn is_loss(line: &str) -> bool {
    line.contains(": key ") && (line.ends_with("is gone") || line.contains("is back at"))
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_keeps_what_it_acknowledged_with_a_journal_whose_removal_is_synced() {
    let (held, said) = campaign("sqlite", 0, 60);
    assert!(held, "{said}");
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_keeps_what_it_acknowledged_with_a_write_ahead_log() {
    // Of the single ones, the change to a write-ahead log fails at first in 343 and 547, pages are written again after a sync of
    // a longer file has failed in 10518, and a torn transaction comes back in 10371.
    for (first, last) in [(0, 60), (343, 344), (547, 548), (10_371, 10_372), (10_518, 10_519)] {
        let (held, said) = campaign("sqlite-wal", first, last);
        assert!(held, "{said}");
    }
}

/// SQLite syncs the directory of a new journal or log and does not look whether that worked: "Many systems … are unable to
/// fsync a directory, so ignore errors on the fsync" (`unixSync`).
#[cfg(feature = "sqlite")]
#[test]
fn sqlite_goes_on_where_the_sync_of_its_directory_failed() {
    for seed in [426, 1_830, 1_998] {
        let (held, said) = campaign("sqlite-wal", seed, seed + 1);
        assert!(!held && said.lines().next().is_some_and(is_loss), "{said}");
    }
}

/// As its manual says: a journal that is removed without a sync of its directory may be back after a power loss, and then takes
/// the last commit back, whole.
#[cfg(feature = "sqlite")]
#[test]
fn sqlite_may_lose_its_last_commit_where_the_removal_of_its_journal_is_not_synced() {
    let (held, said) = campaign("sqlite-full", 0, 40);
    assert!(!held && said.lines().filter(|line| line.starts_with("seed ")).all(is_loss), "{said}");
}

#[test]
fn a_seed_gives_one_trace() {
    for seed in 0..12 {
        let (one, again) = (Trial::of(seed).run::<Redb>(), Trial::of(seed).run::<Redb>());
        assert_eq!(one.digest, again.digest, "seed {seed}");
    }
}
