//! What the end-to-end tests share: the fixture binary and a campaign on it.

use std::{collections::BTreeMap, env, num::NonZeroUsize, path::Path, path::PathBuf};

use stormglass_harness::{
    Campaign, Limits, Observer, Outcome, Seed, SeedRange, SeedRecord, Status, Summary, WorkerCommand, read_ledger,
};

/// The fixture, which cargo builds beside the tests as it builds every example of the package.
pub(crate) fn fixture() -> PathBuf {
    let tests = env::current_exe().expect("the test binary has a path");
    let path = tests.ancestors().nth(2).expect("target/PROFILE/deps/TEST").join("examples/fixture");
    assert!(path.exists(), "{} is missing: run `cargo build -p stormglass-harness --example fixture`", path.display());
    path
}

/// A campaign of `scenario` over the seeds below `seeds`, in `folder`, with two workers.
pub(crate) fn campaign(scenario: &str, seeds: u64, folder: &Path) -> Campaign {
    Campaign {
        worker: WorkerCommand::new(fixture()),
        scenario: scenario.to_owned(),
        params: BTreeMap::new(),
        limits: Limits::default(),
        seeds: SeedRange { first: 0, end: Some(seeds) },
        budget: None,
        jobs: NonZeroUsize::new(2).expect("not zero"),
        failures_max: None,
        sometimes_within: None,
        check_every: None,
        folder: folder.to_owned(),
        fresh: false,
    }
}

/// Runs a campaign to its end.
pub(crate) fn run(campaign: &Campaign) -> Outcome {
    campaign.run(&mut (), &|| false).expect("the campaign runs")
}

/// Seed, status and digest of each record in a ledger: what must not depend on how often a campaign was stopped.
pub(crate) fn verdicts(folder: &Path) -> BTreeMap<Seed, (Status, String)> {
    let mut verdicts = BTreeMap::new();
    read_ledger(folder, &mut |record| {
        let twice = verdicts.insert(record.seed, (record.status, record.digest));
        assert_eq!(twice, None, "seed {} has two records", record.seed);
    })
    .expect("the ledger is readable");
    verdicts
}

/// Counts records, so that a test can stop a campaign after some of them.
#[derive(Debug, Default)]
pub(crate) struct Counting(pub(crate) std::cell::Cell<u64>);

impl Observer for &Counting {
    fn begun(&mut self, _: &Campaign, _: &Summary) {}
    fn recorded(&mut self, _: &SeedRecord, _: &Summary) {
        self.0.set(self.0.get() + 1);
    }
    fn alone(&mut self, _: usize) {}
    fn tick(&mut self, _: &Summary) {}
}
