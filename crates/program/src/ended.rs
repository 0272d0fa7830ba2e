//! What a simulated program leaves for whoever started its process: a line when it begins and an account when it has
//! ended. A process that dies in between has begun and not ended.

use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use stormglass_kernel::Failure;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its body returned. Whether what it returned is a success is for its harness to say.
    Returned,
    /// Its body panicked.
    Panicked,
    /// Nothing was left to happen, and the body had not returned.
    Deadlock,
    /// A limit of the simulation was reached.
    Limit,
    /// It reached for the real world, or used what is refused.
    Refused,
    /// Any other violation of the simulation's rules.
    Failed,
}

impl How {
    const WORDS: [(How, &'static str); 6] = [
        (How::Returned, "returned"),
        (How::Panicked, "panicked"),
        (How::Deadlock, "deadlock"),
        (How::Limit, "limit"),
        (How::Refused, "refused"),
        (How::Failed, "failed"),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(how, _)| *how == self).map_or("failed", |(_, word)| word)
    }

    pub(crate) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Panic { .. } => Self::Panicked,
            Failure::Deadlock => Self::Deadlock,
            Failure::Limit { .. } => Self::Limit,
            Failure::Refused { .. } => Self::Refused,
            Failure::ForeignWake | Failure::Violation { .. } => Self::Failed,
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The first line of the account: a simulation has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The seed.
    pub seed: u64,
}

/// How a program ended, and what its run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: How,
    /// Virtual time at the end, in nanoseconds.
    pub virtual_ns: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Digest of the trace: equal for equal runs.
    pub digest: u128,
    /// Why, in words; empty where the body returned. May have several lines.
    pub why: String,
}

/// An account that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account of a simulated program cannot be read at `{line}`")]
pub struct UnreadableEnd {
    /// The line.
    pub line: String,
}

const BEGUN: &str = "begun";
const ENDED: &str = "ended";

impl Begun {
    pub(crate) fn tell(self, file: &Path) -> io::Result<()> {
        append(file, &format!("{BEGUN} {}\n", self.seed))
    }
}

impl Ended {
    pub(crate) fn tell(&self, file: &Path) -> io::Result<()> {
        append(file, &self.to_string())
    }

    /// Reads an account: what began, and how that ended if it did. `None` where nothing was simulated. Where a process
    /// ran several programs the last one counts.
    ///
    /// # Errors
    /// A line that nobody wrote so.
    pub fn read(text: &str) -> Result<Option<(Begun, Option<Self>)>, UnreadableEnd> {
        if text.is_empty() {
            return Ok(None);
        }
        let at = match text.rfind(&format!("\n{BEGUN} ")) {
            Some(newline) => newline + 1,
            None if text.starts_with(BEGUN) => 0,
            None => return Err(unreadable(text)),
        };
        let (line, rest) = text[at..].split_once('\n').ok_or_else(|| unreadable(text))?;
        let seed = line[BEGUN.len() + 1..].parse().map_err(|_| unreadable(line))?;
        let ended = if rest.is_empty() { None } else { Some(rest.parse()?) };
        Ok(Some((Begun { seed }, ended)))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { how, virtual_ns, polls, digest, why } = self;
        writeln!(f, "{ENDED} {how} {virtual_ns} {polls} {digest:032x}")?;
        // Indented, so that no text of a program can look like a line of the account.
        why.lines().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl FromStr for Ended {
    type Err = UnreadableEnd;

    fn from_str(text: &str) -> Result<Self, UnreadableEnd> {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let words: Vec<&str> = first.split(' ').collect();
        let [ENDED, how, virtual_ns, polls, digest] = words[..] else { return Err(unreadable(first)) };
        let how = How::WORDS.iter().find(|(_, word)| *word == how).map(|(how, _)| *how);
        let mut why = String::new();
        for line in lines {
            let _ = writeln!(why, "{}", line.strip_prefix("  ").unwrap_or(line));
        }
        Ok(Self {
            how: how.ok_or_else(|| unreadable(first))?,
            virtual_ns: virtual_ns.parse().map_err(|_| unreadable(first))?,
            polls: polls.parse().map_err(|_| unreadable(first))?,
            digest: u128::from_str_radix(digest, 16).map_err(|_| unreadable(first))?,
            why: why.trim_end().to_owned(),
        })
    }
}

fn unreadable(line: &str) -> UnreadableEnd {
    UnreadableEnd { line: line.lines().next().unwrap_or_default().to_owned() }
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_reads_as_it_was_written() {
        let why = "it broke\nbegun 7\n\n  as told".to_owned();
        let ended = Ended { how: How::Refused, virtual_ns: 12, polls: 3, digest: 0xabc, why };
        let text = format!("begun 1\nended returned 1 1 {:032x}\nbegun 9\n{ended}", 0);
        assert_eq!(Ended::read(&text), Ok(Some((Begun { seed: 9 }, Some(ended)))));
    }

    #[test]
    fn a_process_that_died_has_begun_and_not_ended() {
        assert_eq!(Ended::read("begun 4\n"), Ok(Some((Begun { seed: 4 }, None))));
        assert_eq!(Ended::read(""), Ok(None));
        assert!(Ended::read("begun 4\nended so\n").is_err());
    }
}
