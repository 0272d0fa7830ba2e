//! Inodes: what a name stands for, and what keeps it alive.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use stormglass_kernel::Site;

use crate::file::FileData;
use crate::request::FileKind;
use crate::special::Special;

/// An inode's place in its volume's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct InodeId(pub(crate) u32);

impl InodeId {
    /// The root directory.
    pub(crate) const ROOT: Self = Self(0);
    /// The least that is no inode of the disk but one of `/dev`.
    pub(crate) const SPECIAL_MIN: u32 = u32::MAX - 15;

    /// Whether it is `/dev` or in it.
    #[inline]
    pub(crate) fn is_special(self) -> bool {
        self.0 >= Self::SPECIAL_MIN
    }
}

/// A name's identity: it moves with a rename and dies with its removal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LinkId(pub(crate) u64);

#[derive(Debug)]
pub(crate) enum Body {
    File(FileData),
    Directory(Directory),
    /// A symbolic link and where it leads.
    Link(PathBuf),
    /// A character device.
    Special(Special),
}

/// A file or directory.
#[derive(Debug)]
pub(crate) struct Inode {
    /// `node:/path`, with a number when it is not the first of that path.
    pub(crate) site: Site,
    pub(crate) body: Body,
    /// Names in the page cache's tree.
    pub(crate) links: u32,
    /// Names on the device.
    pub(crate) durable_links: u32,
    /// Open handles and syncs on their way.
    pub(crate) holds: u32,
    /// Unsynced operations on names that speak of it.
    pub(crate) items: u32,
    /// One more than the number of the last change of a name or length that spoke of it: what a log must be flushed to.
    pub(crate) logged: u64,
    /// Operations so far: ordinals of latencies.
    pub(crate) operations: u64,
    pub(crate) mode: u32,
    /// Nanoseconds since the Unix epoch, by the node's wall clock.
    pub(crate) created_ns: u64,
    pub(crate) modified_ns: u64,
    /// Last change of its metadata or bytes.
    pub(crate) changed_ns: u64,
    pub(crate) accessed_ns: u64,
    pub(crate) durable_modified_ns: u64,
}

/// A name in the page cache's tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) link: LinkId,
    pub(crate) inode: InodeId,
}

/// A name on the device, with the operation that put it there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DurableEntry {
    pub(crate) entry: Entry,
    pub(crate) since: u64,
}

/// A directory's names, in the page cache and on the device.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) entries: BTreeMap<OsString, Entry>,
    pub(crate) durable: BTreeMap<OsString, DurableEntry>,
    /// The directory that holds this one; `None` for the root and for a removed one.
    pub(crate) parent: Option<InodeId>,
    /// Its own name's identity; the root has none.
    pub(crate) link: Option<LinkId>,
    /// Unsynced operations that an fsync of this directory covers.
    pub(crate) pending: BTreeSet<u64>,
    /// Names that an operation emptied on the device, while earlier operations are unsynced: those cannot fill them again.
    pub(crate) emptied: BTreeMap<OsString, u64>,
    /// Operations on names so far: ordinals of decisions.
    pub(crate) changes: u64,
}

impl Directory {
    /// Whether a later operation than `number` has settled what `name` is on the device.
    pub(crate) fn is_beyond(&self, name: &OsStr, number: u64) -> bool {
        let filled = self.durable.get(name).map(|d| d.since);
        let emptied = self.emptied.get(name).copied();
        filled.max(emptied).is_some_and(|since| since > number)
    }
}

impl Inode {
    pub(crate) fn new(site: Site, body: Body, mode: u32, now_ns: u64) -> Self {
        Self {
            site,
            body,
            links: 0,
            durable_links: 0,
            holds: 0,
            items: 0,
            logged: 0,
            operations: 0,
            mode,
            created_ns: now_ns,
            modified_ns: now_ns,
            changed_ns: now_ns,
            accessed_ns: now_ns,
            durable_modified_ns: now_ns,
        }
    }

