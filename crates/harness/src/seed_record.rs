//! One line of the ledger: what a campaign keeps of a seed. Compact for a seed that passed, whole for one that did not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CaseReport, Closest, Divergence, FaultRecord, Seed, Status};

/// What a campaign keeps of one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRecord {
    /// The seed.
    pub seed: Seed,
    /// What it came to.
    pub status: Status,
    /// The digest of its trace.
    pub digest: String,
    /// Virtual time, in nanoseconds.
    pub virtual_ns: u64,
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// Peak memory of its process, in bytes.
    pub rss: u64,
    /// When it was recorded, in milliseconds since its attempt began.
    pub at_ms: u64,
    /// Whether it was tried once more, alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
    /// Counters of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// Fault families that were on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    /// Faults by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub faults: BTreeMap<String, FaultTally>,
    /// `sometimes!` and `reachable!` properties, and whether the run met them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sometimes: BTreeMap<String, bool>,
    /// How close comparisons came to their other answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub closest: BTreeMap<String, Closest>,
    /// The workload features that were on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// All there is to say of a seed that did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Box<Trouble>>,
}

/// Faults of one kind in one run, or summed up over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultTally {
    /// How many were in the plan.
    pub planned: u64,
    /// How many of them hit something.
    pub hit: u64,
    /// How many were due and hit nothing.
    pub vacuous: u64,
    /// What they hit, counted: packets, tasks, sectors.
    pub hits: u64,
    /// How many the world did not carry out: it cannot, or the budget was used up when they were due.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl FaultTally {
    /// Whether there were such faults and the world carried out not one of them.
    pub fn is_refused(&self) -> bool {
        self.planned > 0 && self.refused == self.planned
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: FaultTally) {
        self.planned += other.planned;
        self.hit += other.hit;
        self.vacuous += other.vacuous;
        self.hits += other.hits;
        self.refused += other.refused;
    }
}

/// The parts of a run that are kept only where it did not pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// The oracle that failed or the limit that ran out.
    pub oracle: String,
    /// What it saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The faults of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultRecord>,
    /// Who waited for what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// The last lines of standard error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stderr: Vec<String>,
    /// Where two runs of the seed part, if that is the trouble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// How many lines of any one list a ledger line keeps: evidence has no bound of its own.
const LINES_MAX: usize = 64;

impl SeedRecord {
    /// The record of `report`, `at_ms` into its attempt.
    pub fn new(report: &CaseReport, at_ms: u64) -> Self {
        let run = &report.record;
        let mut faults: BTreeMap<String, FaultTally> = BTreeMap::new();
        for fault in &run.faults {
            faults.entry(fault.tally_name().to_owned()).or_default().add(FaultTally {
                planned: 1,
                hit: u64::from(fault.hits > 0),
                vacuous: u64::from(fault.vacuous),
                hits: fault.hits,
                refused: u64::from(fault.hits == 0 && !fault.refused.is_empty()),
            });
        }
        let trouble = (report.status != Status::Pass).then(|| {
            Box::new(Trouble {
                oracle: run.oracle.clone(),
                evidence: bounded(&run.evidence),
                faults: run.faults.clone(),
                waiting: bounded(&run.waiting),
                stderr: bounded(&report.stderr),
                divergence: report.divergence.clone(),
            })
        });
        SeedRecord {
            seed: run.seed,
            status: report.status,
            digest: run.digest.clone(),
            virtual_ns: run.virtual_ns,
            cpu_ns: run.cpu_ns,
            rss: report.max_rss_bytes,
            at_ms,
            retried: report.retried,
            counters: run.counters.clone(),
            families: run.families.clone(),
            faults,
            sometimes: run.sometimes.clone(),
            closest: run.closest.clone(),
            features: run.features.clone(),
            trouble,
        }
    }
}

fn bounded(lines: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = lines.iter().take(LINES_MAX).cloned().collect();
    if lines.len() > LINES_MAX {
        kept.push(format!("… and {} more lines", lines.len() - LINES_MAX));
    }
    kept
}
