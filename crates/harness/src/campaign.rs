//! A campaign: many seeds of one scenario, in worker processes, kept in a ledger and resumable after a kill at any moment.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    CaseReport, DeterminismCheck, Exit, Limits, RunRequest, Seed, SeedRange, SeedRecord, Status, Summary,
    client::{WorkerCommand, WorkerError},
    crew::{self, Desk, Task},
    ledger::{Header, LEDGER_FORMAT, Ledger, LedgerError},
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// How to start a worker.
    pub worker: WorkerCommand,
    /// The scenario.
    pub scenario: String,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// The limits of each run.
    pub limits: Limits,
    /// The seeds, in the order in which they are handed out.
    pub seeds: SeedRange,
    /// Wall time of the whole campaign, all its attempts together; `None` for as long as it takes.
    pub budget: Option<Duration>,
    /// Worker processes.
    pub jobs: NonZeroUsize,
    /// Stop after this many failed seeds; `None` to run them all.
    pub failures_max: Option<u64>,
    /// Fail when a property of the product was never met in so many seeds; `None` to tell it only.
    pub sometimes_within: Option<u64>,
    /// Run every this many seeds twice and compare; `None` for never.
    pub check_every: Option<u64>,
    /// The folder of the ledger.
    pub folder: PathBuf,
    /// Forget what earlier attempts did.
    pub fresh: bool,
}

/// Told what happens while a campaign runs: what a progress bar hangs on.
pub trait Observer {
    /// The campaign begins, with `summary` of what earlier attempts did.
    fn begun(&mut self, campaign: &Campaign, summary: &Summary);
    /// A seed was recorded.
    fn recorded(&mut self, record: &SeedRecord, summary: &Summary);
    /// `seeds` are being tried once more, alone.
    fn alone(&mut self, seeds: usize);
    /// Called several times a second, whatever happens.
    fn tick(&mut self, summary: &Summary);
}

/// Sees nothing.
impl Observer for () {
    fn begun(&mut self, _: &Campaign, _: &Summary) {}
    fn recorded(&mut self, _: &SeedRecord, _: &Summary) {}
    fn alone(&mut self, _: usize) {}
    fn tick(&mut self, _: &Summary) {}
}

/// Why a campaign stopped handing out seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All seeds have a record.
    Done,
    /// The budget is spent.
    BudgetSpent,
    /// As many seeds failed as were wanted.
    EnoughFailures,
    /// It was interrupted.
    Interrupted,
}

/// What a campaign came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The sums over the whole ledger.
    pub summary: Summary,
    /// The records of seeds that did not pass, the smallest seeds first, up to [`TROUBLES_MAX`].
    pub troubles: Vec<SeedRecord>,
    /// Why it stopped.
    pub ended: Ended,
    /// Seeds that this attempt recorded.
    pub recorded_now: u64,
    /// The ledger file of this attempt.
    pub ledger: PathBuf,
}

impl Outcome {
    /// The exit code: the ledger's, unless the campaign was interrupted.
    pub fn exit(&self) -> Exit {
        match self.ended {
            Ended::Interrupted => self.summary.exit().worst(Exit::Interrupted),
            Ended::Done | Ended::BudgetSpent | Ended::EnoughFailures => self.summary.exit(),
        }
    }
}

/// How many records of seeds that did not pass are kept in memory; the ledger has them all.
pub const TROUBLES_MAX: usize = 1_000;

/// Why a campaign could not go on. What it recorded before stands.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The binary could not be read to learn its identity.
    #[error("cannot read {path} to identify it: {source}")]
    Binary {
        /// The binary.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl CampaignError {
    /// The exit code of a command that ends with this error.
    pub fn exit(&self) -> Exit {
        match self {
            CampaignError::Ledger(LedgerError::Write { .. }) => Exit::WriteFailed,
            CampaignError::Ledger(LedgerError::Locked { .. }) => Exit::Usage,
            CampaignError::Ledger(_) => Exit::CorruptFile,
            CampaignError::Worker(error) => error.exit(),
            CampaignError::Binary { .. } => Exit::Setup,
        }
    }
}

