//! Calls on descriptors.

use super::*;
use std::cell::Cell;

use crate::request::{Allocation, LockRange, Stat, Target, Whence};

/// A larger buffer is not kept for the next reading.
const SCRATCH_BYTES_MAX: usize = 256 << 10;

thread_local! {
    /// Memory that readings of this thread go through, one after another.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// `F_SETLK` and its kin: where an `off_t` range of fcntl(2) lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileLock {
    /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    pub kind: i32,
    /// `SEEK_SET`, `SEEK_CUR` or `SEEK_END`.
    pub whence: i32,
    /// From there.
    pub start: i64,
    /// Bytes; 0 for "to the end, wherever it is".
    pub len: i64,
}

/// close(2). A descriptor of another node or an earlier boot is closed already: no error, since whoever still holds it
/// cannot have known.
///
/// # Errors
/// `EBADF`.
pub fn close(fd: i32) -> Result<()> {
    with_disk(|disk, kernel, node| {
        if !kernel.is_effective() {
            return Ok(());
        }
        let Ok(slot) = slot(kernel, node, fd) else { return Ok(()) };
        if let Some(handle) = disk.device(kernel, node).descriptors.remove(slot)? {
            disk.close_and_wake(kernel, node, handle);
        }
        Ok(())
    })
}

/// Whether a descriptor is open; one of another node or an earlier boot counts as open, as [`close`] closes it.
#[must_use]
pub fn is_open(fd: i32) -> bool {
    let open = with_disk(|disk, kernel, node| match slot(kernel, node, fd) {
        Ok(slot) => disk.device(kernel, node).descriptors.get(slot).map(drop),
        Err(_) => Ok(()),
    });
    open.is_ok() || !is_here()
}

/// read(2), or pread(2) where an offset is given. Gives the bytes read.
///
/// # Errors
/// `EBADF`, `EISDIR`, `EINVAL` for an offset or alignment, `EIO`.
pub fn read(fd: i32, at: Option<i64>, buffer: &mut [u8]) -> Result<usize> {
    let key = handle(fd)?;
    let at = at.map(offset).transpose()?;
    if let Some(read) = now(|disk, kernel| disk.read_now(kernel, key, at, buffer, Way::Call)) {
        return Ok(read);
    }
    let bytes = SCRATCH.take();
    let request = match at {
        Some(at) => Request::ReadAt(key, at, buffer.len(), bytes),
        None => Request::Read(key, buffer.len(), bytes),
    };
    match run(request)? {
        Reply::Bytes(bytes) => {
            let len = bytes.len();
            buffer[..len].copy_from_slice(&bytes);
            if bytes.capacity() <= SCRATCH_BYTES_MAX {
                SCRATCH.set(bytes);
            }
            Ok(len)
        }
        _ => Err(Errno::EIO),
    }
}

/// write(2), or pwrite(2) where an offset is given. Gives the bytes written.
///
/// # Errors
/// `EBADF`, `EINVAL`, `EFBIG`, `ENOSPC`, `EROFS`, `EIO`.
pub fn write(fd: i32, at: Option<i64>, data: &[u8]) -> Result<usize> {
    let key = handle(fd)?;
    let at = at.map(offset).transpose()?;
    if let Some(written) = now(|disk, kernel| disk.write_now(kernel, key, at, 0, data, Way::Call)) {
        return Ok(written);
    }
    match run(Request::Put(key, at, data.to_vec()))? {
        Reply::Position(written) => Ok(written as usize),
        _ => Err(Errno::EIO),
    }
}

fn offset(at: i64) -> Result<u64> {
    u64::try_from(at).map_err(|_| Errno::EINVAL)
}

/// lseek(2).
///
/// # Errors
/// `EBADF`, `EINVAL`, `ENXIO` for `SEEK_DATA` and `SEEK_HOLE`.
pub fn seek(fd: i32, by: i64, whence: i32) -> Result<u64> {
    let key = handle(fd)?;
    let whence = match whence {
        libc::SEEK_SET if by < 0 && is_special(key) => Whence::Start(0),
        libc::SEEK_SET => Whence::Start(offset(by)?),
        libc::SEEK_CUR => Whence::Current(by),
        libc::SEEK_END => Whence::End(by),
        libc::SEEK_DATA | libc::SEEK_HOLE if is_special(key) => Whence::Start(0),
        libc::SEEK_DATA => Whence::Data(u64::try_from(by).map_err(|_| Errno::ENXIO)?),
        libc::SEEK_HOLE => Whence::Hole(u64::try_from(by).map_err(|_| Errno::ENXIO)?),
        _ => return Err(Errno::EINVAL),
    };
    match run(Request::Seek(key, 0, whence))? {
        Reply::Position(position) => Ok(position),
        _ => Err(Errno::EIO),
    }
}

