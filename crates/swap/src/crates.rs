//! The crates that a swapped tokio consists of: those of a checkout, where this was built in one that is still there;
//! otherwise the copies that this crate carries.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::error::SwapError;
use crate::files;

mod embedded {
    //! What the build script found.
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// The façade's own folder.
const FACADE: &str = "tokio/";

/// The folder of `crates/…` to depend on.
pub(crate) fn folder(output: &Path) -> Result<PathBuf, SwapError> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if checkout.join("kernel/Cargo.toml").is_file()
        && let Ok(checkout) = checkout.canonicalize()
    {
        return Ok(checkout);
    }
    carried(&output.join("sources"))
}

/// Writes the copies that this crate carries to `root`, and gives the folder of the crates.
fn carried(root: &Path) -> Result<PathBuf, SwapError> {
    let crates = root.join("crates");
    let mut present = BTreeSet::new();
    for (name, text) in embedded::FILES {
        let path = crates.join(name);
        if path.ends_with("Cargo.toml") {
            files::write(&path, without_tests(files::parse(&path, text)?).to_string())?;
        } else {
            files::write(&path, text)?;
        }
        present.insert(path);
    }
    files::remove_others(&crates, &present)?;
    files::write(&root.join("Cargo.toml"), workspace()?.to_string())?;
    Ok(crates)
}

/// A manifest without what lies beside `src`, which is not carried.
fn without_tests(mut manifest: Table) -> Table {
    for key in ["dev-dependencies", "test", "bench", "example"] {
        manifest.remove(key);
    }
    manifest
}

/// The workspace's manifest, whose members are the carried crates alone.
fn workspace() -> Result<Table, SwapError> {
    let mut manifest: Table = files::parse(Path::new("Cargo.toml"), embedded::WORKSPACE)?;
    if let Some(workspace) = manifest.get_mut("workspace").and_then(Value::as_table_mut) {
        workspace.insert("members".to_owned(), Value::Array(vec![Value::String("crates/*".to_owned())]));
    }
    manifest.remove("profile");
    Ok(manifest)
}

/// The façade's source files: names under `src`, and texts.
pub(crate) fn facade_source() -> impl Iterator<Item = (&'static str, &'static str)> {
    let files = embedded::FILES.iter().filter_map(|(name, text)| Some((name.strip_prefix(FACADE)?, *text)));
    files.filter(|(name, _)| name.starts_with("src/"))
}

/// What the façade depends on, as its manifest and the workspace's say it: name to specification, with our own crates
/// by their path in `crates`.
pub(crate) fn facade_dependencies(crates: &Path) -> Result<Table, SwapError> {
    let manifest = embedded::FILES.iter().find(|(name, _)| *name == "tokio/Cargo.toml").map_or("", |(_, text)| *text);
    let manifest: Table = files::parse(Path::new("crates/tokio/Cargo.toml"), manifest)?;
    let workspace = workspace()?;
    let shared = workspace.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
    let own = manifest.get("dependencies").and_then(Value::as_table);
    let mut dependencies = Table::new();
    for (name, specification) in own.into_iter().flatten() {
        let mut resolved = table_of(specification);
        if resolved.remove("workspace").is_some() {
            let mut base = shared.and_then(|shared| shared.get(name)).map(table_of).unwrap_or_default();
            for (key, value) in resolved {
                match (key.as_str(), base.get_mut(&key), &value) {
                    ("features", Some(Value::Array(present)), Value::Array(more)) => present.extend(more.clone()),
                    _ => _ = base.insert(key, value),
                }
            }
            resolved = base;
        }
        // Every part of the façade is there always: it is a feature no longer.
        resolved.remove("optional");
        if let Some(path) = resolved.get("path").and_then(Value::as_str) {
            let path = crates.join(Path::new(path).file_name().unwrap_or_default());
            resolved.insert("path".to_owned(), Value::String(path.display().to_string()));
        }
        dependencies.insert(name.clone(), Value::Table(resolved));
    }
    Ok(dependencies)
}

fn table_of(specification: &Value) -> Table {
    match specification {
        Value::Table(table) => table.clone(),
        Value::String(version) => Table::from_iter([("version".to_owned(), Value::String(version.clone()))]),
        _ => Table::new(),
    }
}

#[cfg(test)]
mod tests {
    use cargo_metadata::MetadataCommand;

    use super::*;

    #[test]
    fn what_is_carried_is_a_workspace_that_cargo_understands() {
        let folder = tempfile::tempdir().unwrap();
        let stale = folder.path().join("crates/net/src/of_an_earlier_version.rs");
        files::write(&stale, "").unwrap();
        let crates = carried(folder.path()).unwrap();
        assert!(!stale.exists() && crates.join("net/src/lib.rs").is_file());
        let manifest = folder.path().join("Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
        let mut names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
        names.sort_unstable();
        let expected = ["disk", "kernel", "macros", "net", "program", "sys", "tokio"];
        assert_eq!(names, expected.map(|name| format!("stormglass-{name}")));
        // Whatever one of them needs of ours is carried too.
        for dependency in metadata.packages.iter().flat_map(|package| &package.dependencies) {
            let path = dependency.path.as_ref().map(|path| path.join("src/lib.rs"));
            assert!(path.is_none_or(|path| path.is_file()), "{} is not carried", dependency.name);
        }
    }
}
