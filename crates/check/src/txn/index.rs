//! Who wrote which value, and which transactions count.

use super::level::{Anomaly, AnomalyKind};
use super::{Access, Transactions, words};
use crate::history::{Outcome, Process};
use crate::linear::FixedState;
use crate::model::Bytes;
use std::collections::HashMap;

/// A transaction that committed, or may have.
pub(super) struct Transaction<'a> {
    /// Its id in the history.
    pub(super) id: u32,
    pub(super) process: &'a Process,
    pub(super) call: u64,
    /// `None` if its outcome is unknown.
    pub(super) returned: Option<u64>,
    /// What it was told, or what it asked if it was told nothing.
    pub(super) accesses: &'a [Access],
}

/// Who wrote a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// The transaction at this index.
    Committed(u32),
    /// The operation with this id, which aborted.
    Aborted(u32),
}

/// A write: whose it is, and whether the transaction wrote the key again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) by: Writer,
    pub(super) last: bool,
}

type Values<'a> = HashMap<(&'a Bytes, &'a Bytes), Written, FixedState>;

pub(super) struct Index<'a> {
    pub(super) transactions: Vec<Transaction<'a>>,
    pub(super) appended: Values<'a>,
    pub(super) set: Values<'a>,
    duplicates: Vec<(u32, &'a Bytes, &'a Bytes)>,
}

impl<'a> Index<'a> {
    pub(super) fn new(history: &'a Transactions) -> Self {
        let seen = Seen::new(history);
        let mut index = Index {
            transactions: Vec::new(),
            appended: HashMap::default(),
            set: HashMap::default(),
            duplicates: Vec::new(),
        };
        for (id, operation) in (0u32..).zip(history.operations()) {
            let accesses = operation.outcome.answer().unwrap_or(&operation.op);
            let by = match operation.outcome {
                Outcome::Fail => Writer::Aborted(id),
                // What nobody saw of a transaction of unknown outcome need not have happened.
                Outcome::Indeterminate if !accesses.iter().any(|access| seen.has(access)) => continue,
                _ => Writer::Committed(u32::try_from(index.transactions.len()).unwrap_or(u32::MAX)),
            };
            index.add_writes(id, by, accesses);
            if let Writer::Committed(_) = by {
                let returned = operation.returned.filter(|_| operation.outcome.answer().is_some());
                let (process, call) = (&operation.process, operation.call);
                index.transactions.push(Transaction { id, process, call, returned, accesses });
            }
        }
        index
    }

    fn add_writes(&mut self, id: u32, by: Writer, accesses: &'a [Access]) {
        for (at, access) in accesses.iter().enumerate() {
            let (values, key, value) = match access {
                Access::Append { key, value } => (&mut self.appended, key, value),
                Access::Write { key, value } => (&mut self.set, key, value),
                Access::List { .. } | Access::Read { .. } => continue,
            };
            let again = accesses[at + 1..].iter().any(|later| match (access, later) {
                (Access::Append { .. }, Access::Append { key: other, .. })
                | (Access::Write { .. }, Access::Write { key: other, .. }) => other == key,
                _ => false,
            });
            if values.insert((key, value), Written { by, last: !again }).is_some() {
                self.duplicates.push((id, key, value));
            }
        }
    }

    pub(super) fn id(&self, transaction: u32) -> u32 {
        self.transactions[transaction as usize].id
    }

