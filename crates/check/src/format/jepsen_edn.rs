//! Histories of Jepsen, Knossos and Elle in EDN: a map per event, one after the other or all in one vector, with
//! `:process`, `:type` (`:invoke`, `:ok`, `:fail`, `:info`), `:f` and `:value`. What `:f` and `:value` mean is the model's
//! affair. The order of events is the clock. Events of processes that are no numbers are about faults and passed over.
//!
//! As in Knossos `:fail` says that an operation did not happen, and nothing of why.

use super::FormatError;
use super::edn::{Form, Node, Reader};
use crate::history::{Clock, History, OpId};
use crate::model::{
    Bytes, CounterOp, CounterRet, Expect, KvOp, KvRet, LockOp, LockRet, QueueOp, QueueRet, RegisterOp, RegisterRet,
    SetOp, SetRet,
};
use crate::txn::{Access, Transactions};
use std::collections::{BTreeMap, BTreeSet};

/// What goes wrong with a value: where, and why.
type Wrong = (usize, String);

/// How the events of one model are read.
struct Reading<O, R> {
    ask: fn(&Event<'_>) -> Result<O, Wrong>,
    told: fn(&O, &Event<'_>) -> Result<R, Wrong>,
}

struct Event<'a> {
    process: u32,
    f: &'a str,
    /// The whole map.
    map: &'a Node,
    value: &'a Node,
}

const NIL: Node = Node { form: Form::Nil, at: 0 };

fn read<O: Clone, R>(name: &str, text: &str, reading: &Reading<O, R>) -> Result<History<O, R>, FormatError> {
    let mut reader = Reader::new(name, text);
    let mut history = History::with_clock(Clock::Events);
    let mut open: BTreeMap<u32, (OpId, O)> = BTreeMap::new();
    let mut number = 0;
    while let Some(node) = reader.next()? {
        let events = match node.form {
            Form::List(events) => events,
            form => vec![Node { form, at: node.at }],
        };
        for event in events {
            number += 1;
            let done = apply(&event, number, reading, &mut history, &mut open);
            done.map_err(|(at, reason)| reader.wrong(at.max(event.at), reason))?;
        }
    }
    Ok(history)
}

fn apply<O: Clone, R>(
    map: &Node,
    number: u64,
    reading: &Reading<O, R>,
    history: &mut History<O, R>,
    open: &mut BTreeMap<u32, (OpId, O)>,
) -> Result<(), Wrong> {
    let field =
        |word: &str| map.get(word).ok_or_else(|| (map.at, format!("{word} is missing, expected a map with it")));
    // A history by hand may be of one client, whose transactions need no name.
    let by_hand = map.get(":process").is_none() && map.get(":f").is_none() && map.get(":type").is_some();
    let process = match map.get(":process").map(|node| &node.form) {
        Some(Form::Number(number)) => {
            u32::try_from(*number).map_err(|_| (map.at, "this is no process number".to_owned()))?
        }
        None if by_hand => 0,
        None => field(":process").map(|_| 0)?,
        Some(_) => return Ok(()),
    };
    let word = |node: &'_ Node| match &node.form {
        Form::Word(word) => Ok(word.clone()),
        _ => Err((node.at, "expected a keyword".to_owned())),
    };
    let kind = word(field(":type")?)?;
    let f = if by_hand { ":txn".to_owned() } else { word(field(":f")?)? };
    let event = Event { process, f: &f, map, value: map.get(":value").unwrap_or(&NIL) };
    let recorded = match (kind.as_str(), open.remove(&process)) {
        (":invoke", None) => {
            let op = (reading.ask)(&event)?;
            open.insert(process, (history.invoke(process, number, op.clone()), op));
            Ok(())
        }
        (":invoke", Some(_)) => {
            return Err((map.at, format!("process {process} is busy, expected its completion first")));
        }
        (":ok", Some((id, op))) => history.ok(id, number, (reading.told)(&op, &event)?),
        (":fail", Some((id, _))) => history.fail(id, number),
        (":info", Some((id, _))) => history.info(id, number),
        (":ok" | ":fail" | ":info", None) => {
            return Err((map.at, format!("process {process} has no operation open, expected :invoke before {kind}")));
        }
        _ => return Err((map.at, format!("{kind} is no type, expected :invoke, :ok, :fail or :info"))),
    };
    recorded.map_err(|error| (map.at, error.to_string()))
}

