//! Histories of other checkers, with verdicts that are known. The files are not ours to ship: `STORMGLASS_HISTORIES`
//! names the folder that holds them, and without it these tests say loudly that they looked at nothing.

use std::path::{Path, PathBuf};
use stormglass_check::format::{CheckOptions, Format, ModelName};
use stormglass_check::{FormatError, Verdict, check_file};

const EXPECTED: [(&str, ModelName, bool); 10] = [
    ("etcd_000.log", ModelName::CasRegister, false),
    ("etcd_002.log", ModelName::CasRegister, true),
    ("etcd_005.log", ModelName::CasRegister, true),
    ("etcd_007.log", ModelName::CasRegister, true),
    ("etcd_040.log", ModelName::CasRegister, false),
    ("etcd_092.log", ModelName::CasRegister, true),
    ("c01-ok.txt", ModelName::Kv, true),
    ("c01-bad.txt", ModelName::Kv, false),
    ("c10-ok.txt", ModelName::Kv, true),
    ("c10-bad.txt", ModelName::Kv, false),
];

fn folder(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STORMGLASS_HISTORIES").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "SKIPPED: {test} looked at nothing, because STORMGLASS_HISTORIES does not name a folder of histories"
        );
    }
    folder
}

#[test]
fn known_histories_get_their_known_verdicts() -> Result<(), FormatError> {
    let Some(folder) = folder("known_histories_get_their_known_verdicts") else { return Ok(()) };
    for (name, model, linearizable) in EXPECTED {
        let verdict = check_file(&folder.join(name), model, CheckOptions::default())?;
        assert_eq!(verdict.is_pass(), linearizable, "{name}: {verdict}");
        assert_eq!(verdict.is_fail(), !linearizable, "{name}: {verdict}");
        eprintln!("{name}: {verdict}");
    }
    Ok(())
}

/// Of porcupine's 102 logs of etcd, those that are linearizable; number 95 is of a run that never began.
const LINEARIZABLE: [u32; 23] =
    [2, 5, 7, 18, 25, 31, 38, 45, 48, 49, 51, 53, 56, 67, 75, 76, 80, 87, 92, 98, 100, 101, 102];

#[test]
fn whatever_of_the_hundred_logs_of_etcd_is_there_gets_its_known_verdict() -> Result<(), FormatError> {
    let Some(folder) = folder("whatever_of_the_hundred_logs_of_etcd_is_there_gets_its_known_verdict") else {
        return Ok(());
    };
    let mut judged = 0;
    for number in (0..=102).filter(|number| *number != 95) {
        let path = folder.join(format!("etcd_{number:03}.log"));
        if !path.exists() {
            continue;
        }
        let verdict = check_file(&path, ModelName::CasRegister, CheckOptions::default())?;
        assert_eq!(verdict.is_pass(), LINEARIZABLE.contains(&number), "{number}: {verdict}");
        assert_eq!(verdict.is_fail(), !LINEARIZABLE.contains(&number), "{number}: {verdict}");
        judged += 1;
    }
    eprintln!("{judged} of 102 logs were there");
    Ok(())
}

/// Knossos keeps its histories as `cas-register/good/*.edn`, `cas-register/bad/*.edn`, and so on by model.
#[test]
fn histories_of_knossos_are_judged_as_their_folders_say() -> Result<(), FormatError> {
    let Some(data) = std::env::var_os("STORMGLASS_KNOSSOS").map(PathBuf::from) else {
        eprintln!("SKIPPED: Knossos's histories were not looked at, because STORMGLASS_KNOSSOS does not name its data");
        return Ok(());
    };
    for (name, good) in [("cas-register/good", true), ("cas-register/bad", false)] {
        for entry in std::fs::read_dir(data.join(name)).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "edn") {
                let verdict = check_file(&path, ModelName::CasRegister, CheckOptions::default())?;
                assert_eq!((verdict.is_pass(), verdict.is_fail()), (good, !good), "{}: {verdict}", path.display());
            }
        }
    }
    Ok(())
}

#[test]
fn evidence_of_known_failures_is_small() -> Result<(), FormatError> {
    let Some(folder) = folder("evidence_of_known_failures_is_small") else { return Ok(()) };
    for (name, model, _) in EXPECTED.into_iter().filter(|(.., linearizable)| !linearizable) {
        match check_file(&folder.join(name), model, CheckOptions::default())? {
            Verdict::Fail(evidence) => {
                let count = evidence.operations.len();
                assert!((1..=12).contains(&count), "{name}: {count} operations\n{evidence}");
            }
            other => panic!("{name}: {other}"),
        }
    }
    Ok(())
}

#[test]
fn the_wrong_model_is_refused_by_name() {
    let Some(folder) = folder("the_wrong_model_is_refused_by_name") else { return };
    for (name, right, _) in EXPECTED {
        let wrong = if right == ModelName::Kv { ModelName::CasRegister } else { ModelName::Kv };
        let error = check_file(&folder.join(name), wrong, CheckOptions::default()).expect_err("the model does not fit");
        assert!(error.to_string().ends_with(&format!("choose --model {right}")), "{error}");
    }
}

#[test]
fn a_missing_file_is_an_error_with_its_path() {
    let error = check_file(Path::new("/nowhere/at/all"), ModelName::Kv, CheckOptions::default());
    let error = error.expect_err("there is no such file");
    assert!(error.to_string().starts_with("/nowhere/at/all: cannot be read: "), "{error}");
}

#[test]
fn formats_are_told_from_their_first_line() {
    assert_eq!(Format::guess("\n {\"history\":1}"), Some(Format::JsonLines));
    assert_eq!(Format::guess("{:process 0, :f :get, :key \"1\"}"), Some(Format::PorcupineKv));
    assert_eq!(Format::guess("{:process 0, :f :read}"), Some(Format::Edn));
    assert_eq!(Format::guess("; a comment\n[{:process 0}]"), Some(Format::Edn));
    assert_eq!(Format::guess("INFO  jepsen.util - 0\t:invoke\t:read\tnil"), Some(Format::JepsenLog));
    assert_eq!(Format::guess("INFO\tjepsen.util\t-\t0\t:invoke\t:read\tnil"), Some(Format::JepsenLog));
    assert_eq!(Format::guess("hello"), None);
    assert_eq!(Format::guess(""), None);
}
