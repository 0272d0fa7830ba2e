//! EDN, the notation of Clojure's data, as far as histories use it: a reader that always knows where it is, and refuses
//! what is nested beyond reason. Tags are read over, so that records look like their maps.

use super::{FormatError, Place};
use std::fmt;

/// A form and where it begins, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) form: Form,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Nil,
    Number(i64),
    Text(String),
    /// A keyword, with its colon.
    Word(String),
    /// Whatever else is written without brackets: symbols, truth values, fractions, characters.
    Other(String),
    /// A list or a vector.
    List(Vec<Node>),
    Set(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What a map holds under the keyword `word`.
    pub(super) fn get(&self, word: &str) -> Option<&Node> {
        let Form::Map(pairs) = &self.form else { return None };
        let found = pairs.iter().find(|(key, _)| matches!(&key.form, Form::Word(name) if name == word));
        found.map(|(_, value)| value)
    }
}

/// As it is written, with one blank between forms.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |f: &mut fmt::Formatter<'_>, nodes: &mut dyn Iterator<Item = &Node>| {
            nodes.enumerate().try_for_each(|(at, node)| write!(f, "{}{node}", if at > 0 { " " } else { "" }))
        };
        match &self.form {
            Form::Nil => f.write_str("nil"),
            Form::Number(number) => write!(f, "{number}"),
            Form::Text(text) => write!(f, "{text:?}"),
            Form::Word(text) | Form::Other(text) => f.write_str(text),
            Form::List(list) => {
                f.write_str("[")?;
                all(f, &mut list.iter())?;
                f.write_str("]")
            }
            Form::Set(list) => {
                f.write_str("#{")?;
                all(f, &mut list.iter())?;
                f.write_str("}")
            }
            Form::Map(pairs) => {
                f.write_str("{")?;
                all(f, &mut pairs.iter().flat_map(|(key, value)| [key, value]))?;
                f.write_str("}")
            }
        }
    }
}

/// Forms within forms within forms: no history is nested so deep.
const DEPTH_MAX: usize = 64;

/// A text that is read form by form.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    at: usize,
    /// What ends where the text does.
    whole: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Reader { file, text, at: 0, whole: "file" }
    }

    /// Of the bytes `from..to` of a text, which are on one line.
    pub(super) fn within(file: &'a str, text: &'a str, from: usize, to: usize) -> Self {
        Reader { file, text: &text[..to], at: from, whole: "line" }
    }

    pub(super) fn mark(&self) -> usize {
        self.at
    }

    pub(super) fn back_to(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Whether nothing but white space is left, over which it goes.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.at += self.rest().len() - self.rest().trim_start().len();
        self.rest().is_empty()
    }

    /// The next form; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Node>, FormatError> {
        self.skip(0)?;
        if self.at == self.text.len() { Ok(None) } else { self.form(0).map(Some) }
    }

    /// The error that something is wrong at `at`.
    pub(super) fn wrong(&self, at: usize, reason: impl Into<String>) -> FormatError {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        FormatError::Line { place: Place { file: self.file.to_owned(), line, column }, reason: reason.into() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The error that here something else is expected.
    pub(super) fn expected<T>(&self, what: &str) -> Result<T, FormatError> {
        let rest: String = self.rest().chars().take_while(|c| *c != '\n').take(24).collect();
        let found = if self.rest().is_empty() { format!("the end of the {}", self.whole) } else { format!("{rest:?}") };
        Err(self.wrong(self.at, format!("expected {what}, found {found}")))
    }

    /// Over white space, commas, comments and forms that are marked as left out.
    fn skip(&mut self, depth: usize) -> Result<(), FormatError> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
            if self.rest().starts_with(';') {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.rest().starts_with("#_") {
                if depth > DEPTH_MAX {
                    return Err(self.wrong(self.at, format!("forms are nested more than {DEPTH_MAX} deep")));
                }
                self.at += 2;
                self.skip(depth + 1)?;
                self.form(depth + 1)?;
            } else {
                return Ok(());
            }
        }
    }

    fn form(&mut self, depth: usize) -> Result<Node, FormatError> {
        if depth > DEPTH_MAX {
            return Err(self.wrong(self.at, format!("forms are nested more than {DEPTH_MAX} deep")));
        }
        let at = self.at;
        let form = match self.rest().chars().next() {
            Some('(') => Form::List(self.forms(')', depth)?),
            Some('[') => Form::List(self.forms(']', depth)?),
            Some('{') => self.map(depth)?,
            Some('"') => Form::Text(self.string()?),
            Some('#') if self.rest().starts_with("#{") => {
                self.at += 1;
                Form::Set(self.forms('}', depth)?)
            }
            Some('#') => {
                self.at += 1;
                self.word();
                self.skip(depth)?;
                return self.form(depth + 1);
            }
            Some(')' | ']' | '}') | None => return self.expected("a value"),
            Some('\\') => {
                let start = self.at;
                self.at += 1 + self.rest().chars().nth(1).map_or(0, char::len_utf8);
                self.word();
                Form::Other(self.text[start..self.at].to_owned())
            }
            Some(_) => match self.word() {
                "" => return self.expected("a value"),
                "nil" => Form::Nil,
                word if word.starts_with(':') => Form::Word(word.to_owned()),
                word => match word.trim_end_matches('N').parse() {
                    Ok(number) => Form::Number(number),
                    Err(_) => Form::Other(word.to_owned()),
                },
            },
        };
        Ok(Node { form, at })
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let stops = |c: char| c.is_whitespace() || "()[]{}\",;".contains(c);
        let end = rest.find(stops).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// What stands between the bracket here and `close`.
    fn forms(&mut self, close: char, depth: usize) -> Result<Vec<Node>, FormatError> {
        self.at += 1;
        let mut found = Vec::new();
        loop {
            self.skip(depth)?;
            if self.rest().starts_with(close) {
                self.at += 1;
                return Ok(found);
            }
            if self.rest().is_empty() {
                return self.expected(&format!("`{close}`"));
            }
            found.push(self.form(depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Form, FormatError> {
        let at = self.at;
        let forms = self.forms('}', depth)?;
        if forms.len() % 2 == 1 {
            return Err(self.wrong(at, "a map has a key without a value"));
        }
        let mut pairs = Vec::with_capacity(forms.len() / 2);
        let mut forms = forms.into_iter();
        while let (Some(key), Some(value)) = (forms.next(), forms.next()) {
            pairs.push((key, value));
        }
        Ok(Form::Map(pairs))
    }

    fn string(&mut self) -> Result<String, FormatError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let end = rest.find(['"', '\\']).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            self.at += end;
            let mut next = self.rest().chars();
            match (next.next(), next.next()) {
                (Some('"'), _) => {
                    self.at += 1;
                    return Ok(out);
                }
                (Some(_), Some(escaped)) => {
                    out.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        '"' | '\\' => escaped,
                        _ => return self.expected("one of \\n \\t \\r \\\" \\\\"),
                    });
                    self.at += 2;
                }
                _ => return self.expected("the closing double quote"),
            }
        }
    }
}
