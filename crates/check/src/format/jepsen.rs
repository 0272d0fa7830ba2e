//! Histories of Jepsen, Knossos and Elle, as maps in EDN or as lines of a log: events with `:process`, `:type` (`:invoke`, `:ok`,
//! `:fail`, `:info`), `:f` and `:value`. What `:f` and `:value` mean is the model's affair. The order of events is the clock.
//! Events of processes that are no numbers are about faults and passed over.
//!
//! As in Knossos `:fail` says that an operation did not happen, and nothing of why. On the console of old a compare-and-swap
//! that failed without a reason says that it compared unequal.

use super::FormatError;
use super::edn::{Form, Node, Reader};
use super::log::{Line, Lines};
use crate::history::{Clock, History, OpId, Operation, Outcome};
use crate::model::{Bytes, Expect, KvOp, KvRet, RegisterOp, RegisterRet};
use std::collections::BTreeMap;

/// What goes wrong with a value: where, and why.
pub(super) type Wrong = (usize, String);

/// How the events of one model are read.
pub(super) struct Reading<O, R> {
    pub(super) ask: fn(&Event<'_>) -> Result<O, Wrong>,
    pub(super) told: fn(&O, &Event<'_>) -> Result<R, Wrong>,
    /// The answer that it compared unequal, of an operation that compares.
    pub(super) unequal: fn(&O) -> Option<R>,
    /// Whether completions alone make a history, as Elle's examples have it: all of them side by side.
    pub(super) alone: bool,
    /// What is done where `:f` does not say it.
    pub(super) unnamed: Option<&'static str>,
}

pub(super) struct Event<'a> {
    pub(super) process: u32,
    pub(super) f: &'a str,
    /// The whole map.
    pub(super) map: &'a Node,
    pub(super) value: &'a Node,
}

impl Event<'_> {
    /// Where it says what was done.
    fn at_f(&self) -> usize {
        self.map.get(":f").map_or(self.map.at, |node| node.at)
    }
}

pub(super) const NIL: Node = Node { form: Form::Nil, at: 0 };

impl<O, R> Reading<O, R> {
    /// Of operations that are called and completed, and of whose failures nothing is known but that they are.
    pub(super) fn of(ask: fn(&Event<'_>) -> Result<O, Wrong>, told: fn(&O, &Event<'_>) -> Result<R, Wrong>) -> Self {
        Reading { ask, told, unequal: |_| None, alone: false, unnamed: None }
    }
}

/// How the events are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `history.edn`: maps.
    Edn,
    /// The console's log, `jepsen.log` or `history.txt`: lines.
    Log,
}

/// Where events come from.
enum Source<'a> {
    Edn {
        reader: Reader<'a>,
        /// The rest of the last vector.
        rest: std::vec::IntoIter<Node>,
        number: u64,
    },
    Log(Lines<'a>),
}

impl<'a> Source<'a> {
    fn new(name: &'a str, text: &'a str, notation: Notation) -> Self {
        match notation {
            Notation::Edn => Source::Edn { reader: Reader::new(name, text), rest: Vec::new().into_iter(), number: 0 },
            Notation::Log => Source::Log(Lines::new(name, text)),
        }
    }

    fn next(&mut self) -> Result<Option<Line>, FormatError> {
        let (reader, rest, number) = match self {
            Source::Log(lines) => return lines.next(),
            Source::Edn { reader, rest, number } => (reader, rest, number),
        };
        loop {
            if let Some(map) = rest.next() {
                *number += 1;
                return Ok(Some(Line { number: *number, map, unreasoned: false }));
            }
            match reader.next()? {
                None => return Ok(None),
                Some(Node { form: Form::List(events), .. }) => *rest = events.into_iter(),
                Some(event) => *rest = vec![event].into_iter(),
            }
        }
    }

    fn wrong(&self, at: usize, reason: String) -> FormatError {
        match self {
            Source::Edn { reader, .. } => reader.wrong(at, reason),
            Source::Log(lines) => lines.wrong(at, reason),
        }
    }
}

