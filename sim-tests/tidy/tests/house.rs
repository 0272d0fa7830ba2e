//! The house rules, held against this workspace.

use std::path::Path;

use tidy::{Finding, NOTED_CEILING, Source, banned_calls, dead_files, file_rules, long_files, workspace};

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders below the workspace");
    let sources = workspace(root).expect("the sources can be read");
    assert!(sources.len() > 200, "only {} files below {}", sources.len(), root.display());
    sources
}

fn none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} breaches of the house rules:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn nothing_banned_is_called() {
    none(&sources().iter().flat_map(banned_calls).collect::<Vec<_>>());
}

#[test]
fn every_file_says_why_it_exists_is_not_endless_and_forbids_unsafe_code() {
    let sources = sources();
    for long in long_files(&sources) {
        println!("note: {long}, and past {NOTED_CEILING} a file wants to be two");
    }
    none(&sources.iter().flat_map(file_rules).collect::<Vec<_>>());
}

#[test]
fn no_file_is_dead() {
    none(&dead_files(&sources()));
}
