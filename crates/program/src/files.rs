//! The files that interposed libc symbols get: the current node's disk.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use stormglass_disk::posix::{self, Result};
use stormglass_disk::{Errno, FileKind, Stat};
use stormglass_sys::seal::{FileCall, FileEntry, FileStat, Files};

/// The disk of the node that the calling thread runs.
#[derive(Debug)]
pub(crate) struct NodeFiles;

/// The files of this thread's node, if its simulation has disks.
pub(crate) fn here() -> Option<&'static dyn Files> {
    posix::is_here().then_some(&NodeFiles as &dyn Files)
}

impl Files for NodeFiles {
    fn call(&self, call: FileCall<'_>) -> std::result::Result<i64, i32> {
        answer(call).map_err(|Errno(errno)| errno)
    }

    fn has(&self, path: &Path) -> bool {
        posix::has(path)
    }
}

const DONE: i64 = 0;

fn done(result: Result<()>) -> Result<i64> {
    result.map(|()| DONE)
}

fn count(result: Result<usize>) -> Result<i64> {
    result.map(|n| i64::try_from(n).unwrap_or(i64::MAX))
}

fn answer(call: FileCall<'_>) -> Result<i64> {
    match call {
        FileCall::Open { dir, path, flags, mode } => posix::open((dir, path), flags, mode).map(i64::from),
        FileCall::Close { fd } => done(posix::close(fd)),
        FileCall::Read { fd, buffer, at } => count(posix::read(fd, at, buffer)),
        FileCall::Write { fd, data, at } => count(posix::write(fd, at, data)),
        FileCall::Seek { fd, offset, whence } => posix::seek(fd, offset, whence).map(u64::cast_signed),
        FileCall::Sync { fd, data_only } => done(posix::sync(fd, data_only)),
        FileCall::SyncRange { fd, offset, len, flags } => done(posix::sync_range(fd, offset, len, flags)),
        FileCall::SetLen { fd, len } => done(posix::set_len(fd, len)),
        FileCall::Truncate { path, len } => done(posix::set_len_at(path, len)),
        FileCall::Allocate { fd, mode, offset, len } => done(posix::allocate(fd, mode, offset, len)),
        FileCall::Stat { dir, path, flags, out } => {
            *out = stat(&posix::stat((dir, path), flags)?);
            Ok(DONE)
        }
        FileCall::Access { dir, path, mode } => done(posix::access((dir, path), mode)),
        FileCall::MakeDir { dir, path, mode } => done(posix::make_dir((dir, path), mode)),
        FileCall::Remove { dir, path, flags } => done(posix::remove((dir, path), flags)),
        FileCall::Rename { from_dir, from, to_dir, to, flags } => {
            done(posix::rename((from_dir, from), (to_dir, to), flags))
        }
        FileCall::Link { from_dir, from, to_dir, to, flags } => {
            done(posix::link((from_dir, from), (to_dir, to), flags))
        }
        FileCall::Symlink { target, dir, path } => done(posix::symlink(target, (dir, path))),
        FileCall::ReadLink { dir, path, out } => {
            *out = posix::read_link((dir, path))?.into_os_string().into_vec();
            Ok(DONE)
        }
        FileCall::RealPath { path, out } => {
            *out = posix::canonical(path)?.into_os_string().into_vec();
            Ok(DONE)
        }
        FileCall::SetMode { dir, path, mode } => done(posix::set_mode((dir, path), mode)),
        FileCall::SetModeOf { fd, mode } => done(posix::set_mode_of(fd, mode)),
        FileCall::SetTimes { dir, path: Some(path), accessed_ns, modified_ns, flags } => {
            done(posix::set_times((dir, path), accessed_ns, modified_ns, flags))
        }
        FileCall::SetTimes { dir, path: None, accessed_ns, modified_ns, .. } => {
            done(posix::set_times_of(dir, accessed_ns, modified_ns))
        }
        FileCall::Duplicate { fd, to: None, close_on_exec } => posix::duplicate(fd, close_on_exec).map(i64::from),
        FileCall::Duplicate { fd, to: Some(to), close_on_exec } => {
            posix::duplicate_to(fd, to, close_on_exec).map(i64::from)
        }
        FileCall::CloseOnExec { fd, set } => posix::close_on_exec(fd, set).map(|_| DONE),
        FileCall::StatusFlags { fd, set } => posix::status_flags(fd, set).map(i64::from),
        FileCall::IsOpen { fd } => Ok(i64::from(posix::is_open(fd))),
        FileCall::Lock { fd, operation } => done(posix::lock(fd, operation)),
        FileCall::LockRange { fd, command, lock } => {
            let (kind, whence, start, len) = (lock.kind, lock.whence, lock.start, lock.len);
            let mut asked = posix::FileLock { kind, whence, start, len };
            let locked = posix::lock_range(fd, command, &mut asked);
            lock.kind = asked.kind;
            done(locked)
        }
        FileCall::Entries { fd, out } => {
            let entries = posix::entries(fd)?.into_iter();
            out.extend(entries.map(|(name, kind, inode)| {
                let name = name.as_os_str().as_bytes().to_vec();
                FileEntry { name, kind: directory_type(kind), inode }
            }));
            Ok(DONE)
        }
        FileCall::Space { out } => {
            *out = posix::space()?;
            Ok(DONE)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// `d_type` of a directory entry: the type bits of `st_mode`, shifted (`IFTODT` of glibc).
fn directory_type(kind: FileKind) -> u8 {
    (type_bits(kind) >> 12) as u8
}

/// `S_IFMT` of inode(7).
fn type_bits(kind: FileKind) -> u32 {
    match kind {
        FileKind::File => 0o100_000,
        FileKind::Directory => 0o040_000,
        FileKind::Link => 0o120_000,
        FileKind::CharDevice => 0o020_000,
    }
}

fn stat(stat: &Stat) -> FileStat {
    FileStat {
        device: stat.device,
        special: stat.special,
        inode: stat.inode,
        mode: stat.mode | type_bits(stat.kind),
        links: stat.links,
        len: stat.len,
        allocated_bytes: stat.allocated_bytes,
        accessed_ns: stat.accessed_ns,
        modified_ns: stat.modified_ns,
        changed_ns: stat.changed_ns,
        created_ns: stat.created_ns,
    }
}
