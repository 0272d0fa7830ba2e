//! What a run found: its verdict with the evidence, its digest, its counters and its faults. A record is what a
//! scenario's runner hands back, and all that a campaign, a report or a replay ever knows of a run.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Seed;

/// The three verdicts. Unknown is never counted as Pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every oracle held.
    Pass,
    /// An oracle was violated.
    Fail,
    /// A budget ran out before the oracles could decide.
    Unknown,
}

impl Verdict {
    /// The word printed for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
        }
    }
}

/// One run, as its runner saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// The scenario's name.
    pub scenario: String,
    /// The seed that ran.
    #[bincode(with_serde)]
    pub seed: Seed,
    /// The verdict.
    pub verdict: Verdict,
    /// The oracle that failed, or the limit that ran out: a short stable name. Empty on a pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub oracle: String,
    /// What the oracle saw, line by line. Two failures with the same oracle and the same first line are one failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The rolling digest of the trace, in hex. Equal requests to one binary have equal digests.
    pub digest: String,
    /// Virtual time at the end of the run, in nanoseconds.
    pub virtual_ns: u64,
    /// Events, polls, packets and whatever else was counted, by name. What a world counts and did not meet is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// The fault plan as text, in the form that `--plan` takes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// The faults of the plan and what they hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultRecord>,
    /// The fault families that this seed switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    /// The workload features that this seed switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The `sometimes!` and `reachable!` properties of the product, and whether this run met each of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sometimes: BTreeMap<String, bool>,
    /// How close comparisons in the product came to their other answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub closest: BTreeMap<String, Closest>,
    /// At the end of a stuck run: who waits for what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// CPU time of the run in nanoseconds, as the runner measured it; 0 lets the harness fill in the child's.
    #[serde(default)]
    pub cpu_ns: u64,
}

impl RunRecord {
    /// A passing record with nothing counted: what a runner starts from.
    pub fn new(scenario: impl Into<String>, seed: Seed) -> Self {
        RunRecord {
            scenario: scenario.into(),
            seed,
            verdict: Verdict::Pass,
            oracle: String::new(),
            evidence: Vec::new(),
            digest: String::new(),
            virtual_ns: 0,
            counters: BTreeMap::new(),
            plan: String::new(),
            faults: Vec::new(),
            families: Vec::new(),
            features: Vec::new(),
            sometimes: BTreeMap::new(),
            closest: BTreeMap::new(),
            waiting: Vec::new(),
            cpu_ns: 0,
        }
    }

    /// Takes over what the checkers say. The cause is the first line of the evidence, the operations and details follow.
    pub fn conclude(&mut self, verdict: &stormglass_check::Verdict) {
        use stormglass_check::Verdict as Checked;
        (self.verdict, self.oracle, self.evidence) = match verdict {
            Checked::Pass => (Verdict::Pass, String::new(), Vec::new()),
            Checked::Fail(evidence) => {
                let text = evidence.to_string();
                let text = text.strip_prefix(&format!("{}: ", evidence.oracle)).unwrap_or(&text);
                let lines = text.lines().map(str::trim_end).map(str::to_owned).collect();
                (Verdict::Fail, evidence.oracle.clone(), lines)
            }
            Checked::Unknown(undecided) => {
                let what = format!("{}; {}", undecided.limit, undecided.left);
                (Verdict::Unknown, undecided.oracle.clone(), vec![what])
            }
        };
    }
}

impl RunRecord {
    /// Adds a further oracle that the run violated to the evidence.
    pub fn also(&mut self, evidence: &stormglass_check::Evidence) {
        let line = format!("also violated: {}: {}", evidence.oracle, evidence.cause);
        if !self.evidence.contains(&line) {
            self.evidence.push(line);
        }
    }

