//! What a node keeps on disk: a hard-state file, a segmented write-ahead log, and snapshot files, in one directory.
//!
//! Whoever owns a [`Storage`] has exclusive use of its directory. Every method that changes the disk returns only
//! once the change would survive a power loss. After an error the in-memory view and the disk may disagree: the owner
//! must stop, as the pages of a failed fsync are gone and a second fsync would not bring them back.

mod files;
mod frame;
mod hard_state;
mod record;
mod snapshot_file;
#[cfg(test)]
mod tests;
mod wal;

use std::path::{Path, PathBuf};

use tokio::fs;

use self::hard_state::HardStateFile;
pub use self::snapshot_file::write_snapshot;
use self::wal::Wal;
use crate::planted;
use crate::raft::{HardState, LogOperation, Recovered, SnapshotMeta};

/// The disk failed, or what it holds cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// An operation on a file failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something that was not written by this software, or was damaged since.
    #[error(
        "{} is damaged at byte {offset}: {reason}; this node's copy cannot be trusted, restore it from a backup or \
         rejoin with an empty directory",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
}

impl StorageError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StorageError {
        let path = path.to_owned();
        move |source| StorageError::Io { action, path, source }
    }

    fn corrupt(path: &Path, offset: u64, reason: impl Into<String>) -> StorageError {
        StorageError::Corrupt { path: path.to_owned(), offset, reason: reason.into() }
    }
}

/// A node's disk.
#[derive(Debug)]
pub struct Storage {
    dir: PathBuf,
    hard_state: HardStateFile,
    /// A hard state not yet written. Only a planted bug leaves one here.
    unsaved: Option<HardState>,
    wal: Wal,
}

/// Changes that become durable together.
#[derive(Debug, Default)]
pub struct Batch {
    /// The newest hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// Changes to the log, in order.
    pub operations: Vec<LogOperation>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.hard_state.is_none() && self.operations.is_empty()
    }
}

impl Storage {
    /// Opens the directory, creating it if absent, and recovers what it holds. A log whose tail was torn by a crash
    /// is cut at the tear; any other damage is an error.
    ///
    /// # Errors
    /// [`StorageError`], naming the file and the place.
    pub async fn open(dir: &Path, segment_bytes: u64) -> Result<(Storage, Recovered), StorageError> {
        fs::create_dir_all(dir).await.map_err(StorageError::io("create", dir))?;
        files::remove_leftovers(dir).await?;
        // What a killed process renamed or created may be seen and yet not be durable; nor may the directory itself.
        files::sync_dir(dir).await?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            files::sync_dir(parent).await?;
        }
        let (hard_state, state) = HardStateFile::open(dir).await?;
        let snapshot = snapshot_file::load_newest(dir).await?;
        let base = snapshot.as_ref().map_or_else(SnapshotMeta::default, |snapshot| snapshot.meta);
        let (wal, entries, records) = Wal::open(dir, base, segment_bytes).await?;
        if let Some(last) = entries.last().filter(|last| last.term > state.term) {
            tracing::warn!(dir = %dir.display(), term = state.term, log_term = last.term,
                "the log is newer than the hard state: the disk lost a synced write");
        }
        let storage = Storage { dir: dir.to_owned(), hard_state, unsaved: None, wal };
        Ok((storage, Recovered { hard_state: state, snapshot, entries, records }))
    }

    /// Makes a batch durable: the hard state first, then the log, with one sync for all entries of the batch.
    ///
    /// # Errors
    /// [`StorageError`]; the storage must not be used again.
    pub async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        let late = planted!("M02") && batch.operations.is_empty();
        match batch.hard_state {
            // The planted lapse: a vote waits for the next write to the log, and is lost if that never comes.
            Some(state) if late && state.voted_for.is_some() => self.unsaved = Some(state),
            Some(state) => {
                self.unsaved = None;
                self.hard_state.save(state).await?;
            }
            None => {
                if let Some(state) = self.unsaved.take() {
                    self.hard_state.save(state).await?;
                }
            }
        }
        let mut compact = None;
        let mut buffered = Vec::with_capacity(batch.operations.len());
        for operation in batch.operations {
            match operation {
                LogOperation::Append(_) | LogOperation::Truncate(_) => buffered.push(operation),
                LogOperation::Compact(index) => compact = Some(index),
                LogOperation::Install(snapshot) => {
                    self.wal.append(&std::mem::take(&mut buffered)).await?;
                    write_snapshot(&self.dir, &snapshot).await?;
                    self.wal.reset(snapshot.meta).await?;
                    compact = Some(snapshot.meta.index);
                }
            }
        }
        self.wal.append(&buffered).await?;
        if let Some(index) = compact {
            self.wal.compact(index).await?;
            snapshot_file::remove_older(&self.dir, index).await?;
        }
        Ok(())
    }
}
