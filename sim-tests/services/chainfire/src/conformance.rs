//! What a cluster of three nodes must do, whatever it runs on: the same body is run against real processes on
//! loopback sockets and inside a simulation.
//!
//! It touches the world only through [`Cluster`] and [`Client`], and waits only for conditions, each with a bound.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::client::{Client, ClientError};
use crate::config::{Member, NodeConfig};
use crate::kv::api::{
    Compare, Comparison, DeleteRequest, Operation, OperationResult, PutRequest, RangeRequest, Select, Target,
    TxnRequest, WriteRequest,
};
use crate::raft::{NodeId, RoleName};
use crate::wire::messages::Status;

/// A cluster whose nodes can be started and stopped. Each node keeps its disk while it is down.
pub trait Cluster {
    /// The members, running or not.
    fn members(&self) -> Vec<Member>;
    /// Starts a node that is down, configured as [`tune`] says.
    fn start(&mut self, node: NodeId) -> impl Future<Output = Result<(), String>>;
    /// Stops a node gracefully, and waits until it has stopped. An error if it did not stop cleanly.
    fn stop(&mut self, node: NodeId) -> impl Future<Output = Result<(), String>>;
    /// Kills a node: it ends at once, in the middle of whatever it does.
    fn kill(&mut self, node: NodeId) -> impl Future<Output = Result<(), String>>;
}

/// Snapshots so often that a short test sees them.
pub const SNAPSHOT_ENTRIES: u64 = 40;
/// Entries kept behind a snapshot in such a test.
pub const SNAPSHOT_TRAILING: u64 = 5;

/// Configures a node as [`cluster_behaves`] needs it.
pub fn tune(config: &mut NodeConfig) {
    config.limits.snapshot_entries = SNAPSHOT_ENTRIES;
    config.limits.snapshot_trailing = SNAPSHOT_TRAILING;
}

/// No condition may take longer than this to come true.
const BOUND: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(25);
const DEADLINE: Duration = Duration::from_millis(500);

