//! The control: an append-only log of transactions, each with its length and checksum, read to the first that does not fit. It
//! can be made wrong in the ways in which logs are.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Batch, Contents, Engine, value_of};

/// How the log is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// It is not.
    Nothing,
    /// A record's checksum is not looked at: a torn one counts.
    NoChecksum,
    /// What does not fit is skipped, and reading goes on behind it.
    ReadOn,
    /// The result of a sync is not looked at.
    IgnoreSync,
    /// The directory is not synced when the log is made.
    NoDirectorySync,
}

static PLANTED: AtomicU8 = AtomicU8::new(0);

impl Planted {
    const ALL: [Self; 5] = [Self::Nothing, Self::NoChecksum, Self::ReadOn, Self::IgnoreSync, Self::NoDirectorySync];

    /// From now on the log is wrong so, in the whole process.
    pub fn plant(self) {
        PLANTED.store(self as u8, Ordering::Relaxed);
    }

    fn is(self) -> bool {
        Self::ALL[usize::from(PLANTED.load(Ordering::Relaxed))] == self
    }
}

/// The log, and what it says.
pub struct ControlLog {
    file: File,
    contents: Contents,
    len: u64,
}

const HEADER: usize = 8;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn apply(contents: &mut Contents, payload: &[u8]) {
    let mut rest = payload;
    while let Some((len, after)) = rest.split_at_checked(4) {
        let len = u32::from_le_bytes(len.try_into().unwrap_or_default()) as usize;
        let Some((value, after)) = after.split_at_checked(len) else { return };
        if let Some(key) = value.get(..8).and_then(|key| key.try_into().ok()).map(u64::from_le_bytes) {
            contents.insert(key, value.to_vec());
        }
        rest = after;
    }
}

impl Engine for ControlLog {
    const NAME: &'static str = "log";

    fn open(dir: &Path) -> Result<Self, String> {
        let path = dir.join("log");
        let is_new = !path.exists();
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(text)?;
        if is_new && !Planted::NoDirectorySync.is() {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(text)?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(text)?;
        let mut contents = Contents::new();
        let mut at = 0;
        let mut fits = 0;
        while let Some(header) = bytes.get(at..at + HEADER) {
            let len = u32::from_le_bytes(header[..4].try_into().unwrap_or_default()) as usize;
            let sum = u32::from_le_bytes(header[4..].try_into().unwrap_or_default());
            let payload = bytes.get(at + HEADER..at + HEADER + len).filter(|payload| !payload.is_empty());
            match payload {
                Some(payload) if Planted::NoChecksum.is() || crc32fast::hash(payload) == sum => {
                    apply(&mut contents, payload);
                    at += HEADER + len;
                    fits = at;
                }
                _ if Planted::ReadOn.is() => {
                    at += 1;
                }
                _ => break,
            }
        }
        if fits < bytes.len() && !Planted::ReadOn.is() {
            // The torn end goes, durably, before anything is written behind it.
            file.set_len(fits as u64).map_err(text)?;
            file.sync_all().map_err(text)?;
        }
        let len = if Planted::ReadOn.is() { bytes.len() } else { fits };
        Ok(Self { file, contents, len: len as u64 })
    }

    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        use std::io::Seek;
        let mut payload = Vec::new();
        for key in &batch.keys {
            let value = value_of(*key, batch.version);
            payload.extend_from_slice(&(value.len() as u32).to_le_bytes());
            payload.extend_from_slice(&value);
        }
        let mut record = (payload.len() as u32).to_le_bytes().to_vec();
        record.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        record.extend_from_slice(&payload);
        self.file.seek(std::io::SeekFrom::Start(self.len)).map_err(text)?;
        self.file.write_all(&record).map_err(text)?;
        match self.file.sync_data() {
            Err(error) if !Planted::IgnoreSync.is() => return Err(text(error)),
            _ => {}
        }
        self.len += record.len() as u64;
        apply(&mut self.contents, &payload);
        Ok(())
    }

    fn contents(&mut self) -> Result<Contents, String> {
        Ok(self.contents.clone())
    }
}
