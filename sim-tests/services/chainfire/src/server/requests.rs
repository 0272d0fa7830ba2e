//! Clients' requests: checked against the limits, then proposed, queued as reads, or answered at once.

use stormglass_probes::buggify;

use super::inbox::Reply;
use super::node::{Node, PendingRead, PendingWrite};
use crate::kv::api::{Operation, RangeRequest, TxnRequest};
use crate::kv::command::{Action, Command};
use crate::wire::messages::{Answer, Refusal, Request, RequestBody, Response, Status};

impl Node {
    pub(super) fn request(&mut self, request: Request, reply: Reply) {
        let Request { id, body } = request;
        let done = match body {
            RequestBody::Status => Some(Ok(Answer::Status(Box::new(self.status())))),
            _ if self.stopping => Some(Err(Refusal::ShuttingDown)),
            RequestBody::OpenSession => self.propose(id, &reply, Action::OpenSession).err().map(Err),
            RequestBody::Write { client, seq, request } => {
                let checked = if seq == 0 {
                    Err("the writes of a session are numbered from 1".to_owned())
                } else {
                    request.check(&self.config.limits)
                };
                match checked {
                    Err(reason) => Some(Err(Refusal::Invalid(reason))),
                    Ok(()) => self.propose(id, &reply, Action::Write { client, seq, request }).err().map(Err),
                }
            }
            RequestBody::Range(RangeRequest { serializable: true, .. }) => Some(self.answer_read(&body)),
            RequestBody::Range(ref range) => match range.select.check(&self.config.limits) {
                Err(reason) => Some(Err(Refusal::Invalid(reason))),
                Ok(()) => self.read(id, &reply, body).err().map(Err),
            },
            RequestBody::ReadTxn(ref txn) => match self.check_read_txn(txn) {
                Err(reason) => Some(Err(Refusal::Invalid(reason))),
                Ok(()) => self.read(id, &reply, body).err().map(Err),
            },
        };
        if let Some(result) = done {
            reply.send(Response { id, result });
        }
    }

    fn check_read_txn(&self, txn: &TxnRequest) -> Result<(), String> {
        if !txn.is_read() {
            let writes = |it: &&Operation| !matches!(it, Operation::Range(_));
            let count = txn.success.iter().chain(&txn.failure).filter(writes).count();
            return Err(format!("a read-only transaction has {count} steps that write"));
        }
        txn.check(&self.config.limits)
    }

    fn propose(&mut self, id: u64, reply: &Reply, action: Action) -> Result<(), Refusal> {
        if !self.raft.is_leader() {
            return Err(self.not_leader());
        }
        let limits = &self.config.limits;
        let full = self.writes.len() >= limits.in_flight || self.pending_bytes >= limits.uncommitted_bytes;
        if full || buggify!("server: a write is refused for want of room", 0.02) {
            return Err(Refusal::Overloaded(format!(
                "{} writes of {} bytes are in flight",
                self.writes.len(),
                self.pending_bytes
            )));
        }
        let write = match action {
            Action::Write { client, seq, .. } => Some((client, seq)),
            Action::OpenSession => None,
        };
        let limit = limits.request_bytes;
        let data = Command { clock_ms: self.cluster_clock_ms(), action }.encode();
        let bytes = data.len();
        if bytes > limit {
            return Err(Refusal::Invalid(format!("a request has at most {limit} bytes, not {bytes}")));
        }
        let (index, term) = self.raft.propose(data).map_err(|_| self.not_leader())?;
        self.pending_bytes += bytes;
        self.writes.insert(index, PendingWrite { term, id, reply: reply.clone(), bytes, write });
        Ok(())
    }

    /// The clock that travels in the log: it goes on from where the log left it, at the pace of the leader's
    /// monotonic clock. No node's wall clock enters it.
    fn cluster_clock_ms(&mut self) -> u64 {
        let now = self.now();
        let (base, since) = *self.clock.get_or_insert((self.machine.clock_ms(), now));
        base + now.saturating_sub(since).as_millis() as u64
    }

    fn read(&mut self, id: u64, reply: &Reply, body: RequestBody) -> Result<(), Refusal> {
        if self.reads.len() >= self.config.limits.in_flight {
            return Err(Refusal::Overloaded(format!("{} reads wait to be confirmed", self.reads.len())));
        }
        let number = self.next_read;
        self.raft.read(number).map_err(|_| self.not_leader())?;
        self.next_read += 1;
        self.reads.insert(number, PendingRead { id, reply: reply.clone(), body });
        Ok(())
    }

    pub(super) fn not_leader(&self) -> Refusal {
        let leader = self.raft.leader().filter(|leader| *leader != self.config.id);
        Refusal::NotLeader {
            leader: leader.and_then(|id| self.config.members.iter().find(|member| member.id == id).cloned()),
        }
    }

    fn status(&mut self) -> Status {
        let applied = self.machine.applied();
        Status {
            header: self.header(),
            role: self.raft.role(),
            leader: self.raft.leader(),
            commit: self.raft.commit_index(),
            applied: applied.index,
            last_index: self.raft.last_index(),
            snapshot_index: self.raft.snapshot_index(),
            state_hash: self.machine.state_hash(),
            applied_hash: applied.hash,
            members: self.config.members.clone(),
        }
    }
}
