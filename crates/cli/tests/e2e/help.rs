//! The help texts, as people see them.

use std::process::Command;

fn help(words: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_cargo-stormglass")).args(words).env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_texts_are_as_reviewed() {
    insta::assert_snapshot!("help", help(&["--help"]));
    for command in ["list", "run", "fuzz", "replay", "pin", "check", "trace", "test", "cargo", "completions", "man"] {
        insta::assert_snapshot!(format!("help-{command}"), help(&[command, "--help"]));
    }
}

#[test]
fn the_word_that_cargo_puts_in_front_changes_nothing() {
    assert_eq!(help(&["stormglass", "--help"]), help(&["--help"]));
}

#[test]
fn completions_and_man_page_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(help(&["completions", shell]).contains("check-determinism"), "{shell}");
    }
    let page = help(&["man"]);
    assert!(page.contains(".TH") && page.contains("nothing selected"), "{page}");
}