    /// Anomalies that single reads show: of what was aborted, unfinished or never written.
    pub(super) fn aborted_and_garbage(&self) -> Vec<Anomaly> {
        let mut found = Vec::new();
        let mut add = |kind: AnomalyKind, transactions: Vec<u32>, what: String| {
            found.push(Anomaly { kind, transactions, cause: format!("{kind}: {what}"), details: Vec::new() });
        };
        for (id, key, value) in &self.duplicates {
            add(
                AnomalyKind::DuplicateWrite,
                vec![*id],
                format!("T{id} writes {value} to {key}, as another write does"),
            );
        }
        for (at, transaction) in (0u32..).zip(&self.transactions) {
            let reader = transaction.id;
            if transaction.returned.is_none() {
                continue;
            }
            let mut early = false;
            for (now, access) in transaction.accesses.iter().enumerate() {
                let (values, key, read): (_, _, &[Bytes]) = match access {
                    Access::List { key, values: Some(values) } => (&self.appended, key, values),
                    Access::Read { key, value: Some(Some(value)) } => (&self.set, key, std::slice::from_ref(value)),
                    _ => continue,
                };
                for (place, value) in read.iter().enumerate() {
                    match values.get(&(key, value)) {
                        None => add(
                            AnomalyKind::GarbageRead,
                            vec![reader],
                            format!("T{reader} reads {value} of {key}, which nobody wrote"),
                        ),
                        Some(Written { by: Writer::Aborted(writer), .. }) => {
                            add(
                                AnomalyKind::G1a,
                                vec![*writer, reader],
                                format!("T{reader} reads {value} of {key}, which T{writer} wrote and aborted"),
                            );
                            if let Some(Written { by: Writer::Committed(next), .. }) =
                                read.get(place + 1).and_then(|next| values.get(&(key, next)))
                            {
                                let next = self.id(*next);
                                add(
                                    AnomalyKind::DirtyUpdate,
                                    vec![*writer, next],
                                    format!("T{next} wrote {key} on top of {value}, which T{writer} wrote and aborted"),
                                );
                            }
                        }
                        Some(Written { by: Writer::Committed(writer), .. })
                            if *writer == at && writes(&transaction.accesses[now..], key, value) =>
                        {
                            if !std::mem::replace(&mut early, true) {
                                add(
                                    AnomalyKind::FutureRead,
                                    vec![reader],
                                    format!("T{reader} reads {value} of {key} before it writes it"),
                                );
                            }
                        }
                        Some(Written { by: Writer::Committed(writer), last: false })
                            if *writer != at && place + 1 == read.len() =>
                        {
                            let writer = self.id(*writer);
                            add(
                                AnomalyKind::G1b,
                                vec![writer, reader],
                                format!("T{reader} reads {value} of {key}, after which T{writer} wrote {key} again"),
                            );
                        }
                        Some(_) => {}
                    }
                }
            }
            if let Some(what) = words::contradicts_itself(reader, transaction.accesses) {
                add(AnomalyKind::Internal, vec![reader], what);
            }
        }
        found
    }
}

/// Whether one of these writes the value.
fn writes(accesses: &[Access], key: &Bytes, value: &Bytes) -> bool {
    accesses.iter().any(|access| match access {
        Access::Append { key: other, value: written } | Access::Write { key: other, value: written } => {
            other == key && written == value
        }
        Access::List { .. } | Access::Read { .. } => false,
    })
}

/// What was read by transactions that committed.
struct Seen<'a> {
    appended: HashMap<(&'a Bytes, &'a Bytes), (), FixedState>,
    set: HashMap<(&'a Bytes, &'a Bytes), (), FixedState>,
}

impl<'a> Seen<'a> {
    fn new(history: &'a Transactions) -> Self {
        let mut seen = Seen { appended: HashMap::default(), set: HashMap::default() };
        // Without transactions of unknown outcome nobody asks.
        if history.operations().iter().all(|operation| operation.outcome != Outcome::Indeterminate) {
            return seen;
        }
        for access in history.operations().iter().filter_map(|operation| operation.outcome.answer()).flatten() {
            match access {
                Access::List { key, values: Some(values) } => {
                    seen.appended.extend(values.iter().map(|value| ((key, value), ())));
                }
                Access::Read { key, value: Some(Some(value)) } => {
                    seen.set.insert((key, value), ());
                }
                _ => {}
            }
        }
        seen
    }

    fn has(&self, access: &Access) -> bool {
        match access {
            Access::Append { key, value } => self.appended.contains_key(&(key, value)),
            Access::Write { key, value } => self.set.contains_key(&(key, value)),
            Access::List { .. } | Access::Read { .. } => false,
        }
    }
}
