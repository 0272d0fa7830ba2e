//! The Raft core against a model of its world: the rules one by one, and all of them in random storms.

use std::time::Duration;

use chainfire::raft::message::{Append, AppendOutcome, Vote};
use chainfire::raft::{Entry, Message, NodeId, RoleName};
use model::storm::storm;
use model::{Model, id};

mod model;

type Checked = Result<(), String>;

fn second() -> Duration {
    Duration::from_secs(1)
}

fn others(model: &Model, node: NodeId) -> Vec<NodeId> {
    model.nodes.keys().copied().filter(|other| *other != node).collect()
}

#[test]
fn one_leader_is_elected_and_stays() -> Checked {
    let mut model = Model::new(3, 1);
    let leader = model.elect()?;
    let term = model.raft(leader).term();
    model.run(second() * 10)?;
    assert_eq!(model.leader(), Some(leader));
    assert_eq!(model.raft(leader).term(), term, "nothing disturbs a healthy leader");
    assert!(others(&model, leader).into_iter().all(|node| model.raft(node).leader() == Some(leader)));
    Ok(())
}

#[test]
fn a_proposal_is_applied_everywhere() -> Checked {
    let mut model = Model::new(5, 2);
    let leader = model.elect()?;
    assert!(model.propose(leader, "a")?);
    assert!(!model.propose(others(&model, leader)[0], "b")?, "only the leader takes proposals");
    model.run(second())?;
    assert!(model.converged());
    assert_eq!(model.nodes[&leader].applied.index, 2, "the no-op and the proposal");
    Ok(())
}

#[test]
fn an_isolated_node_raises_no_term_and_disturbs_nobody() -> Checked {
    let mut model = Model::new(3, 3);
    let leader = model.elect()?;
    let term = model.raft(leader).term();
    let lone = others(&model, leader)[0];
    model.isolate(lone);
    model.run(second() * 5)?;
    assert_eq!(model.raft(lone).role(), RoleName::PreCandidate);
    assert_eq!(model.raft(lone).term(), term, "pre-vote");
    model.heal()?;
    model.run(second())?;
    assert_eq!((model.leader(), model.raft(leader).term()), (Some(leader), term));
    Ok(())
}

#[test]
fn a_leader_cut_off_steps_down_within_an_election_timeout() -> Checked {
    let mut model = Model::new(5, 4);
    let leader = model.elect()?;
    model.isolate(leader);
    model.run(Duration::from_millis(700))?;
    assert!(!model.raft(leader).is_leader());
    assert_eq!(model.nodes[&leader].lost_leadership, 1);
    model.run(second() * 2)?;
    assert!(model.leader().is_some_and(|new| new != leader), "the majority has a new leader");
    Ok(())
}

#[test]
fn a_vote_needs_a_log_at_least_as_long() -> Checked {
    let mut model = Model::new(3, 5);
    let leader = model.elect()?;
    let (short, voter) = (others(&model, leader)[0], others(&model, leader)[1]);
    model.isolate(short);
    model.propose(leader, "a")?;
    model.run(second())?;
    model.crash(leader);
    model.heal()?;
    let term = model.raft(voter).term() + 1;
    model.now += second();
    for (pre, last_term, last_index, expected) in [
        (true, term - 1, 1, false),
        (true, term - 1, 2, true),
        (true, term, 1, true),
        (false, term - 1, 1, false),
        (false, term - 1, 2, true),
    ] {
        model.wire.clear();
        model
            .act(voter, |raft, now| raft.step(now, short, Message::Vote(Vote { pre, term, last_index, last_term })))?;
        let granted = model.wire.iter().find_map(|(_, to, message)| match message {
            Message::VoteReply(reply) if *to == short => Some(reply.granted),
            _ => None,
        });
        assert_eq!(granted, Some(expected), "pre {pre}, last entry {last_index} of term {last_term}");
    }
    Ok(())
}

#[test]
fn who_hears_a_leader_gives_no_vote_and_keeps_its_term() -> Checked {
    let mut model = Model::new(3, 13);
    let leader = model.elect()?;
    let (voter, other) = (others(&model, leader)[0], others(&model, leader)[1]);
    let term = model.raft(voter).term();
    for (node, pre) in [(voter, true), (voter, false), (leader, true), (leader, false)] {
        let vote = Vote { pre, term: term + 5, last_index: 1000, last_term: term };
        model.act(node, |raft, now| raft.step(now, other, Message::Vote(vote)))?;
        assert_eq!((model.raft(node).term(), model.leader()), (term, Some(leader)), "node {node}, pre {pre}");
        let refused = model
            .wire
            .drain(..)
            .any(|(_, to, message)| to == other && matches!(message, Message::VoteReply(reply) if !reply.granted));
        assert!(refused, "node {node}, pre {pre}");
    }
    Ok(())
}

