//! The ledger: what a campaign has done so far, kept so that a kill at any moment costs no finished seed and repeats none.
//!
//! A campaign's folder holds one file per shard and attempt, append-only JSON Lines: a header, then one record per seed.
//! Each line ends with its own checksum and its number in the file. A line without a newline at the end of a file is a torn
//! tail, the mark of a kill, and is cut; any other damage is an error that names path and offset, and is never guessed at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Seed, SeedRange, seed_record::SeedRecord};

/// The version of the format that this crate reads and writes.
pub const LEDGER_FORMAT: u32 = 1;

/// The first line of a ledger file: what every record in it is a function of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`LEDGER_FORMAT`].
    pub stormglass_ledger: u32,
    /// The scenario.
    pub scenario: String,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// The binary: blake3 of the file, in hex.
    pub binary: String,
    /// The target it was built for.
    pub target: String,
    /// The seeds asked for, as of this attempt.
    pub seeds: SeedRange,
    /// Which part of the seeds this file is about, such as `0/1`.
    pub shard: String,
    /// Which attempt at it, from 1.
    pub attempt: u32,
}

impl Header {
    /// What two attempts must share to be one campaign, and where `other` departs from it.
    fn departure(&self, other: &Header) -> Option<(&'static str, String, String)> {
        let params = |header: &Header| {
            header.params.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        [
            ("scenario", self.scenario.clone(), other.scenario.clone()),
            ("parameters", params(self), params(other)),
            ("binary", self.binary.clone(), other.binary.clone()),
            ("target", self.target.clone(), other.target.clone()),
        ]
        .into_iter()
        .find(|(_, ours, theirs)| ours != theirs)
    }
}

/// What is wrong with a ledger, or with writing one.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file is damaged.
    #[error("{path}: damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// Where the bad line begins.
        offset: u64,
        /// What was found and what was expected.
        what: String,
    },
    /// The ledger is of another format version.
    #[error("{path}: this is version {found} of the ledger format and this program reads version {LEDGER_FORMAT}")]
    Version {
        /// The file.
        path: String,
        /// The version it states.
        found: u64,
    },
    /// The ledger belongs to another campaign.
    #[error("{path}: the ledger belongs to another campaign: its {field} is `{theirs}`, and now it is `{ours}`")]
    Incompatible {
        /// The file.
        path: String,
        /// What differs.
        field: &'static str,
        /// The ledger's.
        theirs: String,
        /// This campaign's.
        ours: String,
    },
    /// Another process runs this campaign.
    #[error("{path}: another process is running this campaign")]
    Locked {
        /// The lock file.
        path: String,
    },
    /// Something could not be read.
    #[error("{path}: cannot read: {source}")]
    Read {
        /// The file or folder.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Something could not be written; what was written before stands.
    #[error("{path}: cannot write results: {source}")]
    Write {
        /// The file or folder.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// What the attempts so far amount to, besides the records themselves: those are handed out one by one, since a long
/// campaign has more of them than anyone wants in memory.
#[derive(Debug, Default)]
pub struct Recorded {
    /// The headers, by attempt, with their files.
    pub headers: Vec<(PathBuf, Header)>,
    /// The seeds that have a record.
    pub seeds: BTreeSet<Seed>,
    /// The time of all attempts, from each one's start to its last record, in milliseconds.
    pub spent_ms: u64,
    /// Bytes of torn tails that were left out.
    pub torn_bytes: u64,
}

/// A ledger opened for a further attempt. Holds the campaign's lock until dropped.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    /// The length of all whole lines: where to cut back to when a line could not be written.
    length: u64,
    lines: u64,
    _lock: Lock,
}

const LOCK_FILE: &str = "lock";

impl Ledger {
    /// Opens the campaign in `folder` for a further attempt with what `header` says: hands what earlier attempts recorded to
    /// `each`, cuts their torn tails, and begins a file of its own. `header.attempt` is filled in here. With `fresh`, earlier attempts of
    /// the shard are removed first.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: damage, another campaign's ledger, a lock that is held, or a file that cannot be read or written.
    pub fn open(
        folder: &Path,
        mut header: Header,
        fresh: bool,
        each: &mut dyn FnMut(SeedRecord),
    ) -> Result<(Ledger, Recorded), LedgerError> {
        fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
        let lock = take_lock(folder)?;
        let prefix = shard_prefix(&header.shard);
        let mut attempts = attempts(folder, &prefix)?;
        if fresh {
            for (_, path) in attempts.drain(..) {
                fs::remove_file(&path).map_err(|source| write_error(&path, source))?;
            }
        }
        let recorded = read_attempts(&attempts, each)?;
        for (path, earlier) in &recorded.headers {
            if let Some((field, ours, theirs)) = header.departure(earlier) {
                return Err(LedgerError::Incompatible { path: path.display().to_string(), field, theirs, ours });
            }
        }
        for (_, path) in &attempts {
            cut_torn_tail(path)?;
        }
        header.attempt = attempts.last().map_or(0, |(number, _)| *number) + 1;
        let path = folder.join(format!("{prefix}{:04}.jsonl", header.attempt));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| write_error(&path, source))?;
        let mut ledger = Ledger { path, file, length: 0, lines: 0, _lock: lock };
        ledger.line(&header)?;
        Ok((ledger, recorded))
    }

    /// Adds the record of one seed.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Write`], and then the file ends with the last whole record.
    pub fn append(&mut self, record: &SeedRecord) -> Result<(), LedgerError> {
        self.line(record)
    }

    /// Hands all records to the disk.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Write`].
    pub fn sync(&mut self) -> Result<(), LedgerError> {
        self.file.sync_data().map_err(|source| write_error(&self.path, source))
    }

    /// The file of this attempt.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn line(&mut self, content: &impl Serialize) -> Result<(), LedgerError> {
        let line = seal_line(content, self.lines).map_err(|error| write_error(&self.path, error.into()))?;
        if let Err(source) = self.file.write_all(&line) {
            // Should even this fail, the torn tail is cut by whoever opens the ledger next.
            let _ = self.file.set_len(self.length);
            return Err(write_error(&self.path, source));
        }
        self.length += line.len() as u64;
        self.lines += 1;
        Ok(())
    }
}

