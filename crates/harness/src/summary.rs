//! What a campaign came to, summed up from its ledger: never from what one process happened to run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{Closest, Exit, Seed, SeedRange, SeedRecord, Status, seed_record::FaultTally};

/// A campaign, summed up. Built record by record; the order of records does not matter.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// The scenario.
    pub scenario: String,
    /// Seeds recorded.
    pub seeds: u64,
    /// Seeds that passed.
    pub passed: u64,
    /// Seeds that failed.
    pub failed: u64,
    /// Seeds for which a budget ran out.
    pub unknown: u64,
    /// Seeds killed from outside, twice.
    pub killed: u64,
    /// Seeds that took two paths.
    pub nondeterministic: u64,
    /// Seeds that were asked for and are not in the ledger; `None` where the range has no end.
    pub missing: Option<u64>,
    /// Seeds that were tried once more, alone.
    pub retried: u64,
    /// Virtual time of all runs, in nanoseconds.
    pub virtual_ns: u128,
    /// CPU time of all runs, in nanoseconds.
    pub cpu_ns: u128,
    /// Wall time of all attempts, in milliseconds.
    pub wall_ms: u64,
    /// Counters, summed up.
    pub counters: BTreeMap<String, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<String, FaultTally>,
    /// In how many seeds each fault family was on.
    pub families: BTreeMap<String, u64>,
    /// In how many seeds each `sometimes!` or `reachable!` property was met. A zero is a finding.
    pub sometimes: BTreeMap<String, u64>,
    /// After how many seeds a property that was never met fails the campaign, if ever.
    pub sometimes_within: Option<u64>,
    /// How close comparisons in the product came to their other answer, with the seed that came closest.
    pub closest: BTreeMap<String, (Closest, Seed)>,
    /// In how many seeds each workload feature was on.
    pub features: BTreeMap<String, u64>,
    /// In how many seeds two kinds of faults both hit something.
    pub pairs: BTreeMap<KindPair, u64>,
    /// The limits that ran out, with how often.
    pub limits_hit: BTreeMap<String, u64>,
    /// Failures by oracle and cause.
    pub failures: BTreeMap<FailureKey, FailureGroup>,
    #[serde(skip)]
    cpu_each_ns: Vec<u64>,
    #[serde(skip)]
    rss_by_seed: BTreeMap<Seed, u64>,
}

/// Two kinds of faults, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindPair(pub String, pub String);

impl Serialize for KindPair {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} + {}", self.0, self.1))
    }
}

/// What makes two failures one: the oracle, and the cause as the first line of its evidence tells it, numbers aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailureKey {
    /// The oracle.
    pub oracle: String,
    /// The first line of evidence with its numbers written as `#`.
    pub cause: String,
}

impl Serialize for FailureKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}: {}", self.oracle, self.cause))
    }
}

/// The seeds that failed in one way.
#[derive(Clone, Debug, Serialize)]
pub struct FailureGroup {
    /// How many seeds failed so.
    pub seeds: u64,
    /// The smallest of them.
    pub first: Seed,
    /// Its first line of evidence, as it was.
    pub evidence: String,
    /// What these seeds came to.
    pub status: Status,
}

/// The distribution of a cost over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// Peak memory of the seeds' processes, in bytes: whether it stays flat over a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The largest of all.
    pub max: u64,
    /// The median over the first tenth of the seeds.
    pub early: u64,
    /// The median over the last tenth.
    pub late: u64,
}

impl Summary {
    /// An empty summary of `scenario`.
    pub fn new(scenario: impl Into<String>) -> Self {
        Summary { scenario: scenario.into(), ..Summary::default() }
    }

