//! Names on the device: unsynced operations on them, what an fsync of a directory settles, and what a power loss leaves.
//!
//! In the strict model, the strictest that POSIX allows with atomic renames: until the directory is synced, a new name may
//! vanish, a removed one may return and a rename may be undone, each by itself and in no order. An fsync of a *file* does
//! not cover its name (POSIX.1-2024, fsync: "all data for the open file descriptor"; fsync(2): "calling fsync() does not
//! necessarily ensure that the entry in the directory containing the file has also reached disk"). ext4 and XFS do more in
//! practice.
//!
//! A rename is one step (rename(2): no point "at which another process … will find it missing"): old or new, never neither.
//! So there an fsync of either of its directories settles it whole, along with the names of the directories that lead to the new
//! place; and a power loss undoes what would otherwise swallow a file: a new file under the old name, the removal of the
//! directory that it left, a new directory that it went into.
//!
//! With a journal (ext4, XFS) operations reach the device in order: what a power loss leaves is what there was at one
//! instant since the last flush of the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use stormglass_kernel::Site;

use crate::crash::Crash;
use crate::file::FileData;
use crate::inode::{Body, Directory, DurableEntry, Entry, InodeId, Inodes, LinkId};
use crate::losses::LossReport;
use crate::options::CrashModel;

mod journal;
mod resolve;

/// A directory and a name in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) dir: InodeId,
    pub(crate) name: OsString,
}

/// What happened to a name.
#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    Create { to: Place },
    Move { from: Place, to: Place },
    Remove { from: Place },
}

#[derive(Debug)]
struct Item {
    entry: Entry,
    change: NameChange,
    /// The unsynced operation on the same name before this one.
    previous: Option<u64>,
    site: Site,
    ordinal: u64,
    promised: bool,
    /// When it was done, in nanoseconds of virtual time.
    stamp_ns: u64,
    /// What had the name that a rename took.
    replaced: Option<Entry>,
    /// Changes of the renamed file that the file system writes before the rename: below this one.
    flush: u64,
}

/// An operation on names that never happened after all.
#[derive(Debug)]
pub(crate) struct Undone {
    pub(crate) entry: Entry,
    pub(crate) change: NameChange,
    pub(crate) replaced: Option<Entry>,
}

/// Unsynced operations on names, and where names are on the device.
#[derive(Debug, Default)]
pub(crate) struct Names {
    items: BTreeMap<u64, Item>,
    next: u64,
    /// The last unsynced operation on a name.
    last: BTreeMap<LinkId, u64>,
    /// Operations that are being settled: what they rest on may lead back to them.
    settling: BTreeSet<u64>,
    /// Where the device has a name.
    places: BTreeMap<LinkId, Place>,
    /// A journal keeps operations in order: what is on the device is always what there was at some instant.
    journaled: bool,
    /// A rename over another file takes the renamed file's data along.
    flushes_renames: bool,
}

/// How a power loss resolved one operation on names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NameOutcome {
    pub(crate) site: Site,
    pub(crate) ordinal: u64,
    /// What the name stood for.
    pub(crate) inode: InodeId,
    /// 0 a new name, 1 a rename, 2 a removal.
    pub(crate) what: u64,
    pub(crate) kept: bool,
}

impl NameChange {
    /// The directory that decides, and all that it speaks of.
    fn directories(&self) -> impl Iterator<Item = InodeId> {
        let (one, other) = match self {
            Self::Create { to } => (to.dir, None),
            Self::Move { from, to } => (to.dir, (from.dir != to.dir).then_some(from.dir)),
            Self::Remove { from } => (from.dir, None),
        };
        std::iter::once(one).chain(other)
    }
}

impl Names {
    pub(crate) fn new(model: CrashModel) -> Self {
        let (journaled, flushes_renames) = (model.is_journaled(), model == CrashModel::Ext4Ordered);
        Self { journaled, flushes_renames, ..Self::default() }
    }

