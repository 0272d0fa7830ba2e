//! What a leader knows about one follower, and how it sends to it.

use std::time::Duration;

use super::types::Index;

/// How entries reach a follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Where the logs meet is not known: one append at a time.
    Probe,
    /// It is known: appends are pipelined.
    Replicate,
    /// The follower needs entries that are gone: a snapshot is sent, one chunk at a time.
    Snapshot {
        /// The last index of the snapshot being sent.
        index: Index,
        /// The next byte to send.
        offset: u64,
    },
}

/// A leader's view of one follower.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// The follower durably holds the leader's log up to here.
    pub(super) matched: Index,
    /// The next entry to send.
    pub(super) next: Index,
    /// Where the last probe began: the best guess while nothing is known to match.
    pub(super) probed: Index,
    /// How entries are sent.
    pub(super) mode: Mode,
    /// Appends or chunks sent and not answered.
    pub(super) in_flight: usize,
    /// The connection is not known to be down.
    pub(super) reachable: bool,
    /// When it was last sent anything.
    pub(super) sent_at: Duration,
    /// When it was last sent an append or a chunk.
    pub(super) appended_at: Duration,
    /// When it last answered one.
    pub(super) answered_at: Duration,
    /// When it was last heard from in this term.
    pub(super) heard_at: Duration,
    /// The newest read round sent to it.
    pub(super) round_sent: u64,
    /// The newest read round it echoed.
    pub(super) round_acked: u64,
}

impl Progress {
    pub(super) fn new(next: Index, now: Duration) -> Self {
        Progress {
            matched: 0,
            next,
            probed: next,
            mode: Mode::Probe,
            in_flight: 0,
            reachable: true,
            sent_at: now,
            appended_at: now,
            answered_at: now,
            heard_at: now,
            round_sent: 0,
            round_acked: 0,
        }
    }

    /// Starts over from what is known to match, after messages may have been lost.
    pub(super) fn probe(&mut self) {
        self.mode = Mode::Probe;
        self.next = if self.matched > 0 { self.matched + 1 } else { self.probed };
        self.in_flight = 0;
    }

    /// Notes that a message with this read round goes out now.
    pub(super) fn sent(&mut self, now: Duration, round: u64) {
        self.sent_at = now;
        self.round_sent = self.round_sent.max(round);
    }

    /// The follower holds the log up to `index`.
    pub(super) fn accepted(&mut self, index: Index) {
        self.matched = self.matched.max(index);
        self.next = self.next.max(self.matched + 1);
    }
}