    /// Adds one record of the ledger.
    pub fn add(&mut self, record: &SeedRecord) {
        self.seeds += 1;
        match record.status {
            Status::Pass => self.passed += 1,
            Status::Fail => self.failed += 1,
            Status::Unknown => self.unknown += 1,
            Status::Killed => self.killed += 1,
            Status::Nondeterministic => self.nondeterministic += 1,
        }
        self.retried += u64::from(record.retried);
        self.virtual_ns += u128::from(record.virtual_ns);
        self.cpu_ns += u128::from(record.cpu_ns);
        self.cpu_each_ns.push(record.cpu_ns);
        self.rss_by_seed.insert(record.seed, record.rss);
        for (name, count) in &record.counters {
            *self.counters.entry(name.clone()).or_default() += count;
        }
        for (kind, tally) in &record.faults {
            self.faults.entry(kind.clone()).or_default().add(*tally);
        }
        for family in record.families.iter().collect::<BTreeSet<_>>() {
            *self.families.entry(family.clone()).or_default() += 1;
        }
        for (property, met) in &record.sometimes {
            *self.sometimes.entry(property.clone()).or_default() += u64::from(*met);
        }
        for (property, own) in &record.closest {
            let known = self.closest.entry(property.clone()).or_insert((*own, record.seed));
            // Of equals the smallest seed, in whatever order they come.
            if known.0.take(*own) || (known.0 == *own && record.seed < known.1) {
                known.1 = record.seed;
            }
        }
        for feature in &record.features {
            *self.features.entry(feature.clone()).or_default() += 1;
        }
        let hit: Vec<&String> = record.faults.iter().filter(|(_, tally)| tally.hit > 0).map(|(kind, _)| kind).collect();
        for (at, first) in hit.iter().enumerate() {
            for second in &hit[at + 1..] {
                *self.pairs.entry(KindPair((*first).clone(), (*second).clone())).or_default() += 1;
            }
        }
        if let Some(trouble) = &record.trouble {
            if record.status == Status::Unknown {
                *self.limits_hit.entry(trouble.oracle.clone()).or_default() += 1;
            }
            let evidence = trouble.evidence.first().cloned().unwrap_or_default();
            let key = FailureKey { oracle: trouble.oracle.clone(), cause: without_numbers(&evidence) };
            let group = self.failures.entry(key).or_insert_with(|| FailureGroup {
                seeds: 0,
                first: record.seed,
                evidence: evidence.clone(),
                status: record.status,
            });
            group.seeds += 1;
            if record.seed < group.first {
                group.first = record.seed;
                group.evidence = evidence;
                group.status = record.status;
            }
        }
    }

    /// Works out what is missing of `range`, given the seeds recorded.
    pub fn declare(&mut self, range: SeedRange) {
        let inside = self.rss_by_seed.keys().filter(|seed| range.contains(seed.0)).count() as u64;
        self.missing = range.len().map(|declared| declared.saturating_sub(inside));
    }

    /// The properties that were never met, once there were enough seeds to demand it.
    pub fn never_met(&self) -> impl Iterator<Item = &str> {
        let due = self.sometimes_within.is_some_and(|within| self.seeds >= within);
        self.sometimes.iter().filter(move |(_, met)| due && **met == 0).map(|(property, _)| property.as_str())
    }

    /// The kinds of faults that the world carried out, now and then at least.
    pub fn kinds(&self) -> impl Iterator<Item = &String> {
        self.faults.iter().filter(|(_, tally)| !tally.is_refused()).map(|(kind, _)| kind)
    }

    /// The pairs of [kinds](Self::kinds) that were planned in this campaign and never both hit in one seed.
    pub fn pairs_not_hit(&self) -> Vec<KindPair> {
        let kinds: Vec<&String> = self.kinds().collect();
        let pairs = kinds.iter().enumerate().flat_map(|(at, first)| {
            kinds[at + 1..].iter().map(move |second| KindPair((*first).clone(), (*second).clone()))
        });
        pairs.filter(|pair| !self.pairs.contains_key(pair)).collect()
    }

    /// The exit code that the ledger calls for.
    pub fn exit(&self) -> Exit {
        if self.nondeterministic > 0 {
            Exit::Nondeterminism
        } else if self.failed > 0 || self.never_met().next().is_some() {
            Exit::SeedFailed
        } else if self.unknown > 0 || self.killed > 0 || self.missing.is_some_and(|missing| missing > 0) {
            Exit::Incomplete
        } else if self.seeds == 0 {
            Exit::NothingSelected
        } else {
            Exit::Passed
        }
    }

    /// Seeds per hour of CPU time.
    pub fn seeds_per_core_hour(&self) -> Option<f64> {
        (self.cpu_ns > 0).then(|| self.seeds as f64 / (self.cpu_ns as f64 / 3.6e12))
    }

