//! Finding and building scenarios in a workspace. Cargo's metadata are real; its build is played by a script that answers
//! with the fixture, so that nothing is compiled.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Ran, fixture};

/// A package with one scenario target, one ordinary test target, and a cargo that writes down how it is called.
fn package(folder: &Path, metadata: &str, build_exit: i32) {
    let manifest = format!(
        "[package]\nname = \"kv-scenarios\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{metadata}\n[features]\nplanted = []\n\
         [[test]]\nname = \"cases\"\nharness = false\n[[test]]\nname = \"ordinary\"\n"
    );
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::create_dir_all(folder.join("tests")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    fs::write(folder.join("tests/cases.rs"), "fn main() {}").unwrap();
    fs::write(folder.join("tests/ordinary.rs"), "").unwrap();
    let artifact = serde_json::json!({
        "reason": "compiler-artifact",
        "package_id": "path+file:///kv-scenarios#0.1.0",
        "manifest_path": folder.join("Cargo.toml"),
        "target": {
            "kind": ["test"], "crate_types": ["bin"], "name": "cases", "src_path": folder.join("tests/cases.rs"),
            "edition": "2024", "doc": false, "doctest": false, "test": true,
        },
        "profile": { "opt_level": "0", "debuginfo": 0, "debug_assertions": true, "overflow_checks": true, "test": true },
        "features": [], "filenames": [fixture()], "executable": fixture(), "fresh": true,
    });
    let real = env!("CARGO");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = metadata ]; then exec '{real}' \"$@\"; fi\necho \"$@\" >> calls\necho '{artifact}'\nexit {build_exit}\n"
    );
    // Another process writes it: a child that another test forks meanwhile would hold a descriptor of ours open for
    // writing, and what is open for writing cannot be executed.
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(folder.join("cargo.sh"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

fn stormglass(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-stormglass"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO", folder.join("cargo.sh"))
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    Ran::of(&output)
}

const FLAGGED: &str = "[package.metadata.stormglass]\nscenarios = true\n";

#[test]
fn scenario_targets_are_found_built_and_named_in_lines_to_copy() {
    let folder = tempfile::tempdir().unwrap();
    package(folder.path(), FLAGGED, 0);
    let ran = stormglass(folder.path(), &["run", "planted", "--planted", "M02"]);
    assert_eq!(ran.exit, Some(100), "{}", ran.stderr);
    let line = "cargo test -p kv-scenarios --test cases --features planted -- --exact planted::seed_0000000000000001";
    assert!(ran.stdout.contains(&format!("STORMGLASS_PARAMS=planted=M02 {line}")), "{}", ran.stdout);
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let expected = "test --no-run --message-format=json-render-diagnostics --package kv-scenarios --test cases --release --features planted\n";
    assert_eq!(calls, expected);
    let ran = stormglass(folder.path(), &["fuzz", "passes", "--seeds", "3", "--profile-build", "dev"]);
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    assert!(folder.path().join("target/stormglass/campaigns").is_dir());
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(!calls.lines().last().unwrap().contains("--release"), "{calls}");
}

#[test]
fn what_keeps_scenarios_from_being_found_is_said() {
    let folder = tempfile::tempdir().unwrap();
    package(folder.path(), "", 0);
    let ran = stormglass(folder.path(), &["list"]);
    assert_eq!(ran.exit, Some(4));
    assert!(ran.stderr.contains("[package.metadata.stormglass] scenarios = true"), "{}", ran.stderr);

    let folder = tempfile::tempdir().unwrap();
    package(folder.path(), FLAGGED, 101);
    let ran = stormglass(folder.path(), &["list"]);
    assert_eq!(ran.exit, Some(96));
    assert!(ran.stderr.contains("cannot build the scenarios"), "{}", ran.stderr);
    let ran = stormglass(folder.path(), &["list", "--package", "kv-scenario"]);
    assert_eq!(ran.exit, Some(2));
    assert!(ran.stderr.contains("did you mean `kv-scenarios`?"), "{}", ran.stderr);
}