/// The identity of a binary: blake3 of its bytes, in hex.
///
/// # Errors
///
/// Where it cannot be read.
pub fn binary_identity(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The name a campaign has unless it is given one: a rebuilt binary or other parameters begin a campaign of their own,
/// and the same command line comes back to the one it began.
pub fn default_name(scenario: &str, params: &BTreeMap<String, String>, identity: &str) -> String {
    let mut name = scenario.to_owned();
    for (key, value) in params {
        let safe =
            |text: &str| text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
        name.push_str(&format!("+{}={}", safe(key), safe(value)));
    }
    format!("{name}-{}", &identity[..identity.len().min(12)])
}

/// How often the campaign looks up from its results.
const TICK: Duration = Duration::from_millis(100);
/// How often results are handed to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(2);

impl Campaign {
    /// Runs the campaign, from where earlier attempts left it. `interrupted` is asked several times a second; once it says
    /// yes, what runs is ended and forgotten, and what is recorded stands.
    ///
    /// # Errors
    ///
    /// [`CampaignError`]. Whatever was recorded by then can be resumed.
    pub fn run(&self, observer: &mut dyn Observer, interrupted: &dyn Fn() -> bool) -> Result<Outcome, CampaignError> {
        let identity = binary_identity(&self.worker.binary)
            .map_err(|source| CampaignError::Binary { path: self.worker.binary.display().to_string(), source })?;
        let header = Header {
            stormglass_ledger: LEDGER_FORMAT,
            scenario: self.scenario.clone(),
            params: self.params.clone(),
            binary: identity,
            target: crate::seal::target(),
            seeds: self.seeds,
            shard: "0/1".to_owned(),
            attempt: 0,
        };
        let mut tally = Tally::new(&self.scenario);
        tally.summary.sometimes_within = self.sometimes_within;
        let (ledger, recorded) = Ledger::open(&self.folder, header, self.fresh, &mut |record| tally.add(record))?;
        tally.summary.wall_ms = recorded.spent_ms;
        tally.summary.declare(self.seeds);
        observer.begun(self, &tally.summary);

        let mut attempt = Attempt {
            campaign: self,
            observer,
            interrupted,
            ledger,
            tally,
            began: Instant::now(),
            spent_before: Duration::from_millis(recorded.spent_ms),
            synced: Instant::now(),
            recorded_now: 0,
            alone: Vec::new(),
        };
        let task = self.task();
        let done = recorded.seeds;
        let seeds = self.seeds.iter().map(Seed).filter(|seed| !done.contains(seed));
        // A campaign that has already had enough starts nothing, not even the workers.
        let mut ended = match attempt.enough() {
            Ended::Done => attempt.phase(&task, seeds, self.jobs.get(), false)?,
            enough => enough,
        };
        if ended != Ended::Interrupted && !attempt.alone.is_empty() {
            let mut alone = std::mem::take(&mut attempt.alone);
            alone.sort_unstable();
            attempt.observer.alone(alone.len());
            if attempt.phase(&task, alone.into_iter(), 1, true)? == Ended::Interrupted {
                ended = Ended::Interrupted;
            }
        }
        attempt.ledger.sync()?;
        attempt.tally.summary.declare(self.seeds);
        Ok(Outcome {
            troubles: attempt.tally.troubles.into_values().collect(),
            summary: attempt.tally.summary,
            ended,
            recorded_now: attempt.recorded_now,
            ledger: attempt.ledger.path().to_owned(),
        })
    }

    fn task(&self) -> Task {
        let mut request = RunRequest::new(Seed(0), self.limits.clone());
        request.params = self.params.clone();
        Task {
            worker: self.worker.clone(),
            scenario: self.scenario.clone(),
            request,
            check_every: self.check_every,
            check: DeterminismCheck::new(self.folder.join("traces")),
        }
    }
}

/// The running sums, and the seeds to tell of at the end.
struct Tally {
    summary: Summary,
    troubles: BTreeMap<Seed, SeedRecord>,
}

impl Tally {
    fn new(scenario: &str) -> Self {
        Tally { summary: Summary::new(scenario), troubles: BTreeMap::new() }
    }

    fn add(&mut self, record: SeedRecord) {
        self.summary.add(&record);
        if record.status != Status::Pass {
            self.troubles.insert(record.seed, record);
            if self.troubles.len() > TROUBLES_MAX {
                self.troubles.pop_last();
            }
        }
    }
}

/// One attempt at a campaign, under way.
struct Attempt<'a> {
    campaign: &'a Campaign,
    observer: &'a mut dyn Observer,
    interrupted: &'a dyn Fn() -> bool,
    ledger: Ledger,
    tally: Tally,
    began: Instant,
    spent_before: Duration,
    synced: Instant,
    recorded_now: u64,
    /// Seeds to try once more, when nothing else runs.
    alone: Vec<Seed>,
}

impl Attempt<'_> {
    /// Runs `seeds` with `jobs` workers. The last try of a seed is recorded whatever it is; before that, one that the
    /// machine stopped is put aside.
    fn phase(
        &mut self,
        task: &Task,
        seeds: impl Iterator<Item = Seed> + Send,
        jobs: usize,
        last_try: bool,
    ) -> Result<Ended, CampaignError> {
        let desk = Desk::new(seeds, jobs);
        thread::scope(|scope| {
            let news = crew::start(scope, task, &desk, jobs);
            let result = self.listen(&desk, &news, last_try);
            if result.is_err() {
                desk.stop_now();
            }
            // Members blocked on a full channel must find it closed, or they never go home.
            drop(news);
            result
        })
    }

    fn listen(&mut self, desk: &Desk<'_>, news: &Receiver<crew::News>, last_try: bool) -> Result<Ended, CampaignError> {
        let mut ended = Ended::Done;
        loop {
            if (self.interrupted)() {
                desk.stop_now();
                return Ok(Ended::Interrupted);
            }
            if !last_try && ended == Ended::Done {
                ended = self.enough();
                if ended != Ended::Done {
                    desk.drain();
                }
            }
            match news.recv_timeout(TICK) {
                Ok(Ok(mut report)) => {
                    if report.wants_retry() && !last_try {
                        self.alone.push(report.record.seed);
                    } else {
                        report.retried = last_try;
                        self.record(&report)?;
                    }
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(ended),
            }
            self.tally.summary.wall_ms = millis(self.spent_before + self.began.elapsed());
            self.observer.tick(&self.tally.summary);
            if self.synced.elapsed() >= SYNC_EVERY {
                self.ledger.sync()?;
                self.synced = Instant::now();
            }
        }
    }

    fn record(&mut self, report: &CaseReport) -> Result<(), CampaignError> {
        let record = SeedRecord::new(report, millis(self.began.elapsed()));
        self.ledger.append(&record)?;
        self.recorded_now += 1;
        // Only what the ledger holds is counted: the exit code must come from there.
        self.tally.add(record.clone());
        self.observer.recorded(&record, &self.tally.summary);
        Ok(())
    }

    fn enough(&self) -> Ended {
        let summary = &self.tally.summary;
        if self.campaign.failures_max.is_some_and(|max| summary.failed + summary.nondeterministic >= max) {
            Ended::EnoughFailures
        } else if self.campaign.budget.is_some_and(|budget| self.spent_before + self.began.elapsed() >= budget) {
            Ended::BudgetSpent
        } else {
            Ended::Done
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
