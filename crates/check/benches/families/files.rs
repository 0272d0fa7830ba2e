//! History files of others, judged by us and by the plain search in one run: those that `STORMGLASS_HISTORIES` names
//! (a folder; Jepsen's logs end in `.log`, porcupine's key-value files in `.txt`).

use super::plain::plain;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass_check::format::{Notation, read_jepsen_register, read_porcupine_kv};
use stormglass_check::model::{CasRegister, Model};
use stormglass_check::{Budget, History, is_linearizable, linearizability};

/// A table of all files, with sums per kind.
pub(crate) fn table() {
    let Some(folder) = std::env::var_os("STORMGLASS_HISTORIES").map(PathBuf::from) else {
        return println!("histories: LEFT OUT, because STORMGLASS_HISTORIES does not name a folder");
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    println!("| file | verdict | least time | with evidence or certificate | plain search |");
    println!("|---|---|---|---|---|");
    for kind in ["log", "txt"] {
        let (mut count, mut sums) = (0, [Duration::ZERO; 3]);
        for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == kind)) {
            let Some(times) = row(path, kind) else { continue };
            count += 1;
            sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
        }
        println!("| {count} files `.{kind}` | | {} |", sums.map(shown).join(" | "));
    }
}

fn row(path: &Path, kind: &str) -> Option<[Duration; 3]> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let times = match std::fs::read_to_string(path) {
        Err(error) => Err(error.to_string()),
        Ok(text) if kind == "log" => read_jepsen_register(&name, &text, Notation::Log)
            .map(|history| (!history.is_empty()).then(|| measured(&name, &CasRegister::default(), &history)))
            .map_err(|error| error.to_string()),
        Ok(text) => read_porcupine_kv(&name, &text)
            .map(|(model, history)| Some(measured(&name, &model, &history)))
            .map_err(|error| error.to_string()),
    };
    times.unwrap_or_else(|error| {
        println!("| {name} | LEFT OUT: {error} | | | |");
        None
    })
}

fn measured<M: Model>(name: &str, model: &M, history: &History<M::Op, M::Ret>) -> [Duration; 3] {
    let mut verdict = None;
    let ours = least(|| verdict = is_linearizable(model, history, Budget::PATIENT));
    let whole = least(|| drop(linearizability(model, history, Budget::PATIENT)));
    let mut same = None;
    let others = least(|| same = plain(model, history, Budget::PATIENT.steps));
    let differs = matches!((verdict, same), (Some(one), Some(other)) if one != other);
    let note = if differs { " (the plain search differs)" } else { "" };
    let word = verdict.map_or("unknown", |pass| if pass { "pass" } else { "fail" });
    println!("| {name} | {word}{note} | {} | {} | {} |", shown(ours), shown(whole), shown(others));
    [ours, whole, others]
}

/// The least of many runs: whatever else a busy machine does makes a run longer, never shorter.
fn least(mut run: impl FnMut()) -> Duration {
    let (begin, mut least, mut runs) = (Instant::now(), Duration::MAX, 0);
    while runs < 3 || (runs < 1_000 && begin.elapsed() < Duration::from_millis(200)) {
        let start = Instant::now();
        run();
        least = least.min(start.elapsed());
        runs += 1;
    }
    least
}

fn shown(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}