pub(super) fn read<O: Clone, R>(
    name: &str,
    text: &str,
    notation: Notation,
    reading: &Reading<O, R>,
) -> Result<History<O, R>, FormatError> {
    let mut source = Source::new(name, text, notation);
    let clock = if notation == Notation::Log { Clock::Lines } else { Clock::Events };
    let mut state =
        State { history: History::with_clock(clock), open: BTreeMap::new(), once: notation == Notation::Log };
    let mut alone: Vec<(O, Outcome<R>)> = Vec::new();
    let mut last = 0;
    while let Some(line) = source.next()? {
        last = line.number;
        let event = &line.map;
        let done = event_of(event, reading.unnamed).and_then(|told| match told {
            None => Ok(()),
            Some((kind, told)) if reading.alone && state.history.is_empty() && kind != ":invoke" => {
                completion(&kind, &told.event(event), reading).map(|completed| alone.push(completed))
            }
            Some((_, _)) if !alone.is_empty() => {
                Err((event.at, "the history began with completions alone, expected no :invoke".to_owned()))
            }
            Some((kind, told)) => state.apply(&kind, &told.event(event), &line, reading),
        });
        done.map_err(|(at, reason)| source.wrong(at.max(event.at), reason))?;
    }
    let mut history = state.history;
    for (process, (op, outcome)) in (0u32..).zip(alone) {
        let operation = Operation { process: process.into(), call: 1, returned: Some(last), op, outcome };
        history.push(operation).map_err(|error| source.wrong(0, error.to_string()))?;
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

/// The type of an event, and whose it is; nothing for those that are about faults. What a history by hand leaves out is of one
/// client, and `unnamed` if that is all that can be asked.
fn event_of(map: &Node, unnamed: Option<&str>) -> Result<Option<(String, Told)>, Wrong> {
    let missing = |word: &str| (map.at, format!("{word} is missing, expected a map with it"));
    let word = |node: &'_ Node| match &node.form {
        Form::Word(word) => Ok(word.clone()),
        _ => Err((node.at, "expected a keyword".to_owned())),
    };
    let kind = map.get(":type");
    let process = match map.get(":process").map(|node| &node.form) {
        Some(Form::Number(number)) => {
            u32::try_from(*number).map_err(|_| (map.at, "this is no process number".to_owned()))?
        }
        Some(Form::Nil) | None if unnamed.is_some() && kind.is_some() => 0,
        None => return Err(missing(":process")),
        Some(_) => return Ok(None),
    };
    let kind = word(kind.ok_or_else(|| missing(":type"))?)?;
    let f = match (map.get(":f").filter(|node| node.form != Form::Nil), unnamed) {
        (Some(f), _) => word(f)?,
        (None, Some(unnamed)) => unnamed.to_owned(),
        (None, None) => return Err(missing(":f")),
    };
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

/// What a process is doing.
enum Busy<O> {
    With(OpId, O, String),
    /// Its last operation ended as `:info`.
    Never,
}

struct State<O, R> {
    history: History<O, R>,
    open: BTreeMap<u32, Busy<O>>,
    /// Whether a process whose operation ended as `:info` is never used again.
    once: bool,
}

impl<O: Clone, R> State<O, R> {
    fn apply(&mut self, kind: &str, event: &Event<'_>, line: &Line, reading: &Reading<O, R>) -> Result<(), Wrong> {
        let Event { process, map, f, .. } = *event;
        let number = line.number;
        let (id, op) = match (kind, self.open.remove(&process)) {
            (":invoke", None) => {
                let op = (reading.ask)(event)?;
                let id = self.history.invoke(process, number, op.clone());
                self.open.insert(process, Busy::With(id, op, f.to_owned()));
                return Ok(());
            }
            (":invoke", Some(Busy::With(_, _, f))) => {
                return Err((map.at, format!("process {process} is busy with a {f}, expected its completion first")));
            }
            (":invoke", Some(Busy::Never)) => {
                let reason = format!("process {process} ended with :info, expected it never to be used again");
                return Err((map.at, reason));
            }
            (":ok" | ":fail" | ":info", Some(Busy::With(_, _, invoked))) if invoked != f => {
                return Err((
                    event.at_f(),
                    format!("process {process} invoked {invoked}, expected that instead of {f}"),
                ));
            }
            (":ok" | ":fail" | ":info", Some(Busy::With(id, op, _))) => (id, op),
            (":ok" | ":fail" | ":info", _) => {
                let reason = format!("process {process} has no operation open, expected :invoke before {kind}");
                return Err((map.at, reason));
            }
            _ => return Err((map.at, format!("{kind} is no type, expected :invoke, :ok, :fail or :info"))),
        };
        let unequal = if line.unreasoned { (reading.unequal)(&op) } else { None };
        let recorded = match (kind, unequal) {
            (":ok", _) => self.history.ok(id, number, (reading.told)(&op, event)?),
            (":fail", Some(answer)) => self.history.ok(id, number, answer),
            (":fail", None) => self.history.fail(id, number),
            _ => {
                if self.once {
                    self.open.insert(process, Busy::Never);
                }
                self.history.info(id, number)
            }
        };
        recorded.map_err(|error| (map.at, error.to_string()))
    }
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

/// Anything, as it is written.
pub(super) fn whole(node: &Node) -> Result<Bytes, Wrong> {
    match &node.form {
        Form::List(_) | Form::Set(_) | Form::Map(_) => Ok(Bytes::from(node.to_string())),
        _ => given(node),
    }
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
    Err((event.at_f(), format!("{} is not known here, expected {known}", event.f)))
}

/// Reads a history of one register: `:read`, `:write`, `:cas [from to]`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_register(
    name: &str,
    text: &str,
    notation: Notation,
) -> Result<History<RegisterOp, RegisterRet>, FormatError> {
    let ask = |event: &Event<'_>| match event.f {
        ":read" => Ok(RegisterOp::Read),
        ":write" => Ok(RegisterOp::Write(unkeyed(event.value)?)),
        ":cas" => {
            let [from, to] = pair(event.value)?;
            Ok(RegisterOp::Cas { from: unkeyed(from)?, to: unkeyed(to)? })
        }
        _ => unknown(event, ":read, :write or :cas"),
    };
    let told = |op: &RegisterOp, event: &Event<'_>| match op {
        RegisterOp::Read => Ok(RegisterRet::Value(unkeyed(event.value)?)),
        RegisterOp::Write(_) => Ok(RegisterRet::Written),
        RegisterOp::Cas { .. } => Ok(RegisterRet::Swapped(true)),
    };
    let unequal = |op: &RegisterOp| matches!(op, RegisterOp::Cas { .. }).then_some(RegisterRet::Swapped(false));
    read(name, text, notation, &Reading { unequal, ..Reading::of(ask, told) })
}

