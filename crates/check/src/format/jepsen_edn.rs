//! Histories of Jepsen, Knossos and Elle in EDN: a map per event, one after the other or all in one vector, with
//! `:process`, `:type` (`:invoke`, `:ok`, `:fail`, `:info`), `:f` and `:value`. What `:f` and `:value` mean is the model's
//! affair. The order of events is the clock. Events of processes that are no numbers are about faults and passed over.
//!
//! As in Knossos `:fail` says that an operation did not happen, and nothing of why.

use super::FormatError;
use super::edn::{Form, Node, Reader};
use crate::history::{Clock, History, OpId, Operation, Outcome};
use crate::model::{Bytes, Expect, KvOp, KvRet, RegisterOp, RegisterRet};
use std::collections::BTreeMap;

/// What goes wrong with a value: where, and why.
pub(super) type Wrong = (usize, String);

/// How the events of one model are read.
pub(super) struct Reading<O, R> {
    pub(super) ask: fn(&Event<'_>) -> Result<O, Wrong>,
    pub(super) told: fn(&O, &Event<'_>) -> Result<R, Wrong>,
    /// Whether completions alone make a history, as Elle's examples have it: all of them side by side.
    pub(super) alone: bool,
}

pub(super) struct Event<'a> {
    pub(super) process: u32,
    pub(super) f: &'a str,
    /// The whole map.
    pub(super) map: &'a Node,
    pub(super) value: &'a Node,
}

pub(super) const NIL: Node = Node { form: Form::Nil, at: 0 };

pub(super) fn read<O: Clone, R>(name: &str, text: &str, reading: &Reading<O, R>) -> Result<History<O, R>, FormatError> {
    let mut reader = Reader::new(name, text);
    let mut history = History::with_clock(Clock::Events);
    let mut open: BTreeMap<u32, (OpId, O)> = BTreeMap::new();
    let mut alone: Vec<(O, Outcome<R>)> = Vec::new();
    let mut number = 0;
    while let Some(node) = reader.next()? {
        let events = match node.form {
            Form::List(events) => events,
            form => vec![Node { form, at: node.at }],
        };
        for event in events {
            number += 1;
            let done = event_of(&event).and_then(|told| match told {
                None => Ok(()),
                Some((kind, told)) if reading.alone && history.is_empty() && kind != ":invoke" => {
                    completion(&kind, &told.event(&event), reading).map(|completed| alone.push(completed))
                }
                Some((_, _)) if !alone.is_empty() => {
                    Err((event.at, "the history began with completions alone, expected no :invoke".to_owned()))
                }
                Some((kind, told)) => apply(&kind, &told.event(&event), number, reading, &mut history, &mut open),
            });
            done.map_err(|(at, reason)| reader.wrong(at.max(event.at), reason))?;
        }
    }
    for (process, (op, outcome)) in (0u32..).zip(alone) {
        let operation = Operation { process: process.into(), call: 1, returned: Some(number), op, outcome };
        history.push(operation).map_err(|error| reader.wrong(0, error.to_string()))?;
    }
    Ok(history)
}

/// Who did what, of an event of a client.
struct Told {
    process: u32,
    f: String,
}

impl Told {
    fn event<'a>(&'a self, map: &'a Node) -> Event<'a> {
        Event { process: self.process, f: &self.f, map, value: map.get(":value").unwrap_or(&NIL) }
    }
}

/// The type of an event, and whose it is; nothing for those that are about faults.
fn event_of(map: &Node) -> Result<Option<(String, Told)>, Wrong> {
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
        Some(_) => return Ok(None),
    };
    let word = |node: &'_ Node| match &node.form {
        Form::Word(word) => Ok(word.clone()),
        _ => Err((node.at, "expected a keyword".to_owned())),
    };
    let kind = word(field(":type")?)?;
    let f = if by_hand { ":txn".to_owned() } else { word(field(":f")?)? };
    Ok(Some((kind, Told { process, f })))
}

/// A completion whose call is not told.
fn completion<O, R>(kind: &str, event: &Event<'_>, reading: &Reading<O, R>) -> Result<(O, Outcome<R>), Wrong> {
    let op = (reading.ask)(event)?;
    let outcome = match kind {
        ":ok" => Outcome::Ok((reading.told)(&op, event)?),
        ":fail" => Outcome::Fail,
        ":info" => Outcome::Indeterminate,
        _ => return Err((event.map.at, format!("{kind} is no type, expected :invoke, :ok, :fail or :info"))),
    };
    Ok((op, outcome))
}