/// Reads a campaign's folder without touching it, handing each record of all shards and attempts to `each`. Torn tails are
/// left out.
///
/// # Errors
///
/// [`LedgerError`] as for [`Ledger::open`].
pub fn read_ledger(folder: &Path, each: &mut dyn FnMut(SeedRecord)) -> Result<Recorded, LedgerError> {
    read_attempts(&attempts(folder, "")?, each)
}

fn shard_prefix(shard: &str) -> String {
    format!("shard-{}.attempt-", shard.replace('/', "-of-"))
}

/// The attempts in `folder` whose file names begin with `prefix`, in order.
fn attempts(folder: &Path, prefix: &str) -> Result<Vec<(u32, PathBuf)>, LedgerError> {
    let read_error = |source| LedgerError::Read { path: folder.display().to_string(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let number = name
            .strip_suffix(".jsonl")
            .filter(|name| name.starts_with(prefix))
            .and_then(|name| name.rsplit_once(".attempt-"))
            .and_then(|(_, number)| number.parse().ok());
        if let Some(number) = number {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

fn read_attempts(attempts: &[(u32, PathBuf)], each: &mut dyn FnMut(SeedRecord)) -> Result<Recorded, LedgerError> {
    let mut recorded = Recorded::default();
    for (number, path) in attempts {
        read_attempt(*number, path, &mut recorded, each)?;
    }
    Ok(recorded)
}

fn read_attempt(
    number: u32,
    path: &Path,
    recorded: &mut Recorded,
    each: &mut dyn FnMut(SeedRecord),
) -> Result<(), LedgerError> {
    let damaged = |offset, what: String| LedgerError::Damaged { path: path.display().to_string(), offset, what };
    let mut last_at_ms = 0;
    let torn = for_each_line(path, |index, offset, line| {
        let content = open_line(line, index).map_err(|what| damaged(offset, what))?;
        if index == 0 {
            let header = read_header(path, offset, &content)?;
            if header.attempt != number {
                return Err(damaged(offset, format!("the header is that of attempt {}", header.attempt)));
            }
            recorded.headers.push((path.to_owned(), header));
            return Ok(());
        }
        let record: SeedRecord = serde_json::from_slice(&content)
            .map_err(|error| damaged(offset, format!("expected the record of a seed: {error}")))?;
        if !recorded.seeds.insert(record.seed) {
            return Err(damaged(offset, format!("seed {} is recorded a second time", record.seed)));
        }
        last_at_ms = record.at_ms.max(last_at_ms);
        each(record);
        Ok(())
    })?;
    recorded.spent_ms += last_at_ms;
    recorded.torn_bytes += torn.torn_bytes;
    Ok(())
}

/// Where a file's whole lines end, and what comes after.
struct Tail {
    whole_bytes: u64,
    torn_bytes: u64,
}

/// Hands each whole line of a file to `visit`, with its index and its offset.
fn for_each_line(
    path: &Path,
    mut visit: impl FnMut(u64, u64, &[u8]) -> Result<(), LedgerError>,
) -> Result<Tail, LedgerError> {
    let read_error = |source| LedgerError::Read { path: path.display().to_string(), source };
    let mut reader = BufReader::new(File::open(path).map_err(read_error)?);
    let (mut index, mut offset, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(read_error)? as u64;
        match line.split_last() {
            Some((b'\n', content)) => visit(index, offset, content)?,
            _ => return Ok(Tail { whole_bytes: offset, torn_bytes: read }),
        }
        index += 1;
        offset += read;
    }
}

fn read_header(path: &Path, offset: u64, content: &[u8]) -> Result<Header, LedgerError> {
    let path = path.display().to_string();
    // The version is looked at alone: another version may have other fields.
    let value: serde_json::Value = serde_json::from_slice(content).map_err(|error| LedgerError::Damaged {
        path: path.clone(),
        offset,
        what: error.to_string(),
    })?;
    match value.get("stormglass_ledger").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(LEDGER_FORMAT) => serde_json::from_value(value)
            .map_err(|error| LedgerError::Damaged { path, offset, what: format!("not a header: {error}") }),
        Some(found) => Err(LedgerError::Version { path, found }),
        None => Err(LedgerError::Damaged { path, offset, what: "expected a ledger's header".to_owned() }),
    }
}

fn cut_torn_tail(path: &Path) -> Result<(), LedgerError> {
    let tail = for_each_line(path, |_, _, _| Ok(()))?;
    let cut = match tail {
        // Killed before its header was whole: the attempt never began.
        Tail { whole_bytes: 0, .. } => fs::remove_file(path),
        Tail { torn_bytes: 0, .. } => Ok(()),
        Tail { whole_bytes, .. } => {
            OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(whole_bytes))
        }
    };
    cut.map_err(|source| write_error(path, source))
}

/// The campaign's lock. It is given up by name, and not by closing alone: a process that is just being started holds a copy
/// of every descriptor until it has become its program.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock that cannot be given up now goes with its last descriptor.
        let _ = self.0.unlock();
    }
}

