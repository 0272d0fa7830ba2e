//! The few file operations that crash safety is made of: whole-file replacement, and syncing a directory.

use std::path::{Path, PathBuf};

use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::StorageError;

/// The suffix of files that are being written and mean nothing yet.
const UNFINISHED: &str = ".tmp";

/// Makes entries created, renamed or removed in the directory durable.
pub(super) async fn sync_dir(dir: &Path) -> Result<(), StorageError> {
    let handle = File::open(dir).await.map_err(StorageError::io("open directory", dir))?;
    handle.sync_all().await.map_err(StorageError::io("sync directory", dir))
}

/// Replaces (or creates) a file atomically: after a crash it holds the old content or the new, whole.
pub(super) async fn replace(dir: &Path, name: &str, parts: &[&[u8]]) -> Result<(), StorageError> {
    put_in_place(dir, name, parts).await?;
    sync_dir(dir).await
}

/// As [`replace`], but until the directory is synced the name may still lead to the old content.
pub(super) async fn put_in_place(dir: &Path, name: &str, parts: &[&[u8]]) -> Result<(), StorageError> {
    let unfinished = dir.join(format!("{name}{UNFINISHED}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&unfinished)
        .await
        .map_err(StorageError::io("create", &unfinished))?;
    for part in parts {
        file.write_all(part).await.map_err(StorageError::io("write", &unfinished))?;
    }
    file.flush().await.map_err(StorageError::io("write", &unfinished))?;
    file.sync_all().await.map_err(StorageError::io("sync", &unfinished))?;
    drop(file);
    fs::rename(&unfinished, dir.join(name)).await.map_err(StorageError::io("rename", &unfinished))
}

/// Overwrites a file where it lies, as only a planted bug does: a crash may leave a mixture of the old and the new.
pub(super) async fn overwrite(path: &Path, content: &[u8]) -> Result<(), StorageError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .await
        .map_err(StorageError::io("open", path))?;
    file.write_all(content).await.map_err(StorageError::io("write", path))?;
    file.flush().await.map_err(StorageError::io("write", path))?;
    file.sync_all().await.map_err(StorageError::io("sync", path))
}

/// The names in a directory, sorted.
pub(super) async fn names(dir: &Path) -> Result<Vec<String>, StorageError> {
    let mut listing = fs::read_dir(dir).await.map_err(StorageError::io("list", dir))?;
    let mut names = Vec::new();
    while let Some(entry) = listing.next_entry().await.map_err(StorageError::io("list", dir))? {
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Removes files whose writing a crash interrupted.
pub(super) async fn remove_leftovers(dir: &Path) -> Result<(), StorageError> {
    for name in names(dir).await? {
        if name.ends_with(UNFINISHED) {
            let path = dir.join(name);
            fs::remove_file(&path).await.map_err(StorageError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Reads a file whole; `None` if there is none.
pub(super) async fn read(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path).await {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", path)(error)),
    }
}

/// The number in a name like `PREFIX0000000000000abc.SUFFIX`.
pub(super) fn number(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// The name with a number in it that sorts as the number does.
pub(super) fn numbered(dir: &Path, prefix: &str, number: u64, suffix: &str) -> PathBuf {
    dir.join(format!("{prefix}{number:016x}{suffix}"))
}