    /// Seeds per second of wall time.
    pub fn seeds_per_second(&self) -> Option<f64> {
        (self.wall_ms > 0).then(|| self.seeds as f64 / (self.wall_ms as f64 / 1e3))
    }

    /// Virtual seconds per second of CPU time.
    pub fn speedup(&self) -> Option<f64> {
        (self.cpu_ns > 0).then(|| self.virtual_ns as f64 / self.cpu_ns as f64)
    }

    /// CPU seconds per seed.
    pub fn cpu_seconds(&self) -> Option<Spread> {
        let mut sorted = self.cpu_each_ns.clone();
        sorted.sort_unstable();
        let max = *sorted.last()?;
        let at = |part: usize| sorted[(sorted.len() - 1) * part / 100] as f64 / 1e9;
        let mean = self.cpu_ns as f64 / sorted.len() as f64 / 1e9;
        Some(Spread { mean, p50: at(50), p99: at(99), max: max as f64 / 1e9 })
    }

    /// Peak memory of the seeds' processes; `None` where no process reported any.
    pub fn memory(&self) -> Option<Memory> {
        let in_order: Vec<u64> = self.rss_by_seed.values().copied().filter(|rss| *rss > 0).collect();
        let tenth = in_order.len().div_ceil(10);
        let median = |part: &[u64]| {
            let mut sorted = part.to_vec();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or(0)
        };
        Some(Memory {
            max: *in_order.iter().max()?,
            early: median(&in_order[..tenth]),
            late: median(&in_order[in_order.len() - tenth..]),
        })
    }
}