/// A value that stands for itself, or nil.
fn scalar(node: &Node) -> Result<Option<Bytes>, Wrong> {
    match &node.form {
        Form::Nil => Ok(None),
        Form::Number(number) => Ok(Some(Bytes::from(number.to_string()))),
        Form::Text(text) | Form::Word(text) | Form::Other(text) => Ok(Some(Bytes::from(text.as_str()))),
        Form::List(_) | Form::Set(_) | Form::Map(_) => Err((node.at, "expected a single value".to_owned())),
    }
}

fn given(node: &Node) -> Result<Bytes, Wrong> {
    scalar(node)?.ok_or_else(|| (node.at, "expected a value, found nil".to_owned()))
}

fn list(node: &Node) -> Result<&[Node], Wrong> {
    match &node.form {
        Form::List(list) | Form::Set(list) => Ok(list),
        _ => Err((node.at, "expected a vector".to_owned())),
    }
}

fn pair(node: &Node) -> Result<[&Node; 2], Wrong> {
    match list(node)? {
        [first, second] => Ok([first, second]),
        _ => Err((node.at, "expected a vector of two".to_owned())),
    }
}

fn unknown<T>(event: &Event<'_>, known: &str) -> Result<T, Wrong> {
    Err((event.map.at, format!("{} is not known here, expected {known}", event.f)))
}

/// Reads a history of one register: `:read`, `:write`, `:cas [from to]`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_register(name: &str, text: &str) -> Result<History<RegisterOp, RegisterRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":read" => Ok(RegisterOp::Read),
        ":write" => Ok(RegisterOp::Write(scalar(event.value)?)),
        ":cas" => {
            let [from, to] = pair(event.value)?;
            Ok(RegisterOp::Cas { from: scalar(from)?, to: scalar(to)? })
        }
        _ => unknown(event, ":read, :write or :cas"),
    };
    let told = |op: &RegisterOp, event: &Event<'_>| match op {
        RegisterOp::Read => Ok(RegisterRet::Value(scalar(event.value)?)),
        RegisterOp::Write(_) => Ok(RegisterRet::Written),
        RegisterOp::Cas { .. } => Ok(RegisterRet::Swapped(true)),
    };
    read(name, text, &Reading { ask, told })
}

/// The key of an event, and what else its value says: a `:key` beside the value, or a vector of key and value.
fn keyed<'a>(event: &Event<'a>) -> Result<(Bytes, &'a Node), Wrong> {
    if let Some(key) = event.map.get(":key") {
        return Ok((given(key)?, event.value));
    }
    let [key, value] = pair(event.value)?;
    Ok((given(key)?, value))
}

/// Reads a history of registers by key, as of Jepsen's `independent`: values are `[key value]`, or there is a `:key`.
/// `:read` or `:get`, `:write` or `:put`, `:append`, `:cas [key [from to]]`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_kv(name: &str, text: &str) -> Result<History<KvOp, KvRet>, FormatError> {
    let ask = |event: &Event<'_>| {
        let (key, value) = keyed(event)?;
        match event.f {
            ":read" | ":get" => Ok(KvOp::Get { key }),
            ":append" => Ok(KvOp::Append { key, value: given(value)? }),
            ":write" | ":put" => Ok(scalar(value)?.map_or(KvOp::delete(key.clone()), |value| KvOp::Put { key, value })),
            ":cas" => {
                let [from, to] = pair(value)?;
                let expect = scalar(from)?.map_or(Expect::Absent, Expect::Value);
                Ok(KvOp::Cas { key, expect, value: given(to)? })
            }
            _ => unknown(event, ":read, :get, :write, :put, :append or :cas"),
        }
    };
    let told = |op: &KvOp, event: &Event<'_>| match op {
        KvOp::Get { .. } => Ok(KvRet::Value { value: scalar(keyed(event)?.1)?, revision: None }),
        KvOp::Cas { .. } => Ok(KvRet::swapped(true)),
        KvOp::Delete { .. } => Ok(KvRet::deleted()),
        _ => Ok(KvRet::done()),
    };
    read(name, text, &Reading { ask, told })
}

