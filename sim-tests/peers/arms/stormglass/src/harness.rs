//! Small simulations through Stormglass's harness: scenarios, workers, records.

use std::time::Duration;

use measure::{BRIEFLY, NODES};
use stormglass::faults::Seed;
use stormglass::harness::{IsolationKind, Limits, RunRequest, Status, Worker, WorkerCommand};
use stormglass::prelude::*;

/// Five nodes that sleep for a millisecond.
#[scenario]
async fn brief(sim: Sim) {
    sim.nodes("n", NODES, |_| async {
        tokio::time::sleep(BRIEFLY).await;
        // Servers do not end by themselves: that would be a verdict.
        std::future::pending::<()>().await;
    });
    tokio::time::sleep(BRIEFLY + Duration::from_micros(100)).await;
}

/// `count` seeds, each on a thread of its own.
pub(crate) fn in_threads(count: u64) -> f64 {
    run(IsolationKind::Thread, count)
}

/// `count` seeds, each in a process of its own.
pub(crate) fn in_processes(count: u64) -> f64 {
    run(IsolationKind::Fork, count)
}

fn run(isolation: IsolationKind, count: u64) -> f64 {
    let mut command = WorkerCommand::new(std::env::current_exe().expect("this program's path"));
    command.isolation = isolation;
    let mut worker = Worker::start(&command).expect("this program is a worker too");
    let limits = Limits::for_virtual_time(Duration::from_secs(60));
    let mut requests = (0..count).map(|seed| RunRequest::new(Seed(seed), limits.clone()));
    for _ in 0..count {
        // As a campaign does with seeds that take no time.
        while worker.has_room()
            && let Some(request) = requests.next()
        {
            worker.ask_ahead("brief", &request).expect("a worker");
        }
        let report = worker.answer().expect("an answer");
        assert_eq!(report.status, Status::Pass, "{report:?}");
    }
    count as f64
}
