//! Commands on one seed: what they print and what they exit with.

use std::fs;

use crate::support::Place;

#[test]
fn list_shows_what_there_is() {
    let place = Place::new();
    fs::create_dir(place.path().join("seeds")).unwrap();
    fs::write(place.path().join("seeds/passes.toml"), "format = 1\n[[seed]]\nseed = \"2\"\n").unwrap();
    fs::write(place.path().join("seeds/renamed.toml"), "format = 1\n").unwrap();
    let ran = place.run(&["list"]);
    assert_eq!(ran.exit, Some(0));
    insta::assert_snapshot!("list", ran.steady(&place));
    assert!(ran.stderr.contains("renamed.toml: there is no scenario `renamed`"), "{}", ran.stderr);

    let ran = place.run(&["list", "passes", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["scenarios"].as_array().unwrap().len(), 1);
    assert_eq!(json["scenarios"][0]["name"], "passes");
    assert_eq!(json["scenarios"][0]["pinned_seeds"], 1);
    assert_eq!(place.run(&["list", "nothing_like_it"]).exit, Some(4));
}

#[test]
fn run_prints_a_verdict_and_exits_by_it() {
    let place = Place::new();
    let cases: &[(&str, &[&str], i32)] = &[
        ("run-pass", &["run", "passes", "--seed", "3"], 0),
        ("run-fail", &["run", "fails_on_sevens", "--seed", "7"], 100),
        ("run-unknown", &["run", "runs_out", "--seed", "5"], 106),
        ("run-abort", &["run", "aborts"], 100),
        ("run-planted", &["run", "planted", "--planted", "M02", "--profile", "storm"], 100),
        ("run-repeatable", &["run", "passes", "--check-determinism"], 0),
    ];
    for (name, arguments, exit) in cases {
        let ran = place.run(arguments);
        assert_eq!(ran.exit, Some(*exit), "{name}: {}", ran.stderr);
        insta::assert_snapshot!(*name, ran.steady(&place));
    }
}

#[test]
fn a_run_that_takes_two_paths_is_shown_side_by_side() {
    let place = Place::new();
    let ran = place.run(&["run", "differs", "--check-determinism"]);
    assert_eq!(ran.exit, Some(103));
    for part in
        ["NONDETERMINISTIC differs", "the runs part at event 20", "19 n1 poll", "1 20 n1 deliver", "2 20 n1 deliver"]
    {
        assert!(ran.stdout.contains(part), "{part:?} is missing from:\n{}", ran.stdout);
    }
}

#[test]
fn mistakes_are_answered_with_a_hint_and_their_own_exit_code() {
    let place = Place::new();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["run", "fails_on_seven"], 2, "did you mean `fails_on_sevens`?"),
        (&["run", "zzz"], 2, "`cargo stormglass list` shows what there is"),
        (
            &["run", "passes", "--seed", "xyz"],
            2,
            "0x and hex digits, 16 hex digits as printed, or the 40 of a git commit",
        ),
        (&["run", "planted", "--planted", "M99"], 2, "no bug `M99` is planted here"),
        (&["replay", "passes", "--seed", "1", "--set", "foo=1"], 2, "keys begin with a domain"),
        (&["replay", "passes", "--seed", "1", "--set", "foo"], 2, "expected KEY=VALUE"),
        (&["replay", "passes"], 2, "is replayed with --seed"),
        (&["replay", "seeds/none.toml"], 2, "no file"),
        (&["fuzz", "--seeds", "9..3"], 2, "ends before it begins"),
        (&["fuzz", "--seeds", "3..3"], 4, "the range of seeds is empty"),
        (&["fuzz", "--seeds", "3.."], 2, "needs a --budget"),
        (&["fuzz", "passes", "--name", "../up"], 2, "the name of one folder"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["trace", "passes", "none.trace"], 107, "none.trace"),
        (&["check", "none.txt", "--model", "kv"], 2, "none.txt"),
        (&["check", "none.txt", "--model", "flux"], 2, "kv, "),
    ];
    for (arguments, exit, hint) in cases {
        let ran = place.run(arguments);
        assert_eq!(ran.exit, Some(*exit), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{arguments:?}: {hint:?} is missing from:\n{}", ran.stderr);
    }
    let mut command = place.command(&["list"]);
    let other = command.arg("--binary").arg("/bin/true").output().unwrap();
    assert_eq!(other.status.code(), Some(96));
}

#[test]
fn replay_shows_logs_and_changes_one_thing() {
    let place = Place::new();
    let ran = place.run(&["replay", "fails_on_sevens", "--seed", "7"]);
    assert_eq!(ran.exit, Some(100));
    assert!(
        ran.stderr.contains("INFO n1: elected leader") && ran.stderr.contains("n1: stepping down"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["replay", "fails_on_sevens", "--seed", "7", "--logs", "off", "--drop", "partition-1"]);
    assert_eq!(ran.exit, Some(0), "without the partition it passes");
    assert!(!ran.stderr.contains("INFO"), "{}", ran.stderr);
    assert!(!ran.stdout.contains("partition-1"), "{}", ran.stdout);
}

#[test]
fn a_trace_is_written_by_replay_and_printed_by_trace() {
    let place = Place::new();
    let ran = place.run(&["replay", "passes", "--seed", "1", "--trace", "one.trace"]);
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    let ran = place.run(&["trace", "passes", "one.trace"]);
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout, fs::read_to_string(place.path().join("one.trace")).unwrap());
    assert_eq!(ran.stdout.lines().count(), 21);
}

