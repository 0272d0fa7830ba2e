//! How the tests of a project are told: a line each while they run, and at the end whatever did not pass, with its first
//! seed and a line to run just that.

use std::{ffi::OsString, fmt::Write as _};

use anstyle::Style;
use serde::Serialize;
use stormglass_harness::virtual_time;
use stormglass_swap::{BinaryReport, Outcome, SeedEnd, Summary, Target, TestKind, TestReport, Verdict};

use crate::{
    error::CliError,
    render::{BAD, COMMAND, DIM, DOUBTFUL, GOOD, LABEL},
};

/// How many lines of a failed test's output are shown.
const OUTPUT_LINES: usize = 30;

/// Width of the first column.
const WORD_WIDTH: usize = 10;

fn word(test: &TestReport) -> (&'static str, Style) {
    match (test.outcome(), test.kind) {
        (Outcome::Passed, TestKind::Plain) => ("plain ok", GOOD),
        (Outcome::Passed, _) => ("ok", GOOD),
        (Outcome::Failed, _) => ("FAILED", BAD),
        (Outcome::Flaky, _) => ("FLAKY", BAD),
        (Outcome::Unknown, _) => ("UNKNOWN", DOUBTFUL),
        (Outcome::Nondeterministic, _) => ("DIFFERS", BAD),
        (Outcome::Ignored, _) => ("ignored", DIM),
    }
}

fn tally(test: &TestReport) -> String {
    let all = test.seeds.len();
    let first = |verdict| test.seeds.iter().find(|end| end.verdict == verdict).map_or(0, |end| end.seed.0);
    match (test.kind, test.outcome()) {
        (TestKind::Ignored, _) => String::new(),
        (TestKind::Plain, _) => "not a tokio test: ran once, outside a simulation".to_owned(),
        (_, Outcome::Passed) => format!("{all} of {all} seeds passed"),
        (_, Outcome::Failed) => format!("fails on all {all} seeds"),
        (_, Outcome::Flaky) => {
            format!("flaky: fails on {} of {all} seeds, first on seed {}", test.failed(), first(Verdict::Fail))
        }
        (_, Outcome::Unknown) => format!("seed {} could not be judged", first(Verdict::Unknown)),
        (_, Outcome::Nondeterministic) => format!("seed {} runs differently again", first(Verdict::Nondeterministic)),
        (_, Outcome::Ignored) => String::new(),
    }
}

/// One test's line, at its end.
pub(crate) fn line(test: &TestReport) {
    let (word, style) = word(test);
    anstream::println!("{style}{word:>WORD_WIDTH$}{style:#} {} {DIM}{}{DIM:#}", test.name, tally(test));
}

/// What the user asked for, and of what it can be asked: for lines to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// What selects packages, targets and features.
    pub(crate) words: &'a [OsString],
    /// What the project has.
    pub(crate) targets: &'a [Target],
}

impl Asked<'_> {
    /// Whether the user named targets.
    fn names_targets(&self) -> bool {
        let naming =
            ["--lib", "--bins", "--bin", "--tests", "--test", "--examples", "--example", "--all-targets", "--doc"];
        self.words.iter().any(|word| naming.iter().any(|name| word == name))
    }

    /// The words that select a binary's target, where they select no other.
    fn target(&self, binary: &BinaryReport) -> Option<&[String]> {
        let is_it = |target: &&Target| {
            target.name == binary.target && binary.package.as_ref().is_none_or(|package| *package == target.package)
        };
        let mut found = self.targets.iter().filter(is_it);
        found.next().filter(|_| found.next().is_none()).map(|target| target.words.as_slice())
    }
}

/// The command that runs one seed of one test again.
fn rerun(binary: &BinaryReport, test: &TestReport, end: &SeedEnd, asked: &Asked<'_>) -> String {
    let mut line = "cargo stormglass test".to_owned();
    let named = asked.words.iter().any(|word| word == "--package" || word == "-p");
    if let (Some(package), false) = (&binary.package, named) {
        let _ = write!(line, " -p {package}");
    }
    for word in asked.words {
        let _ = write!(line, " {}", word.to_string_lossy());
    }
    if !asked.names_targets() {
        let doc = ["--doc".to_owned()];
        let words = if binary.documentation { &doc[..] } else { asked.target(binary).unwrap_or_default() };
        words.iter().for_each(|word| line.extend([" ", word.as_str()]));
    }
    if test.kind == TestKind::Test {
        let _ = write!(line, " {}", test.name);
    }
    let seed = end.seed.0;
    let _ = match seed.checked_add(1) {
        Some(next) => write!(line, " --seeds {seed}..{next}"),
        None => write!(line, " --seeds {seed}.."),
    };
    if test.kind == TestKind::Test {
        line.push_str(" -- --exact");
    }
    line
}

