//! Raft's oracles: a history of probes that Raft permits passes, however odd it looks; one step beyond it fails, by the
//! right name.

use stormglass_check::raft_oracles::*;
use stormglass_check::{NodeId, Probe, RaftOracle};

/// Feeds probes of (node, probe), 10 ns apart, and gives the oracle that failed first, or nothing.
fn first_failure(probes: &[(NodeId, Probe)]) -> Option<String> {
    run(RaftOracle::new(), probes)
}

fn run(mut oracle: RaftOracle, probes: &[(NodeId, Probe)]) -> Option<String> {
    for ((node, probe), at) in probes.iter().zip(1u64..) {
        if let Err(evidence) = oracle.observe(*node, at * 10, *probe) {
            assert_eq!(at as usize, probes.len(), "it failed too early, at probe {at}: {evidence}");
            assert!(!evidence.details.is_empty(), "{evidence}");
            return Some(evidence.oracle);
        }
    }
    None
}

fn state(term: u64, voted_for: Option<NodeId>) -> Probe {
    Probe::HardState { term, voted_for }
}

fn leader(term: u64) -> Probe {
    Probe::Leader { term }
}

fn append(index: u64, term: u64) -> Probe {
    Probe::Append { index, term, hash: 1000 * term + index }
}

fn commit(index: u64) -> Probe {
    Probe::Commit { index }
}

fn apply(index: u64, term: u64) -> Probe {
    Probe::Apply { index, term, hash: 1000 * term + index }
}

fn started(term: u64, voted_for: Option<NodeId>, last_index: u64) -> Probe {
    Probe::Started { term, voted_for, last_index }
}

/// Node 1 leads term 1 and has entries 1 and 2 committed on nodes 1 and 2.
fn healthy() -> Vec<(NodeId, Probe)> {
    vec![
        (1, started(0, None, 0)),
        (2, started(0, None, 0)),
        (3, started(0, None, 0)),
        (1, state(1, Some(1))),
        (2, state(1, Some(1))),
        (1, leader(1)),
        (1, append(1, 1)),
        (2, append(1, 1)),
        (1, append(2, 1)),
        (2, append(2, 1)),
        (1, commit(2)),
        (1, apply(1, 1)),
        (1, apply(2, 1)),
        (2, commit(1)),
        (2, apply(1, 1)),
    ]
}

/// The healthy run, and then these.
fn then(more: &[(NodeId, Probe)]) -> Option<String> {
    let mut probes = healthy();
    probes.extend_from_slice(more);
    first_failure(&probes)
}

#[test]
fn a_healthy_run_passes() {
    assert_eq!(then(&[]), None);
}

#[test]
fn a_term_has_one_leader() {
    assert_eq!(then(&[(1, leader(1))]), None, "the same leader may say so again");
    assert_eq!(then(&[(2, leader(1))]).as_deref(), Some(ELECTION_SAFETY));
    let again = [(1, started(1, Some(1), 3)), (1, leader(1))];
    assert_eq!(then(&again).as_deref(), Some(ELECTION_SAFETY), "elected again, it forgot that it was");
    assert_eq!(then(&[(2, state(2, Some(2))), (2, leader(2))]), None);
}

#[test]
fn a_term_never_goes_back_restarts_included() {
    assert_eq!(then(&[(2, state(3, None)), (2, started(3, None, 2))]), None);
    assert_eq!(then(&[(2, state(3, None)), (2, state(2, None))]).as_deref(), Some(MONOTONIC_TERM));
    assert_eq!(then(&[(2, state(3, None)), (2, started(2, None, 2))]).as_deref(), Some(MONOTONIC_TERM));
    assert_eq!(then(&[(3, state(3, None)), (3, leader(2))]).as_deref(), Some(MONOTONIC_TERM));
}

#[test]
fn a_node_votes_once_per_term_restarts_included() {
    let voted = (3, state(2, Some(1)));
    assert_eq!(then(&[voted, (3, state(2, Some(1))), (3, state(3, Some(2)))]), None, "another term, another vote");
    assert_eq!(then(&[(3, state(2, None)), (3, state(2, Some(2)))]), None, "a term may begin without a vote");
    assert_eq!(then(&[voted, (3, state(2, Some(2)))]).as_deref(), Some(ONE_VOTE_PER_TERM));
    assert_eq!(then(&[voted, (3, started(2, Some(2), 0))]).as_deref(), Some(ONE_VOTE_PER_TERM));
    assert_eq!(then(&[voted, (3, started(2, None, 0))]).as_deref(), Some(ONE_VOTE_PER_TERM), "it forgot its vote");
}