/// The value of a register that is the only one.
fn unkeyed(node: &Node) -> Result<Option<Bytes>, Wrong> {
    scalar(node).map_err(|(at, reason)| (at, format!("{reason}; if it is a key and a value, choose --model kv")))
}

/// The key of an event, and what else its value says: a `:key` beside the value, or a vector of key and value.
fn keyed<'a>(event: &Event<'a>) -> Result<(Bytes, &'a Node), Wrong> {
    if let Some(key) = event.map.get(":key") {
        return Ok((given(key)?, event.value));
    }
    match &event.value.form {
        Form::List(list) if let [key, value] = &list[..] => Ok((given(key)?, value)),
        Form::List(_) => Err((event.value.at, "expected a vector of key and value".to_owned())),
        _ => {
            let reason = "expected a key, as in [0 3]; if all is about one register, choose --model cas-register";
            Err((event.value.at, reason.to_owned()))
        }
    }
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
pub fn read_jepsen_kv(name: &str, text: &str, notation: Notation) -> Result<History<KvOp, KvRet>, FormatError> {
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
    let unequal = |op: &KvOp| matches!(op, KvOp::Cas { .. }).then(|| KvRet::swapped(false));
    read(name, text, notation, &Reading { unequal, ..Reading::of(ask, told) })
}
