//! SQLite: its own C code; its directory syncs, locks and entropy are libc's. Three ways of keeping a transaction.

use std::marker::PhantomData;
use std::path::Path;

use rusqlite::Connection;

use crate::{Batch, Contents, Engine, value_of};

/// How SQLite is set.
pub trait Keeping {
    /// Of the engine.
    const NAME: &'static str;
    /// What is said to it before anything else.
    const PRAGMAS: &'static str;
    /// The journal mode that is asked for after that.
    const MODE: &'static str;
    /// As [`Engine::MAY_COME_BACK`].
    const MAY_COME_BACK: bool = false;
}

/// A rollback journal that is deleted at a commit, the directory synced after it: a commit is durable.
pub struct Rollback;

/// The same without the directory's sync, after which a commit may come undone, whole: what `FULL` promises of a deleted
/// journal is that nothing is corrupt.
pub struct RollbackFull;

/// A write-ahead log, synced at each commit. The index of it lies in the heap, as there is no memory that is mapped from a
/// file: `locking_mode=EXCLUSIVE`, one connection.
pub struct Wal;

impl Keeping for Rollback {
    const NAME: &'static str = "sqlite";
    const PRAGMAS: &'static str = "PRAGMA synchronous=EXTRA;";
    const MODE: &'static str = "delete";
}

impl Keeping for RollbackFull {
    const NAME: &'static str = "sqlite-full";
    const PRAGMAS: &'static str = "PRAGMA synchronous=FULL;";
    const MODE: &'static str = "delete";
}

impl Keeping for Wal {
    const NAME: &'static str = "sqlite-wal";
    // Checkpoints after so few pages fall into a life of a hundred transactions.
    const PRAGMAS: &'static str =
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=40;";
    const MODE: &'static str = "wal";
    // An opening that cuts off a torn tail leaves its bytes in the log, and goes on under the same salts. The next transaction
    // begins in its place; where its first frames are the very ones that were torn, the frames behind them fit again.
    const MAY_COME_BACK: bool = true;
}

/// A connection to a SQLite database.
pub struct Sqlite<K>(Connection, PhantomData<K>);

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Asks for a journal mode. SQLite gives the mode in a row, and writes it to the file only after that row: whoever takes the
/// row alone, as `execute_batch` does, never hears that this failed, and goes on with a rollback journal.
fn set_mode(connection: &Connection, mode: &str) -> Result<(), String> {
    let mut statement = connection.prepare(&format!("PRAGMA journal_mode={mode}")).map_err(text)?;
    let mut rows = statement.query([]).map_err(text)?;
    while let Some(row) = rows.next().map_err(text)? {
        let found: String = row.get(0).map_err(text)?;
        if found != mode {
            return Err(format!("journal_mode is {found}"));
        }
    }
    Ok(())
}

impl<K: Keeping> Engine for Sqlite<K> {
    const NAME: &'static str = K::NAME;
    const MAY_COME_BACK: bool = K::MAY_COME_BACK;

    fn open(dir: &Path) -> Result<Self, String> {
        let connection = Connection::open(dir.join("db.sqlite")).map_err(text)?;
        connection.execute_batch(K::PRAGMAS).map_err(text)?;
        set_mode(&connection, K::MODE)?;
        connection
            .execute_batch("CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v BLOB NOT NULL);")
            .map_err(text)?;
        Ok(Self(connection, PhantomData))
    }

    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        let transaction = self.0.transaction().map_err(text)?;
        for key in &batch.keys {
            let value = value_of(*key, batch.version);
            transaction
                .execute("INSERT OR REPLACE INTO t VALUES (?1, ?2)", (key.cast_signed(), value))
                .map_err(text)?;
        }
        transaction.commit().map_err(text)
    }

    fn contents(&mut self) -> Result<Contents, String> {
        let found: String = self.0.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(text)?;
        if found != "ok" {
            return Err(format!("integrity_check: {found}"));
        }
        let mut statement = self.0.prepare("SELECT k, v FROM t").map_err(text)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let rows = rows.map_err(text)?.collect::<Result<Vec<_>, _>>().map_err(text)?;
        Ok(rows.into_iter().map(|(key, value)| (key.cast_unsigned(), value)).collect())
    }
}
