//! The ledger: a campaign may be stopped anywhere, and nothing that is written may be damaged unseen.

use std::{fs, path::PathBuf, time::Duration};

use crate::support::{Counting, campaign, run, verdicts};
use stormglass_harness::{Ended, Exit, LedgerError, SeedRange, read_ledger};

/// The attempts' files in a campaign's folder, in order.
fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    files
}

/// Puts `bytes` in the place of a file. Not by cutting it to nothing first: some file systems then wait for the disk.
fn replace(path: &std::path::Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_campaign_that_was_interrupted_goes_on_where_it_was() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&campaign("fails_on_sevens", 60, whole.path()));
    let campaign = campaign("fails_on_sevens", 60, parts.path());
    for _ in 0..3 {
        let counting = Counting::default();
        let outcome = campaign.run(&mut &counting, &|| counting.0.get() >= 10).unwrap();
        assert_eq!((outcome.ended, outcome.exit()), (Ended::Interrupted, Exit::Interrupted));
        assert!(outcome.summary.missing.unwrap() > 0);
    }
    let outcome = run(&campaign);
    assert_eq!((outcome.ended, outcome.exit()), (Ended::Done, Exit::SeedFailed));
    assert!(outcome.recorded_now < 60, "what was recorded before was not run again");
    assert_eq!(outcome.summary.missing, Some(0));
    assert_eq!(verdicts(parts.path()), verdicts(whole.path()));
    assert_eq!(files(parts.path()).len(), 4, "one file for each attempt");
}

#[test]
fn a_finished_campaign_answers_from_its_ledger_and_fresh_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign("passes", 10, folder.path());
    assert_eq!(run(&campaign).recorded_now, 10);
    let again = run(&campaign);
    assert_eq!((again.recorded_now, again.summary.seeds, again.exit()), (0, 10, Exit::Passed));
    campaign.fresh = true;
    assert_eq!(run(&campaign).recorded_now, 10);
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_wider_range_adds_the_seeds_that_are_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign("passes", 10, folder.path());
    run(&campaign);
    campaign.seeds = SeedRange { first: 5, end: Some(25) };
    assert_eq!(run(&campaign).recorded_now, 15);
}

#[test]
fn a_spent_budget_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign("passes", 10, folder.path());
    campaign.budget = Some(Duration::ZERO);
    let outcome = run(&campaign);
    assert_eq!((outcome.ended, outcome.recorded_now, outcome.exit()), (Ended::BudgetSpent, 0, Exit::Incomplete));
}

#[test]
fn enough_failures_end_a_campaign_early() {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign("fails_on_sevens", 100_000, folder.path());
    campaign.failures_max = Some(3);
    let outcome = run(&campaign);
    assert_eq!((outcome.ended, outcome.exit()), (Ended::EnoughFailures, Exit::SeedFailed));
    assert!(outcome.summary.failed >= 3 && outcome.summary.seeds < 100_000);
}

#[test]
fn one_campaign_is_run_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = campaign("passes", 20, folder.path());
    let counting = Counting::default();
    let nested = std::cell::RefCell::new(None);
    let outcome = campaign.run(&mut &counting, &|| {
        nested.borrow_mut().get_or_insert_with(|| campaign.run(&mut (), &|| false));
        false
    });
    assert_eq!(outcome.unwrap().exit(), Exit::Passed);
    let refused = nested.into_inner().unwrap().unwrap_err();
    assert!(refused.to_string().contains("another process is running this campaign"), "{refused}");
}

#[test]
fn a_ledger_of_another_campaign_is_refused_by_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    run(&campaign("passes", 3, folder.path()));
    let mut other = campaign("passes", 3, folder.path());
    other.params.insert("profile".to_owned(), "storm".to_owned());
    let error = other.run(&mut (), &|| false).unwrap_err();
    assert_eq!(error.exit(), Exit::CorruptFile);
    assert!(
        error.to_string().contains("parameters is `` and now it is `profile=storm`")
            || error.to_string().contains("`profile=storm`"),
        "{error}"
    );
    let error = campaign("planted", 3, folder.path()).run(&mut (), &|| false).unwrap_err();
    assert!(error.to_string().contains("scenario"), "{error}");
}

#[test]
fn a_ledger_cut_anywhere_loses_only_its_torn_record() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = campaign("passes", 4, folder.path());
    run(&campaign);
    let whole = verdicts(folder.path());
    let path = files(folder.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for length in 0..=bytes.len() {
        replace(&path, &bytes[..length]);
        let lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        let left = verdicts(folder.path());
        assert_eq!(left.len(), lines.saturating_sub(1), "cut at {length}");
        assert!(left.iter().all(|(seed, verdict)| whole[seed] == *verdict));
    }
    // And a campaign goes on from a few of these, the header's own line included.
    for length in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        for file in files(folder.path()) {
            fs::remove_file(file).unwrap();
        }
        replace(&path, &bytes[..length]);
        assert_eq!(run(&campaign).exit(), Exit::Passed, "cut at {length}");
        let torn = read_ledger(folder.path(), &mut |_| ()).unwrap().torn_bytes;
        assert_eq!(torn, 0, "cut at {length}: the torn tail is still there");
        assert_eq!(verdicts(folder.path()), whole, "cut at {length}");
    }
}

#[test]
fn no_changed_byte_goes_unseen() {
    let folder = tempfile::tempdir().unwrap();
    run(&campaign("fails_on_sevens", 3, folder.path()));
    let path = files(folder.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x20] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            replace(&path, &changed);
            let result = read_ledger(folder.path(), &mut |_| ());
            if at == bytes.len() - 1 {
                // Without its newline the last record is a torn tail, which is what a kill leaves.
                assert!(result.unwrap().torn_bytes > 0);
                continue;
            }
            match result {
                Err(LedgerError::Damaged { path: named, offset, .. }) => {
                    assert_eq!(named, path.display().to_string());
                    assert!(offset <= at as u64, "damage at {at} is told as being at {offset}");
                }
                other => panic!("byte {at} xor {flip:#x}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_missing_line_a_repeated_record_and_another_version_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = campaign("passes", 4, folder.path());
    run(&campaign);
    let path = files(folder.path()).remove(0);
    let text = fs::read_to_string(&path).unwrap();
    let told = |content: &str| {
        fs::write(&path, content).unwrap();
        let error = campaign.run(&mut (), &|| false).unwrap_err();
        assert_eq!(error.exit(), Exit::CorruptFile, "{error}");
        error.to_string()
    };
    let without_one: String =
        text.split_inclusive('\n').enumerate().filter(|(index, _)| *index != 2).map(|(_, line)| line).collect();
    let error = told(&without_one);
    let offset: usize = text.split_inclusive('\n').take(2).map(str::len).sum();
    assert!(error.contains(&format!("damaged at byte {offset}")) && error.contains("lines are missing"), "{error}");
    assert!(told(&format!("{text}{text}")).contains("lines are missing, or in another order"));

    // The same attempt under the number of a second one: each of its seeds is there twice.
    fs::write(&path, &text).unwrap();
    fs::write(folder.path().join("shard-0-of-1.attempt-0002.jsonl"), &text).unwrap();
    let error = campaign.run(&mut (), &|| false).unwrap_err().to_string();
    assert!(error.contains("attempt-0002.jsonl: damaged at byte 0: the header is that of attempt 1"), "{error}");
}
