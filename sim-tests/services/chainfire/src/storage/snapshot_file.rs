//! Snapshot files: `snapshot-<index>.snap`, replaced whole, checked whole.
//!
//! Layout, little endian: magic `CFSN`, version u32, index u64, term u64, chain hash u64, length u64, CRC-32 of the data u32,
//! CRC-32 of the header so far u32; then the data.

use std::path::Path;

use bytes::Bytes;
use tokio::fs;

use super::StorageError;
use super::{files, hard_state};
use crate::planted;
use crate::raft::{Index, Snapshot, SnapshotMeta};

const MAGIC: [u8; 4] = *b"CFSN";
const VERSION: u32 = 1;
const HEADER: usize = 48;
const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".snap";

/// Writes a snapshot durably. Older ones stay until the log no longer needs them. Touches no other file, so it may
/// run beside the log's own writes.
///
/// # Errors
/// [`StorageError::Io`].
pub async fn write_snapshot(dir: &Path, snapshot: &Snapshot) -> Result<(), StorageError> {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&VERSION.to_le_bytes());
    let words = [snapshot.meta.index, snapshot.meta.term, snapshot.meta.hash, snapshot.data.len() as u64];
    for (at, word) in words.into_iter().enumerate() {
        header[8 + 8 * at..16 + 8 * at].copy_from_slice(&word.to_le_bytes());
    }
    header[40..44].copy_from_slice(&snapshot.crc.to_le_bytes());
    let crc = crc32fast::hash(&header[..44]);
    header[44..].copy_from_slice(&crc.to_le_bytes());
    let name = format!("{PREFIX}{:016x}{SUFFIX}", snapshot.meta.index);
    let hard_state = if planted!("M73") { hard_state::read_for_rewrite(dir).await? } else { None };
    files::replace(dir, &name, &[&header, &snapshot.data]).await?;
    match hard_state {
        Some(content) => hard_state::rewrite(dir, &content).await,
        None => Ok(()),
    }
}

/// Reads the newest snapshot. A damaged one is an error, not a reason to fall back to an older one: the log behind it
/// is gone.
pub(super) async fn load_newest(dir: &Path) -> Result<Option<Snapshot>, StorageError> {
    let newest = files::names(dir).await?.into_iter().rfind(|name| files::number(name, PREFIX, SUFFIX).is_some());
    let Some(name) = newest else { return Ok(None) };
    let path = dir.join(name);
    let content = files::read(&path).await?.unwrap_or_default();
    let snapshot = decode(content).map_err(|reason| StorageError::corrupt(&path, 0, reason))?;
    Ok(Some(snapshot))
}

/// Removes the snapshots that the one at `index` replaces.
pub(super) async fn remove_older(dir: &Path, index: Index) -> Result<(), StorageError> {
    for name in files::names(dir).await? {
        if files::number(&name, PREFIX, SUFFIX).is_some_and(|number| number < index) {
            let path = dir.join(name);
            fs::remove_file(&path).await.map_err(StorageError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn decode(content: Vec<u8>) -> Result<Snapshot, String> {
    let content = Bytes::from(content);
    let header = content.get(..HEADER).ok_or("it is shorter than its header")?;
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    if header[..4] != MAGIC || half(44) != crc32fast::hash(&header[..44]) {
        return Err("its header is wrong".to_owned());
    }
    if half(4) != VERSION {
        return Err(format!("its version is {}, this software reads {VERSION}", half(4)));
    }
    let data = content.slice(HEADER..);
    if data.len() as u64 != word(32) {
        return Err(format!("it should hold {} bytes of state, and holds {}", word(32), data.len()));
    }
    let snapshot = Snapshot::new(SnapshotMeta { index: word(8), term: word(16), hash: word(24) }, data);
    if snapshot.crc != half(40) {
        return Err("the checksum of its state is wrong".to_owned());
    }
    Ok(snapshot)
}
