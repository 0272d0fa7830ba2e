//! What a failed run says of its faults: which were on while the failure came about, and whether they are an excuse.

use std::time::Duration;

use stormglass_check::Evidence;
use stormglass_faults::{Budget, FaultRecord, NodeName, Plan, excuse, meanwhile, mentions};

use crate::{RunRecord, Verdict};

/// A violation that no operations stand for is looked at with what was on so long before it.
const BEFORE: Duration = Duration::from_secs(5);

/// What a run knows of its faults when it has failed.
#[derive(Clone, Copy, Debug)]
pub struct Faulted<'a> {
    /// When the first oracle was violated, in virtual time; or when the run ended.
    pub at: Duration,
    /// Every node.
    pub nodes: &'a [NodeName],
    /// What became of every fault.
    pub faults: &'a [FaultRecord],
    /// What the plan was to stay within.
    pub budgets: &'a [Budget],
    /// The plan, if there was one.
    pub plan: Option<&'a Plan>,
}

/// From the first call to the last return of the operations that evidence cannot explain; `None` where it names none. Histories
/// count in nanoseconds of virtual time.
#[must_use]
pub fn span_of(evidence: &Evidence) -> Option<(Duration, Duration)> {
    let ns = Duration::from_nanos;
    let first = evidence.operations.iter().map(|op| op.call).min()?;
    let last = evidence.operations.iter().map(|op| op.returned.unwrap_or(op.call)).max()?;
    Some((ns(first), ns(last)))
}

impl RunRecord {
    /// Adds to the evidence of a failure the faults that may have touched what failed (those that were on during `span`, or shortly
    /// before the violation, and of them those on nodes that the evidence names), and whether the plan is an excuse.
    pub fn blame(&mut self, span: Option<(Duration, Duration)>, known: &Faulted<'_>) {
        if self.verdict != Verdict::Fail {
            return;
        }
        let (from, until) = span.unwrap_or_else(|| (known.at.saturating_sub(BEFORE), known.at));
        let is_named = |node: &&str| self.evidence.iter().any(|line| mentions(line, node));
        let named: Vec<&str> = known.nodes.iter().map(NodeName::as_str).filter(is_named).collect();
        let told = meanwhile(known.faults, (from, until), |text| named.iter().any(|node| mentions(text, node)));
        if !told.is_empty() {
            let (from, until) = (from.as_secs_f64(), until.as_secs_f64());
            self.evidence.push(format!("faults that were on from {from:.3} s to {until:.3} s and hit:"));
            self.evidence.extend(told.into_iter().map(|line| format!("  {line}")));
        }
        self.evidence.extend(known.plan.and_then(|plan| excuse(known.budgets, plan)));
    }
}
