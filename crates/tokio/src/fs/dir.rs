//! Directories: making them, and reading their names.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use real_tokio::fs as real;
use stormglass_disk::{FileKind, Reply, Request, Target};
use stormglass_kernel::is_current;

use super::{FileType, Metadata, ask, misfit};

/// The names of a directory as they were when it was opened.
///
/// A simulated disk gives them in an order of its own, which a seed decides and a directory keeps: as with ext4's hashed
/// directories, no program may rely on it.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct ReadDir(Names);

#[derive(Debug)]
enum Names {
    Real(real::ReadDir),
    Simulated { directory: PathBuf, left: VecDeque<(OsString, FileKind, u64)> },
}

/// One name of a directory.
#[derive(Debug)]
pub struct DirEntry(Named);

#[derive(Debug)]
enum Named {
    Real(real::DirEntry),
    Simulated { path: PathBuf, name: OsString, kind: FileKind, inode: u64 },
}

/// Opens a directory for reading its names.
///
/// # Errors
/// `NotFound`, `NotADirectory`.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    if !is_current() {
        return real::read_dir(path).await.map(|real| ReadDir(Names::Real(real)));
    }
    let directory = path.as_ref().to_owned();
    match ask(Request::ReadDir(directory.clone())).await? {
        Reply::Entries(entries) => Ok(ReadDir(Names::Simulated { directory, left: entries.into() })),
        other => Err(misfit(&other)),
    }
}

impl ReadDir {
    /// The next name, `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// As the operating system has them.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        std::future::poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// Polls for the next name.
    ///
    /// # Errors
    /// As the operating system has them.
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        match &mut self.0 {
            Names::Real(real) => {
                real.poll_next_entry(cx).map_ok(|entry| entry.map(|entry| DirEntry(Named::Real(entry))))
            }
            Names::Simulated { directory, left } => {
                let entry = left.pop_front().map(|(name, kind, inode)| {
                    DirEntry(Named::Simulated { path: directory.join(&name), name, kind, inode })
                });
                Poll::Ready(Ok(entry))
            }
        }
    }
}

impl DirEntry {
    /// The directory's path as given, and the name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match &self.0 {
            Named::Real(real) => real.path(),
            Named::Simulated { path, .. } => path.clone(),
        }
    }

    /// The name.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        match &self.0 {
            Named::Real(real) => real.file_name(),
            Named::Simulated { name, .. } => name.clone(),
        }
    }

    /// What is known of the file.
    ///
    /// # Errors
    /// `NotFound` when it is gone by now.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        match &self.0 {
            Named::Real(real) => real.metadata().await.map(Metadata::from),
            Named::Simulated { path, .. } => super::symlink_metadata(path).await,
        }
    }

    /// What kind of file it is.
    ///
    /// # Errors
    /// As the operating system has them.
    pub async fn file_type(&self) -> io::Result<FileType> {
        match &self.0 {
            Named::Real(real) => real.file_type().await.map(FileType::from),
            Named::Simulated { kind, .. } => Ok((*kind).into()),
        }
    }

    /// The inode's number.
    #[cfg(unix)]
    #[must_use]
    pub fn ino(&self) -> u64 {
        match &self.0 {
            Named::Real(real) => real.ino(),
            Named::Simulated { inode, .. } => *inode,
        }
    }
}

/// How to make a directory.
#[derive(Clone, Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// One directory, whose parent must exist, with the default permissions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to make missing parents too, and to be content with an existing directory.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permission bits.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// As `create_dir` or `create_dir_all`.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        if is_current() {
            let path = path.as_ref().to_owned();
            ask(Request::CreateDir(path.clone(), self.recursive)).await?;
            #[cfg(unix)]
            if let Some(mode) = self.mode {
                ask(Request::SetMode(Target::Path(path), mode)).await?;
            }
            return Ok(());
        }
        let mut builder = real::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            builder.mode(mode);
        }
        builder.create(path).await
    }
}
