//! The two packages that are written: `real-tokio`, which is tokio as released under another name, and `tokio`, which is
//! the façade under tokio's name, version and features.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::error::SwapError;
use crate::{crates, files, registry};

/// What the façade uses of tokio.
const REAL_FEATURES: [&str; 2] = ["full", "test-util"];

/// The key under which packages that depend on a swapped tokio learn of it in their build scripts.
const LINKS: &str = "stormglass-swapped-tokio";

/// The façade's parts are behind a feature in its own package; here they are always there, whatever a dependent asks for.
const BUILD_SCRIPT: &str = r#"//! Every part of the facade is there, and packages that depend on it are told that it stands in for tokio.

fn main() {
    println!("cargo::rustc-cfg=simulated");
    println!("cargo::metadata=swapped=1");
    println!("cargo::rerun-if-changed=build.rs");
}
"#;

/// Writes both packages, `real-tokio` and `tokio`, under `output`, and gives the folder of `tokio`. It depends on our own
/// crates in the folder `crates`; projects that share those and the output share one build of everything beneath them.
pub(crate) fn write(output: &Path, crates: &Path, archive: &Path, version: &str) -> Result<PathBuf, SwapError> {
    let real = output.join(format!("real-tokio-{version}"));
    let manifest = registry::unpack(archive, version, &real)?;
    let manifest: Table = files::parse(&archive.join("Cargo.toml"), &manifest)?;
    let names = feature_names(&manifest);
    files::write(&real.join("Cargo.toml"), real_manifest(manifest).to_string())?;
    let tokio = output.join(files::folder_name(&format!("tokio-{version}"), crates));
    let mut present = BTreeSet::new();
    for (name, text) in crates::facade_source() {
        files::write(&tokio.join(name), text)?;
        present.insert(tokio.join(name));
    }
    // A file of an earlier façade could be taken for a module of this one.
    files::remove_others(&tokio.join("src"), &present)?;
    files::write(&tokio.join("build.rs"), BUILD_SCRIPT)?;
    files::write(&tokio.join("Cargo.toml"), swapped_manifest(&real, crates, version, names)?.to_string())?;
    Ok(tokio)
}

/// tokio's manifest under another name, without what only its own tests need.
fn real_manifest(mut manifest: Table) -> Table {
    for key in ["dev-dependencies", "test", "bench", "example", "lints", "badges"] {
        manifest.remove(key);
    }
    if let Some(targets) = manifest.get_mut("target").and_then(Value::as_table_mut) {
        for target in targets.iter_mut().filter_map(|(_, target)| target.as_table_mut()) {
            target.remove("dev-dependencies");
        }
    }
    if let Some(package) = manifest.get_mut("package").and_then(Value::as_table_mut) {
        package.insert("name".to_owned(), Value::String("real-tokio".to_owned()));
    }
    quiet(&mut manifest);
    manifest
}

/// Registry packages are built without warnings; so are these.
fn quiet(manifest: &mut Table) {
    let allow = Table::from_iter([("warnings".to_owned(), Value::String("allow".to_owned()))]);
    manifest.insert("lints".to_owned(), Value::Table(Table::from_iter([("rust".to_owned(), Value::Table(allow))])));
    // A workspace of its own, so that cargo looks for none above.
    manifest.insert("workspace".to_owned(), Value::Table(Table::new()));
}

/// Every feature that a dependent may name, those of optional dependencies included.
fn feature_names(manifest: &Table) -> BTreeSet<String> {
    let features = manifest.get("features").and_then(Value::as_table);
    let mut names: BTreeSet<String> = features.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let targets = manifest.get("target").and_then(Value::as_table);
    let sections = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table());
    for section in std::iter::once(manifest).chain(sections) {
        let dependencies = section.get("dependencies").and_then(Value::as_table);
        for (name, specification) in dependencies.into_iter().flatten() {
            if specification.get("optional").and_then(Value::as_bool) == Some(true) {
                names.insert(name.clone());
            }
        }
    }
    names
}

fn swapped_manifest(real: &Path, crates: &Path, version: &str, names: BTreeSet<String>) -> Result<Table, SwapError> {
    let text = |value: &str| Value::String(value.to_owned());
    let mut dependencies = crates::facade_dependencies(crates)?;
    let features = REAL_FEATURES.map(text).to_vec();
    let real = Table::from_iter([
        ("package".to_owned(), text("real-tokio")),
        ("path".to_owned(), text(&real.display().to_string())),
        ("features".to_owned(), Value::Array(features)),
    ]);
    dependencies.insert("real_tokio".to_owned(), Value::Table(real));
    let package = Table::from_iter([
        ("name".to_owned(), text("tokio")),
        ("version".to_owned(), text(version)),
        ("edition".to_owned(), text("2024")),
        ("links".to_owned(), text(LINKS)),
        ("build".to_owned(), text("build.rs")),
        ("publish".to_owned(), Value::Boolean(false)),
    ]);
    let features = names.into_iter().map(|name| (name, Value::Array(Vec::new())));
    let mut manifest = Table::from_iter([
        ("package".to_owned(), Value::Table(package)),
        ("dependencies".to_owned(), Value::Table(dependencies)),
        ("features".to_owned(), Value::Table(features.collect())),
    ]);
    quiet(&mut manifest);
    Ok(manifest)
}
