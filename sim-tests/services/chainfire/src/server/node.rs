//! The node's task: takes inputs in batches, steps Raft, and carries out what Raft asks for.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use stormglass_probes::{buggify, knob, reachable, sometimes};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::disk::Disk;
use super::inbox::{Input, Reply};
use super::link::Link;
use crate::config::NodeConfig;
use crate::error::Error;
use crate::kv::Machine;
use crate::probe::{Probe, emit};
use crate::raft::{Index, Message, NodeId, Options, Outgoing, Raft, Ready, Recovered, Snapshot, Term, WriteId};
use crate::storage::{Storage, StorageError, write_snapshot};
use crate::wire::messages::{Refusal, RequestBody, Response};

/// A write that was proposed and waits to be applied.
pub(super) struct PendingWrite {
    pub(super) term: Term,
    pub(super) id: u64,
    pub(super) reply: Reply,
    /// Bytes of the command.
    pub(super) bytes: usize,
    /// The client and its sequence number, if it is a write of a session.
    pub(super) write: Option<(u64, u64)>,
}

/// A read that waits to be confirmed.
pub(super) struct PendingRead {
    pub(super) id: u64,
    pub(super) reply: Reply,
    pub(super) body: RequestBody,
}

type SnapshotJob = futures::future::BoxFuture<'static, (Snapshot, Result<(), StorageError>)>;

/// Everything that the node's task owns.
pub(super) struct Node {
    pub(super) config: NodeConfig,
    pub(super) raft: Raft,
    pub(super) machine: Machine,
    disk: Disk,
    links: BTreeMap<NodeId, Link>,
    /// Where to answer each peer: the newest connection it opened.
    replies: BTreeMap<NodeId, mpsc::Sender<Message>>,
    inputs: mpsc::Receiver<Input>,
    /// Messages that wait for a write, in the order of their writes.
    held: VecDeque<(WriteId, NodeId, Message)>,
    pub(super) writes: BTreeMap<Index, PendingWrite>,
    pub(super) reads: BTreeMap<u64, PendingRead>,
    pub(super) next_read: u64,
    /// Bytes of the commands in `writes`.
    pub(super) pending_bytes: usize,
    snapshot_job: Option<SnapshotJob>,
    /// Bytes applied since the last snapshot.
    pub(super) applied_bytes: usize,
    started: Instant,
    /// The cluster's clock when this node last began to lead, and when that was.
    pub(super) clock: Option<(u64, Duration)>,
    pub(super) stopping: bool,
}

/// Inputs taken in one batch.
const BATCH: usize = 512;

/// A deadline for a node that has none.
const FAR: Duration = Duration::from_secs(3600);

