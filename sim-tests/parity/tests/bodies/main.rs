//! Bodies of `#[tokio::test]` that block their thread, each of them an ordinary test of the real tokio, and the same test in a
//! process of its own, simulated, under seed after seed.

mod ends;
mod one_thread;
mod several_threads;

use std::process::Command;

use stormglass_program::{ENDED_VARIABLE, Ended, How, SEED_VARIABLE, TIME_VARIABLE};

const SEEDS: std::ops::Range<u64> = 0..6;

/// The tests of this binary whose names begin with `prefix`.
fn named(prefix: &str) -> Vec<String> {
    let this = std::env::current_exe().expect("a running binary has a path");
    let listed = Command::new(this).args(["--list", "--format", "terse"]).output().expect("it starts");
    let listed = String::from_utf8(listed.stdout).expect("names are text");
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

/// Runs one test of this binary in a simulation: whether its harness was content, what it says, and the account.
fn simulated(name: &str, seed: u64) -> (bool, String, Ended) {
    let this = std::env::current_exe().expect("a running binary has a path");
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let account = folder.join(format!("bodies-{}-{}-{seed}", std::process::id(), name.replace("::", "-")));
    let mut itself = Command::new(this);
    itself.args(["--exact", name, "--nocapture"]);
    itself.env(SEED_VARIABLE, seed.to_string()).env(ENDED_VARIABLE, &account);
    itself.env(TIME_VARIABLE, "60000000000");
    let ran = itself.output().expect("it starts");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let text = std::fs::read_to_string(&account).unwrap_or_default();
    let _ = std::fs::remove_file(&account);
    let ended = Ended::read(&text).unwrap_or_else(|error| panic!("{name}: {error}: {said}"));
    let Some((_, Some(ended))) = ended else { panic!("{name} left no account of seed {seed}: {said}") };
    (ran.status.success(), said, ended)
}

fn holds_in_a_simulation(prefix: &str, at_least: usize) {
    let names = named(prefix);
    assert!(names.len() >= at_least, "{names:?}");
    for name in names {
        for seed in SEEDS {
            let (well, said, ended) = simulated(&name, seed);
            let by_itself = matches!(ended.how, How::Returned | How::Panicked);
            assert!(well && by_itself, "{name}, seed {seed}: {ended:?}\n{said}");
            let (_, _, again) = simulated(&name, seed);
            assert_eq!(ended, again, "{name}, seed {seed}, once more");
        }
    }
}

#[test]
fn bodies_on_one_thread_hold_in_a_simulation() {
    holds_in_a_simulation("one_thread::", 21);
}

#[test]
fn bodies_of_several_threads_hold_in_a_simulation() {
    holds_in_a_simulation("several_threads::", 10);
}

#[test]
fn what_never_ends_is_told_with_its_place() {
    for seed in 0..2 {
        let ended = |name: &str| {
            let (well, said, ended) = simulated(&format!("ends::{name}"), seed);
            assert!(!well, "{name}, seed {seed}: {said}");
            let (_, _, again) = simulated(&format!("ends::{name}"), seed);
            assert_eq!(ended, again, "{name}, seed {seed}, once more");
            ended
        };
        for (name, on) in [
            ("nobody_sends", "a lock, a channel or the word of another thread"),
            ("its_own_task_is_to_send", "a lock, a channel or the word of another thread"),
            ("a_thread_and_a_body_join_each_other", "another thread to end"),
        ] {
            let Ended { how, why, .. } = ended(name);
            assert_eq!(how, How::Deadlock, "{name}: {why}");
            assert!(why.contains(on), "{name}: {why}");
            let place = why.lines().find(|line| line.starts_with("a poll blocks its thread, in "));
            assert!(place.is_some_and(|place| place.contains("tests/bodies/ends.rs:")), "{name}: {why}");
        }
        let Ended { how, why, .. } = ended("time_runs_out");
        assert!(how == How::Limit && why.contains("virtual time"), "{why}");
        let Ended { how, why, .. } = ended("a_thread_reaches_out");
        assert!(how == How::Refused && why.contains("/etc/hostname") && why.contains("ends.rs:"), "{why}");
    }
}
