//! The check of determinism catches what is not determined, and shows where two runs part.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stormglass::harness::{Defaults, DeterminismCheck, Refusal, RunRecord, RunRequest, ScenarioDef, Status, register};
use stormglass::prelude::*;

use crate::judging::{checks, evidence, request, worker};

checks!(a_smuggled_clock_is_caught_with_the_first_event_that_differs, a_run_that_is_determined_is_left_alone);

/// Nanoseconds of the machine's clock, taken before the seal is on: what a static that is filled at the start of a
/// program can bring into a simulation.
static SMUGGLED_NS: AtomicU64 = AtomicU64::new(0);

async fn sleeps_by_the_smuggled_clock(sim: Sim) {
    sim.node("n1", |_| async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let smuggled = SMUGGLED_NS.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_nanos(1_000_000 + smuggled % 999_983)).await;
        std::future::pending::<()>().await;
    });
    sim.sleep(Duration::from_secs(1)).await;
}

fn smuggle(request: &RunRequest) -> Result<RunRecord, Refusal> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SMUGGLED_NS.store(u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    stormglass::run_scenario(&SMUGGLES_A_CLOCK, request, sleeps_by_the_smuggled_clock)
}

register!(
    SMUGGLES_A_CLOCK = ScenarioDef {
        name: "smuggles_a_clock",
        doc: "A node that waits for as long as the machine's clock says.",
        file: file!(),
        line: line!(),
        defaults: Defaults { virtual_time: Duration::from_secs(10), ..Defaults::NONE },
        tags: &["selftest"],
        prepare: stormglass::prepare,
        run: smuggle,
        render_trace: stormglass::render_trace,
    }
);

fn a_smuggled_clock_is_caught_with_the_first_event_that_differs() {
    let folder = tempfile::tempdir().expect("a folder for traces");
    let mut worker = worker();
    let request = request(&mut worker, "smuggles_a_clock", 1);
    let first = worker.run("smuggles_a_clock", &request, false).expect("the worker lives");
    assert_eq!(first.status, Status::Pass, "nothing but determinism is wrong: {}", evidence(&first));
    let check = DeterminismCheck::new(folder.path());
    let judged = check.compare(&mut worker, "smuggles_a_clock", &request, first).expect("the worker lives");
    assert_eq!((judged.status, judged.record.oracle.as_str()), (Status::Nondeterministic, "determinism"));
    let parts = judged.divergence.expect("the place where the runs part is shown");
    let (one, two) = (&parts.first[0], &parts.second[0]);
    assert_ne!(one, two);
    // It is the first event by the smuggled clock: the timer that follows twenty of 1 ms.
    for event in [one, two] {
        assert!(event.starts_with("0.02") && event.contains("timer"), "{event}");
    }
    assert!(!parts.before.is_empty(), "what led up to it is shown");
}

fn a_run_that_is_determined_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder for traces");
    let mut worker = worker();
    for scenario in ["behaves", "reads_its_machine", "gets_stuck", "opens_a_real_file"] {
        let request = request(&mut worker, scenario, 1);
        let first = worker.run(scenario, &request, false).expect("the worker lives");
        let check = DeterminismCheck::new(folder.path());
        let judged = check.compare(&mut worker, scenario, &request, first.clone()).expect("the worker lives");
        assert_eq!(judged, first, "{scenario}");
    }
}
