//! The façade offers every name of the tokio it stands in for, with the same signature and the same auto traits.
//!
//! `api/tokio-<version>.txt` is the public API of a version of tokio, one line per name; `api/differences.txt` lists the
//! lines that the façade does not have, each with its reason. Both APIs are read from rustdoc's JSON. To write the list of
//! the locked version anew: `STORMGLASS_WRITE_API=1 cargo test -p stormglass-tokio --test api`.

mod listing;
mod render;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use listing::{Api, Listing};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The target folder of this very build, where most of what rustdoc needs is there already, or will be used again.
fn target() -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    own.parent().expect("it is a folder of the target folder").to_owned()
}

/// A rustdoc that may give unstable output, as its JSON is. Only rustdoc: build scripts look at `RUSTC_BOOTSTRAP`, and
/// procedural macros would be built anew under the names of those that are in use.
fn rustdoc() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rustdoc-json.sh");
    std::fs::write(&path, "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n").expect("the script is written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("the script is ours");
    path
}

/// The version of tokio in the lock file.
fn locked_version() -> String {
    let lock = std::fs::read_to_string(here().join("../../Cargo.lock")).expect("the workspace has a lock file");
    let (_, after) = lock.split_once("name = \"tokio\"\nversion = \"").expect("tokio is locked");
    after.split('"').next().unwrap_or_default().to_owned()
}

/// The JSON that rustdoc writes about a package.
fn document(package: &[&str], file: &str) -> String {
    let target = target();
    let output = Command::new(env!("CARGO"))
        .current_dir(here())
        .args(["rustdoc", "--lib", "--offline", "--target-dir"])
        .arg(&target)
        .args(package)
        .args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .env("RUSTDOC", rustdoc())
        .env_remove("RUSTDOCFLAGS")
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo rustdoc {package:?} failed:\n{said}");
    std::fs::read_to_string(target.join("doc").join(file)).expect("rustdoc wrote its JSON")
}

fn real() -> Listing {
    listing::read(&document(&["-p", "tokio"], "tokio.json"), None).expect("the JSON is readable")
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The lines that the façade does not have, and why.
fn differences() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(here().join("api/differences.txt")).expect("the list of differences");
    let mut reason = String::new();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        match line.strip_prefix('#') {
            Some(words) => reason = words.trim().to_owned(),
            None if line.is_empty() => {}
            None => drop(all.insert(line.to_owned(), reason.clone())),
        }
    }
    all
}

#[test]
fn the_facade_has_tokios_names_with_tokios_signatures() {
    let version = locked_version();
    let path = here().join(format!("api/tokio-{version}.txt"));
    let real = real();
    if std::env::var_os("STORMGLASS_WRITE_API").is_some() {
        let all: Vec<&str> = real.api.iter().map(String::as_str).collect();
        std::fs::write(&path, all.join("\n") + "\n").expect("the list is written");
    }
    let listed = std::fs::read_to_string(&path);
    let listed = listed.unwrap_or_else(|_| panic!("tokio {version} is not supported: there is no {}", path.display()));
    let listed: Api = lines(&listed).map(str::to_owned).collect();
    let unlisted: Vec<_> = real.api.symmetric_difference(&listed).collect();
    assert!(unlisted.is_empty(), "tokio {version} has another API than the list says: {unlisted:#?}");

    let facade = document(&["-p", "stormglass-tokio", "--features", "sim"], "stormglass_tokio.json");
    let facade = listing::read(&facade, Some(&real)).expect("the JSON is readable").api;
    let known = differences();
    let missing: Vec<_> = listed.difference(&facade).filter(|line| !known.contains_key(*line)).collect();
    if let Some(path) = std::env::var_os("STORMGLASS_WRITE_FACADE") {
        let all: Vec<&str> = facade.iter().map(String::as_str).collect();
        std::fs::write(path, all.join("\n")).expect("the list is written");
    }
    assert!(
        missing.is_empty(),
        "{} of {} lines of tokio's API are neither in the façade nor among the differences:\n{}",
        missing.len(),
        listed.len(),
        missing.iter().map(|line| line.as_str()).collect::<Vec<_>>().join("\n")
    );
    let needless: Vec<_> = known.keys().filter(|line| facade.contains(*line) || !listed.contains(*line)).collect();
    assert!(needless.is_empty(), "these are no differences: {needless:#?}");
    let unexplained: Vec<_> = known.iter().filter(|(_, reason)| reason.is_empty()).map(|(line, _)| line).collect();
    assert!(unexplained.is_empty(), "these differences have no reason: {unexplained:#?}");
}
