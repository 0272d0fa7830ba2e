//! The logs that Jepsen writes: one event per line, with the process, its type, `:f` and the value in columns, and a reason
//! where there is one (`op->str` in `jepsen.util`). Three forms:
//!
//! - on the console of old: `INFO  jepsen.util - 0 :invoke :write 3`;
//! - in `jepsen.log`: `2021-02-26 23:39:01,300{GMT} INFO [jepsen worker 0] jepsen.util: 0 :invoke :write 3`;
//! - in `history.txt`: `0 :invoke :write 3`, and nothing else.
//!
//! Columns are apart by tabs or spaces. Whatever else a log holds is passed over, and all that follows the end of the run: an
//! analysis may show the history, or what it made of it, once more.

use super::FormatError;
use super::edn::{Form, Node, Reader};

pub(super) const KINDS: [&str; 4] = [":invoke", ":ok", ":fail", ":info"];

/// How the lines of a log begin that tell of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Console,
    Dated,
    Bare,
}

impl Look {
    fn example(self) -> &'static str {
        match self {
            Look::Console => "`INFO jepsen.util - 0 :invoke …`",
            Look::Dated => "`… jepsen.util: 0 :invoke …`",
            Look::Bare => "`0 :invoke …`",
        }
    }
}

/// Whether the text is such a log: it begins with a bare event, or some line of it is an event behind the logger's name.
pub(super) fn is_log(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.is_some_and(is_bare) || text.lines().any(|line| logged(line).is_some())
}

/// Process and type, at the beginning of the line.
fn is_bare(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(is_process) && words.next().is_some_and(|kind| KINDS.contains(&kind))
}

fn is_process(word: &str) -> bool {
    word.starts_with(':') || word.parse::<u32>().is_ok()
}

/// Behind the name of the logger, if the line has it: where the event begins, in bytes.
fn logged(line: &str) -> Option<(Look, usize)> {
    let mut words = words(line);
    if let (Some((_, "INFO")), Some((_, "jepsen.util")), Some((dash, "-"))) = (words.next(), words.next(), words.next())
    {
        return Some((Look::Console, dash + 1));
    }
    let (name, _) = self::words(line).find(|(_, word)| *word == "jepsen.util:")?;
    let at = name + "jepsen.util:".len();
    // The same logger says other things, too.
    line[at..].split_whitespace().next().is_some_and(is_process).then_some((Look::Dated, at))
}

/// Words, and where they begin.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let begin = at + line[at..].find(|c: char| !c.is_whitespace())?;
        at = line[begin..].find(char::is_whitespace).map_or(line.len(), |length| begin + length);
        Some((begin, &line[begin..at]))
    })
}

/// Whether a line of a log of the console, or of one of which nothing is known yet, is no event, but looks enough like one to
/// be an error: so does the beginning of one, where a log was cut off.
fn is_garbled(line: &str, last: bool) -> bool {
    let mut words = line.split_whitespace();
    let begun = last
        && words.next().is_some_and(|level| "INFO".starts_with(level))
        && words.next().is_none_or(|logger| "jepsen.util".starts_with(logger));
    begun || line.split_whitespace().any(|word| word == "jepsen.util" || KINDS.contains(&word))
}

/// Whether Jepsen says here that all operations are over.
fn ends_the_run(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| !matches!(*word, "jepsen.core" | "jepsen.core:")).skip(1);
    match words.find(|word| *word != "-") {
        Some("Run") => words.next().is_some_and(|word| word.starts_with("complete")),
        Some(word) => word.starts_with("Analyzing"),
        None => false,
    }
}

/// An event of a log.
pub(super) struct Line {
    /// The number of its line, from 1.
    pub(super) number: u64,
    /// As a map, the way it is in `history.edn`.
    pub(super) map: Node,
    /// It failed, and no reason is given: of a compare-and-swap on the console of old that says that it compared unequal.
    pub(super) unreasoned: bool,
}

