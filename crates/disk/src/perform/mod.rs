//! What each operation does to a volume at the instant at which it takes effect.

use std::path::Path;

use stormglass_kernel::{Decisions, NodeId, Site, VirtualTime};

use crate::content::BLOCK_BYTES;
use crate::device::{Further, Next, Sync};
use crate::errno::Errno;
use crate::handles::OpenFile;
use crate::injection::{Asker, Asking, Injection, Injections};
use crate::injuries::{Harm, Injuries, Injury};
use crate::inode::InodeId;
use crate::options::{CrashModel, DiskOptions};
use crate::request::{FileKind, HandleKey, OpenFlags, Reply, Request, Synced, Target, Whence};
use crate::volume::{Result, Volume};

mod data;
mod open;
mod special;

/// Which latency an operation has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Read,
    Write,
    Name,
    /// What meets the device itself, past the page cache.
    Direct,
    Sync,
    /// What never meets the disk: devices of `/dev`.
    Special,
}

/// What an operation did, and how long it takes.
#[derive(Debug)]
pub(crate) struct Performed {
    pub(crate) next: Next,
    pub(crate) class: Class,
    /// Bytes that pass through the page cache, or to the device for a sync.
    pub(crate) bytes: u64,
    /// Of the file that it is about: the place and number of its latency.
    pub(crate) site: Site,
    pub(crate) ordinal: u64,
    /// For the trace.
    pub(crate) code: u64,
}

/// A volume with what an operation needs to know of its surroundings.
pub(crate) struct Performer<'a> {
    pub(crate) volume: &'a mut Volume,
    pub(crate) injections: &'a mut Injections,
    pub(crate) options: &'a DiskOptions,
    pub(crate) node: NodeId,
    /// The node's wall clock.
    pub(crate) now_ns: u64,
    pub(crate) at: VirtualTime,
    pub(crate) decisions: &'a Decisions,
    pub(crate) injuries: &'a mut Injuries,
    /// Whether the processes have a file descriptor left.
    pub(crate) may_open: bool,
}

fn code(request: &Request) -> u64 {
    match request {
        Request::Open(..) => 1,
        Request::Read(..) => 2,
        Request::Write(..) => 3,
        Request::Seek(..) => 4,
        Request::Sync(..) => 5,
        Request::SetLen(..) => 6,
        Request::Metadata(_) => 7,
        Request::SetMode(..) => 8,
        Request::CreateDir(..) => 9,
        Request::RemoveFile(_) => 10,
        Request::RemoveDir(_) => 11,
        Request::RemoveDirAll(_) => 12,
        Request::Rename(..) => 13,
        Request::HardLink(..) => 14,
        Request::ReadDir(_) => 15,
        Request::Canonicalize(_) => 16,
        Request::ReadFile(_) => 17,
        Request::WriteFile(..) => 18,
        Request::Copy(..) => 19,
        Request::SetModified(..) | Request::SetTimes(..) => 20,
        Request::ReadAt(..) => 21,
        Request::Put(..) => 22,
        Request::Allocate(..) => 23,
        Request::Symlink(..) => 24,
        Request::ReadLink(_) => 25,
        Request::ReadDirOf(_) => 26,
        Request::RenameNew(..) => 27,
        Request::Lock(..) => 28,
        Request::Unlock(..) => 29,
        Request::TestLock(..) => 30,
        Request::Space => 31,
        Request::From(_, _, inner) => code(inner),
    }
}

/// What a disk without a limit says that it has: 1 TiB.
const SPACE_BYTES: u64 = 1 << 40;
/// `INT64_MAX`: the largest offset that Linux takes.
pub(crate) const OFFSET_MAX: u64 = i64::MAX as u64;

impl<'a> Performer<'a> {
    fn asker(&self, about: InodeId) -> Asker<'a> {
        let inode = self.volume.inodes.get(about);
        Asker { decisions: self.decisions, node: self.node, site: inode.site, ordinal: inode.operations }
    }
}

