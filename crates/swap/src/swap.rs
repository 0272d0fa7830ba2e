//! A project with simulated tokio in place of its own: what is written for it, and cargo run on it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, TargetKind};
use toml::{Table, Value};

use crate::error::SwapError;
use crate::shadow::Shadow;
use crate::{crates, files, package, registry, version};

/// A cargo project: a workspace, and the package in it that the user stands in.
#[derive(Clone, Debug)]
pub struct Project {
    /// The workspace's root.
    pub root: PathBuf,
    /// The manifest of the package that commands are about; the root's own, unless the user stands in a member.
    pub manifest: PathBuf,
    /// Where the project builds.
    pub target: PathBuf,
    /// What `cargo test` may run of it.
    pub targets: Vec<Target>,
}

/// Something that cargo builds a binary of tests from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The package.
    pub package: String,
    /// Its name, as its binary has it.
    pub name: String,
    /// The words that select it alone, as in `--test api`.
    pub words: Vec<String>,
}

fn targets(metadata: &Metadata) -> Vec<Target> {
    let all = metadata.packages.iter().flat_map(|package| package.targets.iter().map(move |target| (package, target)));
    let named = all.filter_map(|(package, target)| {
        let option = match target.kind.first()? {
            TargetKind::Test => "--test",
            TargetKind::Bin => "--bin",
            TargetKind::Example => "--example",
            TargetKind::Bench | TargetKind::CustomBuild => return None,
            _ => "--lib",
        };
        let mut words = vec![option.to_owned()];
        words.extend((option != "--lib").then(|| target.name.clone()));
        Some(Target { package: package.name.to_string(), name: target.name.replace('-', "_"), words })
    });
    named.collect()
}

impl Project {
    /// The project of the current folder, or of `manifest`. Reads and writes no lock file.
    ///
    /// # Errors
    /// There is no project, or cargo cannot read it.
    pub fn find(manifest: Option<&Path>) -> Result<Self, SwapError> {
        let mut command = MetadataCommand::new();
        command.cargo_path(cargo()).no_deps();
        if let Some(manifest) = manifest {
            command.manifest_path(manifest);
        }
        let metadata = command.exec()?;
        let targets = targets(&metadata);
        let root = metadata.workspace_root.into_std_path_buf();
        let manifest = match manifest {
            Some(manifest) => std::path::absolute(manifest).map_err(SwapError::file("find", manifest))?,
            None => {
                let here = env::current_dir().map_err(SwapError::file("find", Path::new(".")))?;
                let folder = here.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
                folder.unwrap_or(&root).join("Cargo.toml")
            }
        };
        Ok(Self { root, manifest, target: metadata.target_directory.into_std_path_buf(), targets })
    }
}

/// A project that is ready to be built against simulated tokio.
#[derive(Debug)]
pub struct Swap {
    project: Project,
    shadow: Shadow,
    output: PathBuf,
    /// What belongs to this project alone: its shadow, its lock, its configuration.
    own: PathBuf,
    /// The version of tokio that is stood in for.
    pub version: String,
}

/// The crates whose speed is that of the simulation, whatever profile the project builds with.
const OPTIMISED: [&str; 5] = ["tokio", "stormglass-kernel", "stormglass-net", "stormglass-disk", "stormglass-program"];

impl Swap {
    /// Writes what cargo needs to build `project` against simulated tokio. `offline` keeps cargo from the network.
    ///
    /// # Errors
    /// The project's tokio is not supported or not at hand, or something cannot be written.
    pub fn prepare(project: &Project, offline: bool) -> Result<Self, SwapError> {
        // One build for all projects that share a target folder, and a shadow for each.
        let output = project.target.join("stormglass");
        let name = project.root.file_name().unwrap_or_default().to_string_lossy();
        let own = output.join("shadows").join(files::folder_name(&name, &project.root));
        fs::create_dir_all(&own).map_err(SwapError::file("make", &own))?;
        let lock = Lock::take(project, &own)?;
        let shadow = Shadow::make(&project.root, &project.target, &own)?;
        let swap = Self { project: project.clone(), shadow, output, own, version: String::new() };
        lock.place(&swap, offline)?;
        let version = version::locked_tokio(&swap.own.join(Lock::SEED))?;
        let archive = swap.archive(&version, offline)?;
        let crates = swap.shadow.name(&crates::folder(&swap.output)?);
        let tokio = package::write(&swap.output, &crates, &archive, &version)?;
        files::write(&swap.own.join(CONFIG), configuration(&tokio).to_string())?;
        Ok(Self { version, ..swap })
    }

