//! What a checker says: three verdicts, and the evidence behind a failure.
//!
//! A verdict has three values because a search that ran out of budget has shown nothing; counting it as a pass would
//! let the hardest histories through unseen.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The answer of an oracle. `Unknown` is never a pass: [`Verdict::is_pass`] is true of `Pass` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Verdict {
    /// Everything that was looked at is explained.
    Pass,
    /// Something cannot be explained; the evidence says what.
    Fail(Evidence),
    /// A limit was met before the question was decided.
    Unknown(Undecided),
}

/// Why a verdict is `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// The oracle that could not decide, such as "linearizability".
    pub oracle: String,
    /// The limit that was met.
    pub limit: Limit,
    /// What was left undecided, in words.
    pub left: String,
}

/// A limit that ends a check without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The budget of search steps (one step is one question put to the model), in steps.
    Steps(u64),
    /// The budget of memory for the search's own tables, in bytes.
    Bytes(u64),
    /// Any other limit, named by whoever set it.
    Named(String),
}

/// Why a verdict is `Fail`: enough for a person to see the cause without running anything again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The oracle that failed, such as "linearizability", "durability" or "election safety".
    pub oracle: String,
    /// The cause in one sentence.
    pub cause: String,
    /// What supports the cause, one line each, in reading order.
    pub details: Vec<String>,
    /// The smallest set of operations found that shows the failure, in order of call. Empty for oracles that look at
    /// probes instead of client operations.
    pub operations: Vec<EvidenceOperation>,
    /// How far an order of them gets, where one was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_end: Option<Box<DeadEnd>>,
}

/// Where an order of the evidence's operations ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadEnd {
    /// The longest order that works, as indices in the history.
    pub order: Vec<u32>,
    /// The operation that then fits nowhere, where one can be named.
    pub misfit: Option<u32>,
}

/// A client operation as it appears in evidence: already in words, so that evidence needs no model to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceOperation {
    /// Index of the operation in its history, from 0.
    pub operation: u32,
    /// The client that called it.
    pub process: String,
    /// Instant of the call, as the history counts it (nanoseconds or lines).
    pub call: u64,
    /// Instant of the return; `None` while the outcome is unknown, so that it may take effect at any later time.
    pub returned: Option<u64>,
    /// The operation and its answer, such as `get "x" -> "1"`.
    pub text: String,
    /// Where it stands in time, in words, such as `called 10ns, returned 20ns`.
    pub span: String,
}

impl Verdict {
    /// True of `Pass` alone.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        matches!(self, Verdict::Pass)
    }

    /// True of `Fail` alone.
    #[must_use]
    pub fn is_fail(&self) -> bool {
        matches!(self, Verdict::Fail(_))
    }

    /// True of `Unknown` alone.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Verdict::Unknown(_))
    }

    /// The evidence of a failure.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Verdict::Fail(evidence) => Some(evidence),
            Verdict::Pass | Verdict::Unknown(_) => None,
        }
    }

    /// Both must hold. A failure outweighs `Unknown`, `Unknown` outweighs `Pass`, and of two equals the first stays:
    /// it is the one a reader meets first, and the order in which oracles are combined is the caller's.
    pub fn and(self, other: Verdict) -> Verdict {
        match (&self, &other) {
            (Verdict::Fail(_), _) => self,
            (_, Verdict::Fail(_)) => other,
            (Verdict::Unknown(_), _) => self,
            (Verdict::Pass, _) => other,
        }
    }

    /// [`Verdict::and`] over any number. Nothing to check is a `Pass`: whether anything *was* checked is a question of
    /// coverage, which the caller's own counts answer.
    pub fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts.into_iter().fold(Verdict::Pass, Verdict::and)
    }
}

impl FromIterator<Verdict> for Verdict {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        Verdict::all(verdicts)
    }
}

impl From<Evidence> for Verdict {
    fn from(evidence: Evidence) -> Self {
        Verdict::Fail(evidence)
    }
}

