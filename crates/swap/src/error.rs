//! Why a project cannot be built against simulated tokio.

use std::io;
use std::path::{Path, PathBuf};

use crate::version::SUPPORTED;

/// Why a project cannot be built against simulated tokio, or its tests not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was tried, as in `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A manifest or lock file is not TOML.
    #[error("cannot read {path}: {source}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// Cargo does not describe the project.
    #[error("cargo does not describe this project: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    /// A cargo command that had to work did not.
    #[error("`cargo {command}` ended with {status} in {folder}")]
    Cargo {
        /// Its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// Where it ran.
        folder: PathBuf,
    },
    /// The project does not use tokio.
    #[error("no package of this project depends on tokio 1: there is nothing to simulate")]
    NoTokio,
    /// The locked tokio is not one that the façade stands in for.
    #[error("this project has locked tokio {found}; what can be simulated is {}", SUPPORTED.join(", "))]
    Unsupported {
        /// The version in the lock file.
        found: String,
    },
    /// The locked tokio comes from elsewhere than crates.io.
    #[error("this project's tokio comes from {from}; only tokio of crates.io can be swapped")]
    ForeignTokio {
        /// The source in the lock file, or `a path`.
        from: String,
    },
    /// The source of the locked tokio is not in the registry cache.
    #[error("tokio {version} is not in the registry cache under {cargo_home}")]
    NotCached {
        /// The version.
        version: String,
        /// Where the cache was looked for.
        cargo_home: PathBuf,
    },
    /// A test binary could not be run, or its answers not be read.
    #[error("cannot run {path}: {why}")]
    Binary {
        /// The binary.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl SwapError {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// What to do about it; empty where the message says it all.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "pick one of these with `cargo update -p tokio --precise VERSION`",
            Self::NotCached { .. } => "run `cargo fetch` once with a network",
            Self::ForeignTokio { .. } => "remove the patch or path that replaces it",
            Self::Cargo { .. } => "cargo's own messages are above",
            _ => "",
        }
    }
}
