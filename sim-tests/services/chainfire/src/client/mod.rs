//! The client: finds the leader, retries on a documented schedule, and says whether a failed write may have happened.

mod attempt;
mod connection;
mod error;

use std::time::Duration;

use bytes::Bytes;

pub use self::attempt::{Attempt, AttemptOutcome, Attempts, Retry};
use self::connection::Connection;
pub use self::error::ClientError;
use crate::config::Member;
use crate::kv::api::{
    Compare, Comparison, DeleteRequest, DeleteResponse, Header, KeyValue, Operation, OperationResult, PutRequest,
    PutResponse, RangeRequest, RangeResponse, Select, Target, TxnRequest, TxnResponse, WriteRequest, WriteResponse,
};
use crate::wire::messages::{Answer, RequestBody, Status};

/// A client of a cluster. It does one operation at a time; make one per concurrent caller.
///
/// Writes go through a session: each has a number, and keeps it through all its retries, so that it applies at most
/// once however often it is sent. See [`Retry`] for the schedule, and [`ClientError`] for what a failure means.
#[derive(Debug)]
pub struct Client {
    endpoints: Vec<String>,
    /// The endpoint to ask next, when no leader is known.
    turn: usize,
    /// The leader's address as last heard.
    leader: Option<String>,
    connection: Option<Connection>,
    retry: Retry,
    session: Option<u64>,
    seq: u64,
    next_id: u64,
    attempts: Attempts,
}

impl Client {
    /// A client of the cluster whose nodes listen for clients at these addresses (`host:port`). Connects when first
    /// used.
    pub fn new(endpoints: Vec<String>) -> Self {
        Client::with_retry(endpoints, Retry::default())
    }

    /// A client with its own schedule of retries.
    pub fn with_retry(endpoints: Vec<String>, retry: Retry) -> Self {
        Client {
            endpoints,
            turn: 0,
            leader: None,
            connection: None,
            retry,
            session: None,
            seq: 0,
            next_id: 0,
            attempts: Attempts::default(),
        }
    }

    /// A client of these members.
    pub fn of(members: &[Member]) -> Self {
        Client::new(members.iter().map(|member| member.api.clone()).collect())
    }

    /// What the last operation did: its attempts, when each began and ended, and what became of it.
    pub fn last_attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// The session that writes go through, once one is open.
    pub fn session(&self) -> Option<u64> {
        self.session
    }

    /// The number of the last write begun.
    pub fn last_seq(&self) -> u64 {
        self.seq
    }

    /// Reads a key: a linearizable read of its latest version.
    ///
    /// # Errors
    /// [`ClientError`]; a read never has an effect.
    pub async fn get(&mut self, key: impl Into<Bytes>) -> Result<Option<KeyValue>, ClientError> {
        let (_, response) = self.range(RangeRequest::new(Select::Key(key.into()))).await?;
        Ok(response.kvs.into_iter().next())
    }

