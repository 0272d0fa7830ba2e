//! A file's data: what the page cache shows, and the unsynced changes that led there from what the device holds.
//!
//! The cache holds the newest bytes. Each unsynced change keeps only what undoes it (nothing, for an append), so that an
//! append and its sync copy no more than the appended bytes. What the device holds is found by undoing, when a power loss
//! asks for it.

use std::collections::VecDeque;

use stormglass_kernel::Site;

use crate::content::{Content, Cut, Sector};
use crate::crash::{Crash, Fragment, Growth, Keep};
use crate::losses::LossReport;
use crate::options::SECTOR_BYTES;

mod resolve;

pub(crate) use resolve::Outcome;

/// A regular file's bytes and its unsynced changes.
#[derive(Debug, Default)]
pub(crate) struct FileData {
    content: Content,
    size: u64,
    /// In order. All but the first may be durable already, where an earlier one is not.
    pending: VecDeque<Change>,
    /// Changes so far: the number of the next one.
    changes: u64,
}

#[derive(Debug)]
struct Change {
    number: u64,
    offset: u64,
    /// Bytes written; 0 for a change of length alone.
    len: u64,
    old_size: u64,
    new_size: u64,
    fate: Fate,
    /// A sync returned success for it without having made it durable.
    promised: bool,
    undo: Undo,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// A power loss decides.
    Pending,
    /// Synced, but an earlier change is not.
    Durable,
    /// Its fsync failed: the pages count as clean and will never be written (as on Linux since 4.13).
    Doomed,
}

#[derive(Debug)]
enum Undo {
    /// There were zeros, or nothing.
    Zeros,
    /// The bytes before, from the change's offset; beyond them the file had ended.
    Bytes(Box<[u8]>),
    /// The pages that a shorter length cut off.
    Cut(Cut),
}

impl FileData {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The number of the next change: a sync covers all below it.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Bytes of unsynced writes.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.pending.iter().filter(|c| c.fate == Fate::Pending).map(|c| c.len).sum()
    }

    /// Appends up to `max` bytes at `offset` to `buffer`.
    pub(crate) fn read(&self, offset: u64, max: usize, buffer: &mut Vec<u8>) {
        let len = self.size.saturating_sub(offset).min(max as u64) as usize;
        self.content.read_into(offset, len, buffer);
    }

    fn change(&mut self, offset: u64, len: u64, new_size: u64, undo: Undo) {
        let (number, old_size) = (self.changes, self.size);
        self.changes += 1;
        self.size = new_size;
        let fate = Fate::Pending;
        self.pending.push_back(Change { number, offset, len, old_size, new_size, fate, promised: false, undo });
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        let undo = if offset >= self.size {
            Undo::Zeros
        } else {
            let mut bytes = vec![0; (end.min(self.size) - offset) as usize].into_boxed_slice();
            self.content.read(offset, &mut bytes);
            Undo::Bytes(bytes)
        };
        self.content.write(offset, data);
        self.change(offset, data.len() as u64, self.size.max(end), undo);
    }

    pub(crate) fn set_len(&mut self, size: u64) {
        if size == self.size {
            return;
        }
        let undo = if size < self.size { Undo::Cut(self.content.cut(size)) } else { Undo::Zeros };
        self.change(size, 0, size, undo);
    }

    /// Makes every change below `upto` durable, but those that are doomed.
    pub(crate) fn sync(&mut self, upto: u64) {
        for change in self.pending.iter_mut().take_while(|c| c.number < upto) {
            if change.fate == Fate::Pending {
                change.fate = Fate::Durable;
            }
        }
        self.drop_durable();
    }

    /// Says yes to a sync of every change below `upto` and does nothing. Gives the number of changes lied about.
    pub(crate) fn promise(&mut self, upto: u64) -> u64 {
        let covered = self.pending.iter_mut().take_while(|c| c.number < upto);
        covered.filter(|c| c.fate == Fate::Pending).map(|c| c.promised = true).count() as u64
    }

    /// Marks every change below `upto` as never to be written: its fsync failed.
    pub(crate) fn doom(&mut self, upto: u64) {
        for change in self.pending.iter_mut().take_while(|c| c.number < upto) {
            if change.fate == Fate::Pending {
                change.fate = Fate::Doomed;
            }
        }
    }

    /// Makes the oldest changes durable until no more than `max` are left.
    pub(crate) fn write_back(&mut self, max: usize) {
        if self.pending.len() > max {
            let upto = self.pending[self.pending.len() - max].number;
            // A doomed change cannot stay for ever either: once memory is short, the device's copy counts as overwritten.
            for change in self.pending.iter_mut().take_while(|c| c.number < upto) {
                change.fate = Fate::Durable;
            }
            self.drop_durable();
        }
    }

    fn drop_durable(&mut self) {
        while self.pending.front().is_some_and(|c| c.fate == Fate::Durable) {
            self.pending.pop_front();
        }
    }

    /// Replaces everything, durably: for setting up a scenario.
    pub(crate) fn replace(&mut self, data: &[u8]) {
        self.pending.clear();
        self.content = Content::default();
        self.content.write(0, data);
        self.size = data.len() as u64;
    }

    /// Overwrites one byte beneath every unsynced change. Says what was there; `None` beyond the end.
    pub(crate) fn corrupt(&mut self, offset: u64, byte: u8) -> Option<u8> {
        if offset >= self.size {
            return None;
        }
        let mut old = [0];
        self.content.read(offset, &mut old);
        self.content.write(offset, &[byte]);
        Some(old[0])
    }

    /// Every byte, as the page cache shows it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read(0, usize::MAX, &mut bytes);
        bytes
    }
}
