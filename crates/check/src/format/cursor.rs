//! Reading a line from left to right, always knowing the column: what the two foreign formats have in common.

use super::{FormatError, Place};

/// A position within one line of a file.
pub(super) struct Cursor<'a> {
    file: &'a str,
    line: usize,
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of line `line` (from 1) of `file`.
    pub(super) fn new(file: &'a str, line: usize, text: &'a str) -> Self {
        Cursor { file, line, text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space, and what else `also` names.
    pub(super) fn skip(&mut self, also: &[char]) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || also.contains(&c)).len();
    }

    /// Takes the next character if it is `wanted`.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// The next characters up to white space or one of `stops`; empty if there are none.
    pub(super) fn word(&mut self, stops: &[char]) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || stops.contains(&c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// What stands inside double quotes, with `\n`, `\t`, `\r`, `\"` and `\\` replaced.
    pub(super) fn quoted(&mut self) -> Result<String, FormatError> {
        if !self.take('"') {
            return Err(self.expected("a string in double quotes"));
        }
        let mut out = String::new();
        loop {
            let Some(next) = self.rest().chars().next() else {
                return Err(self.expected("the closing double quote"));
            };
            if next == '\\' {
                let escaped = self.rest().chars().nth(1);
                let Some(plain) = escaped.and_then(unescape) else {
                    return Err(self.expected("one of \\n \\t \\r \\\" \\\\"));
                };
                out.push(plain);
                self.at += 2;
                continue;
            }
            self.at += next.len_utf8();
            if next == '"' {
                return Ok(out);
            }
            out.push(next);
        }
    }

    /// True at the end of the line.
    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Back to an earlier position, as given by [`Cursor::mark`], so that an error points at it.
    pub(super) fn back_to(&mut self, mark: usize) {
        self.at = mark;
    }

    /// This position.
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// The error that something else was expected here.
    pub(super) fn expected(&self, what: &str) -> FormatError {
        const SHOWN: usize = 24;
        let rest: String = self.rest().chars().take(SHOWN).collect();
        let found = if rest.is_empty() { "the end of the line".to_owned() } else { format!("{rest:?}") };
        self.wrong(format!("expected {what}, found {found}"))
    }

    /// An error at this position.
    pub(super) fn wrong(&self, reason: String) -> FormatError {
        let place = Place { file: self.file.to_owned(), line: self.line, column: self.at + 1 };
        FormatError::Line { place, reason }
    }
}

fn unescape(escaped: char) -> Option<char> {
    match escaped {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        '"' | '\\' => Some(escaped),
        _ => None,
    }
}