impl Node {
    pub(super) fn new(
        config: NodeConfig,
        storage: Storage,
        recovered: Recovered,
        seed: u64,
        links: BTreeMap<NodeId, Link>,
        inputs: mpsc::Receiver<Input>,
    ) -> Result<Self, Error> {
        let mut machine = Machine::new(&config.limits);
        if let Some(snapshot) = &recovered.snapshot {
            restore(&mut machine, config.id, snapshot)?;
        }
        let options = Options {
            id: config.id,
            voters: config.members.iter().map(|member| member.id).collect(),
            seed,
            timing: config.timing.clone(),
            limits: config.limits.clone(),
            probes: config.probes.clone(),
        };
        Ok(Node {
            raft: Raft::new(options, recovered, Duration::ZERO),
            machine,
            disk: Disk::new(storage),
            links,
            replies: BTreeMap::new(),
            inputs,
            held: VecDeque::new(),
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_read: 0,
            pending_bytes: 0,
            snapshot_job: None,
            applied_bytes: 0,
            started: Instant::now(),
            clock: None,
            stopping: false,
            config,
        })
    }

    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs until `shutdown`, then drains; or until a fatal error.
    pub(super) async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let mut shutdown = pin!(shutdown);
        let mut armed = self.started + self.raft.deadline().unwrap_or(FAR);
        // Armed again only when it fires or a nearer deadline comes up: most deadlines recede before they arrive.
        let mut timer = pin!(sleep_until(armed));
        let mut batch = Vec::with_capacity(BATCH);
        let mut stop_at = None;
        let most = knob!("server: inputs in a batch", BATCH, [1, 3, 20]);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown, if !self.stopping => {
                    tracing::info!(node = %self.config.id, "stopping");
                    self.stopping = true;
                    stop_at = Some(self.now() + self.config.timing.drain);
                }
                durable = self.disk.done(), if self.disk.is_busy() => {
                    let durable = durable.map_err(|source| self.storage_failed(source))?;
                    self.raft.written(self.now(), durable);
                    self.release_held();
                }
                count = self.inputs.recv_many(&mut batch, most) => {
                    if count == 0 {
                        // Every connection task has ended, which only happens when the node is being dropped.
                        return Ok(());
                    }
                    let now = self.now();
                    for input in batch.drain(..) {
                        self.take_in(now, input);
                    }
                }
                (snapshot, result) = poll_job(&mut self.snapshot_job) => {
                    self.snapshot_job = None;
                    result.map_err(|source| self.storage_failed(source))?;
                    self.raft.snapshot_taken(snapshot);
                }
                () = &mut timer => armed = self.started + FAR * 24,
            }
            let now = self.now();
            if self.raft.deadline().is_some_and(|deadline| now >= deadline) {
                self.raft.tick(now);
            }
            let ready = self.raft.ready(now);
            self.carry_out(ready)?;
            if self.stopping && self.drained(now, stop_at) {
                return self.close().await;
            }
            let next = self.raft.deadline().unwrap_or(now + FAR).min(stop_at.unwrap_or(Duration::MAX));
            let next = self.started + next;
            if next < armed {
                armed = next;
                timer.as_mut().reset(armed);
            }
        }
    }

    fn take_in(&mut self, now: Duration, input: Input) {
        match input {
            Input::Peer { peer, message } => self.raft.step(now, peer, message),
            Input::Client { request, reply } => self.request(request, reply),
            Input::PeerConnected { peer, replies } => {
                self.replies.insert(peer, replies);
                if let Some(link) = self.links.get(&peer) {
                    link.peer_is_alive();
                }
            }
            Input::LinkUp { peer } => self.raft.link_up(peer),
            Input::LinkDown { peer, attempt } => {
                emit(self.config.probes.as_ref(), || Probe::PeerFailed { peer, attempt });
                self.raft.link_down(peer);
            }
            Input::Unreachable { peer, attempts } => {
                tracing::warn!(node = %self.config.id, %peer, attempts, "peer unreachable, giving up until there is \
                    something new to tell it");
                emit(self.config.probes.as_ref(), || Probe::PeerUnreachable { peer, attempts });
            }
        }
    }

    fn carry_out(&mut self, ready: Ready) -> Result<(), Error> {
        let Ready { write, messages, restore: snapshot, committed, reads, lost_leadership } = ready;
        let written = self.disk.durable();
        for Outgoing { to, message, after } in messages {
            match after {
                Some(write) if write > written => self.held.push_back((write, to, message)),
                _ => self.send(to, message),
            }
        }
        if let Some(write) = write {
            self.disk.write(write);
        }
        if let Some(snapshot) = snapshot {
            restore(&mut self.machine, self.config.id, &snapshot)?;
            self.applied_bytes = 0;
        }
        for (entry, hash) in committed {
            self.apply(entry, hash)?;
        }
        for number in reads {
            self.serve_read(number);
        }
        if lost_leadership {
            self.fail_pending();
        }
        if let Some((from, committed)) = self.raft.violation() {
            return Err(Error::CommittedTruncated { node: self.config.id, from, committed });
        }
        self.take_snapshot_if_due();
        Ok(())
    }

    fn send(&self, to: NodeId, message: Message) {
        if message.is_request() {
            if let Some(link) = self.links.get(&to) {
                link.send(message);
            }
        } else if let Some(replies) = self.replies.get(&to)
            && replies.try_send(message).is_err()
        {
            reachable!("server: an answer finds no connection");
            tracing::debug!(node = %self.config.id, peer = %to, "an answer found no connection");
        }
    }

    /// Sends the messages whose writes have become durable.
    fn release_held(&mut self) {
        let durable = self.disk.durable();
        // A message may wait for an older write than one queued before it, if it speaks of the hard state alone.
        let held = std::mem::take(&mut self.held);
        for (write, to, message) in held {
            if write <= durable {
                self.send(to, message);
            } else {
                self.held.push_back((write, to, message));
            }
        }
    }

    fn take_snapshot_if_due(&mut self) {
        let applied = self.machine.applied();
        let entries = applied.index - self.raft.snapshot_index().min(applied.index);
        let due = entries >= self.config.limits.snapshot_entries
            || (entries > 0 && self.applied_bytes >= self.config.limits.snapshot_log_bytes)
            || (entries > 0 && buggify!("server: a snapshot before it is due", 0.002));
        if !due || self.snapshot_job.is_some() {
            return;
        }
        self.applied_bytes = 0;
        let snapshot = Snapshot::new(applied, self.machine.encode());
        let dir = self.config.data_dir.clone();
        self.snapshot_job = Some(Box::pin(async move {
            let result = write_snapshot(&dir, &snapshot).await;
            (snapshot, result)
        }));
    }

    /// Whether a graceful stop has nothing more to wait for.
    fn drained(&self, now: Duration, stop_at: Option<Duration>) -> bool {
        (self.writes.is_empty() && self.reads.is_empty()) || stop_at.is_none_or(|at| now >= at)
    }

    /// Refuses what is still waiting, and finishes the disk's work.
    async fn close(mut self) -> Result<(), Error> {
        self.fail_pending();
        while self.disk.is_busy() {
            self.disk.done().await.map_err(|source| self.storage_failed(source))?;
        }
        tracing::info!(node = %self.config.id, "stopped");
        Ok(())
    }

    fn storage_failed(&self, source: StorageError) -> Error {
        Error::Storage { node: self.config.id, dir: self.config.data_dir.clone(), source }
    }

    /// Fails what waits on a leadership that is over.
    fn fail_pending(&mut self) {
        sometimes!(!self.writes.is_empty(), "server: a leadership ends with writes under way");
        sometimes!(!self.reads.is_empty(), "server: a leadership ends with reads under way");
        for write in std::mem::take(&mut self.writes).into_values() {
            write.reply.send(Response { id: write.id, result: Err(Refusal::LeadershipLost) });
        }
        self.pending_bytes = 0;
        let refusal = self.not_leader();
        for read in std::mem::take(&mut self.reads).into_values() {
            read.reply.send(Response { id: read.id, result: Err(refusal.clone()) });
        }
        self.clock = None;
    }
}

async fn poll_job(job: &mut Option<SnapshotJob>) -> (Snapshot, Result<(), StorageError>) {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

fn restore(machine: &mut Machine, node: NodeId, snapshot: &Snapshot) -> Result<(), Error> {
    machine.restore(snapshot.meta, &snapshot.data).map_err(|reason| Error::Apply {
        node,
        what: "snapshot",
        index: snapshot.meta.index,
        reason,
    })
}
