//! The failure block: what a person needs on the spot when a seed does not pass, and lines to copy that take them further.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{FaultRecord, RunRequest, Seed, SeedRecord, Status, seed_record::Trouble};

/// How the lines to copy are spelt: they name the package and test target the scenario lives in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandHints {
    /// The package, for `-p`.
    pub package: Option<String>,
    /// The test target, for `--test`.
    pub target: Option<String>,
    /// Cargo features that the build needs, for `--features`.
    pub features: Vec<String>,
}

/// Everything that a failure block tells.
#[derive(Clone, Debug)]
pub struct FailureBlock<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// The record of the seed.
    pub record: &'a SeedRecord,
    /// What the run was asked, for the lines to copy.
    pub asked: Asked<'a>,
    /// How those lines are spelt.
    pub hints: &'a CommandHints,
}

/// The parts of a request that a line to copy must repeat.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Overrides.
    pub overrides: &'a [String],
    /// Dropped faults.
    pub drop: &'a [String],
    /// Parameters.
    pub params: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a RunRequest> for Asked<'a> {
    fn from(request: &'a RunRequest) -> Self {
        Asked { overrides: &request.overrides, drop: &request.drop, params: &request.params }
    }
}

/// The styles of a block. Plain by default; the command line supplies colours.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockStyles {
    /// The verdict.
    pub verdict: anstyle::Style,
    /// The labels at the left.
    pub label: anstyle::Style,
    /// Lines to copy.
    pub command: anstyle::Style,
    /// What is beside the point.
    pub dim: anstyle::Style,
}

impl FailureBlock<'_> {
    /// The block as text, ending with a newline.
    pub fn render(&self, styles: &BlockStyles) -> String {
        let trouble = self.record.trouble.as_deref().cloned().unwrap_or_default();
        let word = match self.record.status {
            Status::Pass => "PASS",
            Status::Fail => "FAIL",
            Status::Unknown => "UNKNOWN",
            Status::Killed => "KILLED",
            Status::Nondeterministic => "NONDETERMINISTIC",
        };
        let v = styles.verdict;
        let mut out = String::new();
        let seed = self.record.seed;
        let time = virtual_time(self.record.virtual_ns);
        let again = if self.record.retried { ", tried twice" } else { "" };
        let _ = writeln!(out, "{v}{word}{v:#} {} seed {seed} at {time} of virtual time{again}", self.scenario);
        self.findings(&mut out, &trouble, styles);
        for (label, command) in self.commands(seed) {
            let c = styles.command;
            row(&mut out, styles, label, &format!("{c}{command}{c:#}"));
        }
        out
    }

    fn findings(&self, out: &mut String, trouble: &Trouble, styles: &BlockStyles) {
        let label = match self.record.status {
            Status::Unknown => "limit",
            _ => "oracle",
        };
        row(out, styles, label, &trouble.oracle);
        rows(out, styles, "evidence", &trouble.evidence);
        if let Some(divergence) = &trouble.divergence {
            let mut lines = vec![format!("the runs part at event {}", divergence.index)];
            lines.extend(divergence.before.iter().map(|event| format!("  {event}")));
            let side = |mark: char, events: &[String]| -> Vec<String> {
                if events.is_empty() {
                    return vec![format!("{mark} (ended)")];
                }
                events.iter().map(|event| format!("{mark} {event}")).collect()
            };
            lines.extend(side('1', &divergence.first));
            lines.extend(side('2', &divergence.second));
            rows(out, styles, "parting", &lines);
        }
        let families = self.record.families.join(", ");
        if !families.is_empty() {
            row(out, styles, "families", &families);
        }
        rows(out, styles, "faults", &trouble.faults.iter().map(fault_line).collect::<Vec<_>>());
        rows(out, styles, "waiting", &trouble.waiting);
        let d = styles.dim;
        let stderr: Vec<String> = trouble.stderr.iter().map(|line| format!("{d}{line}{d:#}")).collect();
        rows(out, styles, "stderr", &stderr);
    }

    /// The lines to copy, each with its label.
    pub fn commands(&self, seed: Seed) -> Vec<(&'static str, String)> {
        let asked = &self.asked;
        let mut same = String::new();
        for value in asked.overrides {
            let _ = write!(same, " --set {}", quoted(value));
        }
        for id in asked.drop {
            let _ = write!(same, " --drop {}", quoted(id));
        }
        for (key, value) in asked.params {
            match key.as_str() {
                "planted" => {
                    let _ = write!(same, " --planted {}", quoted(value));
                }
                _ => {
                    let _ = write!(same, " --param {}", quoted(&format!("{key}={value}")));
                }
            }
        }
        let scenario = self.scenario;
        vec![
            ("replay", format!("cargo stormglass replay {scenario} --seed {seed}{same}")),
            ("as a test", self.as_test(seed)),
            ("keep it", format!("cargo stormglass pin {scenario} --seed {seed}{same}")),
        ]
    }

    fn as_test(&self, seed: Seed) -> String {
        let mut line = String::new();
        let asked = &self.asked;
        let mut variable = |name: &str, values: Vec<String>| {
            if !values.is_empty() {
                let _ = write!(line, "{name}={} ", quoted(&crate::libtest::joined(&values)));
            }
        };
        variable(crate::libtest::SET_VARIABLE, asked.overrides.to_vec());
        variable(crate::libtest::DROP_VARIABLE, asked.drop.to_vec());
        variable(
            crate::libtest::PARAMS_VARIABLE,
            asked.params.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        );
        line.push_str("cargo test");
        if let Some(package) = &self.hints.package {
            let _ = write!(line, " -p {package}");
        }
        if let Some(target) = &self.hints.target {
            let _ = write!(line, " --test {target}");
        }
        if !self.hints.features.is_empty() {
            let _ = write!(line, " --features {}", self.hints.features.join(","));
        }
        let _ = write!(line, " -- --exact {}", crate::libtest::case_name(self.scenario, seed));
        line
    }
}

fn fault_line(fault: &FaultRecord) -> String {
    let effect = match (fault.hits, fault.vacuous) {
        (0, true) => "VACUOUS: it hit nothing".to_owned(),
        (0, false) if !fault.refused.is_empty() => format!("left out: {}", fault.refused),
        (0, false) => "not due".to_owned(),
        (hits, _) => format!("hit {hits}"),
    };
    format!("{} {} ({effect})", fault.id, fault.text)
}

/// Width of the label column, with its gap.
const LABEL_WIDTH: usize = 11;

fn row(out: &mut String, styles: &BlockStyles, label: &str, text: &str) {
    let l = styles.label;
    let _ = writeln!(out, "  {l}{label:<LABEL_WIDTH$}{l:#}{text}");
}

fn rows(out: &mut String, styles: &BlockStyles, label: &str, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        row(out, styles, if index == 0 { label } else { "" }, line);
    }
}

/// Virtual time as seconds with nine digits: exact, and comparable between lines.
pub fn virtual_time(ns: u64) -> String {
    format!("{}.{:09}s", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
