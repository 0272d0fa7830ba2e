//! A scenario target as `cargo test`, nextest and editors see it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::support::fixture;

fn libtest(seeds: &Path, arguments: &[&str]) -> Output {
    Command::new(fixture())
        .args(arguments)
        .env("STORMGLASS_SEEDS", seeds)
        .env("CARGO_PKG_NAME", "scenarios")
        .env_remove("STORMGLASS_PARAMS")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_pinned_seed_is_a_case_and_a_scenario_without_any_has_one() {
    let seeds = tempfile::tempdir().unwrap();
    let pinned = "format = 1\n[[seed]]\nseed = \"2\"\n[[seed]]\nseed = \"0x2\"\noverrides = [\"net.delay=1\"]\n[[seed]]\nseed = \"3\"\n";
    fs::write(seeds.path().join("passes.toml"), pinned).unwrap();
    let output = libtest(seeds.path(), &["--list"]);
    let listed = stdout(&output);
    let of_passes: Vec<&str> = listed.lines().filter(|line| line.starts_with("passes::")).collect();
    let expected = [
        "passes::seed_0000000000000002: test",
        "passes::seed_0000000000000002_2: test",
        "passes::seed_0000000000000003: test",
    ];
    assert_eq!(of_passes, expected);
    assert!(listed.contains("aborts::default: test"), "{listed}");
    let output = libtest(seeds.path(), &["passes::"]);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(stdout(&output).contains("3 passed"), "{}", stdout(&output));
}

#[test]
fn a_failure_prints_its_block_with_lines_that_work() {
    let seeds = tempfile::tempdir().unwrap();
    let output = libtest(seeds.path(), &["--exact", "fails_on_sevens::seed_0000000000000007"]);
    assert_eq!(output.status.code(), Some(101));
    let printed = stdout(&output);
    for part in [
        "FAIL fails_on_sevens seed 0000000000000007 at 1.892374487s of virtual time",
        "oracle     linearizable",
        "evidence   key k7: read returned 3 after 5 was acknowledged",
        "partition-1 partition n1 from n2,n3 at 2s for 3s (hit 3)",
        "cargo stormglass replay fails_on_sevens --seed 0000000000000007",
        "cargo test -p scenarios --test fixture -- --exact fails_on_sevens::seed_0000000000000007",
        "cargo stormglass pin fails_on_sevens --seed 0000000000000007",
    ] {
        assert!(printed.contains(part), "{part:?} is missing from:\n{printed}");
    }
    // The seed is not pinned: naming it in full is what makes it a case.
    assert!(stdout(&libtest(seeds.path(), &["--list"])).contains("fails_on_sevens::default"));
}

#[test]
fn expectations_are_held_both_ways() {
    let seeds = tempfile::tempdir().unwrap();
    let path = seeds.path().join("planted.toml");
    fs::write(&path, "format = 1\n[[seed]]\nseed = \"1\"\nparams = { planted = \"M02\" }\nexpect = \"fail\"\n")
        .unwrap();
    assert!(libtest(seeds.path(), &["planted::"]).status.success());
    fs::write(&path, "format = 1\n[[seed]]\nseed = \"1\"\nexpect = \"fail\"\n").unwrap();
    let output = libtest(seeds.path(), &["planted::"]);
    assert!(!output.status.success());
    assert!(stdout(&output).contains("pinned with expect = \"fail\" and passes"), "{}", stdout(&output));
    fs::write(&path, "format = 1\n[[seed]]\nseed = \"1\"\nparams = { planted = \"M02\" }\n").unwrap();
    assert!(!libtest(seeds.path(), &["planted::"]).status.success());
}

#[test]
fn a_seeds_file_that_cannot_be_read_stops_everything_even_a_listing() {
    let seeds = tempfile::tempdir().unwrap();
    fs::write(seeds.path().join("passes.toml"), "format = 1\n[[seed]]\nseed = \"what\"\n").unwrap();
    for arguments in [&["--list"][..], &["aborts::nothing_matches"][..]] {
        let output = libtest(seeds.path(), arguments);
        assert_eq!(output.status.code(), Some(107));
        assert!(stderr(&output).contains("passes.toml:3:8: "), "{}", stderr(&output));
    }
}

#[test]
fn crashes_of_other_cases_do_not_disturb_a_run() {
    let seeds = tempfile::tempdir().unwrap();
    for crashing in ["aborts", "panics", "overflows", "exits"] {
        let path = seeds.path().join(format!("{crashing}.toml"));
        fs::write(path, "format = 1\n[[seed]]\nseed = \"1\"\nexpect = \"fail\"\n[[seed]]\nseed = \"2\"\n").unwrap();
    }
    let output = libtest(seeds.path(), &["seed_"]);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(stdout(&output).contains("8 passed"), "{}", stdout(&output));
}

#[test]
fn the_environment_adds_overrides_and_parameters() {
    let seeds = tempfile::tempdir().unwrap();
    let mut command = Command::new(fixture());
    command.args(["planted::"]).env("STORMGLASS_SEEDS", seeds.path()).env("STORMGLASS_PARAMS", "planted=M02");
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(stdout(&output).contains("--planted M02"), "{}", stdout(&output));
    let mut command = Command::new(fixture());
    command.args(["passes::"]).env("STORMGLASS_SEEDS", seeds.path()).env("STORMGLASS_SET", "nonsense=1");
    let output = command.output().unwrap();
    assert!(stdout(&output).contains("no decision has the key of `nonsense=1`"), "{}", stdout(&output));
}
