//! The source of a tokio release, from cargo's registry cache: as it was downloaded, never changed in place.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::error::SwapError;
use crate::files;

/// Where cargo keeps its registries: `CARGO_HOME`, or `.cargo` in the home folder.
pub(crate) fn cargo_home() -> PathBuf {
    let given = env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_else(|| PathBuf::from(".cargo"))
}

/// The archive of `tokio-VERSION` in the cache, if it has been downloaded.
pub(crate) fn archive(cargo_home: &Path, version: &str) -> Option<PathBuf> {
    let registries = fs::read_dir(cargo_home.join("registry/cache")).ok()?;
    let mut found: Vec<PathBuf> = registries
        .filter_map(Result::ok)
        .map(|registry| registry.path().join(format!("tokio-{version}.crate")))
        .filter(|archive| archive.is_file())
        .collect();
    found.sort();
    found.into_iter().next()
}

/// Unpacks an archive of tokio into `folder`: its library and its manifest, for [`crate::package`] to rename. Tests and
/// benches stay behind.
pub(crate) fn unpack(archive: &Path, version: &str, folder: &Path) -> Result<String, SwapError> {
    let file = File::open(archive).map_err(SwapError::file("open", archive))?;
    let mut unpacked = tar::Archive::new(GzDecoder::new(file));
    let root = PathBuf::from(format!("tokio-{version}"));
    let mut manifest = String::new();
    let damaged = || SwapError::file("unpack", archive);
    for entry in unpacked.entries().map_err(damaged())? {
        let mut entry = entry.map_err(damaged())?;
        let path = entry.path().map_err(damaged())?.into_owned();
        let Ok(name) = path.strip_prefix(&root) else { continue };
        if name == Path::new("Cargo.toml") {
            entry.read_to_string(&mut manifest).map_err(damaged())?;
        } else if name.starts_with("src") || name == Path::new("README.md") {
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).map_err(damaged())?;
            files::write(&folder.join(name), contents)?;
        }
    }
    if manifest.is_empty() {
        let missing = std::io::Error::new(std::io::ErrorKind::InvalidData, "it holds no Cargo.toml");
        return Err(SwapError::file("unpack", archive)(missing));
    }
    Ok(manifest)
}
