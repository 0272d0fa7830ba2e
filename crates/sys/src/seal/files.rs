//! Files of a simulated machine, as interposed libc symbols ask for them: each call with its arguments made safe.

use std::path::Path;

/// The least descriptor of a simulated file. The world's numbers lie above it; a real process is given none so high.
pub const FILE_DESCRIPTOR_MIN: i32 = 1 << 30;

/// What a file is, as `stat` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FileStat {
    /// The device.
    pub device: u64,
    /// Of a character device which one it is: `st_rdev`. Else 0.
    pub special: u64,
    /// The inode.
    pub inode: u64,
    /// Type and permission bits: `st_mode`.
    pub mode: u32,
    /// Names.
    pub links: u64,
    /// Bytes.
    pub len: u64,
    /// Bytes of storage.
    pub allocated_bytes: u64,
    /// Last reading, in nanoseconds since the Unix epoch.
    pub accessed_ns: u64,
    /// Last change of bytes.
    pub modified_ns: u64,
    /// Last change of anything.
    pub changed_ns: u64,
    /// Creation.
    pub created_ns: u64,
}

/// One name of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileEntry {
    /// Its bytes, without a NUL.
    pub name: Vec<u8>,
    /// `d_type`: `DT_REG`, `DT_DIR`, `DT_LNK`, `DT_CHR`.
    pub kind: u8,
    /// The inode.
    pub inode: u64,
}

/// A `struct flock`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileLock {
    /// `l_type`.
    pub kind: i32,
    /// `l_whence`.
    pub whence: i32,
    /// `l_start`.
    pub start: i64,
    /// `l_len`.
    pub len: i64,
}

/// A call of libc on a simulated file. Fields are named and numbered as libc's arguments are; `dir` is a descriptor or
/// `AT_FDCWD`.
#[derive(Debug)]
#[allow(missing_docs, reason = "each field is the argument of that name in the manual page of the call")]
#[non_exhaustive]
pub enum FileCall<'a> {
    Open { dir: i32, path: &'a Path, flags: i32, mode: u32 },
    Close { fd: i32 },
    Read { fd: i32, buffer: &'a mut [u8], at: Option<i64> },
    Write { fd: i32, data: &'a [u8], at: Option<i64> },
    Seek { fd: i32, offset: i64, whence: i32 },
    Sync { fd: i32, data_only: bool },
    SyncRange { fd: i32, offset: i64, len: i64, flags: u32 },
    SetLen { fd: i32, len: i64 },
    Truncate { path: &'a Path, len: i64 },
    Allocate { fd: i32, mode: i32, offset: i64, len: i64 },
    Stat { dir: i32, path: &'a Path, flags: i32, out: &'a mut FileStat },
    Access { dir: i32, path: &'a Path, mode: i32 },
    MakeDir { dir: i32, path: &'a Path, mode: u32 },
    Remove { dir: i32, path: &'a Path, flags: i32 },
    Rename { from_dir: i32, from: &'a Path, to_dir: i32, to: &'a Path, flags: u32 },
    Link { from_dir: i32, from: &'a Path, to_dir: i32, to: &'a Path, flags: i32 },
    Symlink { target: &'a Path, dir: i32, path: &'a Path },
    ReadLink { dir: i32, path: &'a Path, out: &'a mut Vec<u8> },
    RealPath { path: &'a Path, out: &'a mut Vec<u8> },
    SetMode { dir: i32, path: &'a Path, mode: u32 },
    SetModeOf { fd: i32, mode: u32 },
    SetTimes { dir: i32, path: Option<&'a Path>, accessed_ns: Option<u64>, modified_ns: Option<u64>, flags: i32 },
    Duplicate { fd: i32, to: Option<i32>, close_on_exec: bool },
    CloseOnExec { fd: i32, set: Option<bool> },
    StatusFlags { fd: i32, set: Option<i32> },
    IsOpen { fd: i32 },
    Lock { fd: i32, operation: i32 },
    LockRange { fd: i32, command: i32, lock: &'a mut FileLock },
    Entries { fd: i32, out: &'a mut Vec<FileEntry> },
    Space { out: &'a mut (u64, u64) },
}

/// The files of the machine that the calling code runs on.
///
/// Called in host mode, as [`Hooks`](super::Hooks) is; it may block for the node, and must not panic.
pub trait Files: Sync {
    /// Does a call. Gives what libc's function returns, or the number that it sets errno to.
    ///
    /// # Errors
    /// Linux's error numbers.
    fn call(&self, call: FileCall<'_>) -> Result<i64, i32>;

    /// Whether the disk has this absolute path. A look from outside: it takes no time of the node and hits no fault.
    fn has(&self, path: &Path) -> bool;
}
