//! What programs ask of the disk, and what they get: one request per system call or per call of `std::fs`.

use std::ffi::OsString;
use std::path::PathBuf;

/// How to open a file: the flags of `std::fs::OpenOptions`, with its rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenFlags {
    /// Reads are allowed.
    pub read: bool,
    /// Writes are allowed.
    pub write: bool,
    /// Writes are allowed and go to the end.
    pub append: bool,
    /// Cut to length 0.
    pub truncate: bool,
    /// Create if there is none.
    pub create: bool,
    /// Create, and fail if there is one.
    pub create_new: bool,
    /// Permission bits of a new file, when not the default 0o666 without the usual umask of 0o022.
    pub mode: Option<u32>,
    /// How far a write has gone when it returns.
    pub synced: Synced,
    /// O_DIRECT: past the page cache, in whole sectors. What was written so is in the device's own cache until it is
    /// synced, so a power loss may take it (open(2): O_DIRECT "does not give the guarantees of the O_SYNC flag").
    pub direct: bool,
    /// O_NOFOLLOW: a symbolic link in the last place is an error.
    pub no_follow: bool,
    /// O_DIRECTORY: anything but a directory is an error.
    pub directory: bool,
    /// The flags come from open(2), which allows what `std::fs::OpenOptions` does not: to create or cut without writing.
    pub raw: bool,
}

/// What a write has made durable when it returns: open(2), `O_SYNC` and `O_DSYNC`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Synced {
    /// Nothing.
    #[default]
    No,
    /// Its bytes, and the length that is needed to read them.
    Data,
    /// Those and the file's metadata.
    All,
}

/// What fallocate(2) is asked to do with a range of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allocation {
    /// Reserve room, and make the file longer where the range ends beyond it.
    Extend,
    /// Reserve room, at and beyond the end too, and leave the length alone.
    KeepSize,
    /// Give the room back: the range reads as zeros. The length stays.
    PunchHole,
    /// Make the range zeros; `true`: and leave the length alone.
    Zero(bool),
}

/// A lock on a range of a file, held by an open file: flock(2) (the whole file, apart from the others), or an open file
/// description lock of fcntl(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockRange {
    /// A lock of flock(2), which does not see those of fcntl(2).
    pub whole: bool,
    /// Nobody else may hold one; otherwise others may share it.
    pub exclusive: bool,
    /// First byte.
    pub start: u64,
    /// The byte after the last one; `u64::MAX` for "to the end, wherever it is".
    pub end: u64,
}

/// An open file's number at its node. It stays valid until it is closed or the node goes down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandleKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// From where a position is counted, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// From the start.
    Start(u64),
    /// From the current position.
    Current(i64),
    /// From the end.
    End(i64),
    /// The next byte of data at or after this one (`SEEK_DATA`).
    Data(u64),
    /// The next hole at or after this one (`SEEK_HOLE`); the end counts as one.
    Hole(u64),
}

/// A file, by its name or by a handle of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// By name.
    Path(PathBuf),
    /// By name, and if that is a symbolic link the link itself.
    Link(PathBuf),
    /// By handle.
    Handle(HandleKey),
}

