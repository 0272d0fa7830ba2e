//! Snapshots: compacting the log behind one, and sending one to a follower whose entries are gone.

use std::time::Duration;

use bytes::BytesMut;
use stormglass_probes::{reachable, sometimes};

use super::core::{Leadership, Raft, Role};
use super::message::{Message, SnapshotChunk, SnapshotReply};
use super::progress::Mode;
use super::types::{Index, LogOperation, NodeId, Snapshot, SnapshotMeta, Term};
use crate::config::Limits;
use crate::probe::Probe;

/// A snapshot being received.
#[derive(Debug)]
pub(super) struct Incoming {
    meta: SnapshotMeta,
    total: u64,
    crc: u32,
    data: BytesMut,
}

impl Snapshot {
    /// The chunk at `offset`; starts over if the follower was being sent an older snapshot than this one.
    pub(super) fn chunk(
        &self,
        term: Term,
        round: u64,
        index: &mut Index,
        offset: &mut u64,
        limits: &Limits,
    ) -> SnapshotChunk {
        if *index != self.meta.index {
            *index = self.meta.index;
            *offset = 0;
        }
        let start = usize::try_from(*offset).unwrap_or(usize::MAX).min(self.data.len());
        sometimes!(start > 0, "raft: a snapshot takes several chunks");
        let end = start.saturating_add(limits.snapshot_chunk_bytes).min(self.data.len());
        SnapshotChunk {
            term,
            round,
            meta: self.meta,
            total: self.data.len() as u64,
            crc: self.crc,
            offset: start as u64,
            data: self.data.slice(start..end),
        }
    }
}

impl Raft {
    /// The driver has made a snapshot of the applied state durable: the log behind it may go, but for a tail that
    /// spares a follower that is only a little behind a whole snapshot.
    pub fn snapshot_taken(&mut self, snapshot: Snapshot) {
        let meta = snapshot.meta;
        if meta.index <= self.snapshot_index() {
            return;
        }
        self.snapshot = Some(snapshot);
        self.log.compact(meta.index.saturating_sub(self.limits.snapshot_trailing));
        self.operations.push(LogOperation::Compact(meta.index));
        self.emit(|| Probe::SnapshotTaken { index: meta.index, term: meta.term });
    }

    pub(super) fn on_snapshot(&mut self, now: Duration, from: NodeId, chunk: SnapshotChunk) {
        let (round, meta) = (chunk.round, chunk.meta);
        let mut next_offset = 0;
        let mut installed = false;
        if chunk.term >= self.hard.term {
            self.follow(now, chunk.term, from);
            if self.commit >= meta.index || self.log.term(meta.index) == Some(meta.term) {
                // The log already holds everything that the snapshot covers.
                reachable!("raft: a snapshot arrives that covers nothing new");
                self.commit_to(meta.index);
                self.incoming = None;
                installed = true;
            } else {
                next_offset = self.receive(chunk);
                installed = self.install(meta);
            }
        }
        let reply = SnapshotReply { term: self.hard.term, round, index: meta.index, next_offset, installed };
        self.send(from, Message::SnapshotReply(reply), true);
    }

    /// Adds a chunk to the snapshot being received, and returns the next byte wanted.
    fn receive(&mut self, chunk: SnapshotChunk) -> u64 {
        if chunk.total > self.limits.snapshot_bytes as u64 {
            tracing::error!(node = %self.id, bytes = chunk.total, "refusing a snapshot beyond snapshot_bytes");
            return 0;
        }
        let same = self
            .incoming
            .as_ref()
            .is_some_and(|it| it.meta == chunk.meta && it.total == chunk.total && it.crc == chunk.crc);
        if !same {
            sometimes!(self.incoming.is_some(), "raft: a newer snapshot takes the place of one half received");
            self.incoming =
                Some(Incoming { meta: chunk.meta, total: chunk.total, crc: chunk.crc, data: BytesMut::new() });
        }
        let Some(incoming) = &mut self.incoming else { return 0 };
        if chunk.offset == incoming.data.len() as u64 && chunk.offset + chunk.data.len() as u64 <= incoming.total {
            incoming.data.extend_from_slice(&chunk.data);
        }
        incoming.data.len() as u64
    }

    /// Installs the received snapshot if it is whole. A damaged one is dropped, and asked for again.
    fn install(&mut self, meta: SnapshotMeta) -> bool {
        let whole = self.incoming.as_ref().is_some_and(|it| it.data.len() as u64 == it.total);
        let Some(incoming) = self.incoming.take_if(|_| whole) else { return false };
        let snapshot = Snapshot::new(meta, incoming.data.freeze());
        if snapshot.crc != incoming.crc {
            tracing::warn!(node = %self.id, index = meta.index, "dropping a snapshot whose checksum is wrong");
            return false;
        }
        sometimes!(self.log.last_index() > meta.index, "raft: a snapshot replaces entries that lie beyond it");
        self.log.reset(meta);
        self.commit = meta.index;
        self.operations.push(LogOperation::Install(snapshot.clone()));
        self.snapshot = Some(snapshot.clone());
        self.restore = Some(snapshot);
        self.emit(|| Probe::SnapshotInstalled { index: meta.index, term: meta.term, hash: meta.hash });
        true
    }

    pub(super) fn on_snapshot_reply(&mut self, now: Duration, from: NodeId, reply: &SnapshotReply) {
        if !self.heard(now, from, reply.term, reply.round) {
            return;
        }
        let last = self.log.last_index();
        let Role::Leader(Leadership { progress, .. }) = &mut self.role else { return };
        let Some(progress) = progress.get_mut(&from) else { return };
        progress.answered_at = now;
        if reply.installed {
            progress.accepted(reply.index.min(last));
            progress.probe();
            self.advance_commit();
        } else if let Mode::Snapshot { index, offset } = &mut progress.mode
            && *index == reply.index
        {
            *offset = reply.next_offset;
            progress.in_flight = 0;
        }
    }
}
