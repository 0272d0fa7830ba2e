//! Histories of objects other than registers: queues, sets, counters, locks, semaphores, banks, and registers whose
//! reads may be late.

use super::FormatError;
use super::edn::{Form, Node};
use super::jepsen::{Event, Notation, Reading, Wrong, given, list, read, scalar, unknown};
use crate::history::History;
use crate::model::{
    BankOp, BankRet, Bytes, CounterOp, CounterRet, LockOp, LockRet, QueueOp, QueueRet, SemaphoreOp, SetOp, SetRet,
    StaleOp,
};
use std::collections::{BTreeMap, BTreeSet};

fn number(node: &Node) -> Result<i64, Wrong> {
    if let Form::Number(number) = node.form { Ok(number) } else { Err((node.at, "expected a whole number".to_owned())) }
}

/// Reads a history of a queue: `:enqueue`, `:dequeue`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_queue(
    name: &str,
    text: &str,
    notation: Notation,
) -> Result<History<QueueOp, QueueRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":enqueue" | ":push" => Ok(QueueOp::Put(given(event.value)?)),
        ":dequeue" | ":pop" => Ok(QueueOp::Take),
        _ => unknown(event, ":enqueue or :dequeue"),
    };
    let told = |op: &QueueOp, event: &Event<'_>| match op {
        QueueOp::Put(_) => Ok(QueueRet::Done),
        QueueOp::Take => Ok(QueueRet::Taken(scalar(event.value)?)),
    };
    read(name, text, notation, &Reading::of(ask, told))
}

/// Reads a history of a set: `:add`, `:remove`, `:read`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_set(name: &str, text: &str, notation: Notation) -> Result<History<SetOp, SetRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":add" => Ok(SetOp::Add(given(event.value)?)),
        ":remove" => Ok(SetOp::Remove(given(event.value)?)),
        ":read" => Ok(SetOp::All),
        _ => unknown(event, ":add, :remove or :read"),
    };
    let told = |op: &SetOp, event: &Event<'_>| match op {
        SetOp::All => {
            let values: Result<BTreeSet<Bytes>, Wrong> = list(event.value)?.iter().map(given).collect();
            Ok(SetRet::Values(values?))
        }
        _ => Ok(SetRet::Done),
    };
    read(name, text, notation, &Reading::of(ask, told))
}

/// Reads a history of a counter: `:add`, `:read`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_counter(
    name: &str,
    text: &str,
    notation: Notation,
) -> Result<History<CounterOp, CounterRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":add" => Ok(CounterOp::Add(number(event.value)?)),
        ":read" => Ok(CounterOp::Read),
        _ => unknown(event, ":add or :read"),
    };
    let told = |op: &CounterOp, event: &Event<'_>| match op {
        CounterOp::Add(_) => Ok(CounterRet::Done),
        CounterOp::Read => Ok(CounterRet::Value(number(event.value)?)),
    };
    read(name, text, notation, &Reading::of(ask, told))
}

/// Reads a history of a lock: `:acquire`, `:release`, by the process.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_lock(name: &str, text: &str, notation: Notation) -> Result<History<LockOp, LockRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":acquire" => Ok(LockOp::Acquire { holder: u64::from(event.process) }),
        ":release" => Ok(LockOp::Release { holder: u64::from(event.process) }),
        _ => unknown(event, ":acquire or :release"),
    };
    let told = |op: &LockOp, _: &Event<'_>| match op {
        LockOp::Acquire { .. } => Ok(LockRet::Acquired(None)),
        _ => Ok(LockRet::Done),
    };
    read(name, text, notation, &Reading::of(ask, told))
}

/// Reads a history of a semaphore: `:acquire` and `:release`, with how many permits, or of one.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_semaphore(
    name: &str,
    text: &str,
    notation: Notation,
) -> Result<History<SemaphoreOp, bool>, FormatError> {
    fn count(event: &Event<'_>) -> Result<u32, Wrong> {
        match event.value.form {
            Form::Nil => Ok(1),
            Form::Number(number) => {
                u32::try_from(number).map_err(|_| (event.value.at, "this is no number of permits".to_owned()))
            }
            _ => Err((event.value.at, "expected how many permits".to_owned())),
        }
    }
    let ask = |event: &Event<'_>| match event.f {
        ":acquire" => Ok(SemaphoreOp::Acquire(count(event)?)),
        ":release" => Ok(SemaphoreOp::Release(count(event)?)),
        _ => unknown(event, ":acquire or :release"),
    };
    read(name, text, notation, &Reading::of(ask, |_, _| Ok(true)))
}

/// Reads a history of a bank, as of Jepsen's workload: `:transfer {:from a, :to b, :amount n}`, and `:read` with a map
/// of what every account holds.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_bank(name: &str, text: &str, notation: Notation) -> Result<History<BankOp, BankRet>, FormatError> {
    fn account(node: &Node) -> Result<String, Wrong> {
        given(node).map(|name| String::from_utf8_lossy(name.as_slice()).into_owned())
    }
    fn money(node: &Node) -> Result<u64, Wrong> {
        match node.form {
            Form::Number(number) if number >= 0 => Ok(number.unsigned_abs()),
            _ => Err((node.at, "expected a sum of money, from 0".to_owned())),
        }
    }
    let ask = |event: &Event<'_>| {
        let part = |word: &str| {
            event
                .value
                .get(word)
                .ok_or_else(|| (event.map.at, format!("a transfer has no {word}, expected a map with it")))
        };
        match event.f {
            ":transfer" => {
                let (from, to, amount) = (part(":from")?, part(":to")?, part(":amount")?);
                Ok(BankOp::Transfer { from: account(from)?, to: account(to)?, amount: money(amount)? })
            }
            ":read" => Ok(BankOp::Read),
            _ => unknown(event, ":transfer or :read"),
        }
    };
    let told = |op: &BankOp, event: &Event<'_>| match (op, &event.value.form) {
        (BankOp::Transfer { .. }, _) => Ok(BankRet::Moved(true)),
        (BankOp::Read, Form::Map(pairs)) => {
            // Below zero it is what no bank may have, and so what the history is kept for.
            let held: Result<BTreeMap<String, i64>, Wrong> =
                pairs.iter().map(|(name, held)| Ok((account(name)?, number(held)?))).collect();
            Ok(BankRet::Accounts(held?))
        }
        (BankOp::Read, _) => Err((event.value.at, "expected a map of accounts".to_owned())),
    };
    read(name, text, notation, &Reading::of(ask, told))
}

/// Reads a history of a register whose reads may be late: `:read`, `:write`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_stale(
    name: &str,
    text: &str,
    notation: Notation,
) -> Result<History<StaleOp, Option<Bytes>>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":read" => Ok(StaleOp::Read),
        ":write" => Ok(StaleOp::Write(given(event.value)?)),
        _ => unknown(event, ":read or :write"),
    };
    let told = |op: &StaleOp, event: &Event<'_>| match op {
        StaleOp::Read => scalar(event.value),
        StaleOp::Write(_) => Ok(None),
    };
    read(name, text, notation, &Reading::of(ask, told))
}
