//! What each operation does to a volume at the instant at which it takes effect.

use std::path::Path;

use stormglass_kernel::{NodeId, Site};

use crate::device::Next;
use crate::errno::Errno;
use crate::handles::OpenFile;
use crate::injection::{Asking, Injection, Injections};
use crate::inode::InodeId;
use crate::options::DiskOptions;
use crate::request::{HandleKey, OpenFlags, Reply, Request, Target, Whence};
use crate::volume::{Result, Volume};

/// Which latency an operation has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Read,
    Write,
    Name,
    Sync,
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
        Request::SetModified(..) => 20,
    }
}

const DEFAULT_MODE: u32 = 0o644;
/// `INT64_MAX`: the largest offset that Linux takes.
const OFFSET_MAX: u64 = i64::MAX as u64;

impl Performer<'_> {
    pub(crate) fn perform(&mut self, request: Request) -> Performed {
        let (mut class, code) = (Class::Name, code(&request));
        let (mut bytes, mut about) = (0, InodeId::ROOT);
        let result = match request {
            Request::Open(path, flags) => self.open(&path, flags).map(|key| Next::Finish(Ok(Reply::Opened(key)))),
            Request::Read(handle, max, buffer) => {
                class = Class::Read;
                self.read(handle, max, buffer, &mut about).map(|buffer| {
                    bytes = buffer.len() as u64;
                    Next::Finish(Ok(Reply::Bytes(buffer)))
                })
            }
            Request::Write(handle, by, mut data) => {
                class = Class::Write;
                bytes = data.len() as u64;
                self.write(handle, by, &data, &mut about).map(|()| {
                    data.clear();
                    Next::Finish(Ok(Reply::Bytes(data)))
                })
            }
            Request::Seek(handle, by, whence) => {
                class = Class::Read;
                self.seek(handle, by, whence, &mut about).map(|to| Next::Finish(Ok(Reply::Position(to))))
            }
            Request::Sync(handle, data_only) => {
                class = Class::Sync;
                self.sync(handle, data_only, &mut bytes, &mut about)
            }
            Request::SetLen(handle, by, len) => self.set_len(handle, by, len, &mut about).map(|()| done()),
            Request::WriteFile(path, data) => self.create(&path, None).map(|inode| {
                (bytes, about) = (data.len() as u64, inode);
                Next::WriteOut { inode, data }
            }),
            Request::Copy(from, to) => self.copy(&from, &to),
            Request::ReadFile(path) => {
                class = Class::Read;
                self.read_file(&path).map(|data| {
                    bytes = data.len() as u64;
                    Next::Finish(Ok(Reply::Bytes(data)))
                })
            }
            names => self.names(names).map(|reply| Next::Finish(Ok(reply))),
        };
        let inode = self.volume.inodes.get_mut(about);
        let (site, ordinal) = (inode.site, inode.operations);
        inode.operations += 1;
        let next = result.unwrap_or_else(|errno| Next::Finish(Err(errno)));
        Performed { next, class, bytes, site, ordinal, code }
    }

    fn names(&mut self, request: Request) -> Result<Reply> {
        let (volume, now_ns) = (&mut *self.volume, self.now_ns);
        match request {
            Request::Metadata(target) => {
                let id = find(volume, &target)?;
                return Ok(Reply::Metadata(volume.stat(id)));
            }
            Request::SetMode(target, mode) => {
                let id = find(volume, &target)?;
                volume.inodes.get_mut(id).mode = mode & 0o7777;
            }
            Request::SetModified(target, ns) => {
                let id = find(volume, &target)?;
                volume.inodes.get_mut(id).modified_ns = ns;
            }
            Request::CreateDir(path, all) => {
                // A full device refuses what makes something new, and only that.
                let exists = volume.find(&path).is_ok();
                if !exists {
                    self.refuse(Asking::NewName)?;
                }
                match all {
                    true => self.volume.create_dir_all(&path, now_ns)?,
                    false => self.volume.create_dir(&path, now_ns).map(drop)?,
                }
            }
            Request::RemoveFile(path) => volume.remove_file(&path, now_ns)?,
            Request::RemoveDir(path) => volume.remove_dir(&path, now_ns)?,
            Request::RemoveDirAll(path) => volume.remove_dir_all(&path, now_ns).map(drop)?,
            Request::Rename(from, to) => volume.rename(&from, &to, now_ns)?,
            Request::HardLink(from, to) => {
                self.refuse(Asking::NewName)?;
                self.volume.hard_link(&from, &to, now_ns)?;
            }
            Request::ReadDir(path) => {
                let id = volume.find(&path)?;
                return Ok(Reply::Entries(volume.entries(id)?));
            }
            Request::Canonicalize(path) => return Ok(Reply::Path(volume.canonical(&path)?)),
            _ => return Err(Errno::EINVAL),
        }
        Ok(Reply::Done)
    }

    /// Fails as an active fault wants this operation to fail.
    fn refuse(&mut self, asking: Asking) -> Result<()> {
        let Some((fault, injection)) = self.injections.ask(self.node, asking) else { return Ok(()) };
        let errno = match injection {
            Injection::Full => Errno::ENOSPC,
            _ => Errno::EIO,
        };
        self.injections.hit(fault, 1);
        Err(errno)
    }

    fn open(&mut self, path: &Path, flags: OpenFlags) -> Result<HandleKey> {
        let OpenFlags { read, write, append, truncate, create, create_new, mode } = flags;
        let writes = write || append;
        let creates = create || create_new;
        // The rules of std::fs::OpenOptions, before any system call.
        let no_access = !read && !writes;
        let needs_writing = (truncate || creates) && !writes;
        let appends_to_nothing = append && truncate && !create_new;
        if no_access || needs_writing || appends_to_nothing {
            return Err(Errno::EINVAL);
        }
        let spot = self.volume.spot(path)?;
        let found = match self.volume.at(&spot) {
            // A regular file named with a slash: open(O_CREAT) calls it a directory that it cannot create.
            Err(Errno::ENOTDIR) if creates => return Err(Errno::EISDIR),
            found => found?,
        };
        if self.volume.handles.is_full() {
            return Err(Errno::EMFILE);
        }
        let inode = match found {
            Some(_) if create_new => return Err(Errno::EEXIST),
            Some(id) if self.volume.inodes.get(id).is_dir() && (writes || creates) => return Err(Errno::EISDIR),
            Some(id) => {
                if truncate {
                    self.resize(id, 0)?;
                }
                id
            }
            None if !creates => return Err(Errno::ENOENT),
            None if spot.directory => return Err(Errno::EISDIR),
            None => {
                self.refuse(Asking::NewName)?;
                let mode = mode.map_or(DEFAULT_MODE, |m| m & 0o7777 & !0o022);
                let name = spot.name.as_deref().ok_or(Errno::EISDIR)?;
                self.volume.create_file(spot.dir, name, mode, self.now_ns)
            }
        };
        self.volume.inodes.get_mut(inode).holds += 1;
        Ok(self.volume.handles.insert(OpenFile { inode, read, write: writes, append, position: 0 }))
    }

    fn read(&mut self, handle: HandleKey, max: usize, mut buffer: Vec<u8>, about: &mut InodeId) -> Result<Vec<u8>> {
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.read {
            return Err(Errno::EBADF);
        }
        let position = file.position;
        self.refuse(Asking::Read)?;
        buffer.clear();
        let data = self.volume.inodes.get(*about).file().ok_or(Errno::EISDIR)?;
        data.read(position, max, &mut buffer);
        self.volume.handles.get(handle)?.position += buffer.len() as u64;
        Ok(buffer)
    }

    fn write(&mut self, handle: HandleKey, by: i64, data: &[u8], about: &mut InodeId) -> Result<()> {
        self.shift(handle, by)?;
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.write {
            return Err(Errno::EBADF);
        }
        let (append, position) = (file.append, file.position);
        let offset = if append { self.volume.inodes.get(*about).len() } else { position };
        self.write_at(*about, offset, data)?;
        self.volume.handles.get(handle)?.position = offset + data.len() as u64;
        Ok(())
    }

    pub(crate) fn write_at(&mut self, id: InodeId, offset: u64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.saturating_add(data.len() as u64);
        if end > self.options.file_bytes_max {
            return Err(Errno::EFBIG);
        }
        let grows = end > self.volume.inodes.get(id).len();
        self.refuse(Asking::Write { grows })?;
        let inode = self.volume.inodes.get_mut(id);
        inode.modified_ns = self.now_ns;
        let file = inode.file_mut().ok_or(Errno::EISDIR)?;
        file.write(offset, data);
        file.write_back(self.options.pending_writes_max);
        Ok(())
    }

    fn resize(&mut self, id: InodeId, len: u64) -> Result<()> {
        let inode = self.volume.inodes.get_mut(id);
        inode.modified_ns = self.now_ns;
        let file = inode.file_mut().ok_or(Errno::EINVAL)?;
        file.set_len(len);
        file.write_back(self.options.pending_writes_max);
        Ok(())
    }

    fn shift(&mut self, handle: HandleKey, by: i64) -> Result<()> {
        let file = self.volume.handles.get(handle)?;
        file.position = file.position.checked_add_signed(by).filter(|&p| p <= OFFSET_MAX).ok_or(Errno::EINVAL)?;
        Ok(())
    }

    fn seek(&mut self, handle: HandleKey, by: i64, whence: Whence, about: &mut InodeId) -> Result<u64> {
        self.shift(handle, by)?;
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        let to = match whence {
            Whence::Start(to) => Some(to),
            Whence::Current(by) => file.position.checked_add_signed(by),
            Whence::End(by) => self.volume.inodes.get(*about).len().checked_add_signed(by),
        };
        let to = to.filter(|&to| to <= OFFSET_MAX).ok_or(Errno::EINVAL)?;
        self.volume.handles.get(handle)?.position = to;
        Ok(to)
    }

    fn set_len(&mut self, handle: HandleKey, by: i64, len: u64, about: &mut InodeId) -> Result<()> {
        self.shift(handle, by)?;
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.write || len > OFFSET_MAX {
            return Err(Errno::EINVAL);
        }
        if len > self.options.file_bytes_max {
            return Err(Errno::EFBIG);
        }
        self.resize(*about, len)
    }

    fn sync(&mut self, handle: HandleKey, data_only: bool, bytes: &mut u64, about: &mut InodeId) -> Result<Next> {
        let inode = self.volume.handles.get(handle)?.inode;
        *about = inode;
        let names = self.volume.names.next();
        let held = self.volume.inodes.get_mut(inode);
        held.holds += 1;
        let changes = held.file().map_or(0, |file| {
            *bytes = file.pending_bytes();
            file.changes()
        });
        Ok(Next::Sync { inode, changes, names, data_only })
    }

    /// A sync's instant has come: what it covers becomes durable, unless a fault has it otherwise.
    pub(crate) fn finish_sync(&mut self, inode: InodeId, changes: u64, names: u64, data_only: bool) -> Result<Reply> {
        let fault = self.injections.ask(self.node, Asking::Sync);
        let Volume { inodes, names: all_names, .. } = &mut *self.volume;
        let result = match fault {
            None => {
                all_names.sync(inodes, inode, names);
                let held = inodes.get_mut(inode);
                if let Some(file) = held.file_mut() {
                    file.sync(changes);
                }
                if !data_only {
                    held.durable_modified_ns = held.modified_ns;
                }
                Ok(Reply::Done)
            }
            Some((fault, Injection::LyingSync)) => {
                let lied = all_names.promise(inodes, inode, names)
                    + inodes.get_mut(inode).file_mut().map_or(0, |file| file.promise(changes));
                self.injections.hit(fault, u64::from(lied > 0));
                Ok(Reply::Done)
            }
            Some((fault, _)) => {
                if let Some(file) = inodes.get_mut(inode).file_mut() {
                    file.doom(changes);
                }
                self.injections.hit(fault, 1);
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
        if inode.is_dir() {
            return Err(Errno::EINVAL);
        }
        inode.holds += 1;
        let mode = inode.mode;
        match self.create(to, Some(mode)) {
            Ok(target) => {
                self.volume.inodes.get_mut(target).mode = mode;
                Ok(Next::CopyOut { from: source, to: target })
            }
            Err(errno) => {
                self.volume.let_go(source);
                Err(errno)
            }
        }
    }

    fn read_file(&mut self, path: &Path) -> Result<Vec<u8>> {
        let key = self.open(path, OpenFlags { read: true, ..OpenFlags::default() })?;
        let inode = self.hold_instead(key)?;
        let read = self.refuse(Asking::Read);
        let bytes = self.volume.inodes.get(inode).file().map(|file| file.bytes());
        self.volume.let_go(inode);
        read.and_then(|()| bytes.ok_or(Errno::EISDIR))
    }

    /// The second step of writing or copying a whole file.
    pub(crate) fn write_out(&mut self, inode: InodeId, data: &[u8]) -> Result<()> {
        let result = self.write_at(inode, 0, data);
        self.volume.let_go(inode);
        result
    }
}

fn done() -> Next {
    Next::Finish(Ok(Reply::Done))
}

fn find(volume: &mut Volume, target: &Target) -> Result<InodeId> {
    match target {
        Target::Path(path) => volume.find(path),
        Target::Handle(key) => Ok(volume.handles.get(*key)?.inode),
    }
}
