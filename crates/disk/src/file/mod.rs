//! A file's data: what the page cache shows, and the unsynced changes that led there from what the device holds.
//!
//! The cache holds the newest bytes. Each unsynced change keeps only what undoes it (nothing, for an append), so that an
//! append and its sync copy no more than the appended bytes. What the device holds is found by undoing, when a power loss
//! asks for it.

use std::collections::VecDeque;

use stormglass_kernel::Site;

use crate::content::{BLOCK_BYTES, Content, Cut, Page, Sector};
use crate::crash::{Crash, Fragment, Growth, Keep};
use crate::damage::Damages;
use crate::losses::LossReport;
use crate::options::{CrashModel, SECTOR_BYTES};

mod resolve;

pub(crate) use resolve::{Outcome, Resolved};

/// A regular file's bytes and its unsynced changes.
#[derive(Debug, Default)]
pub(crate) struct FileData {
    content: Content,
    size: u64,
    /// In order. All but the first may be durable already, where an earlier one is not.
    pending: VecDeque<Change>,
    /// Changes so far: the number of the next one.
    changes: u64,
    /// Room was reserved up to here.
    reserved: u64,
    /// What is wrong with sectors on the device.
    pub(crate) damage: Damages,
    /// Pages that a sync has let go of, for the next writes.
    spare: Vec<Page>,
}

/// So many pages are kept for the next writes.
const SPARE_PAGES_MAX: usize = 32;

#[derive(Debug)]
struct Change {
    number: u64,
    what: What,
    /// When it was made, in nanoseconds of virtual time.
    stamp_ns: u64,
    offset: u64,
    /// Bytes written or made zeros; 0 for a change of length alone.
    len: u64,
    old_size: u64,
    new_size: u64,
    fate: Fate,
    /// A sync returned success for it without having made it durable.
    promised: bool,
    undo: Undo,
}