#[test]
fn logs_that_agree_on_an_entry_agree_on_all_before_it() {
    let other = Probe::Append { index: 1, term: 1, hash: 7 };
    assert_eq!(then(&[(3, append(1, 1)), (3, append(2, 1))]), None);
    assert_eq!(then(&[(3, other)]).as_deref(), Some(LOG_MATCHING), "one index and term, two contents");
    assert_eq!(
        then(&[(3, state(5, None)), (3, append(1, 0)), (3, append(2, 1))]).as_deref(),
        Some(LOG_MATCHING),
        "one entry 2, but another entry 1 before it"
    );
    assert_eq!(then(&[(3, append(2, 1))]).as_deref(), Some(LOG_MATCHING), "a log has no holes");
}

#[test]
fn an_entry_that_was_there_already_changes_nothing() {
    assert_eq!(then(&[(2, append(1, 1)), (2, commit(2))]), None, "a duplicate append drops nothing behind it");
}

#[test]
fn a_leader_only_appends() {
    let leads = [(2, state(2, Some(2))), (2, leader(2)), (2, append(3, 2))];
    let with = |last: (NodeId, Probe)| then(&[leads.as_slice(), &[last]].concat());
    assert_eq!(with((2, append(4, 2))), None);
    assert_eq!(with((2, Probe::Truncate { from: 3 })).as_deref(), Some(LEADER_APPEND_ONLY));
    assert_eq!(with((2, Probe::Append { index: 3, term: 2, hash: 1 })).as_deref(), Some(LEADER_APPEND_ONLY));
    let deposed = [leads.as_slice(), &[(2, state(3, None)), (2, Probe::Truncate { from: 3 })]].concat();
    assert_eq!(then(&deposed), None, "a leader that was deposed may drop what was not committed");
}

#[test]
fn a_leader_has_what_was_committed_in_earlier_terms() {
    assert_eq!(then(&[(2, state(2, Some(2))), (2, leader(2))]), None);
    assert_eq!(then(&[(3, state(2, Some(3))), (3, leader(2))]).as_deref(), Some(LEADER_COMPLETENESS));
    let behind = [(3, append(1, 1)), (3, state(2, Some(3))), (3, leader(2))];
    assert_eq!(then(&behind).as_deref(), Some(LEADER_COMPLETENESS), "it has entry 1 but not entry 2");
}

/// Node 3 wins term 1 on votes that were long on their way, after node 1 has committed something in term 2.
#[test]
fn a_late_winner_of_an_old_term_owes_nothing_to_later_terms() {
    let probes = [
        (1, started(0, None, 0)),
        (3, started(0, None, 0)),
        (3, state(1, Some(3))),
        (1, state(2, Some(1))),
        (1, leader(2)),
        (1, append(1, 2)),
        (1, commit(1)),
        (3, leader(1)),
    ];
    assert_eq!(first_failure(&probes), None);
}

#[test]
fn what_is_committed_never_changes() {
    assert_eq!(
        then(&[(3, state(2, None)), (3, append(1, 1)), (3, append(2, 2)), (3, commit(2))]).as_deref(),
        Some(COMMITTED_IMMUTABLE),
        "another entry 2 is committed"
    );
    assert_eq!(then(&[(1, state(2, None)), (1, Probe::Truncate { from: 2 })]).as_deref(), Some(COMMITTED_IMMUTABLE));
    assert_eq!(
        then(&[(2, Probe::Truncate { from: 2 })]).as_deref(),
        Some(COMMITTED_IMMUTABLE),
        "node 2 does not know that entry 2 is committed, but it is in the term in which it was"
    );
    assert_eq!(then(&[(2, commit(3))]).as_deref(), Some(COMMITTED_IMMUTABLE), "it has no entry 3");
    let snapshot = Probe::Snapshot { last_index: 2, last_term: 9 };
    assert_eq!(then(&[(3, snapshot)]).as_deref(), Some(COMMITTED_IMMUTABLE), "a snapshot with another entry 2");
}

