//! What came of the tests of a project: by seed, by test, by binary, in all.

use serde::{Deserialize, Serialize};
use stormglass_harness::{Exit, Seed};

/// What one seed of a test came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// It ran past its wall-clock limit, or was killed from outside.
    Unknown,
    /// The same seed ran differently the second time.
    Nondeterministic,
}

/// One seed of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedEnd {
    /// The seed.
    pub seed: Seed,
    /// What it came to.
    pub verdict: Verdict,
    /// Why, in words; empty where it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Virtual time at its end, in nanoseconds.
    pub virtual_ns: u64,
    /// Digest of its trace, in hex: equal for equal runs. Empty where the process died before it could tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The end of what it printed; empty where it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// What a test is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestKind {
    /// A `#[tokio::test]`: run in a simulation, once per seed.
    Test,
    /// A program with `#[tokio::main]`: run in a simulation, once per seed.
    Main,
    /// Anything else: run once, as it is, outside a simulation.
    Plain,
    /// Not run, because its `#[ignore]` says so.
    Ignored,
}

/// What a test came to over its seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every seed passed.
    Passed,
    /// Every seed failed.
    Failed,
    /// Some seeds failed and some passed.
    Flaky,
    /// No seed failed, and some could not be judged.
    Unknown,
    /// A seed ran differently the second time.
    Nondeterministic,
    /// It was not run.
    Ignored,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// Its name, as its harness lists it; for a program, the binary's.
    pub name: String,
    /// What it is.
    pub kind: TestKind,
    /// Its seeds in order. A plain test has one, of no meaning.
    pub seeds: Vec<SeedEnd>,
}

impl TestReport {
    /// What it came to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |verdict| self.seeds.iter().any(|end| end.verdict == verdict);
        match self.kind {
            TestKind::Ignored => Outcome::Ignored,
            _ if any(Verdict::Nondeterministic) => Outcome::Nondeterministic,
            _ if any(Verdict::Fail) && any(Verdict::Pass) => Outcome::Flaky,
            _ if any(Verdict::Fail) => Outcome::Failed,
            _ if any(Verdict::Unknown) => Outcome::Unknown,
            _ => Outcome::Passed,
        }
    }

    /// The seeds that did not pass, in order.
    pub fn troubles(&self) -> impl Iterator<Item = &SeedEnd> {
        self.seeds.iter().filter(|end| end.verdict != Verdict::Pass)
    }

    /// How many seeds failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.seeds.iter().filter(|end| end.verdict == Verdict::Fail).count()
    }
}

/// One binary that cargo ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryReport {
    /// The package, where cargo said so.
    pub package: Option<String>,
    /// The target's name.
    pub target: String,
    /// It is an example in documentation: what it was to do, rustdoc knows and judges.
    #[serde(default)]
    pub documentation: bool,
    /// Its tests, in the order in which its harness lists them.
    pub tests: Vec<TestReport>,
}

/// All binaries together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The binaries in the order in which cargo ran them.
    pub binaries: Vec<BinaryReport>,
}

impl Summary {
    /// Every test. Of examples in documentation those alone that did not come to the same in every seed: whether what
    /// they came to is right, rustdoc judges.
    pub fn tests(&self) -> impl Iterator<Item = (&BinaryReport, &TestReport)> {
        let judged = |binary: &BinaryReport, test: &TestReport| {
            !binary.documentation || !matches!(test.outcome(), Outcome::Passed | Outcome::Failed)
        };
        let all = self.binaries.iter().flat_map(|binary| binary.tests.iter().map(move |test| (binary, test)));
        all.filter(move |(binary, test)| judged(binary, test))
    }

    /// How many examples in documentation ran in a simulation.
    #[must_use]
    pub fn examples(&self) -> usize {
        let tests = self.binaries.iter().filter(|binary| binary.documentation).flat_map(|binary| &binary.tests);
        tests.filter(|test| test.kind == TestKind::Main).count()
    }

    /// How many tests came to `outcome`.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.tests().filter(|(_, test)| test.outcome() == outcome).count()
    }

    /// The exit code: the worst of what happened.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.count(Outcome::Nondeterministic) > 0 {
            Exit::Nondeterminism
        } else if self.count(Outcome::Failed) + self.count(Outcome::Flaky) > 0 {
            Exit::SeedFailed
        } else if self.count(Outcome::Unknown) > 0 {
            Exit::Incomplete
        } else if self.tests().all(|(_, test)| test.kind == TestKind::Ignored)
            && self.binaries.iter().all(|binary| !binary.documentation)
        {
            Exit::NothingSelected
        } else {
            Exit::Passed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(kind: TestKind, verdicts: &[Verdict]) -> TestReport {
        let end = |(seed, verdict): (usize, &Verdict)| SeedEnd {
            seed: Seed(seed as u64),
            verdict: *verdict,
            why: String::new(),
            virtual_ns: 0,
            digest: String::new(),
            output: String::new(),
        };
        TestReport { name: "t".to_owned(), kind, seeds: verdicts.iter().enumerate().map(end).collect() }
    }

    fn exit(tests: Vec<TestReport>) -> Exit {
        Summary { binaries: vec![BinaryReport { package: None, target: String::new(), documentation: false, tests }] }
            .exit()
    }

    #[test]
    fn a_test_that_fails_on_some_seeds_only_is_flaky() {
        use Verdict::{Fail, Nondeterministic, Pass, Unknown};
        let outcome = |verdicts| test(TestKind::Test, verdicts).outcome();
        assert_eq!(outcome(&[Pass, Pass]), Outcome::Passed);
        assert_eq!(outcome(&[Pass, Fail]), Outcome::Flaky);
        assert_eq!(outcome(&[Fail, Fail]), Outcome::Failed);
        assert_eq!(outcome(&[Pass, Unknown]), Outcome::Unknown);
        assert_eq!(outcome(&[Fail, Nondeterministic]), Outcome::Nondeterministic);
    }

    #[test]
    fn an_example_in_documentation_is_judged_here_only_where_its_seeds_disagree() {
        use Verdict::{Fail, Pass};
        let example = |verdicts| {
            let tests = vec![test(TestKind::Main, verdicts)];
            Summary {
                binaries: vec![BinaryReport { package: None, target: String::new(), documentation: true, tests }],
            }
        };
        assert_eq!(example(&[Pass, Pass]).exit(), Exit::Passed);
        // It may have been meant to panic.
        assert_eq!(example(&[Fail, Fail]).exit(), Exit::Passed);
        assert_eq!(example(&[Pass, Fail]).exit(), Exit::SeedFailed);
        assert_eq!((example(&[Pass]).examples(), example(&[Pass]).tests().count()), (1, 0));
    }

    #[test]
    fn the_exit_code_is_the_worst_of_what_happened() {
        use Verdict::{Fail, Nondeterministic, Pass, Unknown};
        let of = |verdicts| exit(vec![test(TestKind::Test, &[Pass]), test(TestKind::Test, verdicts)]);
        assert_eq!(of(&[Pass]), Exit::Passed);
        assert_eq!(of(&[Unknown]), Exit::Incomplete);
        assert_eq!(of(&[Pass, Fail]), Exit::SeedFailed);
        assert_eq!(of(&[Nondeterministic, Fail]), Exit::Nondeterminism);
        assert_eq!(exit(vec![test(TestKind::Ignored, &[])]), Exit::NothingSelected);
        assert_eq!(exit(Vec::new()), Exit::NothingSelected);
    }
}