/// What a change is to a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// Bytes, which may make the file longer.
    Write,
    /// A new length, as operation so-and-so of a journal.
    Resize(u64),
    /// A range that became zeros by giving back or marking its blocks, likewise.
    Zeros(u64),
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
    /// The page before: all of one was overwritten.
    Page(Page),
    /// The pages that a shorter length cut off, or that held other bytes than zeros.
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
        let start = buffer.len();
        self.content.read_into(offset, len, buffer);
        self.damage.show(offset, &mut buffer[start..]);
    }

    fn change(&mut self, what: What, stamp_ns: u64, offset: u64, len: u64, new_size: u64, undo: Undo) {
        let (number, old_size) = (self.changes, self.size);
        self.changes += 1;
        self.size = new_size;
        let (fate, promised) = (Fate::Pending, false);
        self.pending.push_back(Change {
            number,
            what,
            stamp_ns,
            offset,
            len,
            old_size,
            new_size,
            fate,
            promised,
            undo,
        });
    }

    /// Copies the bytes at `offset` into `buffer`, as many as there are. Gives how many.
    pub(crate) fn read_to(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let len = self.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        self.content.read(offset, &mut buffer[..len]);
        self.damage.show(offset, &mut buffer[..len]);
        len
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8], stamp_ns: u64) {
        let end = offset + data.len() as u64;
        let undo = match self.overwrite_page(offset, data) {
            Some(old) => Undo::Page(old),
            None => {
                let undo = if offset >= self.size {
                    Undo::Zeros
                } else {
                    let len = (end.min(self.size) - offset) as usize;
                    let mut bytes = Vec::with_capacity(len);
                    self.content.read_into(offset, len, &mut bytes);
                    Undo::Bytes(bytes.into_boxed_slice())
                };
                self.content.write(offset, data);
                undo
            }
        };
        self.damage.overwritten(offset, end);
        self.change(What::Write, stamp_ns, offset, data.len() as u64, self.size.max(end), undo);
    }

    /// Where just one whole page within the file is overwritten, a new one takes its place, and nothing is copied for undoing
    /// it.
    fn overwrite_page(&mut self, offset: u64, data: &[u8]) -> Option<Page> {
        let whole = data.len() as u64 == BLOCK_BYTES && offset.is_multiple_of(BLOCK_BYTES);
        if !whole || offset + BLOCK_BYTES > self.size || !self.content.has_page_at(offset) {
            return None;
        }
        let page = match self.spare.pop() {
            Some(mut page) => {
                page.copy_from_slice(data);
                page
            }
            None => Box::<[u8]>::from(data).try_into().ok()?,
        };
        self.content.exchange(offset / BLOCK_BYTES, page).ok()
    }

    /// Sets the length, as operation `journaled` of the file system. Says whether that changed it.
    pub(crate) fn set_len(&mut self, size: u64, journaled: u64, stamp_ns: u64) -> bool {
        if size == self.size {
            return false;
        }
        let undo = if size < self.size { Undo::Cut(self.content.cut(size)) } else { Undo::Zeros };
        self.reserved = self.reserved.min(size);
        self.damage.overwritten(size, u64::MAX);
        self.change(What::Resize(journaled), stamp_ns, size, 0, size, undo);
        true
    }

    /// Makes a range zeros, up to the end of the file at most, as operation `journaled` of the file system.
    pub(crate) fn make_zeros(&mut self, offset: u64, len: u64, journaled: u64, stamp_ns: u64) {
        let len = self.size.saturating_sub(offset).min(len);
        if len == 0 {
            return;
        }
        let undo = Undo::Cut(self.content.copy_of(offset, len));
        self.content.zero(offset, len);
        self.damage.overwritten(offset, offset + len);
        self.change(What::Zeros(journaled), stamp_ns, offset, len, self.size, undo);
    }

    /// Notes that room was reserved up to `end`.
    pub(crate) fn reserve(&mut self, end: u64) {
        self.reserved = self.reserved.max(end);
    }

    /// Bytes of storage that it takes: pages with bytes in them, and what was reserved.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        (self.content.pages() * BLOCK_BYTES).max(self.reserved.next_multiple_of(BLOCK_BYTES))
    }

    /// Bytes of storage that a write of so many bytes would newly take.
    pub(crate) fn needs(&self, offset: u64, len: u64) -> u64 {
        let end = offset + len;
        let blocks = offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES);
        let missing = |block: &u64| {
            let first = block * BLOCK_BYTES;
            first >= self.reserved && !self.content.has_page_at(first)
        };
        blocks.filter(missing).count() as u64 * BLOCK_BYTES
    }

    /// The next byte of data at or after `offset`, or of a hole; `None` at and beyond the end, or where only a hole is left.
    pub(crate) fn next(&self, offset: u64, data: bool) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        if data {
            return self.content.next_data(offset, self.size);
        }
        Some(self.content.next_hole(offset).min(self.size))
    }

    /// Takes back every change that was made after `after_ns`, the newest first: it never happened. One that a later sync has
    /// made durable was made before.
    pub(crate) fn undo_after(&mut self, after_ns: u64) {
        while self.pending.back().is_some_and(|change| change.stamp_ns > after_ns) {
            if let Some(mut change) = self.pending.pop_back() {
                self.undo(&mut change);
                self.changes = change.number;
            }
        }
    }

    fn undo(&mut self, change: &mut Change) {
        match std::mem::replace(&mut change.undo, Undo::Zeros) {
            Undo::Zeros => self.content.zero(change.offset, change.len),
            Undo::Bytes(old) => {
                self.content.write(change.offset, &old);
                self.content.zero(change.offset + old.len() as u64, change.len - old.len() as u64);
            }
            Undo::Page(page) => self.content.restore(change.offset / BLOCK_BYTES, page),
            Undo::Cut(cut) => self.content.uncut(cut),
        }
        self.size = change.old_size;
    }

    /// Whether a change of the file's length is pending before change `upto`.
    pub(crate) fn has_pending_length(&self, upto: u64) -> bool {
        let mut covered = self.pending.iter().take_while(|c| c.number < upto).filter(|c| c.fate == Fate::Pending);
        covered.any(|c| c.old_size != c.new_size)
    }

    /// Makes the journaled operation of that number durable: the journal was flushed.
    pub(crate) fn committed(&mut self, journaled: u64) {
        for change in &mut self.pending {
            if matches!(change.what, What::Resize(n) | What::Zeros(n) if n == journaled) && change.fate == Fate::Pending
            {
                change.fate = Fate::Durable;
            }
        }
        self.drop_durable();
    }

    /// Makes one range durable as of change `upto`: what O_DSYNC asks for a write.
    pub(crate) fn sync_range(&mut self, upto: u64, from: u64, to: u64) {
        for change in self.pending.iter_mut().take_while(|c| c.number < upto) {
            let touches = change.offset < to && from < change.offset + change.len;
            if change.fate == Fate::Pending && (touches || change.what != What::Write) {
                change.fate = Fate::Durable;
            }
        }
        self.drop_durable();
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

    /// Marks every change below `upto` as never to be written: its fsync failed. Gives where they are: offset and length.
    pub(crate) fn doom(&mut self, upto: u64) -> Vec<(u64, u64)> {
        let covered = self.pending.iter_mut().take_while(|c| c.number < upto).filter(|c| c.fate == Fate::Pending);
        let doom = |change: &mut Change| {
            change.fate = Fate::Doomed;
            (change.offset, change.len)
        };
        covered.map(doom).collect()
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
            if let Some(Change { undo: Undo::Page(page), .. }) = self.pending.pop_front()
                && self.spare.len() < SPARE_PAGES_MAX
            {
                self.spare.push(page);
            }
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

    /// The bytes of one sector.
    pub(crate) fn sector(&self, number: u64) -> Sector {
        self.content.sector(number)
    }

    /// Every byte, as the page cache shows it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read(0, usize::MAX, &mut bytes);
        bytes
    }
}
