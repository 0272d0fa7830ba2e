//! The state machine: applies log entries, answers reads, and turns itself into a snapshot and back.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stormglass_probes::reachable;

use super::api::{RangeError, RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use super::command::{Action, Command, Outcome};
use super::mvcc::{KeySpace, Room};
use super::session::{Sessions, Verdict};
use crate::config::Limits;
use crate::planted;
use crate::raft::{Entry, Index, SnapshotMeta};
use crate::wire::codec;

/// What every node must agree on after the same entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    keys: KeySpace,
    sessions: Sessions,
    clock_ms: u64,
}

/// A digest of the replicated state.
pub type StateHash = u64;

/// The replicated state, and where in the log it is.
#[derive(Debug)]
pub struct Machine {
    state: State,
    applied: SnapshotMeta,
    hash: Option<(Index, StateHash)>,
    sessions: usize,
    session_ttl_ms: u64,
    response_bytes: usize,
}

impl Machine {
    /// The empty state.
    pub fn new(limits: &Limits) -> Self {
        Machine {
            state: State::default(),
            applied: SnapshotMeta::default(),
            hash: None,
            sessions: limits.sessions,
            session_ttl_ms: limits.session_ttl.as_millis() as u64,
            response_bytes: limits.response_bytes,
        }
    }

    /// The last entry applied: its index, term and chain hash.
    pub fn applied(&self) -> SnapshotMeta {
        self.applied
    }

    /// The revision of the key space.
    pub fn revision(&self) -> u64 {
        self.state.keys.revision()
    }

    /// The cluster's clock, as of the last entry applied.
    pub fn clock_ms(&self) -> u64 {
        self.state.clock_ms
    }

    /// Applies the next entry, whose chain hash is `hash`. A no-op answers nothing.
    ///
    /// # Errors
    /// What the decoder said of an entry that does not decode. The node must stop: it would diverge.
    pub fn apply(&mut self, entry: &Entry, hash: u64) -> Result<Option<Outcome>, String> {
        let outcome = if entry.data.is_empty() {
            None
        } else {
            let command = Command::decode(&entry.data)?;
            Some(self.execute(entry.index, command))
        };
        self.applied = SnapshotMeta { index: entry.index, term: entry.term, hash };
        Ok(outcome)
    }

    fn execute(&mut self, index: Index, command: Command) -> Outcome {
        let State { keys, sessions, clock_ms } = &mut self.state;
        let replica_ms = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        *clock_ms = (*clock_ms).max(if planted!("M32") { replica_ms() } else { command.clock_ms });
        sessions.expire(*clock_ms, self.session_ttl_ms);
        match command.action {
            Action::OpenSession => {
                sessions.open(index, *clock_ms, self.sessions);
                Outcome::Session(index)
            }
            Action::Write { client, seq, request } => {
                let verdict = if planted!("M30") { Verdict::New } else { sessions.verdict(client, seq) };
                match verdict {
                    Verdict::New => {
                        let response = keys.write(&request, &mut Room(self.response_bytes));
                        let outcome = Outcome::Applied { revision: keys.revision(), response };
                        sessions.applied(client, seq, outcome.clone(), index, *clock_ms);
                        outcome
                    }
                    Verdict::Repeated(outcome) => {
                        reachable!("kv: a repeated write is answered from its session");
                        outcome
                    }
                    Verdict::Superseded => {
                        reachable!("kv: a late copy of a write that was given up is not applied");
                        Outcome::Superseded
                    }
                    Verdict::Unknown => Outcome::SessionExpired,
                }
            }
        }
    }

