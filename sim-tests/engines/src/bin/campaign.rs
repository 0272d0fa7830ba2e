//! Runs many seeds of one engine, each in a process of its own: `campaign ENGINE FIRST LAST [PLANTED]`. Prints
//! what did not hold, with its seed.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engines::{ControlLog, Engine, Fjall, Planted, Redb, Trial};
#[cfg(feature = "sqlite")]
use engines::{Rollback, RollbackFull, Sqlite, Wal};
use stormglass_sys::process::{Limits, fork_case, reexec_without_aslr};

/// For one seed, on the machine's clock; far more than any takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// As many injuries of the disk are shown of a seed that is run by itself; of others three, the latest first.
const SHOWN: usize = 40;

/// What a seed's process tells: counts in the first line, what did not hold and what explains it in those after it.
fn told<E: Engine + 'static>(seed: u64) -> Result<Vec<String>, String> {
    let case = fork_case(&Limits::default(), |pipe| {
        let outcome = Trial::of(seed).run::<E>();
        let digest = outcome.digest.map_or_else(String::new, |digest| digest.to_string());
        let mut text = format!("{} {} {digest}", outcome.done, u8::from(outcome.losses.hit()));
        if let Err(why) = outcome.verdict {
            text.push_str(&format!("\n{}", why.replace('\n', " ")));
            for injury in outcome.injuries.iter().rev().take(SHOWN) {
                text.push_str(&format!("\n{injury}"));
            }
        }
        // A result that is cut off is not taken for a whole one.
        let _ = pipe.write_all(text.as_bytes());
    });
    let ended =
        case.and_then(|child| child.wait(Some(Instant::now() + DEADLINE))).map_err(|error| error.to_string())?;
    if let Some(cause) = ended.crash_cause() {
        return Err(format!("its process {cause}: {}", String::from_utf8_lossy(&ended.output).trim()));
    }
    Ok(String::from_utf8_lossy(&ended.result).lines().map(str::to_owned).collect())
}

/// What did not hold, without the numbers in it: seeds that fail alike are counted together.
fn kind(why: &str) -> String {
    why.split(' ')
        .map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "N" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

fn campaign<E: Engine + 'static>(first: u64, last: u64) -> ExitCode {
    let (mut done, mut failed, mut hit) = (0, 0, 0);
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for seed in first..last {
        let lines = told::<E>(seed).unwrap_or_else(|crash| vec!["0 0".to_owned(), crash]);
        let mut counts = lines.first().map_or("", String::as_str).split(' ').map(|n| n.parse().unwrap_or(0));
        done += counts.next().unwrap_or(0);
        hit += counts.next().unwrap_or(0_u64);
        if let Some(why) = lines.get(1) {
            failed += 1;
            kinds.entry(kind(why)).or_insert((0, seed)).0 += 1;
            let trial = Trial::of(seed);
            println!("seed {seed}, {:?}, {:?}: {why}", trial.file_system, trial.weather);
            let shown = if last - first == 1 { SHOWN } else { 3 };
            lines.iter().skip(2).take(shown).for_each(|injury| println!("    {injury}"));
        }
    }
    for (kind, (count, seed)) in &kinds {
        println!("{count} times, first with seed {seed}: {kind}");
    }
    println!("{}: {} seeds, {failed} failed, {done} transactions, power loss hit in {hit}", E::NAME, last - first);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(100) }
}

fn main() -> ExitCode {
    reexec_without_aslr();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|n| n.parse().ok());
    let (Some(engine), Some(first), Some(last)) = (arguments.first(), number(1), number(2)) else {
        eprintln!(
            "campaign log|redb|sqlite|sqlite-full|sqlite-wal|fjall FIRST LAST [no-checksum|read-on|ignore-sync|no-directory-sync]"
        );
        return ExitCode::from(2);
    };
    match arguments.get(3).map(String::as_str) {
        Some("no-checksum") => Planted::NoChecksum.plant(),
        Some("read-on") => Planted::ReadOn.plant(),
        Some("ignore-sync") => Planted::IgnoreSync.plant(),
        Some("no-directory-sync") => Planted::NoDirectorySync.plant(),
        _ => Planted::Nothing.plant(),
    }
    match engine.as_str() {
        "redb" => campaign::<Redb>(first, last),
        #[cfg(feature = "sqlite")]
        "sqlite" => campaign::<Sqlite<Rollback>>(first, last),
        #[cfg(feature = "sqlite")]
        "sqlite-full" => campaign::<Sqlite<RollbackFull>>(first, last),
        #[cfg(feature = "sqlite")]
        "sqlite-wal" => campaign::<Sqlite<Wal>>(first, last),
        "fjall" => campaign::<Fjall>(first, last),
        "log" => campaign::<ControlLog>(first, last),
        other => {
            eprintln!("there is no engine {other:?}");
            ExitCode::from(2)
        }
    }
}
