//! Runs many seeds of one engine: `campaign log|redb|sqlite FIRST LAST [PLANTED]`. Prints what did not hold, with its seed.

use std::process::ExitCode;

use engines::{ControlLog, Engine, Planted, Redb, Sqlite, Trial};

fn campaign<E: Engine + 'static>(first: u64, last: u64) -> ExitCode {
    let (mut done, mut failed, mut hit) = (0, 0, 0);
    for seed in first..last {
        let trial = Trial::of(seed);
        let outcome = trial.run::<E>();
        done += outcome.done;
        hit += u64::from(outcome.losses.hit());
        if let Err(why) = outcome.verdict {
            failed += 1;
            if failed <= 10 {
                println!("seed {seed}, {:?}, {:?}: {why}", trial.file_system, trial.weather);
                outcome.injuries.iter().rev().take(3).for_each(|injury| println!("    {injury}"));
            }
        }
    }
    println!("{}: {} seeds, {failed} failed, {done} transactions, power loss hit in {hit}", E::NAME, last - first);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(100) }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|n| n.parse().ok());
    let (Some(engine), Some(first), Some(last)) = (arguments.first(), number(1), number(2)) else {
        eprintln!("campaign log|redb|sqlite FIRST LAST [no-checksum|read-on|ignore-sync|no-directory-sync]");
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
        "sqlite" => campaign::<Sqlite>(first, last),
        _ => campaign::<ControlLog>(first, last),
    }
}
