//! The arms: how each is built, and how it is asked for a row.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use measure::{Measured, Row};

/// One runtime as the table knows it.
pub(crate) struct Source {
    /// The column's title.
    name: &'static str,
    package: &'static str,
    /// Flags for every crate of its build, which then has a target folder of its own.
    flags: Option<&'static str>,
}

/// What the table calls the house's own.
pub(crate) const OURS: &str = "Stormglass";

/// In the order of the columns.
pub(crate) const ARMS: [Source; 4] = [
    Source { name: OURS, package: "stormglass-arm", flags: None },
    Source { name: "madsim 0.2.34", package: "madsim-arm", flags: Some("--cfg madsim") },
    Source { name: "moonpool-sim 0.8", package: "moonpool-arm", flags: None },
    Source { name: "turmoil 0.7.2", package: "turmoil-arm", flags: None },
];

impl Source {
    /// The column's title.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

/// An arm that is built.
pub(crate) struct Arm {
    /// The column's title.
    pub(crate) name: &'static str,
    binary: PathBuf,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArmError {
    /// cargo or an arm could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// What was to be started.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An arm did not build.
    #[error("{package} does not build; cargo's messages are above")]
    Build {
        /// Its package.
        package: &'static str,
    },
    /// An arm ended without a figure.
    #[error("{arm} gave no figure for `{row}`: {status}")]
    Failed {
        /// The arm.
        arm: &'static str,
        /// The row.
        row: String,
        /// How it ended.
        status: String,
    },
}

/// Builds an arm in a target folder beside this program's own.
pub(crate) fn build(source: &Source) -> Result<Arm, ArmError> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let here = std::env::current_exe().map_err(|source| ArmError::Start { program: "this program".into(), source })?;
    // This program is TARGET/release/peers.
    let target = here.ancestors().nth(2).unwrap_or(Path::new("target")).join(match source.flags {
        None => "arms".to_owned(),
        Some(_) => source.package.to_owned(),
    });
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--manifest-path"]).arg(&manifest);
    // Arms of the same flags are built together: crates that they share then have one set of features, and are built once.
    for alike in ARMS.iter().filter(|alike| alike.flags == source.flags) {
        cargo.args(["--package", alike.package]);
    }
    cargo.arg("--target-dir").arg(&target).stdout(Stdio::null());
    if let Some(flags) = source.flags {
        cargo.env("RUSTFLAGS", flags);
    }
    let status = cargo.status().map_err(|source| ArmError::Start { program: "cargo".into(), source })?;
    if !status.success() {
        return Err(ArmError::Build { package: source.package });
    }
    Ok(Arm { name: source.name, binary: target.join("release").join(source.package) })
}

impl Arm {
    /// Does `row` once, in a fresh process. `None` where the runtime has no such thing.
    pub(crate) fn measure(&self, row: Row) -> Result<Option<Measured>, ArmError> {
        let output = Command::new(&self.binary)
            .arg(row.name())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| ArmError::Start { program: self.binary.display().to_string(), source })?;
        let text = String::from_utf8_lossy(&output.stdout);
        // A runtime may print too: the figure is the last line.
        let line = text.lines().last().filter(|_| output.status.success());
        line.and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| ArmError::Failed {
            arm: self.name,
            row: row.name(),
            status: output.status.to_string(),
        })
    }
}
