//! The free functions of `tokio::fs`.

use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};

use real_tokio::fs as real;
use stormglass_disk::{Reply, Request, Target};
use stormglass_kernel::is_current;

use super::{Metadata, ask, misfit};

fn owned(path: impl AsRef<Path>) -> PathBuf {
    path.as_ref().to_owned()
}

async fn done(request: Request) -> io::Result<()> {
    ask(request).await.map(drop)
}

/// Reads a whole file.
///
/// # Errors
/// As opening and reading it.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    if !is_current() {
        return real::read(path).await;
    }
    match ask(Request::ReadFile(owned(path))).await? {
        Reply::Bytes(bytes) => Ok(bytes),
        other => Err(misfit(&other)),
    }
}

/// Reads a whole file as UTF-8.
///
/// # Errors
/// As [`read`], and `InvalidData` when it is no UTF-8.
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    if !is_current() {
        return real::read_to_string(path).await;
    }
    let bytes = read(path).await?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

/// Cuts a file to nothing, or creates it, and writes `contents`. A crash may fall between the two.
///
/// # Errors
/// As opening and writing it.
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    if !is_current() {
        return real::write(path, contents).await;
    }
    done(Request::WriteFile(owned(path), contents.as_ref().to_vec())).await
}

/// Creates a directory.
///
/// # Errors
/// `AlreadyExists`, or as its path says.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::create_dir(path).await;
    }
    done(Request::CreateDir(owned(path), false)).await
}

/// Creates a directory and those above it; none is missed if all are there.
///
/// # Errors
/// When a file is in the way.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::create_dir_all(path).await;
    }
    done(Request::CreateDir(owned(path), true)).await
}

/// Removes a file's name. Open handles of it go on.
///
/// # Errors
/// `NotFound`, `IsADirectory`.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::remove_file(path).await;
    }
    done(Request::RemoveFile(owned(path))).await
}

/// Removes an empty directory.
///
/// # Errors
/// `NotFound`, `NotADirectory`, `DirectoryNotEmpty`.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::remove_dir(path).await;
    }
    done(Request::RemoveDir(owned(path))).await
}

/// Removes a directory and everything in it.
///
/// # Errors
/// `NotFound`, `NotADirectory`.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::remove_dir_all(path).await;
    }
    done(Request::RemoveDirAll(owned(path))).await
}

/// Renames a file or directory, over an existing one in one step.
///
/// # Errors
/// `NotFound`, and what rename(2) says of directories.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::rename(from, to).await;
    }
    done(Request::Rename(owned(from), owned(to))).await
}

/// Copies a file's bytes and permissions over another file. Gives the bytes copied.
///
/// # Errors
/// `InvalidInput` when `from` is no file, or as reading and writing them.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, io::Error> {
    if !is_current() {
        return real::copy(from, to).await;
    }
    match ask(Request::Copy(owned(from), owned(to))).await? {
        Reply::Position(copied) => Ok(copied),
        other => Err(misfit(&other)),
    }
}

/// Gives a file a second name.
///
/// # Errors
/// `AlreadyExists`, `NotFound`, `PermissionDenied` for a directory.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::hard_link(original, link).await;
    }
    done(Request::HardLink(owned(original), owned(link))).await
}

async fn stat(path: PathBuf) -> io::Result<Metadata> {
    stat_target(Target::Path(path)).await
}

async fn stat_target(target: Target) -> io::Result<Metadata> {
    match ask(Request::Metadata(target)).await? {
        Reply::Metadata(stat) => Ok((*stat).into()),
        other => Err(misfit(&other)),
    }
}

/// What is known of a file.
///
/// # Errors
/// As its path says.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    if !is_current() {
        return real::metadata(path).await.map(Metadata::from);
    }
    stat(owned(path)).await
}

/// As [`metadata`], of a symbolic link itself.
///
/// # Errors
/// As its path says.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    if !is_current() {
        return real::symlink_metadata(path).await.map(Metadata::from);
    }
    stat_target(Target::Link(owned(path))).await
}

/// Whether something has that name.
///
/// # Errors
/// When the path does not let itself be followed.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    if !is_current() {
        return real::try_exists(path).await;
    }
    match stat(owned(path)).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The absolute path of an existing file, without links, `.` and `..`.
///
/// # Errors
/// As its path says.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    if !is_current() {
        return real::canonicalize(path).await;
    }
    match ask(Request::Canonicalize(owned(path))).await? {
        Reply::Path(path) => Ok(path),
        other => Err(misfit(&other)),
    }
}

/// Sets a file's permission bits. A simulated disk keeps them and never enforces them.
///
/// # Errors
/// As its path says.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    if !is_current() {
        return real::set_permissions(path, permissions).await;
    }
    done(Request::SetMode(Target::Path(owned(path)), mode_of(&permissions))).await
}

#[cfg(unix)]
pub(super) fn mode_of(permissions: &Permissions) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(permissions)
}

#[cfg(not(unix))]
pub(super) fn mode_of(permissions: &Permissions) -> u32 {
    if permissions.readonly() { 0o444 } else { 0o644 }
}

/// Where a symbolic link leads.
///
/// # Errors
/// `InvalidInput` for what is no symbolic link, or as its path says.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    if !is_current() {
        return real::read_link(path).await;
    }
    match ask(Request::ReadLink(owned(path))).await? {
        Reply::Path(target) => Ok(target),
        other => Err(misfit(&other)),
    }
}

/// Makes a symbolic link.
///
/// # Errors
/// `AlreadyExists`, or as its path says.
#[cfg(unix)]
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    if !is_current() {
        return real::symlink(original, link).await;
    }
    done(Request::Symlink(owned(original), owned(link))).await
}
