//! A bug of clocks is found with drift, and only with drift: the lock with a lease under three kinds of weather.

use stormglass::harness::Status;

use crate::judging::{checks, evidence, request, worker};

checks!(a_holder_that_trusts_its_own_clock_is_caught_by_drift_and_by_nothing_else);

/// Seeds of each arm.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=60;

/// By seed, what came of a scenario with a holder of this trust: passed, or failed by the one oracle there is.
fn passed(scenario: &str, trust: &str) -> Vec<bool> {
    let mut worker = worker();
    let mut one = |seed| {
        let mut request = request(&mut worker, scenario, seed);
        request.params.insert("trust".to_owned(), trust.to_owned());
        let report = worker.run(scenario, &request, false).expect("an answer");
        if report.status == Status::Fail {
            assert_eq!(report.record.oracle, "mutual exclusion", "{}", evidence(&report));
        } else {
            assert_eq!(report.status, Status::Pass, "seed {seed}: {}", evidence(&report));
        }
        report.status == Status::Pass
    };
    SEEDS.map(&mut one).collect()
}

fn a_holder_that_trusts_its_own_clock_is_caught_by_drift_and_by_nothing_else() {
    let alike = passed("lease_while_clocks_run_alike", "own-clock");
    assert!(alike.iter().all(|passed| *passed), "without drift its clock is as good as any: {alike:?}");
    let drifting = passed("lease_while_clocks_drift", "own-clock");
    let caught = drifting.iter().filter(|passed| !**passed).count();
    assert!(caught > 0, "{} seeds with drift, and not one caught it", drifting.len());
    let bound = passed("lease_while_clocks_drift", "bound");
    assert!(bound.iter().all(|passed| *passed), "a holder that allows for drift is right: {bound:?}");
    eprintln!("caught in {caught} of {} seeds with drift", drifting.len());
}
