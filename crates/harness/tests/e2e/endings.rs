//! Every way in which a case can end, end to end: each costs its seed a named verdict and the campaign nothing.

use std::time::Duration;

use crate::support::{campaign, run, verdicts};
use stormglass_harness::{Exit, IsolationKind, Seed, Status};

/// Runs four seeds of `scenario`; the odd ones end badly. Returns status, oracle, first line of evidence and whether it
/// was tried twice, of the first odd one.
fn odd_seeds(scenario: &str, change: impl FnOnce(&mut stormglass_harness::Campaign)) -> (Status, String, String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign(scenario, 4, folder.path());
    change(&mut campaign);
    let outcome = run(&campaign);
    assert_eq!(outcome.summary.passed, 2, "{scenario}: the even seeds pass, whatever the odd ones do");
    assert_eq!(outcome.summary.seeds, 4);
    assert_eq!(outcome.troubles.len(), 2);
    let record = &outcome.troubles[0];
    assert_eq!(record.seed, Seed(1));
    let trouble = record.trouble.as_ref().unwrap();
    (record.status, trouble.oracle.clone(), trouble.evidence[0].clone(), record.retried)
}

#[test]
fn an_abort_fails_its_seed() {
    let (status, oracle, evidence, retried) = odd_seeds("aborts", |_| ());
    assert_eq!((status, oracle.as_str(), retried), (Status::Fail, "abort", false), "{evidence}");
}

#[test]
fn a_stack_overflow_fails_its_seed() {
    let (status, oracle, evidence, _) = odd_seeds("overflows", |_| ());
    assert_eq!((status, oracle.as_str()), (Status::Fail, "stack-overflow"), "{evidence}");
}

#[test]
fn a_panic_fails_its_seed_with_its_message() {
    let (status, oracle, evidence, _) = odd_seeds("panics", |_| ());
    assert_eq!((status, oracle.as_str()), (Status::Fail, "panic"));
    assert!(evidence.starts_with("seed 0000000000000001 is odd (") && evidence.contains("fixture.rs:"), "{evidence}");
}

#[test]
fn an_exit_fails_its_seed() {
    let (status, oracle, evidence, _) = odd_seeds("exits", |_| ());
    assert_eq!((status, oracle.as_str()), (Status::Fail, "exit"));
    assert!(evidence.contains("code 3"), "{evidence}");
}

#[test]
fn an_endless_poll_fails_its_seed_by_cpu_time() {
    let (status, oracle, evidence, retried) = odd_seeds("loops", |campaign| {
        campaign.params.insert("watched".to_owned(), "yes".to_owned());
        campaign.limits.poll_cpu = Duration::from_millis(100);
    });
    assert_eq!((status, oracle.as_str(), retried), (Status::Fail, "poll-cpu", false));
    assert!(evidence.starts_with("a poll used more than 100ms of CPU"), "{evidence}");
}

#[test]
fn wall_time_leaves_a_seed_unknown_after_a_second_try_alone() {
    let (status, oracle, evidence, retried) =
        odd_seeds("loops", |campaign| campaign.limits.wall = Duration::from_millis(300));
    assert_eq!((status, oracle.as_str(), retried), (Status::Unknown, "wall-time", true));
    assert_eq!(evidence, "the run took more than 300ms of wall time");
}

#[test]
fn memory_leaves_a_seed_unknown_after_a_second_try_alone() {
    let (status, oracle, evidence, retried) = odd_seeds("bombs", |campaign| campaign.limits.memory_bytes = 128 << 20);
    assert_eq!((status, oracle.as_str(), retried), (Status::Unknown, "memory", true));
    assert_eq!(evidence, "the run needed more than its 128 MiB of memory");
}

#[test]
fn a_kill_from_outside_is_neither_pass_nor_fail() {
    let (status, oracle, evidence, retried) = odd_seeds("is_killed", |_| ());
    assert_eq!((status, oracle.as_str(), retried), (Status::Killed, "killed", true));
    assert!(evidence.contains("signal 9"), "{evidence}");
}

#[test]
fn in_thread_isolation_an_abort_costs_the_worker_and_its_seed_but_not_the_campaign() {
    let (status, oracle, evidence, _) =
        odd_seeds("aborts", |campaign| campaign.worker.isolation = IsolationKind::Thread);
    assert_eq!((status, oracle.as_str()), (Status::Fail, "worker"));
    assert!(evidence.contains("SIGABRT") || evidence.contains("signal: 6"), "{evidence}");
}

#[test]
fn both_isolations_agree_on_verdicts_and_digests() {
    let (fork, thread) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&campaign("fails_on_sevens", 30, fork.path()));
    let mut in_threads = campaign("fails_on_sevens", 30, thread.path());
    in_threads.worker.isolation = IsolationKind::Thread;
    run(&in_threads);
    assert_eq!(verdicts(fork.path()), verdicts(thread.path()));
}

#[test]
fn verdicts_do_not_depend_on_the_number_of_workers() {
    let (one, many) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut alone = campaign("fails_on_sevens", 50, one.path());
    alone.jobs = std::num::NonZeroUsize::MIN;
    run(&alone);
    let mut crowd = campaign("fails_on_sevens", 50, many.path());
    crowd.jobs = std::num::NonZeroUsize::new(5).unwrap();
    run(&crowd);
    assert_eq!(verdicts(one.path()), verdicts(many.path()));
}

#[test]
fn a_seed_that_takes_two_paths_is_shown_where_they_part() {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign("differs", 4, folder.path());
    campaign.check_every = Some(1);
    let outcome = run(&campaign);
    assert_eq!((outcome.summary.passed, outcome.summary.nondeterministic), (2, 2));
    assert_eq!(outcome.exit(), Exit::Nondeterminism);
    let divergence = outcome.troubles[0].trouble.as_ref().unwrap().divergence.as_ref().unwrap();
    assert_eq!(divergence.index, 20);
    assert_eq!(divergence.before.len(), 5);
    assert_ne!(divergence.first, divergence.second);
}

#[test]
fn a_scenario_that_refuses_a_request_ends_the_campaign_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign("planted", 4, folder.path());
    campaign.params.insert("planted".to_owned(), "M99".to_owned());
    let error = campaign.run(&mut (), &|| false).unwrap_err();
    assert_eq!((error.exit(), error.to_string().as_str()), (Exit::Usage, "no bug `M99` is planted here"));
}

#[test]
fn what_is_no_scenario_binary_is_a_setup_error_that_says_what_one_needs() {
    let folder = tempfile::tempdir().unwrap();
    let mut campaign = campaign("passes", 4, folder.path());
    campaign.worker.binary = "/bin/true".into();
    let error = campaign.run(&mut (), &|| false).unwrap_err();
    assert_eq!(error.exit(), Exit::Setup);
    assert!(error.to_string().contains("harness = false"), "{error}");
}
