//! What SQLite's write-ahead log does with the end of a transaction that a power loss tore, on a real file system: the
//! finding does not rest on the model of the disk.
#![cfg(feature = "sqlite")]

use std::path::Path;

use rusqlite::Connection;

const HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24 + 4096;

fn open(dir: &Path) -> Connection {
    let connection = Connection::open(dir.join("db")).expect("a database");
    let pragmas =
        "PRAGMA page_size=4096; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
                   PRAGMA wal_autocheckpoint=0;";
    connection.execute_batch(pragmas).expect("settings");
    connection
}

/// A transaction that changes one page alike whoever makes it, and after it another one.
fn pay(connection: &Connection, who: &str) {
    let transaction = "BEGIN; UPDATE counter SET n = n + 1; INSERT INTO paid VALUES ('NAME'); COMMIT;";
    connection.execute_batch(&transaction.replace("NAME", who)).expect("a transaction");
}

fn paid(connection: &Connection) -> Vec<String> {
    let mut rows = connection.prepare("SELECT who FROM paid ORDER BY rowid").expect("a statement");
    rows.query_map([], |row| row.get(0)).expect("rows").map(|who| who.expect("a name")).collect()
}

/// The log that a power loss leaves, in a directory with the same database.
fn after_power_loss(from: &Path, log: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::copy(from.join("db"), dir.path().join("db")).expect("a copy");
    std::fs::write(dir.path().join("db-wal"), log).expect("a log");
    dir
}

fn log_of(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("db-wal")).expect("a log")
}

#[test]
fn a_torn_transaction_comes_back_behind_a_first_frame_like_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let connection = open(dir.path());
    let tables = "CREATE TABLE counter (n INTEGER); CREATE TABLE paid (who TEXT); INSERT INTO counter VALUES (0);";
    connection.execute_batch(tables).expect("tables");
    pay(&connection, "anna");
    let sound = log_of(dir.path()).len();
    pay(&connection, "bert");
    let whole = log_of(dir.path());
    assert_eq!((sound - HEADER_BYTES) % FRAME_BYTES, 0);
    assert_eq!(whole.len(), sound + 2 * FRAME_BYTES, "a frame of each table's page");

    // First power loss, before the sync of bert's: a sector of the first frame did not arrive, the second frame did.
    let mut torn = whole.clone();
    torn[sound + 24 + 3584..sound + FRAME_BYTES].fill(0);
    assert_ne!(torn, whole);
    let second = after_power_loss(dir.path(), &torn);
    let connection = open(second.path());
    assert_eq!(paid(&connection), ["anna"]);

    // Second power loss, in the midst of carl's: of its two frames the first arrived, which is bert's first, byte for byte.
    pay(&connection, "carl");
    let carls = log_of(second.path());
    let mut mixed = torn;
    mixed[sound..sound + FRAME_BYTES].copy_from_slice(&carls[sound..sound + FRAME_BYTES]);
    let third = after_power_loss(second.path(), &mixed);
    assert_eq!(paid(&open(third.path())), ["anna", "bert"]);

    // Once carl's is synced nothing of bert's fits any more.
    let fourth = after_power_loss(second.path(), &carls);
    assert_eq!(paid(&open(fourth.path())), ["anna", "carl"]);
}