    /// A cargo command on the project as it now is. `runner` is what cargo is to call for each binary it would run.
    #[must_use]
    pub fn cargo(&self, subcommand: &str, arguments: &[OsString], runner: Option<&[String]>) -> Command {
        let mut command = self.plain_cargo();
        command.arg("--config").arg(self.own.join(CONFIG));
        if let Some(runner) = runner {
            let words = Value::Array(runner.iter().cloned().map(Value::String).collect());
            command.args(["--config", &format!("target.'cfg(all())'.runner = {words}")]);
            if let Some(triple) = host_triple() {
                command.args(["--config", &format!("target.{triple}.runner = {words}")]);
            }
        }
        command.arg(subcommand);
        if self.project.manifest != self.project.root.join("Cargo.toml") {
            command.arg("--manifest-path").arg(self.shadow.of(&self.project.manifest));
        }
        command.args(arguments);
        command
    }

    /// Cargo in the shadow workspace, without the swap.
    fn plain_cargo(&self) -> Command {
        let mut command = Command::new(cargo());
        command
            .current_dir(self.shadow.of(&self.project.root))
            .env("CARGO_TARGET_DIR", self.output.join("build"))
            .env_remove("CARGO_BUILD_TARGET_DIR");
        command
    }

    fn run_plain(&self, arguments: &[&str], offline: bool) -> Result<(), SwapError> {
        let mut command = self.plain_cargo();
        command.args(arguments).args(offline.then_some("--offline"));
        let folder = self.shadow.of(&self.project.root);
        let status = command.status().map_err(SwapError::file("run cargo in", &folder))?;
        if status.success() {
            return Ok(());
        }
        Err(SwapError::Cargo { command: arguments.join(" "), status: status.to_string(), folder })
    }

    fn archive(&self, version: &str, offline: bool) -> Result<PathBuf, SwapError> {
        let cargo_home = registry::cargo_home();
        if let Some(archive) = registry::archive(&cargo_home, version) {
            return Ok(archive);
        }
        let missing = SwapError::NotCached { version: version.to_owned(), cargo_home: cargo_home.clone() };
        if offline {
            return Err(missing);
        }
        self.run_plain(&["fetch"], false)?;
        registry::archive(&cargo_home, version).ok_or(missing)
    }
}

/// The configuration that cargo is given, in the project's own folder.
const CONFIG: &str = "config.toml";

fn configuration(tokio: &Path) -> Table {
    let text = |text: String| Value::String(text);
    let table = |entries: Vec<(&str, Value)>| {
        Value::Table(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let path = table(vec![("path", text(tokio.display().to_string()))]);
    let fast = table(vec![("opt-level", Value::Integer(3))]);
    let packages = table(OPTIMISED.iter().map(|name| (*name, fast.clone())).collect());
    let profile = table(vec![("dev", table(vec![("package", packages)]))]);
    let patch = table(vec![("crates-io", table(vec![("tokio", path)]))]);
    Table::from_iter([("patch".to_owned(), patch), ("profile".to_owned(), profile)])
}

/// The shadow's lock file: begun from the project's, kept from run to run while that stays the same.
struct Lock {
    seed: PathBuf,
    theirs: Option<String>,
    kept: Option<String>,
}

impl Lock {
    /// The project's lock as it was when the shadow's was begun.
    const SEED: &str = "Cargo.lock.seed";

    fn take(project: &Project, own: &Path) -> Result<Self, SwapError> {
        let path = project.root.join("Cargo.lock");
        let theirs = path.is_file().then(|| files::text(&path)).transpose()?;
        let seed = own.join(Self::SEED);
        let same = theirs.is_some() && fs::read_to_string(&seed).ok() == theirs;
        let top = Shadow::place(own, &project.root);
        let kept = if same { fs::read_to_string(top.join("Cargo.lock")).ok() } else { None };
        Ok(Self { seed, theirs, kept })
    }

    fn place(self, swap: &Swap, offline: bool) -> Result<(), SwapError> {
        let lock = swap.shadow.of(&swap.project.root).join("Cargo.lock");
        if let Some(theirs) = &self.theirs {
            files::write(&self.seed, theirs)?;
            return files::write(&lock, self.kept.as_ref().unwrap_or(theirs));
        }
        // A project without a lock file gets what cargo would give it now.
        swap.run_plain(&["generate-lockfile"], offline)?;
        files::write(&self.seed, files::text(&lock)?)
    }
}

/// The cargo that called us, or the one on the path.
fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

fn host_triple() -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