/// fsync(2), or fdatasync(2).
///
/// # Errors
/// `EBADF`, `EIO`, after which what was to be synced is lost.
pub fn sync(fd: i32, data_only: bool) -> Result<()> {
    let key = handle(fd)?;
    match now(|disk, kernel| disk.sync_now(kernel, key, data_only)) {
        Some(()) => Ok(()),
        None => run(Request::Sync(key, data_only)).map(drop),
    }
}

/// sync_file_range(2): a hint. It "is extremely dangerous … none of these operations write out the file's metadata", and the
/// device's own cache is not flushed; so it makes nothing durable here.
///
/// # Errors
/// `EBADF`, `EINVAL`, `ESPIPE` for a device.
pub fn sync_range(fd: i32, at: i64, len: i64, flags: u32) -> Result<()> {
    let known = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    if at < 0 || len < 0 || flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    // ESPIPE: "fd refers to something other than a regular file, a block device, or a directory".
    if is_special(handle(fd)?) { Err(Errno::ESPIPE) } else { Ok(()) }
}

fn is_special(key: HandleKey) -> bool {
    let device = with_disk(|disk, kernel, node| {
        let volume = &mut disk.device(kernel, node).volume;
        let inode = volume.handles.get(key)?.inode;
        Ok(inode.is_special() && volume.inodes.get(inode).special().is_some())
    });
    device.unwrap_or(false)
}

/// ftruncate(2).
///
/// # Errors
/// `EBADF`, `EINVAL`, `EFBIG`, `EROFS`.
pub fn set_len(fd: i32, len: i64) -> Result<()> {
    let key = handle(fd)?;
    run(Request::SetLen(key, 0, offset(len)?)).map(drop)
}

/// fallocate(2).
///
/// # Errors
/// `EBADF`, `EINVAL`, `EFBIG`, `ENOSPC`, `ENODEV`; `EOPNOTSUPP` for ranges to be collapsed, inserted or unshared.
pub fn allocate(fd: i32, mode: i32, at: i64, len: i64) -> Result<()> {
    let key = handle(fd)?;
    let (keep, punch, zero) = (libc::FALLOC_FL_KEEP_SIZE, libc::FALLOC_FL_PUNCH_HOLE, libc::FALLOC_FL_ZERO_RANGE);
    let how = match mode {
        0 => Allocation::Extend,
        _ if mode == keep => Allocation::KeepSize,
        _ if mode == keep | punch => Allocation::PunchHole,
        _ if mode == zero => Allocation::Zero(false),
        _ if mode == zero | keep => Allocation::Zero(true),
        _ => return Err(Errno::EOPNOTSUPP),
    };
    run(Request::Allocate(key, how, offset(at)?, offset(len)?)).map(drop)
}

/// fstat(2).
///
/// # Errors
/// `EBADF`.
pub fn stat_of(fd: i32) -> Result<Stat> {
    stat_target(Target::Handle(handle(fd)?), None)
}

pub(super) fn stat_target(target: Target, at: Option<(i32, &Path)>) -> Result<Stat> {
    let request = Request::Metadata(target);
    let reply = match at {
        Some(at) => run_at(at, None, request),
        None => run(request),
    };
    match reply? {
        Reply::Metadata(stat) => Ok(*stat),
        _ => Err(Errno::EIO),
    }
}

/// fchmod(2).
///
/// # Errors
/// `EBADF`, `EROFS`.
pub fn set_mode_of(fd: i32, mode: u32) -> Result<()> {
    run(Request::SetMode(Target::Handle(handle(fd)?), mode)).map(drop)
}

/// futimens(2), in nanoseconds since the Unix epoch; `None` leaves one alone.
///
/// # Errors
/// `EBADF`, `EROFS`.
pub fn set_times_of(fd: i32, accessed_ns: Option<u64>, modified_ns: Option<u64>) -> Result<()> {
    run(Request::SetTimes(Target::Handle(handle(fd)?), accessed_ns, modified_ns)).map(drop)
}

/// dup(2): the lowest free descriptor for the same open file.
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub fn duplicate(fd: i32, close_on_exec: bool) -> Result<i32> {
    let key = handle(fd)?;
    describe(key, close_on_exec)
}

/// dup2(2), between simulated descriptors.
///
/// # Errors
/// `EBADF`: also where the second number is none of this node's.
pub fn duplicate_to(fd: i32, to: i32, close_on_exec: bool) -> Result<i32> {
    let key = handle(fd)?;
    with_disk(|disk, kernel, node| {
        let place = slot(kernel, node, to)?;
        if fd == to {
            return Ok(to);
        }
        let device = disk.device(kernel, node);
        let displaced = device.descriptors.remove(place).ok().flatten();
        device.descriptors.put(place, Descriptor { handle: key, close_on_exec });
        displaced.into_iter().for_each(|handle| disk.close_and_wake(kernel, node, handle));
        Ok(to)
    })
}