/// Reads a history of a queue: `:enqueue`, `:dequeue`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_queue(name: &str, text: &str) -> Result<History<QueueOp, QueueRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":enqueue" | ":push" => Ok(QueueOp::Put(given(event.value)?)),
        ":dequeue" | ":pop" => Ok(QueueOp::Take),
        _ => unknown(event, ":enqueue or :dequeue"),
    };
    let told = |op: &QueueOp, event: &Event<'_>| match op {
        QueueOp::Put(_) => Ok(QueueRet::Done),
        QueueOp::Take => Ok(QueueRet::Taken(scalar(event.value)?)),
    };
    read(name, text, &Reading { ask, told })
}

/// Reads a history of a set: `:add`, `:remove`, `:read`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_set(name: &str, text: &str) -> Result<History<SetOp, SetRet>, FormatError> {
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
    read(name, text, &Reading { ask, told })
}

/// Reads a history of a counter: `:add`, `:read`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_counter(name: &str, text: &str) -> Result<History<CounterOp, CounterRet>, FormatError> {
    fn number(node: &Node) -> Result<i64, Wrong> {
        if let Form::Number(number) = node.form {
            Ok(number)
        } else {
            Err((node.at, "expected a whole number".to_owned()))
        }
    }
    let ask = |event: &Event<'_>| match event.f {
        ":add" => Ok(CounterOp::Add(number(event.value)?)),
        ":read" => Ok(CounterOp::Read),
        _ => unknown(event, ":add or :read"),
    };
    let told = |op: &CounterOp, event: &Event<'_>| match op {
        CounterOp::Add(_) => Ok(CounterRet::Done),
        CounterOp::Read => Ok(CounterRet::Value(number(event.value)?)),
    };
    read(name, text, &Reading { ask, told })
}

/// Reads a history of a lock: `:acquire`, `:release`, by the process.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_lock(name: &str, text: &str) -> Result<History<LockOp, LockRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":acquire" => Ok(LockOp::Acquire { holder: u64::from(event.process) }),
        ":release" => Ok(LockOp::Release { holder: u64::from(event.process) }),
        _ => unknown(event, ":acquire or :release"),
    };
    let told = |op: &LockOp, _: &Event<'_>| match op {
        LockOp::Acquire { .. } => Ok(LockRet::Acquired(None)),
        _ => Ok(LockRet::Done),
    };
    read(name, text, &Reading { ask, told })
}

/// Reads a history of transactions: `:txn` with `[:append k v]`, `[:w k v]`, `[:r k v]`. Reads are of lists if `lists`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_transactions(name: &str, text: &str, lists: bool) -> Result<Transactions, FormatError> {
    fn accesses(event: &Event<'_>, lists: bool, told: bool) -> Result<Vec<Access>, Wrong> {
        if event.f != ":txn" {
            return unknown(event, ":txn");
        }
        list(event.value)?.iter().map(|access| one(access, lists, told)).collect()
    }
    fn one(node: &Node, lists: bool, told: bool) -> Result<Access, Wrong> {
        let (f, key, value) = match list(node)? {
            [f, key, value] => (f, key, value),
            // A read may be asked without a place for its answer.
            [f, key] if !told => (f, key, &NIL),
            _ => return Err((node.at, "expected an access such as [:append 1 2]".to_owned())),
        };
        let (key, Form::Word(f)) = (given(key)?, &f.form) else {
            return Err((f.at, "expected :append, :w or :r".to_owned()));
        };
        match f.as_str() {
            ":append" => Ok(Access::Append { key, value: given(value)? }),
            ":w" => Ok(Access::Write { key, value: given(value)? }),
            ":r" if lists => {
                let values = match &value.form {
                    Form::Nil if told => Some(Vec::new()),
                    Form::Nil => None,
                    _ => Some(list(value)?.iter().map(given).collect::<Result<_, Wrong>>()?),
                };
                Ok(Access::List { key, values })
            }
            ":r" => Ok(Access::Read { key, value: if told { Some(scalar(value)?) } else { None } }),
            _ => Err((node.at, format!("{f} is not known here, expected :append, :w or :r"))),
        }
    }
    if lists {
        read(
            name,
            text,
            &Reading { ask: |event| accesses(event, true, false), told: |_, event| accesses(event, true, true) },
        )
    } else {
        read(
            name,
            text,
            &Reading { ask: |event| accesses(event, false, false), told: |_, event| accesses(event, false, true) },
        )
    }
}