/// An operation. It takes effect when the poll that issues it ends, and completes later.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Request {
    /// Open a file, or a directory for reading. Gives [`Reply::Opened`].
    Open(PathBuf, OpenFlags),
    /// Read up to so many bytes at the handle's position, into the buffer, which is cleared first. Gives [`Reply::Bytes`].
    Read(HandleKey, usize, Vec<u8>),
    /// Move by so many bytes (an undone read-ahead; usually 0), then write at the handle's position, or at the end when it
    /// appends. Gives [`Reply::Bytes`] with the buffer, emptied.
    Write(HandleKey, i64, Vec<u8>),
    /// Move by so many bytes, then move. Gives [`Reply::Position`].
    Seek(HandleKey, i64, Whence),
    /// Make everything durable that was done to this file (or directory) before. `true`: data only, as fdatasync.
    Sync(HandleKey, bool),
    /// Move by so many bytes, then set the file's length.
    SetLen(HandleKey, i64, u64),
    /// Gives [`Reply::Metadata`].
    Metadata(Target),
    /// Set the permission bits. They are kept and never enforced: a node has one user.
    SetMode(Target, u32),
    /// Set the time of the last change, in nanoseconds since the Unix epoch.
    SetModified(Target, u64),
    /// Make a directory; `true`: and those above it, and be content if there is one.
    CreateDir(PathBuf, bool),
    /// Remove a file's name.
    RemoveFile(PathBuf),
    /// Remove an empty directory.
    RemoveDir(PathBuf),
    /// Remove a directory and everything in it.
    RemoveDirAll(PathBuf),
    /// Give a file or directory another name, over whatever has it.
    Rename(PathBuf, PathBuf),
    /// Give a file a second name.
    HardLink(PathBuf, PathBuf),
    /// Gives [`Reply::Entries`].
    ReadDir(PathBuf),
    /// Gives [`Reply::Path`].
    Canonicalize(PathBuf),
    /// Open, read to the end, close. Gives [`Reply::Bytes`].
    ReadFile(PathBuf),
    /// Open with create and truncate, write, close: three steps, between which the program may die.
    WriteFile(PathBuf, Vec<u8>),
    /// Copy a regular file, as `std::fs::copy`. Gives [`Reply::Position`] with the bytes copied.
    Copy(PathBuf, PathBuf),
    /// pread(2): read up to so many bytes at an offset. Gives [`Reply::Bytes`].
    ReadAt(HandleKey, u64, usize, Vec<u8>),
    /// write(2), or pwrite(2) where an offset is given. Gives [`Reply::Position`] with the bytes written, which may be fewer
    /// where room runs out.
    Put(HandleKey, Option<u64>, Vec<u8>),
    /// fallocate(2) of so many bytes at an offset.
    Allocate(HandleKey, Allocation, u64, u64),
    /// Make a symbolic link: where it leads, and its name.
    Symlink(PathBuf, PathBuf),
    /// Where a symbolic link leads. Gives [`Reply::Path`].
    ReadLink(PathBuf),
    /// The names of an open directory. Gives [`Reply::Entries`].
    ReadDirOf(HandleKey),
    /// Rename and fail if the new name is taken (`RENAME_NOREPLACE`).
    RenameNew(PathBuf, PathBuf),
    /// Take a lock, or turn the one held into it. `true`: wait for it; otherwise fail with `EAGAIN`.
    Lock(HandleKey, LockRange, bool),
    /// Give back what is held of a range.
    Unlock(HandleKey, LockRange),
    /// Whether somebody else's lock is in the way: [`Reply::Position`] with 1 if so.
    TestLock(HandleKey, LockRange),
    /// The times of the last reading and change, in nanoseconds since the Unix epoch; `None` leaves one alone.
    SetTimes(Target, Option<u64>, Option<u64>),
    /// What room there is. Gives [`Reply::Space`].
    Space,
    /// The request, its first and second path taken from these open directories instead of the root.
    From(Option<HandleKey>, Option<HandleKey>, Box<Request>),
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A character device.
    CharDevice,
}

/// What `stat` tells of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// Permission bits.
    pub mode: u32,
    /// Names that it has.
    pub links: u64,
    /// A number that no other file on this node has at the same time.
    pub inode: u64,
    /// Last change of its bytes, in nanoseconds since the Unix epoch, by the node's wall clock.
    pub modified_ns: u64,
    /// Creation, likewise.
    pub created_ns: u64,
    /// Last change of bytes or metadata, likewise.
    pub changed_ns: u64,
    /// Last reading, likewise: as with `noatime`, that of the creation until a program sets it.
    pub accessed_ns: u64,
    /// Bytes of storage that it takes, in whole pages.
    pub allocated_bytes: u64,
    /// Which device: no two machines have the same, nor a machine after its restart.
    pub device: u64,
    /// Of a character device which one it is, as makedev(3) puts its numbers together; else 0.
    pub special: u64,
}

/// What a completed operation gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Nothing.
    Done,
    /// An open file.
    Opened(HandleKey),
    /// Bytes read, or an emptied buffer to use again.
    Bytes(Vec<u8>),
    /// A position or a count, in bytes.
    Position(u64),
    /// What a file is.
    Metadata(Box<Stat>),
    /// A directory's names, in an order of their own that a seed decides and a directory keeps.
    Entries(Vec<(OsString, FileKind, u64)>),
    /// A path.
    Path(PathBuf),
    /// Bytes in all, and bytes that are free.
    Space(u64, u64),
}
