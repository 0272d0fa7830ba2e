//! fjall, a log-structured merge tree: a journal, tables that its own threads write and merge, and a directory of them.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::{Batch, Contents, Engine, value_of};

/// Small, so that a life of a hundred transactions flushes and merges.
const MEMTABLE_BYTES: u64 = 8 << 10;

/// A fjall database with one worker, and its only keyspace. With more, its first one hands what it is given to merge back to
/// the queue, again and again, until another one takes it: a spin that no call interrupts, and that therefore never ends here.
pub struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Engine for Fjall {
    const NAME: &'static str = "fjall";

    fn open(dir: &Path) -> Result<Self, String> {
        let database = Database::builder(dir.join("db.fjall")).worker_threads(1).open().map_err(text)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let keyspace = database.keyspace("t", options).map_err(text)?;
        // As for every engine here, the name of the store itself is the trial's to make durable.
        std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(text)?;
        Ok(Self { database, keyspace })
    }

    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        let mut transaction = self.database.batch().durability(Some(PersistMode::SyncAll));
        for key in &batch.keys {
            transaction.insert(&self.keyspace, key.to_be_bytes(), value_of(*key, batch.version));
        }
        transaction.commit().map_err(text)
    }

    fn contents(&mut self) -> Result<Contents, String> {
        let mut contents = Contents::new();
        for entry in self.keyspace.iter() {
            let (key, value) = entry.into_inner().map_err(text)?;
            let key = key.as_ref().try_into().map_err(|_| format!("a key of {} bytes", key.len()))?;
            contents.insert(u64::from_be_bytes(key), value.to_vec());
        }
        Ok(contents)
    }
}