/// Node 2 has an entry of term 1 that node 1 commits in term 3; a message of the leader of term 2, long on its way, makes
/// node 2, still in term 2, drop it. Raft permits that: node 2 was not needed for the commit.
#[test]
fn a_node_that_is_behind_may_drop_what_was_committed_after_its_term() {
    let probes = [
        (1, started(0, None, 0)),
        (2, started(0, None, 0)),
        (1, append(1, 1)),
        (2, state(2, None)),
        (2, append(1, 1)),
        (1, state(3, Some(1))),
        (1, leader(3)),
        (1, append(2, 3)),
        (1, commit(2)),
        (2, append(1, 2)),
    ];
    assert_eq!(first_failure(&probes), None);
}

#[test]
fn commit_and_applied_start_over_with_an_incarnation_and_never_within_one() {
    assert_eq!(then(&[(1, commit(1))]).as_deref(), Some(MONOTONIC_COMMIT));
    assert_eq!(then(&[(1, apply(1, 1))]).as_deref(), Some(MONOTONIC_APPLIED));
    let again = [(1, started(1, Some(1), 2)), (1, commit(1)), (1, apply(1, 1)), (1, commit(2)), (1, apply(2, 1))];
    assert_eq!(then(&again), None);
}

#[test]
fn all_nodes_apply_the_same_entries_in_order_once_committed() {
    let other = Probe::Apply { index: 1, term: 1, hash: 7 };
    let caught_up = [(3, append(1, 1)), (3, append(2, 1)), (3, commit(2))];
    let with = |last: &[(NodeId, Probe)]| then(&[caught_up.as_slice(), last].concat());
    assert_eq!(with(&[(3, apply(1, 1)), (3, apply(2, 1))]), None);
    assert_eq!(with(&[(3, other)]).as_deref(), Some(STATE_MACHINE_SAFETY));
    assert_eq!(then(&[(2, apply(2, 1))]).as_deref(), Some(STATE_MACHINE_SAFETY), "node 2 has committed entry 1 only");
    let gap = [(3, append(3, 1)), (3, commit(3)), (3, apply(1, 1)), (3, apply(3, 1))];
    assert_eq!(with(&gap).as_deref(), Some(STATE_MACHINE_SAFETY), "entry 2 was left out");
}

#[test]
fn a_snapshot_stands_for_the_log_up_to_it() {
    let snapshot = Probe::Snapshot { last_index: 2, last_term: 1 };
    let sent =
        [(3, snapshot), (3, append(3, 1)), (3, commit(3)), (3, apply(3, 1)), (3, state(2, Some(3))), (3, leader(2))];
    assert_eq!(then(&sent), None, "node 3 never had entries 1 and 2, but has them in a snapshot");
    let kept = [(1, append(3, 1)), (1, snapshot), (1, commit(3)), (1, apply(3, 1))];
    assert_eq!(then(&kept), None, "entry 3 follows the snapshot, so it stays");
    let restarted = [(1, snapshot), (1, started(1, Some(1), 2)), (1, commit(2)), (1, append(3, 1)), (1, commit(3))];
    assert_eq!(then(&restarted), None);
}

#[test]
fn what_is_committed_is_on_a_majority_if_that_is_asked_for() {
    let watched = || {
        let mut oracle = RaftOracle::new();
        oracle.voters([1, 2, 3]);
        oracle
    };
    assert_eq!(run(watched(), &healthy()), None);
    let mut early = healthy();
    early.retain(|(node, probe)| !(*node == 2 && *probe == append(2, 1)));
    early.truncate(early.iter().position(|(_, probe)| *probe == commit(2)).expect("it is there") + 1);
    assert_eq!(run(watched(), &early).as_deref(), Some(COMMIT_ON_QUORUM));
    assert_eq!(first_failure(&early), None, "nobody asked");
}