/// `text` with every run of digits, in decimal or hex after `0x`, written as `#`.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if !c.is_ascii_digit() {
            out.push(c);
            continue;
        }
        let hex = c == '0' && characters.next_if_eq(&'x').is_some();
        while characters.next_if(|next| next.is_ascii_digit() || (hex && next.is_ascii_hexdigit())).is_some() {}
        out.push('#');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CaseReport, FaultRecord, RunRecord, Verdict};

    fn record(seed: u64, verdict: Verdict, evidence: &str) -> SeedRecord {
        let mut run = RunRecord::new("s", Seed(seed));
        run.verdict = verdict;
        run.cpu_ns = seed * 1_000_000_000;
        run.virtual_ns = 10_000_000_000;
        if verdict != Verdict::Pass {
            run.oracle = "linearizable".to_owned();
            run.evidence = vec![evidence.to_owned()];
        }
        let fault = |id: &str, hits| FaultRecord {
            id: id.to_owned(),
            text: String::new(),
            family: "network".to_owned(),
            kind: "partition".to_owned(),
            hits,
            vacuous: hits == 0,
            refused: String::new(),
        };
        run.faults = vec![fault("a", 3), fault("b", 0)];
        let report = CaseReport {
            status: verdict.into(),
            record: run,
            stderr: Vec::new(),
            max_rss_bytes: seed,
            retried: false,
            divergence: None,
        };
        SeedRecord::new(&report, 0)
    }

    fn summary(records: &[SeedRecord]) -> Summary {
        let mut summary = Summary::new("s");
        records.iter().for_each(|record| summary.add(record));
        summary
    }

    #[test]
    fn failures_that_differ_in_numbers_alone_are_one_with_its_first_seed() {
        let sum = summary(&[
            record(9, Verdict::Fail, "key k7 at 0x1f read 3"),
            record(2, Verdict::Fail, "key k8 at 0xab read 44"),
            record(3, Verdict::Fail, "another"),
        ]);
        let groups: Vec<_> =
            sum.failures.iter().map(|(key, group)| (key.cause.as_str(), group.seeds, group.first)).collect();
        assert_eq!(groups, [("another", 1, Seed(3)), ("key k# at # read #", 2, Seed(2))]);
        assert_eq!(sum.failures.values().nth(1).unwrap().evidence, "key k8 at 0xab read 44");
    }

    #[test]
    fn unknown_and_missing_are_never_a_pass() {
        let mut sum = summary(&[record(0, Verdict::Pass, ""), record(1, Verdict::Pass, "")]);
        sum.declare(SeedRange { first: 0, end: Some(2) });
        assert_eq!((sum.missing, sum.exit()), (Some(0), Exit::Passed));
        sum.declare(SeedRange { first: 0, end: Some(3) });
        assert_eq!((sum.missing, sum.exit()), (Some(1), Exit::Incomplete));
        let sum = summary(&[record(0, Verdict::Pass, ""), record(1, Verdict::Unknown, "events")]);
        assert_eq!(sum.exit(), Exit::Incomplete);
        let sum = summary(&[record(0, Verdict::Unknown, "events"), record(1, Verdict::Fail, "x")]);
        assert_eq!(sum.exit(), Exit::SeedFailed);
        assert_eq!(summary(&[]).exit(), Exit::NothingSelected);
    }

    #[test]
    fn a_property_that_is_never_met_fails_a_campaign_that_demands_it_and_no_earlier() {
        let one = |seed, met| {
            let mut record = record(seed, Verdict::Pass, "");
            record.sometimes = BTreeMap::from([("sometimes: rare".to_owned(), met)]);
            record
        };
        let mut sum = summary(&[one(0, false), one(1, false)]);
        assert_eq!(sum.exit(), Exit::Passed);
        sum.sometimes_within = Some(3);
        assert_eq!(sum.exit(), Exit::Passed);
        sum.add(&one(2, false));
        assert_eq!(sum.never_met().collect::<Vec<_>>(), ["sometimes: rare"]);
        assert_eq!(sum.exit(), Exit::SeedFailed);
        sum.add(&one(3, true));
        assert_eq!(sum.exit(), Exit::Passed);
    }

    #[test]
    fn the_closest_seed_and_the_pairs_that_hit_are_known_in_any_order() {
        let one = |seed, margin, kinds: [(&str, u64); 2]| {
            let mut record = record(seed, Verdict::Pass, "");
            record.closest = BTreeMap::from([("always: limit".to_owned(), Closest { margin, most: false })]);
            record.faults =
                kinds.map(|(kind, hit)| (kind.to_owned(), FaultTally { hit, ..FaultTally::default() })).into();
            record
        };
        let mut records = [
            one(3, 2, [("crash", 1), ("loss", 0)]),
            one(1, 2, [("crash", 1), ("pause", 2)]),
            one(2, 9, [("loss", 1), ("pause", 1)]),
        ];
        for _ in 0..3 {
            records.rotate_left(1);
            let sum = summary(&records);
            assert_eq!(sum.closest["always: limit"], (Closest { margin: 2, most: false }, Seed(1)));
            assert_eq!(sum.pairs.len(), 2);
            assert_eq!(sum.pairs_not_hit(), [KindPair("crash".to_owned(), "loss".to_owned())]);
        }
    }

    #[test]
    fn a_kind_that_the_world_never_carries_out_is_in_no_pair() {
        let one = |seed, refused| {
            let mut record = record(seed, Verdict::Pass, "");
            let hit = FaultTally { planned: 1, hit: 1, ..FaultTally::default() };
            let narrow = FaultTally { planned: 1, refused, ..FaultTally::default() };
            record.faults =
                [("bandwidth", narrow), ("crash", hit), ("loss", hit)].map(|(k, t)| (k.to_owned(), t)).into();
            record
        };
        let mut sum = summary(&[one(1, 1), one(2, 1)]);
        assert!(sum.faults["bandwidth"].is_refused());
        assert_eq!(sum.kinds().collect::<Vec<_>>(), ["crash", "loss"]);
        assert_eq!(sum.pairs_not_hit(), []);
        sum.add(&one(3, 0));
        assert_eq!(sum.kinds().count(), 3, "it can be carried out");
        assert_eq!(sum.pairs_not_hit().len(), 2);
    }

    #[test]
    fn costs_and_faults_are_summed_up() {
        let records: Vec<_> = (1..=100).map(|seed| record(seed, Verdict::Pass, "")).collect();
        let sum = summary(&records);
        let cpu = sum.cpu_seconds().unwrap();
        assert_eq!((cpu.mean, cpu.p50, cpu.p99, cpu.max), (50.5, 50.0, 99.0, 100.0));
        assert_eq!(sum.faults["partition"], FaultTally { planned: 200, hit: 100, vacuous: 100, hits: 300, refused: 0 });
        let memory = sum.memory().unwrap();
        assert_eq!((memory.max, memory.early, memory.late), (100, 6, 96));
        assert!((sum.speedup().unwrap() - 1000.0 / 5050.0).abs() < 1e-9);
    }
}
