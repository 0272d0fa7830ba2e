//! What a file is: std's own answer, or the simulated disk's.

use std::fs::Permissions;
use std::io;
use std::time::{Duration, SystemTime};

use stormglass_disk::{FileKind, Stat};

/// What is known of a file, with the methods of [`std::fs::Metadata`].
#[derive(Clone, Debug)]
pub struct Metadata(pub(super) Kind);

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Real(std::fs::Metadata),
    Simulated(Stat),
}

/// Whether something is a file or a directory, with the methods of [`std::fs::FileType`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileType(TypeKind);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum TypeKind {
    Real(std::fs::FileType),
    Simulated(FileKind),
}

fn instant(ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns)
}

impl Metadata {
    /// What kind of file it is.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        match &self.0 {
            Kind::Real(real) => real.file_type().into(),
            Kind::Simulated(stat) => stat.kind.into(),
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// Its length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "std's has none either")]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kind::Real(real) => real.len(),
            Kind::Simulated(stat) => stat.len,
        }
    }

    /// Its permission bits. A simulated disk keeps them and never enforces them.
    #[cfg(unix)]
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        match &self.0 {
            Kind::Real(real) => real.permissions(),
            Kind::Simulated(_) => std::os::unix::fs::PermissionsExt::from_mode(self.mode_bits()),
        }
    }

    /// When its bytes last changed, by its node's wall clock.
    ///
    /// # Errors
    /// On platforms that do not tell.
    pub fn modified(&self) -> io::Result<SystemTime> {
        match &self.0 {
            Kind::Real(real) => real.modified(),
            Kind::Simulated(stat) => Ok(instant(stat.modified_ns)),
        }
    }

    /// When it was last read. A simulated disk does not keep it (as with `noatime`): it gives the creation, or what was set.
    ///
    /// # Errors
    /// On platforms that do not tell.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        match &self.0 {
            Kind::Real(real) => real.accessed(),
            Kind::Simulated(stat) => Ok(instant(stat.accessed_ns)),
        }
    }

    /// When it was created, by its node's wall clock.
    ///
    /// # Errors
    /// On platforms that do not tell.
    pub fn created(&self) -> io::Result<SystemTime> {
        match &self.0 {
            Kind::Real(real) => real.created(),
            Kind::Simulated(stat) => Ok(instant(stat.created_ns)),
        }
    }

    #[cfg(unix)]
    fn mode_bits(&self) -> u32 {
        match &self.0 {
            Kind::Real(real) => std::os::unix::fs::MetadataExt::mode(real),
            Kind::Simulated(stat) => {
                stat.mode
                    | match stat.kind {
                        FileKind::File => 0o100_000,
                        FileKind::Directory => 0o040_000,
                        FileKind::Link => 0o120_000,
                        FileKind::CharDevice => 0o020_000,
                    }
            }
        }
    }
}

/// Implements std's extension trait: each method from the real metadata, or from the simulated one.
#[cfg(unix)]
macro_rules! unix_metadata {
    ($($name:ident: $type:ty = |$stat:ident| $simulated:expr;)*) => {
        impl std::os::unix::fs::MetadataExt for Metadata {
            $(fn $name(&self) -> $type {
                match &self.0 {
                    Kind::Real(real) => std::os::unix::fs::MetadataExt::$name(real),
                    Kind::Simulated($stat) => $simulated,
                }
            })*

            fn mode(&self) -> u32 {
                self.mode_bits()
            }
        }
    };
}

#[cfg(unix)]
unix_metadata! {
    dev: u64 = |stat| stat.device;
    ino: u64 = |stat| stat.inode;
    nlink: u64 = |stat| stat.links;
    uid: u32 = |_stat| 0;
    gid: u32 = |_stat| 0;
    rdev: u64 = |stat| stat.special;
    size: u64 = |stat| stat.len;
    atime: i64 = |stat| (stat.accessed_ns / 1_000_000_000) as i64;
    atime_nsec: i64 = |stat| (stat.accessed_ns % 1_000_000_000) as i64;
    mtime: i64 = |stat| (stat.modified_ns / 1_000_000_000) as i64;
    mtime_nsec: i64 = |stat| (stat.modified_ns % 1_000_000_000) as i64;
    ctime: i64 = |stat| (stat.changed_ns / 1_000_000_000) as i64;
    ctime_nsec: i64 = |stat| (stat.changed_ns % 1_000_000_000) as i64;
    blksize: u64 = |_stat| 4096;
    blocks: u64 = |stat| stat.allocated_bytes / 512;
}

impl FileType {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        match self.0 {
            TypeKind::Real(real) => real.is_dir(),
            TypeKind::Simulated(kind) => kind == FileKind::Directory,
        }
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        match self.0 {
            TypeKind::Real(real) => real.is_file(),
            TypeKind::Simulated(kind) => kind == FileKind::File,
        }
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        match self.0 {
            TypeKind::Real(real) => real.is_symlink(),
            TypeKind::Simulated(kind) => kind == FileKind::Link,
        }
    }
}

/// Of what a simulated machine may have, character devices alone.
#[cfg(unix)]
impl std::os::unix::fs::FileTypeExt for FileType {
    fn is_block_device(&self) -> bool {
        matches!(self.0, TypeKind::Real(real) if std::os::unix::fs::FileTypeExt::is_block_device(&real))
    }

    fn is_char_device(&self) -> bool {
        match self.0 {
            TypeKind::Real(real) => std::os::unix::fs::FileTypeExt::is_char_device(&real),
            TypeKind::Simulated(kind) => kind == FileKind::CharDevice,
        }
    }

    fn is_fifo(&self) -> bool {
        matches!(self.0, TypeKind::Real(real) if std::os::unix::fs::FileTypeExt::is_fifo(&real))
    }

    fn is_socket(&self) -> bool {
        matches!(self.0, TypeKind::Real(real) if std::os::unix::fs::FileTypeExt::is_socket(&real))
    }
}

impl From<std::fs::Metadata> for Metadata {
    fn from(real: std::fs::Metadata) -> Self {
        Self(Kind::Real(real))
    }
}

impl From<Stat> for Metadata {
    fn from(stat: Stat) -> Self {
        Self(Kind::Simulated(stat))
    }
}

impl From<std::fs::FileType> for FileType {
    fn from(real: std::fs::FileType) -> Self {
        Self(TypeKind::Real(real))
    }
}

impl From<FileKind> for FileType {
    fn from(kind: FileKind) -> Self {
        Self(TypeKind::Simulated(kind))
    }
}