#[test]
fn a_pinned_seed_is_replayed_from_its_file() {
    let place = Place::new();
    let ran = place.run(&[
        "pin",
        "planted",
        "--seed",
        "0x2a",
        "--planted",
        "M02",
        "--note",
        "two leaders",
        "--expect",
        "fail",
    ]);
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    let ran = place.run(&["pin", "planted", "--seed", "42", "--planted", "M02"]);
    assert!(ran.stdout.contains("already"), "{}", ran.stdout);
    let file = fs::read_to_string(place.path().join("seeds/planted.toml")).unwrap();
    assert!(file.contains("seed = \"000000000000002a\"") && file.contains("note = \"two leaders\""), "{file}");
    let ran = place.run(&["replay", "seeds/planted.toml", "--logs", "off"]);
    assert_eq!(ran.exit, Some(100), "the file's parameters plant the bug: {}", ran.stderr);
    assert!(ran.stdout.contains("election-safety"), "{}", ran.stdout);
    assert_eq!(place.run(&["replay", "seeds/planted.toml", "--seed", "5"]).exit, Some(4));
    fs::write(place.path().join("seeds/planted.toml"), "format = 1\n[[seed]]\nseed = 7\n").unwrap();
    let ran = place.run(&["replay", "seeds/planted.toml"]);
    assert_eq!(ran.exit, Some(107));
    assert!(ran.stderr.contains("planted.toml:3:8: "), "{}", ran.stderr);
    assert_eq!(place.run(&["list"]).exit, Some(107), "a listing does not skip it either");
}

#[test]
fn check_judges_a_history_without_any_simulation() {
    let place = Place::new();
    let event = |process: u32, kind: &str, f: &str, value: &str| {
        format!("INFO  jepsen.util - {process}\t:{kind}\t:{f}\t{value}\n")
    };
    let good = [
        event(0, "invoke", "write", "1"),
        event(0, "ok", "write", "1"),
        event(1, "invoke", "read", "nil"),
        event(1, "ok", "read", "1"),
    ];
    let bad = [
        event(0, "invoke", "write", "1"),
        event(0, "ok", "write", "1"),
        event(1, "invoke", "read", "nil"),
        event(1, "ok", "read", "2"),
    ];
    fs::write(place.path().join("good.log"), good.concat()).unwrap();
    fs::write(place.path().join("bad.log"), bad.concat()).unwrap();
    fs::write(place.path().join("noise.log"), "what is this\n").unwrap();
    let model = "cas-register";
    let ran = place.run(&["check", "good.log", "--model", model]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Some(0), "PASS good.log against cas-register\n"), "{}", ran.stderr);
    let ran = place.run(&["check", "bad.log", "--model", model, "--json", "--picture", "bad.html"]);
    assert_eq!(ran.exit, Some(100), "{}", ran.stderr);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(json["verdict"]["fail"].is_object(), "{json}");
    assert!(fs::read_to_string(place.path().join("bad.html")).unwrap().contains("read -> \\\"2\\\""));
    let ran = place.run(&["check", "good.log", "--model", model, "--explain", "--format", "jepsen"]);
    assert!(ran.stdout.contains("an order: #0 #1"), "{}", ran.stdout);
    let ran = place.run(&["check", "good.log", "--model", model, "--format", "json-line"]);
    assert!(ran.exit == Some(2) && ran.stderr.contains("did you mean `json-lines`?"), "{}", ran.stderr);
    let ran = place.run(&["check", "noise.log", "--model", model]);
    assert_eq!(ran.exit, Some(107), "{}", ran.stderr);
    assert!(ran.stderr.contains("noise.log:1:1"), "{}", ran.stderr);
}

#[test]
fn check_is_told_what_objects_are_like() {
    let place = Place::new();
    let both = "{:process 0 :type :invoke :f :acquire} {:process 0 :type :ok :f :acquire}
                {:process 1 :type :invoke :f :acquire} {:process 1 :type :ok :f :acquire}";
    fs::write(place.path().join("permits.edn"), both).unwrap();
    let permits = |more: &[&str]| place.run(&[&["check", "permits.edn", "--model", "semaphore"], more].concat());
    assert_eq!(permits(&["--permits", "2"]).exit, Some(0));
    assert_eq!(permits(&["--permits", "1"]).exit, Some(100));
    let ran = permits(&[]);
    assert!(ran.exit == Some(2) && ran.stderr.contains("model semaphore needs --permits N"), "{}", ran.stderr);
    let moved = "{:process 0 :type :invoke :f :transfer :value {:from a :to b :amount 5}}
                 {:process 0 :type :ok :f :transfer :value {:from a :to b :amount 5}}
                 {:process 1 :type :invoke :f :read} {:process 1 :type :ok :f :read :value {a 5 b 15}}";
    fs::write(place.path().join("bank.edn"), moved).unwrap();
    let bank =
        |more: &[&str]| place.run(&[&["check", "bank.edn", "--model", "bank", "--account", "a=10"], more].concat());
    assert_eq!(bank(&["--account", "b=10", "--json"]).exit, Some(0));
    assert_eq!(bank(&["--account", "b=9"]).exit, Some(100));
    assert_eq!(bank(&["--account", "b"]).exit, Some(2));
}

#[test]
fn colours_are_for_those_who_ask() {
    let place = Place::new();
    assert!(!place.run(&["run", "passes"]).stdout.contains('\u{1b}'), "not into a pipe");
    assert!(place.run(&["run", "passes", "--color", "always"]).stdout.contains('\u{1b}'));
}
