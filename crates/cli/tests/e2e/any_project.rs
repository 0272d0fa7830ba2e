//! `test` on a project that knows nothing of Stormglass: what it finds, what it says, and that it leaves no trace.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::Ran;

const MANIFEST: &str = r#"
[package]
name = "anybody"
version = "0.1.0"
edition = "2024"

[workspace]

[[test]]
name = "program"
harness = false

[dependencies]
tokio = { version = "1", features = ["full"] }
"#;

/// A test target that is a program.
const PROGRAM: &str = r#"
#[tokio::main]
async fn main() {
    tokio::time::sleep(std::time::Duration::from_secs(3_000)).await;
    println!("{:?}", std::env::args().nth(1));
}
"#;

/// Three examples that rustdoc merges into one program, and one that is a program of its own.
const SOURCE: &str = r#"
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! tokio::time::sleep(std::time::Duration::from_secs(3_000)).await;
//! # }
//! ```
//! ```should_panic
//! # #[tokio::main]
//! # async fn main() {
//! tokio::time::sleep(std::time::Duration::from_secs(3_000)).await;
//! panic!("as it should");
//! # }
//! ```
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! let (one, two) = (tokio::spawn(async {}), tokio::spawn(async {}));
//! tokio::select! { biased; _ = two => panic!("the second was first"), _ = one => {} }
//! # }
//! ```
//! ```standalone_crate
//! # #[tokio::main]
//! # async fn main() {
//! tokio::time::sleep(std::time::Duration::from_secs(3_000)).await;
//! # }
//! ```
#[cfg(test)]
mod tests {
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    /// Wrong: nobody promised an order.
    #[tokio::test]
    async fn first_spawned_is_first_served() {
        let (tx, mut rx) = mpsc::channel(4);
        let other = tx.clone();
        tokio::spawn(async move { tx.send(1).await.unwrap() });
        tokio::spawn(async move { other.send(2).await.unwrap() });
        assert_eq!(rx.recv().await, Some(1), "in the order of spawning");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn talks_over_tcp() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::time::sleep(Duration::from_secs(1_000)).await;
            stream.write_all(b"hello").await.unwrap();
        });
        let mut text = String::new();
        TcpStream::connect(address).await?.read_to_string(&mut text).await?;
        assert_eq!(text, "hello");
        Ok(())
    }

    #[tokio::test]
    #[should_panic(expected = "as it should")]
    async fn panics_as_it_should() {
        tokio::task::yield_now().await;
        panic!("as it should");
    }

    #[tokio::test]
    async fn fails_always() {
        let task = tokio::spawn(async { 3 });
        assert_eq!(task.await.unwrap(), 4);
    }

    #[tokio::test]
    async fn waits_for_ever() {
        std::future::pending::<()>().await
    }

    #[tokio::test]
    async fn blocks_until_a_thread_speaks() {
        let (tell, told) = std::sync::mpsc::channel();
        let speaker = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1_000));
            tell.send(5).unwrap();
        });
        assert_eq!(told.recv(), Ok(5));
        speaker.join().unwrap();
        std::thread::sleep(Duration::from_secs(1_000));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn meets_a_task() {
        let meeting = std::sync::Arc::new(std::sync::Barrier::new(2));
        let met = meeting.clone();
        let task = tokio::spawn(async move { met.wait().is_leader() });
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        let leads = meeting.wait().is_leader();
        assert_ne!(task.await.unwrap(), leads);
    }

    #[tokio::test]
    #[should_panic]
    async fn blocks_for_its_own_task() {
        let (tell, told) = std::sync::mpsc::channel();
        tokio::spawn(async move { tell.send(()) });
        told.recv().unwrap();
    }

    #[tokio::test]
    async fn reaches_out() {
        let _ = std::net::UdpSocket::bind("127.0.0.1:0");
    }

    #[tokio::test]
    #[ignore]
    async fn is_left_out() {}

    #[test]
    fn blocks_at_its_top() {
        let outside = std::time::Instant::now();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let begun = std::time::Instant::now();
        let borrowed = String::from("borrowed");
        runtime.block_on(async {
            tokio::time::sleep(Duration::from_secs(3_000)).await;
            assert_eq!(borrowed, "borrowed");
        });
        assert!(begun.elapsed() >= Duration::from_secs(3_000));
        drop(runtime);
        assert!(outside.elapsed() < Duration::from_secs(3_000), "outside again");
    }

    #[test]
    fn the_order_of_spawning_on_a_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (one, two) = (runtime.spawn(async {}), runtime.spawn(async {}));
        runtime.block_on(async { tokio::select! { biased; _ = two => panic!("the second was first"), _ = one => {} } });
    }

    /// Nobody drops it: it ends with its thread.
    static SHARED: std::sync::LazyLock<tokio::runtime::Runtime> =
        std::sync::LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

    #[test]
    fn blocks_on_one_that_stays() {
        SHARED.block_on(async { tokio::time::sleep(Duration::from_secs(3_000)).await });
    }

    /// What ends the simulation is no panic that a test may ask for.
    #[test]
    #[should_panic]
    fn blocks_for_ever() {
        tokio::runtime::Runtime::new().unwrap().block_on(std::future::pending::<()>());
    }

    #[test]
    fn is_no_tokio_test() {
        assert_eq!(1 + 1, 2);
    }
}
"#;

