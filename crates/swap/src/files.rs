//! Reading and writing files, with their names in errors. What has not changed is not written: cargo builds again what is
//! newer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::SwapError;

pub(crate) fn text(path: &Path) -> Result<String, SwapError> {
    fs::read_to_string(path).map_err(SwapError::file("read", path))
}

pub(crate) fn toml<T: DeserializeOwned>(path: &Path) -> Result<T, SwapError> {
    parse(path, &text(path)?)
}

pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, SwapError> {
    toml::from_str(text).map_err(|source| SwapError::Toml { path: path.to_owned(), source: Box::new(source) })
}

/// Writes `contents` unless the file holds just that.
pub(crate) fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<(), SwapError> {
    let contents = contents.as_ref();
    if fs::read(path).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(SwapError::file("make", folder))?;
    }
    fs::write(path, contents).map_err(SwapError::file("write", path))
}

/// Removes every file under `folder` that is not among `present`.
pub(crate) fn remove_others(folder: &Path, present: &BTreeSet<PathBuf>) -> Result<(), SwapError> {
    for entry in fs::read_dir(folder).map_err(SwapError::file("list", folder))? {
        let path = entry.map_err(SwapError::file("list", folder))?.path();
        if path.is_dir() {
            remove_others(&path, present)?;
        } else if !present.contains(&path) {
            fs::remove_file(&path).map_err(SwapError::file("remove", &path))?;
        }
    }
    Ok(())
}

pub(crate) fn remove_folder(path: &Path) -> Result<(), SwapError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(SwapError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A folder's name for what belongs to `path`: readable, and no other path's.
pub(crate) fn folder_name(name: &str, path: &Path) -> String {
    let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    format!("{name}-{}", &hash[..12])
}
