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
}

/// A file, by its name or by a handle of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// By name.
    Path(PathBuf),
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
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
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
    Metadata(Stat),
    /// A directory's names, in an order of their own that a seed decides and a directory keeps.
    Entries(Vec<(OsString, FileKind, u64)>),
    /// A path.
    Path(PathBuf),
}