impl Performer<'_> {
    pub(crate) fn perform(&mut self, request: Request) -> Performed {
        self.volume.stamp_ns = self.at.as_nanos();
        let (first, second, request) = match request {
            Request::From(first, second, inner) => (first, second, *inner),
            request => (None, None, request),
        };
        let starts = self.start(first).and_then(|first| Ok((first, self.start(second)?)));
        let (mut class, code) = (Class::Name, code(&request));
        let (mut bytes, mut about) = (0, InodeId::ROOT);
        let result = starts.and_then(|starts| {
            self.volume.starts = starts;
            self.one(request, &mut class, &mut bytes, &mut about)
        });
        self.volume.starts = (InodeId::ROOT, InodeId::ROOT);
        if about.is_special() {
            class = Class::Special;
        }
        let inode = self.volume.inodes.get_mut(about);
        let (site, ordinal) = (inode.site, inode.operations);
        inode.operations += 1;
        let next = result.unwrap_or_else(|errno| Next::Finish(Err(errno)));
        Performed { next, class, bytes, site, ordinal, code }
    }

    /// Opens a file by a path from the root, as an operation of its own. Gives its class and its place.
    pub(crate) fn open_at(&mut self, path: &Path, flags: OpenFlags) -> (Result<HandleKey>, Class, Site) {
        self.volume.stamp_ns = self.at.as_nanos();
        let opened = self.open(path, flags);
        let inode = opened.and_then(|key| Ok(self.volume.handles.get(key)?.inode));
        let (class, about) = match inode {
            Ok(inode) if inode.is_special() => (Class::Special, inode),
            _ => (Class::Name, InodeId::ROOT),
        };
        let inode = self.volume.inodes.get_mut(about);
        inode.operations += 1;
        (opened, class, inode.site)
    }

    /// The directory in which a relative path begins.
    fn start(&mut self, handle: Option<HandleKey>) -> Result<InodeId> {
        let Some(handle) = handle else { return Ok(InodeId::ROOT) };
        let id = self.volume.handles.get(handle)?.inode;
        if self.volume.inodes.get(id).is_dir() { Ok(id) } else { Err(Errno::ENOTDIR) }
    }

    fn one(&mut self, request: Request, class: &mut Class, bytes: &mut u64, about: &mut InodeId) -> Result<Next> {
        match request {
            Request::Open(path, flags) => {
                let key = self.open(&path, flags)?;
                if let Ok(file) = self.volume.handles.get(key)
                    && file.inode.is_special()
                {
                    *about = file.inode;
                }
                Ok(finish(Reply::Opened(key)))
            }
            Request::Read(handle, max, buffer) => {
                *class = self.class_of(handle, Class::Read);
                let buffer = self.read(handle, None, max, buffer, about)?;
                *bytes = buffer.len() as u64;
                Ok(finish(Reply::Bytes(buffer)))
            }
            Request::ReadAt(handle, offset, max, buffer) => {
                *class = self.class_of(handle, Class::Read);
                let buffer = self.read(handle, Some(offset), max, buffer, about)?;
                *bytes = buffer.len() as u64;
                Ok(finish(Reply::Bytes(buffer)))
            }
            Request::Write(handle, by, mut data) => {
                *class = self.class_of(handle, Class::Write);
                *bytes = data.len() as u64;
                let (offset, synced) = self.write(handle, by, &data, about)?;
                data.clear();
                let reply = Reply::Bytes(data);
                Ok(match synced {
                    Synced::No => finish(reply),
                    _ => self.sync_next(*about, synced == Synced::Data, reply, Some((offset, *bytes))),
                })
            }
            Request::Put(handle, at, data) => {
                *class = self.class_of(handle, Class::Write);
                let (offset, written, synced) = self.put(handle, at, &data, about)?;
                *bytes = written;
                let reply = Reply::Position(written);
                Ok(match synced {
                    Synced::No => finish(reply),
                    _ => self.sync_next(*about, synced == Synced::Data, reply, Some((offset, written))),
                })
            }
            Request::Seek(handle, by, whence) => {
                *class = Class::Read;
                self.seek(handle, by, whence, about).map(|to| finish(Reply::Position(to)))
            }
            Request::Sync(handle, data_only) => {
                *class = Class::Sync;
                let inode = self.volume.handles.get(handle)?.inode;
                *about = inode;
                if inode.is_special() {
                    // devtmpfs syncs a directory by doing nothing; a device knows no sync.
                    return if self.volume.inodes.get(inode).is_dir() { Ok(done()) } else { Err(Errno::EINVAL) };
                }
                *bytes = self.volume.inodes.get(inode).file().map_or(0, |file| file.pending_bytes());
                Ok(self.sync_next(inode, data_only, Reply::Done, None))
            }
            Request::SetLen(handle, by, len) => self.set_len(handle, by, len, about).map(|()| done()),
            Request::Allocate(handle, how, offset, len) => {
                self.allocate(handle, how, offset, len, about).map(|()| done())
            }
            Request::Lock(handle, range, waits) => Ok(match self.lock(handle, range, waits)? {
                true => done(),
                false => Next::Lock { handle, range },
            }),
            Request::WriteFile(path, data) => self.create(&path, None).map(|inode| {
                (*bytes, *about) = (data.len() as u64, inode);
                Next::WriteOut { inode, data }
            }),
            Request::Copy(from, to) => self.copy(&from, &to),
            Request::ReadFile(path) => {
                *class = Class::Read;
                let data = self.read_file(&path, about)?;
                *bytes = data.len() as u64;
                Ok(finish(Reply::Bytes(data)))
            }
            Request::Metadata(target) => {
                let id = find(self.volume, &target)?;
                if id.is_special() {
                    *about = id;
                }
                Ok(finish(Reply::Metadata(Box::new(self.volume.stat(id)))))
            }
            names => self.names(names).map(finish),
        }
    }

    /// Direct reads and writes meet the device, the others the page cache.
    fn class_of(&mut self, handle: HandleKey, cached: Class) -> Class {
        if self.volume.handles.get(handle).is_ok_and(|file| file.direct) { Class::Direct } else { cached }
    }

    fn names(&mut self, request: Request) -> Result<Reply> {
        let now_ns = self.now_ns;
        match request {
            Request::SetMode(target, mode) => self.change(&target, |inode| inode.mode = mode & 0o7777)?,
            Request::SetModified(target, ns) => self.change(&target, |inode| inode.modified_ns = ns)?,
            Request::SetTimes(target, accessed, modified) => self.change(&target, |inode| {
                inode.accessed_ns = accessed.unwrap_or(inode.accessed_ns);
                inode.modified_ns = modified.unwrap_or(inode.modified_ns);
            })?,
            Request::CreateDir(path, all) => {
                // A full device refuses what makes something new, and only that.
                let exists = self.volume.find_link(&path).is_ok();
                if !exists {
                    self.refuse(Asking::NewName, InodeId::ROOT)?;
                }
                match all {
                    true => self.volume.create_dir_all(&path, now_ns)?,
                    false => self.volume.create_dir(&path, now_ns).map(drop)?,
                }
            }
            Request::RemoveFile(path) => self.changed(|volume| volume.remove_file(&path, now_ns))?,
            Request::RemoveDir(path) => self.changed(|volume| volume.remove_dir(&path, now_ns))?,
            Request::RemoveDirAll(path) => self.changed(|volume| volume.remove_dir_all(&path, now_ns).map(drop))?,
            Request::Rename(from, to) => self.changed(|volume| volume.rename(&from, &to, now_ns))?,
            Request::RenameNew(from, to) => self.changed(|volume| {
                let to_spot = volume.second_spot(&to)?;
                if volume.at(&to_spot)?.is_some() {
                    return Err(Errno::EEXIST);
                }
                volume.rename(&from, &to, now_ns)
            })?,
            Request::HardLink(from, to) => {
                self.refuse(Asking::NewName, InodeId::ROOT)?;
                self.volume.hard_link(&from, &to, now_ns)?;
            }
            Request::Symlink(target, path) => {
                self.refuse(Asking::NewName, InodeId::ROOT)?;
                self.volume.symlink(&target, &path, now_ns)?;
            }
            Request::ReadLink(path) => return Ok(Reply::Path(self.volume.read_link(&path)?)),
            Request::ReadDir(path) => {
                let id = self.volume.find(&path)?;
                return Ok(Reply::Entries(self.volume.entries(id)?));
            }
            Request::ReadDirOf(handle) => {
                let id = self.volume.handles.get(handle)?.inode;
                return Ok(Reply::Entries(self.volume.entries(id)?));
            }
            Request::Unlock(handle, range) => {
                let inode = self.volume.handles.get(handle)?.inode;
                self.volume.locks.give_back(inode, handle, &range);
            }
            Request::TestLock(handle, range) => {
                let inode = self.volume.handles.get(handle)?.inode;
                return Ok(Reply::Position(u64::from(self.volume.locks.is_blocked(inode, handle, &range))));
            }
            Request::Canonicalize(path) => return Ok(Reply::Path(self.volume.canonical(&path)?)),
            Request::Space => {
                let all = self.options.capacity_bytes.unwrap_or(SPACE_BYTES);
                let free = self.room().unwrap_or_else(|| all.saturating_sub(self.volume.allocated_bytes()));
                return Ok(Reply::Space(all, free));
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(Reply::Done)
    }

    fn change(&mut self, target: &Target, change: impl FnOnce(&mut crate::inode::Inode)) -> Result<()> {
        let id = find(self.volume, target)?;
        if !id.is_special() {
            self.refuse(Asking::Change, id)?;
        }
        let now_ns = self.now_ns;
        let inode = self.volume.inodes.get_mut(id);
        inode.changed_ns = now_ns;
        change(inode);
        Ok(())
    }

    fn changed(&mut self, change: impl FnOnce(&mut Volume) -> Result<()>) -> Result<()> {
        self.refuse(Asking::Change, InodeId::ROOT)?;
        change(self.volume)
    }

    /// Fails as an active fault wants this operation to fail.
    fn refuse(&mut self, asking: Asking, about: InodeId) -> Result<()> {
        let Some((fault, injection)) = self.injections.ask(self.asker(about), asking) else { return Ok(()) };
        let errno = match injection {
            Injection::Full | Injection::Space { .. } => Errno::ENOSPC,
            Injection::ReadOnly => Errno::EROFS,
            _ => Errno::EIO,
        };
        self.injections.hit(fault, 1);
        Err(errno)
    }

    fn injure(&mut self, id: InodeId, offset: u64, len: u64, harm: Harm) {
        self.injure_by(id, offset, len, harm, None);
    }

    fn injure_by(&mut self, id: InodeId, offset: u64, len: u64, harm: Harm, fault: Option<u32>) {
        let path = self.volume.name_of(id).unwrap_or_default();
        self.injuries.add(Injury { at: self.at, path, offset, len, harm, fault });
    }

    /// A sync that begins now: of everything before it, or of the bytes that were just written.
    fn sync_next(&mut self, inode: InodeId, data_only: bool, reply: Reply, range: Option<(u64, u64)>) -> Next {
        let fault = self.injections.ask(self.asker(inode), Asking::Sync);
        let mut sync = self.volume.begin_sync(inode, data_only);
        if fault.is_some() || range.is_some() || reply != Reply::Done {
            sync.further = Some(Box::new(Further { fault, range, reply }));
        }
        Next::Sync(sync)
    }

    /// A sync's instant has come: what it covers becomes durable, unless a fault had it otherwise when it began.
    pub(crate) fn finish_sync(&mut self, sync: Sync) -> Result<Reply> {
        let Sync { inode, data_only, changes, names, further } = sync;
        let (fault, range, reply) = further.map_or((None, None, Reply::Done), |f| (f.fault, f.range, f.reply));
        let result = match fault {
            None => {
                match range {
                    Some((offset, len)) if data_only && self.volume.model == CrashModel::Strict => {
                        if let Some(file) = self.volume.inodes.get_mut(inode).file_mut() {
                            file.sync_range(changes, offset, offset + len);
                        }
                    }
                    _ => self.volume.make_durable(inode, changes, names, data_only),
                }
                Ok(reply)
            }
            Some((fault, Injection::LyingSync)) => {
                let Volume { inodes, names: all_names, .. } = &mut *self.volume;
                let lied = all_names.promise(inodes, inode, names)
                    + inodes.get_mut(inode).file_mut().map_or(0, |file| file.promise(changes));
                if lied > 0 {
                    self.injections.hit(fault, 1);
                    self.injure_by(inode, 0, 0, Harm::LiedAbout, Some(fault));
                }
                Ok(reply)
            }
            Some((fault, _)) => {
                let file = self.volume.inodes.get_mut(inode).file_mut();
                let dropped = file.map(|file| file.doom(changes)).unwrap_or_default();
                self.injections.hit(fault, 1);
                if dropped.is_empty() {
                    self.injure_by(inode, 0, 0, Harm::Unsynced, Some(fault));
                }
                for (offset, len) in dropped {
                    self.injure_by(inode, offset, len, Harm::Dropped, Some(fault));
                }
                Err(Errno::EIO)
            }
        };
        self.volume.let_go(inode);
        result
    }

    /// Opens for writing from nothing, and holds the inode.
    fn create(&mut self, path: &Path, mode: Option<u32>) -> Result<InodeId> {
        let flags = OpenFlags { write: true, create: true, truncate: true, mode, ..OpenFlags::default() };
        let key = self.open(path, flags)?;
        self.hold_instead(key)
    }

    /// Closes a handle that was only opened on the way, and keeps its hold on the inode.
    fn hold_instead(&mut self, key: HandleKey) -> Result<InodeId> {
        Ok(self.volume.handles.remove(key).ok_or(Errno::EBADF)?.inode)
    }

    fn copy(&mut self, from: &Path, to: &Path) -> Result<Next> {
        let source = self.volume.find(from)?;
        let inode = self.volume.inodes.get_mut(source);
        if inode.file().is_none() {
            return Err(Errno::EINVAL);
        }
        inode.holds += 1;
        let mode = inode.mode;
        match self.create(to, Some(mode)) {
            Ok(target) => {
                if !target.is_special() {
                    self.volume.inodes.get_mut(target).mode = mode;
                }
                Ok(Next::CopyOut { from: source, to: target })
            }
            Err(errno) => {
                self.volume.let_go(source);
                Err(errno)
            }
        }
    }

    fn read_file(&mut self, path: &Path, about: &mut InodeId) -> Result<Vec<u8>> {
        let key = self.open(path, OpenFlags { read: true, ..OpenFlags::default() })?;
        let endless = self.special_of(key).is_some_and(|device| !device.ends());
        // A reading that never ends takes all the memory that there is.
        let bytes = if endless { Err(Errno::ENOMEM) } else { self.read(key, None, usize::MAX, Vec::new(), about) };
        *about = InodeId::ROOT;
        let inode = self.hold_instead(key)?;
        self.volume.let_go(inode);
        bytes
    }

    /// The second step of writing or copying a whole file.
    pub(crate) fn write_out(&mut self, inode: InodeId, data: &[u8]) -> Result<()> {
        let result = self.write_at(inode, 0, data);
        self.volume.let_go(inode);
        result
    }
}

fn finish(reply: Reply) -> Next {
    Next::Finish(Ok(reply))
}

fn done() -> Next {
    finish(Reply::Done)
}

fn find(volume: &mut Volume, target: &Target) -> Result<InodeId> {
    match target {
        Target::Path(path) => volume.find(path),
        Target::Link(path) => volume.find_link(path),
        Target::Handle(key) => Ok(volume.handles.get(*key)?.inode),
    }
}
