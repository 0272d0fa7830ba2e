//! Which tokio a project has locked, and whether the façade stands in for it.

use std::path::Path;

use serde::Deserialize;

use crate::error::SwapError;
use crate::files;

/// The versions of tokio that the façade stands in for: those whose public API is listed beside it and compared with its
/// own. 1.54.0 was withdrawn; 1.53 lacks methods that the façade calls outside a simulation.
pub const SUPPORTED: [&str; 1] = ["1.54.1"];

#[derive(Debug, Deserialize)]
struct LockFile {
    #[serde(default)]
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
}

/// The version of tokio 1 in a lock file.
///
/// # Errors
/// There is none, it comes from elsewhere, or it is not supported.
pub(crate) fn locked_tokio(lock: &Path) -> Result<String, SwapError> {
    let file: LockFile = files::toml(lock)?;
    let mut found = file.package.into_iter().filter(|p| p.name == "tokio" && p.version.starts_with("1."));
    let Some(Locked { version, source, .. }) = found.next() else { return Err(SwapError::NoTokio) };
    match source {
        None => return Err(SwapError::ForeignTokio { from: "a path".to_owned() }),
        Some(source) if !source.contains("crates.io") => return Err(SwapError::ForeignTokio { from: source }),
        Some(_) => {}
    }
    if SUPPORTED.contains(&version.as_str()) { Ok(version) } else { Err(SwapError::Unsupported { found: version }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lock: &str) -> Result<String, SwapError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Cargo.lock");
        std::fs::write(&path, lock).unwrap();
        locked_tokio(&path)
    }

    fn package(name: &str, version: &str, source: &str) -> String {
        let source = if source.is_empty() { String::new() } else { format!("source = \"{source}\"\n") };
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}\n")
    }

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    #[test]
    fn the_locked_version_is_followed() {
        let lock = package("tokio", "0.2.25", CRATES_IO) + &package("tokio", "1.54.1", CRATES_IO);
        assert_eq!(asked(&lock).unwrap(), "1.54.1");
    }

    #[test]
    fn other_versions_are_refused_and_the_message_says_which_are_not() {
        let error = asked(&package("tokio", "1.2.0", CRATES_IO)).unwrap_err().to_string();
        assert!(error.contains("1.2.0") && SUPPORTED.iter().all(|version| error.contains(version)), "{error}");
    }

    #[test]
    fn every_supported_version_has_a_list_of_its_api() {
        let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tokio/api");
        for version in SUPPORTED {
            assert!(lists.join(format!("tokio-{version}.txt")).is_file(), "no list of tokio {version}");
        }
    }

    #[test]
    fn a_project_without_tokio_or_with_another_one_is_refused() {
        assert!(matches!(asked(&package("mio", "1.0.0", CRATES_IO)), Err(SwapError::NoTokio)));
        assert!(matches!(asked(&package("tokio", "1.54.1", "")), Err(SwapError::ForeignTokio { .. })));
        let fork = package("tokio", "1.54.1", "git+https://example.com/tokio");
        assert!(matches!(asked(&fork), Err(SwapError::ForeignTokio { .. })));
    }
}