fn apply<O: Clone, R>(
    kind: &str,
    event: &Event<'_>,
    number: u64,
    reading: &Reading<O, R>,
    history: &mut History<O, R>,
    open: &mut BTreeMap<u32, (OpId, O)>,
) -> Result<(), Wrong> {
    let Event { process, map, .. } = *event;
    let recorded = match (kind, open.remove(&process)) {
        (":invoke", None) => {
            let op = (reading.ask)(event)?;
            open.insert(process, (history.invoke(process, number, op.clone()), op));
            Ok(())
        }
        (":invoke", Some(_)) => {
            return Err((map.at, format!("process {process} is busy, expected its completion first")));
        }
        (":ok", Some((id, op))) => history.ok(id, number, (reading.told)(&op, event)?),
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
pub(super) fn scalar(node: &Node) -> Result<Option<Bytes>, Wrong> {
    match &node.form {
        Form::Nil => Ok(None),
        Form::Number(number) => Ok(Some(Bytes::from(number.to_string()))),
        Form::Text(text) | Form::Word(text) | Form::Other(text) => Ok(Some(Bytes::from(text.as_str()))),
        Form::List(_) | Form::Set(_) | Form::Map(_) => Err((node.at, "expected a single value".to_owned())),
    }
}

pub(super) fn given(node: &Node) -> Result<Bytes, Wrong> {
    scalar(node)?.ok_or_else(|| (node.at, "expected a value, found nil".to_owned()))
}

pub(super) fn list(node: &Node) -> Result<&[Node], Wrong> {
    match &node.form {
        Form::List(list) | Form::Set(list) => Ok(list),
        _ => Err((node.at, "expected a vector".to_owned())),
    }
}

pub(super) fn pair(node: &Node) -> Result<[&Node; 2], Wrong> {
    match list(node)? {
        [first, second] => Ok([first, second]),
        _ => Err((node.at, "expected a vector of two".to_owned())),
    }
}

pub(super) fn unknown<T>(event: &Event<'_>, known: &str) -> Result<T, Wrong> {
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
    read(name, text, &Reading { ask, told, alone: false })
}

/// The key of an event, and what else its value says: a `:key` beside the value, or a vector of key and value.
fn keyed<'a>(event: &Event<'a>) -> Result<(Bytes, &'a Node), Wrong> {
    if let Some(key) = event.map.get(":key") {
        return Ok((given(key)?, event.value));
    }
    let [key, value] = pair(event.value)?;
    Ok((given(key)?, value))
}

/// An access within a transaction, and its answer.
fn access(node: &Node) -> Result<(KvOp, KvRet), Wrong> {
    let (f, key, value) = match list(node)? {
        [f, key, value] => (f, given(key)?, scalar(value)?),
        [f, key] => (f, given(key)?, None),
        _ => return Err((node.at, "expected an access such as [:read :x nil]".to_owned())),
    };
    match (&f.form, value) {
        (Form::Word(f), value) if f == ":read" || f == ":r" => {
            Ok((KvOp::Get { key }, KvRet::Value { value, revision: None }))
        }
        (Form::Word(f), Some(value)) if f == ":write" || f == ":w" => Ok((KvOp::Put { key, value }, KvRet::done())),
        (Form::Word(f), None) if f == ":write" || f == ":w" => Ok((KvOp::Delete { key }, KvRet::deleted())),
        _ => Err((f.at, "expected :read, :r, :write or :w".to_owned())),
    }
}

/// Reads a history of registers by key, as of Jepsen's `independent`: values are `[key value]`, or there is a `:key`.
/// `:read` or `:get`, `:write` or `:put`, `:append`, `:cas [key [from to]]`; and `:txn` of `[:read key value]` and
/// `[:write key value]` that take effect at one instant, as of Knossos' multi-register.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_edn_kv(name: &str, text: &str) -> Result<History<KvOp, KvRet>, FormatError> {
    let ask = |event: &Event<'_>| {
        if event.f == ":txn" {
            let success: Result<_, Wrong> = list(event.value)?.iter().map(|one| Ok(access(one)?.0)).collect();
            return Ok(KvOp::Txn { compare: Vec::new(), success: success?, failure: Vec::new() });
        }
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
            _ => unknown(event, ":read, :get, :write, :put, :append, :cas or :txn"),
        }
    };
    let told = |op: &KvOp, event: &Event<'_>| match op {
        KvOp::Get { .. } => Ok(KvRet::Value { value: scalar(keyed(event)?.1)?, revision: None }),
        KvOp::Txn { .. } => {
            let results: Result<_, Wrong> = list(event.value)?.iter().map(|one| Ok(access(one)?.1)).collect();
            Ok(KvRet::Txn { succeeded: true, results: results?, revision: None })
        }
        KvOp::Cas { .. } => Ok(KvRet::swapped(true)),
        KvOp::Delete { .. } => Ok(KvRet::deleted()),
        _ => Ok(KvRet::done()),
    };
    read(name, text, &Reading { ask, told, alone: false })
}
