//! redb, a copy-on-write B-tree in one file.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{Batch, Contents, Engine, value_of};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("t");

/// A redb database.
pub struct Redb(Database);

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Engine for Redb {
    const NAME: &'static str = "redb";

    fn open(dir: &Path) -> Result<Self, String> {
        let database = Database::create(dir.join("db.redb")).map_err(text)?;
        // redb syncs its file and not the name of it, which a file system without a journal may then lose.
        std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(text)?;
        Ok(Self(database))
    }

    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        let mut transaction = self.0.begin_write().map_err(text)?;
        transaction.set_durability(Durability::Immediate).map_err(text)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(text)?;
            for key in &batch.keys {
                table.insert(key, value_of(*key, batch.version).as_slice()).map_err(text)?;
            }
        }
        transaction.commit().map_err(text)
    }

    fn contents(&mut self) -> Result<Contents, String> {
        let transaction = self.0.begin_read().map_err(text)?;
        let table = match transaction.open_table(TABLE) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Contents::new()),
            table => table.map_err(text)?,
        };
        let mut contents = Contents::new();
        for entry in table.iter().map_err(text)? {
            let (key, value) = entry.map_err(text)?;
            contents.insert(key.value(), value.value().to_vec());
        }
        Ok(contents)
    }
}
