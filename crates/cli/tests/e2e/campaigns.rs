//! Campaigns as processes: killed, interrupted, out of disk, resumed.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
};

use stormglass_harness::{Seed, Status, read_ledger};

use crate::support::Place;

/// Seed, status and digest of every record; each seed has exactly one.
fn verdicts(folder: &Path) -> BTreeMap<Seed, (Status, String)> {
    let mut verdicts = BTreeMap::new();
    read_ledger(folder, &mut |record| {
        assert_eq!(verdicts.insert(record.seed, (record.status, record.digest)), None, "seed {} twice", record.seed);
    })
    .expect("the ledger is readable");
    verdicts
}

fn ledger(place: &Place, name: &str) -> PathBuf {
    place.path().join("target/stormglass/campaigns").join(name)
}

/// How many bytes a campaign has recorded, in all its attempts.
fn recorded_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Waits until a campaign has recorded `bytes` more, or has ended.
fn wait_for_records(child: &mut Child, folder: &Path, bytes: u64) -> bool {
    let goal = recorded_bytes(folder) + bytes;
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if recorded_bytes(folder) >= goal {
            return true;
        }
        thread::yield_now();
    }
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    place.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The processes that `parent` has started, from whichever of its threads.
fn children(parent: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let lists = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

fn send(signal: &str, pid: u32) {
    // The process may have ended meanwhile; then there is nobody to receive it.
    let _ = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

#[test]
fn a_summary_tells_it_all() {
    let place = Place::new();
    let ran = place.run(&["fuzz", "fails_on_sevens", "--seeds", "0..20", "--jobs", "2", "--name", "c"]);
    assert_eq!(ran.exit, Some(100), "{}", ran.stderr);
    insta::assert_snapshot!("fuzz", ran.steady(&place));
    let ran = place.run(&["fuzz", "fails_on_sevens", "--seeds", "0..20", "--name", "c", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.exit, json["exit"].as_u64()), (Some(100), Some(100)));
    let summary = &json["campaigns"][0]["summary"];
    assert_eq!((summary["seeds"].as_u64(), summary["failed"].as_u64()), (Some(20), Some(3)));
    assert_eq!(json["campaigns"][0]["troubles"][1]["seed"], "0000000000000007");
}

#[test]
fn exit_codes_come_from_the_ledger() {
    let place = Place::new();
    let fuzz = |arguments: &[&str]| place.run(&[&["fuzz"], arguments].concat());
    assert_eq!(fuzz(&["passes", "--seeds", "9"]).exit, Some(0));
    assert_eq!(fuzz(&["runs_out", "--seeds", "9"]).exit, Some(106));
    assert_eq!(fuzz(&["fails_on_sevens", "--seeds", "1..7", "--name", "x"]).exit, Some(0));
    assert_eq!(fuzz(&["fails_on_sevens", "--seeds", "1..9", "--name", "x"]).exit, Some(100));
    // The failure is in the ledger, so asking for fewer seeds does not make it go away.
    assert_eq!(fuzz(&["fails_on_sevens", "--seeds", "1..7", "--name", "x"]).exit, Some(100));
    assert_eq!(fuzz(&["differs", "--seeds", "4", "--check-determinism"]).exit, Some(103));
    assert_eq!(fuzz(&["passes", "fails_on_sevens", "--seeds", "8", "--fail-fast"]).exit, Some(100));
}

#[test]
fn kills_at_any_moment_cost_no_seed_and_repeat_none() {
    // Ten kills keep the suite quick; a longer soak sets its own number.
    let kills: u64 = env::var("STORMGLASS_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10);
    let seeds = (kills * 150).to_string();
    let place = Place::new();
    let arguments = |name| ["fuzz", "fails_on_sevens", "--seeds", &seeds, "--jobs", "2", "--name", name];
    assert_eq!(place.run(&arguments("whole")).exit, Some(100));
    let folder = ledger(&place, "parts");
    let mut killed = 0;
    for round in 0..kills {
        let mut child = start(&place, &arguments("parts"));
        // Uneven steps, so that kills fall into different places of records, files and rounds.
        if !wait_for_records(&mut child, &folder, 1 + round * 7919 % 40_000) {
            break;
        }
        if round % 3 == 2 {
            // A worker is killed, and the campaign goes on without noticing more than that.
            for worker in children(child.id()).into_iter().take(1) {
                send("-9", worker);
            }
            wait_for_records(&mut child, &folder, 2_000);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        verdicts(&folder);
    }
    assert!(killed > 0, "the campaign ended before the first kill");
    assert_eq!(place.run(&arguments("parts")).exit, Some(100));
    let (parts, whole) = (verdicts(&folder), verdicts(&ledger(&place, "whole")));
    let differing: Vec<_> = whole.iter().filter(|(seed, verdict)| parts.get(seed) != Some(verdict)).collect();
    assert!(differing.is_empty() && parts.len() == whole.len(), "{} of {}: {differing:?}", parts.len(), whole.len());
}

#[test]
fn nothing_outlives_a_campaign_that_is_killed() {
    let place = Place::new();
    let mut campaign = start(&place, &["fuzz", "loops", "--seeds", "1..2", "--wall-limit", "10m", "--jobs", "1"]);
    // One worker, and one case that never ends.
    let (worker, case) = loop {
        let worker = children(campaign.id()).first().copied();
        let case = worker.and_then(|worker| children(worker).first().copied());
        if let (Some(worker), Some(case)) = (worker, case) {
            break (worker, case);
        }
        assert_eq!(campaign.try_wait().unwrap(), None, "the campaign ended too soon");
        thread::yield_now();
    };
    campaign.kill().unwrap();
    campaign.wait().unwrap();
    let alive = |pid: u32| {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Dead but not yet collected by whoever inherited it is dead enough.
        state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    while alive(worker) || alive(case) {
        thread::yield_now();
    }
}

#[test]
fn ctrl_c_keeps_what_is_done_and_says_how_to_go_on() {
    for signal in ["-INT", "-TERM"] {
        let place = Place::new();
        let arguments = ["fuzz", "passes", "--seeds", "0..100000000", "--name", "c"];
        let mut child = place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let folder = ledger(&place, "c");
        assert!(wait_for_records(&mut child, &folder, 5_000));
        send(signal, child.id());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("the same command goes on from here: cargo stormglass fuzz passes"), "{stderr}");
        let done = verdicts(&folder).len();
        assert!(done > 0);
        let ran = place.run(&["fuzz", "passes", "--seeds", &done.to_string(), "--name", "c"]);
        assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    }
}

#[test]
fn a_file_that_may_not_grow_ends_with_its_own_code_and_a_readable_ledger() {
    let place = Place::new();
    let command = place.command(&["fuzz", "passes", "--seeds", "0..1000", "--name", "c"]);
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(place.path())
        .output()
        .unwrap();
    stopped_for_room_and_goes_on(&place, &output);
}

#[test]
fn a_full_disk_ends_with_its_own_code_and_a_readable_ledger() {
    let place = Place::new();
    let campaigns = place.path().join("target/stormglass/campaigns");
    fs::create_dir_all(&campaigns).unwrap();
    // A disk of 64 KiB, mounted for this command alone; what is on it at the end is copied off it.
    let script =
        "mount -t tmpfs -o size=64k small \"$0\" || exit 77; \"$@\"; code=$?; cp -R \"$0/.\" \"$0.kept\"; exit $code";
    let command = place.command(&["fuzz", "passes", "--seeds", "0..1000", "--name", "c"]);
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(&campaigns)
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(place.path())
        .output();
    let mounted = output.as_ref().is_ok_and(|output| {
        let refused = String::from_utf8_lossy(&output.stderr).contains("unshare: unshare failed");
        !refused && output.status.code() != Some(77)
    });
    if !mounted {
        eprintln!("NOT TESTED: a full disk, since this machine lets no user mount one: {output:?}");
        return;
    }
    fs::remove_dir(&campaigns).unwrap();
    fs::rename(campaigns.with_extension("kept"), &campaigns).unwrap();
    stopped_for_room_and_goes_on(&place, &output.unwrap());
}

/// A campaign `c` of a thousand seeds ran out of room; with room again it ends as if nothing had been.
fn stopped_for_room_and_goes_on(place: &Place, output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(110), "{stderr}");
    assert!(stderr.contains("cannot write results") && stderr.contains("make room"), "{stderr}");
    let folder = ledger(place, "c");
    let torn = read_ledger(&folder, &mut |_| ()).unwrap().torn_bytes;
    assert_eq!(torn, 0, "what could not be written whole was taken back");
    let done = verdicts(&folder).len();
    assert!(done > 10 && done < 1000, "{done}");
    let ran = place.run(&["fuzz", "passes", "--seeds", "0..1000", "--name", "c"]);
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    assert_eq!(verdicts(&folder).len(), 1000);
}

#[test]
fn a_damaged_ledger_is_an_error_with_path_and_offset() {
    let place = Place::new();
    let arguments = ["fuzz", "passes", "--seeds", "5", "--name", "c"];
    assert_eq!(place.run(&arguments).exit, Some(0));
    let path = ledger(&place, "c").join("shard-0-of-1.attempt-0001.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let second = text.find('\n').unwrap() + 1;
    fs::write(&path, text.replacen("\"status\":\"pass\"", "\"status\":\"fail\"", 1)).unwrap();
    let ran = place.run(&arguments);
    assert_eq!(ran.exit, Some(107));
    let expected = format!("attempt-0001.jsonl: damaged at byte {second}: ");
    assert!(ran.stderr.contains(&expected) && ran.stderr.contains("--fresh"), "{}", ran.stderr);
    assert_eq!(place.run(&[&arguments[..], &["--fresh"]].concat()).exit, Some(0));
}

#[test]
fn a_budget_is_the_campaigns_and_not_the_attempts() {
    let place = Place::new();
    let arguments = ["fuzz", "passes", "--budget", "300ms", "--name", "c", "--format", "json"];
    let ran = place.run(&arguments);
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    let done = verdicts(&ledger(&place, "c")).len();
    assert!(done > 0);
    let longer = ["fuzz", "passes", "--budget", "600ms", "--name", "c", "--format", "json"];
    assert_eq!(place.run(&longer).exit, Some(0));
    assert!(verdicts(&ledger(&place, "c")).len() > done, "a larger budget goes on");
}