#[test]
fn votes_and_acknowledgements_wait_for_the_disk() -> Checked {
    let mut model = Model::new(3, 6);
    model.synced = false;
    let before = model.now;
    while model.now < before + second() {
        model.now += Duration::from_millis(10);
        model.act(id(1), |raft, now| {
            if raft.deadline().is_some_and(|at| now >= at) {
                raft.tick(now);
            }
        })?;
    }
    model.settle()?;
    assert_eq!(model.raft(id(1)).role(), RoleName::Candidate);
    assert_eq!(model.raft(id(2)).term(), 0, "no request leaves before the candidate's own vote is durable");
    model.sync(id(1))?;
    model.settle()?;
    assert_eq!(model.raft(id(2)).term(), 1);
    assert!(!model.raft(id(1)).is_leader(), "no vote arrives before it is durable");
    model.sync(id(2))?;
    model.settle()?;
    assert!(model.raft(id(1)).is_leader());
    model.settle()?;
    assert_eq!(model.raft(id(1)).commit_index(), 0, "nobody has the no-op on disk");
    while model.nodes[&id(2)].has_writes() {
        model.sync(id(2))?;
    }
    model.settle()?;
    assert_eq!(model.raft(id(1)).commit_index(), 0, "one disk of three is no majority");
    while model.nodes[&id(1)].has_writes() {
        model.sync(id(1))?;
    }
    assert_eq!(model.raft(id(1)).commit_index(), 1);
    Ok(())
}

/// Figure 8 of the Raft paper, from (a) to (c): a leader brings an entry of an older term to a majority. It must not
/// commit it by that.
#[test]
fn an_entry_of_an_older_term_is_not_committed_by_counting() -> Checked {
    let mut model = Model::new(3, 7);
    let old = model.elect()?;
    let (behind, helper) = (others(&model, old)[0], others(&model, old)[1]);
    for other in [behind, helper] {
        model.cut.insert((old, other));
    }
    model.propose(old, "only here")?;
    model.settle()?;
    let index = model.raft(old).last_index();
    model.crash(old);
    model.start(old);
    model.heal()?;
    // It leads again, and sends the old entry and its new no-op; the test delivers the former alone.
    let term = model.raft(behind).term() + 1;
    model.act(behind, |raft, now| {
        raft.step(
            now,
            old,
            Message::Append(Append { term, prev_index: 0, prev_term: 0, commit: 0, round: 0, entries: Vec::new() }),
        )
    })?;
    model.crash(behind);
    model.wire.clear();
    while model.leader().is_none() {
        model.now += Duration::from_millis(50);
        model.act(old, |raft, now| {
            if raft.deadline().is_some_and(|at| now >= at) {
                raft.tick(now)
            }
        })?;
        for _ in 0..1000 {
            let ask = model
                .wire
                .iter()
                .position(|(_, _, message)| matches!(message, Message::Vote(_) | Message::VoteReply(_)));
            match ask {
                Some(at) => model.deliver(at)?,
                None => break,
            }
        }
    }
    assert_eq!(model.leader(), Some(old));
    let reply = chainfire::raft::message::AppendReply {
        term: model.raft(old).term(),
        round: 0,
        outcome: AppendOutcome::Accepted { index },
    };
    model.act(old, |raft, now| raft.step(now, helper, Message::AppendReply(reply)))?;
    assert!(model.raft(old).commit_index() < index, "two of three hold entry {index}, and yet it can be overwritten");
    model.wire.clear();
    model.heal()?;
    model.run(second())?;
    assert!(model.raft(old).commit_index() > index, "the no-op of the new term commits both");
    Ok(())
}

#[test]
fn a_diverged_log_is_repaired_in_few_rounds() -> Checked {
    let mut model = Model::new(5, 8);
    let old = model.elect()?;
    model.isolate(old);
    for number in 0..50 {
        model.propose(old, &format!("lost {number}"))?;
    }
    model.run(second() * 3)?;
    for _ in 0..2 {
        // The second leader begins with a log as long as the lost one, and none of it matches.
        let new = model.leader().ok_or("a new leader")?;
        for number in 0..50 {
            model.propose(new, &format!("kept {number}"))?;
        }
        model.run(second())?;
        model.crash(new);
        model.start(new);
        model.run(second() * 3)?;
    }
    model.heal()?;
    let mut conflicts = 0;
    for _ in 0..10_000 {
        let Some((from, _, message)) = model.wire.front() else { break };
        conflicts += u32::from(
            *from == old
                && matches!(message, Message::AppendReply(reply)
            if matches!(reply.outcome, AppendOutcome::Conflict { .. })),
        );
        model.deliver(0)?;
    }
    model.run(second())?;
    assert!(model.converged());
    assert!((1..=3).contains(&conflicts), "{conflicts} conflicts for one diverged term");
    Ok(())
}

#[test]
fn a_copy_of_an_old_append_truncates_nothing() -> Checked {
    let mut model = Model::new(3, 9);
    let leader = model.elect()?;
    let follower = others(&model, leader)[0];
    for number in 0..5 {
        model.propose(leader, &format!("{number}"))?;
    }
    model.run(second())?;
    let last = model.raft(follower).last_index();
    let term = model.raft(leader).term();
    let entries = vec![Entry { index: 1, term, data: bytes::Bytes::new() }];
    let copy = Append { term, prev_index: 0, prev_term: 0, commit: 0, round: 0, entries };
    model.act(follower, |raft, now| raft.step(now, leader, Message::Append(copy)))?;
    assert_eq!(model.raft(follower).last_index(), last);
    Ok(())
}

