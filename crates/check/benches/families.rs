//! What a check costs on generated families of histories, and how that grows: time and peak memory per cell, each cell
//! in a process of its own. `cargo bench -p stormglass-check --bench families -- [PART OF A NAME]`, or `-- histories` for
//! files of others.

#[path = "families/files.rs"]
mod files;
#[path = "families/generate.rs"]
mod generate;
#[path = "families/plain.rs"]
mod plain;

use generate::{FAMILIES, Family};
use std::process::Command;
use std::time::Instant;

/// The kinds of growth: clients, operations, indeterminate operations per cent.
const CLIENTS: [u32; 4] = [5, 10, 20, 50];
const OPERATIONS: [usize; 3] = [1_000, 10_000, 100_000];
const UNKNOWN: [u32; 3] = [0, 1, 5];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [cell, clients, operations, unknown] = arguments.as_slice()
        && let (Some(family), Ok(clients), Ok(operations), Ok(unknown)) =
            (FAMILIES.iter().find(|family| family.name == cell), clients.parse(), operations.parse(), unknown.parse())
    {
        return measure(family, clients, operations, unknown);
    }
    if arguments.as_slice() == ["histories"] {
        return files::table();
    }
    let wanted = |name: &str| arguments.iter().all(|part| name.contains(part.as_str()));
    println!("| family | clients | operations | unknown % | verdict | CPU time | peak memory | of that the history |");
    println!("|---|---|---|---|---|---|---|---|");
    for family in FAMILIES {
        for clients in CLIENTS {
            for operations in OPERATIONS {
                for unknown in UNKNOWN {
                    if wanted(&format!("{} C{clients} N{operations} U{unknown}", family.name)) {
                        child(family, clients, operations, unknown);
                    }
                }
            }
        }
    }
}

fn child(family: &Family, clients: u32, operations: usize, unknown: u32) {
    let this = std::env::current_exe().expect("the benchmark has a path");
    let arguments = [family.name.to_owned(), clients.to_string(), operations.to_string(), unknown.to_string()];
    let output = Command::new(this).args(arguments).output().expect("the benchmark can be started");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        println!("| {} | {clients} | {operations} | {unknown} | broke off | | | |", family.name);
    }
}

fn measure(family: &Family, clients: u32, operations: usize, unknown: u32) {
    let check = (family.generate)(clients, operations, unknown);
    let held = peak_kib();
    let (mut verdict, mut runs) = (String::new(), 0);
    let (begin, before) = (Instant::now(), on_cpu());
    // The kernel counts in ticks of a few milliseconds: short checks are repeated, and the mean is what they cost.
    while runs == 0 || (begin.elapsed().as_secs_f64() < 1.0 && runs < 2_000) {
        verdict = check();
        runs += 1;
    }
    let mean = (on_cpu() - before) as f64 / f64::from(runs);
    let name = family.name;
    let (peak, held) = (peak_kib() / 1_024, held / 1_024);
    println!(
        "| {name} | {clients} | {operations} | {unknown} | {verdict} | {:.2} ms | {peak} MiB | {held} MiB |",
        mean / 1e6
    );
}

/// Nanoseconds that this thread was on a processor (`schedstat` of proc(5)), so that neighbours do not count.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// The most that this process ever held, as Linux counts it (`VmHWM` of proc(5)); 0 elsewhere.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