    /// Reads keys.
    ///
    /// # Errors
    /// [`ClientError`]; a read never has an effect.
    pub async fn range(&mut self, request: RangeRequest) -> Result<(Header, RangeResponse), ClientError> {
        match self.read(RequestBody::Range(request)).await? {
            Answer::Range(header, response) => Ok((header, response)),
            other => Err(ClientError::protocol(&other)),
        }
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`ClientError`], which says whether the write may have happened.
    pub async fn put(
        &mut self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<(Header, PutResponse), ClientError> {
        let put = PutRequest { key: key.into(), value: value.into(), prev_kv: false };
        match self.write(WriteRequest::Put(put)).await? {
            (header, WriteResponse::Put(response)) => Ok((header, response)),
            (_, other) => Err(ClientError::protocol(&other)),
        }
    }

    /// Deletes keys.
    ///
    /// # Errors
    /// [`ClientError`], which says whether the write may have happened.
    pub async fn delete(&mut self, select: Select) -> Result<(Header, DeleteResponse), ClientError> {
        match self.write(WriteRequest::Delete(DeleteRequest { select, prev_kv: false })).await? {
            (header, WriteResponse::Delete(response)) => Ok((header, response)),
            (_, other) => Err(ClientError::protocol(&other)),
        }
    }

    /// Performs a transaction. One that only reads is served as a read.
    ///
    /// # Errors
    /// [`ClientError`], which says whether a write may have happened.
    pub async fn txn(&mut self, request: TxnRequest) -> Result<(Header, TxnResponse), ClientError> {
        if request.is_read() {
            return match self.read(RequestBody::ReadTxn(request)).await? {
                Answer::ReadTxn(header, response) => Ok((header, response)),
                other => Err(ClientError::protocol(&other)),
            };
        }
        match self.write(WriteRequest::Txn(request)).await? {
            (header, WriteResponse::Txn(response)) => Ok((header, response)),
            (_, other) => Err(ClientError::protocol(&other)),
        }
    }

    /// Sets a key to `value` if its value is `expected` (none: if it does not exist). Answers whether it was set, and
    /// if not, what is there.
    ///
    /// # Errors
    /// [`ClientError`], which says whether the write may have happened.
    pub async fn cas(
        &mut self,
        key: impl Into<Bytes>,
        expected: Option<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<(bool, Option<KeyValue>), ClientError> {
        let key = key.into();
        let target = expected.map_or(Target::Version(0), Target::Value);
        let request = TxnRequest {
            compares: vec![Compare { key: key.clone(), comparison: Comparison::Equal, target }],
            success: vec![Operation::Put(PutRequest { key: key.clone(), value: value.into(), prev_kv: false })],
            failure: vec![Operation::Range(RangeRequest::new(Select::Key(key)))],
        };
        let (_, response) = self.txn(request).await?;
        let there = match response.results.into_iter().next() {
            Some(OperationResult::Range(Ok(range))) => range.kvs.into_iter().next(),
            _ => None,
        };
        Ok((response.succeeded, there))
    }

    /// Asks one node how it is: a single attempt, no retry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(endpoint: &str, deadline: Duration) -> Result<Status, ClientError> {
        let retry = Retry { retries: 0, attempt: deadline, ..Retry::default() };
        let mut client = Client::with_retry(vec![endpoint.to_owned()], retry);
        match client.read(RequestBody::Status).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(ClientError::protocol(&other)),
        }
    }

    async fn read(&mut self, body: RequestBody) -> Result<Answer, ClientError> {
        self.attempts.clear();
        self.run(body).await
    }

    /// Changes the key space. Keeps the write's number through all its attempts.
    ///
    /// # Errors
    /// [`ClientError`], which says whether the write may have happened.
    pub async fn write(&mut self, request: WriteRequest) -> Result<(Header, WriteResponse), ClientError> {
        self.attempts.clear();
        let client = match self.session {
            Some(client) => client,
            None => match self.run(RequestBody::OpenSession).await.map_err(ClientError::before_the_write)? {
                Answer::Session(client) => {
                    self.session = Some(client);
                    self.seq = 0;
                    // The schedule of retries belongs to the write: begin it afresh.
                    self.attempts.clear();
                    client
                }
                other => return Err(ClientError::protocol(&other)),
            },
        };
        self.seq += 1;
        self.send_write(client, request).await
    }

    /// Sends the last write once more, under the number it had, as a retry after a crash of the caller would. If it was
    /// applied, it is not applied again, and the first answer comes back.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Invalid`] if there was no write yet.
    pub async fn repeat_last(&mut self, request: WriteRequest) -> Result<(Header, WriteResponse), ClientError> {
        self.attempts.clear();
        match self.session {
            Some(client) if self.seq > 0 => self.send_write(client, request).await,
            _ => Err(ClientError::Invalid("no write to repeat".to_owned())),
        }
    }

    async fn send_write(&mut self, client: u64, request: WriteRequest) -> Result<(Header, WriteResponse), ClientError> {
        let result = self.run(RequestBody::Write { client, seq: self.seq, request }).await;
        if self.attempts.session_ended() {
            // The next write opens a new session.
            self.session = None;
        }
        match result? {
            Answer::Written(header, response) => Ok((header, response)),
            other => Err(ClientError::protocol(&other)),
        }
    }
}