    /// Reads keys from the state as it is now.
    ///
    /// # Errors
    /// [`RangeError`] if a revision other than the latest is asked for.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RangeError> {
        self.state.keys.range(request, &mut Room(self.response_bytes))
    }

    /// Evaluates a transaction for which [`TxnRequest::is_read`] holds.
    pub fn read_txn(&self, request: &TxnRequest) -> TxnResponse {
        self.state.keys.read_txn(request, &mut Room(self.response_bytes))
    }

    /// A digest of the whole state, sessions included; computed when asked for.
    pub fn state_hash(&mut self) -> StateHash {
        match self.hash {
            Some((index, hash)) if index == self.applied.index => hash,
            _ => {
                let digest = blake3::hash(&self.encode());
                let hash = u64::from_le_bytes(std::array::from_fn(|at| digest.as_bytes()[at]));
                self.hash = Some((self.applied.index, hash));
                hash
            }
        }
    }

    /// The whole state, for a snapshot.
    pub fn encode(&self) -> Bytes {
        codec::encode(&self.state).into()
    }

    /// Replaces the state by a snapshot's.
    ///
    /// # Errors
    /// What the decoder said. The state is unchanged then.
    pub fn restore(&mut self, meta: SnapshotMeta, data: &[u8]) -> Result<(), String> {
        self.state = codec::decode(data)?;
        if planted!("M24") {
            self.state.sessions = Sessions::default();
        }
        self.applied = meta;
        self.hash = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::api::{PutRequest, PutResponse, WriteRequest, WriteResponse};

    struct Feed {
        machine: Machine,
        index: Index,
    }

    impl Feed {
        fn new(limits: &Limits) -> Self {
            Feed { machine: Machine::new(limits), index: 0 }
        }

        fn apply(&mut self, clock_ms: u64, action: Action) -> Outcome {
            self.index += 1;
            let data = Command { clock_ms, action }.encode();
            let entry = Entry { index: self.index, term: 1, data };
            self.machine.apply(&entry, self.index).expect("decodes").expect("answers")
        }

        fn put(&mut self, clock_ms: u64, client: u64, seq: u64) -> Outcome {
            let put = PutRequest { key: "k".into(), value: format!("{client}.{seq}").into(), prev_kv: false };
            self.apply(clock_ms, Action::Write { client, seq, request: WriteRequest::Put(put) })
        }
    }

    fn applied(revision: u64) -> Outcome {
        Outcome::Applied { revision, response: WriteResponse::Put(PutResponse { prev_kv: None, more: false }) }
    }

    #[test]
    fn a_repeated_write_answers_again_and_changes_nothing() {
        let mut feed = Feed::new(&Limits::default());
        assert_eq!(feed.apply(0, Action::OpenSession), Outcome::Session(1));
        assert_eq!(feed.put(0, 1, 1), applied(1));
        assert_eq!(feed.put(0, 1, 1), applied(1));
        assert_eq!(feed.machine.revision(), 1);
        assert_eq!(feed.put(0, 1, 3), applied(2));
        assert_eq!(feed.put(0, 1, 2), Outcome::Superseded, "a late copy of a write that was given up");
        assert_eq!(feed.put(0, 9, 1), Outcome::SessionExpired);
        assert_eq!(feed.machine.revision(), 2);
    }

    #[test]
    fn sessions_end_by_count_least_recently_used_first() {
        let mut feed = Feed::new(&Limits { sessions: 2, ..Limits::default() });
        feed.apply(0, Action::OpenSession);
        feed.apply(0, Action::OpenSession);
        feed.put(0, 1, 1);
        feed.apply(0, Action::OpenSession);
        assert_eq!(feed.put(0, 2, 1), Outcome::SessionExpired);
        assert_eq!(feed.put(0, 1, 1), applied(1), "the session used last is kept, with its answer");
    }

    #[test]
    fn sessions_end_by_the_clock_in_the_log_which_never_goes_back() {
        let ttl = Limits::default().session_ttl.as_millis() as u64;
        let mut feed = Feed::new(&Limits::default());
        feed.apply(5, Action::OpenSession);
        assert_eq!(feed.put(ttl + 5, 1, 1), applied(1), "just in time");
        assert_eq!(feed.put(2, 1, 2), applied(2), "an older clock changes nothing");
        assert_eq!(feed.machine.clock_ms(), ttl + 5);
        assert_eq!(feed.put(2 * ttl + 6, 1, 3), Outcome::SessionExpired);
    }

    #[test]
    fn a_snapshot_carries_keys_and_sessions() {
        let mut feed = Feed::new(&Limits::default());
        feed.apply(0, Action::OpenSession);
        feed.put(7, 1, 1);
        let mut copy = Feed::new(&Limits::default());
        copy.machine.restore(feed.machine.applied(), &feed.machine.encode()).expect("decodes");
        copy.index = feed.index;
        assert_eq!(copy.machine.state_hash(), feed.machine.state_hash());
        assert_eq!(copy.put(7, 1, 1), applied(1), "the answer came with the snapshot");
        assert_eq!(copy.put(7, 1, 2), feed.put(7, 1, 2).clone());
        feed.put(7, 1, 2);
        assert_eq!(copy.machine.revision(), feed.machine.revision());
        assert!(copy.machine.restore(SnapshotMeta::default(), b"\xff\xff\xff").is_err());
    }
}
