//! The write-ahead log: frames of records in segment files, appended and synced one batch at a time.
//!
//! The log is itself log-structured: a truncation is a record, so nothing already synced is ever overwritten. A
//! segment begins with a frame that says at which index and sequence number it continues, so that a missing one is
//! noticed; once its directory entry is durable, records go into it. Segments are removed from the oldest on, when a snapshot covers all their entries.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stormglass_probes::reachable;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::frame::{self, Found, HEADER};
use super::record::{self, Record};
use super::{StorageError, files};
use crate::planted;
use crate::raft::{Entry, Index, LogOperation, Replayed, SnapshotMeta};

const PREFIX: &str = "wal-";
const SUFFIX: &str = ".log";

/// A segment that is no longer written to.
#[derive(Debug)]
struct Closed {
    path: PathBuf,
    /// The highest index of any entry in it, or of a snapshot it resets to.
    highest: Index,
}

#[derive(Debug)]
pub(super) struct Wal {
    dir: PathBuf,
    segment_bytes: u64,
    closed: VecDeque<Closed>,
    file: File,
    path: PathBuf,
    length: u64,
    highest: Index,
    /// The last index of the log.
    last: Index,
    /// The number of the next segment.
    next_segment: u64,
    /// The sequence number of the last frame written.
    sequence: u64,
    buffer: Vec<u8>,
}

/// The log as its records leave it.
#[derive(Debug, Default)]
struct Replay {
    entries: Vec<Entry>,
    /// What `entries` start after; `None` until the first record says so.
    start: Option<Index>,
    highest: Index,
    /// Where each record lay, in order.
    records: Vec<Replayed>,
}

impl Replay {
    fn apply(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Entry(entry) => {
                let start = *self.start.get_or_insert(entry.index.saturating_sub(1));
                let next = start + self.entries.len() as u64 + 1;
                if entry.index == 0 || entry.index > next || entry.index <= start {
                    return Err(format!("entry {} where one in {}..={next} was expected", entry.index, start + 1));
                }
                self.entries.truncate((entry.index - start - 1) as usize);
                self.highest = self.highest.max(entry.index);
                self.entries.push(entry);
            }
            Record::Truncate(from) => {
                let start = self.start.get_or_insert(from.saturating_sub(1));
                // The oldest segment left may continue after entries that were dropped later on: those before it held them,
                // and are gone because a snapshot covers all that came of them.
                *start = (*start).min(from.saturating_sub(1));
                let keep = from.saturating_sub(*start + 1);
                self.entries.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
            }
            Record::Continue(last) => {
                if self.start.is_some() && last != self.last(0) {
                    return Err(format!("a segment after index {last} follows a log up to {}", self.last(0)));
                }
                self.start.get_or_insert(last);
            }
            Record::Reset(meta) => {
                self.entries.clear();
                self.start = Some(meta.index);
                self.highest = self.highest.max(meta.index);
            }
        }
        Ok(())
    }

    /// The planted lapse: a record that does not fit what came before is right, and that is wrong.
    fn believe(&mut self, record: Record) {
        if self.apply(record.clone()).is_err() {
            self.entries.clear();
            self.start = None;
            let _ = self.apply(record);
        }
    }

    /// The last index of the log; `empty` if there is none.
    fn last(&self, empty: Index) -> Index {
        self.start.unwrap_or(empty) + self.entries.len() as u64
    }

    /// The entries after `base`. A snapshot that the log does not contain replaces it.
    fn after(mut self, base: SnapshotMeta, path: &Path) -> Result<Vec<Entry>, StorageError> {
        let start = self.start.unwrap_or(base.index);
        if start > base.index {
            return Err(StorageError::corrupt(
                path,
                0,
                format!("the log starts after index {start}, but the newest snapshot ends at {}", base.index),
            ));
        }
        let covered = usize::try_from(base.index - start).unwrap_or(usize::MAX);
        if covered > 0 && self.entries.get(covered - 1).is_none_or(|entry| entry.term != base.term) {
            return Ok(Vec::new());
        }
        Ok(self.entries.split_off(covered))
    }
}

