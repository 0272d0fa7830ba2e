//! The records within a frame of the write-ahead log.
//!
//! Layout, little endian: kind u8, then for an entry its index u64, term u64, length u32 and data; for a truncation
//! the first dropped index u64; for a reset the index u64, term u64 and chain hash u64 of the snapshot that replaced
//! the log; for the continuation that begins every segment the last index of the log before it u64.

use bytes::Bytes;

use crate::raft::{Entry, Index, LogOperation, SnapshotMeta};

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Entry(Entry),
    Truncate(Index),
    Reset(SnapshotMeta),
    Continue(Index),
}

const ENTRY: u8 = 1;
const TRUNCATE: u8 = 2;
const RESET: u8 = 3;
const CONTINUE: u8 = 4;

/// Adds the records of an operation to a payload.
pub(super) fn encode(operation: &LogOperation, payload: &mut Vec<u8>) {
    match operation {
        LogOperation::Append(entries) => {
            for entry in entries {
                payload.push(ENTRY);
                payload.extend_from_slice(&entry.index.to_le_bytes());
                payload.extend_from_slice(&entry.term.to_le_bytes());
                payload.extend_from_slice(&(entry.data.len() as u32).to_le_bytes());
                payload.extend_from_slice(&entry.data);
            }
        }
        LogOperation::Truncate(from) => {
            payload.push(TRUNCATE);
            payload.extend_from_slice(&from.to_le_bytes());
        }
        LogOperation::Install(snapshot) => encode_reset(snapshot.meta, payload),
        LogOperation::Compact(_) => {}
    }
}

pub(super) fn encode_reset(meta: SnapshotMeta, payload: &mut Vec<u8>) {
    payload.push(RESET);
    for word in [meta.index, meta.term, meta.hash] {
        payload.extend_from_slice(&word.to_le_bytes());
    }
}

/// The record that begins a segment: the log before it ends at `last`.
pub(super) fn continuation(last: Index) -> Vec<u8> {
    let mut payload = vec![CONTINUE];
    payload.extend_from_slice(&last.to_le_bytes());
    payload
}

/// Reads the records of a payload. The checksum was right, so an error is a version this software does not know.
pub(super) fn decode(payload: &[u8]) -> Result<Vec<Record>, String> {
    let mut rest = Reader { rest: payload };
    let mut records = Vec::new();
    while let Some(kind) = rest.byte() {
        let record = match kind {
            ENTRY => (|| {
                let (index, term, length) = (rest.word()?, rest.word()?, rest.half()?);
                let data = Bytes::copy_from_slice(rest.take(length as usize)?);
                Some(Record::Entry(Entry { index, term, data }))
            })(),
            TRUNCATE => rest.word().map(Record::Truncate),
            CONTINUE => rest.word().map(Record::Continue),
            RESET => {
                (|| Some(Record::Reset(SnapshotMeta { index: rest.word()?, term: rest.word()?, hash: rest.word()? })))()
            }
            unknown => return Err(format!("a record of unknown kind {unknown}")),
        };
        records.push(record.ok_or("a record that ends early")?);
    }
    Ok(records)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn half(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32::from_le_bytes(std::array::from_fn(|at| bytes[at])))
    }

    fn word(&mut self) -> Option<u64> {
        self.take(8).map(|bytes| u64::from_le_bytes(std::array::from_fn(|at| bytes[at])))
    }
}
