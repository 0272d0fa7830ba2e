//! Which tests a binary holds: asked of the binary itself, in the protocol that cargo's harness and its likes speak.

use std::ffi::OsString;

use crate::error::SwapError;
use crate::run::{Launcher, target_name};

/// What a binary is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// A harness with these tests.
    Tests(Vec<Listed>),
    /// One program with `#[tokio::main]`.
    Main(String),
    /// Neither: it is run as it is.
    Other(String),
}

/// One test of a harness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Whether its `#[ignore]` holds.
    pub(crate) ignored: bool,
}

/// Arguments of a harness that select no test, with the number of values that stand behind each.
const NOT_SELECTING: [(&str, usize); 9] = [
    ("--nocapture", 0),
    ("--no-capture", 0),
    ("--show-output", 0),
    ("--quiet", 0),
    ("-q", 0),
    ("--test-threads", 1),
    ("--format", 1),
    ("--color", 1),
    ("--logfile", 1),
];

/// The arguments that select tests.
fn selecting(arguments: &[OsString]) -> Vec<OsString> {
    let mut selecting = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        let word = text.split('=').next().unwrap_or_default();
        match NOT_SELECTING.iter().find(|(name, _)| *name == word) {
            Some((_, values)) if !text.contains('=') => _ = rest.by_ref().take(*values).count(),
            Some(_) => {}
            None => selecting.push(argument.clone()),
        }
    }
    selecting
}

fn names(output: &str) -> Option<Vec<String>> {
    let lines = output.lines().filter(|line| !line.trim().is_empty());
    // Benches are for measuring, which a simulation cannot.
    let named = lines.map(|line| line.strip_suffix(": test").or_else(|| line.strip_suffix(": benchmark")));
    let all: Vec<&str> = named.collect::<Option<_>>()?;
    let tests = all.iter().zip(output.lines().filter(|line| !line.trim().is_empty()));
    Some(tests.filter(|(_, line)| line.ends_with(": test")).map(|(name, _)| (*name).to_owned()).collect())
}

/// Lists the tests of a binary that `arguments` select.
pub(crate) fn list(launcher: &Launcher, arguments: &[OsString]) -> Result<Listing, SwapError> {
    let name = target_name(&launcher.binary);
    let mut asked = selecting(arguments);
    let all_run = asked.iter().any(|argument| argument == "--include-ignored" || argument == "--ignored");
    asked.extend(["--list", "--format", "terse"].map(OsString::from));
    let ran = launcher.list(&asked)?;
    if ran.account.is_some() {
        return Ok(Listing::Main(name));
    }
    let Some(listed) = names(&ran.output).filter(|_| ran.succeeded()) else { return Ok(Listing::Other(name)) };
    let mut ignored = Vec::new();
    if !all_run && !listed.is_empty() {
        asked.push("--ignored".into());
        ignored = names(&launcher.list(&asked)?.output).unwrap_or_default();
    }
    let tests = listed.into_iter().map(|name| Listed { ignored: ignored.contains(&name), name });
    Ok(Listing::Tests(tests.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_benches_are_left_out() {
        assert_eq!(names("a::b: test\nspeed: benchmark\n\nc: test\n"), Some(vec!["a::b".to_owned(), "c".to_owned()]));
        assert_eq!(names(""), Some(Vec::new()));
        assert_eq!(names("hello\n"), None);
    }

    #[test]
    fn only_what_selects_tests_is_asked_with() {
        let given = ["name", "--nocapture", "--test-threads", "1", "--format=json", "--skip", "x", "--exact"];
        let kept = selecting(&given.map(OsString::from));
        assert_eq!(kept, ["name", "--skip", "x", "--exact"].map(OsString::from));
    }
}
