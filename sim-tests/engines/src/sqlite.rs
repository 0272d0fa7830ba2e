//! SQLite: its own C code, with a rollback journal and `synchronous=FULL`; its directory syncs and locks are libc's.

use std::path::Path;

use rusqlite::Connection;

use crate::{Batch, Contents, Engine, value_of};

/// A connection to a SQLite database.
pub struct Sqlite(Connection);

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Engine for Sqlite {
    const NAME: &'static str = "sqlite";

    fn open(dir: &Path) -> Result<Self, String> {
        let connection = Connection::open(dir.join("db.sqlite")).map_err(text)?;
        // EXTRA syncs the directory after the journal is unlinked, without which a commit may come undone.
        connection
            .execute_batch(
                "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;
                 CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v BLOB NOT NULL);",
            )
            .map_err(text)?;
        Ok(Self(connection))
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
        let mut statement = self.0.prepare("SELECT k, v FROM t").map_err(text)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let rows = rows.map_err(text)?.collect::<Result<Vec<_>, _>>().map_err(text)?;
        Ok(rows.into_iter().map(|(key, value)| (key.cast_unsigned(), value)).collect())
    }
}
