//! Calls on paths. Each path may begin at an open directory's descriptor, or at `AT_FDCWD`, the root.

use std::ffi::OsString;

use super::calls::stat_target;
use super::*;
use crate::request::{FileKind, Stat, Target};

/// A path and the directory in which it begins if it is relative.
pub type At<'a> = (i32, &'a Path);

/// open(2), openat(2).
///
/// # Errors
/// As open(2).
pub fn open(at: At<'_>, flags: i32, mode: u32) -> Result<i32> {
    if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        // Programs that ask for a file without a name make one with a name where they get none.
        return Err(Errno::EOPNOTSUPP);
    }
    let (path, open) = (at.1, open_flags(flags, mode));
    if path.is_absolute() || at.0 == libc::AT_FDCWD {
        make_temporary(path)?;
        let close_on_exec = flags & libc::O_CLOEXEC != 0;
        let opened = now(|disk, kernel| {
            let opened = disk.open_now(kernel, path, open, Way::Call)?;
            Some(opened.and_then(|handle| describe_in(disk, kernel, handle, close_on_exec)))
        });
        if let Some(opened) = opened {
            return opened;
        }
    }
    match run_at(at, None, Request::Open(owned(path), open))? {
        Reply::Opened(handle) => describe(handle, flags & libc::O_CLOEXEC != 0),
        _ => Err(Errno::EIO),
    }
}

/// stat(2) and its kin, with the flags of fstatat(2).
///
/// # Errors
/// As fstatat(2).
pub fn stat(at: At<'_>, flags: i32) -> Result<Stat> {
    if at.1.as_os_str().is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
        return if at.0 == libc::AT_FDCWD { stat((at.0, Path::new("/")), 0) } else { stat_of(at.0) };
    }
    let path = owned(at.1);
    let target = if flags & libc::AT_SYMLINK_NOFOLLOW == 0 { Target::Path(path) } else { Target::Link(path) };
    stat_target(target, Some(at))
}

/// access(2): a node has one user, who may everything but run what is not marked so.
///
/// # Errors
/// `ENOENT` and those of the path, `EACCES` for running.
pub fn access(at: At<'_>, mode: i32) -> Result<()> {
    let stat = stat(at, 0)?;
    if mode & libc::X_OK != 0 && stat.kind != FileKind::Directory && stat.mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// mkdir(2).
///
/// # Errors
/// As mkdir(2).
pub fn make_dir(at: At<'_>, mode: u32) -> Result<()> {
    run_at(at, None, Request::CreateDir(owned(at.1), false))?;
    let mode = mode & 0o7777 & !0o022;
    if mode == 0o755 { Ok(()) } else { set_mode(at, mode) }
}

/// unlink(2); with `AT_REMOVEDIR` rmdir(2).
///
/// # Errors
/// As unlinkat(2).
pub fn remove(at: At<'_>, flags: i32) -> Result<()> {
    let path = owned(at.1);
    let request = if flags & libc::AT_REMOVEDIR == 0 { Request::RemoveFile(path) } else { Request::RemoveDir(path) };
    run_at(at, None, request).map(drop)
}

/// rename(2); of the flags of renameat2(2) `RENAME_NOREPLACE`.
///
/// # Errors
/// As rename(2); `EINVAL` for other flags, as of a file system that does not have them.
pub fn rename(from: At<'_>, to: At<'_>, flags: u32) -> Result<()> {
    let (old, new) = (owned(from.1), owned(to.1));
    let request = match flags {
        0 => Request::Rename(old, new),
        libc::RENAME_NOREPLACE => Request::RenameNew(old, new),
        _ => return Err(Errno::EINVAL),
    };
    run_at(from, Some(to), request).map(drop)
}

/// link(2).
///
/// # Errors
/// As linkat(2).
pub fn link(from: At<'_>, to: At<'_>, flags: i32) -> Result<()> {
    let source = if flags & libc::AT_SYMLINK_FOLLOW == 0 { owned(from.1) } else { canonical(from.1)? };
    run_at(from, Some(to), Request::HardLink(source, owned(to.1))).map(drop)
}

/// symlink(2).
///
/// # Errors
/// As symlink(2).
pub fn symlink(target: &Path, at: At<'_>) -> Result<()> {
    run_at(at, None, Request::Symlink(owned(target), owned(at.1))).map(drop)
}

/// readlink(2).
///
/// # Errors
/// As readlink(2).
pub fn read_link(at: At<'_>) -> Result<PathBuf> {
    match run_at(at, None, Request::ReadLink(owned(at.1)))? {
        Reply::Path(path) => Ok(path),
        _ => Err(Errno::EIO),
    }
}

/// realpath(3).
///
/// # Errors
/// As realpath(3).
pub fn canonical(path: &Path) -> Result<PathBuf> {
    match run(Request::Canonicalize(owned(path)))? {
        Reply::Path(path) => Ok(path),
        _ => Err(Errno::EIO),
    }
}

/// chmod(2).
///
/// # Errors
/// As chmod(2).
pub fn set_mode(at: At<'_>, mode: u32) -> Result<()> {
    run_at(at, None, Request::SetMode(Target::Path(owned(at.1)), mode)).map(drop)
}

/// utimensat(2), in nanoseconds since the Unix epoch; `None` leaves one alone.
///
/// # Errors
/// As utimensat(2).
pub fn set_times(at: At<'_>, accessed_ns: Option<u64>, modified_ns: Option<u64>, flags: i32) -> Result<()> {
    let path = owned(at.1);
    let target = if flags & libc::AT_SYMLINK_NOFOLLOW == 0 { Target::Path(path) } else { Target::Link(path) };
    run_at(at, None, Request::SetTimes(target, accessed_ns, modified_ns)).map(drop)
}

/// truncate(2).
///
/// # Errors
/// As truncate(2).
pub fn set_len_at(path: &Path, len: i64) -> Result<()> {
    let fd = open((libc::AT_FDCWD, path), libc::O_WRONLY, 0)?;
    let cut = set_len(fd, len);
    close(fd)?;
    cut
}

/// One name of a directory, with what it stands for and its inode.
pub type Entry = (OsString, FileKind, u64);

/// The names of an open directory, without `.` and `..`.
///
/// # Errors
/// `EBADF`, `ENOTDIR`.
pub fn entries(fd: i32) -> Result<Vec<Entry>> {
    match run(Request::ReadDirOf(handle(fd)?))? {
        Reply::Entries(entries) => Ok(entries),
        _ => Err(Errno::EIO),
    }
}