    /// Takes over what became of the plan's faults. A run that passed fails where one that had to hit hit nothing.
    pub fn take_faults(&mut self, faults: &[stormglass_faults::FaultRecord]) {
        if self.verdict == Verdict::Pass
            && let Some(fault) = faults.iter().find(|fault| !fault.demand_met())
        {
            self.verdict = Verdict::Fail;
            self.oracle = "non-vacuity".to_owned();
            self.evidence = vec![
                "a fault that had to hit hit nothing".to_owned(),
                format!("fault {}: {}", fault.id, fault.text),
                fault.refused.clone().unwrap_or_else(|| format!("hits: {}", fault.hits)),
            ];
        }
        self.faults = faults.iter().map(Into::into).collect();
    }
}

/// How close a comparison came to its other answer: the least distance at which one held that must hold, the largest of one
/// that is to hold once (below zero while it never did).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct Closest {
    /// The distance, in the unit of what is compared.
    pub margin: i64,
    /// Whether more is closer.
    pub most: bool,
}

impl Closest {
    /// Takes over what another observation says, if that was closer; says whether it was.
    pub fn take(&mut self, other: Closest) -> bool {
        let closer = if self.most { other.margin > self.margin } else { other.margin < self.margin };
        if closer {
            *self = other;
        }
        closer
    }
}

/// One fault of a run's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct FaultRecord {
    /// The id that `--drop` takes.
    pub id: String,
    /// The fault as a line of the plan; of one with a trigger that came also `=>` and the line that it then was.
    pub text: String,
    /// The family it belongs to, such as `network` or `process`.
    pub family: String,
    /// Its kind, such as `partition`; empty where the family says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// How many things it really hit: packets dropped, tasks stopped, sectors torn.
    pub hits: u64,
    /// Whether it was due and yet hit nothing.
    pub vacuous: bool,
    /// Why the world did not carry it out, or not all of it; empty where it did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
}

impl FaultRecord {
    /// The name under which hits are summed up over a campaign.
    pub fn tally_name(&self) -> &str {
        if self.kind.is_empty() { &self.family } else { &self.kind }
    }
}

impl From<&stormglass_faults::FaultRecord> for FaultRecord {
    fn from(fault: &stormglass_faults::FaultRecord) -> Self {
        FaultRecord {
            id: fault.id.to_string(),
            // Of a fault with a trigger both: what the plan says, and what came of it.
            text: match &fault.struck {
                Some(struck) => format!("{} => {struck}", fault.text),
                None => fault.text.clone(),
            },
            family: fault.family.to_string(),
            kind: fault.kind.to_string(),
            hits: fault.hits.total(),
            vacuous: fault.vacuous,
            refused: fault.refused.clone().unwrap_or_default(),
        }
    }
}

/// A request that the scenario cannot honour: an override of no known decision, a plan that does not parse, a planted
/// bug this build does not contain. It is an error of the request, never a verdict on the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// What was refused, and why.
    pub what: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use stormglass_check::{Evidence, Limit, Undecided};

    use super::*;

    #[test]
    fn what_a_checker_says_is_taken_over_with_the_cause_first() {
        let mut record = RunRecord::new("s", Seed(1));
        let evidence = Evidence::new("durability", "write 3 is gone").detail("it was acknowledged at 2s");
        record.conclude(&stormglass_check::Verdict::Fail(evidence));
        assert_eq!((record.verdict, record.oracle.as_str()), (Verdict::Fail, "durability"));
        assert_eq!(record.evidence, ["write 3 is gone", "  it was acknowledged at 2s"]);
    }

    #[test]
    fn a_checker_that_gave_up_leaves_the_verdict_unknown() {
        let mut record = RunRecord::new("s", Seed(1));
        record.conclude(&stormglass_check::Verdict::Unknown(Undecided {
            oracle: "linearizability".to_owned(),
            limit: Limit::Steps(5),
            left: "key \"x\" is undecided".to_owned(),
        }));
        assert_eq!((record.verdict, record.oracle.as_str()), (Verdict::Unknown, "linearizability"));
        assert!(record.evidence[0].contains("5 search steps"), "{:?}", record.evidence);
    }
}