impl Wal {
    /// Reads the log, cuts a torn tail, and continues in a new segment.
    pub(super) async fn open(
        dir: &Path,
        base: SnapshotMeta,
        segment_bytes: u64,
    ) -> Result<(Wal, Vec<Entry>, Vec<Replayed>), StorageError> {
        let numbers: Vec<u64> =
            files::names(dir).await?.iter().filter_map(|name| files::number(name, PREFIX, SUFFIX)).collect();
        let mut replay = Replay::default();
        let mut closed = VecDeque::new();
        let mut sequence = None;
        for (at, number) in numbers.iter().enumerate() {
            let path = files::numbered(dir, PREFIX, *number, SUFFIX);
            if at > 0 && *number != numbers[at - 1] + 1 {
                return Err(StorageError::corrupt(&path, 0, "the segment before this one is missing"));
            }
            replay.highest = 0;
            let newest = at + 1 == numbers.len();
            let good = read_segment(&path, newest, &mut sequence, &mut replay).await?;
            if good == 0 {
                // Its creation was interrupted: it never held anything.
                fs::remove_file(&path).await.map_err(StorageError::io("remove", &path))?;
            } else {
                closed.push_back(Closed { path, highest: replay.highest });
            }
        }
        let last = replay.last(base.index);
        let newest = closed.back().map_or_else(|| dir.to_owned(), |segment| segment.path.clone());
        let records = std::mem::take(&mut replay.records);
        let entries = replay.after(base, &newest)?;
        let next_segment = closed.len() as u64 + numbers.first().copied().unwrap_or(1);
        let sequence = sequence.unwrap_or(0) + 1;
        let (file, path) = create_segment(dir, next_segment, sequence, last).await?;
        let mut wal = Wal {
            dir: dir.to_owned(),
            segment_bytes,
            closed,
            file,
            path,
            length: EMPTY,
            highest: 0,
            last,
            next_segment: next_segment + 1,
            sequence,
            buffer: Vec::new(),
        };
        if entries.is_empty() && base.index > 0 {
            // Whatever the old segments hold ends before the snapshot, or contradicts it.
            wal.reset(base).await?;
        }
        Ok((wal, entries, records))
    }

    /// Appends the operations as one frame, and syncs it.
    pub(super) async fn append(&mut self, operations: &[LogOperation]) -> Result<(), StorageError> {
        if operations.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        self.buffer.resize(HEADER, 0);
        for operation in operations {
            record::encode(operation, &mut self.buffer);
            match operation {
                LogOperation::Append(entries) => self.last = entries.last().map_or(self.last, |entry| entry.index),
                LogOperation::Truncate(from) => self.last = self.last.min(from.saturating_sub(1)),
                LogOperation::Install(_) | LogOperation::Compact(_) => {}
            }
            self.highest = self.highest.max(self.last);
        }
        self.write_buffer().await
    }

    /// Records that the log now starts, empty, after this snapshot.
    pub(super) async fn reset(&mut self, meta: SnapshotMeta) -> Result<(), StorageError> {
        self.buffer.clear();
        self.buffer.resize(HEADER, 0);
        record::encode_reset(meta, &mut self.buffer);
        self.last = meta.index;
        self.highest = self.highest.max(meta.index);
        self.write_buffer().await
    }

    async fn write_buffer(&mut self) -> Result<(), StorageError> {
        self.sequence += 1;
        let header = frame::header(self.sequence, &self.buffer[HEADER..]);
        self.buffer[..HEADER].copy_from_slice(&header);
        self.file.write_all(&self.buffer).await.map_err(StorageError::io("append to", &self.path))?;
        self.file.flush().await.map_err(StorageError::io("append to", &self.path))?;
        self.sync().await?;
        self.length += self.buffer.len() as u64;
        if self.length >= self.segment_bytes {
            self.cut().await?;
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), StorageError> {
        let result = self.file.sync_data().await;
        // The planted lapse: the pages of the failed sync count as clean by now, and the second one has nothing to do.
        let result = if planted!("M82") && result.is_err() { self.file.sync_data().await } else { result };
        result.map_err(StorageError::io("sync", &self.path))
    }

    /// Continues in a new segment.
    async fn cut(&mut self) -> Result<(), StorageError> {
        reachable!("storage: the log goes on in a new segment");
        self.sequence += 1;
        let (file, path) = create_segment(&self.dir, self.next_segment, self.sequence, self.last).await?;
        self.file = file;
        let path = std::mem::replace(&mut self.path, path);
        self.closed.push_back(Closed { path, highest: std::mem::take(&mut self.highest) });
        self.length = EMPTY;
        self.next_segment += 1;
        Ok(())
    }

    /// A durable snapshot covers entries up to `index`: removes the segments that hold nothing else.
    pub(super) async fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        if self.length > EMPTY {
            self.cut().await?;
        }
        let mut removed = false;
        while self.closed.front().is_some_and(|segment| segment.highest <= index) {
            if let Some(segment) = self.closed.pop_front() {
                discard(&self.dir, &segment.path).await?;
                // One after the other: a crash must not leave a gap between segments.
                files::sync_dir(&self.dir).await?;
                removed = true;
            }
        }
        if removed {
            tracing::debug!(dir = %self.dir.display(), index, "log compacted");
        }
        Ok(())
    }
}

