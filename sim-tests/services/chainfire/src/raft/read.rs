//! Linearizable reads by ReadIndex (dissertation 6.4): a read is served once a majority has confirmed, by a round of
//! messages begun after the read arrived, that this node still leads. All reads that wait share one round.

use stormglass_probes::{sometimes, sometimes_greater_than};

use super::core::{Leadership, NotLeader, Raft, Role};
use crate::planted;
use crate::probe::Probe;

/// Reads on their way to be confirmed.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    /// Arrived since the round began: they need the next one.
    waiting: Vec<u64>,
    /// Confirmed when the round is.
    in_round: Vec<u64>,
    round: u64,
}

impl Reads {
    /// The newest round; every message to a follower carries it.
    pub(super) fn round(&self) -> u64 {
        self.round
    }
}

impl Raft {
    /// Takes a read, to be found in [`super::Ready::reads`] under this number once it is confirmed.
    ///
    /// # Errors
    /// [`NotLeader`], with the leader if it is known.
    pub fn read(&mut self, number: u64) -> Result<(), NotLeader> {
        let Role::Leader(Leadership { reads, .. }) = &mut self.role else {
            return Err(NotLeader { leader: self.leader });
        };
        if planted!("M11") {
            self.reads_confirmed.push(number);
        } else {
            reads.waiting.push(number);
        }
        Ok(())
    }

    /// Begins a round for the waiting reads, unless one is under way or the term's no-op is not yet committed
    /// (before that, entries may be committed that this node does not know to be).
    pub(super) fn begin_read_round(&mut self) {
        let commit = self.commit;
        let Role::Leader(Leadership { reads, noop, .. }) = &mut self.role else { return };
        sometimes!(!reads.waiting.is_empty() && commit < *noop, "raft: a read waits for the first commit of a term");
        if reads.waiting.is_empty() || !reads.in_round.is_empty() || commit < *noop {
            return;
        }
        std::mem::swap(&mut reads.waiting, &mut reads.in_round);
        sometimes_greater_than!(reads.in_round.len(), 1, "raft: one round confirms several reads");
        reads.round += 1;
        self.conclude_read_round();
    }

    /// Releases the reads of the round if a majority has echoed it.
    pub(super) fn conclude_read_round(&mut self) {
        let quorum = self.quorum();
        let Role::Leader(Leadership { progress, reads, .. }) = &mut self.role else { return };
        if reads.in_round.is_empty() {
            return;
        }
        let echoed = progress.values().filter(|progress| progress.round_acked >= reads.round).count();
        if echoed + 1 >= quorum {
            self.reads_confirmed.append(&mut reads.in_round);
            let index = self.commit;
            self.emit(|| Probe::ReadServed { index });
        }
    }
}
