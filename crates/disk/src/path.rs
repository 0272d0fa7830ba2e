//! Paths as Linux reads them: absolute, or from the root, which is every node's working directory.

use std::ffi::OsStr;
use std::path::{Component, Path};

use crate::errno::Errno;

/// Longest name, in bytes: `NAME_MAX` of Linux.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest path, in bytes, its final NUL included: `PATH_MAX` of Linux.
pub const PATH_BYTES_MAX: usize = 4096;

/// One step of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step<'a> {
    Up,
    Into(&'a OsStr),
}

/// A path taken apart.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    /// It ends in `/` or `/.`: it must name a directory.
    pub(crate) directory: bool,
}

impl<'a> Steps<'a> {
    /// # Errors
    /// As [`check`].
    pub(crate) fn of(path: &'a Path) -> Result<Self, Errno> {
        let directory = check(path)?;
        let mut steps = Vec::new();
        for component in path.components() {
            match component {
                Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
                Component::ParentDir => steps.push(Step::Up),
                Component::Normal(name) => steps.push(Step::Into(name)),
            }
        }
        Ok(Self { steps, directory })
    }
}

/// Whether a path must name a directory: it ends in `/` or `/.`.
///
/// # Errors
/// `ENOENT` for an empty path, `EINVAL` for one with a NUL, `ENAMETOOLONG`.
pub(crate) fn check(path: &Path) -> Result<bool, Errno> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.contains(&0) {
        return Err(Errno::EINVAL);
    }
    if bytes.is_empty() {
        return Err(Errno::ENOENT);
    }
    if bytes.len() >= PATH_BYTES_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(bytes.ends_with(b"/") || bytes.ends_with(b"/."))
}

/// A name's length is checked where it is looked up, as Linux does: a missing directory before it is the first error.
pub(crate) fn check_name(name: &OsStr) -> Result<(), Errno> {
    if name.len() > NAME_BYTES_MAX { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
}
