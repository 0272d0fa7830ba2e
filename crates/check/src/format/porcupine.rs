//! The key-value histories that porcupine tests with: one event per line, as a map in EDN with `:process`, `:type`
//! (`:invoke`, `:ok`; also `:fail` and `:info`), `:f` (`:get`, `:put`, `:append`), `:key` and `:value`. Lines are the
//! clock. A key that nobody wrote reads as the empty string.

use super::FormatError;
use super::cursor::Cursor;
use crate::history::{Clock, History, OpId};
use crate::model::{Bytes, Kv, KvOp, KvRet};
use std::collections::BTreeMap;

/// What stands after a key of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Nil,
    Number(u32),
    Word(String),
    Text(String),
}

struct Event {
    process: u32,
    kind: String,
    f: String,
    key: String,
    value: Option<String>,
}

/// Reads a porcupine key-value history, with the model it is meant for. `name` stands for the text in errors.
///
/// # Errors
/// The first line that is not as the format says, with line, column and what was expected there.
pub fn read_porcupine_kv(name: &str, text: &str) -> Result<(Kv, History<KvOp, KvRet>), FormatError> {
    let mut history = History::with_clock(Clock::Lines);
    let mut open: BTreeMap<u32, (OpId, String, String)> = BTreeMap::new();
    for (number, line) in (1usize..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let mut cursor = Cursor::new(name, number, line);
        let event = event(&mut cursor)?;
        cursor.back_to(0);
        apply(event, number as u64, &cursor, &mut history, &mut open)?;
    }
    Ok((Kv { initial: Some(Bytes::from("")), revisions: false }, history))
}

fn apply(
    event: Event,
    at: u64,
    line: &Cursor<'_>,
    history: &mut History<KvOp, KvRet>,
    open: &mut BTreeMap<u32, (OpId, String, String)>,
) -> Result<(), FormatError> {
    let Event { process, kind, f, key, value } = event;
    let given = |value: Option<String>| {
        value.ok_or_else(|| line.wrong(format!("a {f} has the :value nil, expected a string in double quotes")))
    };
    if kind == ":invoke" {
        if open.contains_key(&process) {
            return Err(line.wrong(format!("process {process} is busy, expected its completion first")));
        }
        let op = match f.as_str() {
            ":get" => KvOp::get(key.clone()),
            ":put" => KvOp::put(key.clone(), given(value)?),
            _ => KvOp::append(key.clone(), given(value)?),
        };
        open.insert(process, (history.invoke(process, at, op), f, key));
        return Ok(());
    }
    let Some((id, invoked, on)) = open.get(&process) else {
        return Err(line.wrong(format!("process {process} has no operation open, expected :invoke before {kind}")));
    };
    if (invoked, on) != (&f, &key) {
        let reason = format!("process {process} invoked {invoked} of key {on:?}, expected that, not {f} of {key:?}");
        return Err(line.wrong(reason));
    }
    let completed = match kind.as_str() {
        ":fail" => history.fail(*id, at),
        ":info" => history.info(*id, at),
        _ if f == ":get" => history.ok(*id, at, KvRet::value(given(value)?)),
        _ => history.ok(*id, at, KvRet::done()),
    };
    // After :info a process stays busy for good: its operation is open to the end.
    if kind != ":info" {
        open.remove(&process);
    }
    completed.map_err(|error| line.wrong(error.to_string()))
}

fn event(line: &mut Cursor<'_>) -> Result<Event, FormatError> {
    let mut terms: BTreeMap<String, Term> = BTreeMap::new();
    line.skip(&[]);
    if !line.take('{') {
        return Err(line.expected("a map that begins with `{`"));
    }
    loop {
        line.skip(&[',']);
        if line.take('}') {
            break;
        }
        let mark = line.mark();
        let key = line.word(&[',', '}', '"']).to_owned();
        line.skip(&[]);
        let before = line.mark();
        let term = term(line)?;
        // Each key takes one kind of value, so that a mistake is found where it stands.
        let (fits, wanted) = match key.as_str() {
            ":process" => (matches!(term, Term::Number(_)), "a process number"),
            ":type" => (is_word(&term, &[":invoke", ":ok", ":fail", ":info"]), "`:invoke`, `:ok`, `:fail` or `:info`"),
            ":f" => (is_word(&term, &[":get", ":put", ":append"]), "`:get`, `:put` or `:append`"),
            ":key" => (matches!(term, Term::Text(_)), "a string in double quotes"),
            ":value" => (matches!(term, Term::Text(_) | Term::Nil), "a string in double quotes or `nil`"),
            _ => {
                line.back_to(mark);
                return Err(line.expected("`:process`, `:type`, `:f`, `:key`, `:value` or `}`"));
            }
        };
        if !fits {
            line.back_to(before);
            return Err(line.expected(wanted));
        }
        if terms.insert(key.clone(), term).is_some() {
            line.back_to(mark);
            return Err(line.wrong(format!("{key} is given twice, expected it once")));
        }
    }
    line.skip(&[]);
    if !line.at_end() {
        return Err(line.expected("the end of the line"));
    }
    line.back_to(0);
    let mut word = |key: &str| match terms.remove(key) {
        Some(Term::Word(text) | Term::Text(text)) => Ok(text),
        _ => Err(line.wrong(format!("{key} is missing, expected it in every event"))),
    };
    let (kind, f, key) = (word(":type")?, word(":f")?, word(":key")?);
    let value = word(":value").ok();
    match terms.remove(":process") {
        Some(Term::Number(process)) => Ok(Event { process, kind, f, key, value }),
        _ => Err(line.wrong(":process is missing, expected it in every event".to_owned())),
    }
}

fn is_word(term: &Term, words: &[&str]) -> bool {
    matches!(term, Term::Word(word) if words.contains(&word.as_str()))
}

fn term(line: &mut Cursor<'_>) -> Result<Term, FormatError> {
    let mark = line.mark();
    if line.take('"') {
        line.back_to(mark);
        return Ok(Term::Text(line.quoted()?));
    }
    match line.word(&[',', '}', '"']) {
        "" => Err(line.expected("a value")),
        "nil" => Ok(Term::Nil),
        word if word.starts_with(':') => Ok(Term::Word(word.to_owned())),
        word => word.parse().map(Term::Number).map_err(|_| {
            line.back_to(mark);
            line.expected("a number, a keyword, a string or `nil`")
        }),
    }
}
