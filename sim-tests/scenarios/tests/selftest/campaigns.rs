//! A campaign goes on whatever its seeds do, and each seed gets its verdict.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use stormglass::harness::{Campaign, Ended, Exit, Limits, SeedRange, Status, WorkerCommand, read_ledger};
use stormglass::prelude::*;

use crate::judging::{binary, checks};
use crate::{deadlocks, endings, leaks, limits, panics};

checks!(a_campaign_over_every_misbehaviour_gives_each_seed_its_verdict);

/// What seed 0, 1, 2 … comes to; a round of a campaign.
const ROUND: [(Status, &str); 14] = [
    (Status::Pass, ""),
    (Status::Fail, "poll-cpu"),
    (Status::Fail, "virtual time limit"),
    (Status::Fail, "events limit"),
    (Status::Fail, "no progress limit"),
    (Status::Unknown, "memory"),
    (Status::Fail, "abort"),
    (Status::Fail, "stack-overflow"),
    (Status::Fail, "exit"),
    (Status::Fail, "deadlock"),
    (Status::Fail, "panic"),
    (Status::Fail, "node exit"),
    (Status::Fail, "seal"),
    (Status::Pass, ""),
];

/// A different misbehaviour with every seed.
#[stormglass::scenario(time = "60s", tags("selftest"))]
async fn misbehaves_by_seed(sim: Sim) {
    match sim.seed().0 % ROUND.len() as u64 {
        1 => limits::loops_within_a_poll(sim).await,
        2 => limits::sleeps_for_ever(sim).await,
        3 => limits::plays_ping_pong_for_ever(sim).await,
        4 => limits::wakes_in_circles(sim).await,
        5 => limits::hoards_memory(sim).await,
        6 => endings::aborts(sim).await,
        7 => endings::overflows_its_stack(sim).await,
        8 => endings::exits_the_process(sim).await,
        9 => deadlocks::gets_stuck(sim).await,
        10 => panics::panics_in_a_task(sim).await,
        11 => panics::ends_unasked(sim).await,
        12 => leaks::opens_a_real_file(sim).await,
        _ => endings::behaves(sim).await,
    }
}

fn a_campaign_over_every_misbehaviour_gives_each_seed_its_verdict() {
    let folder = tempfile::tempdir().expect("a folder for the ledger");
    let seeds = 2 * ROUND.len() as u64;
    let campaign = Campaign {
        worker: WorkerCommand::new(binary()),
        scenario: "misbehaves_by_seed".to_owned(),
        params: BTreeMap::new(),
        limits: Limits {
            events: 20_000,
            events_per_instant: 10_000,
            poll_cpu: Duration::from_millis(300),
            memory_bytes: 256 << 20,
            wall: Duration::from_secs(30),
            ..Limits::for_virtual_time(Duration::from_secs(60))
        },
        seeds: SeedRange { first: 0, end: Some(seeds) },
        budget: None,
        jobs: NonZeroUsize::new(2).expect("two is not zero"),
        failures_max: None,
        sometimes_within: None,
        check_every: None,
        folder: folder.path().to_owned(),
        fresh: false,
    };
    let outcome = campaign.run(&mut (), &|| false).expect("the campaign goes on");
    assert_eq!((outcome.ended, outcome.recorded_now, outcome.summary.seeds), (Ended::Done, seeds, seeds));
    let mut found = BTreeMap::new();
    read_ledger(folder.path(), &mut |record| {
        let oracle = record.trouble.as_ref().map_or(String::new(), |trouble| trouble.oracle.clone());
        found.insert(record.seed.0, (record.status, oracle));
    })
    .expect("the ledger is readable");
    let expected = |seed: u64| ROUND[seed as usize % ROUND.len()];
    let expected: BTreeMap<u64, _> =
        (0..seeds).map(|seed| (seed, (expected(seed).0, expected(seed).1.to_owned()))).collect();
    assert_eq!(found, expected);
    assert_eq!(outcome.exit(), Exit::SeedFailed);
}