fn take_lock(folder: &Path) -> Result<Lock, LedgerError> {
    let path = folder.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| write_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(LedgerError::Locked { path: path.display().to_string() }),
        Err(fs::TryLockError::Error(source)) => Err(write_error(&path, source)),
    }
}

fn write_error(path: &Path, source: io::Error) -> LedgerError {
    LedgerError::Write { path: path.display().to_string(), source }
}

/// `{…content…,"n":NUMBER,"crc":"8 hex digits"}` and a newline. The checksum is that of all bytes before `,"crc"`.
fn seal_line(content: &impl Serialize, number: u64) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(content)?;
    line.pop(); // the closing brace
    line.extend_from_slice(format!(",\"n\":{number}").as_bytes());
    let checksum = crc32fast::hash(&line);
    line.extend_from_slice(format!(",\"crc\":\"{checksum:08x}\"}}\n").as_bytes());
    Ok(line)
}

/// The content of a sealed line, without its newline.
fn open_line(line: &[u8], number: u64) -> Result<Vec<u8>, String> {
    const SEAL_BYTES: usize = ",\"crc\":\"00000000\"}".len();
    let cut = line.len().checked_sub(SEAL_BYTES).ok_or("expected a line that ends with its checksum")?;
    let (body, seal) = line.split_at(cut);
    let stated = std::str::from_utf8(seal)
        .ok()
        .and_then(|seal| seal.strip_prefix(",\"crc\":\"")?.strip_suffix("\"}"))
        .ok_or("expected a line that ends with its checksum")?;
    // Compared as text: the seal, too, has but one spelling.
    let actual = format!("{:08x}", crc32fast::hash(body));
    if stated != actual {
        return Err(format!("the line's checksum is {actual}, and it states {stated}"));
    }
    let tail = format!(",\"n\":{number}");
    let content = body
        .strip_suffix(tail.as_bytes())
        .ok_or_else(|| format!("expected line {number} of the file: lines are missing, or in another order"))?;
    Ok([content, b"}"].concat())
}
