//! What campaigns found of fjall 3.1, as files on a real file system: a database whose creation was cut short, and one whose
//! last batch arrived in part.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fjall::{Database, KeyspaceCreateOptions, PersistMode};

fn opens(path: &Path) -> Result<u64, String> {
    let database = Database::builder(path).open().map_err(|error| format!("{error:?}"))?;
    let keyspace = database.keyspace("t", KeyspaceCreateOptions::default).map_err(|error| format!("{error:?}"))?;
    Ok(keyspace.iter().count() as u64)
}

/// A database with batches of one value each, the last of `last` bytes.
fn made(path: &Path, batches: u64, last: usize) {
    let database = Database::builder(path).open().expect("a new database");
    let keyspace = database.keyspace("t", KeyspaceCreateOptions::default).expect("a new keyspace");
    for n in 0..batches {
        let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&keyspace, n.to_be_bytes(), vec![7; if n + 1 == batches { last } else { 40 }]);
        batch.commit().expect("room");
    }
}

/// It makes a lock, a folder, a journal and at last a marker with the version, each of which must be new: what an end in between
/// leaves is neither a database nor the beginning of one.
#[test]
fn a_database_whose_creation_was_cut_short_does_not_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    made(&path, 1, 40);
    fs::remove_file(path.join("version")).expect("it was there");
    let why = opens(&path).expect_err("there is a journal and no marker");
    assert!(why.contains("AlreadyExists"), "{why}");
    // The marker's name arrived, and its bytes did not.
    File::create(path.join("version")).expect("room");
    assert_eq!(opens(&path), Err("InvalidVersion(None)".to_owned()));
}

/// Batches of a journal are cut off where their ends are missing. Where the end of the last one is there and some of its bytes
/// are not, as when a power loss keeps its last sector and loses one before, the whole database is refused.
#[test]
fn a_last_batch_that_arrived_without_its_middle_keeps_the_database_from_opening() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    made(&path, 20, 6_000);
    let journal = File::options().read(true).write(true).open(path.join("0.jnl")).expect("its journal");
    let bytes = fs::read(path.join("0.jnl")).expect("its journal");
    let middle = bytes.windows(4_000).position(|window| window.iter().all(|byte| *byte == 7)).expect("the last value");
    let sector = middle.next_multiple_of(512);
    journal.write_all_at(&[0; 512], sector as u64).expect("room");
    drop(journal);
    assert_eq!(opens(&path), Err("JournalRecovery(ChecksumMismatch)".to_owned()));
    // Without the end of that batch the other nineteen are there.
    let journal = File::options().write(true).open(path.join("0.jnl")).expect("its journal");
    journal.set_len(sector as u64 + 512).expect("room");
    drop(journal);
    assert_eq!(opens(&path), Ok(19));
}

/// The names of keyspaces are in a tree of their own, `keyspaces/0`. Where the name of its last version did not become durable,
/// since the sync of its directory failed when the keyspace was created and the next opening found the name in the page cache, a
/// power loss brings the version before it back; a keyspace whose name that does not have is taken for a left-over and
/// deleted, with everything in it.
#[test]
fn a_keyspace_whose_name_did_not_arrive_is_deleted_with_what_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    drop(Database::builder(&path).open().expect("a new database"));
    let names = path.join("keyspaces/0");
    let before = files(&names);
    made(&path, 20, 40);
    assert_eq!(opens(&path), Ok(20));
    assert_ne!(files(&names), before);
    // What was done to that folder's names since is undone, the removal of the version before too; all else is as it was synced.
    for (name, bytes) in before {
        fs::write(names.join(name), bytes).expect("room");
    }
    assert_eq!(opens(&path), Ok(0));
}

/// The opening that found the name in the page cache has also deleted the version before it. Where that removal became durable and the
/// name did not, `current` names a file that is gone.
#[test]
fn a_version_that_was_deleted_before_the_next_ones_name_was_durable_keeps_the_database_from_opening() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    drop(Database::builder(&path).open().expect("a new database"));
    let current = path.join("keyspaces/0/current");
    let before = fs::read(&current).expect("a version");
    made(&path, 20, 40);
    assert_eq!(opens(&path), Ok(20));
    fs::write(&current, before).expect("room");
    let why = opens(&path).expect_err("the version is gone");
    assert!(why.contains("NotFound"), "{why}");
}

fn files(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).expect("a file")))
        .collect();
    files.sort();
    files
}
