//! What campaigns found of redb 4.5, as files on a real file system: a database that was being created when power (or its
//! process) was lost does not open again, with `Database::create` either, until somebody deletes it.
//!
//! It is created so: the file gets its length, then a header without the magic number, then a sync, then the header with the
//! magic number, then a sync. Between the first and the last of these the file is neither empty nor a database.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};

const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("t");
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// The header, which is what was lost.
const HEADER: usize = 320;

/// A database as it was just made: its length and its first bytes.
fn made(dir: &Path) -> (u64, Vec<u8>) {
    let path = dir.join("whole.redb");
    drop(Database::create(&path).expect("a new database"));
    let bytes = fs::read(&path).expect("it is there");
    assert!(bytes.starts_with(MAGIC));
    (bytes.len() as u64, bytes[..HEADER].to_vec())
}

fn opens(path: &Path) -> Result<(), String> {
    let database = Database::create(path).map_err(|error| error.to_string())?;
    let transaction = database.begin_write().map_err(|error| error.to_string())?;
    transaction.open_table(TABLE).and_then(|mut table| Ok(table.insert(1, 2).map(drop)?)).map_err(|e| e.to_string())?;
    transaction.commit().map_err(|error| error.to_string())?;
    database.begin_read().map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_database_whose_creation_was_cut_short_does_not_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let (len, header) = made(dir.path());
    let refused = "I/O error: Not a redb database: magic number mismatch";
    // After the change of length: neither header arrived.
    let grown = dir.path().join("grown.redb");
    File::create(&grown).and_then(|file| file.set_len(len)).expect("room");
    assert_eq!(opens(&grown), Err(refused.to_owned()));
    // After the first sync, which says that this much is durable: the header is there, without the magic number.
    let begun = dir.path().join("begun.redb");
    let file = File::create(&begun).expect("room");
    file.set_len(len).and_then(|()| file.write_all_at(&header[MAGIC.len()..], MAGIC.len() as u64)).expect("room");
    drop(file);
    assert_eq!(opens(&begun), Err(refused.to_owned()));
    // It stays so, whoever tries how often; an empty file, as it is before the change of length, is taken.
    assert_eq!(opens(&begun), Err(refused.to_owned()));
    let empty = dir.path().join("empty.redb");
    File::create(&empty).expect("room");
    assert_eq!(opens(&empty), Ok(()));
}