/// The events of a log, line by line.
pub(super) struct Lines<'a> {
    name: &'a str,
    text: &'a str,
    /// Where the next line begins, and its number.
    at: usize,
    number: u64,
    look: Option<Look>,
    ended: bool,
    /// The last event gave a reason, which may go on for lines.
    reasoned: bool,
    /// The first line that is nothing, while nothing else was found.
    foreign: Option<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        Lines { name, text, at: 0, number: 0, look: None, ended: false, reasoned: false, foreign: None }
    }

    /// The error that something is wrong at `at`.
    pub(super) fn wrong(&self, at: usize, reason: impl Into<String>) -> FormatError {
        Reader::new(self.name, self.text).wrong(at, reason)
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, FormatError> {
        while self.at < self.text.len() {
            let begin = self.at;
            let end = self.text[begin..].find('\n').map_or(self.text.len(), |length| begin + length);
            (self.at, self.number) = ((end + 1).min(self.text.len()), self.number + 1);
            if let Some(offset) = self.event_in(begin, &self.text[begin..end], end == self.text.len())? {
                return self.event(begin + offset, end).map(Some);
            }
        }
        match self.foreign {
            Some(at) if self.look.is_none() => {
                let reader = Reader::within(self.name, self.text, at, self.text.len());
                reader.expected("`INFO jepsen.util - 0 :invoke :read nil`, or the same without the first three")
            }
            _ => Ok(None),
        }
    }

    /// Where in the line that begins at `begin` an event does; nothing if it is to be passed over.
    fn event_in(&mut self, begin: usize, line: &str, last: bool) -> Result<Option<usize>, FormatError> {
        let found = logged(line).or_else(|| is_bare(line).then_some((Look::Bare, 0)));
        match (self.look, found) {
            (_, Some((Look::Console | Look::Dated, _))) if self.ended => {
                Err(self.wrong(begin, "another run's history begins here, expected one: cut the log in two"))
            }
            (Some(_), _) if self.ended => Ok(None),
            (None, Some((look, at))) => {
                self.look = Some(look);
                Ok(Some(at))
            }
            (Some(known), Some((look, at))) if known == look => Ok(Some(at)),
            // A file has one form.
            (Some(known), Some(_)) => {
                Reader::within(self.name, self.text, begin, begin + line.len()).expected(known.example())
            }
            (Some(Look::Bare), None) => {
                // The event's own reader says what is wrong.
                Ok((!self.reasoned && !line.trim().is_empty()).then_some(0))
            }
            (Some(Look::Dated), None) => {
                self.ended = ends_the_run(line);
                Ok(None)
            }
            (None | Some(Look::Console), None) if is_garbled(line, last) => self.garbled(begin, line),
            (None | Some(Look::Console), None) => {
                self.ended = self.look.is_some() && ends_the_run(line);
                if !line.trim().is_empty() {
                    self.foreign = self.foreign.or(Some(begin));
                }
                Ok(None)
            }
        }
    }

    /// The first of the words that an event on the console begins with, and that is not there.
    fn garbled(&self, begin: usize, line: &str) -> Result<Option<usize>, FormatError> {
        let mut words = words(line);
        for wanted in ["INFO", "jepsen.util", "-"] {
            let (at, word) = words.next().unwrap_or((line.len(), ""));
            if word != wanted {
                let reader = Reader::within(self.name, self.text, begin + at, begin + line.len());
                return reader.expected(&format!("`{wanted}`"));
            }
        }
        Ok(None)
    }

    /// Process, type, `:f`, value, and a reason if there is one.
    fn event(&mut self, from: usize, to: usize) -> Result<Line, FormatError> {
        let mut line = Reader::within(self.name, self.text, from, to);
        let process = column(&mut line, "a process number or `:nemesis`", |form| match form {
            Form::Number(number) => u32::try_from(*number).is_ok(),
            Form::Word(_) => true,
            _ => false,
        })?;
        let kinds = "`:invoke`, `:ok`, `:fail` or `:info`";
        let kind = column(&mut line, kinds, |form| matches!(form, Form::Word(word) if KINDS.contains(&word.as_str())))?;
        let ends_well = matches!(&kind.form, Form::Word(word) if word == ":invoke" || word == ":ok");
        let failed = matches!(&kind.form, Form::Word(word) if word == ":fail");
        let named = |word: &str, node: Node| (Node { form: Form::Word(word.to_owned()), at: node.at }, node);
        let at = process.at;
        // What a nemesis did is for people.
        let theirs = matches!(process.form, Form::Word(_));
        let mut pairs = vec![named(":process", process), named(":type", kind)];
        self.reasoned = !ends_well;
        let mut unreasoned = false;
        if !theirs {
            pairs.push(named(
                ":f",
                column(&mut line, "what was done, as `:read`", |form| matches!(form, Form::Word(_)))?,
            ));
            let mut compared = false;
            if ends_well || !line.is_at_end() {
                let value = value(&mut line)?;
                // A reason may also stand in the place of the value: `:fail :cas :timed-out`.
                compared = matches!(value.form, Form::List(_));
                pairs.push(named(":value", value));
            }
            let reasoned = !line.is_at_end();
            if reasoned && ends_well {
                return line.expected("the end of the line");
            }
            unreasoned = failed && compared && !reasoned && self.look == Some(Look::Console);
        }
        Ok(Line { number: self.number, map: Node { form: Form::Map(pairs), at }, unreasoned })
    }
}

/// The next form of the line, which must be as `accept` says.
fn column(line: &mut Reader<'_>, expected: &str, accept: impl Fn(&Form) -> bool) -> Result<Node, FormatError> {
    line.is_at_end();
    let mut at = line.mark();
    if let Some(node) = line.next()? {
        if accept(&node.form) {
            return Ok(node);
        }
        at = node.at;
    }
    line.back_to(at);
    line.expected(expected)
}

/// The next form of the line, which must be data: words that somebody wrote between them are none.
fn value(line: &mut Reader<'_>) -> Result<Node, FormatError> {
    let node = column(line, "a value or `nil`", |_| true)?;
    if let Some(at) = symbol_in(&node) {
        line.back_to(at);
        return line.expected("a value or `nil`");
    }
    Ok(node)
}

/// Where the first symbol in it is.
fn symbol_in(node: &Node) -> Option<usize> {
    match &node.form {
        Form::Other(word) => {
            let whole = |digits: &str| digits.parse::<i64>().is_ok();
            let number = word.trim_end_matches('M').parse::<f64>().is_ok()
                || word.split_once('/').is_some_and(|(over, under)| whole(over) && whole(under));
            (!number && !word.starts_with('\\') && word != "true" && word != "false").then_some(node.at)
        }
        Form::List(list) | Form::Set(list) => list.iter().find_map(symbol_in),
        Form::Map(pairs) => pairs.iter().find_map(|(key, value)| symbol_in(key).or_else(|| symbol_in(value))),
        Form::Nil | Form::Number(_) | Form::Text(_) | Form::Word(_) => None,
    }
}