impl From<Undecided> for Verdict {
    fn from(undecided: Undecided) -> Self {
        Verdict::Unknown(undecided)
    }
}

/// An online invariant answers each probe with `Result<(), Evidence>`; this turns the last answer into a verdict.
impl From<Result<(), Evidence>> for Verdict {
    fn from(result: Result<(), Evidence>) -> Self {
        match result {
            Ok(()) => Verdict::Pass,
            Err(evidence) => Verdict::Fail(evidence),
        }
    }
}

impl Evidence {
    /// Evidence with a cause and nothing else yet.
    #[must_use]
    pub fn new(oracle: impl Into<String>, cause: impl Into<String>) -> Self {
        Evidence {
            oracle: oracle.into(),
            cause: cause.into(),
            details: Vec::new(),
            operations: Vec::new(),
            dead_end: None,
        }
    }

    /// Adds one line of support.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Pass => f.write_str("pass"),
            Verdict::Fail(evidence) => write!(f, "fail: {evidence}"),
            Verdict::Unknown(undecided) => write!(f, "unknown: {undecided}"),
        }
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ran out; {}", self.oracle, self.limit, self.left)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Steps(steps) => write!(f, "the budget of {steps} search steps"),
            Limit::Bytes(bytes) => write!(f, "the budget of {bytes} bytes of search memory"),
            Limit::Named(name) => f.write_str(name),
        }
    }
}

/// Columns of operations are not made wider than this for the sake of one that is.
const WIDTH_MAX: usize = 60;

/// Several lines: the oracle and the cause, the operations, then the details, each indented by two spaces.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.cause)?;
        let widest = |text: fn(&EvidenceOperation) -> &str| {
            self.operations.iter().map(|op| text(op).chars().count()).max().unwrap_or(0).min(WIDTH_MAX)
        };
        let (clients, texts) = (widest(|op| &op.process), widest(|op| &op.text));
        for EvidenceOperation { operation, process, text, span, .. } in &self.operations {
            write!(f, "\n  #{operation:<4} client {process:<clients$}  {text:<texts$}  {span}")?;
        }
        for line in &self.details {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(name: &str) -> Verdict {
        Verdict::Fail(Evidence::new(name, "because"))
    }

    fn unknown(name: &str) -> Verdict {
        Verdict::Unknown(Undecided { oracle: name.into(), limit: Limit::Steps(7), left: "key \"x\"".into() })
    }

    #[test]
    fn unknown_is_never_a_pass_and_never_hides_a_failure() {
        assert!(!unknown("a").is_pass());
        assert_eq!(Verdict::Pass.and(unknown("a")), unknown("a"));
        assert_eq!(unknown("a").and(Verdict::Pass), unknown("a"));
        assert_eq!(unknown("a").and(fail("b")), fail("b"));
        assert_eq!(fail("b").and(unknown("a")), fail("b"));
        assert_eq!(Verdict::all([Verdict::Pass, unknown("a"), unknown("b"), Verdict::Pass]), unknown("a"));
        assert_eq!(Verdict::all([Verdict::Pass, unknown("a"), fail("b"), fail("c")]), fail("b"));
        assert_eq!([Verdict::Pass, Verdict::Pass].into_iter().collect::<Verdict>(), Verdict::Pass);
    }

    #[test]
    fn a_verdict_survives_json() -> Result<(), serde_json::Error> {
        for verdict in [Verdict::Pass, fail("x"), unknown("y")] {
            let text = serde_json::to_string(&verdict)?;
            assert_eq!(serde_json::from_str::<Verdict>(&text)?, verdict);
        }
        Ok(())
    }

    #[test]
    fn a_verdict_reads_as_words() {
        assert_eq!(
            unknown("linearizability").to_string(),
            "unknown: linearizability: the budget of 7 search steps ran out; key \"x\""
        );
        let evidence = Evidence::new("durability", "a write is lost").detail("it was acknowledged");
        assert_eq!(Verdict::Fail(evidence).to_string(), "fail: durability: a write is lost\n  it was acknowledged");
    }
}