/// `F_GETFD` and `F_SETFD`: whether the descriptor closes on exec.
///
/// # Errors
/// `EBADF`.
pub fn close_on_exec(fd: i32, set: Option<bool>) -> Result<bool> {
    with_disk(|disk, kernel, node| {
        let slot = slot(kernel, node, fd)?;
        let descriptor = disk.device(kernel, node).descriptors.get(slot)?;
        let before = descriptor.close_on_exec;
        descriptor.close_on_exec = set.unwrap_or(before);
        Ok(before)
    })
}

/// `F_GETFL` and `F_SETFL`: the flags of the open file, of which `O_APPEND` and `O_DIRECT` can be changed.
///
/// # Errors
/// `EBADF`.
pub fn status_flags(fd: i32, set: Option<i32>) -> Result<i32> {
    let key = handle(fd)?;
    with_disk(|disk, kernel, node| {
        let file = disk.device(kernel, node).volume.handles.get(key)?;
        if let Some(flags) = set {
            file.append = flags & libc::O_APPEND != 0;
            file.direct = flags & libc::O_DIRECT != 0;
        }
        let access = match (file.read, file.write) {
            (true, true) => libc::O_RDWR,
            (false, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
        let synced = match file.synced {
            Synced::No => 0,
            Synced::Data => libc::O_DSYNC,
            Synced::All => libc::O_SYNC,
        };
        let flag = |on: bool, flag: i32| if on { flag } else { 0 };
        Ok(access | synced | flag(file.append, libc::O_APPEND) | flag(file.direct, libc::O_DIRECT))
    })
}

/// flock(2).
///
/// # Errors
/// `EBADF`, `EINVAL`, `EAGAIN` with `LOCK_NB`; `EDEADLK` where waiting would wait for itself.
pub fn lock(fd: i32, operation: i32) -> Result<()> {
    let key = handle(fd)?;
    let range = |exclusive| LockRange { whole: true, exclusive, start: 0, end: u64::MAX };
    let waits = operation & libc::LOCK_NB == 0;
    let request = match operation & !libc::LOCK_NB {
        libc::LOCK_SH => Request::Lock(key, range(false), waits),
        libc::LOCK_EX => Request::Lock(key, range(true), waits),
        libc::LOCK_UN => Request::Unlock(key, range(true)),
        _ => return Err(Errno::EINVAL),
    };
    run(request).map(drop)
}

/// fcntl(2) with a lock. `F_SETLK` and its kin are a process's own and never in its way; `F_OFD_SETLK` and its kin are an open
/// file's. For the commands that ask, the lock becomes the answer.
///
/// # Errors
/// `EBADF`, `EINVAL`, `EAGAIN`.
pub fn lock_range(fd: i32, command: i32, lock: &mut FileLock) -> Result<()> {
    let key = handle(fd)?;
    let base = match lock.whence {
        libc::SEEK_SET => 0,
        libc::SEEK_CUR => seek(fd, 0, libc::SEEK_CUR)?,
        libc::SEEK_END => stat_of(fd)?.len,
        _ => return Err(Errno::EINVAL),
    };
    let first = (base as i64).checked_add(lock.start).filter(|&first| first >= 0).ok_or(Errno::EINVAL)? as u64;
    let (start, end) = match lock.len {
        0 => (first, u64::MAX),
        len if len > 0 => (first, first + len as u64),
        len => (first.checked_sub(len.unsigned_abs()).ok_or(Errno::EINVAL)?, first),
    };
    let range = LockRange { whole: false, exclusive: lock.kind == libc::F_WRLCK, start, end };
    let is_lock = matches!(lock.kind, libc::F_RDLCK | libc::F_WRLCK);
    if !is_lock && lock.kind != libc::F_UNLCK {
        return Err(Errno::EINVAL);
    }
    match command {
        libc::F_GETLK => lock.kind = libc::F_UNLCK,
        libc::F_SETLK | libc::F_SETLKW => own_lock(key, &range, is_lock)?,
        libc::F_OFD_GETLK => {
            if matches!(run(Request::TestLock(key, range))?, Reply::Position(0)) {
                lock.kind = libc::F_UNLCK;
            }
        }
        libc::F_OFD_SETLK | libc::F_OFD_SETLKW if !is_lock => run(Request::Unlock(key, range)).map(drop)?,
        libc::F_OFD_SETLK | libc::F_OFD_SETLKW => {
            run(Request::Lock(key, range, command == libc::F_OFD_SETLKW)).map(drop)?;
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// A lock of the process: only the access of the descriptor is asked for.
fn own_lock(key: HandleKey, range: &LockRange, is_lock: bool) -> Result<()> {
    with_disk(|disk, kernel, node| {
        let file = disk.device(kernel, node).volume.handles.get(key)?;
        let allowed = !is_lock || if range.exclusive { file.write } else { file.read };
        if allowed { Ok(()) } else { Err(Errno::EBADF) }
    })
}

/// What the program was told of room: bytes in all, and free.
///
/// # Errors
/// `EIO`, when the node is going down.
pub fn space() -> Result<(u64, u64)> {
    match run(Request::Space)? {
        Reply::Space(all, free) => Ok((all, free)),
        _ => Err(Errno::EIO),
    }
}
