//! How to open a file.

use std::io;
use std::path::Path;

use real_tokio::fs as real;
use stormglass_disk::{Handle, OpenFlags, Reply, Request};
use stormglass_kernel::is_current;

use super::file::File;
use super::{ask, misfit, refused};

/// How to open a file, with the methods of tokio's own.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    flags: OpenFlags,
    custom_flags: i32,
    /// Options made for std, whose flags nobody can read.
    std: Option<std::fs::OpenOptions>,
}

impl OpenOptions {
    /// Nothing allowed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether reads are allowed.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.flags.read = read;
        self.change_std(|std| std.read(read))
    }

    /// Whether writes are allowed.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.flags.write = write;
        self.change_std(|std| std.write(write))
    }

    /// Whether writes are allowed and go to the end.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.flags.append = append;
        self.change_std(|std| std.append(append))
    }

    /// Whether to cut the file to nothing.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.flags.truncate = truncate;
        self.change_std(|std| std.truncate(truncate))
    }

    /// Whether to create a file that is missing.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.flags.create = create;
        self.change_std(|std| std.create(create))
    }

    /// Whether to create the file and fail if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.flags.create_new = create_new;
        self.change_std(|std| std.create_new(create_new))
    }

    /// Permission bits of a new file.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.flags.mode = Some(mode);
        self.change_std(|std| std::os::unix::fs::OpenOptionsExt::mode(std, mode))
    }

    /// Further flags of open(2). A simulated disk knows `O_SYNC`, `O_DSYNC`, `O_DIRECT`, `O_NOFOLLOW` and `O_DIRECTORY`; the
    /// others change nothing.
    #[cfg(unix)]
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self.change_std(|std| std::os::unix::fs::OpenOptionsExt::custom_flags(std, flags))
    }

    fn change_std(&mut self, change: impl FnOnce(&mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions) -> &mut Self {
        if let Some(std) = &mut self.std {
            change(std);
        }
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists`, `IsADirectory`, `InvalidInput` for options that contradict each other, …; on a simulated
    /// disk `Unsupported` for options made from std's.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        if self.std.is_none()
            && self.custom_flags == 0
            && let Some(opened) = Handle::open_now(path, self.flags)
        {
            return opened.map(File::simulated);
        }
        // In a box, so that the usual way is a small future.
        Box::pin(self.open_slowly(path)).await
    }

    async fn open_slowly(&self, path: &Path) -> io::Result<File> {
        if !is_current() {
            return self.to_real().open(path).await.map(File::real);
        }
        if self.std.is_some() {
            return Err(refused("an OpenOptions made from std's"));
        }
        let flags = self.all_flags()?;
        match ask(Request::Open(path.to_owned(), flags)).await? {
            Reply::Opened(key) => Ok(File::simulated(Handle::adopt(key)?)),
            other => Err(misfit(&other)),
        }
    }

    /// The flags with those of open(2) that std leaves to the caller.
    #[cfg(target_os = "linux")]
    fn all_flags(&self) -> io::Result<OpenFlags> {
        let OpenFlags { synced, direct, no_follow, directory, .. } =
            stormglass_disk::posix::open_flags(self.custom_flags, 0);
        Ok(OpenFlags { synced, direct, no_follow, directory, ..self.flags })
    }

    #[cfg(not(target_os = "linux"))]
    fn all_flags(&self) -> io::Result<OpenFlags> {
        if self.custom_flags == 0 { Ok(self.flags) } else { Err(refused("a custom flag of open(2)")) }
    }

    fn to_real(&self) -> real::OpenOptions {
        if let Some(std) = &self.std {
            return std.clone().into();
        }
        let mut options = real::OpenOptions::new();
        let OpenFlags { read, write, append, truncate, create, create_new, mode, .. } = self.flags;
        options.read(read).write(write).append(append).truncate(truncate).create(create).create_new(create_new);
        #[cfg(unix)]
        {
            if let Some(mode) = mode {
                options.mode(mode);
            }
            if self.custom_flags != 0 {
                options.custom_flags(self.custom_flags);
            }
        }
        #[cfg(not(unix))]
        let _ = mode;
        options
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(std: std::fs::OpenOptions) -> Self {
        Self { std: Some(std), ..Self::default() }
    }
}
