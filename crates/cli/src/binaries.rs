//! Finding scenario binaries: which test targets of the workspace hold scenarios, and building them.

use std::{
    env,
    ffi::OsString,
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cargo_metadata::{Message, Metadata, MetadataCommand, Package, Target, TargetKind};
use stormglass_harness::{CommandHints, Exit};
use stormglass_swap::{Project, Swap};

use crate::{
    arguments::{BuildArguments, BuildProfile},
    error::CliError,
};

/// A scenario binary and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct ScenarioBinary {
    pub(crate) path: PathBuf,
    /// How lines to copy name it.
    pub(crate) hints: CommandHints,
}

/// The scenario binaries, and the folders that belong to their workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) binaries: Vec<ScenarioBinary>,
    /// Folder of the seeds files.
    pub(crate) seeds: PathBuf,
    /// Folder for what this program writes.
    pub(crate) output: PathBuf,
}

/// Where the flag stands that makes a package's test targets scenario targets.
const METADATA_HINT: &str =
    "mark the package with `[package.metadata.stormglass] scenarios = true` and give its test target `harness = false`";

/// Finds the scenario binaries, building them unless they were named.
pub(crate) fn workspace(build: &BuildArguments) -> Result<Workspace, CliError> {
    if !build.binary.is_empty() {
        let binaries = build.binary.iter().map(|path| named(path)).collect::<Result<_, _>>()?;
        let here = env::current_dir()?;
        let seeds = stormglass_harness::find_seeds_folder(&here).unwrap_or_else(|| here.join("seeds"));
        let seeds = build.seeds_dir.clone().unwrap_or(seeds);
        return Ok(Workspace { binaries, seeds, output: here.join("target/stormglass") });
    }
    let metadata = metadata()?;
    let root = metadata.workspace_root.clone().into_std_path_buf();
    let targets = scenario_targets(&metadata, build)?;
    if targets.is_empty() {
        return Err(CliError::new(Exit::NothingSelected, "no package here has scenarios").hint(METADATA_HINT));
    }
    let swap = build.swapped.then(|| Swap::prepare(&Project::find(None)?, false)).transpose()?;
    let mut binaries = Vec::new();
    // One build of all, so that what they share is compiled once; but a feature is each package's own, and one may lack it.
    let alone = build.planted.is_some() || !build.features.is_empty();
    let at_once = if alone { 1 } else { targets.len().max(1) };
    for packages in targets.chunks(at_once) {
        binaries.extend(compile(&metadata, swap.as_ref(), packages, build)?);
    }
    Ok(Workspace {
        binaries,
        seeds: build.seeds_dir.clone().unwrap_or_else(|| root.join("seeds")),
        output: metadata.target_directory.join("stormglass").into_std_path_buf(),
    })
}

fn named(path: &Path) -> Result<ScenarioBinary, CliError> {
    let path = path.canonicalize().map_err(|error| {
        CliError::usage(format_args!("--binary {}: {error}", path.display()))
            .hint("give the path of a built test target")
    })?;
    Ok(ScenarioBinary { path, hints: CommandHints::default() })
}

fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

fn metadata() -> Result<Metadata, CliError> {
    MetadataCommand::new()
        .cargo_path(cargo())
        .no_deps()
        .exec()
        .map_err(|error| CliError::new(Exit::Setup, format_args!("cannot read the workspace: {error}")))
}

/// The packages with scenarios and their test targets, in the order of their names.
fn scenario_targets<'a>(
    metadata: &'a Metadata,
    build: &BuildArguments,
) -> Result<Vec<(&'a Package, Vec<String>)>, CliError> {
    let members = metadata.workspace_packages();
    for wanted in &build.package {
        if members.iter().all(|package| package.name.as_str() != wanted) {
            let names = members.iter().map(|package| package.name.as_str());
            let near = stormglass_harness::suggestions(wanted, names);
            return Err(CliError::usage(format_args!("no package `{wanted}` in this workspace"))
                .hint(crate::fleet::did_you_mean(&near)));
        }
    }
    let mut found = Vec::new();
    for package in members {
        let flagged = package.metadata.pointer("/stormglass/scenarios").and_then(serde_json::Value::as_bool);
        let selected = build.package.is_empty() || build.package.iter().any(|wanted| package.name.as_str() == wanted);
        if flagged != Some(true) || !selected {
            continue;
        }
        let own_main = targets_with_own_main(package.manifest_path.as_std_path())?;
        let tests: Vec<String> = package
            .targets
            .iter()
            .filter(|target| target.kind.contains(&TargetKind::Test) && own_main.contains(&target.name))
            .filter(|target| !is_excepted(&package.metadata, &target.name))
            .map(|target| target.name.clone())
            .collect();
        if tests.is_empty() {
            let message = format!("package `{}` has no test target with `harness = false`", package.name);
            return Err(CliError::new(Exit::Setup, message).hint(METADATA_HINT));
        }
        found.push((package, tests));
    }
    found.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    Ok(found)
}

