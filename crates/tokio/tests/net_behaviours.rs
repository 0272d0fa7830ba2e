//! What sockets answer, call by call: each behaviour is one line of text, made on real sockets and in a simulation. The two
//! lists must be equal. Deliberate differences are in the book, with their reasons.
#![cfg(target_os = "linux")]

mod net_behaviours_cases;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation};
use stormglass_net::Net;
use stormglass_tokio as tokio;

/// A behaviour: its name, and what makes its text.
type Behaviour = (&'static str, fn(PathBuf) -> Pin<Box<dyn Future<Output = String>>>);

async fn all(folder: PathBuf) -> Vec<(&'static str, String)> {
    let mut seen = Vec::new();
    let only = std::env::var("BEHAVIOUR").ok();
    for (name, behaviour) in net_behaviours_cases::all() {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let folder = folder.join(name);
        tokio::fs::create_dir_all(&folder).await.expect("a folder");
        // Waiting for ever is an answer too.
        let answer = tokio::time::timeout(Duration::from_secs(5), behaviour(folder)).await;
        seen.push((name, answer.unwrap_or_else(|_| "waits".to_owned())));
    }
    seen
}

fn really() -> Vec<(&'static str, String)> {
    let folder = std::env::temp_dir().join(format!("stormglass-behaviours-{}", std::process::id()));
    let runtime = real_tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let seen = runtime.block_on(all(folder.clone()));
    std::fs::remove_dir_all(folder).expect("the folder");
    seen
}

fn simulated(seed: u64) -> Vec<(&'static str, String)> {
    let mut simulation = Simulation::new(Options::new(seed));
    simulation.universe().insert(Net::default());
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let report = simulation.run(all("/run/behaviours".into()));
    assert!(report.outcome.is_ok(), "{:?} {:?}", report.outcome, report.waiting);
    report.outcome.expect("checked above")
}

#[test]
fn simulated_sockets_answer_as_real_ones_do() {
    let real = really();
    assert!(std::env::var_os("BEHAVIOUR").is_some() || real.len() >= 180, "{} behaviours", real.len());
    if std::env::var_os("BEHAVIOUR").is_some() {
        eprintln!("really {real:?}, simulated {:?}", simulated(1));
    }
    let mut different = Vec::new();
    for seed in 1..=10 {
        let pairs = real.iter().zip(simulated(seed)).inspect(|(r, s)| assert_eq!(r.0, s.0));
        different.extend(
            pairs.filter(|(r, s)| r.1 != s.1).map(|(r, s)| format!("{}: really {}, simulated {}", r.0, r.1, s.1)),
        );
    }
    different.sort();
    different.dedup();
    assert!(different.is_empty(), "{}", different.join("\n"));
}