/// A project at a place of its own, so that what its build shares with others is built once.
fn project(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), MANIFEST).unwrap();
    fs::write(folder.join("src/lib.rs"), SOURCE).unwrap();
    fs::create_dir_all(folder.join("tests")).unwrap();
    fs::write(folder.join("tests/program.rs"), PROGRAM).unwrap();
    let locked = Command::new("cargo").args(["generate-lockfile", "--offline"]).current_dir(&folder).output().unwrap();
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    folder
}

fn stormglass(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-stormglass"))
        .args(["stormglass", "test", "--offline"])
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("anybody-target"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran::of(&output)
}

/// Every file below a folder, with its contents' hash.
fn tree(folder: &Path) -> BTreeMap<PathBuf, blake3::Hash> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            let hash = blake3::hash(&fs::read(&path).unwrap());
            files.insert(path, hash);
        }
    }
    files
}

/// The tests of an answer by name: outcome, failed seeds, why, and the line to copy.
fn told(ran: &Ran) -> BTreeMap<String, (String, Vec<String>, String, String)> {
    let value: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tests = value["tests"].as_array().unwrap().iter().map(|test| {
        let failed: Vec<&Value> =
            test["seeds"].as_array().unwrap().iter().filter(|end| end["verdict"] == "fail").collect();
        let why = failed.first().map_or_else(String::new, |end| text(&end["why"]));
        let seeds = failed.iter().map(|end| text(&end["seed"])).collect();
        (text(&test["name"]), (text(&test["outcome"]), seeds, why, text(&test["again"])))
    });
    tests.collect()
}