/// Node 1 knows only in term 5 that entry 1 is committed; node 2 is told in term 1, so that it was committed in that term,
/// and whoever leads term 3 must have it.
#[test]
fn who_is_told_in_an_earlier_term_says_since_when() {
    let later =
        [(1, started(0, None, 0)), (1, state(5, None)), (1, append(1, 1)), (1, commit(1)), (3, started(0, None, 0))];
    let won = [(3, state(3, Some(3))), (3, leader(3))];
    assert_eq!(first_failure(&[&later[..], &won].concat()), None, "it may have been committed in term 4");
    let told = [(2, started(0, None, 0)), (2, state(1, None)), (2, append(1, 1)), (2, commit(1))];
    let whole = [&later[..], &told, &won].concat();
    assert_eq!(first_failure(&whole).as_deref(), Some(LEADER_COMPLETENESS));
    let drops = [&later[..], &told, &[(2, Probe::Truncate { from: 1 })]].concat();
    assert_eq!(first_failure(&drops).as_deref(), Some(COMMITTED_IMMUTABLE), "node 2 is in the term in which it was");
    // Of two indices the later one counts, whichever of them was dated first.
    let two = [
        (1, started(0, None, 0)),
        (1, state(5, None)),
        (1, append(1, 1)),
        (1, append(2, 1)),
        (1, commit(2)),
        (2, started(0, None, 0)),
        (2, state(1, None)),
        (2, append(1, 1)),
        (2, append(2, 1)),
        (2, commit(2)),
        (3, started(0, None, 0)),
        (3, append(1, 1)),
    ];
    assert_eq!(first_failure(&[&two[..], &won].concat()).as_deref(), Some(LEADER_COMPLETENESS));
}

#[test]
fn what_a_snapshot_left_open_the_next_one_tells() {
    let snapshot = Probe::Snapshot { last_index: 1, last_term: 1 };
    let other = Probe::Apply { index: 1, term: 1, hash: 7 };
    let told = [(3, started(0, None, 0)), (3, snapshot), (1, append(1, 1)), (1, commit(1))];
    assert_eq!(first_failure(&told), None);
    let whole = [&told[..], &[(2, other)]].concat();
    assert_eq!(first_failure(&whole).as_deref(), Some(STATE_MACHINE_SAFETY));
}

#[test]
fn a_snapshot_holds_what_is_before_its_end_and_cannot_be_dropped() {
    let mut oracle = RaftOracle::new();
    oracle.voters([1, 2, 3]);
    let snapshot = Probe::Snapshot { last_index: 3, last_term: 1 };
    let told = [
        (1, started(0, None, 0)),
        (2, started(0, None, 0)),
        (2, snapshot),
        (1, append(1, 1)),
        (1, append(2, 1)),
        (1, commit(2)),
        (2, Probe::Truncate { from: 1 }),
        (2, Probe::Snapshot { last_index: 2, last_term: 1 }),
        (2, append(4, 1)),
    ];
    assert_eq!(run(oracle, &told), None);
}

#[test]
fn there_is_no_entry_0() {
    assert_eq!(then(&[(1, append(0, 1))]).as_deref(), Some(LOG_MATCHING));
}

#[test]
fn evidence_names_both_sides() {
    let mut oracle = RaftOracle::new();
    assert_eq!(oracle.observe(1, 1_500_000_000, leader(4)), Ok(()));
    let evidence = oracle.observe(2, 1_750_000_000, leader(4)).expect_err("a second leader");
    assert_eq!(
        evidence.to_string(),
        "election safety: term 4 has two leaders, node 1 and node 2
  node 1 at 1.5s: leader of term 4
  node 2 at 1.75s: leader of term 4"
    );
}

#[test]
fn absurd_indices_are_answered_and_not_believed() {
    let mut oracle = RaftOracle::new();
    for index in [0, 1, u64::MAX - 1, u64::MAX] {
        for probe in [
            append(index % 1_000_000, 1),
            Probe::Append { index, term: 1, hash: 0 },
            Probe::Commit { index },
            Probe::Truncate { from: index },
            Probe::Apply { index, term: 1, hash: 0 },
            Probe::Snapshot { last_index: index, last_term: 1 },
            started(1, None, index),
        ] {
            // Whatever it says, it must come back.
            let _ = oracle.observe(1, 0, probe);
        }
    }
    assert_eq!(oracle.observe(2, 0, leader(1)), Ok(()), "and the others are judged as before");
}
