//! The disk as the node's task uses it: one job at a time runs beside the task; what is asked for meanwhile is
//! gathered into the next job. That is the group commit: one sync for all entries that arrived during the last one.

use std::future::Future;
use std::pin::Pin;

use crate::raft::{LogOperation, Write, WriteId};
use crate::storage::{Batch, Storage, StorageError};

type Job = Pin<Box<dyn Future<Output = (Box<Storage>, Result<(), StorageError>)> + Send>>;

enum State {
    /// No job is running.
    Idle(Box<Storage>),
    /// A job is running; it is done when all writes up to this one are durable.
    Busy(Job, WriteId),
    /// A job failed, or the disk was closed.
    Closed,
}

/// The disk, busy or not.
pub(super) struct Disk {
    state: State,
    gathered: Batch,
    gathered_until: WriteId,
    durable: WriteId,
}

impl Disk {
    pub(super) fn new(storage: Storage) -> Self {
        Disk { state: State::Idle(Box::new(storage)), gathered: Batch::default(), gathered_until: 0, durable: 0 }
    }

    /// Everything up to this write is durable.
    pub(super) fn durable(&self) -> WriteId {
        self.durable
    }

    /// Whether a job is running.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy(..))
    }

    /// Takes a write, and starts a job if none is running.
    pub(super) fn write(&mut self, write: Write) {
        self.gathered_until = write.id;
        if write.hard_state.is_some() {
            self.gathered.hard_state = write.hard_state;
        }
        for operation in write.operations {
            match (self.gathered.operations.last_mut(), operation) {
                (Some(LogOperation::Append(entries)), LogOperation::Append(more)) => entries.extend(more),
                (_, operation) => self.gathered.operations.push(operation),
            }
        }
        self.start();
    }

    fn start(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle(mut storage) => {
                let batch = std::mem::take(&mut self.gathered);
                let job = Box::pin(async move {
                    let result = storage.apply(batch).await;
                    (storage, result)
                });
                self.state = State::Busy(job, self.gathered_until);
            }
            other => self.state = other,
        }
    }

    /// Waits for the running job, and starts the next one. Returns the last write that is now durable. Pending for
    /// ever if no job is running. Cancel-safe.
    ///
    /// # Errors
    /// [`StorageError`]: the disk must not be used again.
    pub(super) async fn done(&mut self) -> Result<WriteId, StorageError> {
        let State::Busy(job, until) = &mut self.state else { return std::future::pending().await };
        let until = *until;
        let (storage, result) = job.await;
        self.state = State::Closed;
        result?;
        self.state = State::Idle(storage);
        self.durable = until;
        self.start();
        Ok(until)
    }
}