#[test]
fn a_project_that_knows_nothing_is_fuzzed_and_left_as_it_was() {
    let folder = project("anybody");
    let before = tree(&folder);
    let first = stormglass(&folder, &["--seeds", "0..20", "--format", "json", "--check-determinism"]);
    assert_eq!(tree(&folder), before, "the project's tree is byte for byte what it was");
    assert_eq!(first.exit, Some(100), "{first:?}");
    let tests = told(&first);
    let outcome = |name: &str| tests[&format!("tests::{name}")].0.as_str();
    assert_eq!(outcome("talks_over_tcp"), "passed");
    assert_eq!(outcome("panics_as_it_should"), "passed");
    assert_eq!(outcome("is_no_tokio_test"), "passed");
    assert_eq!(outcome("is_left_out"), "ignored");
    assert_eq!(outcome("fails_always"), "failed");
    assert_eq!(outcome("waits_for_ever"), "failed");
    assert!(tests["tests::waits_for_ever"].2.contains("deadlock"), "{tests:?}");
    assert_eq!(outcome("blocks_until_a_thread_speaks"), "passed");
    assert_eq!(outcome("meets_a_task"), "passed");
    assert_eq!(outcome("blocks_for_its_own_task"), "failed");
    let stuck = &tests["tests::blocks_for_its_own_task"].2;
    assert!(stuck.contains("deadlock") && stuck.contains("a poll blocks its thread, in "), "{stuck}");
    assert!(stuck.contains("blocks_for_its_own_task"), "{stuck}");
    let refused = &tests["tests::reaches_out"].2;
    assert!(refused.contains("socket") && refused.contains("reaches_out"), "{refused}");

    // Programs that nobody marked with an attribute, and one that is a program of its own.
    assert_eq!(tests["program"].0, "passed");
    assert_eq!(outcome("blocks_at_its_top"), "passed");
    assert_eq!(outcome("blocks_on_one_that_stays"), "passed");
    assert_eq!(outcome("the_order_of_spawning_on_a_runtime"), "flaky");
    assert_eq!(outcome("blocks_for_ever"), "failed");
    assert!(tests["tests::blocks_for_ever"].2.contains("deadlock"), "{tests:?}");

    // Of four examples one disagrees with itself. rustdoc, which judges, shows it with what to run.
    assert_eq!(tests["an example"].0, "flaky");
    assert!(
        tests["an example"].3.starts_with("cargo stormglass test -p anybody --offline --doc --seeds "),
        "{tests:?}"
    );
    assert!(
        first.stderr.contains("test result: FAILED. 2 passed; 1 failed") && first.stderr.contains("flaky: fails on"),
        "{first:?}"
    );

    let (outcome, seeds, why, again) = &tests["tests::first_spawned_is_first_served"];
    assert_eq!(outcome, "flaky");
    assert!(why.contains("in the order of spawning"), "{why}");
    assert!(!seeds.is_empty() && seeds.len() < 20, "{seeds:?}");
    let seed = u64::from_str_radix(&seeds[0], 16).unwrap();
    assert!(again.contains(&format!("--seeds {seed}..{} ", seed + 1)), "{again}");

    // The line to copy runs that seed and no other, and it fails again; a seed that passed passes again.
    let words: Vec<&str> = again.split(' ').skip(3).filter(|word| *word != "--offline").collect();
    let second = stormglass(&folder, &words);
    assert_eq!(second.exit, Some(100), "{second:?}");
    assert!(second.stdout.contains("FAILED") && second.stdout.contains("1 simulated, 0 plain"), "{second:?}");
    let passing = (0..20).find(|seed| !seeds.contains(&format!("{seed:016x}"))).unwrap();
    let range = format!("{passing}..{}", passing + 1);
    let third = stormglass(&folder, &["first_spawned", "--seeds", &range]);
    assert_eq!(third.exit, Some(0), "{third:?}");
}

#[test]
fn what_cannot_be_swapped_is_refused_with_the_versions_that_can() {
    let folder = project("anybody-old");
    let lock = fs::read_to_string(folder.join("Cargo.lock")).unwrap();
    let at = lock.find("name = \"tokio\"\nversion = \"").unwrap();
    let (head, tail) = lock.split_at(at);
    let tail = tail.replacen("version = \"1.", "version = \"1.0.", 1);
    fs::write(folder.join("Cargo.lock"), format!("{head}{tail}")).unwrap();
    let ran = stormglass(&folder, &[]);
    assert_eq!(ran.exit, Some(96), "{ran:?}");
    assert!(ran.stderr.contains("1.54.1") && ran.stderr.contains("cargo update -p tokio --precise"), "{ran:?}");

    let none = Path::new(env!("CARGO_TARGET_TMPDIR")).join("anybody-without");
    fs::create_dir_all(none.join("src")).unwrap();
    fs::write(none.join("Cargo.toml"), MANIFEST.split("tokio =").next().unwrap()).unwrap();
    fs::write(none.join("src/lib.rs"), "").unwrap();
    let ran = stormglass(&none, &[]);
    assert_eq!(ran.exit, Some(96), "{ran:?}");
    assert!(ran.stderr.contains("nothing to simulate"), "{ran:?}");
}

#[test]
fn seeds_that_never_end_or_are_none_are_refused_before_anything_is_built() {
    let folder = project("anybody-seeds");
    let endless = stormglass(&folder, &["--seeds", "5.."]);
    assert_eq!(endless.exit, Some(2), "{endless:?}");
    assert!(endless.stderr.contains("never ends"), "{endless:?}");
    assert_eq!(stormglass(&folder, &["--seeds", "5..5"]).exit, Some(4));
}
