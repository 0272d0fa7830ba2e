//! Jepsen's log of a compare-and-swap register.
//!
//! One event per line: `INFO`, `jepsen.util`, `-`, process, `:type`, `:f`, value, apart by tabs or spaces. Lines are
//! the clock. The register starts at nil. `:fail` of a cas asserts that the register did not hold the value expected;
//! `:fail` of anything else says that it did not happen. `:info` leaves an operation open to the end, and its process is
//! never used again. Lines of the process `:nemesis` are about faults and are passed over, and so is what else a test's log
//! holds: lines without a word of these.

use super::FormatError;
use super::cursor::Cursor;
use crate::history::{Clock, History, OpId};
use crate::model::{Bytes, RegisterOp, RegisterRet};
use std::collections::BTreeMap;

/// What a process is doing.
enum Busy {
    With(OpId, &'static str),
    /// Its last operation ended as `:info`.
    Never,
}

/// Reads a Jepsen register log. `name` stands for the text in errors, such as its path.
///
/// # Errors
/// The first line that is not as the format says, with line, column and what was expected there.
pub fn read_jepsen_register(name: &str, text: &str) -> Result<History<RegisterOp, RegisterRet>, FormatError> {
    let mut history = History::with_clock(Clock::Lines);
    let mut busy: BTreeMap<u32, Busy> = BTreeMap::new();
    let mut foreign = None;
    for (number, line) in (1usize..).zip(text.lines()) {
        if is_of_an_operation(line) {
            event(Cursor::new(name, number, line), number as u64, &mut history, &mut busy)?;
        } else if !line.trim().is_empty() {
            foreign = foreign.or(Some(Cursor::new(name, number, line)));
        }
    }
    match foreign {
        Some(line) if history.is_empty() => Err(line.expected("`INFO jepsen.util - 0 :invoke :read nil` or the like")),
        _ => Ok(history),
    }
}

/// What Jepsen's log of operations begins each line with.
const LEVEL: &str = "INFO";
pub(super) const LOGGER: &str = "jepsen.util";
const KINDS: [&str; 4] = [":invoke", ":ok", ":fail", ":info"];

/// Whether a line is an event, or looks enough like one to be an error if it is none: so does the beginning of one, where a log
/// was cut off.
fn is_of_an_operation(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let begun = words.next().is_some_and(|level| LEVEL.starts_with(level))
        && words.next().is_none_or(|logger| LOGGER.starts_with(logger));
    begun || line.split_whitespace().any(|word| word == LOGGER || KINDS.contains(&word))
}

fn event(
    mut line: Cursor<'_>,
    at: u64,
    history: &mut History<RegisterOp, RegisterRet>,
    busy: &mut BTreeMap<u32, Busy>,
) -> Result<(), FormatError> {
    for wanted in [LEVEL, LOGGER, "-"] {
        word(&mut line, &format!("`{wanted}`"), |word| (word == wanted).then_some(()))?;
    }
    line.skip(&[]);
    let who = line.mark();
    let process = word(&mut line, "a process number or `:nemesis`", |word| {
        if word == ":nemesis" { Some(None) } else { word.parse::<u32>().ok().map(Some) }
    })?;
    let Some(process) = process else { return Ok(()) };
    let kind = word(&mut line, "`:invoke`, `:ok`, `:fail` or `:info`", |word| KINDS.into_iter().find(|k| *k == word))?;
    line.skip(&[]);
    let what = line.mark();
    let names = [":read", ":write", ":cas"];
    let f = word(&mut line, "`:read`, `:write` or `:cas`", |word| names.into_iter().find(|name| *name == word))?;
    line.skip(&[]);
    if kind == ":invoke" {
        let op = match f {
            ":read" => word(&mut line, "`nil`", |word| (word == "nil").then_some(RegisterOp::Read))?,
            ":write" => RegisterOp::Write(value(&mut line)?),
            _ => {
                let (from, to) = pair(&mut line)?;
                RegisterOp::Cas { from, to }
            }
        };
        end(&mut line)?;
        line.back_to(who);
        match busy.get(&process) {
            Some(Busy::With(_, f)) => {
                return Err(line.wrong(format!("process {process} is busy with a {f}, expected its completion first")));
            }
            Some(Busy::Never) => {
                return Err(
                    line.wrong(format!("process {process} ended with :info, expected it never to be used again"))
                );
            }
            None => {}
        }
        busy.insert(process, Busy::With(history.invoke(process, at, op), f));
        return Ok(());
    }
    let Some(Busy::With(id, invoked)) = busy.get(&process) else {
        line.back_to(who);
        return Err(line.wrong(format!("process {process} has no operation open, expected :invoke before {kind}")));
    };
    let (id, invoked) = (*id, *invoked);
    if invoked != f {
        line.back_to(what);
        return Err(line.wrong(format!("process {process} invoked {invoked}, expected that instead of {f}")));
    }
    let completed = match (kind, f) {
        // What follows is a reason, in words of the test's own.
        (":info", _) => {
            busy.insert(process, Busy::Never);
            return history.info(id, at).map_err(|error| line.wrong(error.to_string()));
        }
        (":ok", ":read") => {
            let value = value(&mut line)?;
            end(&mut line)?;
            history.ok(id, at, RegisterRet::Value(value))
        }
        (":ok", ":write") => history.ok(id, at, RegisterRet::Written),
        (":ok", _) => history.ok(id, at, RegisterRet::Swapped(true)),
        (_, ":cas") => history.ok(id, at, RegisterRet::Swapped(false)),
        _ => history.fail(id, at),
    };
    busy.remove(&process);
    completed.map_err(|error| line.wrong(error.to_string()))
}

fn word<'a, T>(
    line: &mut Cursor<'a>,
    expected: &str,
    accept: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, FormatError> {
    line.skip(&[]);
    let mark = line.mark();
    accept(line.word(&[])).ok_or_else(|| {
        line.back_to(mark);
        line.expected(expected)
    })
}

/// A whole number, or nil for the empty register.
fn value(line: &mut Cursor<'_>) -> Result<Option<Bytes>, FormatError> {
    line.skip(&[]);
    let mark = line.mark();
    match line.word(&['[', ']']) {
        "nil" => Ok(None),
        // Numbers are compared, so `07` and `7` must be one value.
        word => word.parse::<i64>().map(|number| Some(Bytes::from(number.to_string()))).map_err(|_| {
            line.back_to(mark);
            line.expected("a whole number or `nil`")
        }),
    }
}

fn pair(line: &mut Cursor<'_>) -> Result<(Option<Bytes>, Option<Bytes>), FormatError> {
    if !line.take('[') {
        return Err(line.expected("`[from to]`"));
    }
    let (from, to) = (value(line)?, value(line)?);
    line.skip(&[]);
    if line.take(']') { Ok((from, to)) } else { Err(line.expected("`]`")) }
}

fn end(line: &mut Cursor<'_>) -> Result<(), FormatError> {
    line.skip(&[]);
    if line.at_end() { Ok(()) } else { Err(line.expected("the end of the line")) }
}
