//! Client sessions: the last write of each client and its answer, so that a repeated write is not applied again.
//!
//! Sessions end by count (the least recently used) and by age on the cluster's own clock, which travels in the log:
//! every node ends the same sessions at the same entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::Outcome;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// The last write applied; zero before the first.
    seq: u64,
    /// What it answered.
    outcome: Option<Outcome>,
    /// The entry that last used the session.
    used_at: u64,
    /// The cluster's clock then.
    used_clock_ms: u64,
}

/// What the sessions say of a write that is about to be applied.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Apply it.
    New,
    /// It was applied: this was the answer.
    Repeated(Outcome),
    /// A later one was applied.
    Superseded,
    /// There is no such session.
    Unknown,
}

/// All sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sessions {
    by_client: BTreeMap<u64, Session>,
    /// Clients by the entry that last used their session: the order in which they end.
    by_use: BTreeMap<u64, u64>,
}

impl Sessions {
    /// Opens the session whose id is the index of the entry that opens it.
    pub(super) fn open(&mut self, index: u64, clock_ms: u64, most: usize) {
        while self.by_client.len() >= most.max(1) {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.by_client.remove(&oldest);
        }
        self.by_client.insert(index, Session { seq: 0, outcome: None, used_at: index, used_clock_ms: clock_ms });
        self.by_use.insert(index, index);
    }

    /// Ends the sessions that were last used more than `ttl_ms` ago.
    pub(super) fn expire(&mut self, clock_ms: u64, ttl_ms: u64) {
        while let Some((used_at, client)) = self.by_use.first_key_value().map(|(used_at, client)| (*used_at, *client)) {
            let old = self
                .by_client
                .get(&client)
                .is_none_or(|session| clock_ms.saturating_sub(session.used_clock_ms) > ttl_ms);
            if !old {
                break;
            }
            self.by_use.remove(&used_at);
            self.by_client.remove(&client);
        }
    }

    pub(super) fn verdict(&self, client: u64, seq: u64) -> Verdict {
        match self.by_client.get(&client) {
            None => Verdict::Unknown,
            Some(session) if seq > session.seq => Verdict::New,
            Some(Session { seq: last, outcome: Some(outcome), .. }) if *last == seq => {
                Verdict::Repeated(outcome.clone())
            }
            Some(_) => Verdict::Superseded,
        }
    }

    /// Records the answer to a write that was applied.
    pub(super) fn applied(&mut self, client: u64, seq: u64, outcome: Outcome, index: u64, clock_ms: u64) {
        if let Some(session) = self.by_client.get_mut(&client) {
            self.by_use.remove(&session.used_at);
            self.by_use.insert(index, client);
            *session = Session { seq, outcome: Some(outcome), used_at: index, used_clock_ms: clock_ms };
        }
    }
}
