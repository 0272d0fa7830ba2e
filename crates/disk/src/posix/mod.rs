//! The calls of libc on files, as the current node's program makes them: descriptors, flags as numbers, paths beside a
//! directory's descriptor. What interposed symbols call; safe code may too.
//!
//! On a thread that belongs to a node a call blocks: it gives the simulation's baton back until its operation is done. On
//! the simulation's own thread, inside a poll, it is done at once and its time is charged to the node.

use std::path::{Path, PathBuf};

use stormglass_kernel::{Kernel, NodeId, block_on_or_stop, may_block, try_with};

use crate::at_once::Way;
use crate::descriptors::{Descriptor, number_of, slot_of};
use crate::errno::Errno;
use crate::operation::submit_as;
use crate::request::{HandleKey, OpenFlags, Reply, Request, Synced};
use crate::world::Disk;

mod calls;
mod names;

pub use calls::*;
pub use names::*;

/// What a call gives, or the number that it sets errno to.
pub type Result<T> = std::result::Result<T, Errno>;

/// Whether the calling thread is in a simulation that has disks.
#[must_use]
pub fn is_here() -> bool {
    try_with(|u| u.get::<Disk>().is_some()).unwrap_or(false)
}

/// Whether a number is in the range of simulated descriptors.
#[must_use]
pub const fn is_descriptor(fd: i32) -> bool {
    fd >= crate::DESCRIPTOR_MIN
}

/// What flags of open(2) mean.
#[must_use]
pub fn open_flags(flags: i32, mode: u32) -> OpenFlags {
    let has = |flag: i32| flags & flag == flag;
    let access = flags & libc::O_ACCMODE;
    let create = has(libc::O_CREAT);
    OpenFlags {
        read: access == libc::O_RDONLY || access == libc::O_RDWR,
        write: access == libc::O_WRONLY || access == libc::O_RDWR,
        append: has(libc::O_APPEND) && access != libc::O_RDONLY,
        truncate: has(libc::O_TRUNC),
        create,
        create_new: create && has(libc::O_EXCL),
        mode: create.then_some(mode),
        synced: if has(libc::O_SYNC) {
            Synced::All
        } else if has(libc::O_DSYNC) {
            Synced::Data
        } else {
            Synced::No
        },
        direct: has(libc::O_DIRECT),
        no_follow: has(libc::O_NOFOLLOW),
        directory: has(libc::O_DIRECTORY),
        raw: true,
    }
}

/// Whether the disk of the current node has this path. A look from outside: it takes no time and hits no fault.
#[must_use]
pub fn has(path: &Path) -> bool {
    with_disk(|disk, kernel, node| disk.device(kernel, node).volume.find(path)).is_ok()
}

/// Does one operation, blocking as the thread may.
fn run(request: Request) -> Result<Reply> {
    let is_effective = try_with(|u| u.kernel.is_effective()).ok_or(Errno::EIO)?;
    if !is_effective {
        // The node is going down, and what still runs of its program touches nothing.
        return Err(Errno::EIO);
    }
    if may_block() {
        let operation = submit_as(request, false).map_err(|_| Errno::EIO)?;
        let done = block_on_or_stop(operation).ok_or(Errno::EIO)?;
        return done.map_err(|error| Errno(error.raw_os_error().unwrap_or(Errno::EIO.0)));
    }
    with_disk(|disk, kernel, _| disk.perform_now(kernel, request))
}

/// Does what the page cache answers, if this thread is in the midst of a poll.
fn now<T>(f: impl FnOnce(&mut Disk, &mut Kernel) -> Option<T>) -> Option<T> {
    if may_block() {
        return None;
    }
    try_with(|u| {
        if !u.kernel.is_effective() {
            return None;
        }
        let (disk, kernel) = u.get::<Disk>()?;
        f(disk, kernel)
    })
    .flatten()
}

fn with_disk<T>(f: impl FnOnce(&mut Disk, &mut Kernel, NodeId) -> Result<T>) -> Result<T> {
    try_with(|u| {
        let (disk, kernel) = u.get::<Disk>().ok_or(Errno::EIO)?;
        let node = kernel.current_node();
        f(disk, kernel, node)
    })
    .unwrap_or(Err(Errno::EIO))
}

/// The slot of a descriptor of the current node.
fn slot(kernel: &Kernel, node: NodeId, fd: i32) -> Result<usize> {
    slot_of(fd, node.index(), kernel.node(node).incarnation().number()).ok_or(Errno::EBADF)
}

fn handle(fd: i32) -> Result<HandleKey> {
    with_disk(|disk, kernel, node| {
        let slot = slot(kernel, node, fd)?;
        Ok(disk.device(kernel, node).descriptors.get(slot)?.handle)
    })
}

/// The open directory in which a relative path begins; none for the working directory, which is the root.
fn beginning(dir: i32, path: &Path) -> Result<Option<HandleKey>> {
    if path.is_absolute() || dir == libc::AT_FDCWD { Ok(None) } else { handle(dir).map(Some) }
}

/// Where temporary files go (hier(7)): every machine has it, so a node gets it when it is first asked for.
const TEMPORARY: &str = "/tmp";

fn make_temporary(path: &Path) -> Result<()> {
    // Most paths are told by a letter: taking them apart costs more than opening the file.
    let begins_so = matches!(path.as_os_str().as_encoded_bytes(), [b'/', b't' | b'/' | b'.', ..]);
    if !begins_so || !path.starts_with(TEMPORARY) {
        return Ok(());
    }
    with_disk(|disk, kernel, node| {
        let now_ns = crate::world::wall_ns(kernel, node);
        let volume = &mut disk.device(kernel, node).volume;
        if volume.find(Path::new(TEMPORARY)).is_err() {
            volume.create_dir(Path::new(TEMPORARY), now_ns)?;
            volume.names.sync(&mut volume.inodes, crate::inode::InodeId::ROOT, u64::MAX);
        }
        Ok(())
    })
}

/// Does an operation whose paths begin at these directories.
fn run_at(first: (i32, &Path), second: Option<(i32, &Path)>, request: Request) -> Result<Reply> {
    make_temporary(first.1)?;
    let first = beginning(first.0, first.1)?;
    let second = second.map_or(Ok(None), |(dir, path)| beginning(dir, path))?;
    match (first, second) {
        (None, None) => run(request),
        _ => run(Request::From(first, second, Box::new(request))),
    }
}

/// Gives an open file a descriptor. Where none is left the file is closed again.
fn describe(handle: HandleKey, close_on_exec: bool) -> Result<i32> {
    with_disk(|disk, kernel, _| describe_in(disk, kernel, handle, close_on_exec))
}

fn describe_in(disk: &mut Disk, kernel: &mut Kernel, handle: HandleKey, close_on_exec: bool) -> Result<i32> {
    let node = kernel.current_node();
    let boot = kernel.node(node).incarnation().number();
    match disk.device(kernel, node).descriptors.insert(Descriptor { handle, close_on_exec }) {
        Ok(slot) => Ok(number_of(slot, node.index(), boot)),
        Err(errno) => {
            disk.close_and_wake(kernel, node, handle);
            Err(errno)
        }
    }
}

fn owned(path: &Path) -> PathBuf {
    path.to_owned()
}