    pub(crate) fn is_dir(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    pub(crate) fn file_mut(&mut self) -> Option<&mut FileData> {
        match &mut self.body {
            Body::File(file) => Some(file),
            Body::Directory(_) | Body::Link(_) | Body::Special(_) => None,
        }
    }

    pub(crate) fn file(&self) -> Option<&FileData> {
        match &self.body {
            Body::File(file) => Some(file),
            Body::Directory(_) | Body::Link(_) | Body::Special(_) => None,
        }
    }

    pub(crate) fn special(&self) -> Option<Special> {
        match self.body {
            Body::Special(device) => Some(device),
            Body::File(_) | Body::Directory(_) | Body::Link(_) => None,
        }
    }

    pub(crate) fn kind(&self) -> FileKind {
        match self.body {
            Body::File(_) => FileKind::File,
            Body::Directory(_) => FileKind::Directory,
            Body::Link(_) => FileKind::Link,
            Body::Special(_) => FileKind::CharDevice,
        }
    }

    /// The length that metadata shows: of a directory one block, of a symbolic link its target's bytes.
    pub(crate) fn len(&self) -> u64 {
        match &self.body {
            Body::File(file) => file.size(),
            Body::Directory(_) => 4096,
            Body::Link(target) => target.as_os_str().len() as u64,
            Body::Special(_) => 0,
        }
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.links == 0 && self.durable_links == 0 && self.holds == 0 && self.items == 0
    }
}

/// The inodes of a volume.
#[derive(Debug, Default)]
pub(crate) struct Inodes {
    slots: Vec<Option<Inode>>,
    free: Vec<u32>,
    /// `/dev` and what is in it: always there, and no part of the disk.
    pub(crate) special: Vec<Inode>,
}

impl Inodes {
    pub(crate) fn insert(&mut self, inode: Inode) -> InodeId {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(inode);
                InodeId(slot)
            }
            None => {
                self.slots.push(Some(inode));
                InodeId(self.slots.len() as u32 - 1)
            }
        }
    }

    /// # Panics
    /// When there is none: ids are counted, so that an inode outlives every id of it.
    #[inline]
    pub(crate) fn get(&self, id: InodeId) -> &Inode {
        if id.is_special() {
            return &self.special[(id.0 - InodeId::SPECIAL_MIN) as usize];
        }
        self.slots[id.0 as usize].as_ref().expect("an inode outlives every id of it")
    }

    /// As [`Inodes::get`].
    #[inline]
    pub(crate) fn get_mut(&mut self, id: InodeId) -> &mut Inode {
        if id.is_special() {
            return &mut self.special[(id.0 - InodeId::SPECIAL_MIN) as usize];
        }
        self.slots[id.0 as usize].as_mut().expect("an inode outlives every id of it")
    }

    pub(crate) fn directory(&self, id: InodeId) -> Option<&Directory> {
        let inode = if id.is_special() { self.get(id) } else { self.slots.get(id.0 as usize)?.as_ref()? };
        match &inode.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Link(_) | Body::Special(_) => None,
        }
    }

    pub(crate) fn directory_mut(&mut self, id: InodeId) -> Option<&mut Directory> {
        match &mut self.slots.get_mut(id.0 as usize)?.as_mut()?.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Link(_) | Body::Special(_) => None,
        }
    }

    /// Every inode of the disk in the order of its id.
    pub(crate) fn ids(&self) -> Vec<InodeId> {
        let used = self.slots.iter().enumerate().filter(|(_, inode)| inode.is_some());
        used.map(|(slot, _)| InodeId(slot as u32)).collect()
    }

    pub(crate) fn is_present(&self, id: InodeId) -> bool {
        self.slots.get(id.0 as usize).is_some_and(Option::is_some)
    }

    /// Frees an inode whatever keeps it: no path leads to it any more.
    pub(crate) fn remove(&mut self, id: InodeId) {
        if self.slots[id.0 as usize].take().is_some() {
            self.free.push(id.0);
        }
    }

    /// Frees an inode if nothing keeps it.
    pub(crate) fn release(&mut self, id: InodeId) {
        if id.is_special() {
            return;
        }
        let slot = &mut self.slots[id.0 as usize];
        if id != InodeId::ROOT && slot.as_ref().is_some_and(Inode::is_unused) {
            *slot = None;
            self.free.push(id.0);
        }
    }
}