#[test]
fn a_lost_append_is_sent_again_though_another_was_answered_twice() -> Checked {
    let mut model = Model::new(3, 14);
    let leader = model.elect()?;
    let follower = others(&model, leader)[0];
    model.propose(leader, "a")?;
    let append = |model: &Model| {
        model.wire.iter().position(|(_, to, message)| *to == follower && matches!(message, Message::Append(_)))
    };
    let at = append(&model).ok_or("the proposal is sent")?;
    model.deliver(at)?;
    let answer = |(from, _, message): &(_, _, Message)| *from == follower && matches!(message, Message::AppendReply(_));
    let answer = model.wire.iter().find(|it| answer(it)).cloned().ok_or("it is answered")?;
    model.settle()?;
    model.propose(leader, "b")?;
    let at = append(&model).ok_or("the second one is sent")?;
    model.wire.remove(at);
    model.wire.push_back(answer);
    model.run(second() * 5)?;
    assert!(model.converged(), "the follower has it though nothing more was proposed");
    Ok(())
}

#[test]
fn a_read_waits_for_a_round_begun_after_it() -> Checked {
    let mut model = Model::new(3, 10);
    let leader = model.elect()?;
    model.settle()?;
    let read = model.read(leader)?.ok_or("the leader takes reads")?;
    assert!(!model.nodes[&leader].reads.contains_key(&read), "not before a majority has answered");
    let heartbeats = model.wire.len();
    let second_read = model.read(leader)?.ok_or("the leader takes reads")?;
    assert_eq!(model.wire.len(), heartbeats, "a round under way is not begun again");
    model.settle()?;
    assert!(model.nodes[&leader].reads.contains_key(&read));
    assert!(model.nodes[&leader].reads.contains_key(&second_read), "the next round follows at once");
    assert_eq!(model.read(others(&model, leader)[0])?, None, "a follower refuses reads");
    model.isolate(leader);
    let stale = model.read(leader)?.ok_or("it does not know yet")?;
    model.run(second())?;
    assert!(!model.nodes[&leader].reads.contains_key(&stale), "a leader cut off confirms nothing");
    Ok(())
}

#[test]
fn a_follower_that_lacks_compacted_entries_gets_a_snapshot() -> Checked {
    let mut model = Model::new(3, 11);
    let leader = model.elect()?;
    let lagging = others(&model, leader)[0];
    model.isolate(lagging);
    for number in 0..50 {
        model.propose(leader, &format!("{number}"))?;
        model.settle()?;
    }
    model.snapshot(leader)?;
    model.propose(leader, "tail")?;
    model.heal()?;
    model.run(second())?;
    assert!(model.converged());
    assert_eq!(model.raft(lagging).snapshot_index(), 51, "it was installed, and the tail appended");
    model.crash(lagging);
    model.start(lagging);
    model.run(second())?;
    assert!(model.converged(), "and it is durable");
    Ok(())
}

/// What the steady state costs in messages: one append and one reply per follower for a batch of proposals, one
/// heartbeat and one reply per follower for a batch of reads, and no heartbeats beside appends.
#[test]
fn no_message_is_wasted() -> Checked {
    let mut model = Model::new(5, 12);
    let leader = model.elect()?;
    for round in 0..3 {
        model.act(leader, |raft, _| {
            for number in 0..10 {
                raft.propose(bytes::Bytes::from(format!("{round}.{number}"))).expect("leads");
            }
        })?;
        assert_eq!(model.wire.len(), 4);
        assert_eq!(model.drain()?, 8, "four appends, four replies");
        model.read(leader)?;
        assert_eq!(model.drain()?, 8, "four heartbeats, four replies");
    }
    let mut busy = 0;
    for _ in 0..100 {
        model.now += Duration::from_millis(10);
        model.act(leader, |raft, _| assert!(raft.propose(bytes::Bytes::from_static(b"x")).is_ok()))?;
        busy += model.drain()?;
    }
    assert_eq!(busy, 800);
    let mut idle = 0;
    for _ in 0..100 {
        model.now += Duration::from_millis(10);
        model.act(leader, chainfire::raft::Raft::tick)?;
        idle += model.drain()?;
    }
    assert!((152..=160).contains(&idle), "{idle} messages in an idle second: 20 heartbeats to each of 4");
    Ok(())
}

#[test]
fn raft_weathers_storms() {
    let mut committed = 0;
    for seed in 0..300 {
        let model = storm(seed).unwrap_or_else(|broken| panic!("storm {seed}: {broken}"));
        committed += model.committed.len();
    }
    assert!(committed > 300 * 10, "the storms leave room to make progress: {committed} entries");
}