/// Runs the whole body on a cluster of three nodes, all down and with empty disks. Leaves them stopped.
///
/// # Errors
/// What did not hold, for people to read.
pub async fn cluster_behaves<C: Cluster>(cluster: &mut C) -> Result<(), String> {
    let members = cluster.members();
    for member in &members {
        cluster.start(member.id).await?;
    }
    let leader = one_leader(&members).await?;
    reads_see_writes(&members).await?;
    compare_and_set_is_exclusive(&members).await?;
    transactions_are_atomic(&members).await?;
    a_repeated_write_applies_once(&members).await?;
    bad_requests_are_refused(&members).await?;
    a_follower_redirects(&members, leader).await?;
    converged(&members).await?;
    a_new_leader_takes_over(cluster, &members).await?;
    a_lagging_node_installs_a_snapshot(cluster, &members).await?;
    everything_survives_a_full_restart(cluster, &members).await?;
    no_quorum_no_answer(cluster, &members).await?;
    for member in &members {
        cluster.stop(member.id).await?;
    }
    Ok(())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn say(what: &'static str) -> impl FnOnce(ClientError) -> String {
    move |error| format!("{what}: {error}")
}

/// The status of every node that answers.
pub async fn statuses(members: &[Member]) -> Vec<Status> {
    let asked = members.iter().map(|member| Client::status(&member.api, DEADLINE));
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

async fn until<T>(what: &str, members: &[Member], mut holds: impl FnMut(&[Status]) -> Option<T>) -> Result<T, String> {
    let give_up = Instant::now() + BOUND;
    loop {
        let seen = statuses(members).await;
        if let Some(value) = holds(&seen) {
            return Ok(value);
        }
        ensure(Instant::now() < give_up, || format!("not within {BOUND:?}: {what}; last seen: {seen:#?}"))?;
        sleep(POLL).await;
    }
}

/// Waits until exactly one node leads, and all of these follow it.
///
/// # Errors
/// If that does not come about.
pub async fn one_leader(members: &[Member]) -> Result<NodeId, String> {
    until("one leader that all follow", members, |seen| {
        let leaders: Vec<_> = seen.iter().filter(|status| status.role == RoleName::Leader).collect();
        let [leader] = leaders[..] else { return None };
        let id = leader.header.member_id;
        let agreed = seen.iter().all(|it| it.leader == Some(id) && it.header.raft_term == leader.header.raft_term);
        (agreed && seen.len() == members.len()).then_some(id)
    })
    .await
}

/// Waits until all of these nodes have applied the same log to the same state.
///
/// # Errors
/// If that does not come about.
pub async fn converged(members: &[Member]) -> Result<(), String> {
    until("all nodes in the same state", members, |seen| {
        let first = seen.first()?;
        let point = |it: &Status| (it.applied, it.applied_hash, it.state_hash, it.header.revision);
        let same = seen.iter().all(|it| point(it) == point(first) && it.applied == it.last_index);
        (same && seen.len() == members.len()).then_some(())
    })
    .await
}

async fn reads_see_writes(members: &[Member]) -> Result<(), String> {
    let mut writer = Client::of(members);
    let mut reader = Client::of(members);
    for round in 0..10u32 {
        let value = Bytes::from(format!("value {round}"));
        let (header, _) = writer.put("plain", value.clone()).await.map_err(say("a put"))?;
        let found = reader.get("plain").await.map_err(say("a get"))?;
        let found = found.ok_or("a get after a put found nothing")?;
        ensure(found.value == value && found.mod_revision == header.revision, || {
            format!("after putting {value:?} at revision {} a get found {found:?}", header.revision)
        })?;
        ensure(found.version == u64::from(round) + 1, || format!("version {} after put {round}", found.version))?;
    }
    let (_, deleted) = writer.delete(Select::Key("plain".into())).await.map_err(say("a delete"))?;
    ensure(deleted.deleted == 1, || format!("a delete of one key answered {deleted:?}"))?;
    let found = reader.get("plain").await.map_err(say("a get"))?;
    ensure(found.is_none(), || format!("after its delete a key is still {found:?}"))
}

async fn compare_and_set_is_exclusive(members: &[Member]) -> Result<(), String> {
    let mut clients: Vec<Client> = (0..4).map(|_| Client::of(members)).collect();
    let tries = clients.iter_mut().enumerate().map(|(number, client)| client.cas("lock", None, format!("{number}")));
    let results = futures::future::join_all(tries).await;
    let results: Vec<_> = results.into_iter().collect::<Result<_, _>>().map_err(say("a compare-and-set"))?;
    let winners: Vec<usize> = (0..results.len()).filter(|at| results[*at].0).collect();
    let [winner] = winners[..] else { return Err(format!("{winners:?} all created one key")) };
    for (set, there) in &results {
        let seen = there.as_ref().map(|kv| kv.value.clone());
        ensure(*set || seen == Some(Bytes::from(winner.to_string())), || {
            format!("a loser was told {seen:?}, not that {winner} won")
        })?;
    }
    let expected = Some(Bytes::from(winner.to_string()));
    let (set, _) = clients[winner].cas("lock", expected, "free").await.map_err(say("a compare-and-set"))?;
    ensure(set, || "the winner could not release its lock".to_owned())
}

async fn transactions_are_atomic(members: &[Member]) -> Result<(), String> {
    let mut client = Client::of(members);
    let put = |key: &'static str| Operation::Put(PutRequest { key: key.into(), value: "x".into(), prev_kv: false });
    let request = TxnRequest {
        compares: vec![Compare {
            key: "txn/a".into(),
            comparison: Comparison::Equal,
            target: Target::CreateRevision(0),
        }],
        success: vec![put("txn/a"), put("txn/b")],
        failure: vec![Operation::Delete(DeleteRequest { select: Select::Prefix("txn/".into()), prev_kv: true })],
    };
    let (header, first) = client.txn(request.clone()).await.map_err(say("a transaction"))?;
    ensure(first.succeeded, || "a transaction on absent keys took the wrong branch".to_owned())?;
    let (_, found) = client.range(RangeRequest::new(Select::Prefix("txn/".into()))).await.map_err(say("a range"))?;
    let revisions: Vec<u64> = found.kvs.iter().map(|kv| kv.mod_revision).collect();
    ensure(revisions == [header.revision; 2], || {
        format!("a transaction at revision {} left keys at {revisions:?}", header.revision)
    })?;
    let (_, second) = client.txn(request).await.map_err(say("a transaction"))?;
    let deleted = match &second.results[..] {
        [OperationResult::Delete(deleted)] => deleted.prev_kvs.len(),
        _ => 0,
    };
    ensure(!second.succeeded && deleted == 2, || format!("the failure branch answered {second:?}"))
}

async fn a_repeated_write_applies_once(members: &[Member]) -> Result<(), String> {
    let mut client = Client::of(members);
    let put =
        |value: &'static str| WriteRequest::Put(PutRequest { key: "once".into(), value: value.into(), prev_kv: false });
    let (first, _) = client.write(put("first")).await.map_err(say("a put"))?;
    let (again, _) = client.repeat_last(put("first")).await.map_err(say("a repeated put"))?;
    ensure(first.revision == again.revision, || {
        format!("a repeated write moved the revision from {} to {}", first.revision, again.revision)
    })?;
    let kv = client.get("once").await.map_err(say("a get"))?.ok_or("the put left nothing")?;
    ensure(kv.version == 1, || format!("a repeated write was applied {} times", kv.version))
}

async fn bad_requests_are_refused(members: &[Member]) -> Result<(), String> {
    let mut client = Client::of(members);
    let refused = client.put("", "no key").await;
    ensure(matches!(refused, Err(ClientError::Invalid(_))), || format!("an empty key gave {refused:?}"))?;
    let refused = client.put(vec![b'k'; 1 << 16], "long key").await;
    ensure(matches!(refused, Err(ClientError::Invalid(_))), || format!("a long key gave {refused:?}"))?;
    let future = RangeRequest { revision: u64::MAX, ..RangeRequest::new(Select::Key("k".into())) };
    let refused = client.range(future).await;
    ensure(matches!(refused, Err(ClientError::Range(_))), || format!("a future revision gave {refused:?}"))?;
    let old = RangeRequest { revision: 1, ..RangeRequest::new(Select::Key("k".into())) };
    let refused = client.range(old).await;
    ensure(matches!(refused, Err(ClientError::Range(_))), || format!("a compacted revision gave {refused:?}"))
}

async fn a_follower_redirects(members: &[Member], leader: NodeId) -> Result<(), String> {
    for follower in members.iter().filter(|member| member.id != leader) {
        let mut client = Client::new(vec![follower.api.clone()]);
        client.put("redirected", follower.api.clone()).await.map_err(say("a put through a follower"))?;
        let endpoint = client.last_attempts().made().last().map(|attempt| attempt.endpoint.clone());
        ensure(endpoint.as_ref() != Some(&follower.api), || format!("follower {follower} took a write"))?;
    }
    Ok(())
}

async fn a_new_leader_takes_over<C: Cluster>(cluster: &mut C, members: &[Member]) -> Result<(), String> {
    let old = one_leader(members).await?;
    let mut client = Client::of(members);
    client.put("failover", "before").await.map_err(say("a put"))?;
    cluster.kill(old).await?;
    client.put("failover", "after").await.map_err(say("a put after the leader was killed"))?;
    let rest: Vec<Member> = members.iter().filter(|member| member.id != old).cloned().collect();
    let new = one_leader(&rest).await?;
    ensure(new != old, || "a killed node still leads".to_owned())?;
    let kv = client.get("failover").await.map_err(say("a get"))?.ok_or("an acknowledged write is lost")?;
    ensure(kv.value == "after" && kv.version == 2, || format!("after the failover the key is {kv:?}"))?;
    cluster.start(old).await?;
    converged(members).await
}

async fn a_lagging_node_installs_a_snapshot<C: Cluster>(cluster: &mut C, members: &[Member]) -> Result<(), String> {
    let leader = one_leader(members).await?;
    let lagging = members.iter().find(|member| member.id != leader).ok_or("no follower")?;
    cluster.stop(lagging.id).await?;
    let before = statuses(members).await.iter().map(|status| status.last_index).max().unwrap_or_default();
    let mut client = Client::of(members);
    for number in 0..SNAPSHOT_ENTRIES * 3 {
        client.put(format!("bulk/{number}"), vec![b'x'; 100]).await.map_err(say("a put"))?;
    }
    let rest: Vec<Member> = members.iter().filter(|member| member.id != lagging.id).cloned().collect();
    let beyond = before + SNAPSHOT_TRAILING + 1;
    until("the log compacted beyond what the stopped node has", &rest, |seen| {
        seen.iter().all(|status| status.snapshot_index > beyond).then_some(())
    })
    .await?;
    cluster.start(lagging.id).await?;
    converged(members).await?;
    let status = Client::status(&lagging.api, DEADLINE).await.map_err(say("a status"))?;
    ensure(status.snapshot_index > before, || {
        format!("the node caught up from {before} without installing a snapshot: {status:?}")
    })
}

async fn everything_survives_a_full_restart<C: Cluster>(cluster: &mut C, members: &[Member]) -> Result<(), String> {
    let mut client = Client::of(members);
    client.put("durable", "yes").await.map_err(say("a put"))?;
    let before = client.range(RangeRequest::new(Select::Prefix("".into()))).await.map_err(say("a range"))?;
    for member in members {
        cluster.kill(member.id).await?;
    }
    for member in members {
        cluster.start(member.id).await?;
    }
    one_leader(members).await?;
    let after = client.range(RangeRequest::new(Select::Prefix("".into()))).await.map_err(say("a range"))?;
    ensure(before.1 == after.1, || "a full restart changed the key space".to_owned())?;
    converged(members).await
}

async fn no_quorum_no_answer<C: Cluster>(cluster: &mut C, members: &[Member]) -> Result<(), String> {
    let leader = one_leader(members).await?;
    let followers: Vec<&Member> = members.iter().filter(|member| member.id != leader).collect();
    for follower in &followers {
        cluster.kill(follower.id).await?;
    }
    let alone: Vec<Member> = members.iter().filter(|member| member.id == leader).cloned().collect();
    let mut client = Client::of(&alone);
    let refused = client.get("durable").await;
    ensure(matches!(refused, Err(ClientError::NotApplied { .. })), || format!("a lone node read {refused:?}"))?;
    until("the lone leader steps down", &alone, |seen| {
        seen.first().filter(|status| status.role != RoleName::Leader).map(|_| ())
    })
    .await?;
    let refused = client.put("durable", "no").await;
    ensure(matches!(refused, Err(ClientError::NotApplied { .. })), || format!("a lone node wrote {refused:?}"))?;
    let attempts = client.last_attempts();
    ensure(attempts.made().len() == 4, || format!("not a first attempt and 3 retries: {attempts:?}"))?;
    for follower in &followers {
        cluster.start(follower.id).await?;
    }
    one_leader(members).await?;
    let kv = client.get("durable").await.map_err(say("a get"))?.ok_or("an acknowledged write is lost")?;
    ensure(kv.value == "yes", || format!("a refused write took effect: {kv:?}"))?;
    converged(members).await
}
