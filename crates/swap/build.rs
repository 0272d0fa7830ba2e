//! Puts the sources of the crates that a swapped tokio consists of into this crate, so that an installed command line
//! needs no checkout beside it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates below the façade, and the façade.
const CRATES: [&str; 7] = ["kernel", "sys", "net", "disk", "program", "macros", "tokio"];

fn main() {
    let crates = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let mut files = Vec::new();
    for name in CRATES {
        let folder = crates.join(name);
        files.push(folder.join("Cargo.toml"));
        if folder.join("build.rs").exists() {
            files.push(folder.join("build.rs"));
        }
        println!("cargo::rerun-if-changed={}", folder.join("src").display());
        collect(&folder.join("src"), &mut files);
    }
    files.sort();
    let mut text = String::from("pub(crate) const FILES: &[(&str, &str)] = &[\n");
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&crates).unwrap_or(file).display().to_string();
        let _ = writeln!(text, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    text.push_str("];\n");
    let root = crates.join("../Cargo.toml");
    println!("cargo::rerun-if-changed={}", root.display());
    let _ = writeln!(text, "pub(crate) const WORKSPACE: &str = include_str!({:?});", root.display().to_string());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("embedded.rs");
    if let Err(error) = fs::write(&out, text) {
        panic!("{}: {error}", out.display());
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