/// The length of a segment that holds nothing yet but where it continues.
const EMPTY: u64 = HEADER as u64 + 9;

/// Where a planted bug keeps a segment that it will write anew.
const SPARE: &str = "wal.spare";

/// Removes a segment that is no longer needed.
async fn discard(dir: &Path, path: &Path) -> Result<(), StorageError> {
    if planted!("M71") {
        return fs::rename(path, dir.join(SPARE)).await.map_err(StorageError::io("rename", path));
    }
    fs::remove_file(path).await.map_err(StorageError::io("remove", path))
}

/// Creates a segment durably.
async fn create_segment(dir: &Path, number: u64, sequence: u64, last: Index) -> Result<(File, PathBuf), StorageError> {
    let payload = record::continuation(last);
    let path = files::numbered(dir, PREFIX, number, SUFFIX);
    // The planted lapse: the old content stays, and the end of the new one is not marked.
    let reused = planted!("M71") && fs::rename(dir.join(SPARE), &path).await.is_ok();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(!reused)
        .open(&path)
        .await
        .map_err(StorageError::io("create", &path))?;
    file.write_all(&[&frame::header(sequence, &payload)[..], &payload].concat())
        .await
        .map_err(StorageError::io("write", &path))?;
    file.flush().await.map_err(StorageError::io("write", &path))?;
    file.sync_all().await.map_err(StorageError::io("sync", &path))?;
    files::sync_dir(dir).await?;
    Ok((file, path))
}

/// Makes what the newest segment holds durable, by writing it anew. A sync would not do: what a process that was killed
/// left in the page cache may never have been synced, and after a sync that failed the pages count as clean, so that the
/// next one says yes and does nothing.
async fn rewrite_segment(path: &Path, content: &[u8]) -> Result<(), StorageError> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    files::replace(dir, name, &[content]).await
}

/// Replays one segment. Returns how many bytes of it are good. In the newest one a torn tail is cut off.
async fn read_segment(
    path: &Path,
    newest: bool,
    sequence: &mut Option<u64>,
    replay: &mut Replay,
) -> Result<usize, StorageError> {
    let content = files::read(path).await?.unwrap_or_default();
    let name: Arc<Path> = path.into();
    let mut at = 0;
    loop {
        match frame::read(&content[at..]) {
            Found::Frame { sequence: number, payload } => {
                if sequence.is_some_and(|last| number != last + 1) && !planted!("M71") {
                    let reason = format!("frame {number} follows frame {}", sequence.unwrap_or_default());
                    return Err(StorageError::corrupt(path, at as u64, reason));
                }
                let corrupt = |reason| StorageError::corrupt(path, at as u64, reason);
                for record in record::decode(payload).map_err(corrupt)? {
                    if planted!("M71") {
                        replay.believe(record);
                    } else {
                        replay.apply(record).map_err(corrupt)?;
                    }
                }
                *sequence = Some(number);
                let length = HEADER + payload.len();
                replay.records.push(Replayed { path: Arc::clone(&name), offset: at as u64, length: length as u64 });
                at += length;
            }
            Found::End if at > 0 => {
                if newest {
                    // What is built on its last frame from here on must not outlive it.
                    rewrite_segment(path, &content).await?;
                }
                return Ok(at);
            }
            Found::End if newest => return Ok(0),
            Found::End => return Err(StorageError::corrupt(path, 0, "the segment is empty")),
            Found::Bad(_) if planted!("M71") && frame::find_later(&content[at + 1..], 0).is_some() => {
                at += 1 + frame::find_later(&content[at + 1..], 0).unwrap_or_default();
            }
            Found::Bad(reason) => {
                let last = sequence.unwrap_or(0);
                if !newest || frame::find_later(&content[at..], last + 1).is_some() {
                    return Err(StorageError::corrupt(path, at as u64, reason));
                }
                reachable!("storage: a torn tail of the log is cut off");
                let torn = content.len() - at;
                tracing::warn!(path = %path.display(), offset = at, torn, reason, "cutting a torn tail");
                if at > 0 {
                    rewrite_segment(path, &content[..at]).await?;
                }
                return Ok(at);
            }
        }
    }
}