    /// The number of the next operation: an fsync covers all below it.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The numbers of the operations that are unsynced.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.items.keys().copied()
    }

    /// Takes the number of an operation that is journaled among those on names: a change of a file's length.
    pub(crate) fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Operations that are unsynced.
    pub(crate) fn unsynced(&self) -> usize {
        self.items.len()
    }

    /// Notes an operation as unsynced. The tree of the page cache has it already.
    pub(crate) fn push(&mut self, inodes: &mut Inodes, entry: Entry, change: NameChange, stamp_ns: u64) {
        let number = self.tick();
        let replaced = match &change {
            NameChange::Move { to, .. } => inodes.directory(to.dir).and_then(|d| d.entries.get(&to.name)).copied(),
            _ => None,
        };
        let previous = self.last.insert(entry.link, number);
        let (mut site, mut ordinal) = (Site::from_key(0), 0);
        for (i, id) in change.directories().enumerate() {
            let inode = inodes.get_mut(id);
            inode.items += 1;
            inode.logged = number + 1;
            let of = inode.site;
            if let Body::Directory(directory) = &mut inode.body {
                directory.pending.insert(number);
                if i == 0 {
                    (site, ordinal) = (of, directory.changes);
                    directory.changes += 1;
                }
            }
        }
        let moved = inodes.get_mut(entry.inode);
        moved.items += 1;
        moved.logged = number + 1;
        let flush = moved.file().filter(|_| replaced.is_some()).map_or(0, FileData::changes);
        let item = Item { entry, change, previous, site, ordinal, promised: false, stamp_ns, replaced, flush };
        self.items.insert(number, item);
    }

    fn take(&mut self, inodes: &mut Inodes, number: u64) -> Option<Item> {
        let item = self.items.remove(&number)?;
        if self.last.get(&item.entry.link) == Some(&number) {
            self.last.remove(&item.entry.link);
        }
        for id in item.change.directories() {
            if let Some(directory) = inodes.directory_mut(id) {
                directory.pending.remove(&number);
            }
        }
        for id in item.change.directories().chain([item.entry.inode]) {
            inodes.get_mut(id).items -= 1;
        }
        Some(item)
    }

    /// Frees what an item kept alive. Only once nothing is looked at through it any more.
    fn release(inodes: &mut Inodes, item: &Item) {
        for id in item.change.directories().chain([item.entry.inode]) {
            if let Some(directory) = inodes.directory_mut(id)
                && directory.pending.is_empty()
            {
                directory.emptied.clear();
            }
            if inodes.is_present(id) {
                inodes.release(id);
            }
        }
    }

    /// Makes durable what was done to the names of `directory` before operation `upto`.
    pub(crate) fn sync(&mut self, inodes: &mut Inodes, directory: InodeId, upto: u64) {
        if self.journaled {
            return self.commit(inodes, upto);
        }
        for number in Self::covered(inodes, directory, upto) {
            self.settle(inodes, number);
        }
    }

    /// Says yes to such a sync and does nothing. Gives the number of operations lied about.
    pub(crate) fn promise(&mut self, inodes: &Inodes, directory: InodeId, upto: u64) -> u64 {
        let mut promised = 0;
        for number in Self::covered(inodes, directory, upto) {
            if let Some(item) = self.items.get_mut(&number) {
                item.promised = true;
                promised += 1;
            }
        }
        promised
    }

    fn covered(inodes: &Inodes, directory: InodeId, upto: u64) -> Vec<u64> {
        inodes.directory(directory).map_or(Vec::new(), |d| d.pending.range(..upto).copied().collect())
    }

    /// Makes the oldest operations durable until no more than `max` are left.
    pub(crate) fn write_back(&mut self, inodes: &mut Inodes, max: usize) {
        while self.items.len() > max
            && let Some((&number, _)) = self.items.first_key_value()
        {
            if self.journaled { self.commit_first(inodes) } else { self.settle(inodes, number) }
        }
    }

    /// Makes one operation durable, with what it rests on: the names of the directories that lead to a rename's new place,
    /// the departure of whoever was there, the emptiness of a removed directory. What it rests on comes first; it may settle
    /// this very operation, or supersede it.
    fn settle(&mut self, inodes: &mut Inodes, number: u64) {
        let Some(item) = self.items.get(&number) else { return };
        if !self.settling.insert(number) {
            return;
        }
        let (entry, change) = (item.entry, item.change.clone());
        for earlier in self.earlier(item.previous) {
            self.settle(inodes, earlier);
        }
        match &change {
            NameChange::Create { to } => self.see_off(inodes, to, number),
            NameChange::Move { from, to } => {
                if self.is_removed(inodes, to.dir) {
                    // It has left that directory again, or the directory could not be gone.
                    self.settle_last(inodes, entry.link);
                } else {
                    self.make_reachable(inodes, to.dir);
                    self.see_off(inodes, to, number);
                    self.see_off_before(inodes, from, entry.link, number);
                }
            }
            NameChange::Remove { from } => {
                self.sync(inodes, entry.inode, u64::MAX);
                self.see_off_before(inodes, from, entry.link, number);
            }
        }
        self.settling.remove(&number);
        let Some(item) = self.take(inodes, number) else { return };
        // An earlier operation on the name that is still being settled, and led here, has done its part with this one.
        let mut superseded = vec![];
        for earlier in self.earlier(item.previous) {
            let Some(found) = self.take(inodes, earlier) else { continue };
            match &found.change {
                NameChange::Create { to } => self.clear_away(inodes, entry.link, to, earlier),
                NameChange::Move { from, to } => {
                    self.clear_away(inodes, entry.link, from, earlier);
                    self.clear_away(inodes, entry.link, to, earlier);
                }
                NameChange::Remove { from } => self.clear_away(inodes, entry.link, from, earlier),
            }
            superseded.push(found);
        }
        match &change {
            NameChange::Remove { .. } => self.displace(inodes, entry.link),
            NameChange::Create { to } | NameChange::Move { to, .. } => {
                if !inodes.directory(to.dir).is_some_and(|d| d.is_beyond(&to.name, number)) {
                    self.place(inodes, entry, to, number);
                } else if self.last.contains_key(&entry.link) {
                    // A later operation has the place already: the name has moved on, and does so now.
                    self.settle_last(inodes, entry.link);
                } else {
                    self.evict(inodes, entry);
                }
            }
        }
        if let NameChange::Move { from, .. } | NameChange::Remove { from } = &change {
            Self::note_emptied(inodes, from, number);
        }
        superseded.iter().chain([&item]).for_each(|item| Self::release(inodes, item));
    }

    /// The same of another name that the device has at `from`, which `link` left in operation `number`: it was gone then.
    fn see_off_before(&mut self, inodes: &mut Inodes, from: &Place, link: LinkId, number: u64) {
        let occupant = inodes.directory(from.dir).and_then(|d| d.durable.get(&from.name));
        if occupant.is_some_and(|o| o.entry.link != link && o.since < number) {
            self.see_off(inodes, from, number);
        }
    }

    /// The unsynced operations on a name up to this one, oldest first.
    fn earlier(&self, last: Option<u64>) -> Vec<u64> {
        let mut numbers = vec![];
        let mut at = last;
        while let Some((number, item)) = at.and_then(|n| Some((n, self.items.get(&n)?))) {
            numbers.push(number);
            at = item.previous;
        }
        numbers.reverse();
        numbers
    }

    /// Takes off the device what operation `number` of `link` replaced or had found gone at `place`, where that name did not
    /// come to stay. A name that has yet to move on is left to do so.
    fn clear_away(&mut self, inodes: &mut Inodes, link: LinkId, place: &Place, number: u64) {
        let occupant = inodes.directory(place.dir).and_then(|d| d.durable.get(&place.name));
        if let Some(DurableEntry { entry, since }) = occupant.copied()
            && since < number
            && entry.link != link
            && !self.last.contains_key(&entry.link)
        {
            self.evict(inodes, entry);
        }
        Self::note_emptied(inodes, place, number);
    }

    /// Takes a replaced name off the device. A directory was empty when it was replaced: what left it comes first, or it
    /// would be lost with it.
    fn evict(&mut self, inodes: &mut Inodes, entry: Entry) {
        self.sync(inodes, entry.inode, u64::MAX);
        self.displace(inodes, entry.link);
    }

    /// Notes that the device's `place` is empty as of operation `number`.
    fn note_emptied(inodes: &mut Inodes, place: &Place, number: u64) {
        if let Some(directory) = inodes.directory_mut(place.dir)
            && !directory.pending.is_empty()
        {
            let emptied = directory.emptied.entry(place.name.clone()).or_default();
            *emptied = number.max(*emptied);
        }
    }

    fn settle_last(&mut self, inodes: &mut Inodes, link: LinkId) {
        if let Some(&number) = self.last.get(&link) {
            self.settle(inodes, number);
        }
    }

    fn is_removed(&self, inodes: &Inodes, directory: InodeId) -> bool {
        directory != InodeId::ROOT && inodes.directory(directory).is_none_or(|d| d.parent.is_none())
    }

    /// Settles how the name that the device has at `to` left it before operation `number`, so that it is not overwritten.
    fn see_off(&mut self, inodes: &mut Inodes, to: &Place, number: u64) {
        let Some(occupant) = inodes.directory(to.dir).and_then(|d| d.durable.get(&to.name)) else { return };
        let Entry { link, inode } = occupant.entry;
        let mut departure = self.last.get(&link).copied();
        while departure.is_some_and(|n| n >= number) {
            departure = departure.and_then(|n| self.items.get(&n)).and_then(|item| item.previous);
        }
        if let Some(departure) = departure {
            self.settle(inodes, departure);
        }
        if inodes.is_present(inode) {
            self.sync(inodes, inode, number);
        }
    }

    /// Settles the names of the directories that lead to `directory`.
    fn make_reachable(&mut self, inodes: &mut Inodes, directory: InodeId) {
        let mut at = Some(directory);
        while let Some(Directory { link: Some(link), parent, .. }) = at.and_then(|id| inodes.directory(id)) {
            let (link, parent) = (*link, *parent);
            self.settle_last(inodes, link);
            at = parent;
        }
    }

    /// Puts a name on the device, over whatever is there.
    pub(crate) fn place(&mut self, inodes: &mut Inodes, entry: Entry, to: &Place, since: u64) {
        inodes.get_mut(entry.inode).durable_links += 1;
        self.displace(inodes, entry.link);
        let evicted = inodes.directory_mut(to.dir).and_then(|d| {
            d.durable.insert(to.name.clone(), DurableEntry { entry, since }).map(|occupant| occupant.entry)
        });
        if let Some(evicted) = evicted {
            self.places.remove(&evicted.link);
            inodes.get_mut(evicted.inode).durable_links -= 1;
            inodes.release(evicted.inode);
        }
        self.places.insert(entry.link, to.clone());
    }

    /// Takes a name off the device.
    fn displace(&mut self, inodes: &mut Inodes, link: LinkId) {
        let Some(place) = self.places.remove(&link) else { return };
        if let Some(old) = inodes.directory_mut(place.dir).and_then(|d| d.durable.remove(&place.name)) {
            inodes.get_mut(old.entry.inode).durable_links -= 1;
            inodes.release(old.entry.inode);
        }
    }

    /// Forgets a name that lies on the device where no path leads.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.places.remove(&link);
    }
}