/// Whether a package keeps a target to itself: `[package.metadata.stormglass] except = ["name"]`.
fn is_excepted(metadata: &serde_json::Value, target: &str) -> bool {
    let except = metadata.pointer("/stormglass/except").and_then(serde_json::Value::as_array);
    except.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(target)))
}

/// The names of test targets with `harness = false`, which cargo's metadata does not tell.
fn targets_with_own_main(manifest: &Path) -> Result<Vec<String>, CliError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        CliError::new(Exit::Setup, format_args!("cannot read {}: {error}", manifest.display()))
    };
    let text = fs::read_to_string(manifest).map_err(|error| unreadable(&error))?;
    own_mains(&text).map_err(|error| unreadable(&error))
}

fn own_mains(manifest: &str) -> Result<Vec<String>, toml::de::Error> {
    let table: toml::Table = toml::from_str(manifest)?;
    let tests = table.get("test").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(tests
        .iter()
        .filter(|test| test.get("harness").and_then(toml::Value::as_bool) == Some(false))
        .filter_map(|test| test.get("name").and_then(toml::Value::as_str).map(str::to_owned))
        .collect())
}

/// Builds the scenario targets of some packages, in the order of the packages.
fn compile(
    metadata: &Metadata,
    swap: Option<&Swap>,
    packages: &[(&Package, Vec<String>)],
    build: &BuildArguments,
) -> Result<Vec<ScenarioBinary>, CliError> {
    let mut features = build.features.clone();
    if build.planted.is_some() && !features.iter().any(|feature| feature == "planted") {
        features.push("planted".to_owned());
    }
    let mut words = vec!["--no-run", "--message-format=json-render-diagnostics"];
    for (package, tests) in packages {
        words.extend(["--package", package.name.as_str()]);
        words.extend(tests.iter().flat_map(|test| ["--test", test]));
    }
    if build.profile_build == BuildProfile::Release {
        words.push("--release");
    }
    let listed = features.join(",");
    if !features.is_empty() {
        words.extend(["--features", &listed]);
    }
    let mut command = match swap {
        Some(swap) => swap.cargo("test", &words.iter().map(OsString::from).collect::<Vec<_>>(), None),
        None => {
            let mut command = Command::new(cargo());
            command.current_dir(&metadata.workspace_root).arg("test").args(&words);
            command
        }
    };
    let failed =
        |error: &dyn std::fmt::Display| CliError::new(Exit::Setup, format_args!("cannot build the scenarios: {error}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| failed(&error))?;
    let output = child.stdout.take().ok_or_else(|| failed(&"cargo has no output"))?;
    let mut binaries = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        let Message::CompilerArtifact(artifact) = message.map_err(|error| failed(&error))? else { continue };
        let of = owner(metadata, packages, &artifact.target);
        if let (Some(path), Some(of)) = (artifact.executable, of) {
            let hints = CommandHints {
                package: Some(packages[of].0.name.to_string()),
                target: Some(artifact.target.name),
                features: features.clone(),
            };
            binaries.push((of, ScenarioBinary { path: path.into_std_path_buf(), hints }));
        }
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&format_args!("cargo ended with {status}")).hint("the compiler's messages are above"));
    }
    binaries.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
    Ok(binaries.into_iter().map(|(_, binary)| binary).collect())
}

/// Whose target this is: another package may have one of the same name. A swapped build is of copies of the packages, which lie
/// elsewhere in the same order.
fn owner(metadata: &Metadata, packages: &[(&Package, Vec<String>)], built: &Target) -> Option<usize> {
    let place = |(at, (package, tests)): (usize, &(&Package, Vec<String>))| {
        let target = package.targets.iter().find(|target| target.name == built.name && tests.contains(&target.name))?;
        let path = target.src_path.strip_prefix(&metadata.workspace_root).unwrap_or(&target.src_path);
        built.src_path.ends_with(path).then_some((path.as_str().len(), at))
    };
    packages.iter().enumerate().filter_map(place).max().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_its_package_excepts_is_left_alone() {
        let metadata = serde_json::json!({ "stormglass": { "scenarios": true, "except": ["selftest"] } });
        assert!(is_excepted(&metadata, "selftest"));
        assert!(!is_excepted(&metadata, "raft"));
        assert!(!is_excepted(&serde_json::Value::Null, "selftest"));
    }

    #[test]
    fn only_targets_with_a_main_of_their_own_hold_scenarios() {
        let manifest = "[[test]]\nname = \"raft\"\nharness = false\n[[test]]\nname = \"unit\"\n[[test]]\nname = \"on\"\nharness = true\n";
        assert_eq!(own_mains(manifest).unwrap(), ["raft"]);
        assert!(own_mains("[package]\nname = \"x\"\n").unwrap().is_empty());
        assert!(own_mains("[[test]\n").is_err());
    }
}