fn block(binary: &BinaryReport, test: &TestReport, asked: &Asked<'_>) -> String {
    let mut out = String::new();
    let Some(end) = test.troubles().next() else { return out };
    let (word, style) = word(test);
    let _ = writeln!(out, "\n{style}{word}{style:#} {} {DIM}in {}{DIM:#}", test.name, binary.target);
    let mut row = |label: &str, text: &str| {
        for (index, line) in text.lines().enumerate() {
            let label = if index == 0 { label } else { "" };
            let _ = writeln!(out, "  {LABEL}{label:<9}{LABEL:#}{line}");
        }
    };
    if test.kind != TestKind::Plain {
        row("seeds", &tally(test));
        let ended =
            if end.digest.is_empty() { String::new() } else { format!(", ended at {}", virtual_time(end.virtual_ns)) };
        row("seed", &format!("{}{ended}", end.seed.0));
    }
    row("why", &end.why);
    row("output", &telling(&end.output));
    if test.kind != TestKind::Plain {
        row("again", &format!("{COMMAND}{}{COMMAND:#}", rerun(binary, test, end, asked)));
    }
    out
}

/// What rustdoc shows of an example that did not do as it was to.
pub(crate) fn example(binary: &BinaryReport) {
    for test in &binary.tests {
        anstream::print!("{}", block(binary, test, &Asked { words: &[], targets: &[] }));
    }
}

/// What a process printed, without its backtraces and what its harness says around it.
fn telling(output: &str) -> String {
    let mut lines = Vec::new();
    let mut in_backtrace = false;
    for line in output.lines() {
        let frame = line.starts_with("  ");
        in_backtrace = line.starts_with("stack backtrace:") || (in_backtrace && frame);
        if !in_backtrace && worth_showing(line) {
            lines.push(line);
        }
    }
    lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")
}

/// Whether a line of a harness's output says anything about the test.
fn worth_showing(line: &str) -> bool {
    let noise = ["running ", "test result: ", "failures:", "successes:", "note: ", "FAILED"];
    let own = line.starts_with("test ") && line.trim_end().ends_with("...");
    !(line.trim().is_empty() || own || noise.iter().any(|start| line.starts_with(start)))
}

/// The whole, for people.
pub(crate) fn text(summary: &Summary, asked: &Asked<'_>) {
    for (binary, test) in summary.tests() {
        anstream::print!("{}", block(binary, test, asked));
    }
    let counted = [
        (Outcome::Passed, "passed", GOOD),
        (Outcome::Flaky, "flaky", BAD),
        (Outcome::Failed, "failed", BAD),
        (Outcome::Nondeterministic, "differing", BAD),
        (Outcome::Unknown, "unknown", DOUBTFUL),
        (Outcome::Ignored, "ignored", DIM),
    ];
    let counts: Vec<String> = counted
        .iter()
        .map(|(outcome, word, style)| (summary.count(*outcome), word, style))
        .filter(|(count, ..)| *count > 0)
        .map(|(count, word, style)| format!("{style}{count} {word}{style:#}"))
        .collect();
    let plain = summary.tests().filter(|(_, test)| test.kind == TestKind::Plain).count();
    let simulated = summary.tests().filter(|(_, test)| matches!(test.kind, TestKind::Test | TestKind::Main)).count();
    let counts = if counts.is_empty() { "no tests".to_owned() } else { counts.join(", ") };
    let examples = match summary.examples() {
        0 => String::new(),
        count => format!("; {count} examples in documentation simulated"),
    };
    anstream::println!("\n{LABEL}Tests{LABEL:#} {counts} {DIM}({simulated} simulated, {plain} plain{examples}){DIM:#}");
}

/// The whole, for programs.
#[derive(Serialize)]
struct Told<'a> {
    tests: Vec<ToldTest<'a>>,
}

#[derive(Serialize)]
struct ToldTest<'a> {
    package: Option<&'a str>,
    target: &'a str,
    outcome: Outcome,
    #[serde(flatten)]
    test: &'a TestReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<String>,
}

pub(crate) fn json(summary: &Summary, asked: &Asked<'_>) -> Result<(), CliError> {
    let tests = summary.tests().map(|(binary, test)| ToldTest {
        package: binary.package.as_deref(),
        target: &binary.target,
        outcome: test.outcome(),
        test,
        again: test
            .troubles()
            .next()
            .filter(|_| test.kind != TestKind::Plain)
            .map(|end| rerun(binary, test, end, asked)),
    });
    let told = Told { tests: tests.collect() };
    let text =
        serde_json::to_string_pretty(&told).map_err(|error| CliError::new(stormglass_harness::Exit::Bug, error))?;
    anstream::println!("{text}");
    Ok(())
}
