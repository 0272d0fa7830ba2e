//! Applying committed entries, and answering the clients that wait for them.

use super::node::Node;
use crate::error::Error;
use crate::kv::api::Header;
use crate::kv::command::Outcome;
use crate::probe::{Probe, emit};
use crate::raft::Entry;
use crate::wire::messages::{Answer, Refusal, RequestBody, Response};

impl Node {
    pub(super) fn apply(&mut self, entry: Entry, hash: u64) -> Result<(), Error> {
        let (index, term) = (entry.index, entry.term);
        let outcome = self.machine.apply(&entry, hash).map_err(|reason| Error::Apply {
            node: self.config.id,
            what: "entry",
            index,
            reason,
        })?;
        self.applied_bytes += entry.data.len();
        emit(self.config.probes.as_ref(), || Probe::Applied { index, term, hash });
        if let Some(pending) = self.writes.remove(&index) {
            self.pending_bytes = self.pending_bytes.saturating_sub(pending.bytes);
            let result = match outcome {
                Some(outcome) if pending.term == term => self.answer(outcome),
                // Another leader's entry took its place: this attempt can have no effect any more.
                _ => Err(self.not_leader()),
            };
            if let (Some((client, seq)), Ok(_)) = (pending.write, &result) {
                emit(self.config.probes.as_ref(), || Probe::Ack { client, seq });
            }
            pending.reply.send(Response { id: pending.id, result });
        }
        Ok(())
    }

    fn answer(&self, outcome: Outcome) -> Result<Answer, Refusal> {
        match outcome {
            Outcome::Session(client) => Ok(Answer::Session(client)),
            Outcome::Applied { revision, response } => {
                Ok(Answer::Written(Header { revision, ..self.header() }, response))
            }
            Outcome::SessionExpired => Err(Refusal::SessionExpired),
            Outcome::Superseded => Err(Refusal::Superseded),
        }
    }

    pub(super) fn header(&self) -> Header {
        Header {
            cluster_id: self.config.cluster_id,
            member_id: self.config.id,
            revision: self.machine.revision(),
            raft_term: self.raft.term(),
        }
    }

    /// Answers a read that is confirmed (or needs no confirmation) from the applied state.
    pub(super) fn answer_read(&self, body: &RequestBody) -> Result<Answer, Refusal> {
        match body {
            RequestBody::Range(range) => {
                let response = self.machine.range(range)?;
                Ok(Answer::Range(self.header(), response))
            }
            RequestBody::ReadTxn(txn) => Ok(Answer::ReadTxn(self.header(), self.machine.read_txn(txn))),
            _ => Err(Refusal::Invalid("not a read".to_owned())),
        }
    }

    pub(super) fn serve_read(&mut self, number: u64) {
        if let Some(read) = self.reads.remove(&number) {
            let result = self.answer_read(&read.body);
            read.reply.send(Response { id: read.id, result });
        }
    }
}
